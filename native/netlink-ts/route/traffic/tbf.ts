/** A token bucket, which holds what a link sends to a rate: TCA_TBF_* and struct tc_tbf_qopt (linux/pkt_sched.h). */
import { DecodeError } from '../../errors.ts';
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeWriter } from '../../wire/attributes.ts';

const TCA_TBF_PARMS = 1;
const TCA_TBF_RATE64 = 4;
const TCA_TBF_BURST = 6;
const PARMS_LENGTH = 36;
/** Within the parameters: struct tc_ratespec twice, then three numbers. */
const LINK_LAYER = 1;
const RATE = 8;
const LIMIT = 24;
const BUFFER = 28;
const LARGEST_RATE32 = 0xffffffff;
/** Told the link layer, the kernel reckons by itself and wants no table of transmission times (since 3.8). */
const TC_LINKLAYER_ETHERNET = 1;
/** The kernel's scheduler reckons in ticks of 64 ns on every architecture (PSCHED_SHIFT). */
const TICK_SECONDS = 64e-9;

export interface TbfData {
  /** bytes a second */
  rate: number;
  /** bytes that may go at once; read back within what the kernel sends in one tick of 64 ns */
  burst: number;
  /** bytes that may wait; more are dropped */
  limit: number;
}

export interface Tbf extends TbfData {
  other: Attribute[];
}

export function encodeTbf(writer: AttributeWriter, tbf: TbfData): void {
  const parameters = Buffer.alloc(PARMS_LENGTH);
  parameters.writeUInt8(TC_LINKLAYER_ETHERNET, LINK_LAYER);
  parameters.writeUInt32LE(Math.min(tbf.rate, LARGEST_RATE32), RATE);
  parameters.writeUInt32LE(tbf.limit, LIMIT);
  parameters.writeUInt32LE(Math.min(Math.floor(tbf.burst / tbf.rate / TICK_SECONDS), LARGEST_RATE32), BUFFER);
  writer.bytes(TCA_TBF_PARMS, parameters).u32(TCA_TBF_BURST, tbf.burst);
  if (tbf.rate > LARGEST_RATE32) writer.u64(TCA_TBF_RATE64, BigInt(tbf.rate));
}

export function decodeTbf(buffer: Buffer): Tbf {
  const tbf: Tbf = { rate: 0, burst: 0, limit: 0, other: [] };
  let ticks = 0;
  let burst: number | undefined;
  let rate64: number | undefined;
  readAttributes('tbf', buffer, (reader) => {
    if (reader.type === TCA_TBF_PARMS) {
      const data = reader.bytes();
      if (data.length < PARMS_LENGTH) throw new DecodeError(`parameters of ${data.length} bytes`);
      tbf.rate = data.readUInt32LE(RATE);
      tbf.limit = data.readUInt32LE(LIMIT);
      ticks = data.readUInt32LE(BUFFER);
    } else if (reader.type === TCA_TBF_RATE64) rate64 = Number(reader.u64());
    else if (reader.type === TCA_TBF_BURST) burst = reader.u32();
    else tbf.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  if (rate64 !== undefined) tbf.rate = rate64;
  // The kernel takes a burst in bytes and dumps it as the time that these bytes take.
  tbf.burst = burst ?? Math.round(ticks * TICK_SECONDS * tbf.rate);
  return tbf;
}
