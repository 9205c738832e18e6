/**
 * Contestants in turn, round after round, so that whatever else the machine does meets all of them alike. Each run says how
 * long its work took and is checked to have done it; a contestant that fails is reported as such and runs no more.
 *
 * A contestant is { name, run(), heap?() }: run resolves to { milliseconds } or throws; heap, asked once when all rounds are
 * over, resolves to the bytes that a run of its own allocated.
 */
export async function inTurn(contestants, rounds) {
  const results = new Map(contestants.map(({ name }) => [name, { name, runs: [], failure: undefined }]));
  for (let round = 0; round < rounds; round++) {
    // Nobody always comes first.
    const order = contestants.map((_, i) => contestants[(i + round) % contestants.length]);
    for (const { name, run } of order) {
      const result = results.get(name);
      if (result.failure !== undefined) continue;
      try {
        result.runs.push(await run());
      } catch (error) {
        result.failure = error.message;
      }
    }
  }
  for (const { name, heap } of contestants) {
    const result = results.get(name);
    if (heap && result.failure === undefined) result.bytes = await heap();
  }
  return contestants.map(({ name }) => results.get(name));
}

export function median(numbers) {
  return percentile(numbers, 50);
}

/** Between the two nearest of them; NaN of none. */
export function percentile(numbers, percent) {
  const sorted = [...numbers].sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const at = ((sorted.length - 1) * percent) / 100;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

const RUNS_COLUMNS = [
  ['rate', 'a second', 0],
  ['median', 'median ms', 1],
  ['spread', 'spread ms'],
  ['ratio', 'time beside ours', 2],
  ['heap', 'heap bytes each', 0],
];

/** A table (table.mjs) with a row for each contestant: median, spread, and how it compares with the first one. */
export function runsTable(title, { operations, results }) {
  const base = median(results[0].runs.map(({ milliseconds }) => milliseconds));
  const rows = results.map(({ name, runs, failure, bytes }) => {
    if (runs.length === 0 || failure !== undefined) return { name, failure: failure ?? 'did not run' };
    const times = runs.map(({ milliseconds }) => milliseconds);
    const middle = median(times);
    return {
      name,
      rate: (operations / middle) * 1_000,
      median: middle,
      spread: `${Math.min(...times).toFixed(1)}-${Math.max(...times).toFixed(1)}`,
      ratio: middle / base,
      ...(bytes !== undefined && { heap: bytes / operations }),
    };
  });
  return { title, columns: RUNS_COLUMNS, rows };
}
