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
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A row of Markdown for each contestant: median, spread, and how it compares with the first one. */
export function report(title, { operations, results }) {
  const base = results[0].runs.length > 0 ? median(results[0].runs.map(({ milliseconds }) => milliseconds)) : NaN;
  console.log(`\n### ${title}\n`);
  console.log('| | a second | median ms | spread ms | time beside ours | heap bytes each |');
  console.log('|---|---|---|---|---|---|');
  for (const { name, runs, failure, bytes } of results) {
    if (runs.length === 0 || failure !== undefined) {
      console.log(`| ${name} | ${failure ?? 'did not run'} | | | | |`);
      continue;
    }
    const times = runs.map(({ milliseconds }) => milliseconds);
    const middle = median(times);
    const cells = [
      Math.round((operations / middle) * 1_000).toLocaleString('en'),
      middle.toFixed(1),
      `${Math.min(...times).toFixed(1)}-${Math.max(...times).toFixed(1)}`,
      `${(middle / base).toFixed(2)}`,
      bytes === undefined ? '-' : Math.round(bytes / operations).toLocaleString('en'),
    ];
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
}
