/** `ibert doctor`. */
import { homedir } from "node:os";

import type { Command } from "commander";

import { diagnose, type Diagnosis } from "../diagnosis/diagnose.js";
import { packageVersion } from "../runtime/cache.js";
import { formatBytes, formatTable } from "./format.js";
import { withExample } from "./help.js";
import { EXIT, type Run } from "./main.js";

interface Options {
  config?: string;
  quick?: boolean;
  json?: boolean;
}

export function addDoctorCommand(program: Command, run: Run): void {
  const command = program
    .command("doctor")
    .description(
      "A verdict on each part of this machine, with what would mend it; for an issue, paste it whole.",
    )
    .option(
      "--config <file>",
      "look at a training configuration too (default: ibert.yaml, where it is there)",
    )
    .option("--quick", "leave out what takes seconds: the start of the sandbox")
    .option("--json", "print everything")
    .action(async ({ config, quick, json }: Options) => {
      const found = await diagnose({ config, quick });
      if (found.parts.some(({ verdict }) => verdict === "broken")) run.exitCode = EXIT.refused;
      if (json === true) return run.printJson(found);
      run.print(withoutHome(describe(found)));
    });
  withExample(command, "npx ibert doctor");
}

/** Fit to be shown to others: the user's folder, whose name is the user's, as `~`. */
function withoutHome(text: string): string {
  const home = homedir();
  return home.length > 1 ? text.replaceAll(home, "~") : text;
}

function describe(found: Diagnosis): string {
  const { processor, cache, sandbox, sqlJudge, parts } = found;
  const rows = parts.map(({ part, verdict, reason, fix }) => [
    part,
    verdict,
    reason.replaceAll("\n", " ") + (fix === undefined ? "" : `. ${fix}`.replace(/\.\. /, ". ")),
  ]);
  const facts = [
    ["processor", `${processor.name}, ${processor.cores} cores`],
    ...cache.models.map(({ preset, path, bytes }) => [
      `model ${preset}`,
      path === undefined
        ? "not here; `npx ibert model pull` fetches it"
        : `${path}${bytes ? ` (${formatBytes(bytes)})` : ""}`,
    ]),
    ["sandbox", describeSandbox(sandbox)],
    ["SQL judge", describeSqlJudge(sqlJudge)],
  ];
  const all = [
    `ibert ${packageVersion()}`,
    formatTable(rows, 3),
    formatTable(facts, 2),
    describeBackends(found),
  ];
  const kernels = kernelTable(found);
  if (kernels !== "") all.push(kernels);
  return all.filter((text) => text !== "").join("\n\n");
}

function describeSandbox({ layers }: Diagnosis["sandbox"]): string {
  const added = [...new Set(layers)].join(", ");
  return (
    "child process without environment, file permissions of Node, allow-list interpreter" +
    (added === "" ? "" : `; and of the system ${added}`)
  );
}

function describeSqlJudge({ duckdb }: Diagnosis["sqlJudge"]): string {
  return duckdb === undefined
    ? "sqlglot alone"
    : `DuckDB ${duckdb} for its own dialect, sqlglot for the others`;
}

function describeBackends({ backends, auto, instructionSets }: Diagnosis): string {
  if (backends.length === 0) return "";
  const reasons = auto.passedOver.map(({ backend, reason }) => `\n  not ${backend}: ${reason}`);
  const request = auto.asked === undefined ? "" : `, IBERT_BACKEND asks for ${auto.asked}`;
  return [
    `instruction sets that run here: ${instructionSets.join(", ")}`,
    `auto: ${auto.takes ?? "nothing that it could take"}${request}${reasons.join("")}`,
  ].join("\n");
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
