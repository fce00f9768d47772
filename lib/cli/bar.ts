import { SingleBar } from "cli-progress";

import type { Output } from "./main.js";

/** A bar that changes in place, with `text` behind it; `stop` takes it away. */
export function startBar(stream: Output, total: number, value: number, text: string): SingleBar {
  const bar = new SingleBar({
    format: "{bar} {text}",
    barsize: 20,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    stream,
    hideCursor: true,
    clearOnComplete: true,
    // Interrupts are the work's own matter: it keeps what it has.
    gracefulExit: false,
  });
  bar.start(total, value, { text });
  return bar;
}
