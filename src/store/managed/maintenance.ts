/** What is asked of one etcd member about itself, beside its data. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import { Channel, type TlsFiles, type UnaryCall } from '../channel.ts';
import { storeError } from '../failure.ts';

export interface MemberStatus {
  /** hexadecimal, as etcdctl prints it */
  memberId: string;
  clusterId: string;
  version: string;
  revision: number;
  isLeader: boolean;
  /** bytes: the file, and what of it holds data */
  dbSize: number;
  dbSizeInUse: number;
}

export interface EtcdMember {
  id: string;
  /** '' until it has started for the first time */
  name: string;
  clientUrls: string[];
}

export type AlarmName = 'NOSPACE' | 'CORRUPT';

export interface Alarm {
  memberId: string;
  alarm: AlarmName;
}

export interface Piece {
  blob: Buffer;
  /** bytes that follow; a string, since gRPC has 64 bits for it */
  remaining_bytes: string;
}

/** milliseconds */
const CALL_DEADLINE = 4_000;
const DEFRAGMENT_DEADLINE = 300_000;
const SNAPSHOT_DEADLINE = 1_800_000;
/** of rpc.proto's AlarmType, by number or by name as the stubs have it */
const ALARMS: Record<string, AlarmName> = { 1: 'NOSPACE', Nospace: 'NOSPACE', 2: 'CORRUPT', Corrupt: 'CORRUPT' };

interface Header {
  cluster_id: string;
  member_id: string;
  revision: string;
}

export class Maintenance {
  readonly endpoint: string;
  readonly #channel: Channel;

  constructor(endpoint: string, tls?: () => TlsFiles) {
    this.endpoint = endpoint;
    this.#channel = new Channel(endpoint, { tls, keepaliveMs: 6_000 });
  }

  async status(signal?: AbortSignal): Promise<MemberStatus> {
    const answer = await this.#call<{
      header: Header;
      version: string;
      dbSize: string;
      dbSizeInUse: string;
      leader: string;
    }>('tell its status', { service: 'Maintenance', method: 'status', request: {} }, { signal });
    return {
      memberId: hex(answer.header.member_id),
      clusterId: answer.header.cluster_id,
      version: answer.version,
      revision: Number(answer.header.revision),
      isLeader: answer.leader === answer.header.member_id,
      dbSize: Number(answer.dbSize),
      dbSizeInUse: Number(answer.dbSizeInUse),
    };
  }

  async members(signal?: AbortSignal): Promise<EtcdMember[]> {
    const call = { service: 'Cluster', method: 'memberList', request: {} } as const;
    const { members } = await this.#call<{ members: { ID: string; name: string; clientURLs: string[] }[] }>(
      'list its members',
      call,
      { signal },
    );
    return members.map(({ ID, name, clientURLs }) => ({ id: hex(ID), name, clientUrls: clientURLs }));
  }

  /** Those of all members. */
  async alarms(signal?: AbortSignal): Promise<Alarm[]> {
    const request = { action: 0, memberID: '0', alarm: 0 };
    const call = { service: 'Maintenance', method: 'alarm', request } as const;
    const { alarms } = await this.#call<{ alarms: { memberID: string; alarm: string | number }[] }>(
      'list its alarms',
      call,
      { signal },
    );
    return alarms.flatMap(({ memberID, alarm }) => {
      const name = ALARMS[alarm];
      return name ? [{ memberId: hex(memberID), alarm: name }] : [];
    });
  }

  /** Lifts the alarm that etcd raised when it reached its quota: it takes writes again. */
  async disarm(memberId: string, signal?: AbortSignal): Promise<void> {
    const request = { action: 2, memberID: BigInt(`0x${memberId}`).toString(), alarm: 1 };
    await this.#call('lift its alarm', { service: 'Maintenance', method: 'alarm', request }, { signal });
  }

  /** Forgets the past before `revision`; the freed space is used again, the file stays as large as it is. */
  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    const request = { revision: String(revision), physical: true };
    const options = { signal, timeout: DEFRAGMENT_DEADLINE };
    await this.#call('compact its history', { service: 'KV', method: 'compact', request }, options);
  }

  /** Gives unused space back to the file system. The member answers nothing meanwhile. */
  async defragment(signal?: AbortSignal): Promise<void> {
    const call = { service: 'Maintenance', method: 'defragment', request: {} } as const;
    await this.#call('defragment', call, { signal, timeout: DEFRAGMENT_DEADLINE });
  }

  snapshot(): Promise<ClientReadableStream<Piece>> {
    return this.#channel.download<Piece>(
      { service: 'Maintenance', method: 'snapshot', request: {} },
      SNAPSHOT_DEADLINE,
    );
  }

  close(): void {
    this.#channel.close();
  }

  async #call<T>(
    what: string,
    call: UnaryCall,
    { timeout = CALL_DEADLINE, signal }: { timeout?: number; signal?: AbortSignal | undefined },
  ): Promise<T> {
    try {
      return await this.#channel.unary<T>(call, timeout, signal ? [signal] : []);
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(error, { what, endpoint: this.endpoint, deadline: timeout, writes: false });
    }
  }
}

function hex(id: string): string {
  return BigInt(id).toString(16);
}
