/**
 * Sources as plain modules of JavaScript, as `npm run build` would make them: for processes of their own, and for the simulation,
 * since where a test runner stands between modules each use of an import costs a look-up, and a run is made of those.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};
const IMPORT = /^(?:import|export)\b[^'"]*['"](\.{1,2}\/[^'"]+)\.js['"]/gm;

/** Writes the module and all it imports of this repository below `folder`; returns where the module is. */
export function writePlain(module: string, folder: string): string {
  const written = new Set<string>();
  const write = (source: string): string => {
    const place = join(folder, relative(ROOT, source)).replace(/\.ts$/, '.js');
    if (written.has(source)) return place;
    written.add(source);
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions: OPTIONS });
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, outputText);
    for (const [, imported] of outputText.matchAll(IMPORT)) write(resolve(dirname(source), `${imported}.ts`));
    return place;
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  return write(resolve(ROOT, module));
}

/** Below it packages are found as in the sources. */
export function plainFolder(name: string): string {
  return join(ROOT, 'node_modules/.cache', name);
}
