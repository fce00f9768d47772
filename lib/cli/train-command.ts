/** `ibert-train`. */
import { Option, type Command } from "commander";

import { IBertError } from "../errors.js";
import type { EvaluationResult } from "../evaluation/metrics.js";
import { savedConfig } from "../training/checkpoint.js";
import { readTrainingConfig } from "../training/config-file.js";
import { TRAINING_CONFIGS } from "../training/config-names.js";
import { parseTrainingConfig, type TrainingConfig } from "../training/config.js";
import {
  findSameRun,
  recordRun,
  writeReport,
  type Measurement,
  type RunRecord,
} from "../training/report/report.js";
import { reportFolder } from "../training/report/run-record.js";
import { rejectionSample } from "../training/rejection.js";
import { describeBudget } from "../training/plan.js";
import { planTraining, train, type TrainResult } from "../training/train.js";
import { evaluationTable } from "./evaluation-table.js";
import { formatBytes, formatCount, formatDuration, formatTable } from "./format.js";
import { EXIT, EXIT_CODES_HELP, type Run } from "./main.js";
import { trainingDisplay, type TrainingDisplay } from "./training-display.js";

interface Options {
  config?: string;
  method: "sft" | "rft";
  set: string[];
  resume?: string;
  dryRun?: boolean;
  backend?: string;
  device?: string;
  reuse?: boolean;
  json?: boolean;
}

/** Adds what `ibert-train` takes and does. */
export function setUpTraining(program: Command, run: Run): void {
  program
    .description("Fine-tune a LoRA adapter, measured by the real compiler before and after.")
    .option(
      "--config <file>",
      `the run, in YAML (\`ibert init\` writes one), or ${TRAINING_CONFIGS.names().join(" or ")}`,
    )
    .option(
      "--set <key=value>",
      "change one setting, e.g. optimizer.learningRate=1e-4; may be repeated",
      (setting: string, before: string[]) => [...before, setting],
      [] as string[],
    )
    .addOption(
      new Option(
        "--method <name>",
        "sft: on the corpus; rft: on it and what a round of rejection sampling adds (section rft)",
      )
        .choices(["sft", "rft"])
        .default("sft"),
    )
    .option("--resume <folder>", "go on from a checkpoint, or the newest in a folder of checkpoints")
    .option("--dry-run", "check everything and print the memory at the highest point; train nothing")
    .option("--backend <name>", "auto, cpu, cuda, metal, reference, or a library's path")
    .option("--device <architecture>", "with --dry-run: plan for this device of the backend, e.g. sm_90")
    .option("--reuse", "do nothing when the adapter is there, of the same configuration, corpus and base")
    .option("--json", "print every event as a line of JSON")
    .addHelpText(
      "after",
      `
The adapter goes to the configuration's output folder, with report/report.html inside. Ctrl-C ends the run after the
step in hand with a checkpoint; a second Ctrl-C ends it at once.

With --method rft the adapter of the section rft first answers training prompts several times; right answers that go another
way than the known one are trained on too. Answers are kept as they come, so that a round that was ended goes on.

Example:
  $ npx ibert-train --config quickstart --set steps=50 --set lora.rank=16
  $ npx ibert-train --method rft --config rft
${EXIT_CODES_HELP}`,
    )
    .action((options: Options) => execute(options, run));
}

async function configFrom(options: Options): Promise<TrainingConfig> {
  const settings = [...options.set];
  if (options.backend !== undefined) settings.push(`backend=${options.backend}`);
  if (options.config !== undefined) return readTrainingConfig(options.config, settings);
  if (options.resume === undefined) {
    throw new IBertError("config-missing", "there is no --config", {
      hint: "For example --config quickstart; --resume alone takes the checkpoint's own.",
    });
  }
  if (options.set.length > 0) {
    throw new IBertError("setting-invalid", "--set needs --config", {
      hint: "Name the configuration file of the run that is resumed.",
    });
  }
  const config = await savedConfig(options.resume);
  return options.backend === undefined
    ? config
    : parseTrainingConfig({ ...config, backend: options.backend }, "--backend");
}

