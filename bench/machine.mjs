/** What the machine can do, measured now, and how much of it is left by other programs. */
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { capture, shellCommand } from "./driver.mjs";

/** Other programs may take this much of the processors. */
export const QUIET = 0.1;

/** The share of all processors' time that is used, over half a second in which the benchmark itself does nothing. */
async function busyShare() {
  const times = () =>
    cpus().reduce(
      ([idle, all], { times: { idle: more, ...rest } }) => [
        idle + more,
        all + more + Object.values(rest).reduce((sum, part) => sum + part, 0),
      ],
      [0, 0],
    );
  const [idleBefore, allBefore] = times();
  await sleep(500);
  const [idleAfter, allAfter] = times();
  return Number((1 - (idleAfter - idleBefore) / Math.max(1, allAfter - allBefore)).toFixed(2));
}

/** Waits for other programs to leave the processors alone, as long as its patience lasts. */
export class Quiet {
  constructor(patienceSeconds, log) {
    this.left = patienceSeconds;
    this.log = log;
    /** Before each turn, how busy the processors were with other work: 0 to 1. */
    this.busy = [];
  }

  async wait() {
    let busy = await busyShare();
    if (busy > QUIET && this.left > 0)
      this.log(`waiting for the machine to be quiet, ${this.left} s at most`);
    for (; busy > QUIET && this.left > 0; this.left -= 2) {
      await sleep(1500);
      busy = await busyShare();
    }
    this.busy.push(busy);
  }
}

/**
 * Measures the peak between rounds, with `ibert-kernels perf`, and keeps the best of each number: other work on the
 * machine only ever lowers one. Where that program is not built, there are no shares.
 */
export class Peak {
  constructor(root, threads, log) {
    this.program = join(root, "build", "Release", "ibert-kernels");
    this.threads = threads;
    this.log = log;
    this.best = undefined;
    this.warned = false;
  }

  get command() {
    return shellCommand(this.program, this.arguments());
  }

  /** One op and no case of it: only the peak. */
  arguments() {
    return ["perf", "--json", "--threads", String(this.threads), "--op", "gradNorm", "--case", "(none)"];
  }

  async measure() {
    if (!existsSync(this.program)) {
      if (!this.warned)
        this.log(`${this.program} is not built (npm run build:native): no share of the limit`);
      this.warned = true;
      return;
    }
    const { peak } = JSON.parse(await capture(this.program, this.arguments()));
    this.take(peak);
  }

  take(peak) {
    if (this.best === undefined) this.best = { ...peak };
    for (const key of ["fp32", "bf16", "bandwidth"]) this.best[key] = Math.max(this.best[key], peak[key]);
  }

  /** FLOP/s of the fastest unit for bf16 products: on some chips that is float32 FMA. */
  get flops() {
    return this.best && Math.max(this.best.bf16, this.best.fp32);
  }

  /** Bytes/s of reading. */
  get bandwidth() {
    return this.best?.bandwidth;
  }

  /** `rate` over the rate that the machine allows, or null where that is unknown. */
  share(rate, limit) {
    return limit === undefined ? null : rate / limit;
  }
}
