/**
 * In a container's namespace: `node stream.mjs PORT ADDRESS...` echoes on the port, and keeps a TCP stream to that port of each
 * address: the next number ten times a second, which must come back, all of them and in order. A connection that ends is counted
 * and made again. Twice a second a line says how all stand: { ADDRESS: { echoed, breaks, reason } }.
 */
import { createServer, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { clearInterval, setInterval, setTimeout } from 'node:timers';

const [port, ...addresses] = process.argv.slice(2);
const EVERY = 100;
const UNSENT = 64 * 1024;

createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket)).listen(Number(port));

const streams = Object.fromEntries(addresses.map((address) => [address, { echoed: 0, breaks: 0, reason: '' }]));
for (const address of addresses) open(address, streams[address]);
setInterval(() => console.log(JSON.stringify(streams)), 500);
process.stdin.on('end', () => process.exit()).resume();

function open(address, stream) {
  let [sent, due, established] = [0, 0, false];
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  const timer = setInterval(() => {
    if (established && socket.writableLength < UNSENT) socket.write(`${sent++}\n`);
  }, EVERY);
  const fail = (reason) => {
    stream.reason = reason;
    socket.destroy();
  };
  socket.once('connect', () => (established = true));
  const lines = createInterface({ input: socket });
  // it hands on the socket's, which is looked at below
  lines.on('error', () => undefined);
  lines.on('line', (line) => {
    if (line !== String(due)) fail(`${line} came back where ${due} was due`);
    due++;
    stream.echoed++;
  });
  socket.on('error', ({ message }) => fail(message)).once('end', () => fail('the other end closed it'));
  socket.once('close', () => {
    clearInterval(timer);
    // What never stood was not lost.
    if (established) stream.breaks++;
    // A host that is cut off or starting refuses at once: without a pause this would do nothing but ask.
    setTimeout(() => open(address, stream), EVERY);
  });
}
