/**
 * On a host of the lab, of a process whose inspector listens: collects its garbage and prints the bytes that are left, of
 * objects and of buffers beside them. Resident memory says little of a leak: freed pages stay with the process.
 */
import { fetch, WebSocket } from 'undici';

const [{ webSocketDebuggerUrl }] = await (await fetch('http://127.0.0.1:9229/json')).json();
const socket = new WebSocket(webSocketDebuggerUrl);
const waiting = new Map();
let last = 0;

function ask(method, params = {}) {
  return new Promise((resolve) => {
    waiting.set(++last, resolve);
    socket.send(JSON.stringify({ id: last, method, params }));
  });
}

socket.addEventListener('message', ({ data }) => {
  const { id, result } = JSON.parse(data);
  waiting.get(id)?.(result);
});
await new Promise((resolve, reject) => {
  socket.addEventListener('open', resolve);
  socket.addEventListener('error', reject);
});
// the second takes what the first only found to be finalized
for (let i = 0; i < 2; i++) await ask('HeapProfiler.collectGarbage');
const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
const { result } = await ask('Runtime.evaluate', { expression });
console.log(result.value);
socket.close();
