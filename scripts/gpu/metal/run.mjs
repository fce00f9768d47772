// What scripts/gpu/run-metal.sh runs, once it has found what it needs.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { nameOfResults, resultOf } from "./results.mjs";
import { stepsOf } from "./steps.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const OPTIONS = {
  "dry-run": { type: "boolean", default: false },
  backend: { type: "string", default: "metal" },
  tools: { type: "string" },
  only: { type: "string" },
  out: { type: "string" },
  help: { type: "boolean", default: false },
};
const HELP = `bash scripts/gpu/run-metal.sh [options]

  --dry-run        say step by step what would be done, on any machine
  --only A,B       these steps only
  --tools FOLDER   where ibert-kernels lies, in place of a build
  --backend NAME   metal (default); metal-emulated or cpu try the script itself, with small shapes
  --out FILE       (default bench/results/metal-DEVICE-COMMIT.json)`;

/** What a program prints, or nothing where it is not there or fails. */
function said(program, ...words) {
  try {
    return execFileSync(program, words, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}

function machine() {
  const isMac = platform() === "darwin";
  return {
    device: isMac ? said("sysctl", "-n", "machdep.cpu.brand_string") : (cpus()[0]?.model ?? "unknown"),
    system: isMac ? `macOS ${said("sw_vers", "-productVersion")}` : platform(),
    model: isMac ? said("sysctl", "-n", "hw.model") : arch(),
    memoryBytes: totalmem(),
    compiler: said("c++", "--version").split("\n")[0],
  };
}

function commitOf() {
  const commit = said("git", "rev-parse", "HEAD") || "unknown";
  return said("git", "status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}-changed`;
}

/** Runs a step: what came of it, as the file has it. */
function runStep({ name, command, env = {}, seconds, figures, unless }) {
  if (unless !== undefined) return { step: name, outcome: "skipped", why: unless };
  const begun = performance.now();
  const [program, ...words] = command;
  const ended = spawnSync(program, words, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    maxBuffer: 2 ** 28,
  });
  const took = Math.round((performance.now() - begun) / 100) / 10;
  return resultOf({ name, command, env, figures }, ended, took);
}

let options;
try {
  options = parseArgs({ options: OPTIONS }).values;
} catch (error) {
  console.error(`run-metal.sh: ${error.message}\n${HELP}`);
  process.exit(2);
}
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const hasMlx = said("python3", "-c", "import mlx.core; print('mlx')") === "mlx";
const steps = stepsOf({ ...options, hasMlx, isMac: platform() === "darwin", jobs: cpus().length });
const wanted = options.only?.split(",");
const unknown = wanted?.find((name) => !steps.some((step) => step.name === name));
if (unknown !== undefined) {
  console.error(
    `run-metal.sh: there is no step ${unknown}; there are ${steps.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
const about = { ...machine(), commit: commitOf() };
const out = options.out ?? join("bench", "results", nameOfResults(options.backend, about));
const results = [];
for (const step of steps) {
  if (wanted !== undefined && !wanted.includes(step.name)) continue;
  const words = Object.entries(step.env ?? {}).map(([key, value]) => `${key}=${value}`);
  if (options["dry-run"]) {
    const what =
      step.unless === undefined ? [...words, ...step.command].join(" ") : `skipped: ${step.unless}`;
    console.log(`== ${step.name.padEnd(12)} ${what}`);
    continue;
  }
  const result = runStep(step);
  results.push(result);
  console.log(
    `== ${step.name.padEnd(12)} ${result.outcome}${result.seconds === undefined ? "" : `, ${result.seconds} s`}`,
  );
  if (result.outcome === "failed") console.log(result.output.slice(-12).join("\n"));
  // Nothing that follows could be run.
  if (step.name === "build" && result.outcome !== "ok" && result.outcome !== "skipped") break;
}
if (options["dry-run"]) {
  console.log(`into ${out}`);
} else {
  const ok = results.every(({ outcome }) => outcome === "ok" || outcome === "skipped");
  const file = {
    kind: "metal-run",
    backend: options.backend,
    date: new Date().toISOString(),
    ...about,
    ok,
    steps: results,
  };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(file, null, 1)}\n`);
  console.log(out);
  process.exitCode = ok ? 0 : 1;
}
