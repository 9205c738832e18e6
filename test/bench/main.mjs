#!/usr/bin/env node
/** `npm run bench -- NAME [--rounds N] [-o json]`: runs test/bench/NAME/bench.mjs and prints its figures. README.md explains them. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { json, markdown } from './table.mjs';

const FORMATS = { json, markdown };
const folder = import.meta.dirname;
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'bench.mjs')));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, output: { type: 'string', short: 'o', default: 'markdown' } },
});
const [name] = positionals;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
const format = FORMATS[values.output];
if (name === undefined || !names.includes(name) || !(rounds === undefined || rounds >= 1) || !format) {
  console.error(`usage: npm run bench -- ${names.join('|')} [--rounds N] [-o json]`);
  process.exit(2);
}
const { bench } = await import(join(folder, name, 'bench.mjs'));
for await (const table of bench(rounds === undefined ? {} : { rounds })) console.log(format(table));
