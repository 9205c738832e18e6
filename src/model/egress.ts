/** Exceptions of a tenant's egress as text: "192.0.2.5", "192.0.2.0/24:5432/tcp", "2001:db8::5/128:53/udp". */
import { BITS, parseAddress } from './address/address.ts';
import { cidrOf, formatCidr, parseCidr } from './address/cidr.ts';
import type { EgressException } from './objects.ts';
import { checkProtocol } from './ports/protocol.ts';
import { clip, invalid } from './validate.ts';

/** so that a packet of a tenant passes few rules */
const MOST_EXCEPTIONS = 64;
/** The protocol tells the port from the last group of an IPv6 address. */
const SERVICE = /^(?<range>.+):(?<port>[1-9]\d{0,4})\/(?<protocol>tcp|udp|sctp)$/;

/** Throws `invalid-argument`; canonical, sorted, each once. */
export function checkExceptions(path: string, texts: readonly string[]): EgressException[] {
  if (texts.length > MOST_EXCEPTIONS)
    throw invalid(path, `${texts.length} exceptions are more than ${MOST_EXCEPTIONS}`);
  const checked = texts.map((text, i) => checkException(`${path}[${i}]`, text));
  const byText = new Map(checked.map((one) => [formatException(one), one]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

export function formatException({ cidr, service }: EgressException): string {
  return service ? `${cidr}:${service.port}/${service.protocol}` : cidr;
}

function checkException(path: string, text: string): EgressException {
  const { range = text, port, protocol } = SERVICE.exec(text)?.groups ?? {};
  const address = parseAddress(range);
  const cidr = address ? cidrOf(address, BITS[address.family]) : parseCidr(range);
  if (!cidr || Number(port ?? 1) > 65_535) {
    throw invalid(path, `"${clip(text)}" is not CIDR or CIDR:PORT/PROTOCOL such as 192.0.2.5/32:5432/tcp`);
  }
  if (protocol === undefined) return { cidr: formatCidr(cidr) };
  return { cidr: formatCidr(cidr), service: { protocol: checkProtocol(path, protocol), port: Number(port) } };
}
