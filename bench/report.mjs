/** Rows of a comparison, as a table, as JSON, and as a file of results. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Units in which less is better. */
const COSTS = new Set(["ms", "us", "s", "MiB"]);

/** One comparison; the ratio is above 1 where ours is better. */
export function row({ name, peer, ours, theirs, unit, shareOfLimit = null }) {
  const ratio = COSTS.has(unit) ? theirs / ours : ours / theirs;
  return { name, peer, ours, theirs, unit, ratio, shareOfLimit };
}

const number = (value) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export function printTable(rows) {
  const head = ["", "ours", "theirs", "unit", "peer", "ratio", "of the limit"];
  const lines = rows.map(({ name, peer, ours, theirs, unit, ratio, shareOfLimit }) => [
    name,
    number(ours),
    number(theirs),
    unit,
    peer,
    ratio.toFixed(2),
    shareOfLimit === null ? "" : `${(100 * shareOfLimit).toFixed(0)} %`,
  ]);
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const numeric = new Set([1, 2, 5, 6]);
  for (const line of all) {
    const cells = line.map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])));
    console.log(cells.join("  ").trimEnd());
  }
}

/** Writes everything that is known of a run and returns the file. */
export function save(folder, result, details) {
  mkdirSync(folder, { recursive: true });
  const { work, isa, commit } = result;
  const path = join(folder, `${work}-${isa.replaceAll(/[^\w.-]+/g, "-")}-${commit}.json`);
  writeFileSync(path, `${JSON.stringify({ ...result, ...details }, null, 1)}\n`);
  return path;
}
