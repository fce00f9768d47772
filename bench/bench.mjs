/**
 * The same work through ibert and through its peers, in one run, in turns, as ratios of medians. bench/README.md says
 * what is measured and how; docs/performance.md what came of it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { capture, shellCommand } from "./driver.mjs";
import { Peak, QUIET, Quiet } from "./machine.mjs";
import { median, printTable, save } from "./report.mjs";

const USAGE = `usage: npm run bench [-- train|decode|prefill|gemm|kernels|startup|validator|tokenizer|change|released] [options]

Without a work it measures training. What is not built yet is built.

  --rounds N    rounds that each side does, in turns (default 5; with --quick 2)
  --threads N   threads of both sides (default 2)
  --patience S  wait up to S seconds in all for other programs to end before a turn (default 0)
  --quick       shorter rounds, fewer of them
  --before DIR  change: the built checkout to compare this one with, without other peers
  --compiled    train: also against torch.compile (which takes minutes to compile)
  --json        print { work, device, isa, commit, rows } and nothing else on standard output
  --save        keep the result, with every round, in bench/results/

IBERT_BENCH_PYTHON=/path/to/python uses the PyTorch, transformers and PEFT of that interpreter; without it the benchmark
installs its own. IBERT_CPU_ISA and ONEDNN_MAX_CPU_ISA choose the instruction sets of the two sides.

example: npm run bench -- train --rounds 7 --save`;

const root = fileURLToPath(new URL("..", import.meta.url));
const WORKS = {
  train: async () => (await import("./train.mjs")).train,
  decode: async () => (await import("./decode.mjs")).decode,
  prefill: async () => (await import("./prefill.mjs")).prefill,
  gemm: async () => (await import("./gemm.mjs")).gemm,
  kernels: async () => (await import("./kernels.mjs")).kernels,
  released: async () => (await import("./released.mjs")).released,
  change: async () => (await import("./change.mjs")).change,
  startup: async () => (await import("./startup.mjs")).startup,
  tokenizer: async () => (await import("./tokenizer.mjs")).tokenizer,
  validator: async () => (await import("./validator.mjs")).validator,
};

class UsageError extends Error {}

function readArguments() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        threads: { type: "string", default: "2" },
        patience: { type: "string", default: "0" },
        quick: { type: "boolean", default: false },
        before: { type: "string" },
        compiled: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        save: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { values, positionals } = parsed;
  const [work = "train"] = positionals;
  if (!values.help && (positionals.length > 1 || !Object.hasOwn(WORKS, work))) {
    throw new UsageError(
      `one of ${Object.keys(WORKS).join(", ")} is to be measured, not ${positionals.join(" ")}`,
    );
  }
  if ((work === "change") !== (values.before !== undefined) && !values.help)
    throw new UsageError("change takes --before DIR, and no other work does");
  const whole = (name, text, least = 1) => {
    if (!/^\d{1,4}$/.test(text) || Number(text) < least)
      throw new UsageError(`--${name} takes a whole number from ${least}, not ${text}`);
    return Number(text);
  };
  return {
    ...values,
    work,
    rounds: whole("rounds", values.rounds ?? (values.quick ? "2" : "5")),
    threads: whole("threads", values.threads),
    patience: whole("patience", values.patience, 0),
  };
}

async function git(...words) {
  return (await capture("git", ["-C", root, ...words])).trim();
}

/** Everything that a version number can be read from. */
function versions(participants) {
  const keys = [
    "node",
    "python",
    "torch",
    "transformers",
    "peft",
    "nodeLlamaCpp",
    "llamaCpp",
    "mistralCommon",
  ];
  const hellos = participants.map(({ hello }) => hello);
  return Object.fromEntries(
    keys.flatMap((key) => {
      const found = hellos.find((hello) => hello[key] !== undefined);
      return found === undefined ? [] : [[key, found[key]]];
    }),
  );
}

/** The quick start builds what ibert needs to run; the benchmark takes `ibert-kernels` besides, to measure the machine. */
async function buildWhatIsAbsent(log) {
  const native = (target) => [process.execPath, "scripts/build-native.mjs", "--target", target];
  const parts = [
    { files: ["build/Release/ibert.node"], command: native("runtime") },
    { files: ["build/Release/ibert-kernels"], command: native("ibert-kernels") },
    { files: ["dist/index.js"], command: ["npm", "run", "--silent", "build:ts"] },
  ];
  for (const { files, command } of parts) {
    const absent = files.find((file) => !existsSync(join(root, file)));
    if (absent === undefined) continue;
    const [program, ...words] = command;
    log(`${absent} is not there, so it is built: ${shellCommand(program, words)}`);
    await capture(program, words, { cwd: root });
  }
}

async function main() {
  const options = readArguments();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const { work, rounds, threads, json } = options;
  const log = (line) => process.stderr.write(`${line}\n`);
  await buildWhatIsAbsent(log);
  const peak = new Peak(root, threads, log);
  const quiet = new Quiet(options.patience, log);
  const startedAt = new Date().toISOString();
  const run = await WORKS[work]();
  const { rows, participants, commands = [], details = {} } = await run({ ...options, peak, quiet, log });

  const { device, isa } = participants[0].hello;
  const commit = await git("rev-parse", "--short", "HEAD");
  const result = { work, device, isa, commit, rows };
  const starts = new Map(participants.map(({ name, command }) => [command, { name, command }]));
  const all = [...starts.values(), ...commands.map((command) => ({ name: "ibert-kernels", command }))];
  const environment = Object.fromEntries(
    ["IBERT_CPU_ISA", "ONEDNN_MAX_CPU_ISA"].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
  if (options.save) {
    const path = save(join(root, "bench", "results"), result, {
      startedAt,
      uncommittedChanges: (await git("status", "--porcelain", "--", "lib", "native", "bindings")) !== "",
      threads,
      rounds,
      versions: versions(participants),
      environment,
      peak: peak.best ?? null,
      otherWork: quiet.busy,
      participants: participants.map(({ name, command, hello, answers }) => ({
        name,
        command,
        hello,
        answers,
      })),
      ...details,
    });
    log(`saved ${path}`);
  }
  if (json) {
    console.log(JSON.stringify(result));
    return;
  }
  console.log(`${work}: ${device}, ${isa}, ${threads} threads, ${rounds} rounds, commit ${commit}`);
  if (peak.best !== undefined) {
    const { fp32, fp32Unit, bf16, bf16Unit, bandwidth } = peak.best;
    const giga = (value) => (value / 1e9).toFixed(0);
    console.log(
      `limit, measured: fp32 ${giga(fp32)} GFLOP/s (${fp32Unit}), bf16 ${giga(bf16)} GFLOP/s (${bf16Unit}), ` +
        `memory ${(bandwidth / 1e9).toFixed(1)} GB/s`,
    );
  }
  const busy = median(quiet.busy);
  console.log(`other programs took ${(100 * busy).toFixed(0)} % of the processors before the median turn`);
  if (busy > QUIET) console.log("so these numbers say little: measure again when it is quiet");
  console.log();
  printTable(rows);
  console.log("\ncommands:");
  const prefix = Object.entries(environment)
    .map(([name, value]) => `${name}=${value} `)
    .join("");
  for (const { name, command } of all) console.log(`  ${name}: ${prefix}${command}`);
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${USAGE}\n`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 1;
  }
}
