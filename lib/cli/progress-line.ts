/** How far work has come: on a terminal a line that changes in place, elsewhere one line for each step. */
import type { Run } from "./main.js";

/** Says `text` of each step; on a terminal in the place of the one before. */
export function progressLine<T>(
  { terminal: { stderr } }: Run,
  text: (progress: T) => string,
): (progress: T) => void {
  let shown = false;
  return (progress) => {
    if (stderr.isTTY !== true) stderr.write(`${text(progress)}\n`);
    else {
      stderr.write(`${shown ? "\u001b[1A\r\u001b[K" : ""}${text(progress)}\n`);
      shown = true;
    }
  };
}
