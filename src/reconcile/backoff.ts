const FIRST = 100;
const LONGEST = 60_000;

/** 100 ms doubling to a minute, give or take a quarter, so that failing objects do not try in step. */
export function backoff(attempts: number, random: () => number): number {
  const base = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts - 1, 16));
  return base * (0.75 + random() * 0.5);
}
