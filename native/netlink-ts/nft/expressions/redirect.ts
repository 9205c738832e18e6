/** `redirect`: destination NAT to this host itself, to the address of the interface that the packet came by. */
import type { ExpressionCodec } from '../expression.ts';
import { PortReader, writeFlags, writePorts, type PortRegisters } from './nat-range.ts';

const PORTS = { port: 1, portMax: 2, flags: 3 };

export interface Redirect extends PortRegisters {
  kind: 'redirect';
}

export const redirect: ExpressionCodec<Redirect> = {
  name: 'redir',
  encode(writer, expression) {
    writePorts(writer, expression, PORTS);
    writeFlags(writer, expression, PORTS.flags);
  },
  decode(reader) {
    const ports = new PortReader(PORTS);
    while (reader.next()) {
      if (!ports.take(reader)) return undefined;
    }
    const registers = ports.finish();
    return registers && { kind: 'redirect', ...registers };
  },
};
