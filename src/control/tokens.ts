/** Tokens by which hosts join: made, listed and deleted by users, redeemed by the host that joins. */
import { WeftError } from '../model/errors.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { TokenRecord } from '../model/objects.ts';
import { invalid } from '../model/validate.ts';
import type { Compare, Operation } from '../store/port.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext, TokenRequest, TokenView } from './port.ts';

const SECOND = 1_000;
const LONGEST_TTL = 7 * 24 * 3_600;
const MOST_USES = 1_000;

/** Of the secret, only its hash comes here. */
export async function createToken(
  deps: ControlDeps,
  request: TokenRequest & { id: string; hash: string },
  context?: CallContext,
): Promise<TokenView> {
  const { ttlSeconds, uses } = request;
  if (!(ttlSeconds >= 1 && ttlSeconds <= LONGEST_TTL)) throw invalid('ttlSeconds', 'must be 1 second to 7 days');
  if (!(uses >= 1 && uses <= MOST_USES)) throw invalid('uses', `must be 1 to ${MOST_USES}`);
  const now = deps.now();
  const record: TokenRecord = {
    id: request.id,
    role: 'node',
    hash: request.hash,
    uses,
    expiresAt: new Date(now.getTime() + ttlSeconds * SECOND).toISOString(),
    createdAt: now.toISOString(),
    createdBy: deps.node.name,
  };
  const key = keys.token(record.id);
  await commit(
    deps,
    () => ({ compare: [{ key, revision: 0 }], then: [{ put: key, value: record }], result: undefined }),
    context,
  );
  return tokenView(record);
}

export function listTokens(deps: ControlDeps): TokenView[] {
  return deps.view.list<TokenRecord>(prefixes.tokens).map(tokenView);
}

export async function deleteToken(deps: ControlDeps, id: string, context?: CallContext): Promise<void> {
  const key = keys.token(id);
  const decide = () => {
    const revision = deps.view.revisionOf(key);
    if (revision === 0) throw new WeftError('token-invalid', `no token "${id}"`, { object: id, next: 'weft token ls' });
    return { compare: [{ key, revision }], then: [{ delete: key }], result: undefined };
  };
  await commit(deps, decide, context);
}

export interface PresentedToken {
  id: string;
  isSecretOf: (hash: string) => boolean;
}

/** Throws `token-invalid`. One answer for unknown and wrong: it says nothing of which tokens there are. */
export function findToken(deps: ControlDeps, { id, isSecretOf }: PresentedToken): TokenRecord {
  const record = deps.view.value<TokenRecord>(keys.token(id));
  const isRight = record !== undefined && isSecretOf(record.hash);
  if (!isRight) throw new WeftError('token-invalid', 'the token is unknown, used up or wrong');
  if (Date.parse(record.expiresAt) <= deps.now().getTime()) {
    throw new WeftError('token-invalid', `the token expired at ${record.expiresAt}`, { object: record.id });
  }
  return record;
}

/** For the transaction that lets a host in: a token is never used more often than it may be. */
export function takeUse(deps: ControlDeps, token: PresentedToken): { compare: Compare[]; then: Operation[] } {
  const record = findToken(deps, token);
  const key = keys.token(record.id);
  const left = { ...record, uses: record.uses - 1 };
  return {
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: [left.uses > 0 ? { put: key, value: left } : { delete: key }],
  };
}

function tokenView({ id, role, uses, expiresAt, createdAt, createdBy }: TokenRecord): TokenView {
  return { id, role, uses, expiresAt, createdAt, createdBy };
}
