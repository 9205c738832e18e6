/**
 * What is laid beside networkd, NetworkManager and udev names weft's links, all of them, and nobody else's. The grammar is
 * that of systemd.syntax(7) and of NetworkManager.conf(5), and so are the settings, none of which may be misspelt: they are
 * ignored then.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { linkNames } from '../../../src/model/names.ts';

const ID = '01M7ZZTVQ5W3JNQGYTNP7QAPQ2';
const VNI = 0x120000;
/** Those that ever stand in the host's namespace, where these programs run. */
const ON_HOST = [linkNames.uplink(ID), linkNames.container(ID)];
const ALL = [...ON_HOST, ...[linkNames.bridge(VNI), linkNames.vxlan(VNI), linkNames.relay(VNI), linkNames.port(ID)]];
const OTHERS = ['eth0', 'enp3s0', 'wlan0', 'wlp2s0', 'wwan0', 'wg0', 'docker0', 'br-0123456789ab', 'veth1234'];

type Sections = Record<string, Record<string, string>>;

function read(path: string): Sections {
  const sections: Sections = {};
  let section = '';
  for (const line of readFileSync(new URL(`../../../plugins/${path}`, import.meta.url), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, key, value] = /^(?:\[(\w+)\]|([\w+-]+?)(?:=(.*)))$/.exec(line) ?? [];
    if (name !== undefined) sections[(section = name)] = {};
    else if (key !== undefined && sections[section]) sections[section]![key] = value ?? '';
    else throw new Error(`${path}: not a section and no setting of one: ${line}`);
  }
  return sections;
}

/** Shell patterns, of which these files use the star alone. */
function matched(patterns: readonly string[], names: readonly string[]): string[] {
  const all = patterns.map((pattern) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`));
  return names.filter((name) => all.some((one) => one.test(name)));
}

describe('what keeps others off weft’s links', () => {
  it('has networkd manage none of them', () => {
    const { Match, ...rest } = read('networkd/10-weft.network');
    expect(rest).toEqual({ Link: { Unmanaged: 'yes' } });
    expect(Object.keys(Match!)).toEqual(['Name']);
    const patterns = Match!.Name!.split(' ');
    expect([matched(patterns, ON_HOST), matched(patterns, OTHERS)]).toEqual([ON_HOST, []]);
  });

  it('has NetworkManager manage none of them, beside what it is told elsewhere', () => {
    const { keyfile, ...rest } = read('NetworkManager/90-weft.conf');
    expect([rest, Object.keys(keyfile!)]).toEqual([{}, ['unmanaged-devices+']]);
    const specs = keyfile!['unmanaged-devices+']!.split(';');
    const patterns = specs.map((spec) => /^interface-name:(.+)$/.exec(spec)?.[1] ?? `no interface-name: ${spec}`);
    expect([matched(patterns, ON_HOST), matched(patterns, OTHERS)]).toEqual([ON_HOST, []]);
  });

  it('has udev rename none of them, and give none another MAC', () => {
    const { Match, ...rest } = read('udev/10-weft.link');
    expect(rest).toEqual({ Link: { NamePolicy: 'keep', AlternativeNamesPolicy: '', MACAddressPolicy: 'none' } });
    expect(Object.keys(Match!)).toEqual(['OriginalName']);
    const patterns = Match!.OriginalName!.split(' ');
    expect([matched(patterns, ALL), matched(patterns, OTHERS)]).toEqual([ALL, []]);
  });
});
