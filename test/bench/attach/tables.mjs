/** Runs as tables (table.mjs). `runs`: by contestant, the runs of each block, whose medians say how steady a figure is. */
import { median, percentile } from '../rounds.mjs';

const LATENCY = [
  ['count', 'n', 0],
  ['p50', 'p50 ms', 1],
  ['p99', 'p99 ms', 1],
  ['spread', 'best-worst ms'],
  ['ratio', 'p50 beside ours', 2],
  ['ratios', 'in each block'],
];

export function latencyTable(title, runs, what) {
  const times = (block) => block.map((run) => run[what]);
  const all = [...runs].map(([name, blocks]) => ({ name, blocks: blocks.map(times) }));
  const [base] = all;
  const rows = all.map(({ name, blocks }) => {
    const values = blocks.flat();
    const ratios = blocks.map((block, i) => median(block) / median(base.blocks[i]));
    return {
      name,
      ...summary(values),
      ratio: median(values) / median(base.blocks.flat()),
      ratios: ratios.map((ratio) => ratio.toFixed(2)).join(' '),
    };
  });
  return { title, columns: LATENCY, rows };
}

const PHASES = [
  ['p50', 'p50 ms', 2],
  ['p99', 'p99 ms', 2],
  ['share', '% of the whole', 0],
];

/** What weftd spent by its own count, and what is left: of the whole for whoever asked, of the calls for what no phase has. */
export function phaseTable(title, blocks) {
  const list = blocks.flat();
  const whole = list.map(({ attach }) => attach);
  const row = (name, values) => ({
    name,
    p50: median(values),
    p99: percentile(values, 99),
    share: (sum(values) / sum(whole)) * 100,
  });
  const of = (kind, name) => list.map(({ spent }) => spent[kind][name] ?? 0);
  const namesOf = (kind) => [...new Set(list.flatMap(({ spent }) => Object.keys(spent[kind])))];
  const total = (kind) => list.map(({ spent }) => sum(Object.values(spent[kind])));
  const [calls, phases] = [total('call'), total('phase')];
  const rows = [
    row('the whole', whole),
    row('outside weftd: the engine, the sockets', minus(whole, calls)),
    ...namesOf('call').map((name) => row(`call ${name}`, of('call', name))),
    ...namesOf('phase').map((name) => row(`of these, ${name}`, of('phase', name))),
    row('of these, the rest: parsing, replies', minus(calls, phases)),
  ];
  return { title, columns: PHASES, rows };
}

const HINTS = [
  ['count', 'n', 0],
  ['p50', 'after the reply: p50 ms', 1],
  ['p99', 'p99 ms', 1],
  ['spread', 'best-worst ms'],
  ['asked', 'after the request: p50 ms', 1],
];

/** Negative: it was there before whoever asked had the answer. */
export function hintTable(title, runs) {
  const rows = [...runs].flatMap(([name, blocks]) => {
    const hints = blocks.flat().flatMap(({ hint }) => (hint ? [hint] : []));
    if (hints.length === 0) return [];
    return [{ name, ...summary(hints.map(({ replied }) => replied)), asked: median(hints.map(({ asked }) => asked)) }];
  });
  return { title, columns: HINTS, rows };
}

const RATES = [
  ['attach', 'attaches a second', 1],
  ['spread', 'spread'],
  ['ratio', 'time beside ours', 2],
  ['detach', 'detaches a second', 1],
  ['detachRatio', 'time beside ours', 2],
];

export function rateTable(title, { lanes, results }) {
  const perSecond = (milliseconds) => (lanes / milliseconds) * 1_000;
  const middle = (runs, key) => median(runs.map((run) => run[key]));
  const [base] = results;
  const rows = results.map(({ name, runs, failure }) => {
    if (failure !== undefined) return { name, failure };
    const rates = runs.map(({ milliseconds }) => perSecond(milliseconds));
    return {
      name,
      attach: perSecond(middle(runs, 'milliseconds')),
      spread: `${Math.min(...rates).toFixed(1)}-${Math.max(...rates).toFixed(1)}`,
      ratio: middle(runs, 'milliseconds') / middle(base.runs, 'milliseconds'),
      detach: perSecond(middle(runs, 'detach')),
      detachRatio: middle(runs, 'detach') / middle(base.runs, 'detach'),
    };
  });
  return { title, columns: RATES, rows };
}

function summary(values) {
  return {
    count: values.length,
    p50: median(values),
    p99: percentile(values, 99),
    spread: `${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)}`,
  };
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}

function minus(values, others) {
  return values.map((value, i) => value - others[i]);
}
