// Attacks the readers and the addon with damaged input: npm run fuzz -- [--target NAME]... [--inputs N] [--seed S]
// [--from I] [--only I]. Each target runs in processes of its own; one that dies or hangs is a fault with the input's number.
// [--asan]: the boundary in a build with the address and the undefined behaviour sanitizer, made in build/asan. Compiles what it needs into build/fuzz. docs/fuzzing.md
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const compiled = join(root, "build", "fuzz");
/** Inputs of one process: what a process has done before is part of no input. */
const CHUNK = 20_000;
/** Without a new input for so long, a process hangs. */
const HANG_MILLISECONDS = 120_000;

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    inputs: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    only: { type: "string" },
    asan: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const count = (name, text) => {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0) return number;
  console.error(`fuzz: --${name} ${text} is no whole number`);
  process.exit(2);
};
const seed = count("seed", values.seed);
const only = values.only === undefined ? undefined : count("only", values.only);
const first = only ?? count("from", values.from);
const inputs = only === undefined ? count("inputs", values.inputs) : 1;

execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.fuzz.json"], {
  cwd: root,
  stdio: "inherit",
});
writeFileSync(join(compiled, "package.json"), '{ "type": "module" }\n');
const addon = join(root, "build", values.asan ? "asan/Release" : "Release", "ibert.node");
const { boundaries, READERS } = await import(join(compiled, "testing/fuzz/targets.js"));
const TARGETS = { ...READERS, ...boundaries(addon) };
const names = values.target ?? (values.asan ? Object.keys(boundaries(addon)) : Object.keys(TARGETS));
const unknown = names.find((name) => TARGETS[name] === undefined);
if (unknown !== undefined) {
  console.error(`fuzz: there is no target ${unknown}; there are ${Object.keys(TARGETS).join(", ")}`);
  process.exit(2);
}

const environment = { ...process.env };
if (values.asan) {
  execFileSync(
    process.execPath,
    [
      join(root, "scripts/build-native.mjs"),
      ...[
        "--out",
        "build/asan",
        "--target",
        "runtime",
        "--CDIBERT_SANITIZE=ON",
        "--CDIBERT_CPU_LEVELS=generic",
      ],
      ...["--CDIBERT_CUDA_EMULATED=OFF", "--CDIBERT_METAL_EMULATED=OFF"],
    ],
    { cwd: root, stdio: "inherit" },
  );
  const library = (name) => execFileSync("c++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  environment.LD_PRELOAD = `${library("libasan.so")} ${library("libubsan.so")}`;
  // Node keeps what it has until the end; a size that nobody has is refused by the addon.
  environment.ASAN_OPTIONS = "detect_leaks=0:allocator_may_return_null=1";
  environment.UBSAN_OPTIONS = "print_stacktrace=1";
}

/** Where files cost nothing. */
const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Runs inputs `from` … in a process: its outcome, or the input that ended it. */
function run(target, from, number) {
  const folder = mkdtempSync(join(memory, "ibert-fuzz-"));
  const inside = join(folder, "input");
  mkdirSync(inside);
  const progress = join(folder, "progress");
  const job = { target, seed, from, inputs: number, folder: inside, progress, addon };
  const file = join(compiled, "testing/fuzz/child.js");
  const child = spawn(
    process.execPath,
    ["--max-old-space-size=512", "--max-semi-space-size=32", file, JSON.stringify(job)],
    { stdio: ["ignore", "pipe", "pipe"], env: environment },
  );
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].on("data", (piece) => (text[name] += piece));
  const last = () => (existsSync(progress) ? readFileSync(progress, "utf8").trim() : "");
  let seen = "";
  const watch = setInterval(() => {
    const now = last();
    if (now === seen) child.kill("SIGKILL");
    seen = now;
  }, HANG_MILLISECONDS);
  return new Promise((done) => {
    child.on("close", (code, signal) => {
      clearInterval(watch);
      const reached = last() === "" ? from : Number(last());
      if (!values.keep) rmSync(folder, { recursive: true, force: true });
      if (code === 0) return done(JSON.parse(text.stdout));
      const what = `the process ended with ${signal ?? code}\n${text.stderr.slice(0, 6000)}`;
      done({ inputs: reached - from + 1, accepted: 0, refused: {}, faults: [{ input: reached, what }] });
    });
  });
}

let failed = false;
for (const target of names) {
  const begun = Date.now();
  const all = { inputs: 0, accepted: 0, refused: {}, faults: [] };
  while (all.inputs < inputs && all.faults.length < 20) {
    const at = first + all.inputs;
    const part = await run(target, at, Math.min(CHUNK, inputs - all.inputs));
    all.inputs += part.inputs;
    all.accepted += part.accepted;
    all.faults.push(...part.faults);
    for (const [code, number] of Object.entries(part.refused))
      all.refused[code] = (all.refused[code] ?? 0) + number;
  }
  const seconds = (Date.now() - begun) / 1000;
  for (const { input, what } of all.faults)
    console.log(
      `${target}: input ${input} (npm run fuzz -- --target ${target} --seed ${seed} --only ${input})\n${what}\n`,
    );
  failed ||= all.faults.length > 0;
  const { faults, ...numbers } = all;
  console.log(
    JSON.stringify({
      target,
      seed,
      from: first,
      ...numbers,
      faults: faults.length,
      perSecond: Math.round(all.inputs / seconds),
    }),
  );
}
process.exitCode = failed ? 1 : 0;
