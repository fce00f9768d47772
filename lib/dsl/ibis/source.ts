import { Random } from "../../data/random.js";
import type { Candidate, Draw, Labeller, RowSource } from "../../data/source.js";
import type { PromptFields, TaskType } from "../../data/tasks.js";
import { IBertError } from "../../errors.js";
import type { DslEngine, Labelled, Schema } from "../dsl.js";
import { compactSql } from "./generator/compact_sql.js";
import {
  documentedFunctions,
  exampleOf,
  questionsAbout,
  type DocumentedFunction,
} from "./generator/documentation.js";
import { mutateProgram } from "./generator/mutators.js";
import { randomProgram, type Profile, type Program } from "./generator/programs.js";
import { toSchema } from "./generator/schemas.js";
import { CANONICAL, write, type Style } from "./generator/syntax.js";
import { CODE_MARK } from "./prompts.js";
import { shortError } from "./request.js";

/** Raise it when the same seed no longer gives the same rows. */
const GENERATOR_VERSION = "ibis-generator-2";

const GENERATED = { source: "generator", licence: "Apache-2.0" };
const DOCSTRINGS = { source: "ibis-framework docstrings", licence: "Apache-2.0" };

/** Characters of a program or its SQL; longer ones cost a small model more than they teach it. */
const LONGEST = 500;

/** How often a prompt of the task shows its tables; users do not always give them. */
const SCHEMA_SHOWN: Readonly<Record<TaskType, number>> = {
  code_completion: 0.85,
  ibis_to_sql: 0.8,
  error_resolution: 0.95,
  qa: 1,
  function_documentation: 1,
  sql_to_ibis: 0.9,
};

const PREFIX_STYLES: readonly (readonly [weight: number, style: Style])[] = [
  [5, CANONICAL],
  [3, { column: "deferred", quote: "'" }],
  [1, { column: "attribute", quote: '"' }],
  [1, { column: "attribute", quote: "'" }],
  [1, { column: "item", quote: '"' }],
  [1, { column: "item", quote: "'" }],
];

interface Drawn {
  task: TaskType;
  random: Random;
  heldOutSchema: boolean;
  label: Labeller;
}

interface Checked {
  program: Program;
  text: string;
  schema: Schema;
  labelled: Labelled & { sql: string };
}

/** Places in a program where a user may stop typing: after a step's dot, its open bracket, or the step. */
export function cutPoints(program: string): number[] {
  const points: number[] = [];
  let depth = 0;
  let quote = "";
  for (let i = 0; i < program.length - 1; i++) {
    const letter = program[i] as string;
    if (quote !== "") quote = letter === quote ? "" : quote;
    else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === "(" || letter === "[") {
      if (depth++ === 0) points.push(i + 1);
    } else if (letter === ")" || letter === "]") {
      if (--depth === 0) points.push(i + 1);
    } else if ((letter === "." && depth === 0) || (letter === "," && depth === 1)) points.push(i + 1);
  }
  return points;
}

class IbisRowSource implements RowSource {
  readonly version: string;

  constructor(
    private readonly engine: DslEngine,
    private readonly seed: number,
    private readonly profile: Profile,
    private readonly functions: readonly DocumentedFunction[],
  ) {
    this.version = `${GENERATOR_VERSION}/${profile}`;
  }

  async draw(
    task: TaskType,
    index: number,
    options: { heldOutSchema: boolean; label: Labeller },
  ): Promise<Draw> {
    const random = Random.of(this.seed, task, options.heldOutSchema ? "held out" : "", index);
    const drawn: Drawn = { task, random, ...options };
    if (task === "function_documentation" || (task === "qa" && random.chance(0.35))) {
      return this.documentation(drawn);
    }
    const program = randomProgram(random, this.profile, options.heldOutSchema);
    const style =
      task === "ibis_to_sql" || task === "code_completion" ? random.weighted(PREFIX_STYLES) : CANONICAL;
    const text = write(program.node, style);
    const schema = toSchema(program.schema.tables);
    const labelled = await options.label(text, schema);
    if (!labelled.ok || labelled.sql === undefined || labelled.planHash === undefined) {
      return refuse(task, `${labelled.error?.type}: ${labelled.error?.message}`, text);
    }
    const checked = { program, text, schema, labelled: { ...labelled, sql: labelled.sql } };
    return this.fromProgram(drawn, checked);
  }

