/**
 * Debian's packages start their services unless /usr/sbin/policy-rc.d says no (exit code 101). Ours stands only while
 * packages are installed. One that stood before is put aside and comes back, also after a failure or a signal; a file
 * that a killed set-up left behind is known by its mark and never taken for the user's own.
 */

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const POLICY = '/usr/sbin/policy-rc.d';
const ASIDE = '/usr/sbin/policy-rc.d.before-weft';
const OURS = '#!/bin/sh\n# weft set-up: no service starts while packages are installed.\nexit 101\n';
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

export async function withoutServices(body) {
  forbid();
  const handlers = Object.entries(SIGNALS).map(([signal, number]) => {
    const handler = () => {
      restore();
      process.exit(128 + number);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  try {
    return await body();
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
    restore();
  }
}

function forbid() {
  if (existsSync(POLICY) && readFileSync(POLICY, 'utf8') !== OURS) renameSync(POLICY, ASIDE);
  writeFileSync(POLICY, OURS, { mode: 0o755 });
}

function restore() {
  if (existsSync(POLICY) && readFileSync(POLICY, 'utf8') === OURS) rmSync(POLICY);
  if (existsSync(ASIDE)) renameSync(ASIDE, POLICY);
}
