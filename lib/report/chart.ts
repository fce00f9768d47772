/** Line charts as SVG text. Colours are CSS variables of the page or file around them. */

export interface Point {
  x: number;
  y: number;
}

export interface LineChart {
  title: string;
  /** What stands at the points' hover text, e.g. `loss`. */
  unit: string;
  points: readonly Point[];
  /** The axis starts at zero, unless the values are far from it. */
  fromZero?: boolean;
  /** A running mean over so many points is drawn over the line. */
  smooth?: number;
}

export const CHART = { width: 460, height: 240 };
const MARGIN = { left: 56, right: 16, top: 34, bottom: 30 };
/** More points than that add nothing that can be seen. */
const MOST_POINTS = 400;

/** Colours for light and dark: `scope` is the selector that they hold for. */
export function chartStyle(scope: string): string {
  return `
${scope} { --surface: #fcfcfb; --ink: #0b0b0b; --muted: #6b6a66; --grid: #e4e3df; --line: #2a78d6; --faint: #a9c9ef; }
@media (prefers-color-scheme: dark) {
  ${scope} { --surface: #1a1a19; --ink: #ffffff; --muted: #a3a29c; --grid: #343432; --line: #3987e5; --faint: #274a75; }
}
.chart text { font: 11px system-ui, sans-serif; fill: var(--muted); }
.chart .title { font-size: 13px; font-weight: 600; fill: var(--ink); }
.chart .grid { stroke: var(--grid); stroke-width: 1; }
.chart .line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
.chart .faint { stroke: var(--faint); stroke-width: 1; }
.chart .hit { fill: transparent; }
.chart .hit:hover { fill: var(--line); }`;
}

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Round values from `low` to `high`, about `count` of them. */
export function ticks(low: number, high: number, count = 4): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const values: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(i * step + 0);
  return values;
}

export function formatTick(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e4 || size < 1e-3) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  return String(Number(value.toPrecision(3)));
}

function thin(points: readonly Point[]): readonly Point[] {
  const step = Math.ceil(points.length / MOST_POINTS);
  return step <= 1 ? points : points.filter((_, i) => i % step === 0 || i === points.length - 1);
}

/** Each value's mean with those before it, `window` in all. */
export function runningMean(points: readonly Point[], window: number): Point[] {
  return points.map(({ x }, i) => {
    const values = points.slice(Math.max(0, i - window + 1), i + 1);
    return { x, y: values.reduce((sum, { y }) => sum + y, 0) / values.length };
  });
}

/** One chart as an SVG group at (0, 0), `CHART` large. */
export function drawLineChart({ title, unit, points, fromZero = false, smooth = 1 }: LineChart): string {
  const { width, height } = CHART;
  const finite = points.filter(({ y }) => Number.isFinite(y));
  const heading = `<text class="title" x="${MARGIN.left}" y="18">${escapeXml(title)}</text>`;
  if (finite.length === 0) return `${heading}<text x="${MARGIN.left}" y="${height / 2}">no values</text>`;
  const ys = finite.map(({ y }) => y);
  const xs = finite.map(({ x }) => x);
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const yHigh = Math.max(...ys);
  let yLow = fromZero ? Math.min(0, ...ys) : Math.min(...ys);
  if (yLow === yHigh) yLow = yHigh - (Math.abs(yHigh) || 1);
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const atX = (x: number): number =>
    MARGIN.left + ((x - xLow) / Math.max(xHigh - xLow, 1e-12)) * (right - MARGIN.left);
  const atY = (y: number): number => bottom - ((y - yLow) / (yHigh - yLow)) * (bottom - MARGIN.top);
  const px = (value: number): string => value.toFixed(1);
  const path = (line: readonly Point[]): string =>
    line.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${px(atX(x))} ${px(atY(y))}`).join("");
  const grid = ticks(yLow, yHigh).map(
    (value) =>
      `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${px(atY(value))}" y2="${px(atY(value))}"/>` +
      `<text x="${MARGIN.left - 8}" y="${px(atY(value) + 4)}" text-anchor="end">${formatTick(value)}</text>`,
  );
  const steps = ticks(xLow, xHigh, 6)
    .filter(Number.isInteger)
    .map((value) => `<text x="${px(atX(value))}" y="${bottom + 18}" text-anchor="middle">${value}</text>`);
  const drawn = thin(finite);
  const lines =
    smooth > 1
      ? `<path class="line faint" d="${path(drawn)}"/><path class="line" d="${path(thin(runningMean(finite, smooth)))}"/>`
      : `<path class="line" d="${path(drawn)}"/>`;
  const hits = drawn.map(
    ({ x, y }) =>
      `<circle class="hit" cx="${px(atX(x))}" cy="${px(atY(y))}" r="5">` +
      `<title>step ${x}: ${escapeXml(unit)} ${formatTick(y)}</title></circle>`,
  );
  return heading + grid.join("") + steps.join("") + lines + hits.join("");
}

/** Charts side by side in one SVG, two a row. `standalone`: a file of its own, with its colours. */
export function drawCharts(charts: readonly LineChart[], standalone: boolean): string {
  const rows = Math.ceil(charts.length / 2);
  const [width, height] = [2 * CHART.width, rows * CHART.height];
  const groups = charts.map(
    (chart, i) =>
      `<g transform="translate(${(i % 2) * CHART.width} ${Math.floor(i / 2) * CHART.height})">${drawLineChart(chart)}</g>`,
  );
  const frame = standalone
    ? `<style>${chartStyle("svg")}</style><rect width="${width}" height="${height}" fill="var(--surface)"/>`
    : "";
  const size = standalone ? ` width="${width}" height="${height}"` : "";
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}"${size} role="img" ` +
    `aria-label="Curves of the training run">${frame}${groups.join("")}</svg>`
  );
}
