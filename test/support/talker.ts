/**
 * A program that talks without pause, and what was heard of it: it serves TCP (a client is told the address it was seen with),
 * asks others by a new connection each time, shouts datagrams at those that must not get them, and hears who shouts at it.
 * It runs inside another namespace, as one line of arguments; how it gets there is the caller's.
 */

/** Argument: Talk as JSON. Prints one line for each answer and each datagram heard, and "ready" first. */
export const TALKER = `
  const net = require('node:net'), dgram = require('node:dgram');
  const { port, asks, shouts, patience, pause } = JSON.parse(process.argv[1]);
  const say = (what) => process.stdout.write(JSON.stringify(what) + '\\n');
  process.stdout.on('error', () => process.exit());
  const plain = (address) => (address ?? '').replace(/^::ffff:/, '');
  const ask = ({ name, to, port }) => {
    const at = Date.now();
    let text = '';
    const socket = net.connect(port, to);
    // A packet that is dropped on purpose is answered by nothing: the kernel would try for two minutes.
    const limit = setTimeout(() => socket.destroy(), patience);
    socket.on('data', (data) => (text += data)).on('error', () => undefined).on('close', () => {
      clearTimeout(limit);
      say({ name, at, answer: text });
      // The rate of questions is part of the load that a test puts on its hosts.
      setTimeout(ask, pause, { name, to, port });
    });
  };
  const shout = ({ to, text }) => {
    const socket = dgram.createSocket(to.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => undefined);
    setInterval(() => socket.send(text, port, to, () => undefined), pause).unref();
  };
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(plain(socket.remoteAddress) + ' ' + plain(socket.localAddress));
  });
  server.listen(port, '::', () => {
    const ears = dgram.createSocket({ type: 'udp6' }, (data) => say({ heard: String(data) }));
    ears.bind(port, () => {
      say('ready');
      asks.forEach(ask);
      shouts.forEach(shout);
    });
  });`;

export interface Talk {
  /** of all servers and ears */
  port: number;
  asks: { name: string; to: string; port: number }[];
  shouts: { to: string; text: string }[];
  /** ms that an answer may take */
  patience: number;
  /** ms between an answer and the next question, and between two shouts */
  pause: number;
}

interface Answer {
  name: string;
  /** ms since the epoch, when it was asked */
  at: number;
  answer: string;
}

/** What one talker or many have said so far. */
export class Hearing {
  readonly #answers = new Map<string, Answer[]>();
  readonly #heard = new Map<string, number>();

  /** Follows the standard output of a talker; resolves when it is ready. */
  follow(stdout: NodeJS.ReadableStream): Promise<void> {
    let rest = '';
    return new Promise((resolve, reject) => {
      stdout.on('end', () => reject(new Error(`a talker ended: ${rest}`)));
      stdout.on('data', (chunk: Buffer | string) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const said = JSON.parse(line) as 'ready' | Answer | { heard: string };
          if (said === 'ready') resolve();
          else if ('heard' in said) this.#heard.set(said.heard, this.count(said.heard) + 1);
          else this.#note(said);
        }
      });
    });
  }

  /** How many datagrams with this text have arrived, anywhere. */
  count(text: string): number {
    return this.#heard.get(text) ?? 0;
  }

  /** The answer to the last `times` questions of this name asked since then; undefined: not (all) the same yet. */
  settled(name: string, since: number, times: number): string | undefined {
    const answers = (this.#answers.get(name) ?? []).slice(-times);
    if (answers.length < times || answers.some(({ at, answer }) => at < since || answer !== answers[0]!.answer))
      return undefined;
    return answers[0]!.answer;
  }

  /** Every answer to questions of this name asked since then, once each. */
  answersSince(name: string, since: number): Set<string> {
    const answers = this.#answers.get(name) ?? [];
    return new Set(answers.filter(({ at }) => at >= since).map(({ answer }) => answer));
  }

  #note(answer: Answer): void {
    const known = this.#answers.get(answer.name);
    if (known) known.push(answer);
    else this.#answers.set(answer.name, [answer]);
  }
}
