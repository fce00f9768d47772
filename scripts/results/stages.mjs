// The stages of a run, in order. Each is skipped when it is done, and goes on from what its programs left when it was cut off.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { best, trainingSettings, trainsAll } from "./plan.mjs";
import { duration, readJson } from "./state.mjs";

/** All linears take this much longer than attention's alone, until it was measured. */
const ALL_LINEAR = 1.3;
/** Seconds that a program takes to start, of loading, hashing and the like. */
const START = 20;

const quoted = (text) => (/^[\w./=,-]+$/.test(text) ? text : `'${text}'`);

/** Folder of the checkpoints of a run that can go on, beside its adapter. */
function checkpointsOf(adapter) {
  const folder = join(adapter, "..", `.${adapter.split("/").at(-1)}-checkpoints`);
  if (!existsSync(folder)) return undefined;
  const runs = readdirSync(folder).filter((name) => name.startsWith("run-"));
  const has = (run) => readdirSync(join(folder, run)).some((name) => name.startsWith("step-"));
  return runs.some(has) ? folder : undefined;
}

export class Stages {
  /**
   * @param cli path of the folder of ibert's programs
   * @param numbers what reads scores, see numbers.mjs
   */
  constructor(state, plan, { cli, commit, numbers, say = console.log }) {
    Object.assign(this, { state, plan, cli, commit, numbers, say });
    this.corpus = join(state.folder, "corpus");
  }

  /** Adapter of the final training, and of that after the round of rejection sampling. */
  get tuned() {
    return join(this.state.folder, "final", "adapter");
  }
  get rft() {
    return join(this.state.folder, "rft", "adapter");
  }
  adapterOf(round, cell) {
    return join(this.state.folder, "grid", round, cell, "adapter");
  }
  scoresOf(round, cell) {
    return join(this.state.folder, "grid", round, cell, "valid", "scores.jsonl");
  }
  evaluationOf(split) {
    return join(this.state.folder, "evaluation", split);
  }

  /** Does all that is left. Returns of each round of the grid where the chosen settings were measured. */
  async run() {
    const { plan } = this;
    this.say(`what is left takes about ${this.describeTotal()}`);
    await this.build();
    let settings = [];
    const choices = {};
    for (const [round, cells] of Object.entries(plan.grid.rounds)) {
      settings = await this.round(round, cells, settings);
      choices[round] = this.chosen;
    }
    await this.final(settings);
    await this.rejectionSampling(settings);
    for (const [split, limit] of Object.entries(plan.evaluate.splits)) await this.evaluate(split, limit);
    return choices;
  }

