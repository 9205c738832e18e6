import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { etcdctl } from '../support/docker.ts';
import { until } from '../support/until.ts';

interface Answer {
  Status: { header: { member_id: number }; leader: number };
}

/** The host whose member leads, as that member itself says: nobody else needs to answer. */
export async function leaderOf(lab: Lab): Promise<LabHost> {
  let leader: LabHost | undefined;
  const found = async () => {
    for (const host of lab.hosts) {
      const said = await etcdctl(host, 'endpoint', 'status', '-w', 'json').catch(() => '[]');
      const [answer] = JSON.parse(said) as Answer[];
      if (answer && answer.Status.leader === answer.Status.header.member_id) leader = host;
    }
    return leader !== undefined;
  };
  await until(found, { what: 'a member to lead', deadline: 30_000, every: 200 });
  if (!leader) throw new Error('nobody leads');
  return leader;
}
