/** What this machine has and lacks for ibert. */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { z } from "zod";

import { DEFAULT_DSL } from "../dsl/declared.js";
import { dslByName } from "../dsl/registry.js";
import { duckDbBinding } from "../dsl/duckdb/judge.js";
import { systemIsolation } from "../dsl/sandbox/isolation.js";
import { IBertError } from "../errors.js";
import { loadPreset, presetNames } from "../models/presets.js";
import { pulledModel } from "../models/sources.js";
import { cacheDirectory } from "../runtime/cache.js";
import { AUTO, backendOfEnvironment } from "../runtime/device.js";
import { readHost, whyHostCannot } from "../runtime/host.js";
import { addonPath, loadAddon, type AddonBuild } from "../runtime/addon-file.js";
import { findBackend, type BackendBuild } from "../runtime/backend-file.js";
import type { Addon } from "../runtime/native.js";
import { describeEnd, probeSeconds } from "../runtime/child.js";
import { findingOfEnd, NEEDS, OF_THE_HOST, type Finding, type Obstacle } from "../runtime/probe.js";
import { UNPROVEN } from "../runtime/unproven.js";
import { readTrainingConfig } from "../training/config-file.js";
import { availableMemory } from "../training/plan.js";
import { judgeParts, reasonAndFix, type Facts, type Part } from "./parts.js";

export interface BackendDiagnosis {
  name: string;
  available: boolean;
  /** What it runs on. */
  device?: { name: string; architecture: string; memoryBytes: number; threads: number };
  /** Its library, where a package brought that, and what that was built from. */
  library?: { file: string; build: BackendBuild };
  /** Op → kernel, null where the backend lacks the op. */
  kernels?: Record<string, string | null>;
  /** Of one that is available: that no hardware has run it, so that `auto` leaves it alone. */
  unproven?: string;
  /** Why it is not available, and what would help where the reason does not say it. */
  obstacle?: Obstacle;
  reason?: string;
  help?: string;
}

export interface Diagnosis {
  /** `problem` says why the package's binaries cannot run on this system, where the CPU backend does not. */
  platform: {
    system: string;
    architecture: string;
    release: string;
    glibc?: string;
    node: string;
    problem?: string;
  };
  processor: { name: string; cores: number };
  memory: { totalBytes: number; availableBytes: number };
  addon: { path?: string; build?: AddonBuild; problem?: string; fix?: string };
  backends: BackendDiagnosis[];
  /** What `auto` takes here, and why not those that it tries before; `asked` is what `$IBERT_BACKEND` names instead. */
  auto: { asked?: string; takes?: string; passedOver: { backend: string; reason: string }[] };
  /** Instruction sets that the CPU backend can run here; IBERT_CPU_ISA chooses. */
  instructionSets: string[];
  /** `wheelsFix` stands where a wheel is missing. */
  cache: {
    folder: string;
    wheels: string;
    wheelsFix?: string;
    models: { preset: string; path?: string; bytes?: number }[];
  };
  /** `start` is absent where it was not tried. */
  sandbox: {
    network: boolean;
    limits: boolean;
    layers: string[];
    start?: { milliseconds: number } | { problem: string; fix?: string };
  };
  /** What judges SQL besides sqlglot: the version of DuckDB that is installed. */
  sqlJudge: { duckdb?: string };
  /** Where the cache lies or will lie. */
  disk: { folder: string; freeBytes: number; problem?: string };
  /** The configuration that was named, or `ibert.yaml` where it is there. */
  config?: { file: string; backend?: string; problem?: string; missing?: string; fix?: string };
  /** The verdict on each part. */
  parts: Part[];
}

export interface DiagnoseOptions {
  /** A training configuration, by file or name, to look at too. */
  config?: string | undefined;
  /** Leave out what takes seconds: the start of the sandbox. */
  quick?: boolean | undefined;
}

/** Names that IBERT_CPU_ISA takes, in rising order. */
const INSTRUCTION_SETS = ["generic", "neon", "avx2", "avx512", "avx512-bf16", "amx-emulated", "amx-bf16"];