  /** Runs one of ibert's programs in a stage. */
  #stage(name, estimate, program, args) {
    return this.state.stage(name, estimate, this.commit, (run) =>
      run(
        process.execPath,
        [join(this.cli, `${program}.js`), ...args],
        `npx ${program} ${args.map(quoted).join(" ")}`,
      ),
    );
  }

  build() {
    const { config, rows } = this.plan.corpus;
    const args = ["data", "build", "--config", config, "--rows", String(rows), "--output", this.corpus];
    return this.#stage("corpus", rows / this.plan.speeds.rowsPerSecond, "ibert", args);
  }

  /** Trains and measures the cells of a round. Returns the settings of the best. */
  async round(round, cells, settings) {
    const { tokens } = this.plan.grid;
    const all = { ...(settings.length === 0 ? {} : { "as-before": [] }), ...cells };
    const found = [];
    for (const [cell, own] of Object.entries(all)) {
      const merged = [...settings, ...own];
      // What the last round chose was measured there, with the same budget.
      const known = cell === "as-before" ? this.chosen : { round, cell };
      if (cell !== "as-before") {
        await this.train(`grid ${round} ${cell}`, this.adapterOf(round, cell), tokens, merged, []);
        await this.measure(round, cell);
      }
      const { accuracy } = await this.numbers.accuracyOf(this.scoresOf(known.round, known.cell));
      found.push({ name: cell, accuracy, settings: merged, known });
    }
    const one = best(found);
    this.chosen = one.known;
    this.say(
      `grid ${round}: ${one.name}, ${(100 * one.accuracy).toFixed(1)} % of the answers on valid execute equal`,
    );
    return one.settings;
  }

  train(name, adapter, tokens, settings, more) {
    const { plan } = this;
    if (existsSync(join(adapter, "report", "run.json")) && !this.state.isDone(name))
      more = [...more, "--reuse"];
    const run = trainingSettings(plan, tokens, [...settings, `corpus=${this.corpus}`, `output=${adapter}`]);
    const measurements = name === "tuned" ? plan.final.measurements : 0;
    const every = measurements === 0 ? 0 : Math.ceil(run.steps / (measurements + 1));
    const set = [...run.settings, `evaluation.everySteps=${every}`];
    const checkpoints = checkpointsOf(adapter);
    const args = ["--config", plan.train.config, ...set.flatMap((one) => ["--set", one]), ...more];
    if (checkpoints !== undefined && !more.includes("--reuse")) args.push("--resume", checkpoints);
    return this.#stage(name, this.trainingSeconds(tokens, settings), "ibert-train", args);
  }

  measure(round, cell) {
    const { limit } = this.plan.grid;
    const args = [
      ...["evaluate", "--base", this.plan.base, "--adapter", this.adapterOf(round, cell)],
      ...["--corpus", this.corpus, "--split", "valid", "--limit", String(limit)],
      ...["--max-tokens", String(this.plan.evaluate.maxTokens), "--no-baselines"],
      ...["--output", join(this.adapterOf(round, cell), "..", "valid")],
    ];
    return this.#stage(`valid ${round} ${cell}`, this.answerSeconds(limit), "ibert", args);
  }

  final(settings) {
    return this.train("tuned", this.tuned, this.plan.final.tokens, settings, []);
  }

  async rejectionSampling(settings) {
    const { rft, final } = this.plan;
    const sampled = Object.entries({ adapter: this.tuned, ...rft }).map(
      ([key, value]) => `rft.${key}=${value}`,
    );
    await this.train("tuned + rft", this.rft, final.tokens, [...settings, ...sampled], ["--method", "rft"]);
  }

  /** The base without and with examples, tuned and tuned + rft, on the same rows. */
  evaluate(split, limit) {
    const args = [
      ...["evaluate", "--base", this.plan.base, "--adapter", this.tuned, "--compare", this.rft],
      ...["--corpus", this.corpus, "--split", split, "--limit", String(limit)],
      ...["--max-tokens", String(this.plan.evaluate.maxTokens), "--output", this.evaluationOf(split)],
    ];
    return this.#stage(`evaluate ${split}`, this.answerSeconds(4 * limit), "ibert", args);
  }

  /** By what was measured of like trainings, else by the plan's speeds. */
  trainingSeconds(tokens, settings) {
    const isAll = trainsAll(settings);
    const known = Object.entries(this.plan.grid.rounds).flatMap(([round, cells]) =>
      Object.keys(cells).flatMap((cell) => {
        const path = join(this.adapterOf(round, cell), "report", "run.json");
        if (!existsSync(path)) return [];
        const { config, steps, trainingSeconds } = readJson(path);
        if (config.lora.targets.includes("down_proj") !== isAll) return [];
        return [steps.reduce((sum, step) => sum + step.tokens, 0) / trainingSeconds];
      }),
    );
    const speed = known.at(-1) ?? this.plan.speeds.tokensPerSecond / (isAll ? ALL_LINEAR : 1);
    const isSampled = settings.some((one) => one.startsWith("rft."));
    return (
      START +
      tokens / speed +
      (isSampled ? this.answerSeconds(this.plan.rft.prompts * this.plan.rft.samples) : 0)
    );
  }

  answerSeconds(answers) {
    const done = Object.entries(this.state.stages).filter(
      ([name, { done }]) => done && name.startsWith("valid "),
    );
    const spent = done.reduce((sum, [, { seconds }]) => sum + Math.max(1, seconds - START), 0);
    const speed =
      done.length === 0 ? this.plan.speeds.answersPerSecond : (done.length * this.plan.grid.limit) / spent;
    return START + answers / speed;
  }

  /** What is not done yet, by the estimates. */
  describeTotal() {
    const { plan, state } = this;
    const left = [];
    const add = (name, seconds) =>
      state.isDone(name) || left.push(Math.max(0, seconds - (state.stages[name]?.seconds ?? 0)));
    add("corpus", plan.corpus.rows / plan.speeds.rowsPerSecond);
    for (const [round, cells] of Object.entries(plan.grid.rounds)) {
      for (const [cell, own] of Object.entries(cells)) {
        add(`grid ${round} ${cell}`, this.trainingSeconds(plan.grid.tokens, own));
        add(`valid ${round} ${cell}`, this.answerSeconds(plan.grid.limit));
      }
    }
    const all = ["lora.targets=[down_proj]"];
    add("tuned", this.trainingSeconds(plan.final.tokens, all));
    add("tuned + rft", this.trainingSeconds(plan.final.tokens, [...all, "rft.samples=1"]));
    for (const [split, limit] of Object.entries(plan.evaluate.splits))
      add(`evaluate ${split}`, this.answerSeconds(4 * limit));
    return duration(left.reduce((sum, seconds) => sum + seconds, 0));
  }
}

/** MiB of an adapter's weights. */
export const mebibytes = (adapter) => statSync(join(adapter, "adapter_model.safetensors")).size / 2 ** 20;
