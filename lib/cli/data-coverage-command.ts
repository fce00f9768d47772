/** `ibert data coverage`. */
import type { Command } from "commander";

import { dslByName } from "../dsl/registry.js";
import type { ApiReach } from "../dsl/definition.js";
import { dslOption } from "./dsl-option.js";
import { formatTable } from "./format.js";
import { wholeNumber, withExample } from "./help.js";
import type { Run } from "./main.js";

interface CoverageOptions {
  dsl: string;
  programs: number;
  seed: number;
  json?: boolean;
}

export function addCoverage(data: Command, run: Run): void {
  const command = data
    .command("coverage")
    .description("Which members of the live API programs of the full profile call, and why not the others.")
    .option("--programs <n>", "programs to draw", wholeNumber(1), 20_000)
    .option("--seed <n>", "which programs", wholeNumber(0), 1)
    .addOption(dslOption())
    .option("--json", "print { programs, owners, missing }")
    .action((options: CoverageOptions) => coverage(options, run));
  withExample(command, "npx ibert data coverage");
}

async function coverage({ dsl: name, programs, seed, json }: CoverageOptions, run: Run): Promise<void> {
  const dsl = dslByName(name);
  const engine = dsl.createEngine();
  try {
    const reach = await dsl.apiReach(engine, { programs, seed });
    if (json === true) return run.printJson(reach);
    printReach(reach, run);
  } finally {
    await engine.close();
  }
}

const share = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;

function printReach({ programs, owners, missing }: ApiReach, run: Run): void {
  const line = (name: string, members: number, reached: number, barred: number): string[] => [
    name,
    String(members),
    String(reached),
    share(reached, members),
    String(barred),
    share(reached, members - barred),
  ];
  const barredOf = (members: readonly string[]): number =>
    missing.filter(({ member, barred }) => barred && members.includes(member)).length;
  const rows = owners.map(({ owner, members, reached }) =>
    line(owner, members.length, reached.length, barredOf(members)),
  );
  const all = owners.flatMap(({ members }) => members);
  const reached = owners.reduce((sum, one) => sum + one.reached.length, 0);
  const head = ["owner", "members", "reached", "share", "barred", "of the others"];
  run.print(`Members of the API that ${programs} programs call`);
  run.print(formatTable([head, ...rows, line("all", all.length, reached, barredOf(all))]));
  run.print("\nNot called");
  run.print(
    formatTable(
      missing.map(({ member, reason, barred }) => [member, barred ? "barred" : "open", reason]),
      3,
    ),
  );
}
