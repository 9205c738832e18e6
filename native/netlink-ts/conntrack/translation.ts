/** What NAT did to a flow: answers go to the translated source and come from the translated destination. */
import type { Flow } from './flow.ts';

export interface TranslatedEnd {
  address: string;
  port?: number;
}

export interface Translation {
  /** what the source looks like to the destination */
  source?: TranslatedEnd;
  /** where the flow really goes */
  destination?: TranslatedEnd;
}

/** Empty for a flow that nothing translates. */
export function translationOf({ original, reply }: Flow): Translation {
  const found: Translation = {};
  if (reply.destination !== original.source || reply.destinationPort !== original.sourcePort) {
    found.source = end(reply.destination, reply.destinationPort);
  }
  if (reply.source !== original.destination || reply.sourcePort !== original.destinationPort) {
    found.destination = end(reply.source, reply.sourcePort);
  }
  return found;
}

function end(address: string, port: number | undefined): TranslatedEnd {
  return { address, ...(port === undefined ? {} : { port }) };
}
