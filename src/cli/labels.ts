import { usage } from './context.ts';

/** ["app=db", "tier="] as a map; a value may be empty, which removes a label where labels are changed. */
export function parseLabels(texts: string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`--label ${text}: give KEY=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

export function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
