/**
 * The comment of a rule as iptables-nft writes it: no user data, as nft has it, but a match of x_tables that always matches.
 * Rules of ours that went through `iptables-save` and `iptables-restore` carry theirs so.
 */
import { AttributeReader } from 'netlink-ts';
import type { Rule } from 'netlink-ts';

const NFTA_MATCH_NAME = 1;
const NFTA_MATCH_INFO = 3;

export function iptablesComment({ expressions }: Rule): string | undefined {
  for (const expression of expressions) {
    if (expression.kind !== 'other' || expression.name !== 'match') continue;
    const comment = commentOf(Buffer.from(expression.data, 'hex'));
    if (comment !== undefined) return comment;
  }
  return undefined;
}

/** struct xt_comment_info: 256 bytes, the text up to the first NUL. */
function commentOf(match: Buffer): string | undefined {
  const attributes = new AttributeReader(match);
  let name = '';
  let info = Buffer.alloc(0);
  while (attributes.next()) {
    if (attributes.type === NFTA_MATCH_NAME) name = attributes.string();
    else if (attributes.type === NFTA_MATCH_INFO) info = Buffer.from(attributes.bytes());
  }
  if (name !== 'comment') return undefined;
  const end = info.indexOf(0);
  return info.toString('utf8', 0, end === -1 ? info.length : end);
}
