/** What the host itself does that an operator should know of, from looks at it; the time is that of the first look. */
import type { Condition } from '../model/status.ts';
import { formatPlace } from '../model/ports/places.ts';
import type { ForeignChains, HostForwarding, PlaceConflict } from '../plan/kernel-port.ts';

/** firewalld's own way to accept what comes from interfaces by their names' beginning. */
const OPENING = 'firewall-cmd --permanent --zone=trusted --add-interface=wu+ && firewall-cmd --reload';

type Finding = Omit<Condition, 'since'>;

export class HostConditions {
  #conditions: Condition[] = [];

  set(findings: readonly Finding[]): void {
    const since = new Date().toISOString();
    this.#conditions = findings.map((finding) => {
      const before = this.#conditions.find(({ type, object }) => type === finding.type && object === finding.object);
      return { ...finding, since: before?.since ?? since };
    });
  }

  list(): Condition[] {
    return this.#conditions;
  }
}

/** `wants`: families that tenants of this host leave by; `foreign`: chains of others that drop what they forward. */
export function hostFindings(
  wants: HostForwarding,
  found: HostForwarding,
  foreign: Pick<ForeignChains, 'chains' | 'refused'>,
): Finding[] {
  const off = (family: 4 | 6, setting: string): Finding => ({
    type: 'forwarding-off',
    object: setting,
    message: `containers do not reach the outside by IPv${family}: this host forwards nothing; sysctl -w ${setting}=1`,
  });
  return [
    ...(wants.ipv4 && !found.ipv4 ? [off(4, 'net.ipv4.ip_forward')] : []),
    ...(wants.ipv6 && !found.ipv6 ? [off(6, 'net.ipv6.conf.all.forwarding')] : []),
    ...foreign.chains.map((chain) => ({
      type: 'foreign-rules',
      object: chain,
      message: 'drops what it forwards; two rules of weft let the packets of tenants through',
    })),
    ...foreign.refused.map((chain) => ({
      type: 'foreign-closed',
      object: chain,
      message: `drops what it forwards, packets of tenants too, and only its owner may change it; next: ${OPENING}`,
    })),
  ];
}

/** Who has a port now got it while weftd was away. What comes from elsewhere goes to the container all the same. */
export function portFindings(conflicts: readonly PlaceConflict[]): Finding[] {
  return conflicts.map(({ place, holder }) => ({
    type: 'port-taken',
    object: formatPlace(place),
    message: `leads to a container, and is held by ${holder} as well: weft port ls`,
  }));
}
