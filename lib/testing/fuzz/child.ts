/** The process that runs a target: `child.js '{"target", "seed", "from", "inputs", "folder", "progress"}'`. */
import { openSync, writeSync } from "node:fs";

import { fuzz } from "./run.js";
import { boundaries, READERS } from "./targets.js";

const job = JSON.parse(process.argv[2] as string) as {
  target: string;
  seed: number;
  from: number;
  inputs: number;
  folder: string;
  progress: string;
  addon: string;
};
const target = { ...READERS, ...boundaries(job.addon) }[job.target];
if (target === undefined) throw new Error(`no target ${job.target}`);
// If this process dies, the input that did it stands here.
const progress = openSync(job.progress, "w");
const outcome = await fuzz(job.target, target, job.folder, {
  ...job,
  onInput: (input) => void writeSync(progress, String(input).padEnd(16), 0),
});
process.stdout.write(JSON.stringify(outcome));
