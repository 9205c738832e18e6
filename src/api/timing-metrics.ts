/** Timings as histograms: calls as a whole, and the phases of which attaches and detaches are made. */
import { Histogram } from 'prom-client';
import type { Timings } from '../model/timings.ts';

/** From half a millisecond to the deadline of a call, in seconds. */
const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4];
const MILLISECONDS = 1_000;

export interface TimingMetrics extends Timings {
  metrics: Histogram[];
}

export function timingMetrics(): TimingMetrics {
  const histogram = (name: string, help: string, label: string) =>
    new Histogram({ name: `weft_${name}`, help, labelNames: [label], buckets: BUCKETS, registers: [] });
  const calls = histogram('call_seconds', 'Calls of engines and of the API, from request to answer', 'call');
  const phases = histogram('phase_seconds', 'Phases of attaches and detaches; of rounds, those with work', 'phase');
  return {
    metrics: [calls, phases],
    call: (call, milliseconds) => calls.observe({ call }, milliseconds / MILLISECONDS),
    phase: (phase, milliseconds) => phases.observe({ phase }, milliseconds / MILLISECONDS),
  };
}
