// Ends workers at random moments, and prints how that went as JSON (teardown.test.ts):
//   node ending-workers.mjs ADDON ROUNDS FILE
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const [addonPath, rounds, file] = process.argv.slice(2);
createRequire(import.meta.url)(addonPath);
const MODES = ["long", "fences", "errors", "churn"];
const threads = () => (existsSync("/proc/self/task") ? readdirSync("/proc/self/task").length : 0);
const counts = { ended: 0, inFlight: 0, settled: 0, errors: [] };

async function round(number) {
  const mode = MODES[number % MODES.length];
  const worker = new Worker(new URL("ended-worker.mjs", import.meta.url), {
    workerData: { addonPath, mode, file },
  });
  let settled = false;
  worker.on("error", (error) => counts.errors.push(`${mode}: ${error.message}`));
  const begun = new Promise((resolve) => {
    worker.on("message", (what) => {
      if (what === "settled") settled = true;
      resolve();
    });
  });
  // One round in eight ends it while it still loads.
  if (number % 8 === 7) await setTimeout(Math.random() * 40);
  else {
    await begun;
    await setTimeout(Math.random() * 12);
    if (mode === "long") counts[settled ? "settled" : "inFlight"]++;
  }
  await worker.terminate();
  counts.ended++;
}

// The first worker lets Node start what it keeps.
await round(0);
const before = threads();
let next = 1;
const lane = async () => {
  while (next < Number(rounds)) await round(next++);
};
await Promise.all([lane(), lane()]);
console.log(JSON.stringify({ ...counts, leakedThreads: threads() - before }));
