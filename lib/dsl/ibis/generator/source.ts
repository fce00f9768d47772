import { splitOfShape } from "../../../data/corpus.js";
import { Random } from "../../../data/random.js";
import type {
  Candidate,
  Draw,
  ExecuteAll,
  Labeller,
  RowSource,
  SourceOptions,
} from "../../../data/source.js";
import type { PromptFields, TaskType } from "../../../data/tasks.js";
import { IBertError } from "../../../errors.js";
import type { DslEngine, Labelled, Schema, SqlVerdict } from "../../dsl.js";
import { DIALECTS } from "./dialects.js";
import {
  differences,
  documentedFunctions,
  exampleOf,
  questionsAbout,
  type Difference,
  type DocumentedFunction,
  type Example,
} from "./documentation.js";
import { describeDomain, ownDomain } from "./domains/own.js";
import { drawMutant, isRaised } from "./mistakes/index.js";
import { randomProgram, type Profile, type Program } from "./programs.js";
import { intent as intentOf, question } from "./questions/grammar.js";
import { toSchema, type OwnDomain } from "./schemas.js";
import { sqlForms, type WrittenSql } from "./sql/forms.js";
import { boilerplate, FORMS, written, type Form } from "./forms/index.js";
import { write } from "./syntax.js";
import { completionOf, inTwoStatements } from "../tasks/completion.js";
import { DOCSTRING_STYLES, functionOf } from "../tasks/docstring.js";
import { shortError } from "../tasks/error-resolution.js";
import { codeIn, markCode } from "../tasks/prose.js";

/** Raise it when the same seed no longer gives the same rows. */
const GENERATOR_VERSION = "ibis-generator-7";

export const GENERATED = { source: "generator", licence: "Apache-2.0" };
export const DOCSTRINGS = { source: "ibis-framework docstrings", licence: "Apache-2.0" };

/** Characters of a program or its SQL; longer ones cost a small model more than they teach it. */
const LONGEST = 500;
/** Characters of a program with its imports and names for steps: they are many, and say little. */
const LONGEST_WRITTEN = 750;

/** How often a prompt of the task shows its tables; users do not always give them. */
const SCHEMA_SHOWN: Readonly<Record<TaskType, number>> = {
  code_completion: 0.85,
  ibis_to_sql: 0.8,
  error_resolution: 0.95,
  qa: 1,
  function_documentation: 1,
  sql_to_ibis: 0.9,
};

/** Examples of a function that are looked at for one of its split. */
const EXAMPLES = 2;

/** How often a beginning stands under a comment that says what is wanted. */
const INTENT_SAID = 0.6;

const EMPTY = "it gives no rows, or always the same, whatever its tables hold";

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
  labelled: Labelled;
  /** How a program that a prompt shows is written. */
  form?: Form;
}

/** The forms of programs that prompts show; answers are one expression each, in one style. */
const PROGRAM_FORMS: Readonly<Partial<Record<TaskType, readonly Form[]>>> = {
  ibis_to_sql: FORMS,
  code_completion: ["expression", "statements"],
};

/** How often SQL that is to be translated is in one of all forms in which people write it, and not the compact one. */
const FORMS_VARIED = 0.7;

