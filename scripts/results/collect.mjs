// Everything that a finished run found, as one small JSON: what docs/results.md is made of.
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { mebibytes } from "./stages.mjs";
import { readJson } from "./state.mjs";

/** Subjects of an evaluation, in its order. */
export const SUBJECTS = ["base", "base, 3 shots", "tuned", "tuned + rft"];
const [TUNED, RFT] = ["2", "3"];

/** What is the same for all trainings. */
const MACHINE = ["machine", "device"];
const without = (found, keys) =>
  Object.fromEntries(Object.entries(found).filter(([key]) => !keys.includes(key)));

/** What a training left, without its steps. */
function training(adapter) {
  const { config, steps, trainingSeconds, measurements, machine, device } = readJson(
    join(adapter, "report", "run.json"),
  );
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const curve = measurements
    .filter(({ when }) => when === "during")
    .map(({ step, all }) => ({ step, equal: all.execution?.accuracy ?? null }));
  return {
    lora: { rank: config.lora.rank, alpha: config.lora.alpha, targets: config.lora.targets },
    learningRate: config.optimizer.learningRate,
    steps: steps.length,
    tokens,
    seconds: Math.round(trainingSeconds),
    tokensPerSecond: Math.round(tokens / trainingSeconds),
    lastLoss: Number(
      (steps.slice(-20).reduce((sum, { loss }) => sum + loss, 0) / Math.min(20, steps.length)).toFixed(4),
    ),
    mebibytes: Number(mebibytes(adapter).toFixed(2)),
    ...(curve.length > 0 ? { curve } : {}),
    machine,
    device,
  };
}

/** Rows that a round of rejection sampling added, by task. */
async function keptRows(corpus) {
  const kept = {};
  const path = join(corpus, "train.jsonl");
  if (!existsSync(path)) return kept;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const { task, source } = JSON.parse(line);
    if (source === "rejection sampling") kept[task] = (kept[task] ?? 0) + 1;
  }
  return kept;
}

async function gridOf(stages, { plan, numbers }) {
  const rounds = {};
  for (const [round, cells] of Object.entries(plan.grid.rounds)) {
    const found = {};
    for (const cell of Object.keys(cells)) {
      const scores = stages.scoresOf(round, cell);
      const { adapter } = await numbers.measured(scores, ["adapter"]);
      const trained = without(training(stages.adapterOf(round, cell)), MACHINE);
      found[cell] = { changes: cells[cell], ...trained, ...adapter };
    }
    rounds[round] = { cells: found };
  }
  return rounds;
}

/** Of the cells of each round the one that the next began with, and how far the others are from it. */
async function addChoices(rounds, choices, stages, numbers) {
  for (const [round, { cells }] of Object.entries(rounds)) {
    const chosen = choices[round];
    rounds[round].chosen = chosen.round === round ? chosen.cell : "as before";
    const from = [stages.scoresOf(chosen.round, chosen.cell), 0];
    for (const cell of Object.keys(cells)) {
      if (chosen.round === round && chosen.cell === cell) continue;
      const { all } = await numbers.difference(from, [stages.scoresOf(round, cell), 0]);
      cells[cell].againstChosen = all;
    }
  }
}

/** @param choices of each round `{ round, cell }`: where the chosen settings were measured */
export async function collect(stages, choices) {
  const { state, plan, numbers, commit } = stages;
  const grid = await gridOf(stages, { plan, numbers });
  await addChoices(grid, choices, stages, numbers);
  const splits = {};
  for (const split of Object.keys(plan.evaluate.splits)) {
    const scores = join(stages.evaluationOf(split), "scores.jsonl");
    splits[split] = {
      subjects: await numbers.measured(scores, SUBJECTS),
      "tuned + rft against tuned": await numbers.difference([scores, TUNED], [scores, RFT]),
    };
  }
  const { machine, device, ...tuned } = training(stages.tuned);
  const rft = without(training(stages.rft), MACHINE);
  const manifest = readJson(join(stages.corpus, "manifest.json"));
  const done = Object.entries(state.stages).map(([name, { seconds, sittings, commits, commands }]) => ({
    ...{ name, seconds: Math.round(seconds), sittings, commits },
    commands: commands.map((command) => command.replaceAll(state.folder, "OUTPUT")),
  }));
  return {
    format: 1,
    ...{ commit, plan, machine, device },
    corpus: { counts: manifest.counts, settings: manifest.settings },
    ...{ grid, tuned, rft },
    sampling: {
      counts: await numbers.sampled(join(`${stages.rft}-rft`, "scores.jsonl")),
      kept: await keptRows(join(`${stages.rft}-rft`, "corpus")),
    },
    ...{ splits, stages: done },
  };
}
