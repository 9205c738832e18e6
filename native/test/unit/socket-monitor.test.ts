/** Monitors on the fake kernel: what is missed, garbled, or too much for whoever reads. */
import { describe, expect, it } from 'vitest';
import { monitorRoutes, NETLINK_ROUTE, openMonitor } from '../../netlink-ts/index.ts';
import type { MonitorEvent, RouteEvent } from '../../netlink-ts/index.ts';
import { FakeKernel, garbage, overrun } from '../../netlink-ts/testing/index.ts';

const GROUP = 1;
const RTM_NEWLINK = 16;
const event = (value: number) => ({ type: 100, payload: Buffer.from([value, 0, 0, 0]) });
/** Whatever was to be delivered has been. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

function open() {
  const kernel = new FakeKernel();
  const stop = new AbortController();
  const monitor = openMonitor({ protocol: NETLINK_ROUTE, groups: [GROUP], signal: stop.signal, kernel });
  return { kernel, stop, monitor };
}

async function drain(monitor: AsyncIterable<MonitorEvent>, stop: AbortController): Promise<(number | string)[]> {
  await turn();
  stop.abort();
  const seen: (number | string)[] = [];
  for await (const found of monitor) seen.push(found.kind === 'overrun' ? 'overrun' : (found.message.payload[0] ?? -1));
  return seen;
}

describe('a monitor', () => {
  it('hears its groups in their order, and no others', async () => {
    const { kernel, stop, monitor } = open();
    kernel.multicast(GROUP, event(1));
    kernel.multicast(GROUP + 1, event(2));
    kernel.multicast(GROUP, event(3));
    expect(await drain(monitor, stop)).toEqual([1, 3]);
    expect(kernel.sockets).toBe(0);
  });

  it('says that it missed something, drops what is worth nothing by then, and goes on', async () => {
    const { kernel, stop, monitor } = open();
    kernel.multicast(GROUP, event(1));
    kernel.broadcast(overrun());
    kernel.multicast(GROUP, event(2));
    expect(await drain(monitor, stop)).toEqual(['overrun', 2]);
  });

  it('takes garbled events for missed ones', async () => {
    const { kernel, stop, monitor } = open();
    kernel.broadcast(garbage(Buffer.from('ffffffff00', 'hex')));
    kernel.multicast(GROUP, event(2));
    expect(await drain(monitor, stop)).toEqual(['overrun', 2]);
  });

  it('takes an event that its decoder cannot read for a missed one', async () => {
    const kernel = new FakeKernel();
    const stop = new AbortController();
    const events = monitorRoutes({ topics: ['links'], signal: stop.signal, kernel });
    kernel.multicast(1, { type: RTM_NEWLINK, payload: Buffer.from([1, 2]) });
    expect((await events.next()).value).toEqual({ kind: 'overrun' } satisfies RouteEvent);
    stop.abort();
    expect(await events.next()).toMatchObject({ done: true });
  });

  it('keeps 4,096 events for a busy reader; more is an overrun', async () => {
    const { kernel, stop, monitor } = open();
    for (let i = 0; i < 4_096 + 10; i++) kernel.multicast(GROUP, event(i & 0xff));
    expect(await drain(monitor, stop)).toEqual(['overrun', 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('that was ended before it was opened ends at once, and holds no socket', async () => {
    const kernel = new FakeKernel();
    const monitor = openMonitor({ protocol: NETLINK_ROUTE, groups: [GROUP], signal: AbortSignal.abort(), kernel });
    for await (const found of monitor) expect(found).toBeUndefined();
    expect(kernel.sockets).toBe(0);
  });
});
