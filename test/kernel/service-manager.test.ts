import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceManager } from '../../src/kernel/service-manager.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });

let folder: string;
let path: string;
let received: string;
let listener: ChildProcess;

/** A service manager's socket: socat prints every datagram. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-notify-'));
  path = join(folder, 'notify');
  received = '';
  listener = spawn('socat', ['-u', `UNIX-RECV:${path}`, 'STDOUT']);
  listener.stdout?.on('data', (data: Buffer) => {
    received += `${data.toString()}\n`;
  });
  await until(() => existsSync(path), { what: 'the socket stands' });
});

afterEach(() => {
  listener.kill();
  rmSync(folder, { recursive: true });
});

const manager = (environment: NodeJS.ProcessEnv) => new ServiceManager({ environment, log, pid: 42 });

describe('the service manager', () => {
  it('is told when weftd is ready, waits and stops', async () => {
    const told = manager({ NOTIFY_SOCKET: path });
    told.ready();
    told.status('waiting for the store: two\nlines');
    told.stopping();
    await until(() => received.includes('STOPPING=1'), { what: 'the last notice' });
    expect(received).toContain('READY=1\nSTATUS=serving');
    expect(received).toContain('STATUS=waiting for the store: two lines');
  });

  it('hears from the watchdog until the daemon stops, and only when it is meant for it', async () => {
    const stop = new AbortController();
    manager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000', WATCHDOG_PID: '42' }).keepWatch(stop.signal);
    await until(() => received.split('WATCHDOG=1').length > 3, { what: 'three signs of life' });
    stop.abort();
    // Datagrams arrive in order: what was on its way when the watch ended stands before this one.
    manager({ NOTIFY_SOCKET: path }).status('the watch has ended');
    manager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '20000', WATCHDOG_PID: '43' }).keepWatch(AbortSignal.timeout(1_000));
    // Due after several signs of a watch that went on, or of one that is meant for another process.
    setTimeout(() => manager({ NOTIFY_SOCKET: path }).status('the last word'), 50);
    await until(() => received.includes('the last word'), { what: 'the last word' });
    expect(received.split('the watch has ended')[1]).not.toContain('WATCHDOG');
  });

  it('that is not there, or does not listen, harms nobody', () => {
    manager({}).ready();
    manager({ NOTIFY_SOCKET: join(folder, 'nobody') }).ready();
  });

  it('passes sockets by name, to the process they are meant for', () => {
    const passed = (environment: NodeJS.ProcessEnv) => manager(environment).passedSocket('docker');
    expect(passed({})).toBeUndefined();
    expect(passed({ LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'cni:docker' })).toBe(4);
    expect(passed({ LISTEN_PID: '42', LISTEN_FDS: '1' })).toBe(3);
    expect(passed({ LISTEN_PID: '42', LISTEN_FDS: '1', LISTEN_FDNAMES: 'cni' })).toBeUndefined();
    expect(passed({ LISTEN_PID: '7', LISTEN_FDS: '1' })).toBeUndefined();
  });
});
