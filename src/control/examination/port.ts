/** Examining the cluster: what each node finds wrong with itself, and what only all their answers show. */
import type { Holding, SpaceHolding } from '../../audit/pictures.ts';
import type { Finding } from '../../model/finding.ts';
import type { Probe, SeenProbe } from '../../plan/probes.ts';
import type { CallOptions } from '../../store/port.ts';
import type { CallContext } from '../port.ts';

export type { EnginePicture } from '../../audit/pictures.ts';

/** This host's end of the probes. */
export interface ProbePort {
  send(probe: Probe): Promise<void>;
  /** Those that came. A host that had nothing to note them by does so from here on, for a while; undefined where it cannot. */
  seen(): Promise<SeenProbe[] | undefined>;
}

export interface ExamineRequest {
  /** journals, engines, kernels and store against each other; else the hosts and what is between them */
  audit: boolean;
}

/** What one node says of itself. */
export interface NodeExamination {
  /** id */
  node: string;
  name: string;
  applied: { revision: number; sequence: number };
  findings: Finding[];
  /** addresses and space that it says are its own; of an audit only */
  holdings: Holding[];
  space: SpaceHolding[];
  /** when it was asked and when it answers, by its own clock, in milliseconds since 1970 */
  began: number;
  ended: number;
}

export interface ExaminedNode {
  node: string;
  answered: boolean;
  /** zeros for one that did not answer */
  applied: { revision: number; sequence: number };
  /** why it did not answer; '' otherwise */
  reason: string;
}

export interface Examination {
  /** every node of the cluster, by name */
  nodes: ExaminedNode[];
  findings: Finding[];
}

export interface ExaminationControl {
  /** Of the whole cluster; nodes that do not answer are findings, not failures. */
  examine(request: ExamineRequest, context?: CallContext): Promise<Examination>;
  /** Of this node alone. */
  examineNode(request: ExamineRequest, context?: CallContext): Promise<NodeExamination>;
  /** For nodes: which of the caller's probes came. To be asked before they are sent, too: see `ProbePort.seen`. */
  seenProbes(context?: CallContext): Promise<SeenProbes>;
}

/** Probes of the overlay's way that came to the called node from the caller. */
export interface SeenProbes {
  /** false: nothing there can note any */
  guarded: boolean;
  /** by which they are known again */
  macs: string[];
}

/** The same, asked of another node. */
export interface ExaminationPeers {
  examineNode(node: string, request: ExamineRequest, options: CallOptions): Promise<NodeExamination>;
  seenProbes(node: string, options: CallOptions): Promise<SeenProbes>;
}
