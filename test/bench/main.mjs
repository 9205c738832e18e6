#!/usr/bin/env node
/** `npm run bench -- NAME [--rounds N]`: runs test/bench/NAME/bench.mjs and prints its figures. README.md explains them. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROUNDS = 5;
const folder = import.meta.dirname;
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'bench.mjs')));

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string' } } });
const [name] = positionals;
const rounds = Number(values.rounds ?? ROUNDS);
if (name === undefined || !names.includes(name) || !(rounds >= 1)) {
  console.error(`usage: npm run bench -- ${names.join('|')} [--rounds N]`);
  process.exit(2);
}
const { bench } = await import(join(folder, name, 'bench.mjs'));
await bench({ rounds });
