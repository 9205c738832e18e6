/** Waits for a condition turn by turn of the event loop, with a deadline. */
const DEADLINE = 5_000;

export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + DEADLINE;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${DEADLINE} ms: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
