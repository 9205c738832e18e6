/** Holds decoders against whatever comes: they read it or throw a DecodeError, nothing else. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { AttributeWriter } from '../../netlink-ts/wire/attributes.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((data) => Buffer.from(data));

interface Node {
  type: number;
  data: Buffer | Node[];
}

/** Attributes in attributes, so that decoders get past the first check. */
const { attributes } = fc.letrec<{ attributes: Node[]; node: Node }>((tie) => ({
  attributes: fc.array(tie('node'), { maxLength: 6 }),
  node: fc.record({
    type: fc.integer({ min: 0, max: 40 }),
    data: fc.oneof({ maxDepth: 4 }, bytes(24), tie('attributes')),
  }),
}));

function encode(nodes: Node[]): Buffer {
  const writer = new AttributeWriter();
  for (const { type, data } of nodes) writer.bytes(type, Buffer.isBuffer(data) ? data : encode(data));
  return writer.finish();
}

/** `header` is how many bytes stand before the attributes. */
export function fuzz(decode: (data: Buffer) => unknown, header: number): void {
  const plausible = fc.tuple(attributes, bytes(header)).map(([nodes, start]) => {
    return Buffer.concat([start, Buffer.alloc(header - start.length), encode(nodes)]);
  });
  fc.assert(
    fc.property(fc.oneof(bytes(200), plausible), fc.nat({ max: 3 }), (data, cut) => {
      try {
        decode(data.subarray(0, data.length - cut));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: process.env.WEFT_LONG === undefined ? 1_000 : 1_000_000 },
  );
}