/** Steps of which two may leave no row between them. */
const NARROWING = /\.(?:filter|having|drop_null|intersect|difference|\w*join|isin)\(/g;

/** How often a program that is to be mended stands under its imports, in the full profile. */
const IMPORTS_SHOWN = 0.2;

class IbisRowSource implements RowSource {
  readonly version: string;
  /** Of functions of one split. */
  private readonly differences: readonly Difference[];

  constructor(
    private readonly engine: DslEngine,
    private readonly seed: number,
    private readonly profile: Profile,
    private readonly functions: readonly DocumentedFunction[],
    private readonly execute: ExecuteAll | undefined,
    private readonly own: OwnDomain | undefined,
    readonly remarks: readonly string[],
    tables: string,
  ) {
    this.differences = differences(functions).filter(
      ({ keys: [one, other] }) => splitOfShape(`api:${one}`) === splitOfShape(`api:${other}`),
    );
    const executed = profile === "full" && execute === undefined ? "/not executed" : "";
    this.version = `${GENERATOR_VERSION}/${profile}${executed}${tables}`;
  }

  async draw(
    task: TaskType,
    index: number,
    options: { heldOutSchema: boolean; label: Labeller },
  ): Promise<Draw> {
    const random = Random.of(this.seed, task, options.heldOutSchema ? "held out" : "", index);
    const drawn: Drawn = { task, random, ...options };
    if (task === "function_documentation" && random.chance(0.5)) return this.writtenFunction(drawn);
    if (task === "function_documentation" || (task === "qa" && random.chance(0.35))) {
      return this.documentation(drawn);
    }
    if (task === "error_resolution") return this.error(drawn);
    const { heldOutSchema } = options;
    const { own } = this;
    const translates = task === "ibis_to_sql" || task === "sql_to_ibis";
    const drawnDialect = translates && this.profile === "full" ? random.weighted(DIALECTS) : "duckdb";
    const dialect = drawnDialect === "duckdb" ? undefined : drawnDialect;
    const shown = task === "ibis_to_sql";
    const program = randomProgram(random, this.profile, { heldOutSchema, own, dialect, shown });
    const forms = PROGRAM_FORMS[task];
    const form = forms && written(random, program, this.profile, { forms, shown });
    const text = form?.text ?? write(program.node);
    const schema = toSchema(program.schema.tables);
    const labelled = await options.label(text, schema, dialect);
    const fault = faultOf(labelled);
    if (fault !== undefined) return refuse(task, fault, text);
    if (!translates && (await this.isEmpty(text, labelled, schema))) return refuse(task, EMPTY, text);
    const checked = { program, text, schema, labelled, ...(form === undefined ? {} : { form: form.form }) };
    return this.fromProgram(drawn, checked, dialect);
  }

  private async fromProgram(drawn: Drawn, checked: Checked, dialect?: string): Promise<Draw> {
    const { random, task } = drawn;
    const { text, schema } = checked;
    const own = await this.sqlOf(drawn, checked, dialect);
    if (typeof own === "string") return refuse(task, own, text);
    const { text: sql, form: sqlForm } = own;
    const inDialect = dialect === undefined ? {} : { dialect };
    const longest = checked.form === undefined ? LONGEST : LONGEST_WRITTEN;
    if (text.length > longest || sql.length > LONGEST)
      return refuse(task, `longer than ${longest} characters`, text);
    if (task === "sql_to_ibis" || task === "ibis_to_sql") {
      // For SQLite Ibis registers functions of its own, which no one else has.
      if (/\b_ibis_/i.test(sql)) return refuse(task, "its SQL calls a function of Ibis's own", sql);
      // Ibis spells out the white space that it trims.
      if (sql.includes("\n")) return refuse(task, "its SQL has a text of several lines", sql);
      const verdict =
        own.verdict ?? (await this.engine.checkSql(sql, { schema, ...inDialect, verdictOnly: true }));
      if (!verdict.ok) return refuse(task, `${verdict.error?.type}: ${verdict.error?.message}`, sql);
    }
    switch (task) {
      case "sql_to_ibis":
        return accept(drawn, checked, { input: sql, ...inDialect }, text, sqlForm);
      case "ibis_to_sql":
        return accept(drawn, checked, { input: text, ...inDialect }, sql, checked.form);
      case "code_completion": {
        const { tables } = checked.program.schema;
        const taken = new Set(tables.flatMap(({ name, columns }) => [name, ...columns.map((c) => c.name)]));
        const split = this.profile === "quickstart" && random.chance(0.25);
        const whole = split ? inTwoStatements(random, text, taken) : text;
        const intent = random.chance(INTENT_SAID)
          ? intentOf(random, checked.program, this.profile)
          : undefined;
        const cut = completionOf(random, whole, intent);
        if (cut === undefined) return refuse(task, "nowhere to cut", text);
        return accept(drawn, checked, { input: cut.input }, cut.completion, cut.kind);
      }
      case "qa":
        return accept(
          drawn,
          checked,
          { input: question(random, checked.program, this.profile) },
          markCode(text),
          "howto",
        );
      default:
        throw new RangeError(`${task} has no rows of programs`);
    }
  }

  /**
   * The program's SQL as a person may write it, executed against the compiler's own; a text where the program gives no
   * rows, whatever its tables hold. The compiler's own where execution cannot tell, as of functions that DuckDB lacks.
   */
  private async sqlOf(
    { random, task, label }: Drawn,
    { labelled, text, schema }: Checked,
    dialect: string | undefined,
  ): Promise<(WrittenSql & { verdict?: SqlVerdict }) | string> {
    const forms = sqlForms(labelled.sql ?? "", schema, dialect);
    const [compact, compiler] = [forms[0] as WrittenSql, forms.at(-1) as WrittenSql];
    const translates = task === "sql_to_ibis" || task === "ibis_to_sql";
    if (!translates || this.execute === undefined || this.profile !== "full") return compact;
    // A prompt may be in any form; answers have the compact one.
    const names = [...new Set(forms.map(({ form }) => form))];
    const form = task === "sql_to_ibis" && random.chance(FORMS_VARIED) ? random.pick(names) : "compact";
    const wanted = random.pick(forms.filter((one) => one.form === form));
    const known = dialect === undefined ? labelled.sql : (await label(text, schema)).sql;
    if (known === undefined) return compiler;
    const tried = wanted === compact ? [compact] : [wanted, compact];
    const judged = await Promise.all(
      tried.map(async (one) => {
        if (dialect === undefined) return { ...one, inDuckDb: one.text };
        const verdict = await this.engine.checkSql(one.text, { schema, dialect, canonical: false });
        return { ...one, verdict, inDuckDb: verdict.duckdb };
      }),
    );
    // What sqlglot cannot say in DuckDB's SQL gives nothing there.
    const executed = await this.execute(
      known,
      judged.map(({ inDuckDb }) => inDuckDb ?? ""),
      schema,
    );
    if (typeof executed === "string") return `DuckDB does not run it: ${executed}`;
    if (!executed.tells) return EMPTY;
    return judged.find((_, i) => executed.equal[i]) ?? compiler;
  }

  /** Whether a program gives no row, whatever its tables hold; only one that narrows twice is executed. */
  private async isEmpty(text: string, { sql }: Labelled, schema: Schema): Promise<boolean> {
    if (this.execute === undefined || this.profile !== "full" || sql === undefined) return false;
    if ((text.match(NARROWING) ?? []).length < 2) return false;
    const executed = await this.execute(sql, [], schema);
    return typeof executed === "object" && !executed.tells;
  }

  private async error(drawn: Drawn): Promise<Draw> {
    const { random, task, heldOutSchema, label } = drawn;
    const found = drawMutant(random, () =>
      randomProgram(random, this.profile, { heldOutSchema, own: this.own }),
    );
    if (found === undefined) return refuse(task, "no mistake applies", "");
    const { program, mutant } = found;
    const correct = write(program.node);
    const above =
      this.profile === "full" && random.chance(IMPORTS_SHOWN)
        ? `${boilerplate(random, correct, program.schema.tables).join("\n")}\n`
        : "";
    const [text, broken] = [above + correct, above + mutant.text];
    const schema = toSchema(program.schema.tables);
    const [labelled, verdict] = await Promise.all([label(text, schema), label(broken, schema)]);
    const fault = faultOf(labelled);
    if (fault !== undefined) return refuse(task, fault, text);
    if (Math.max(correct.length, labelled.sql?.length ?? 0) > LONGEST)
      return refuse(task, `longer than ${LONGEST} characters`, text);
    if (await this.isEmpty(correct, labelled, schema)) return refuse(task, EMPTY, correct);
    const because = (reason: string): Draw => refuse(task, `${mutant.mistake}: ${reason}`, broken);
    if (verdict.ok || verdict.error === undefined) return because("the mutant compiles");
    if (verdict.refused === true || !isRaised(verdict.error))
      return because("it is the check that refuses it");
    const error = shortError(`${verdict.error.type}: ${verdict.error.message}`);
    const checked = { program, text, schema, labelled };
    return accept(drawn, checked, { input: broken, error }, text, mutant.mistake);
  }

  /** A function that someone may have written, and its docstring, whose example gives what the program gives. */
  private async writtenFunction(drawn: Drawn): Promise<Draw> {
    const { random, task, label } = drawn;
    const { heldOutSchema } = drawn;
    const program = randomProgram(random, this.profile, { heldOutSchema, own: this.own });
    const text = write(program.node);
    const schema = toSchema(program.schema.tables);
    const labelled = await label(text, schema);
    const fault = faultOf(labelled);
    if (fault !== undefined) return refuse(task, fault, text);
    if (await this.isEmpty(text, labelled, schema)) return refuse(task, EMPTY, text);
    const style = random.pick(DOCSTRING_STYLES);
    const written = functionOf(random, program, text, Object.keys(labelled.outputSchema ?? {}), style);
    if (written === undefined) return refuse(task, "its result has no good names", text);
    const { source, docstring } = written;
    if (source.length > LONGEST || docstring.length > LONGEST)
      return refuse(task, `longer than ${LONGEST} characters`, source);
    const example = await label(`${source}\n${codeIn(docstring) ?? ""}`, schema);
    if (example.planHash !== labelled.planHash)
      return refuse(task, "its example gives something else", source);
    const checked = { program, text, schema, labelled };
    // Google's style is what is meant where none is named, as DuckDB's dialect is.
    const fields = { input: source, ...(style === "google" ? {} : { style }) };
    const draw = accept(drawn, checked, fields, docstring, `function, ${style}`);
    if ("candidate" in draw) draw.candidate.duplicateKey = `${source}\n${docstring}`;
    return draw;
  }

  /**
   * An example of a function, whose program is of the split that the function is of: else one of the two would be known
   * from training. Undefined where none is found.
   */
  private async exampleFor(
    { random, heldOutSchema, label }: Drawn,
    documented: DocumentedFunction,
  ): Promise<(Example & { shape: string }) | undefined> {
    const split = splitOfShape(`api:${documented.key}`);
    // Those of a method of columns have one shape.
    const count = documented.method === undefined ? EXAMPLES : 1;
    const drawn = Array.from({ length: count }, () =>
      exampleOf(random, documented, this.profile, heldOutSchema),
    ).filter((example) => example !== undefined);
    const verdicts = await Promise.all(drawn.map(({ code, tables }) => label(code, toSchema(tables))));
    for (const [i, { ok, planHash }] of verdicts.entries()) {
      const shape = `plan:${planHash ?? ""}`;
      if (ok && splitOfShape(shape) === split) return { ...(drawn[i] as Example), shape };
    }
    return undefined;
  }

  private async documentation(drawn: Drawn): Promise<Draw> {
    const { random, task } = drawn;
    if (task === "qa" && this.differences.length > 0 && random.chance(0.15)) {
      const { keys, input, answer } = random.pick(this.differences);
      const row = { task, fields: { input }, completion: answer, schema: {}, schemaId: "none" };
      const shape = `api:${keys[0]}`;
      const duplicateKey = `${input}\n${answer}`;
      return { candidate: { ...row, shape, kind: "difference", duplicateKey, ...DOCSTRINGS } };
    }
    const shown = this.functions.filter((one) => one.method !== undefined || one.isStep);
    const documented = random.pick(random.chance(0.7) && shown.length > 0 ? shown : this.functions);
    const example = await this.exampleFor(drawn, documented);
    const schema = toSchema(example?.tables ?? []);
    const code = example === undefined ? "" : `\n${markCode(example.code)}`;
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
        shape: example?.shape ?? `api:${documented.key}`,
        kind: "entry",
        duplicateKey: `${input}\n${completion}`,
        ...DOCSTRINGS,
      },
    };
  }
}

