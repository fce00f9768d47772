/** `ibert model pull`: brings a base model to this machine. */
import type { SingleBar } from "cli-progress";
import type { Command } from "commander";

import type { PullProgress } from "../hub/pull.js";
import { pullBase } from "../models/pull.js";
import { startBar } from "./bar.js";
import { formatBytes, formatDuration } from "./format.js";
import { wholeNumber, withExample } from "./help.js";
import type { Output, Run } from "./main.js";

export function addModelPullCommand(model: Command, run: Run): void {
  const command = model
    .command("pull")
    .description("Fetches a base model, checked by its hashes, into the cache of Hugging Face's programs.")
    .argument("<base>", "hf:owner/name[@revision], or a preset")
    .option("--connections <n>", "files fetched at a time", wholeNumber(1), 4)
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
An interrupted pull continues where it was. Environment: HF_TOKEN (else the token file of hf auth login), HF_HOME,
HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE.`,
    )
    .action(async (base: string, { connections, json }: { connections: number; json?: boolean }) => {
      const display = new PullDisplay(run.terminal.stderr);
      try {
        const pulled = await pullBase(base, {
          connections,
          onProgress: (progress) => display.show(progress),
          report: (message) => display.say(message),
        });
        display.end();
        if (json === true) return run.printJson(pulled);
        run.note(
          `${base}: ${formatBytes(pulled.totalBytes)}, of which ${formatBytes(pulled.fetchedBytes)} fetched now`,
        );
        run.print(pulled.path);
      } finally {
        display.end();
      }
    });
  withExample(command, "npx ibert model pull devstral-small-2505", "npx ibert model pull hf:owner/name@v1.0");
}

/** On a terminal a bar in place; elsewhere a line every tenth. */
class PullDisplay {
  private bar: SingleBar | undefined;
  private started: { at: number; bytes: number } | undefined;
  private shownTenth = 0;

  constructor(private readonly stream: Output) {}

  show(progress: PullProgress): void {
    const { doneBytes, totalBytes } = progress;
    this.started ??= { at: Date.now(), bytes: doneBytes };
    if (this.stream.isTTY === true) {
      const text = this.describe(progress);
      this.bar ??= startBar(this.stream, totalBytes, doneBytes, text);
      this.bar.update(doneBytes, { text });
      return;
    }
    const tenth = Math.floor((10 * doneBytes) / totalBytes);
    if (tenth <= this.shownTenth) return;
    this.shownTenth = tenth;
    this.stream.write(`${this.describe(progress)}\n`);
  }

  private describe({ doneBytes, totalBytes, doneFiles, files }: PullProgress): string {
    const { at, bytes } = this.started ?? { at: Date.now(), bytes: doneBytes };
    const perSecond = (1000 * (doneBytes - bytes)) / Math.max(1, Date.now() - at);
    const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}, ${doneFiles} of ${files} files`;
    if (!(perSecond > 0)) return amount;
    return `${amount}, ${formatBytes(Math.round(perSecond))}/s, ${formatDuration((totalBytes - doneBytes) / perSecond)} left`;
  }

  say(message: string): void {
    this.bar?.stop();
    this.bar = undefined;
    this.stream.write(`${message}\n`);
  }

  end(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}
