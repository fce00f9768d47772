/** `ibert doctor`. */
import type { Command } from "commander";

import { diagnose, type Diagnosis } from "../diagnosis/diagnose.js";
import { formatBytes, formatTable } from "./format.js";
import { withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";

export function addDoctorCommand(program: Command, run: Run): void {
  const command = program
    .command("doctor")
    .description("What this machine has and lacks: backends, kernels, caches, sandbox.")
    .option("--json", "print everything")
    .action(async (options: { json?: boolean }) => {
      const found = await diagnose();
      const cpuRuns = found.backends.some(({ name, available }) => name === "cpu" && available);
      if (!cpuRuns || found.auto.takes === undefined) run.exitCode = EXIT.refused;
      if (options.json === true) return run.printJson(found);
      run.print(describe(found));
    });
  withExample(command, "npx ibert doctor");
}

function describe(found: Diagnosis): string {
  const { platform, processor, memory, addon, cache, sandbox, sqlJudge } = found;
  const facts = [
    ["system", describeSystem(platform)],
    ["node", platform.node],
    ["processor", `${processor.name}, ${processor.cores} cores`],
    ["memory", `${formatBytes(memory.availableBytes)} of ${formatBytes(memory.totalBytes)} available`],
    ["addon", addon.path ?? `missing: ${addon.problem ?? ""}`],
    ["cache", cache.folder],
    ["wheels", cache.wheels],
    ...cache.models.map(({ preset, path, bytes }) => [
      `model ${preset}`,
      path === undefined
        ? "not here; fetched when first used"
        : `${path}${bytes ? ` (${formatBytes(bytes)})` : ""}`,
    ]),
    ["sandbox", describeSandbox(sandbox)],
    ["SQL judge", describeSqlJudge(sqlJudge)],
  ];
  const parts = [formatTable(facts, 2), describeBackends(found)];
  const kernels = kernelTable(found);
  if (kernels !== "") parts.push(kernels);
  return parts.join("\n\n");
}

function describeSystem({ system, architecture, release, glibc, problem }: Diagnosis["platform"]): string {
  const library = glibc === undefined ? "" : `, glibc ${glibc}`;
  return `${system} ${architecture}, ${release}${library}${problem === undefined ? "" : `. ${problem}`}`;
}

function describeSandbox({ network, limits, layers }: Diagnosis["sandbox"]): string {
  const has = (there: boolean): string => (there ? "yes" : "no");
  return (
    "child process without environment, file permissions of Node, allow-list interpreter; " +
    `network cut off: ${has(network)}, system limits: ${has(limits)}` +
    (layers.length > 0 ? ` (${[...new Set(layers)].join(", ")})` : "")
  );
}

function describeSqlJudge({ duckdb }: Diagnosis["sqlJudge"]): string {
  return duckdb === undefined
    ? "sqlglot alone; DuckDB's binder judges its own dialect after: npm install @duckdb/node-api"
    : `DuckDB ${duckdb} for its own dialect, sqlglot for the others`;
}

function describeBackends({ backends, auto, instructionSets }: Diagnosis): string {
  const lines = backends.map(({ name, device, reason, help }) => {
    if (device === undefined)
      return `${name}: not available: ${reason}${help === undefined ? "" : `\n  ${help}`}`;
    const sets = name === "cpu" ? `\n  instruction sets that run here: ${instructionSets.join(", ")}` : "";
    return `${name}: ${device.name}, ${device.architecture}, ${device.threads} threads${sets}`;
  });
  if (backends.length === 0) return "";
  const reasons = auto.passedOver.map(({ backend, reason }) => `\n  not ${backend}: ${reason}`);
  const request = auto.asked === undefined ? "" : `, IBERT_BACKEND asks for ${auto.asked}`;
  const choice = `auto: ${auto.takes ?? "nothing that it could take"}${request}${reasons.join("")}`;
  return [...lines, choice].join("\n");
}

/** op × backend: the kernel that runs. */
function kernelTable({ backends }: Diagnosis): string {
  const there = backends.filter(({ available }) => available);
  const ops = Object.keys(there[0]?.kernels ?? {});
  if (ops.length === 0) return "";
  return formatTable(
    [
      ["op", ...there.map(({ name }) => name)],
      ...ops.map((op) => [op, ...there.map(({ kernels }) => kernels?.[op] ?? "–")]),
    ],
    1 + there.length,
  );
}
