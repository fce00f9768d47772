/** What pages of numbers share: no script, no file beside them, no network. */
import { chartStyle, escapeXml } from "./chart.js";

/** Text, or markup as it stands. */
export type Cell = string | { html: string };

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (value: Cell): string => (typeof value === "string" ? escapeXml(value) : value.html);
  const headings = head.map((text) => `<th>${escapeXml(text)}</th>`).join("");
  const body = rows.map((row) => `<tr>${row.map((value) => `<td>${cell(value)}</td>`).join("")}</tr>`);
  return `<div class="scroll"><table><thead><tr>${headings}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}

/** A share as a number over a bar as long as it. */
export const bar = (share: number, quiet = false): Cell => ({
  html: `<span class="bar${quiet ? " quiet" : ""}" style="--share:${(100 * share).toFixed(1)}%">${percent(share)}</span>`,
});

const STYLE = `${chartStyle(":root")}
:root { color-scheme: light dark; --good: #0a7d28; --bad: #c22f2f; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb35c; --bad: #f07070; } }
body { margin: 0 auto; padding: 24px 20px 60px; max-width: 1000px; background: var(--surface); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 36px 0 10px; }
h3 { font-size: 14px; margin: 0 0 6px; } h4 { font-size: 12px; font-weight: 500; margin: 0 0 2px; color: var(--muted); }
small, .lead { color: var(--muted); font-weight: 400; }
svg.chart { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--muted); } th, td { padding: 5px 10px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid var(--grid); }
tbody tr:last-child td { font-weight: 600; }
.plain tbody tr:last-child td { font-weight: 400; }
.bar { display: inline-block; min-width: 110px; padding: 0 6px; border-radius: 3px;
  background: linear-gradient(to right, var(--faint) var(--share), var(--grid) var(--share)); }
.bar.quiet { background: linear-gradient(to right, color-mix(in srgb, var(--muted) 40%, var(--grid)) var(--share), var(--grid) var(--share)); }
article { border-top: 1px solid var(--grid); padding: 14px 0; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 12px; margin-top: 8px; }
pre { margin: 0; padding: 8px 10px; border-radius: 6px; background: color-mix(in srgb, var(--grid) 45%, transparent);
  font: 12.5px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.verdict { font-size: 12.5px; margin-top: 3px; overflow-wrap: anywhere; } .ok { color: var(--good); } .bad { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }`;

/** A whole page. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
${body}
</body>
</html>
`;
}
