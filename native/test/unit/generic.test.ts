/**
 * The controller of generic netlink, against what `genl` of iproute2 (6.1) sent and what a kernel (6.18) answered
 * (`strace -e trace=sendmsg,sendto,recvmsg -e write=all -e read=all genl ctrl ...`).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeFamily, encodeFamilyQuery, GENL_CMD_CAP_DUMP } from '../../netlink-ts/generic/control.ts';
import { decodeGeneric, encodeGeneric } from '../../netlink-ts/generic/header.ts';
import { AttributeReader } from '../../netlink-ts/wire/attributes.ts';
import { fuzz } from './fuzz.ts';
import { parseFamilies, printed } from './generic-text.ts';

interface Captured {
  command: string;
  text: string;
  sent: { type: number; payload: string }[];
  received: { type: number; payload: string }[];
}

const captured = JSON.parse(readFileSync(new URL('../fixtures/generic.json', import.meta.url), 'utf8')) as Captured[];
const HEADER = 4;
const GENL_ID_CTRL = 0x10;

function capturedOf(command: string): Captured {
  const found = captured.find((one) => one.command === command);
  if (!found) throw new Error(`${command} was not captured`);
  return found;
}

describe('families', () => {
  it.each(captured.map(({ command }) => command))('are those that the tool prints: %s', (command) => {
    const { received, text } = capturedOf(command);
    const families = received
      .filter(({ type }) => type === GENL_ID_CTRL)
      .map(({ payload }) => decodeFamily(Buffer.from(payload, 'hex')));
    expect(families.map(printed)).toEqual(parseFamilies(text));
  });

  it('say what their commands can do', () => {
    const [answer] = capturedOf('genl ctrl get id 0x10').received;
    const control = decodeFamily(Buffer.from(answer?.payload ?? '', 'hex'));
    expect(control).toMatchObject({ id: 16, name: 'nlctrl', groups: [{ id: 16, name: 'notify' }] });
    expect(control.commands).toEqual([
      { id: 3, flags: 0xe },
      { id: 10, flags: 0xc },
    ]);
    expect((control.commands[1]?.flags ?? 0) & GENL_CMD_CAP_DUMP).toBe(GENL_CMD_CAP_DUMP);
  });
});

describe('requests', () => {
  /** The tool leaves the version at zero and the final zero of a name in doubt. */
  function parts(payload: Buffer): unknown[] {
    const reader = new AttributeReader(payload.subarray(HEADER));
    const found: unknown[] = [payload[0]];
    while (reader.next())
      found.push([reader.type, reader.type === 2 ? reader.string() : reader.bytes().toString('hex')]);
    reader.check();
    return found;
  }

  it.each([
    ['genl ctrl get name ethtool', { name: 'ethtool' }],
    ['genl ctrl get id 0x10', { id: 0x10 }],
    ['genl ctrl list', {}],
  ] as const)('are those of the tool: %s', (command, reference) => {
    const [theirs] = capturedOf(command).sent;
    expect(theirs?.type).toBe(GENL_ID_CTRL);
    expect(parts(encodeFamilyQuery(reference))).toEqual(parts(Buffer.from(theirs?.payload ?? '', 'hex')));
  });

  it('carry command and version before the rest', () => {
    const message = { command: 7, version: 3, payload: Buffer.from('abcd', 'hex') };
    expect(encodeGeneric(message).toString('hex')).toBe('07030000abcd');
    expect(decodeGeneric(encodeGeneric(message))).toEqual(message);
  });
});

describe('decoders of whatever comes', () => {
  it.each([
    ['family', decodeFamily],
    ['header', decodeGeneric],
  ] as const)('%s: read it or throw a DecodeError, nothing else', (_, decode) => fuzz(decode, HEADER));
});
