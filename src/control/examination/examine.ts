/** An examination of the cluster: every node is asked at once, each with its deadline, and their answers are compared. */
import { auditCluster } from '../../audit/cluster.ts';
import { checkClocks, clockTold } from '../../doctor/clock.ts';
import type { ClockTold } from '../../doctor/clock.ts';
import type { SilentNode } from '../../audit/pictures.ts';
import { toWeftError } from '../../model/errors.ts';
import { inOrderOfNodes } from '../../model/finding.ts';
import type { Finding } from '../../model/finding.ts';
import { prefixes } from '../../model/keys.ts';
import type { ForgottenNode, Node } from '../../model/objects.ts';
import type { Condition } from '../../model/status.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext } from '../port.ts';
import { examineNode, lastingFindings } from './examine-node.ts';
import type { ExaminationDeps } from './examine-node.ts';
import type { ExaminationControl, Examination, ExamineRequest, NodeExamination, SeenProbes } from './port.ts';

/** of a node that is heard from, and of one that is not, in milliseconds */
const ANSWER_DEADLINE = 8_000;
const SILENT_DEADLINE = 2_000;
/** The store may be away: then the picture is as old as it is. */
const SYNC_DEADLINE = 1_000;

/** `conditions`: what `weft status` shows of this node. */
export function examinationControl(deps: ControlDeps, conditions: () => Condition[]): ExaminationControl {
  return {
    examine: (request, context) => examine({ ...deps, conditions }, request, context),
    examineNode: (request, context) => examineNode({ ...deps, conditions }, request, context),
    seenProbes: (context) => seenProbes(deps, context),
  };
}

/** Of the node that asks, by the address it sends them from. */
async function seenProbes({ probes, view }: ControlDeps, { peer }: CallContext = {}): Promise<SeenProbes> {
  const all = await probes?.seen();
  if (!all) return { guarded: false, macs: [] };
  const vtep = peer?.node === undefined ? undefined : view.current().state.nodes.get(peer.node)?.vtep;
  return { guarded: true, macs: all.filter(({ source }) => source === vtep).map(({ mac }) => mac) };
}

async function examine(
  deps: ExaminationDeps,
  request: ExamineRequest,
  context: CallContext = {},
): Promise<Examination> {
  await deps.view.sync({ deadline: SYNC_DEADLINE, ...context }).catch((error: unknown) => {
    deps.log.debug({ err: error }, 'an examination goes by what was read before');
  });
  const { revision } = deps.view;
  let answers: Answers = { spoken: [], silent: [], clocks: [] };
  const between = await lastingFindings(async () => {
    answers = await askAll(deps, request, context);
    return judged(deps, answers, { ...request, revision });
  }, context.signal);
  // These their nodes have looked at twice.
  const own = answers.spoken.flatMap(({ findings }) => findings);
  return {
    nodes: [
      ...answers.spoken.map(({ name, applied }) => ({ node: name, answered: true, applied, reason: '' })),
      ...answers.silent.map(({ name, reason }) => ({
        ...{ node: name, answered: false, applied: { revision: 0, sequence: 0 }, reason },
      })),
    ].sort((a, b) => (a.node < b.node ? -1 : 1)),
    findings: inOrderOfNodes([...own, ...between]),
  };
}

interface Answers {
  spoken: NodeExamination[];
  silent: SilentNode[];
  clocks: ClockTold[];
}

/** What only the answers of all show. */
function judged(
  { view, node }: ExaminationDeps,
  { spoken, silent, clocks }: Answers,
  { audit, revision }: ExamineRequest & { revision: number },
): Finding[] {
  const { state } = view.current();
  const forgotten = new Set(view.list<ForgottenNode>(prefixes.forgotten).map(({ id }) => id));
  const all = auditCluster({ state, forgotten, answers: audit ? spoken : [], silent, revision });
  // Without an audit all that counts of it is who did not answer.
  return audit ? all : [...all.filter(({ code }) => code === 'node-silent'), ...checkClocks(node.name, clocks)];
}

async function askAll(deps: ExaminationDeps, request: ExamineRequest, context: CallContext): Promise<Answers> {
  const answers: Answers = { spoken: [], silent: [], clocks: [] };
  const nodes = [...deps.view.current().state.nodes.values()];
  await Promise.all(
    nodes.map(async (node) => {
      try {
        const sent = deps.now().getTime();
        const answer = await ask(deps, node, { request, context });
        answers.spoken.push(answer);
        const received = deps.now().getTime();
        // Nodes of older versions do not say.
        if (answer.began > 0) answers.clocks.push(clockTold(node.name, answer, { sent, received }));
      } catch (error) {
        context.signal?.throwIfAborted();
        const live = deps.view.current().state.live.has(node.id);
        const reason = toWeftError(error).message;
        answers.silent.push({ node: node.id, name: node.name, live, reason });
      }
    }),
  );
  return answers;
}

async function ask(
  deps: ExaminationDeps,
  node: Node,
  { request, context }: { request: ExamineRequest; context: CallContext },
): Promise<NodeExamination> {
  if (node.id === deps.node.id) return await examineNode(deps, request, context);
  const deadline = deps.view.current().state.live.has(node.id) ? ANSWER_DEADLINE : SILENT_DEADLINE;
  const options = { deadline, ...(context.signal && { signal: context.signal }) };
  if (!deps.examiners) throw new TypeError('other nodes cannot be asked');
  return await deps.examiners.examineNode(node.id, request, options);
}
