/** Probes of the overlay's way between two hosts: see kernel/probes.ts. */

export interface Probe {
  /** VTEPs */
  from: string;
  to: string;
  /** the overlay's */
  port: number;
  /** what the probe is known again by */
  mac: string;
  /** of the whole IP packet */
  bytes: number;
}

export interface SeenProbe {
  source: string;
  mac: string;
}
