/**
 * What a bench tells: { title, columns, rows }. A row is an object with a name; a column is [key, heading, digits], and a row
 * without its key has nothing to say there. A row with `failure` says that in place of figures.
 */

/** Markdown, as README.md keeps it. */
export function markdown({ title, columns, rows }) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const body = rows.map((row) => {
    const cells = columns.map(([key, , digits]) => cellOf(row[key], digits));
    if (row.failure !== undefined) cells.splice(0, cells.length, row.failure, ...cells.slice(1).fill(''));
    return line([row.name, ...cells]);
  });
  const head = line(['', ...columns.map(([, heading]) => heading)]);
  return ['', `#### ${title}`, '', head, `|${'---|'.repeat(columns.length + 1)}`, ...body].join('\n');
}

/** One line, with the figures as they were measured. */
export function json({ title, rows }) {
  return JSON.stringify({ title, rows });
}

function cellOf(value, digits) {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (typeof value !== 'number') return String(value);
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
