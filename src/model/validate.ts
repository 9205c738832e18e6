/** Checks of what users ask for. Each failure names the path of the field; nothing here knows other objects. */
import { formatAddress, parseAddress } from './address/address.ts';
import { contains, formatCidr, overlaps, parseCidr, parseRange } from './address/cidr.ts';
import type { Cidr } from './address/cidr.ts';
import { WeftError } from './errors.ts';
import { FORBIDDEN_RANGES } from './ipam/choose-subnet.ts';
import { defaultGateway, poolOf } from './ipam/pool.ts';
import { isName } from './names.ts';
import type { Subnet } from './objects.ts';

export function invalid(path: string, message: string, next?: string): WeftError {
  return new WeftError('invalid-argument', `${path}: ${message}`, next === undefined ? {} : { next });
}

export function checkName(path: string, text: string): string {
  if (isName(text)) return text;
  throw invalid(path, `"${clip(text)}" is not a name: 1 to 32 of a-z, 0-9 and -, not beginning or ending with -`);
}

/** A subnet with canonical text and its default gateway; the prefix is /30 to /8 for IPv4, /126 to /64 for IPv6. */
export function checkSubnet(path: string, request: { cidr: string; gateway?: string; reserved?: string[] }): Subnet {
  const cidr = checkSubnetCidr(`${path}.cidr`, request.cidr);
  const gateway = request.gateway ? checkAddressIn(`${path}.gateway`, request.gateway, cidr) : defaultGateway(cidr);
  const reserved = (request.reserved ?? []).map((text, i) => checkRangeIn(`${path}.reserved[${i}]`, text, cidr));
  const subnet: Subnet = { cidr: formatCidr(cidr), gateway, reserved };
  const pool = poolOf({ ...subnet, reserved: [] });
  const gatewayAddress = parseAddress(gateway);
  const last = cidr.family === 4 ? pool.high : pool.high + (1n << 64n);
  if (gatewayAddress && (gatewayAddress.value < pool.low || gatewayAddress.value > last)) {
    throw invalid(`${path}.gateway`, `${gateway} is the network or broadcast address of ${subnet.cidr}`);
  }
  return subnet;
}

function checkSubnetCidr(path: string, text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw invalid(path, `"${clip(text)}" is not a subnet such as 10.1.0.0/16 or fd00:1::/64`);
  const [shortest, longest] = cidr.family === 4 ? [8, 30] : [64, 126];
  if (cidr.prefix < shortest || cidr.prefix > longest) {
    throw invalid(path, `${text}: the prefix length must be ${shortest} to ${longest}`);
  }
  const forbidden = FORBIDDEN_RANGES.find((range) => {
    const parsed = parseCidr(range);
    return parsed && overlaps(parsed, cidr);
  });
  if (forbidden)
    throw new WeftError('subnet-overlap', `${path}: ${text} lies in ${forbidden}, which no network may use`);
  return cidr;
}

export function checkAddressIn(path: string, text: string, cidr: Cidr): string {
  const address = parseAddress(text);
  if (!address) throw invalid(path, `"${clip(text)}" is not an IP address`);
  if (!contains(cidr, address)) throw invalid(path, `${text} is not in ${formatCidr(cidr)}`);
  return formatAddress(address);
}

export function checkRangeIn(path: string, text: string, cidr: Cidr): string {
  const range = parseRange(text);
  if (!range) throw invalid(path, `"${clip(text)}" is neither an address nor a range such as 10.1.2.0/24`);
  if (range.prefix < cidr.prefix || !contains(cidr, { family: range.family, value: range.first })) {
    throw invalid(path, `${text} is not in ${formatCidr(cidr)}`);
  }
  const single = range.prefix === (range.family === 4 ? 32 : 128);
  return single ? formatAddress({ family: range.family, value: range.first }) : formatCidr(range);
}

/** IPv6 needs 1,280 (RFC 8200), and every network may carry it some day. */
export function checkMtu(path: string, mtu: number, largest: number): number {
  if (!Number.isInteger(mtu) || mtu < 1280 || mtu > 65535) throw invalid(path, `${mtu} is not an MTU of 1280 to 65535`);
  if (mtu > largest) {
    throw new WeftError(
      'mtu-too-large',
      `${path}: ${mtu} is more than the ${largest} that every node's underlay carries`,
    );
  }
  return mtu;
}

const MAX_LABELS = 64;

/** Keys as engines have them: "app", "com.example.tier"; values are any text on one line. */
export function checkLabels(path: string, labels: Record<string, string>): Record<string, string> {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) throw invalid(path, `${entries.length} labels are more than ${MAX_LABELS}`);
  for (const [key, value] of entries) {
    if (!/^[A-Za-z0-9]([\w./-]{0,126}[A-Za-z0-9])?$/.test(key)) {
      throw invalid(`${path}["${clip(key)}"]`, 'a key is 1 to 128 of letters, digits, ".", "_", "/" and "-"');
    }
    // eslint-disable-next-line no-control-regex -- control characters would break tables and logs
    if (/[\u0000-\u001f\u007f]/.test(value)) throw invalid(`${path}["${key}"]`, 'a value has no control characters');
  }
  return labels;
}

export function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77).toWellFormed()}...` : text;
}
