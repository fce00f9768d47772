// Reads a file that scripts/gpu/run.sh wrote and prints each step's outcome; fails where the file is none of its own, or a
// step that ended well gave no figures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const TEXT_ONLY = new Set(["build", "conformance", "rows", "memcheck", "racecheck", "synccheck"]);

const run = JSON.parse(readFileSync(process.argv[2], "utf8"));
assert.equal(run.kind, "gpu-run");
assert.ok(run.steps.length > 0, "no step");
for (const { step, outcome, seconds, figures, output } of run.steps) {
  console.log(`${step.padEnd(16)} ${outcome}${seconds === undefined ? "" : `, ${seconds} s`}`);
  if (outcome !== "ok") continue;
  if (TEXT_ONLY.has(step)) assert.ok(output.length > 0, `${step} printed nothing`);
  else
    (assert.equal(typeof figures, "object", `${step} gave no figures`),
      assert.ok(figures, `${step} gave none`));
}
const failed = run.steps.some(({ outcome }) => outcome !== "ok" && outcome !== "skipped");
assert.equal(run.ok, !failed);