const Answer = z.object({
  info: z.object({
    backend: z.string(),
    name: z.string(),
    architecture: z.string(),
    memoryBytes: z.number(),
    threads: z.number(),
  }),
  kernels: z.record(z.string(), z.string().nullable()),
});

/** Opens a backend in a process of its own. */
function probe(
  addon: string,
  backend: string,
  env: Record<string, string> = {},
): Promise<z.infer<typeof Answer> | Finding> {
  const script = fileURLToPath(new URL("probe.mjs", import.meta.url));
  const seconds = (OF_THE_HOST.has(backend) ? 0 : probeSeconds()) || 30;
  const options = {
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    env: { ...process.env, ...env },
  } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, [script, addon, backend], options, (error, stdout, stderr) => {
      if (error === null) {
        const answer: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
        return resolve(
          Object.hasOwn(answer as object, "obstacle") ? (answer as Finding) : Answer.parse(answer),
        );
      }
      const text = describeEnd(error.signal, error.code, stderr);
      resolve(findingOfEnd(backend, { timedOutAfter: error.killed === true ? seconds : undefined, text }));
    });
  });
}

async function diagnoseBackend(file: string, name: string): Promise<BackendDiagnosis> {
  const found = findBackend(name);
  const answer = "obstacle" in found ? found : await probe(file, found.open);
  const library =
    "library" in found && found.build !== undefined
      ? { library: { file: found.library, build: found.build } }
      : {};
  if ("obstacle" in answer) {
    const { obstacle, reason } = answer;
    // What a driver lacks comes with what would help.
    const says = obstacle === "not-installed" || obstacle === "other";
    return {
      name,
      available: false,
      ...library,
      obstacle,
      reason,
      ...(says ? { help: NEEDS[name] ?? "" } : {}),
    };
  }
  const { name: device, architecture, memoryBytes, threads } = answer.info;
  return {
    name,
    available: true,
    ...library,
    ...(UNPROVEN[name] === undefined ? {} : { unproven: UNPROVEN[name] }),
    device: { name: device, architecture, memoryBytes, threads },
    kernels: answer.kernels,
  };
}

/** As `Device.open("auto")` does it. */
function chooseAutomatically(
  backends: readonly BackendDiagnosis[],
  asked: string | undefined,
): Diagnosis["auto"] {
  const request = asked === undefined ? {} : { asked };
  const passedOver: Diagnosis["auto"]["passedOver"] = [];
  for (const name of asked === undefined ? AUTO : [asked]) {
    const found = backends.find((backend) => backend.name === name);
    const unproven = asked === undefined ? found?.unproven : undefined;
    if (found?.available === true && unproven === undefined) return { ...request, takes: name, passedOver };
    if (found !== undefined) passedOver.push({ backend: name, reason: unproven ?? found.reason ?? "" });
  }
  return { ...request, passedOver };
}

async function runnableInstructionSets(addon: string): Promise<string[]> {
  const answers = await Promise.all(
    INSTRUCTION_SETS.map((isa) => probe(addon, "cpu", { IBERT_CPU_ISA: isa })),
  );
  return INSTRUCTION_SETS.filter((_, i) => "info" in (answers[i] as object));
}

function diagnosePlatform(backends: readonly BackendDiagnosis[]): Diagnosis["platform"] {
  const host = readHost();
  // A build of a checkout may well run where the package's cannot.
  const runs = backends.some(({ name, available }) => name === "cpu" && available);
  const problem = runs ? undefined : whyHostCannot(host);
  return {
    system: platform(),
    architecture: arch(),
    release: release(),
    ...(host.glibc === undefined ? {} : { glibc: host.glibc }),
    node: process.versions.node,
    ...(problem === undefined ? {} : { problem }),
  };
}

function diagnoseWheels(): Pick<Diagnosis["cache"], "wheels" | "wheelsFix"> {
  try {
    return { wheels: `all ${dslByName(DEFAULT_DSL).packageFiles().length} are here` };
  } catch (error) {
    if (!(error instanceof IBertError)) throw error;
    const { problem, fix } = reasonAndFix(error);
    return { wheels: problem, wheelsFix: fix ?? "" };
  }
}

