/**
 * Captured requests and answers of rtnetlink (kernel 6.18, iproute2 6.1), and their comparison with ours. `sent` holds the
 * last message of each command, seen by `strace -e trace=sendmsg -e write=all`; `refused` what the kernel of the capture
 * said where it lacks the kind; `dumped` what it answered to dumps.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { AttributeReader } from '../../netlink-ts/wire/attributes.ts';

interface Fixture<Dump> {
  sent: { name: string; command: string; type: number; flags: number; payload: string; refused?: string }[];
  dumped: Dump;
}

/** Attributes that hold others, as paths of their numbers from the outermost (`*` stands for any), and where text is. */
interface Shape {
  header: number;
  nested: readonly string[];
  /** compared without its final zero, which the kernel does not ask for */
  text?: readonly string[];
  /** not compared */
  skip?: readonly string[];
}

export class Captured<Dump = string[]> {
  readonly #fixture: Fixture<Dump>;

  constructor(name: string) {
    const text = readFileSync(new URL(`../fixtures/route-${name}.json`, import.meta.url), 'utf8');
    this.#fixture = JSON.parse(text) as Fixture<Dump>;
  }

  sent(name: string): Buffer {
    const found = this.#fixture.sent.find((one) => one.name === name);
    if (!found) throw new Error(`no request ${name}`);
    return Buffer.from(found.payload, 'hex');
  }

  dumped<T>(pick: (dump: Dump) => string[], decode: (payload: Buffer) => T | undefined): T[] {
    return pick(this.#fixture.dumped).flatMap((hex) => decode(Buffer.from(hex, 'hex')) ?? []);
  }

  /** The kernel cares neither for the order of attributes nor for the flag of nested ones. */
  same(ours: Buffer, name: string, shape: Shape): void {
    const theirs = this.sent(name);
    expect(ours.toString('hex', 0, shape.header)).toBe(theirs.toString('hex', 0, shape.header));
    expect(tree(ours.subarray(shape.header), shape)).toEqual(tree(theirs.subarray(shape.header), shape));
  }
}

/** Attributes in the order of their types. */
export function tree(buffer: Buffer, shape: Shape, path: string[] = []): unknown[] {
  const reader = new AttributeReader(buffer);
  const found: [number, unknown][] = [];
  while (reader.next()) {
    const at = [...path, String(reader.type)];
    if (matches(shape.skip, at)) continue;
    found.push([reader.type, value(reader, shape, at)]);
  }
  reader.check();
  return found.sort(([a], [b]) => a - b);
}

function value(reader: AttributeReader, shape: Shape, at: string[]): unknown {
  if (matches(shape.nested, at)) return tree(reader.bytes(), shape, at);
  return matches(shape.text, at) ? reader.string() : reader.bytes().toString('hex');
}

function matches(patterns: readonly string[] = [], at: string[]): boolean {
  return patterns.some((pattern) => {
    const steps = pattern.split('/');
    return steps.length === at.length && steps.every((step, i) => step === '*' || step === at[i]);
  });
}
