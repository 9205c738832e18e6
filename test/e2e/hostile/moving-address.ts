/** v1 and v2 have both addresses in their configuration, as keepalived's machines do; answers tell their senders by the TTL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EndpointView } from '../../../src/control/port.ts';
import type { SharedAddressView } from '../../../src/control/sharing/port.ts';
import { json, run } from '../../support/docker.ts';
import { arp, BROADCAST, discovery, ethernet, ipv6 } from '../../support/frames.ts';
import { until } from '../../support/until.ts';
import type { HostileScene } from './scene.ts';

const [ARP, IPV6, ICMPV6] = [0x0806, 0x86dd, 58];
const SHARED = ['10.10.0.100', 'fd00:10::100'] as const;
const TTL = { v1: 41, v2: 42 } as const;
type Holder = keyof typeof TTL;
/** ms in which an address has moved everywhere, from the end of the command or of the announcement */
const MOVED = 1_000;

/** The tests; the scene is there once they run. */
export function movesAsItIsTold(scene: () => HostileScene): void {
  const weft = (...words: string[]) => run(scene().lab.host(1), 'weft', 'address', ...words);
  const holders = async () => {
    const list = await json<SharedAddressView[]>(scene().lab.host(2), 'weft', 'address', 'ls', 'crook/web');
    return list.map(({ holder, by }) => `${holder} by ${by}`);
  };
  /** Pings that never end, from either host, so that what the sender knows of the address stays in use. */
  const pingers: Pinger[] = [];
  const answeredBy = async (name: Holder, addresses: readonly string[] = SHARED, deadline = MOVED) => {
    const asked = pingers.filter(({ to }) => addresses.includes(to));
    const all = () => asked.every((pinger) => pinger.ttl() === TTL[name]);
    await until(all, { what: `${name} answers on ${addresses.join(' and ')}`, deadline });
  };
  const announce = (name: Holder | 'evil') => scene().send(name, announcements(scene().party(name).mac));

  beforeAll(async () => {
    for (const [name, ttl] of Object.entries(TTL) as [Holder, number][]) {
      const inside = (...words: string[]) => runAt(scene().enter(name), words);
      await inside('sysctl', '-qw', `net.ipv4.ip_default_ttl=${ttl}`, `net.ipv6.conf.eth0.hop_limit=${ttl}`);
      await inside('ip', 'address', 'add', `${SHARED[0]}/32`, 'dev', 'eth0');
      await inside('ip', 'address', 'add', `${SHARED[1]}/128`, 'dev', 'eth0', 'nodad');
    }
    for (const address of SHARED) await weft('share', 'crook/web', address, 'v1', 'v2');
    for (const address of SHARED) {
      for (const from of ['evil', 'w2'] as const) pingers.push(new Pinger(scene().enter(from), address));
    }
  });

  afterAll(async () => {
    await Promise.all(pingers.map((pinger) => pinger.end()));
  });

  it('is answered by the first of its endpoints, though the others have it too', async () => {
    await answeredBy('v1', SHARED, 10_000);
    const { shared } = await json<EndpointView>(scene().lab.host(1), 'weft', 'endpoint', 'inspect', 'crook/web/v1');
    expect(shared).toEqual(SHARED.map((address) => ({ address, holds: true })));
  });

  it('moves by command, and a conversation with it goes on with the other', async () => {
    for (const name of ['v2', 'v1'] as const) {
      for (const address of SHARED) {
        await weft('move', 'crook/web', address, name);
        await answeredBy(name, [address]);
      }
    }
  });

  it('moves to the one of its endpoints that announces it, and to nobody else', async () => {
    announce('v2');
    await answeredBy('v2');
    expect(await holders()).toEqual(['v2 by announcement', 'v2 by announcement']);
    const inspect = ['weft', 'endpoint', 'inspect', 'crook/web/evil'];
    const drops = async () => (await json<EndpointView>(scene().lab.host(1), ...inspect)).drops;
    const before = await drops();
    announce('evil');
    const after = await drops();
    const more = (reason: string) => (after[reason] ?? 0) - (before[reason] ?? 0);
    expect([more('arp'), more('source-address')]).toEqual([1, 1]);
    announce('v1');
    await answeredBy('v1');
    expect(await holders()).toEqual(['v1 by announcement', 'v1 by announcement']);
  });

  it('stays with its holder while weftd is away where it is announced', async () => {
    await scene().lab.host(2).kill('weftd');
    announce('v2');
    expect(await scene().pings('evil', SHARED[0])).toBe(true);
    await answeredBy('v1');
    await scene().lab.host(2).start('weftd');
    expect(await holders()).toEqual(['v1 by announcement', 'v1 by announcement']);
  });

  it('is nobody’s once its holder is gone, until another announces it', async () => {
    await run(scene().lab.host(1), 'weft', 'endpoint', 'detach', 'crook/web/v1');
    await until(async () => (await holders()).every((who) => who.startsWith(' ')), { what: 'nobody has it' });
    announce('v2');
    await answeredBy('v2');
    for (const address of SHARED) await weft('unshare', 'crook/web', address);
    await until(async () => !(await scene().pings('evil', SHARED[0])), { what: 'nobody answers' });
  });
}

async function runAt([command, ...args]: readonly [string, ...string[]], words: readonly string[]): Promise<void> {
  const [code] = (await once(spawn(command, [...args, ...words], { stdio: 'ignore' }), 'exit')) as [number | null];
  expect(code, words.join(' ')).toBe(0);
}

class Pinger {
  readonly to: string;
  readonly #process;
  readonly #ended;
  #ttl = 0;

  constructor([command, ...args]: readonly [string, ...string[]], to: string) {
    this.to = to;
    const words = [...args, 'ping', '-n', '-i', '0.05', '-W', '1', to];
    this.#process = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.#process, 'exit');
    this.#process.stdout.on('data', (data: Buffer) => {
      this.#ttl = Number(/.*ttl=(\d+)/s.exec(data.toString())?.[1] ?? this.#ttl);
    });
  }

  /** of the last answer */
  ttl(): number {
    return this.#ttl;
  }

  async end(): Promise<void> {
    this.#process.kill('SIGINT');
    await this.#ended;
  }
}

function announcements(mac: string): Buffer[] {
  const garp = arp({ senderMac: mac, sender: SHARED[0], target: SHARED[0] });
  const toAll = { from: SHARED[1], to: 'ff02::1', next: ICMPV6 };
  return [
    ethernet({ from: mac, to: BROADCAST }, ARP, garp),
    ethernet({ from: mac, to: '33:33:00:00:00:01' }, IPV6, ipv6(toAll, discovery(136, SHARED[1], [2, mac]))),
  ];
}
