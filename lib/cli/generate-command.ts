/** `ibert generate` and the short forms, one a task. */
import { Option, type Command } from "commander";

import { continuesPrompt, parseTaskType, TASK_TYPES, type TaskType } from "../data/tasks.js";
import { DECLARED_TASKS } from "../dsl/declared.js";
import { IBertModel } from "../ibert-model.js";
import type { GenerateRequest, GenerateResult } from "../ibert-options.js";
import { describeVerdict } from "../validation/verdict.js";
import { numberBetween, wholeNumber, withExample } from "./help.js";
import { textOrInput } from "./input.js";
import { EXIT, type Run } from "./main.js";
import { addModelOptions, chosenModel, type ModelOptions } from "./model-options.js";
import { addSchemaOptions, schemaFrom, type SchemaOptions } from "./schema-options.js";

interface GenerateOptions extends ModelOptions, SchemaOptions {
  task: string;
  error?: string;
  dialect?: string;
  style?: string;
  validate: boolean;
  repairs: number;
  maxTokens: number;
  temperature: number;
  topP: number;
  topK: number;
  seed: number;
  stream: number;
  whole?: boolean;
  json?: boolean;
}

const exampleOf = (command: string, options = ""): string => `${command} ${options}`.trimEnd();

export function addGenerateCommands(program: Command, run: Run): void {
  const [first] = DECLARED_TASKS;
  const generate = program
    .command("generate")
    .description("Answer one prompt of any task; the compiler checks the answer.")
    .requiredOption("--task <task>", `one of ${TASK_TYPES.join(", ")}`);
  withExample(
    addGenerateOptions(generate, run, undefined),
    `${exampleOf(`npx ibert generate --task ${first.name}`, first.command.options)} "${first.command.prompt}"`,
  );
  for (const task of DECLARED_TASKS) {
    const { name, description, prompt, options } = task.command;
    const command = program
      .command(name)
      .description(`${description} Short for generate --task ${task.name}.`);
    withExample(
      addGenerateOptions(command, run, task.name),
      exampleOf(`echo "${prompt}" | npx ibert ${name}`, options),
    );
  }
}

function addGenerateOptions(command: Command, run: Run, task: TaskType | undefined): Command {
  command.argument("[prompt...]", "the text to work on; standard input when there is none");
  addSchemaOptions(command);
  addModelOptions(command)
    .option("--error <text>", "the exception that a broken program raised")
    .option(
      "--dialect <name>",
      "SQL dialect of the check; for from-sql also that of the query, for to-sql of the answer",
    )
    .option("--style <name>", "docstring of a function: google (the default) or numpy")
    .option("--no-validate", "do not ask the compiler")
    .option("--repairs <n>", "answers refused by the compiler are tried again so often", wholeNumber(0), 2)
    .option("--max-tokens <n>", "length of the answer", wholeNumber(1), 160)
    .option("--temperature <t>", "0 is greedy", numberBetween(0, Infinity), 0)
    .option("--top-p <p>", "sample from the likeliest tokens of this probability", numberBetween(0.001, 1), 1)
    .option("--top-k <k>", "sample from so many tokens; 0 for all", wholeNumber(0), 0)
    .option("--seed <n>", "of the sampling", wholeNumber(0), 0)
    .option("--stream <n>", "another number: another sample under the same seed", wholeNumber(0), 0);
  if (task === undefined || continuesPrompt(task)) {
    command.addOption(new Option("--whole", "print the prompt before its completion"));
  }
  return command
    .option("--json", "print { text, verdict, attempts, tokens }")
    .action(async (words: string[], options: GenerateOptions) => {
      await answer(words, { ...options, task: task ?? options.task }, run);
    });
}

async function answer(words: string[], options: GenerateOptions, run: Run): Promise<void> {
  const taskType = parseTaskType(options.task, "--task");
  const schema = schemaFrom(options);
  const prompt = await textOrInput(words, run.terminal);
  const request: GenerateRequest = {
    prompt,
    taskType,
    validateWithCompiler: options.validate,
    maxTokens: options.maxTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    seed: options.seed,
    stream: options.stream,
  };
  if (schema !== undefined) request.schema = schema;
  if (options.error !== undefined) request.error = options.error;
  if (options.dialect !== undefined) request.dialect = options.dialect;
  if (options.style !== undefined) request.style = options.style;
  const model = await IBertModel.load({
    ...chosenModel(options),
    backend: options.backend,
    threads: options.threads,
    useCompilerFeedback: options.repairs > 0,
    maxRepairs: options.repairs,
  });
  let result: GenerateResult;
  try {
    result = await model.generate(request);
  } finally {
    await model.dispose();
  }
  if (result.verdict?.ok === false) run.exitCode = EXIT.refused;
  if (options.json === true) return run.printJson(result);
  const before = options.whole === true && continuesPrompt(taskType) ? prompt : "";
  run.print(before + result.text);
  run.note(describeResult(result, continuesPrompt(taskType) ? prompt + result.text : result.text));
}

function describeResult({ text, verdict, attempts, tokens }: GenerateResult, checked: string): string {
  const work = `${tokens.completion} tokens${attempts > 1 ? `, ${attempts} attempts` : ""}`;
  if (verdict === undefined) return `not checked (${text === "" ? "no answer" : work})`;
  const doubt = verdict.dependsOnSchema === true ? ", and perhaps at fault" : "";
  const inferred = verdict.inferredSchema === undefined ? "" : `, schema inferred from the names${doubt}`;
  return `${describeVerdict(checked.trim(), { ...verdict, milliseconds: 0 })} (${work}${inferred})`;
}
