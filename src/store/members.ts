/**
 * The members of an etcd cluster that this node speaks to: the configured endpoints, which always stay; where nobody
 * answers, those that other nodes have told; and those learned from the cluster's own member list, which come and go with it.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IMemberListResponse } from 'etcd3';
import type { ChannelOptions } from './channel.ts';
import type { Lineage } from './lineage.ts';
import type { Log } from './log.ts';
import { Member } from './member.ts';
import { countAlive, learnedEndpoints, toldEndpoints, type Known, type Listed, type Source } from './roster.ts';
import { StateCell } from './states.ts';

/** milliseconds between looks at the member list; a change of who answers asks for one at once */
const REFRESH = 5_000;
const LIST_TIMEOUT = 1_500;

export interface MembersOptions {
  seeds: string[];
  channel: ChannelOptions;
  probeKey: Buffer;
  lineage: Lineage;
  log: Log;
}

interface Followed {
  member: Member;
  source: Source;
  ended: Promise<void>;
}

export class Members {
  readonly states = new StateCell('away');
  readonly #options: MembersOptions;
  readonly #closed: AbortSignal;
  /** the configured first, in their order: the first is the nearest */
  #followed: Followed[] = [];
  /** by other nodes */
  #told: string[] = [];
  #listed: Listed[] | undefined;
  #preferred = 0;
  #answering = '';
  #refresh: () => void = () => undefined;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(options: MembersOptions, closed: AbortSignal) {
    this.#options = options;
    this.#closed = closed;
    // every member and every call under way listens to it
    setMaxListeners(0, closed);
  }

  get count(): number {
    return this.#followed.length;
  }

  /** Ends after the first probe of each seed; whether it was answered shows in the state. */
  async start(): Promise<void> {
    const { seeds } = this.#options;
    const members = [...new Set(seeds)].map((endpoint) => this.#make(endpoint));
    await Promise.all(members.map((member) => member.probe(this.#closed)));
    this.#followed = members.map((member) => this.#follow(member, 'configured'));
    this.#judge();
    // nothing that was not configured is spoken to in clear
    if (this.#options.channel.tls) this.#refreshing = this.#keepRefreshing();
  }

  /** The preferred member while it answers, else the next that does; when none does, each in turn. */
  choose(): Member {
    const count = this.#followed.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#preferred + step) % count;
      if (this.#followed[at]?.member.alive) {
        this.#preferred = at;
        break;
      }
    }
    const chosen = this.#followed[this.#preferred];
    if (!chosen) throw new TypeError('a store without endpoints');
    return chosen.member;
  }

  /** The next choice is another, if there is one. */
  passOver(member: Member): void {
    const at = this.#followed.findIndex((one) => one.member === member);
    this.#preferred = (at + 1) % this.#followed.length;
  }

  /**
   * Other nodes say that etcd is there now. While it answers where it was, this is no more than said: a copy of its host
   * would say so of its own.
   */
  reachAt(endpoints: readonly string[]): void {
    if (this.#closed.aborted || !this.#options.channel.tls) return;
    this.#told = toldEndpoints(this.#known(), endpoints);
    this.#judge();
  }

  /** With certificates as they are now. */
  renew(): void {
    for (const { member } of this.#followed) member.renew();
  }

  async close(): Promise<void> {
    for (const { member } of this.#followed) member.close();
    await Promise.all([this.#refreshing, ...this.#followed.map(({ ended }) => ended)]);
  }

  #make(endpoint: string): Member {
    const { channel, probeKey, lineage, log } = this.#options;
    return new Member(endpoint, channel, { probeKey, lineage, log });
  }

  #follow(member: Member, source: Source): Followed {
    return { member, source, ended: member.watchOver(this.#closed, () => this.#judge()) };
  }

  #judge(): void {
    const known = this.#known();
    const { alive, total } = countAlive(known, this.#listed);
    this.states.set(alive === 0 ? 'away' : alive < total ? 'degraded' : 'ok');
    if (alive === 0 && !this.#closed.aborted) this.#adopt(this.#told, 'told');
    const answering = known.flatMap((one) => (one.alive ? `${one.endpoint} ${one.memberId}` : [])).join();
    if (answering === this.#answering) return;
    this.#answering = answering;
    this.#refresh();
    // one late answer is no reason to break streams, unless they can go on at once elsewhere
    if (alive > 0) for (const { member } of this.#followed) if (!member.alive) member.breakStreams();
  }

  #known(): Known[] {
    return this.#followed.map(({ member, source }) => {
      const { endpoint, alive, id } = member;
      return { endpoint, source, alive, memberId: id };
    });
  }

  async #keepRefreshing(): Promise<void> {
    while (!this.#closed.aborted) {
      const asked = new AbortController();
      this.#refresh = () => asked.abort();
      await this.#learn();
      const wake = AbortSignal.any([asked.signal, this.#closed]);
      await sleep(REFRESH, undefined, { signal: wake, ref: false }).catch(() => undefined);
    }
  }

  /** Asked of a member that has answered a linearizable read: one that is cut off would tell of the past. */
  async #learn(): Promise<void> {
    const member = this.choose();
    if (!member.alive) return;
    const call = { service: 'Cluster', method: 'memberList', request: {} } as const;
    try {
      const { members } = await member.channel.unary<IMemberListResponse>(call, LIST_TIMEOUT, [this.#closed]);
      this.#listed = members.map(({ ID, clientURLs, isLearner }) => ({
        id: ID,
        clientUrls: clientURLs,
        learner: isLearner,
      }));
    } catch (error) {
      this.#options.log.debug({ endpoint: member.endpoint, err: error }, 'the member list of etcd was not to be had');
      return;
    }
    this.#adopt(learnedEndpoints(this.#known(), this.#listed), 'learned');
    this.#judge();
  }

  /** These in place of what that source gave before. */
  #adopt(endpoints: string[], from: Source): void {
    const { log } = this.#options;
    const preferred = this.#followed[this.#preferred];
    const stays = ({ member, source }: Followed) => source !== from || endpoints.includes(member.endpoint);
    for (const { member } of this.#followed.filter((one) => !stays(one))) {
      log.info({ endpoint: member.endpoint, from }, 'etcd is not looked for there any more');
      member.close();
    }
    this.#followed = this.#followed.filter(stays);
    for (const endpoint of endpoints) {
      if (this.#followed.some(({ member }) => member.endpoint === endpoint)) continue;
      log.info({ endpoint, from }, 'etcd may be reached there too');
      this.#followed.push(this.#follow(this.#make(endpoint), from));
    }
    this.#preferred = Math.max(0, preferred ? this.#followed.indexOf(preferred) : 0);
  }
}
