// Lists as files: CSV and JSON. Knows nothing of where the lists come from.

/** Spreadsheets take a cell that begins so for a formula, and names are other people's text. */
const FORMULA = /^[=+\-@\t\r]/;

/** @param {unknown} value */
function cell(value) {
  const text = value === undefined || value === null ? '' : String(value);
  const safe = FORMULA.test(text) && typeof value === 'string' ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * A list as CSV (RFC 4180).
 * @param {Record<string, unknown>[]} rows all with the same keys
 */
export function csv(rows) {
  const first = rows[0];
  if (!first) return '';
  const lines = [Object.keys(first), ...rows.map((row) => Object.values(row))];
  return lines.map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

/**
 * Gives a text to whoever looks at the page, as a file.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function save(name, type, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
