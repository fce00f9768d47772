// Judges what the assembler said of each kernel in scripts/build-cuda.mjs: a kernel that spills, has a stack frame, holds
// more registers than its launch bounds allow or more shared memory than there is, or of which the assembler warns
// (C75xx), fails; so does a library that is too large or needs CUDA's libraries to load.
//
// `--table FILE` writes registers, shared memory and occupancy of each kernel; `--out FOLDER` judges another build, and
// `--logs FOLDER` no library, but logs alone.
import { spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { occupancy, readable, readFolder } from "./cuda/resources.mjs";

const LARGEST_LIBRARY = 60 * 2 ** 20;

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "build" },
    logs: { type: "string" },
    table: { type: "string" },
  },
});

/** What is wrong with the library itself. */
function libraryProblems(path) {
  if (!existsSync(path)) return [`${path} is not there: run npm run build:cuda`];
  const problems = [];
  const { size } = statSync(path);
  if (size > LARGEST_LIBRARY) problems.push(`${path} has ${size} bytes, more than ${LARGEST_LIBRARY}`);
  const needed = spawnSync("readelf", ["-d", path], { encoding: "utf8" }).stdout ?? "";
  if (!needed.includes("NEEDED")) problems.push(`readelf does not say what ${path} needs`);
  for (const [, name] of needed.matchAll(/\(NEEDED\).*\[(libcuda[^\]]*)\]/g))
    problems.push(
      `${path} needs ${name} to load; the runtime is linked in and the driver found when it is used`,
    );
  return problems;
}

function table(kernels) {
  const byName = new Map();
  for (const kernel of kernels) byName.set(kernel.name, [...(byName.get(kernel.name) ?? []), kernel]);
  const names = readable([...byName.keys()]);
  const rows = [...byName.values()].map((variants, i) => {
    const of = (architecture, text) => {
      const kernel = variants.find((variant) => variant.architecture === architecture);
      return kernel === undefined ? "" : text(kernel);
    };
    const columns = ["sm_80", "sm_90"].flatMap((architecture) => [
      of(architecture, (kernel) => String(kernel.registers)),
      of(architecture, (kernel) => String(kernel.shared)),
      of(architecture, (kernel) => `${Math.round(100 * occupancy(kernel))} %`),
    ]);
    return `| ${[variants[0].file, `\`${names[i]}\``, variants[0].threads, ...columns].join(" | ")} |`;
  });
  return [
    "# Registers, shared memory and occupancy of the CUDA kernels",
    "",
    "By `npm run check:cuda`, from what nvcc's assembler says. Shared memory is what a kernel declares, in bytes; what a launch",
    "asks for comes on top, and occupancy is without it.",
    "",
    "| file | kernel | threads | sm_80: registers | shared | occupancy | sm_90: registers | shared | occupancy |",
    "| --- | --- | --: | --: | --: | --: | --: | --: | --: |",
    ...rows.sort(),
    "",
  ].join("\n");
}

const { kernels, problems } = readFolder(values.logs ?? join(values.out, "cuda"));
if (kernels.length === 0) problems.push("no kernel was assembled");
if (values.logs === undefined)
  problems.push(...libraryProblems(join(values.out, "Release", "libibert-cuda.so")));
if (values.table !== undefined) writeFileSync(values.table, table(kernels));
for (const problem of readable(problems)) console.error(problem);
console.log(`${kernels.length} kernels, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
