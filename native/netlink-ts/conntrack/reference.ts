/**
 * One flow, named for a request. A request to delete without a tuple empties the whole table, whatever else it says
 * (ctnetlink_del_conntrack() in the kernel's nf_conntrack_netlink.c), so none is ever built without.
 */
import { encodeHeader } from '../nfnetlink/header.ts';
import { AttributeWriter } from '../wire/attributes.ts';
import { familyOf } from '../wire/text.ts';
import * as cta from './constants.ts';
import { protocolFamily } from './filter.ts';
import { encodeTuple } from './tuple.ts';
import type { Tuple } from './tuple.ts';

export type FlowReference = ({ original: Tuple } | { reply: Tuple }) & {
  /** the flow's own zone; one of a single direction is in its tuple */
  zone?: number;
  /** then it must be this very flow: another between the same ends is as good as none */
  id?: number;
};

export function encodeFlowReference(reference: FlowReference): Buffer {
  const [type, tuple] =
    'original' in reference ? [cta.CTA_TUPLE_ORIG, reference.original] : [cta.CTA_TUPLE_REPLY, reference.reply];
  const family = protocolFamily(familyOf(tuple.source));
  const writer = new AttributeWriter().raw(encodeHeader({ family, resource: 0 }));
  encodeTuple(writer, type, tuple);
  // The kernel takes a zone in one place only: EINVAL when both are given.
  if (reference.zone && tuple.zone === undefined) writer.be16(cta.CTA_ZONE, reference.zone);
  if (reference.id !== undefined) writer.be32(cta.CTA_ID, reference.id);
  return writer.finish();
}

export function describeTuple({ protocol, source, sourcePort, destination, destinationPort }: Tuple): string {
  const port = (number: number | undefined) => (number === undefined ? '' : ` port ${number}`);
  return `flow of protocol ${protocol} from ${source}${port(sourcePort)} to ${destination}${port(destinationPort)}`;
}
