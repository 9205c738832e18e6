/**
 * A README that can be run. "On host1:" (or "host1 and host2", "either host") at the beginning of a paragraph says where
 * the `sh` blocks after it are typed; a `text` block is what is shown by the one before it, where `…` stands for anything.
 */

export interface Step {
  hosts: string[];
  commands: string[];
  /** lines that must be among those printed */
  shown: string[];
}

const PIECE = /^On (either host|host\d+(?: and host\d+)*)\b|^```(\w*)\n(.*?)^```$/gms;

export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  let hosts: string[] = [];
  for (const [, place, language, body = ''] of markdown.matchAll(PIECE)) {
    const lines = body.split('\n').filter((line) => line !== '');
    if (place !== undefined) hosts = place === 'either host' ? ['host1'] : place.split(' and ');
    else if (language === 'sh') steps.push({ hosts, commands: lines, shown: [] });
    else if (language === 'text') steps.at(-1)?.shown.push(...lines);
  }
  return steps;
}

/** Spaces count as one: columns are as wide as their widest entry. */
export function fits(shown: string[], printed: string): boolean {
  const lines = printed.split('\n').map(squeeze);
  return shown.every((line) => {
    const parts = squeeze(line)
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(`^${parts.join('.*')}$`);
    return lines.some((candidate) => pattern.test(candidate));
  });
}

function squeeze(line: string): string {
  return line.trim().replace(/\s+/g, ' ');
}
