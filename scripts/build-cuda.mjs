// Builds the CUDA backend with nvcc, build/Release/libibert-cuda.so, and the program that tries each instruction alone
// (native/tests/instructions), build/Release/ibert-instructions. The library holds code for sm_80 (which 86 and 89 run too) and
// sm_90, and PTX of which the driver makes code for what came later. CUDA's runtime is linked in and finds the driver when
// it is used, so the library loads on any machine. What the assembler says of each kernel goes to build/cuda/*.log, which
// scripts/check-cuda.mjs judges.
//
// Without nvcc it says so and ends with 3. `--out FOLDER` builds elsewhere, `--jobs N` compiles so many files at once,
// `--find-only` only looks for nvcc.
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { GENCODE } from "./cuda/architectures.mjs";
import { findNvcc } from "./cuda/nvcc.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "build" },
    "find-only": { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
  },
});
process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const nvcc = findNvcc();
if (nvcc === undefined) {
  console.error(
    "no nvcc: the CUDA backend was not built. Install the CUDA toolkit 13.0 or later, or name its folder in CUDA_HOME.",
  );
  process.exit(3);
}
if (values["find-only"]) process.exit(0);

const sources = [
  ...["kernels-cuda", "kernels-cuda/host"].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(cu|cpp)$/.test(name))
      .map((name) => `${folder}/${name}`),
  ),
  "native/tensor.cpp",
  "native/schema.cpp",
  "native/frame/faults.cpp",
  "native/frame/indices.cpp",
  "native/frame/operands.cpp",
  "native/host/event.cpp",
].sort();
// Shared with scripts/gpu/build.sh.
const flags = readFileSync("scripts/cuda/flags.txt", "utf8")
  .split("\n")
  .filter((flag) => flag !== "");
// Kernels for all architectures; what only calls CUDA once; what knows nothing of it as C++.
const languageOf = (source) =>
  source.endsWith(".cu")
    ? ["-x", "cu", ...GENCODE]
    : source.startsWith("native/")
      ? ["-x", "c++"]
      : ["-x", "cu", "-arch=sm_80"];
const folder = join(values.out, "cuda");
mkdirSync(folder, { recursive: true });

// What everything depends on.
const newest = Math.max(
  ...["native", "kernels-cuda"].flatMap((root) =>
    readdirSync(root, { recursive: true })
      .filter((name) => name.endsWith(".h"))
      .map((name) => statSync(join(root, name)).mtimeMs),
  ),
  ...["scripts/build-cuda.mjs", "scripts/cuda/architectures.mjs", "scripts/cuda/flags.txt"].map(
    (name) => statSync(name).mtimeMs,
  ),
);
const objectOf = (source) => join(folder, `${source.replaceAll("/", "-")}.o`);
const isStale = (source) =>
  !existsSync(objectOf(source)) ||
  statSync(objectOf(source)).mtimeMs < Math.max(newest, statSync(source).mtimeMs);

/** Objects appear only when they are whole, with the assembler's words and the kernels' PTX (for launch bounds) beside. */
function compile(source) {
  const object = objectOf(source);
  const kept = join(folder, "kept", basename(object, ".o"));
  rmSync(kept, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });
  const args = [
    ...flags,
    ...languageOf(source),
    "-c",
    source,
    "-o",
    `${object}.part`,
    "--keep",
    `--keep-dir=${kept}`,
  ];
  return new Promise((resolve) => {
    const run = spawn(nvcc, args, { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const stream of [run.stdout, run.stderr]) stream.on("data", (text) => (log += text));
    run.on("close", (status) => {
      const problems = log
        .split("\n")
        .filter((line) => status !== 0 || /warning|error/i.test(line))
        .join("\n");
      if (problems !== "") console.error(`${source}:\n${problems}`);
      if (status === 0) {
        writeFileSync(object.replace(/\.o$/, ".log"), log);
        renameSync(`${object}.part`, object);
        for (const name of readdirSync(kept)) if (!name.endsWith(".ptx")) rmSync(join(kept, name));
      }
      resolve(status === 0);
    });
  });
}

const waiting = sources.filter(isStale);
let ok = true;
async function work() {
  for (let source = waiting.shift(); source !== undefined && ok; source = waiting.shift())
    ok = (await compile(source)) && ok;
}
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
if (!ok) process.exit(1);

// What went with its source.
const wanted = new Set(sources.map((source) => basename(objectOf(source), ".o")));
for (const name of readdirSync(folder))
  if (/\.(o|log|part)$/.test(name) && !wanted.has(name.replace(/(\.o)?\.(o|log|part)$/, "")))
    rmSync(join(folder, name));

const library = join(values.out, "Release", "libibert-cuda.so");
mkdirSync(join(values.out, "Release"), { recursive: true });
const link = spawnSync(
  nvcc,
  [
    "-shared",
    "-cudart=static",
    "-Xlinker=--exclude-libs,ALL,-z,defs",
    ...sources.map(objectOf),
    "-o",
    library,
    "-lpthread",
    "-ldl",
    "-lrt",
  ],
  { stdio: "inherit" },
);
if (link.status !== 0) process.exit(1);

const probes = join(values.out, "Release", "ibert-instructions");
const folderOfProbes = "native/tests/instructions";
const sourcesOfProbes = readdirSync(folderOfProbes)
  .filter((name) => /\.(cu|cpp)$/.test(name))
  .map((name) => join(folderOfProbes, name));
const newestOfProbes = Math.max(newest, ...sourcesOfProbes.map((source) => statSync(source).mtimeMs));
if (!existsSync(probes) || statSync(probes).mtimeMs < newestOfProbes) {
  const built = spawnSync(
    nvcc,
    [
      ...flags.filter((flag) => flag !== "-Xptxas=-v"),
      "-x",
      "cu",
      ...GENCODE,
      ...sourcesOfProbes,
      "-o",
      probes,
    ],
    { stdio: "inherit" },
  );
  if (built.status !== 0) process.exit(1);
}
console.log(`${library}: ${(statSync(library).size / 2 ** 20).toFixed(1)} MiB`);
