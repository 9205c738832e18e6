/** `snat` and `dnat`: another source or destination, from registers. In chains of type nat, for the first packet only. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';
import { PortReader, upperRegister, writeFlags, writePorts, type PortRegisters } from './nat-range.ts';

const NFTA_NAT_TYPE = 1;
const NFTA_NAT_FAMILY = 2;
const NFTA_NAT_REG_ADDR_MIN = 3;
const NFTA_NAT_REG_ADDR_MAX = 4;
const PORTS = { port: 5, portMax: 6, flags: 7 };

const TYPES = nameTable({ snat: 0, dnat: 1 });
const FAMILIES = nameTable({ ip: 2, ip6: 10 });

export interface Nat extends PortRegisters {
  kind: 'nat';
  type: Exclude<ReturnType<typeof TYPES.name>, undefined>;
  family: Exclude<ReturnType<typeof FAMILIES.name>, undefined>;
  /** where the address is, or the lowest of a range; without it only the port changes */
  address?: number;
  /** where the highest address of a range is */
  addressMax?: number;
}

export const nat: ExpressionCodec<Nat> = {
  name: 'nat',
  encode(writer, expression) {
    const { type, family, address, addressMax } = expression;
    writer.be32(NFTA_NAT_TYPE, TYPES.number(type));
    writer.be32(NFTA_NAT_FAMILY, FAMILIES.number(family));
    if (address !== undefined) writer.be32(NFTA_NAT_REG_ADDR_MIN, registerNumber(address));
    if (addressMax !== undefined) writer.be32(NFTA_NAT_REG_ADDR_MAX, registerNumber(addressMax));
    writePorts(writer, expression, PORTS);
    writeFlags(writer, expression, PORTS.flags);
  },
  decode(reader) {
    const ports = new PortReader(PORTS);
    let type: Nat['type'] | undefined;
    let family: Nat['family'] | undefined;
    let address: number | undefined;
    let upper: number | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_NAT_TYPE) type = TYPES.name(reader.be32());
      else if (reader.type === NFTA_NAT_FAMILY) family = FAMILIES.name(reader.be32());
      else if (reader.type === NFTA_NAT_REG_ADDR_MIN) address = registerSlot(reader.be32());
      else if (reader.type === NFTA_NAT_REG_ADDR_MAX) upper = registerSlot(reader.be32());
      else if (!ports.take(reader)) return undefined;
    }
    const rest = ports.finish();
    if (!type || !family || !rest) return undefined;
    const addressMax = upperRegister(address, upper);
    return {
      kind: 'nat',
      type,
      family,
      ...(address === undefined ? {} : { address }),
      ...(addressMax === undefined ? {} : { addressMax }),
      ...rest,
    };
  },
};
