/** What is asked for with `-p`, checked as far as nothing else has to be known. */
import { formatAddress, parseAddress } from '../address/address.ts';
import { contains, parseCidr } from '../address/cidr.ts';
import { WeftError } from '../errors.ts';
import type { PortProtocol } from '../objects.ts';
import { clip, invalid } from '../validate.ts';
import { checkProtocol } from './protocol.ts';

export interface PortWish {
  protocol: PortProtocol;
  /** of the node; '' is every one, "0.0.0.0" and "::" are those of one family */
  address: string;
  /** one of these ports of the node; 0 and 0: any */
  first: number;
  last: number;
  port: number;
}

/** so that a packet's first rule stays one look into a map of bounded size */
const MOST_PORTS = 1_024;
/** [ADDRESS:][FIRST[-LAST]:]PORT[/PROTOCOL], as Docker has it; an IPv6 address is in brackets */
const PUBLISH =
  /^(?:(?:\[(?<six>[^\]]+)\]|(?<four>\d+(?:\.\d+){3})):)?(?:(?<first>\d{0,5})(?:-(?<last>\d{1,5}))?:)?(?<port>\d{1,5})(?:\/(?<protocol>\w+))?$/;

/** Throws `invalid-argument`. */
export function parsePublish(path: string, text: string): PortWish {
  const groups = PUBLISH.exec(text)?.groups;
  if (!groups) throw invalid(path, `"${clip(text)}" is not [ADDRESS:][HOSTPORT:]PORT[/PROTOCOL]`);
  const { six, four, first = '', last = '', port = '', protocol = 'tcp' } = groups;
  const from = Number(first || 0);
  return {
    protocol: checkProtocol(path, protocol),
    address: six ?? four ?? '',
    first: from,
    last: Number(last || from),
    port: Number(port),
  };
}

/** Canonical. Throws `invalid-argument`, and `ports-unsupported` for what cannot work. */
export function checkWishes(path: string, wishes: readonly PortWish[], overlayPort: number): PortWish[] {
  if (wishes.length > MOST_PORTS) throw invalid(path, `${wishes.length} ports are more than ${MOST_PORTS}`);
  return wishes.map((wish, i) => checkWish(`${path}[${i}]`, wish, overlayPort));
}

function checkWish(path: string, wish: PortWish, overlayPort: number): PortWish {
  const { first, last, port, protocol } = wish;
  const address = wish.address === '' ? '' : checkAddress(path, wish.address);
  if (!isPort(port)) throw invalid(path, `${port} is not a port of 1 to 65535`);
  const any = first === 0 && last === 0;
  if (!any && !(isPort(first) && isPort(last) && first <= last)) {
    throw invalid(path, `${first}-${last} is not a range of ports of 1 to 65535`);
  }
  if (protocol === 'udp' && (port === overlayPort || (first === overlayPort && last === overlayPort))) {
    throw new WeftError('ports-unsupported', `${overlayPort}/udp carries the overlay, on the host and to no container`);
  }
  return { protocol, address, first, last, port };
}

const LOOPBACK6 = 1n;
const UNUSABLE = ['224.0.0.0/4', 'ff00::/8', 'fe80::/10'];

function checkAddress(path: string, text: string): string {
  const address = parseAddress(text);
  if (!address) throw invalid(path, `"${clip(text)}" is not an IP address`);
  if (address.family === 6 && address.value === LOOPBACK6) {
    throw new WeftError('ports-unsupported', 'the kernel leads nothing from [::1] to a container', {
      next: 'publish on 127.0.0.1, or on no address in particular',
    });
  }
  const unusable = UNUSABLE.find((range) => {
    const cidr = parseCidr(range);
    return cidr && contains(cidr, address);
  });
  if (unusable) throw invalid(path, `${text} lies in ${unusable}: no host publishes there`);
  return formatAddress(address);
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}
