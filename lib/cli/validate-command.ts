/** `ibert validate`: texts through the real compiler, no model. */
import type { Command } from "commander";

import { readText } from "../formats/text.js";
import { closeValidators, validate, type ValidateOptions } from "../validation/validate.js";
import { describeVerdict } from "../validation/verdict.js";
import { wholeNumber, withExample } from "./help.js";
import { readStandardInput, textOrInput } from "./input.js";
import { EXIT, type Run } from "./main.js";
import { addSchemaOptions, schemaFrom, type SchemaOptions } from "./schema-options.js";

interface Options extends SchemaOptions {
  code?: string;
  dialect?: string;
  timeout: number;
  sql?: boolean;
  json?: boolean;
}

export function addValidateCommand(program: Command, run: Run): void {
  const command = program
    .command("validate")
    .description("Check programs with the real compiler: parse, names, build, compile.")
    .argument("[files...]", "files to check; standard input when there is none, or for -")
    .option("--code <text>", "check this text instead");
  addSchemaOptions(command)
    .option("--dialect <name>", "SQL dialect to compile to")
    .option("--timeout <ms>", "stop a check after so long", wholeNumber(1), 10_000)
    .option("--sql", "print the SQL of what compiles")
    .option("--json", "print one verdict a line")
    .action(async (files: string[], options: Options) => {
      try {
        await check(files, options, run);
      } finally {
        await closeValidators();
      }
    });
  withExample(
    command,
    `echo "orders.group_by('region').agg(n=orders.count())" | npx ibert validate --table "orders(region string)"`,
  );
}

async function textsOf(
  files: string[],
  { code }: Options,
  run: Run,
): Promise<{ file?: string; text: string }[]> {
  if (code !== undefined) return [{ text: code }];
  if (files.length === 0) return [{ text: await textOrInput([], run.terminal) }];
  const texts: { file: string; text: string }[] = [];
  for (const file of files) {
    texts.push({ file, text: file === "-" ? await readStandardInput(run.terminal) : readText(file) });
  }
  return texts;
}

async function check(files: string[], options: Options, run: Run): Promise<void> {
  const settings: ValidateOptions = { timeoutMs: options.timeout };
  const schema = schemaFrom(options);
  if (schema !== undefined) settings.schema = schema;
  if (options.dialect !== undefined) settings.dialect = options.dialect;
  for (const { file, text } of await textsOf(files, options, run)) {
    const verdict = await validate(text.trim(), settings);
    if (!verdict.ok) run.exitCode = EXIT.refused;
    if (options.json === true) {
      run.printJson(file === undefined ? verdict : { file, ...verdict });
      continue;
    }
    run.print((file === undefined ? "" : `${file}: `) + describeVerdict(text.trim(), verdict));
    if (verdict.inferredSchema !== undefined) {
      run.note(`schema inferred from the names: ${JSON.stringify(verdict.inferredSchema)}`);
      if (verdict.dependsOnSchema === true) {
        run.note("The real schema may let it pass: give it with --table or --schema to be sure.");
      }
    }
    if (options.sql === true && verdict.sql !== undefined) run.print(verdict.sql);
  }
}
