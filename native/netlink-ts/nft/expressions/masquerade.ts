/** `masquerade`: source NAT to the address of the interface that the packet leaves by. */
import type { ExpressionCodec } from '../expression.ts';
import { PortReader, writeFlags, writePorts, type PortRegisters } from './nat-range.ts';

const PORTS = { flags: 1, port: 2, portMax: 3 };

export interface Masquerade extends PortRegisters {
  kind: 'masquerade';
}

export const masquerade: ExpressionCodec<Masquerade> = {
  name: 'masq',
  encode(writer, expression) {
    writeFlags(writer, expression, PORTS.flags);
    writePorts(writer, expression, PORTS);
  },
  decode(reader) {
    const ports = new PortReader(PORTS);
    while (reader.next()) {
      if (!ports.take(reader)) return undefined;
    }
    const registers = ports.finish();
    return registers && { kind: 'masquerade', ...registers };
  },
};
