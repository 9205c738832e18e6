/**
 * A set of numbers below 2^32 in pages of bits that exist only where something is in the set: it costs what it holds, and
 * the next absent or present number is found by skipping whole pages and words.
 */
const PAGE = 1024;
const WORD = 32;

interface Page {
  words: Uint32Array;
  count: number;
}

export class Bitmap {
  readonly #pages = new Map<number, Page>();

  add(value: number): void {
    const number = Math.floor(value / PAGE);
    let page = this.#pages.get(number);
    if (!page) this.#pages.set(number, (page = { words: new Uint32Array(PAGE / WORD), count: 0 }));
    const [word, bit] = placeOf(value);
    const before = page.words[word] ?? 0;
    if ((before & bit) !== 0) return;
    page.words[word] = before | bit;
    page.count++;
  }

  delete(value: number): void {
    const number = Math.floor(value / PAGE);
    const page = this.#pages.get(number);
    const [word, bit] = placeOf(value);
    const before = page?.words[word] ?? 0;
    if (!page || (before & bit) === 0) return;
    page.words[word] = before & ~bit;
    if (--page.count === 0) this.#pages.delete(number);
  }

  /** The lowest number from `low` to `high` that is not in the set. */
  firstAbsent(low: number, high: number): number | undefined {
    for (let at = low; at <= high; at = nextPage(at)) {
      const page = this.#pages.get(Math.floor(at / PAGE));
      if (!page) return at;
      const found = page.count < PAGE ? firstBit(page.words, at, ~0) : undefined;
      if (found !== undefined) return found <= high ? found : undefined;
    }
    return undefined;
  }

  /** The lowest number from `low` to `high` that is in the set; takes a step for each page between them. */
  firstPresent(low: number, high: number): number | undefined {
    for (let at = low; at <= high; at = nextPage(at)) {
      const page = this.#pages.get(Math.floor(at / PAGE));
      const found = page && firstBit(page.words, at, 0);
      if (found !== undefined) return found <= high ? found : undefined;
    }
    return undefined;
  }

  /** How many from `low` to `high` are in the set. */
  count(low: number, high: number): number {
    const [firstPage, lastPage] = [Math.floor(low / PAGE), Math.floor(high / PAGE)];
    let sum = 0;
    for (const [number, page] of this.#pages) {
      if (number < firstPage || number > lastPage) continue;
      const from = number === firstPage ? low % PAGE : 0;
      const to = number === lastPage ? high % PAGE : PAGE - 1;
      sum += from === 0 && to === PAGE - 1 ? page.count : countBits(page.words, from, to);
    }
    return sum;
  }
}

function placeOf(value: number): [word: number, bit: number] {
  const within = value % PAGE;
  return [Math.floor(within / WORD), 1 << (within % WORD)];
}

function nextPage(value: number): number {
  return (Math.floor(value / PAGE) + 1) * PAGE;
}

/** The first bit of the page from `at` on that is set after `flip` was applied to its words. */
function firstBit(words: Uint32Array, at: number, flip: number): number | undefined {
  const start = at % PAGE;
  const base = at - start;
  let mask = ~0 << (start % WORD);
  for (let i = Math.floor(start / WORD); i < words.length; i++, mask = ~0) {
    const bits = ((words[i] ?? 0) ^ flip) & mask;
    if (bits !== 0) return base + i * WORD + (31 - Math.clz32(bits & -bits));
  }
  return undefined;
}

function countBits(words: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at <= to; at++) {
    if (((words[Math.floor(at / WORD)] ?? 0) & (1 << (at % WORD))) !== 0) sum++;
  }
  return sum;
}
