import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const SOURCE = new URL('../../src/', import.meta.url).pathname;

/** The journal as it is now, compiled into `folder` for processes that cannot read TypeScript; where its modules are. */
export async function compileJournal(folder: string): Promise<string> {
  const journal = (await readdir(join(SOURCE, 'store/journal'))).map((name) => `store/journal/${name}`);
  for (const name of [...journal, 'store/log.ts', 'model/errors.ts', 'model/prefix-map.ts']) {
    const { outputText } = ts.transpileModule(await readFile(join(SOURCE, name), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const path = join(folder, name.replace(/\.ts$/, '.js'));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, outputText);
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  return join(folder, 'store/journal');
}
