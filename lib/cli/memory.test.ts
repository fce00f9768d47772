/** What `--dry-run` says of memory, against a run's process. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import type { TrainingPlan } from "../training/plan.js";
import { COMPILED, compiledPrograms } from "./testing/compiled.js";
import { writeTinyCorpus } from "./testing/tiny-corpus.js";

const reportPeak =
  'data:text/javascript,process.on("exit",()=>console.error("peak",process.resourceUsage().maxRSS*1024))';

it("plans the peak of a training process within 5 %", async () => {
  await compiledPrograms();
  const folder = temporaryFolder();
  const config = join(folder, "run.yaml");
  const corpus = writeTinyCorpus(join(folder, "corpus"));
  writeFileSync(
    config,
    [
      `{ base: smollm2-135m, corpus: "${corpus}", output: "${join(folder, "adapter")}", steps: 2,`,
      "lora: { rank: 32, alpha: 64 }, evaluation: { rowsPerTask: 0 },",
      "data: { tokensPerBatch: 1024, taskWeights: { error_resolution: 0, qa: 0, function_documentation: 0 } } }",
    ].join("\n"),
  );
  const words = [COMPILED.train, "--config", config, "--json"];
  const dryRun = execFileSync(process.execPath, [...words, "--dry-run"], { encoding: "utf8" });
  const plan = JSON.parse(dryRun) as TrainingPlan;
  const run = spawnSync(process.execPath, ["--import", reportPeak, ...words], { encoding: "utf8" });
  expect(run.status, run.stderr).toBe(0);
  const peak = Number(/^peak (\d+)$/m.exec(run.stderr)?.[1]);
  console.info(`planned ${(plan.total / 2 ** 20).toFixed(0)} MiB, peak ${(peak / 2 ** 20).toFixed(0)} MiB`);
  expect(Math.abs(plan.total - peak) / peak).toBeLessThan(0.05);
});
