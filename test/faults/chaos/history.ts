/** What happened in a run, one JSON line each, and what must not have. Pure. */
import type { Finding } from '../../../src/model/finding.ts';
import type { Fault } from './plan.ts';

/** `at`: milliseconds from the beginning of the run. */
export type Entry = { at: number } & (
  | { event: 'begin' | 'end'; round: number; fault: Fault }
  /** from `asked` to `at`; without an address it failed */
  | { event: 'attach'; host: number; name: string; asked: number; addresses: string[]; error: string }
  | { event: 'detach'; host: number; name: string; asked: number; error: string }
  /** every fault of the round has ended, and hosts and daemons are up: who could not be reached, and within how long all were */
  | { event: 'reached'; round: number; after: number; unreached: string[]; lost: string[] }
  /** from here to the next fault there is no excuse */
  | { event: 'calm'; round: number }
  | { event: 'final'; findings: Finding[]; leaked: string[]; endpoints: { name: string; addresses: string[] }[] }
);

/** What is wrong with a history, in words; none for a good one. */
export function judge(history: readonly Entry[]): string[] {
  return [...addressesTwice(history), ...refusedInCalm(history), ...afterRounds(history), ...atTheEnd(history)];
}

interface Hold {
  name: string;
  host: number;
  address: string;
  from: number;
  to: number;
}

/** From the answer of the attach to the question of the detach it is held, whatever is in between. */
function holdsOf(history: readonly Entry[]): Hold[] {
  const open: Hold[] = [];
  const closed: Hold[] = [];
  const close = (to: number, which: (hold: Hold) => boolean) => {
    for (const hold of open.filter(which)) {
      open.splice(open.indexOf(hold), 1);
      closed.push({ ...hold, to });
    }
  };
  for (const entry of history.toSorted((a, b) => startOf(a) - startOf(b))) {
    if (entry.event === 'detach') close(entry.asked, ({ name }) => name === entry.name);
    // its namespaces went with the power
    if (entry.event === 'begin' && entry.fault.kind === 'power-cycle') {
      close(entry.at, ({ host }) => host === entry.fault.host);
    }
    if (entry.event !== 'attach') continue;
    for (const address of entry.addresses) {
      open.push({ name: entry.name, host: entry.host, address, from: entry.at, to: Infinity });
    }
  }
  return [...closed, ...open];
}

/** A detach ends a hold when it is asked for, an attach begins one when it is answered. */
function startOf(entry: Entry): number {
  return entry.event === 'detach' ? entry.asked : entry.at;
}

function addressesTwice(history: readonly Entry[]): string[] {
  const byAddress = new Map<string, Hold[]>();
  for (const hold of holdsOf(history)) byAddress.set(hold.address, [...(byAddress.get(hold.address) ?? []), hold]);
  return [...byAddress.values()].flatMap((holds) => {
    const sorted = holds.toSorted((a, b) => a.from - b.from);
    return sorted.flatMap((hold, i) => {
      const next = sorted[i + 1];
      if (!next || next.from >= hold.to) return [];
      return [`${hold.address} was given to ${next.name} at ${next.from} while ${hold.name} had it since ${hold.from}`];
    });
  });
}

/** Whoever asked and was answered between the calm and the next fault. */
function refusedInCalm(history: readonly Entry[]): string[] {
  const calms: { from: number; to: number }[] = [];
  for (const { event, at } of history) {
    if (event === 'calm') calms.push({ from: at, to: Infinity });
    const last = calms.at(-1);
    if (event === 'begin' && last?.to === Infinity) last.to = at;
  }
  return history.flatMap((entry) => {
    if ((entry.event !== 'attach' && entry.event !== 'detach') || entry.error === '') return [];
    if (!calms.some(({ from, to }) => entry.asked >= from && entry.at <= to)) return [];
    return [`${entry.event} of ${entry.name} failed at ${entry.at}, when all was well: ${entry.error}`];
  });
}

function afterRounds(history: readonly Entry[]): string[] {
  return history.flatMap((entry) => {
    if (entry.event !== 'reached') return [];
    return [
      ...entry.unreached.map((pair) => `after round ${entry.round}: ${pair} is not reached within ${entry.after} ms`),
      ...entry.lost.map((stream) => `in round ${entry.round} a connection was lost: ${stream}`),
    ];
  });
}

function atTheEnd(history: readonly Entry[]): string[] {
  const final = history.at(-1);
  if (final?.event !== 'final') return ['the history has no end'];
  const ended = new Map<string, boolean>();
  for (const entry of history) {
    if (entry.event === 'attach' && entry.error === '') ended.set(entry.name, false);
    if (entry.event === 'detach') ended.set(entry.name, true);
    if (entry.event === 'begin' && entry.fault.kind === 'power-cycle') {
      for (const name of ended.keys()) if (name.startsWith(`host${entry.fault.host}-`)) ended.set(name, true);
    }
  }
  const there = new Set(final.endpoints.map(({ name }) => name));
  const missing = [...ended].filter(([name, isEnded]) => !isEnded && !there.has(name));
  return [
    ...missing.map(([name]) => `${name} was attached, nobody detached it, and it is gone`),
    ...final.leaked.map((object) => `at the end there is ${object}`),
    ...final.findings.map(({ code, node, object, evidence }) => `at the end: ${code} ${node} ${object}: ${evidence}`),
  ];
}