function refuse(task: TaskType, reason: string, text: string): Draw {
  return { refusal: { task, reason, text } };
}

/** Why a program is no row's; undefined where it may be one. */
function faultOf({ ok, error, sql, planHash }: Labelled): string | undefined {
  return ok && sql !== undefined && planHash !== undefined ? undefined : `${error?.type}: ${error?.message}`;
}

function accept(
  drawn: Drawn,
  checked: Checked,
  fields: PromptFields,
  completion: string,
  kind?: string,
): Draw {
  const { schema, labelled, program } = checked;
  const shown = drawn.random.chance(SCHEMA_SHOWN[drawn.task]);
  const candidate: Candidate = {
    task: drawn.task,
    fields: shown ? { schema, ...fields } : fields,
    completion,
    schema,
    schemaId: program.schema.id,
    shape: `plan:${labelled.planHash}`,
    ...(kind === undefined ? {} : { kind }),
    duplicateKey: labelled.queryHash ?? completion,
    ...GENERATED,
  };
  return { candidate };
}

/**
 * Rows of the six tasks from Ibis itself: its compiler labels random programs, its docstrings answer questions. With
 * `execute` the full profile has SQL in many forms, each of which gave what the compiler's own gives, and no program that
 * gives no rows.
 * @throws IBertError `api-empty` when the engine documents none of the functions that this profile asks for.
 */
export async function createIbisRowSource(
  engine: DslEngine,
  { seed, profile, execute, own }: Omit<SourceOptions, "profile"> & { profile: Profile },
): Promise<RowSource> {
  const functions = documentedFunctions(await engine.describeApi(), profile);
  if (functions.length === 0) {
    throw new IBertError("api-empty", `the engine documents no function of the ${profile} profile`);
  }
  const domain = own && (await ownDomain(engine, own.tables));
  return new IbisRowSource(
    engine,
    seed,
    profile,
    functions,
    execute,
    domain && own && { domain, share: own.share },
    domain === undefined ? [] : describeDomain(domain),
    own === undefined ? "" : `/${own.share} of ${own.tables.sha256}`,
  );
}
