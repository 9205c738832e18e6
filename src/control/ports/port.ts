/** What may be asked about published ports. */
import type { ListFilter } from '../port.ts';

export interface PortView {
  /** names */
  node: string;
  tenant: string;
  network: string;
  endpoint: string;
  /** the container's, '' until known */
  container: string;
  protocol: string;
  /** of the node; '' is every one */
  address: string;
  hostPort: number;
  /** "10.10.0.9:80", "[fd00:10::9]:80" */
  targets: string[];
}

/** Some clients, and whether the port leads them to the container. */
export interface PortWay {
  from: string;
  reaches: boolean;
  /** what the container sees them as; '' where they do not reach it */
  seenAs: string;
  why: string;
}

export interface PortExplanation {
  port: PortView;
  ways: PortWay[];
}

export interface ExplainPortRequest {
  port: number;
  protocol: string;
  /** '' : on any */
  node: string;
}

export interface PortsControl {
  listPorts(filter: ListFilter): Promise<PortView[]>;
  /** Throws `port-not-found`. */
  explainPort(request: ExplainPortRequest): Promise<{ ports: PortExplanation[] }>;
}
