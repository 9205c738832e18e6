/** What no kernel can be made to do at will, done by the fake one that ships with the package. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { NETLINK_ROUTE, NetlinkError, NetlinkSocket, NftSocket, RouteSocket } from '../../netlink-ts/index.ts';
import {
  acknowledge,
  answer,
  checkRequest,
  contented,
  error,
  FakeKernel,
  garbage,
  interruptedDump,
  multipart,
  overrun,
  refuseSend,
} from '../../netlink-ts/testing/index.ts';
import type { FakeRequest, Handler } from '../../netlink-ts/testing/index.ts';
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from '../../netlink-ts/wire/message.ts';
import { until } from './until.ts';

const TYPE = 100;
const REQUEST = { type: TYPE, flags: 0, payload: Buffer.alloc(0) };
const part = (value: number) => ({ type: TYPE, payload: Buffer.from([value, 0, 0, 0]) });
const values = (messages: { payload: Buffer }[]) => messages.map(({ payload }) => payload[0]);

function open(handler?: Handler) {
  const kernel = new FakeKernel(handler);
  return { kernel, socket: NetlinkSocket.open({ protocol: NETLINK_ROUTE, kernel }) };
}

describe('a request', () => {
  it('is answered by the messages before its acknowledgement, and asks for one', async () => {
    const { kernel, socket } = open((request) => {
      checkRequest(request, { type: TYPE, flags: NLM_F_REQUEST | NLM_F_ACK, payload: REQUEST.payload });
      return [answer(request, TYPE, Buffer.from([7])), acknowledge(request)];
    });
    expect(values(await socket.request(REQUEST))).toEqual([7]);
    expect(kernel.requests).toHaveLength(1);
    socket.close();
    expect(kernel.sockets).toBe(0);
  });

  it('says what the kernel said, in its words where it gave some', async () => {
    const told = open((request) => error(request, 'EINVAL', { text: 'Unknown device type', offset: 52 })).socket;
    await expect(told.request(REQUEST, { op: 'create link x' })).rejects.toMatchObject({
      message: 'create link x: Unknown device type (EINVAL)',
      code: 'EINVAL',
      kernelMessage: 'Unknown device type',
      offset: 52,
    });
    const bare = open((request) => error(request, 'EEXIST')).socket;
    const refused = await bare.request(REQUEST, { op: 'create link x' }).catch((reason: unknown) => reason);
    expect(refused).toBeInstanceOf(NetlinkError);
    expect(refused).toMatchObject({ message: 'create link x: EEXIST', kernelMessage: '', offset: undefined });
  });

  it('gets its own answer, whatever order answers come in and whoever else is answered', async () => {
    const { kernel, socket } = open(() => []);
    const asked = [0, 1, 2, 3].map(() => socket.request(REQUEST));
    await until(() => kernel.requests.length === 4);
    const unknown: FakeRequest = { ...kernel.requests[0]!, sequence: 999_999 };
    kernel.reply(kernel.requests[0]!, answer(unknown, TYPE, Buffer.from([99])), error(unknown, 'EPERM'));
    for (const i of [2, 0, 3, 1]) {
      const request = kernel.requests[i]!;
      kernel.reply(request, answer(request, TYPE, Buffer.from([i])), acknowledge(request));
    }
    expect((await Promise.all(asked)).map((messages) => values(messages))).toEqual([[0], [1], [2], [3]]);
  });

  it('has an unknown outcome when what answered was cut off', async () => {
    const cut = Buffer.from('10000000', 'hex');
    const { socket } = open(() => garbage(cut));
    await expect(socket.request(REQUEST, { op: 'look' })).rejects.toMatchObject({
      name: 'OutcomeUnknownError',
      message: expect.stringContaining('claims 0 of 4 bytes') as string,
    });
  });

  it('is refused by the send call with its errno, and the next goes on', async () => {
    let first = true;
    const { socket } = open((request) => {
      if (!first) return acknowledge(request);
      first = false;
      return refuseSend('EMSGSIZE');
    });
    await expect(socket.request(REQUEST)).rejects.toMatchObject({ code: 'EMSGSIZE' });
    expect(await socket.request(REQUEST)).toEqual([]);
  });

  it('has an unknown outcome with every other in flight after an overrun, and the socket goes on', async () => {
    const { kernel, socket } = open(() => []);
    const ends = Promise.allSettled(Array.from({ length: 50 }, () => socket.request(REQUEST)));
    await until(() => kernel.requests.length === 32);
    kernel.reply(kernel.requests[0]!, overrun());
    // Those beyond the window were not in flight: they are sent now, and answered.
    await until(() => kernel.requests.length === 50);
    for (const request of kernel.requests.slice(32)) kernel.reply(request, acknowledge(request));
    const names = (await ends).map((end) => (end.status === 'fulfilled' ? 'done' : (end.reason as Error).name));
    expect(names).toEqual([...Array<string>(32).fill('OverrunError'), ...Array<string>(18).fill('done')]);
  });

  it('waits for a place in a window of 32', async () => {
    const { kernel, socket } = open(() => []);
    const asked = Array.from({ length: 40 }, () => socket.request(REQUEST));
    await until(() => kernel.requests.length === 32);
    kernel.reply(kernel.requests[5]!, acknowledge(kernel.requests[5]!));
    await until(() => kernel.requests.length === 33);
    socket.close();
    const ends = await Promise.allSettled(asked);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(kernel.requests).toHaveLength(33);
  });

  it('leaves no timer or listener behind', async () => {
    const { socket } = open(contented);
    const { signal } = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    for (let i = 0; i < 20; i++) await socket.request(REQUEST, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

describe('a dump', () => {
  it('begins again as often as the kernel says that it was inconsistent, and then is whole', async () => {
    let attempts = 0;
    const { kernel, socket } = open((request) => {
      checkRequest(request, { flags: NLM_F_REQUEST | NLM_F_DUMP });
      return ++attempts < 4 ? interruptedDump(request, [part(attempts)]) : multipart(request, [part(8), part(9)]);
    });
    expect(values(await socket.dump(REQUEST))).toEqual([8, 9]);
    expect(kernel.requests).toHaveLength(4);
  });

  it('gives up after five inconsistent ones', async () => {
    const { kernel, socket } = open((request) => interruptedDump(request, [part(1)]));
    await expect(socket.dump(REQUEST, { op: 'list links' })).rejects.toMatchObject({ code: 'EINTR', op: 'list links' });
    expect(kernel.requests).toHaveLength(5);
  });

  it('that the end marks as interrupted is inconsistent too, though it was empty', async () => {
    let attempts = 0;
    const { socket } = open((request) => multipart(request, [], { interrupted: ++attempts === 1 }));
    expect(await socket.dump(REQUEST)).toEqual([]);
    expect(attempts).toBe(2);
  });

  it('fails with the errno that its end carries', async () => {
    const { socket } = open((request) => multipart(request, [part(1)], { errno: 'EPERM' }));
    await expect(socket.dump(REQUEST)).rejects.toMatchObject({ code: 'EPERM' });
  });

  it('has no result when an overrun came in its middle, and the next one has', async () => {
    let first = true;
    const { socket } = open((request) => {
      const whole = multipart(request, [part(1)]);
      if (!first) return whole;
      first = false;
      return [whole[0]!, overrun()];
    });
    await expect(socket.dump(REQUEST)).rejects.toMatchObject({ name: 'OverrunError' });
    expect(values(await socket.dump(REQUEST))).toEqual([1]);
  });

  it('that was given up is read to its end before the next is asked for, and its late parts are nobody’s', async () => {
    const { kernel, socket } = open(() => []);
    const stop = new AbortController();
    const given = socket.dump(REQUEST, { signal: stop.signal });
    await until(() => kernel.requests.length === 1);
    stop.abort();
    await expect(given).rejects.toMatchObject({ name: 'OutcomeUnknownError' });
    const next = socket.dump(REQUEST);
    const other = socket.request(REQUEST);
    // Only the dump waits.
    await until(() => kernel.requests.length === 2);
    const [first, second] = kernel.requests as [FakeRequest, FakeRequest];
    kernel.reply(second, acknowledge(second));
    await other;
    expect(kernel.requests).toHaveLength(2);
    kernel.reply(first, ...multipart(first, [part(1)]));
    await until(() => kernel.requests.length === 3);
    kernel.reply(kernel.requests[2]!, ...multipart(kernel.requests[2]!, [part(2)]));
    expect(values(await next)).toEqual([2]);
  });
});

describe('a batch', () => {
  const batch = [REQUEST, { ...REQUEST, flags: NLM_F_ACK }, { ...REQUEST, flags: NLM_F_ACK }, REQUEST];

  it('ends when all that asked for an acknowledgement have it', async () => {
    const { kernel, socket } = open(contented);
    const sent = socket.batch(batch);
    expect(socket.pending).toBe(4);
    await sent;
    expect(kernel.requests).toHaveLength(4);
    expect(socket.pending).toBe(0);
  });

  it('rejects with the first refusal and its place, also of a message that asked for no acknowledgement', async () => {
    let place = 0;
    const { socket } = open((request) => (place++ === 3 ? error(request, 'ERANGE', { text: 'stale' }) : []));
    await expect(socket.batch(batch, { op: 'commit' })).rejects.toMatchObject({
      message: 'commit [3]: stale (ERANGE)',
      index: 3,
    });
    expect(socket.pending).toBe(0);
  });
});

describe('the sockets of the package on a fake kernel', () => {
  it('read links, and change the ruleset', async () => {
    const kernel = new FakeKernel((request) => (request.type === 18 ? multipart(request, []) : contented(request)));
    const rt = RouteSocket.open({ kernel, netns: '/run/netns/blue' });
    expect(await rt.links.list()).toEqual([]);
    expect(kernel.requests[0]).toMatchObject({ protocol: NETLINK_ROUTE, netns: '/run/netns/blue' });
    rt.close();
    const nft = NftSocket.open({ kernel });
    await nft.deleteTable({ family: 'inet', name: 'mine' });
    expect(kernel.requests.map(({ type }) => type & 0xff)).toEqual([18, 16, 2, 17]);
    nft.close();
    expect(kernel.sockets).toBe(0);
  });

  it('reject with what a check of the request found', async () => {
    const kernel = new FakeKernel((request) => {
      checkRequest(request, { type: 16 });
      return acknowledge(request);
    });
    const rt = RouteSocket.open({ kernel });
    await expect(rt.links.list()).rejects.toThrow('RTM_NEWLINK was expected, RTM_GETLINK came');
  });
});
