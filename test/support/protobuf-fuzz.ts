/**
 * Requests as bytes: well-typed ones of no particular sense, made from the messages' own definitions, and spoiled ones.
 * The wire format is written here by hand, since a codec would refuse to write what is wrong.
 */
import type { GrpcObject } from '@grpc/grpc-js';
import type { Random } from './random.ts';

interface Field {
  name: string;
  number: number;
  type: string;
  label: string;
  typeName: string;
}
interface Descriptor {
  field: Field[];
  nestedType: Descriptor[];
  name: string;
}

/** By message name, map entries among them. */
export type Messages = ReadonlyMap<string, Field[]>;

export function messagesOf(loaded: GrpcObject): Messages {
  const found = new Map<string, Field[]>();
  const add = ({ name, field, nestedType }: Descriptor) => {
    found.set(name, field);
    nestedType.forEach(add);
  };
  for (const one of Object.values(loaded)) {
    const { type } = one as { type?: Descriptor };
    if (type?.field) add(type);
  }
  return found;
}

/** Texts that mean something to the server, for fields whose names say what they take. */
export type Vocabulary = Readonly<Record<string, readonly string[]>>;

const NUMBERS = [
  0n,
  1n,
  2n,
  60n,
  1_400n,
  65_535n,
  65_536n,
  1n << 31n,
  (1n << 32n) - 1n,
  (1n << 63n) - 1n,
  (1n << 64n) - 1n,
];
/** what a name, a path, an address or a number is mistaken for */
const ODD = [
  ...['', ' ', '/', '//', 'a/b/c/d', '.', '..', '../../x', '-', '*', '%00', '%', 'null', 'undefined', '0', '-1', 'NaN'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x'.repeat(33), 'y'.repeat(512), 'z'.repeat(5_000)],
  ...['0.0.0.0/0', '10.1.2.3', '10.1.2.3/33', '::', '::/0', 'fe80::1%eth0', '256.1.1.1', '1e3', '\u0000', '\n', '\r\n'],
  ...[
    'ü',
    '日本',
    '🐳'.repeat(50),
    `${'x'.repeat(76)}${'🐳'.repeat(9)}`,
    '\u202e',
    '\ufeff',
    '{}',
    '[]',
    '"',
    "'",
    '$(id)',
    '`id`',
  ],
];
/** UTF-8 that encodes no text: cut, overlong, beyond Unicode, and halves of a pair on their own. */
const BROKEN_TEXT = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xed, 0xb0, 0x80], [0xf4, 0x90, 0x80, 0x80]];

export class RequestFuzz {
  readonly #chance: Random;
  readonly #messages: Messages;
  readonly #words: Vocabulary;

  constructor(chance: Random, messages: Messages, words: Vocabulary) {
    this.#chance = chance;
    this.#messages = messages;
    this.#words = words;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#chance.integer(256)));
  }

  /** A request that decodes: `sense` is how often a field has a value that fits it, from 0 to 1. */
  message(name: string, sense: number, depth = 0): Buffer {
    const fields = this.#messages.get(name) ?? [];
    return Buffer.concat(fields.flatMap((field) => this.#field(field, sense, depth)));
  }

  /** A few bytes changed, cut out, put in or repeated. */
  spoil(bytes: Buffer): Buffer {
    const at = this.#chance.integer(bytes.length + 1);
    const to = at + this.#chance.integer(bytes.length - at + 1);
    const [head, middle, tail] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    return this.#chance.pick([
      () => head,
      () => tail,
      () => Buffer.concat([head, tail]),
      () => Buffer.concat([head, middle, middle, tail]),
      () => Buffer.concat([head, this.bytes(1 + this.#chance.integer(8)), tail]),
      () => Buffer.concat([head, this.bytes(middle.length), tail]),
      () => Buffer.concat([head, Buffer.from(middle.map((byte) => byte ^ (1 << this.#chance.integer(8)))), tail]),
    ])();
  }

  /** What attacks a decoder: endless groups, lengths beyond the end, unknown fields, numbers of many bytes. */
  hostile(name: string): Buffer {
    const number = this.#chance.pick([0, 1, 2, 3, 7, 15, 1_000, (1 << 29) - 1]);
    return this.#chance.pick([
      () => Buffer.alloc(1 + this.#chance.integer(50_000), tag(number, 3)),
      () =>
        Buffer.concat([tag(number, 2), varint(NUMBERS[this.#chance.integer(NUMBERS.length)] ?? 0n), this.bytes(20)]),
      () => Buffer.concat([tag(number, this.#chance.integer(8)), this.bytes(this.#chance.integer(40))]),
      () => Buffer.concat([tag(number, 0), Buffer.alloc(this.#chance.integer(64), 0xff)]),
      () => Buffer.concat([this.message(name, 1), tag(number, 2), varint(100_000n), Buffer.alloc(100_000, 0x41)]),
      () => this.#nested(),
      () => Buffer.concat(Array.from({ length: 2_000 }, () => block(number, this.bytes(1)))),
    ])();
  }

  /** A message in a message in a message, as deep as a field of any kind can say. */
  #nested(): Buffer {
    const number = 1 + this.#chance.integer(9);
    let bytes: Buffer = Buffer.alloc(0);
    for (let depth = this.#chance.integer(400); depth > 0; depth--) bytes = block(number, bytes);
    return bytes;
  }

  #field(field: Field, sense: number, depth: number): Buffer[] {
    const times =
      field.label === 'LABEL_REPEATED' ? this.#chance.pick([0, 1, 1, 2, 3, 20]) : this.#chance.pick([0, 1, 1, 1]);
    return Array.from({ length: times }, () => this.#value(field, sense, depth));
  }

  #value({ name, number, type, typeName }: Field, sense: number, depth: number): Buffer {
    switch (type) {
      case 'TYPE_STRING':
        return block(number, this.#text(name, sense));
      case 'TYPE_MESSAGE':
        return block(
          number,
          depth > 4 ? Buffer.alloc(0) : this.message(typeName.split('.').at(-1) ?? '', sense, depth + 1),
        );
      case 'TYPE_BOOL':
        return Buffer.concat([tag(number, 0), varint(BigInt(this.#chance.integer(2)))]);
      default:
        return Buffer.concat([tag(number, 0), varint(this.#chance.pick(NUMBERS))]);
    }
  }

  #text(name: string, sense: number): Buffer {
    if (this.#chance.next() < sense) return Buffer.from(this.#chance.pick(this.#words[name] ?? ['web']));
    const odd = Buffer.from(this.#chance.pick(ODD));
    if (this.#chance.integer(8) > 0) return odd;
    return Buffer.concat([odd.subarray(0, 20), Buffer.from(this.#chance.pick(BROKEN_TEXT))]);
  }
}

function block(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([tag(number, 2), varint(BigInt(bytes.length)), bytes]);
}

function tag(number: number, wire: number): Buffer {
  return varint((BigInt(number) << 3n) | BigInt(wire));
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}
