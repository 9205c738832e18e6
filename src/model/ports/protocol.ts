import type { PortProtocol } from '../objects.ts';
import { clip, invalid } from '../validate.ts';

/** Throws `invalid-argument`. */
export function checkProtocol(path: string, text: string): PortProtocol {
  if (text === 'tcp' || text === 'udp' || text === 'sctp') return text;
  throw invalid(path, `"${clip(text)}" is none of tcp, udp and sctp`);
}
