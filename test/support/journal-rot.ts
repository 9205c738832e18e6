/** What bad disks and careless hands do to files that lie still: pieces flip, vanish, double, or come from somewhere else. */
import type { JournalDisk } from './journal-disk.ts';
import type { Random } from './random.ts';

type Damage = (content: Buffer, random: Random) => Buffer;

const DAMAGES: Record<string, Damage> = {
  'a bit flips': (content, random) => {
    const copy = Buffer.from(content);
    const at = random.integer(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
    return copy;
  },
  'a piece becomes zeros': (content, random) => {
    const [from, to] = range(content, random);
    return Buffer.from(content).fill(0, from, to);
  },
  'a piece becomes noise': (content, random) => {
    const [from, to] = range(content, random);
    const copy = Buffer.from(content);
    for (let at = from; at < to; at++) copy[at] = random.integer(256);
    return copy;
  },
  'a piece is missing': (content, random) => {
    const [from, to] = range(content, random);
    return Buffer.concat([content.subarray(0, from), content.subarray(to)]);
  },
  'a piece is there twice': (content, random) => {
    const [from, to] = range(content, random);
    return Buffer.concat([content.subarray(0, to), content.subarray(from)]);
  },
  'the end is torn off': (content, random) => content.subarray(0, random.integer(content.length)),
  'there is more behind the end': (content, random) => {
    const [from, to] = range(content, random);
    return Buffer.concat([content, content.subarray(from, to)]);
  },
};

/** Damages one file; tells how, for whoever reads of a failure. */
export function rot(disk: JournalDisk, random: Random): string {
  const path = random.pick(disk.paths().filter((name) => (disk.content(name)?.length ?? 0) > 0));
  if (random.integer(12) === 0) {
    disk.overwrite(path, undefined);
    return `${path}: gone`;
  }
  const [name, damage] = random.pick(Object.entries(DAMAGES));
  disk.overwrite(path, damage(Buffer.from(disk.content(path) ?? []), random));
  return `${path}: ${name}`;
}

function range(content: Buffer, random: Random): [from: number, to: number] {
  const from = random.integer(content.length);
  return [from, from + 1 + random.integer(Math.min(content.length - from, 700))];
}
