/** Accuracies with their intervals as one SVG. */
import type { Interval } from "../bootstrap.js";
import { escapeXml } from "../../report/chart.js";

export interface Bar {
  /** What stands before it. */
  label: string;
  value: number;
  interval: Interval;
  /** Drawn faint: it is there to compare with. */
  quiet?: boolean;
}

export interface BarGroup {
  title: string;
  bars: readonly Bar[];
}

const WIDTH = 920;
const LEFT = 300;
const RIGHT = 70;
const ROW = 22;
const HEAD = 26;

/** Horizontal bars from 0 to 100 %, group under group. */
export function drawBars(groups: readonly BarGroup[], label: string): string {
  const at = (share: number): string => (LEFT + share * (WIDTH - LEFT - RIGHT)).toFixed(1);
  let y = 8;
  const parts: string[] = [];
  for (const { title, bars } of groups) {
    parts.push(`<text class="title" x="0" y="${y + 14}">${escapeXml(title)}</text>`);
    y += HEAD;
    for (const { label: name, value, interval, quiet } of bars) {
      const [low, high] = interval;
      const middle = y + ROW / 2;
      const text = `${(100 * value).toFixed(0)} %`;
      const range = `${(100 * low).toFixed(0)} … ${(100 * high).toFixed(0)} %`;
      parts.push(
        `<text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end">${escapeXml(name)}</text>` +
          `<rect x="${LEFT}" y="${y + 3}" width="${(Number(at(value)) - LEFT).toFixed(1)}" height="${ROW - 6}" ` +
          `fill="var(--${quiet === true ? "faint" : "line"})"><title>${escapeXml(name)}: ${text} (${range})</title></rect>` +
          `<line x1="${at(low)}" x2="${at(high)}" y1="${middle}" y2="${middle}" stroke="var(--ink)"/>` +
          `<text x="${(Number(at(Math.max(value, high))) + 6).toFixed(1)}" y="${middle + 4}">${text}</text>`,
      );
      y += ROW;
    }
    y += 6;
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${WIDTH} ${y}" role="img" ` +
    `aria-label="${escapeXml(label)}">${parts.join("")}</svg>`
  );
}
