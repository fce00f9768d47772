// Trains and measures the cells of a grid, one after the other, over as many sittings as it takes: what is finished is kept,
// a training that the end of a sitting cut off goes on from its checkpoint, an evaluation from its scores. Writes the table.
//   node scripts/results/grid.mjs [--grid FILE] [--output FOLDER] [--split NAME] [--seconds N] [--cells NAME,…]
// Needs dist/ (npm run build:ts) and the grid's corpus.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { parse } from "yaml";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values } = parseArgs({
  options: {
    grid: { type: "string", default: fileURLToPath(new URL("grid.yaml", import.meta.url)) },
    output: { type: "string", default: "data/results" },
    split: { type: "string", default: "valid" },
    seconds: { type: "string", default: "7200" },
    cells: { type: "string" },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) fail(`--seconds ${values.seconds}: expected a number above 0`);
const grid = parse(readFileSync(values.grid, "utf8"));
const unknown = Object.keys(grid).filter((key) => !["config", "set", "evaluate", "cells"].includes(key));
if (unknown.length > 0) fail(`${values.grid}: unknown key ${unknown.join(", ")}`);
const names = values.cells?.split(",") ?? Object.keys(grid.cells);
for (const name of names) if (!(name in grid.cells)) fail(`${values.grid}: there is no cell ${name}`);

const end = Date.now() + 1000 * seconds;
/** What each cell ran, as a person would. */
const commands = new Map(names.map((name) => [name, []]));

for (const name of names) {
  if (Date.now() >= end) break;
  if (!(await runCell(name))) break;
  writeTable();
}
writeTable();

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

/** Runs a program of ibert's; at the end of the sitting it is asked to end. Returns its exit code. */
function ibert(name, program, args) {
  commands.get(name).push(`npx ${program} ${args.map(quoted).join(" ")}`);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "dist/cli", `${program}.js`), ...args], {
      stdio: "inherit",
    });
    const timer = setTimeout(() => child.kill("SIGINT"), Math.max(0, end - Date.now()));
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code ?? 130);
    });
  });
}

function quoted(text) {
  return /^[\w./=,-]+$/.test(text) ? text : `'${text}'`;
}

/** Trains and measures one cell. Returns whether it is finished; anything but the sitting's end is an error. */
async function runCell(name) {
  const folder = join(values.output, name);
  const adapter = join(folder, "adapter");
  const settings = [...(grid.set ?? []), ...grid.cells[name], `output=${adapter}`];
  const checkpoints = join(folder, ".adapter-checkpoints");
  const isTrained = existsSync(join(adapter, "report", "run.json"));
  const train = ["--config", grid.config, ...settings.flatMap((one) => ["--set", one]), "--reuse"];
  if (!isTrained && existsSync(checkpoints)) train.push("--resume", checkpoints);
  const trained = await ibert(name, "ibert-train", train);
  if (trained !== 0) return ended(trained, name);
  // The baselines are the same for all cells.
  const more = name === names[0] ? [] : ["--no-baselines"];
  const corpus = readJson(join(adapter, "report", "run.json")).config.corpus;
  const output = join(folder, values.split);
  const where = ["--adapter", adapter, "--corpus", corpus, "--split", values.split];
  const measured = await ibert(name, "ibert", [
    "evaluate",
    ...where,
    ...(grid.evaluate ?? []),
    ...more,
    "--output",
    output,
  ]);
  return measured === 0 || ended(measured, name);
}

function ended(code, name) {
  if (Date.now() < end) fail(`${name}: it ended with the exit code ${code}`);
  console.log(`the sitting is over within ${name}; the same command goes on`);
  return false;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function writeTable() {
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const rows = [];
  const tasks = new Set();
  for (const name of names) {
    const report = join(values.output, name, values.split, "evaluation.json");
    if (!existsSync(report)) continue;
    const adapter = join(values.output, name, "adapter");
    const mebibytes = (statSync(join(adapter, "adapter_model.safetensors")).size / 2 ** 20).toFixed(1);
    const run = readJson(join(adapter, "report", "run.json"));
    for (const one of readJson(report).measured) {
      const isCell = one.subject === "after";
      for (const task of Object.keys(one.tasks)) tasks.add(task);
      rows.push({
        label: isCell ? name : one.label,
        one,
        size: isCell ? mebibytes : "",
        time: isCell ? run.trainingSeconds.toFixed(0) : "",
      });
    }
  }
  if (rows.length === 0) return;
  const cell = ({ execution } = {}) =>
    execution === undefined || execution.rows === 0
      ? "–"
      : `${percent(execution.accuracy)} (${execution.interval.map((value) => (100 * value).toFixed(0)).join(" … ")})`;
  const columns = [...tasks].sort();
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const head = ["cell", "adapter, MiB", "training, s", "all", "constant", "compiles", ...columns];
  const body = rows.map(({ label, one, size, time }) =>
    line([
      ...[
        label,
        size,
        time,
        cell(one.all),
        percent(one.all.execution?.constant ?? 0),
        percent(one.all.rates.compile),
      ],
      ...columns.map((task) => cell(one.tasks[task])),
    ]),
  );
  const ran = [...commands]
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => `# ${name}\n${list.join("\n")}`);
  const said = `Answers that execute equal on \`${values.split}\`, with 95 % intervals.`;
  mkdirSync(values.output, { recursive: true });
  const path = join(values.output, `${values.split}.md`);
  writeFileSync(
    path,
    `${said}\n\n${[line(head), line(head.map(() => "---")), ...body].join("\n")}\n\n\`\`\`\n${ran.join("\n")}\n\`\`\`\n`,
  );
  console.log(`wrote ${path}`);
}