  private async fromProgram(drawn: Drawn, checked: Checked): Promise<Draw> {
    const { random, task } = drawn;
    const { text, schema } = checked;
    const sql = compactSql(checked.labelled.sql, schema);
    if (Math.max(text.length, sql.length) > LONGEST)
      return refuse(task, `longer than ${LONGEST} characters`, text);
    if (task === "sql_to_ibis" || task === "ibis_to_sql") {
      const verdict = await this.engine.checkSql(sql, { schema });
      if (!verdict.ok) return refuse(task, `${verdict.error?.type}: ${verdict.error?.message}`, sql);
    }
    switch (task) {
      case "sql_to_ibis":
        return accept(drawn, checked, { input: sql }, text);
      case "ibis_to_sql":
        return accept(drawn, checked, { input: text }, sql);
      case "code_completion": {
        const points = cutPoints(text);
        // The first dot says nothing yet of what is wanted, so it is seldom the place.
        const point = random.chance(0.05) ? points[0] : random.pick(points.slice(1));
        if (point === undefined) return refuse(task, "nowhere to cut", text);
        const spaced = text[point] === " " ? point + 1 : point;
        return accept(drawn, checked, { input: text.slice(0, spaced) }, text.slice(spaced));
      }
      case "qa":
        return accept(drawn, checked, { input: question(random, checked.program) }, CODE_MARK + text);
      default:
        return this.error(drawn, checked);
    }
  }

  private async error(drawn: Drawn, checked: Checked): Promise<Draw> {
    let mutant = mutateProgram(drawn.random, checked.program);
    for (let tries = 0; mutant === undefined && tries < 50; tries++) {
      mutant = mutateProgram(drawn.random, checked.program);
    }
    if (mutant === undefined) return refuse(drawn.task, "no mistake applies", checked.text);
    const verdict = await drawn.label(mutant.text, checked.schema);
    if (verdict.ok || verdict.error === undefined) {
      return refuse(drawn.task, `${mutant.mistake}: the mutant compiles`, mutant.text);
    }
    const error = shortError(`${verdict.error.type}: ${verdict.error.message}`);
    return accept(drawn, checked, { input: mutant.text, error }, checked.text);
  }

  private async documentation(drawn: Drawn): Promise<Draw> {
    const { random, task } = drawn;
    const shown = this.functions.filter((one) => one.method !== undefined || one.isStep);
    const documented = random.pick(random.chance(0.7) && shown.length > 0 ? shown : this.functions);
    const example = exampleOf(random, documented, this.profile, drawn.heldOutSchema);
    const schema = toSchema(example?.tables ?? []);
    if (example !== undefined) {
      const verdict = await drawn.label(example.code, schema);
      if (!verdict.ok) return refuse(task, `${verdict.error?.type}: ${verdict.error?.message}`, example.code);
    }
    const code = example === undefined ? "" : `\n${CODE_MARK}${example.code}`;
    const questions = questionsAbout(documented);
    const [input, answer] =
      task === "function_documentation"
        ? questions.function_documentation[random.chance(0.6) ? 0 : 1]
        : random.pick(questions.qa);
    const completion = answer + code;
    const fields: PromptFields = { input };
    if (example !== undefined) fields.schema = schema;
    return {
      candidate: {
        task,
        fields,
        completion,
        schema,
        schemaId: example?.schemaId ?? "none",
        shape: `api:${documented.key}`,
        duplicateKey: `${input}\n${completion}`,
        ...DOCSTRINGS,
      },
    };
  }
}

function question(random: Random, program: Program): string {
  const steps = program.english.join(", then ");
  const table = program.schema.tables[0]?.name ?? "";
  return random.pick([
    `How do I ${steps}?`,
    `In ${table}, how do I ${steps}?`,
    `${steps[0]?.toUpperCase() ?? ""}${steps.slice(1)}.`,
  ]);
}

function refuse(task: TaskType, reason: string, text: string): Draw {
  return { refusal: { task, reason, text } };
}

function accept(drawn: Drawn, checked: Checked, fields: PromptFields, completion: string): Draw {
  const { schema, labelled, program } = checked;
  const shown = drawn.random.chance(SCHEMA_SHOWN[drawn.task]);
  const candidate: Candidate = {
    task: drawn.task,
    fields: shown ? { schema, ...fields } : fields,
    completion,
    schema,
    schemaId: program.schema.id,
    shape: `plan:${labelled.planHash}`,
    duplicateKey: labelled.sql ?? completion,
    ...GENERATED,
  };
  return { candidate };
}

/**
 * Rows of the six tasks from Ibis itself: its compiler labels random programs, its docstrings answer questions.
 * @throws IBertError `api-empty` when the engine documents none of the functions that this profile asks for.
 */
export async function createIbisRowSource(
  engine: DslEngine,
  options: { seed: number; profile: Profile },
): Promise<RowSource> {
  const functions = documentedFunctions(await engine.describeApi(), options.profile);
  if (functions.length === 0) {
    throw new IBertError("api-empty", `the engine documents no function of the ${options.profile} profile`);
  }
  return new IbisRowSource(engine, options.seed, options.profile, functions);
}
