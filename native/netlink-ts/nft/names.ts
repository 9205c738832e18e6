/** A closed list of names for numbers of the kernel, both ways. */
export interface NameTable<N extends string> {
  number(name: N): number;
  name(number: number): N | undefined;
}

export function nameTable<N extends string>(numbers: Readonly<Record<N, number>>): NameTable<N> {
  const names = new Map((Object.entries(numbers) as [N, number][]).map(([name, number]) => [number, name]));
  return { number: (name) => numbers[name], name: (number) => names.get(number) };
}

/** Names of the set bits of `mask`, in the order of the bits; undefined when a bit has no name. */
export function bitNames<N extends string>(bits: Readonly<Record<N, number>>, mask: number): N[] | undefined {
  const entries = (Object.entries(bits) as [N, number][]).sort((a, b) => a[1] - b[1]);
  const set = entries.filter(([, bit]) => (mask & bit) !== 0);
  const known = set.reduce((sum, [, bit]) => sum | bit, 0);
  return known === mask ? set.map(([name]) => name) : undefined;
}

export function bitMask<N extends string>(bits: Readonly<Record<N, number>>, names: readonly N[]): number {
  return names.reduce((mask, name) => mask | bits[name], 0);
}