async function execute(options: Options, run: Run): Promise<void> {
  const given = await configFrom(options);
  // A checkpoint's own configuration names the corpus that its round made.
  const samples = options.method === "rft" && options.config !== undefined && options.dryRun !== true;
  const config = samples ? await sample(given, options, run) : given;
  if (options.device !== undefined && options.dryRun !== true) {
    throw new IBertError("argument-invalid", "--device needs --dry-run: a named device is only planned for", {
      hint: "Without it the backend's own device computes.",
    });
  }
  if (options.dryRun === true) return dryRun(config, options, run);
  const same = options.reuse === true ? await findSameRun(config) : undefined;
  if (same !== undefined) {
    if (options.json === true) return run.printJson({ event: "reused", adapter: config.output });
    run.print(`${config.output} is there, trained with this configuration on these contents: nothing to do`);
    return printRecord(same, run);
  }
  const display = trainingDisplay(run, options.json === true);
  const { result, during } = await runInterruptibly(config, options, display);
  if (result.status === "interrupted") {
    run.exitCode = EXIT.interrupted;
    const method = options.method === "rft" ? "--method rft " : "";
    const how = `ibert-train ${method}${options.config === undefined ? "" : `--config ${options.config} `}`;
    const settings = options.set.map((setting) => `--set ${setting} `).join("");
    display.say(
      `stopped after step ${result.steps}; go on with:\n  npx ${how}${settings}--resume ${result.checkpoint}`,
    );
    if (options.json === true) {
      run.printJson({ event: "interrupted", step: result.steps, checkpoint: result.checkpoint });
    }
    return;
  }
  const record = await recordRun(config, result, during);
  const report = await writeReport(record);
  const { adapter, trainingSeconds, steps } = result;
  if (options.json === true) run.printJson({ event: "complete", adapter, report, steps, trainingSeconds });
  else printRecord(record, run);
}

/** The round of sampling; how the training goes on from its corpus. */
async function sample(config: TrainingConfig, options: Options, run: Run): Promise<TrainingConfig> {
  const { stderr } = run.terminal;
  const live = stderr.isTTY === true && options.json !== true;
  const { config: next, report } = await rejectionSample(config, {
    onProgress: (finished, total) => {
      if (live) stderr.write(`\r\u001b[K${finished < total ? `${finished} of ${total} answers` : ""}`);
    },
  });
  if (options.json === true) run.printJson({ event: "sampled", corpus: next.corpus, tasks: report });
  else {
    const rows = Object.entries(report)
      .filter(([, { sampled }]) => sampled > 0)
      .map(([task, { sampled, passed, kept }]) => [task, ...[sampled, passed, kept].map(formatCount)]);
    run.print(formatTable([["task", "sampled", "passed", "kept"], ...rows]));
  }
  return next;
}

async function dryRun(config: TrainingConfig, options: Options, run: Run): Promise<void> {
  const display = trainingDisplay(run, options.json === true);
  const planned = await planTraining(config, { events: display, device: options.device });
  display.end();
  const { plan, budgets, rows } = planned;
  if (options.json === true) {
    run.printJson({ event: "plan", ...plan, budgets, rows, config });
  } else {
    for (const budget of budgets) {
      run.print(`${budget.memory} ${describeBudget(budget, formatBytes)}`);
      run.print(`  ${formatBytes(budget.available)} are available`);
    }
    run.print(`${formatCount(rows)} training rows`);
  }
  await planned.requireMemory();
}

/** Trains; the first interrupt asks the run to end with a checkpoint, the second has the system's own effect. */
async function runInterruptibly(
  config: TrainingConfig,
  options: Options,
  display: TrainingDisplay,
): Promise<{ result: TrainResult; during: Measurement[] }> {
  const controller = new AbortController();
  const interrupt = (): void => {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
    controller.abort();
    display.say("stopping after the step in hand, with a checkpoint; once more ends at once");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  const during: Measurement[] = [];
  const show = display.onEvaluation.bind(display);
  display.onEvaluation = (when, step, found) => {
    if (when === "during") during.push({ when, step, tasks: found.tasks, all: found.all });
    show(when, step, found);
  };
  try {
    const result = await train(config, {
      events: display,
      signal: controller.signal,
      ...(options.resume === undefined ? {} : { resume: options.resume }),
    });
    return { result, during };
  } finally {
    display.end();
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

function printRecord({ config, measurements, steps, trainingSeconds }: RunRecord, run: Run): void {
  const find = (when: Measurement["when"]): EvaluationResult | undefined => {
    const found = measurements.find((measurement) => measurement.when === when);
    return found && { tasks: found.tasks, all: found.all, scores: [] };
  };
  const after = find("after");
  if (after !== undefined) run.print(`\n${evaluationTable(after, find("before"))}\n`);
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  run.print(
    `${steps.length} steps, ${formatCount(tokens)} tokens in ${formatDuration(trainingSeconds)}, ` +
      `last loss ${steps.at(-1)?.loss.toFixed(3)}`,
  );
  run.print(`adapter  ${config.output}`);
  run.print(`report   ${reportFolder(config.output)}/report.html, curves.svg`);
}
