import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { timingMetrics } from '../../../src/api/timing-metrics.ts';

it('counts calls and phases in seconds', async () => {
  const timings = timingMetrics();
  timings.call('NetworkDriver.Join', 30);
  timings.phase('journal', 1.5);
  timings.phase('journal', 2.5);
  const registry = new Registry();
  for (const metric of timings.metrics) registry.registerMetric(metric);
  const text = await registry.metrics();
  expect(text).toContain('weft_call_seconds_sum{call="NetworkDriver.Join"} 0.03');
  expect(text).toContain('weft_phase_seconds_count{phase="journal"} 2');
  expect(text).toContain('weft_phase_seconds_sum{phase="journal"} 0.004');
  expect(text).toContain('weft_phase_seconds_bucket{le="0.002",phase="journal"} 1');
});
