/** One attach and detach of a contestant, with what weftd says it spent on them; and many at a time. */
import { performance } from 'node:perf_hooks';

/** { attach, detach }: milliseconds; `spent` on the attach, by weftd; `hint`: until the other host knew it */
export async function measureOne(contestant, { host, hints }) {
  const before = contestant.isWeft ? await host.timings() : undefined;
  const asked = performance.now();
  const attached = await contestant.attach(0);
  const replied = performance.now();
  const after = contestant.isWeft ? await host.timings() : undefined;
  const seen = await contestant.check(0, attached);
  const hinted = contestant.isWeft ? await hints.reached(seen) : undefined;
  const leaving = performance.now();
  await contestant.detach(0, attached);
  const left = performance.now();
  await contestant.settled(0, seen);
  return {
    attach: replied - asked,
    detach: left - leaving,
    ...(contestant.isWeft && {
      spent: spentBetween(before, after),
      hint: { asked: hinted - asked, replied: hinted - replied },
    }),
  };
}

/** All lanes attach, `concurrent` at a time, then all detach: milliseconds for each. */
export async function measureMany(contestant, { lanes, concurrent }) {
  const attached = [];
  const attach = await timed(lanes, concurrent, async (lane) => {
    attached[lane] = await contestant.attach(lane);
  });
  const seen = [];
  for (let lane = 0; lane < lanes; lane++) seen.push(await contestant.check(lane, attached[lane]));
  const addresses = new Set(seen.map(({ address }) => address));
  if (addresses.size !== lanes) throw new Error(`${addresses.size} addresses for ${lanes} containers`);
  const detach = await timed(lanes, concurrent, (lane) => contestant.detach(lane, attached[lane]));
  for (let lane = 0; lane < lanes; lane++) await contestant.settled(lane, seen[lane]);
  return { attach, detach };
}

async function timed(count, width, one) {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: width }, lane));
  return performance.now() - start;
}

/** { phase: { journal: 1.2 }, call: { ... } } of what was counted in between. */
function spentBetween(before, after) {
  const spent = {};
  for (const kind of ['phase', 'call']) {
    spent[kind] = {};
    for (const [name, { sum, count }] of Object.entries(after[kind])) {
      const past = before[kind][name] ?? { sum: 0, count: 0 };
      if (count > past.count) spent[kind][name] = sum - past.sum;
    }
  }
  return spent;
}
