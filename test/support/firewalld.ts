/** firewalld by hand on a host of a lab: unpacked beside the labs' image by the set-up, laid over the host's own /usr. */
import { existsSync } from 'node:fs';
import type { LabHost, LabSession } from '../../src/lab/lab.ts';
import { IMAGE_CACHE } from '../../src/lab/state.ts';
import { run } from './docker.ts';
import { until } from './until.ts';

const UNPACKED = `${IMAGE_CACHE}/firewalld`;
/** What a host of a cluster answers to, on the zone that Debian's configuration gives to every interface. */
const PORTS = ['14789/udp', '2379/tcp', '2380/tcp', '7781/tcp'];
const BUS = `<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>`;

export class Firewalld {
  readonly #host: LabHost;
  #session: LabSession | undefined;

  private constructor(host: LabHost) {
    this.#host = host;
  }

  /** Its files and a bus; it does not run yet. */
  static async install(host: LabHost): Promise<Firewalld> {
    if (!existsSync(UNPACKED)) throw new Error(`${UNPACKED} is missing: npm test unpacks it`);
    await run(host, 'mount', '-t', 'overlay', '-o', `lowerdir=${UNPACKED}/usr:/usr`, 'overlay', '/usr');
    await run(host, 'sh', '-c', `cp -r ${UNPACKED}/etc/firewalld /etc/ && mkdir -p /run/dbus`);
    await run(host, 'sh', '-c', 'printf %s "$1" >/run/dbus/bus.conf', 'sh', BUS);
    await run(host, 'dbus-daemon', '--config-file=/run/dbus/bus.conf', '--fork', '--nopidfile');
    for (const option of ['--add-interface=eth0', ...PORTS.map((port) => `--add-port=${port}`)]) {
      await run(host, 'firewall-offline-cmd', '--zone=public', option);
    }
    return new Firewalld(host);
  }

  /** Ends when it has written its rules and answers. */
  async start(): Promise<void> {
    this.#session = await this.#host.spawn(['firewalld', '--nofork', '--nopid']);
    const answers = async () => (await this.#host.exec(['firewall-cmd', '--state'])).exitCode === 0;
    await until(answers, { what: 'firewalld', deadline: 60_000, every: 100 });
  }

  async reload(): Promise<void> {
    await run(this.#host, 'firewall-cmd', '--reload');
  }

  /** It takes its rules along. */
  async stop(): Promise<void> {
    await this.#session?.kill('TERM');
    this.#session = undefined;
  }
}
