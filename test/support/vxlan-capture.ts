/** What tcpdump saw of the overlay on an underlay: the VNI and the inner frame's addresses of each packet. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

export interface InnerFrame {
  vni: number;
  from: string;
  to: string;
}

const HEADER = /VXLAN, flags \[I\] \(0x08\), (?:instance|vni) (\d+)/;
const FRAME = /([0-9a-f:]{17}) > ([0-9a-f:]{17}), (?:ethertype|802\.3)/;

export class VxlanCapture {
  readonly frames: InnerFrame[] = [];
  readonly #process: ChildProcess;
  #vni: number | undefined;
  #rest = '';

  private constructor(command: string, args: string[]) {
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process.stdout?.on('data', (data: Buffer) => this.#read(data.toString()));
  }

  /** `enter`: a command that runs another in the underlay's namespace. Resolves once tcpdump listens. */
  static async start(enter: [string, ...string[]], port: number): Promise<VxlanCapture> {
    const [command, ...options] = enter;
    const args = [
      ...options,
      'tcpdump',
      '-i',
      'any',
      '-nn',
      '-e',
      '-l',
      '--immediate-mode',
      '-T',
      'vxlan',
      'udp',
      'port',
      String(port),
    ];
    const capture = new VxlanCapture(command, args);
    await new Promise<void>((resolve, reject) => {
      let text = '';
      capture.#process.stderr?.on('data', (data: Buffer) => {
        text += data.toString();
        if (text.includes('listening on')) resolve();
      });
      capture.#process.once('exit', () => reject(new Error(`tcpdump ended: ${text}`)));
    });
    return capture;
  }

  /** Frames sent to more than one: what the overlay must never carry. */
  flooded(): InnerFrame[] {
    return this.frames.filter(({ to }) => (Number.parseInt(to.slice(0, 2), 16) & 1) === 1);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const vni = HEADER.exec(line)?.[1];
      if (vni !== undefined) this.#vni = Number(vni);
      const frame = FRAME.exec(line);
      if (frame && this.#vni !== undefined && vni === undefined) {
        this.frames.push({ vni: this.#vni, from: frame[1] ?? '', to: frame[2] ?? '' });
        this.#vni = undefined;
      }
    }
  }
}
