/** What `weft store status` shows. */
import { listBackups } from '../store/managed/backups.ts';
import { Maintenance, type AlarmName, type EtcdMember } from '../store/managed/maintenance.ts';
import { sizeText } from '../store/managed/space.ts';
import { age, printObject, printTable } from './output.ts';
import type { StoreAccess } from './store-access.ts';

export interface StoreStatus {
  mode: 'managed' | 'external';
  clusterId: string;
  revision: number;
  /** bytes; null: an external etcd's is its own affair */
  quota: number | null;
  alarms: { member: string; alarm: AlarmName }[];
  members: MemberView[];
  /** the newest that weftd made */
  backup: { path: string; takenAt: string; bytes: number } | null;
}

interface MemberView {
  id: string;
  name: string;
  endpoint: string;
  state: 'ok' | 'away';
  leader: boolean;
  dbSize: number;
  dbSizeInUse: number;
  revision: number;
  version: string;
}

export async function readStatus({ config, maintenance, status, tls }: StoreAccess): Promise<StoreStatus> {
  const isManaged = config.store.mode === 'managed';
  const [members, alarms] = await Promise.all([maintenance.members(), maintenance.alarms()]);
  const names = new Map(members.map(({ id, name }) => [id, name]));
  const [backup] = isManaged ? await listBackups(`${config.state}/backups`) : [];
  return {
    mode: config.store.mode,
    clusterId: status.clusterId,
    revision: status.revision,
    quota: isManaged ? config.store.quota * 1024 ** 2 : null,
    alarms: alarms.map(({ memberId, alarm }) => ({ member: names.get(memberId) ?? memberId, alarm })),
    members: await Promise.all(members.map((member) => memberView(member, tls))),
    backup: backup ? { ...backup, takenAt: backup.takenAt.toISOString() } : null,
  };
}

/** Each is asked itself: only so it shows which is away. */
async function memberView({ id, name, clientUrls }: EtcdMember, tls: StoreAccess['tls']): Promise<MemberView> {
  const [endpoint = ''] = clientUrls;
  const away = { state: 'away', leader: false, dbSize: 0, dbSizeInUse: 0, revision: 0, version: '' } as const;
  if (endpoint === '') return { id, name, endpoint, ...away };
  const maintenance = new Maintenance(endpoint, tls);
  try {
    const { isLeader, dbSize, dbSizeInUse, revision, version } = await maintenance.status();
    return { id, name, endpoint, state: 'ok', leader: isLeader, dbSize, dbSizeInUse, revision, version };
  } catch {
    return { id, name, endpoint, ...away };
  } finally {
    maintenance.close();
  }
}

export function printStatus({ mode, clusterId, revision, quota, alarms, members, backup }: StoreStatus): void {
  printObject({
    ...{ mode, cluster: clusterId, revision },
    alarms: alarms.map(({ member, alarm }) => `${alarm} at ${member}`),
    quota: quota === null ? null : sizeText(quota),
    backup: backup && `${backup.path}, ${sizeText(backup.bytes)}, ${age(backup.takenAt)} ago`,
  });
  printTable(members, {
    MEMBER: ({ id, name }) => name || id,
    STATE: ({ state }) => state,
    LEADER: ({ leader }) => (leader ? 'yes' : 'no'),
    SIZE: ({ dbSize }) => sizeText(dbSize),
    'IN-USE': ({ dbSizeInUse }) => sizeText(dbSizeInUse),
    REVISION: (member) => member.revision,
    VERSION: ({ version }) => version,
    ENDPOINT: ({ endpoint }) => endpoint,
  });
}