/** Whether the file can be used, which this process may not have loaded yet, and what it was built from. */
function diagnoseAddon(): Diagnosis["addon"] {
  let path: string | undefined;
  try {
    path = addonPath();
    return { path, build: (loadAddon() as Addon).build };
  } catch (error) {
    return { ...(path === undefined ? {} : { path }), ...reasonAndFix(error) };
  }
}

/** Starts the sandbox and has it judge something. */
async function startSandbox(): Promise<Diagnosis["sandbox"]["start"]> {
  const begun = performance.now();
  const engine = dslByName(DEFAULT_DSL).createEngine({ workers: 1 });
  try {
    await engine.check("1");
    return { milliseconds: Math.round(performance.now() - begun) };
  } catch (error) {
    return reasonAndFix(error);
  } finally {
    await engine.close();
  }
}

function diagnoseDisk(): Diagnosis["disk"] {
  let folder = cacheDirectory();
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    const { bavail, bsize } = statfsSync(folder);
    const freeBytes = bavail * bsize;
    try {
      accessSync(folder, constants.W_OK);
    } catch {
      return { folder, freeBytes, problem: "this user may not write there" };
    }
    return { folder, freeBytes };
  } catch (error) {
    return { folder, freeBytes: 0, problem: (error as Error).message };
  }
}

function diagnoseConfig(named: string | undefined): Diagnosis["config"] {
  const file = named ?? "ibert.yaml";
  if (named === undefined && !existsSync(file)) return undefined;
  try {
    const { backend, corpus } = readTrainingConfig(file);
    if (existsSync(corpus)) return { file, backend };
    const fix = `npx ibert data build --config ${basename(corpus)}, or name another corpus.`;
    return { file, backend, missing: `the corpus ${corpus} is not there`, fix };
  } catch (error) {
    return { file, ...reasonAndFix(error) };
  }
}

function diagnoseModels(): Diagnosis["cache"]["models"] {
  return presetNames().map((preset) => {
    const { weights } = loadPreset(preset);
    if (weights.from === "hub") {
      const path = pulledModel(weights).whole;
      return path === undefined ? { preset } : { preset, path };
    }
    const member = weights.member.split("/").at(-1) ?? "";
    const path = cacheDirectory("models", `${weights.package}-${weights.version}`, member);
    return existsSync(path) ? { preset, path, bytes: statSync(path).size } : { preset };
  });
}

/** Looks at everything; backends are tried in processes of their own. Throws for no fault of the machine's. */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const file = diagnoseAddon();
  const path = file.problem === undefined ? file.path : undefined;
  const asked = backendOfEnvironment();
  const config = diagnoseConfig(options.config);
  const others = [asked, config?.backend].filter((name) => name !== undefined && name !== "auto");
  const names = [...new Set(["cpu", "reference", "cuda", "metal", ...(others as string[])])];
  const backends =
    path === undefined ? [] : await Promise.all(names.map((name) => diagnoseBackend(path, name)));
  const isolation = await systemIsolation();
  const duckDb = duckDbBinding();
  const wheels = diagnoseWheels();
  const isStarted = options.quick !== true && wheels.wheelsFix === undefined;
  const start = isStarted ? await startSandbox() : undefined;
  const facts: Facts = {
    platform: diagnosePlatform(backends),
    processor: { name: cpus()[0]?.model ?? "unknown", cores: cpus().length },
    memory: { totalBytes: totalmem(), availableBytes: availableMemory() },
    addon: file,
    backends,
    auto: chooseAutomatically(backends, asked),
    instructionSets: path === undefined ? [] : await runnableInstructionSets(path),
    cache: { folder: cacheDirectory(), ...wheels, models: diagnoseModels() },
    sandbox: {
      network: isolation.network,
      limits: isolation.limits,
      layers: isolation.prefix.filter((word) => ["setpriv", "unshare", "prlimit"].includes(word)),
      ...(start === undefined ? {} : { start }),
    },
    sqlJudge: duckDb === undefined ? {} : { duckdb: duckDb.version },
    disk: diagnoseDisk(),
    ...(config === undefined ? {} : { config }),
  };
  return { ...facts, parts: judgeParts(facts) };
}
