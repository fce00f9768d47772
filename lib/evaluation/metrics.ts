import {
  cutAtStop,
  TASK_TYPES,
  type CheckableText,
  type Row,
  type Rows,
  type TaskFormat,
  type TaskType,
} from "../data/tasks.js";
import { STAGES, type DslEngine, type Stage } from "../dsl/dsl.js";
import { rungsPassed } from "../validation/verdict.js";
import { interval, type Interval } from "./bootstrap.js";
import { facetsOf, type Facets, type PassRate } from "./breakdown.js";
import type { ExecutionJudge, ExecutionJudgement } from "./execution/judge.js";
import { chrF, rougeL } from "./overlap.js";

/** What one answer is worth. */
export interface RowScore {
  id: string;
  task: TaskType;
  prediction: string;
  /** Whether the row's own completion holds code: only such rows count in the rates. */
  holdsCode: boolean;
  /** Rungs passed; all false when an answer that should hold code holds none. */
  passed: Record<Stage, boolean>;
  /** `ExceptionType: message` of the rung that was not passed. */
  error?: string;
  exact: boolean;
  /** The answer and the row's own completion compile (or parse) to the same SQL. */
  sqlEqual: boolean;
  chrF: number;
  rougeL: number;
  /**
   * Whether the answer gives what the row's own completion gives, on databases that tell that from its neighbours, and
   * whether the task's constant answer does. Absent where it was not measured.
   */
  execution?: ExecutionJudgement & { constantEqual: boolean; facets: Facets };
  /** Whether the answer names all that it must, such as parameters, and nothing else; absent where nothing is to be named. */
  factsRight?: boolean;
  /**
   * Where the prompt does not determine the answer: whether the first name that it adds is the one that the row's own
   * completion adds.
   */
  nextIdentifierRight?: boolean;
  /** Why there is no `execution`, for a row whose prompt determines the answer. */
  notExecuted?: string;
}

/** Test-suite execution accuracy (Zhong et al., 2020): the measure that counts. */
export interface ExecutionMetrics {
  /** Rows judged by execution: those whose prompt determines what the program gives. */
  rows: number;
  /** Share of those rows whose answer DuckDB executes. */
  runs: number;
  /** Share of those rows whose answer gives the same as their own completion. */
  accuracy: number;
  /** 95 % of it, by bootstrap. */
  interval: Interval;
  /** The accuracy of an answer that never changes but for the table's name. */
  constant: number;
  /** Share of the completions' neighbours that the databases tell from them; a neighbour may mean the same. */
  killed: number;
  /** Rows of which execution can tell nothing, such as those whose completion gives no rows whatever the tables hold. */
  untold: number;
}

/** What the answers to the rows of one task, or of all, are worth. */
export interface TaskMetrics {
  /** Rows whose answers must name facts, and the share of them that do; absent where there are none. */
  facts?: { rows: number; right: number };
  /** Rows whose prompt does not determine the answer, and the share whose first name is right; absent without any. */
  nextIdentifier?: { rows: number; right: number; interval: Interval };
  /** Absent where nothing was executed. */
  execution?: ExecutionMetrics;
  rows: number;
  /** Rows whose own completion holds code. */
  codeRows: number;
  /** Share of the code rows that pass each rung; 0 when there is none. */
  rates: Record<Stage, number>;
  exactMatch: number;
  /** Share of the code rows. */
  sqlEqual: number;
  chrF: number;
  rougeL: number;
}

interface Checked {
  passed: Record<Stage, boolean>;
  error?: string;
  /** In normal form, for comparison. */
  sql?: string;
  /** As DuckDB runs it. */
  executable?: string;
}

const allStages = (value: boolean): Record<Stage, boolean> => ({
  parse: value,
  names: value,
  build: value,
  compile: value,
});

const NO_CODE: Checked = { passed: allStages(false), error: "the answer holds no code" };

async function check(engine: DslEngine, row: Row, code: CheckableText | undefined): Promise<Checked> {
  if (code === undefined) return NO_CODE;
  const isSql = code.language === "sql";
  const { dialect } = row.fields;
  const options = { schema: row.schema, ...(isSql && dialect !== undefined ? { dialect } : {}) };
  const verdict = isSql ? await engine.checkSql(code.text, options) : await engine.check(code.text, options);
  const reached = rungsPassed(verdict);
  const passed = Object.fromEntries(STAGES.map((stage, i) => [stage, i < reached])) as Record<Stage, boolean>;
  const checked: Checked = { passed };
  if (verdict.error !== undefined) checked.error = `${verdict.error.type}: ${verdict.error.message}`;
  if (verdict.ok) {
    // SQL that has no normal form is compared as it stands.
    const sql = "canonical" in verdict ? verdict.canonical : "sql" in verdict ? verdict.sql : undefined;
    const text = sql ?? (isSql ? code.text.trim() : undefined);
    if (text !== undefined) checked.sql = text;
    const isDuckDb = dialect === undefined || dialect === "duckdb";
    const executable = !isSql
      ? text
      : isDuckDb
        ? code.text
        : "duckdb" in verdict
          ? verdict.duckdb
          : undefined;
    if (executable !== undefined) checked.executable = executable;
  }
  return checked;
}

/** Scores one answer against its row, through the compiler and with a judge by execution. */
export async function scoreRow(
  row: Row,
  prediction: string,
  engine: DslEngine,
  format: TaskFormat,
  judge?: ExecutionJudge,
): Promise<RowScore> {
  const gold = format.assemble(row.task, row.fields, row.completion);
  const code = format.assemble(row.task, row.fields, prediction);
  const [goldChecked, checked] = await Promise.all([
    gold === undefined ? undefined : check(engine, row, gold),
    gold === undefined ? undefined : check(engine, row, code),
  ]);
  const taught = (text: string): string => format.completion(row.task, row.fields, text).trim();
  const score: RowScore = {
    id: row.id,
    task: row.task,
    prediction,
    holdsCode: gold !== undefined,
    passed: checked?.passed ?? allStages(false),
    exact: taught(prediction) === taught(row.completion),
    sqlEqual: checked?.sql !== undefined && checked.sql === goldChecked?.sql,
    chrF: chrF(row.completion, prediction),
    rougeL: rougeL(row.completion, prediction),
  };
  if (checked?.error !== undefined) score.error = checked.error;
  const facts = format.facts(row, prediction);
  if (facts !== undefined) {
    const [due, named] = [new Set(facts.due), new Set(facts.named)];
    score.factsRight = due.size === named.size && [...due].every((name) => named.has(name));
  }
  const nextName = format.determined(row) ? undefined : format.nextIdentifier(row, row.completion);
  if (nextName !== undefined) score.nextIdentifierRight = format.nextIdentifier(row, prediction) === nextName;
  if (judge !== undefined && goldChecked !== undefined && format.determined(row)) {
    const judged = await execute(row, goldChecked, checked, { engine, format, judge });
    if (typeof judged === "string") score.notExecuted = judged;
    else score.execution = judged;
  }
  return score;
}

async function execute(
  row: Row,
  gold: Checked,
  answer: Checked | undefined,
  { engine, format, judge }: Executing,
): Promise<NonNullable<RowScore["execution"]> | string> {
  const known = await knownQuery(row, gold, { engine, format, judge });
  if ("fault" in known) return `the row's own completion: ${known.fault}`;
  const judged = await judge.judge(known.sql, answer?.executable, row.schema, {
    anyOrder: format.columnsAreOpen(row),
  });
  if (typeof judged === "string") return judged;
  const constantEqual = await constantPasses(row, known.sql, { engine, format, judge });
  return { ...judged, constantEqual, facets: facetsOf(row, known.sql) };
}

interface Executing {
  engine: DslEngine;
  format: TaskFormat;
  judge: ExecutionJudge;
}

/** Whether the task's constant answer gives what the known query gives. */
export async function constantPasses(row: Row, known: string, executing: Executing): Promise<boolean> {
  const { engine, format, judge } = executing;
  const constant = await check(engine, row, format.assemble(row.task, row.fields, format.constant(row)));
  const judged = await judge.judge(known, constant.executable, row.schema);
  return typeof judged !== "string" && judged.equal;
}

/** What a row's answers are held against; undefined where they are not executed. */
export async function goldQuery(
  row: Row,
  executing: Executing,
): Promise<{ sql: string } | { fault: string } | undefined> {
  const { engine, format } = executing;
  const gold = format.assemble(row.task, row.fields, row.completion);
  if (gold === undefined || !format.determined(row)) return undefined;
  return knownQuery(row, await check(engine, row, gold), executing);
}

/**
 * The query that answers are held against, in DuckDB's SQL. Where the row's completion is of another dialect, it is that
 * of the row's reference, provided that the completion gives the same once it is transpiled: else no answer could be right.
 */
async function knownQuery(
  row: Row,
  gold: Checked,
  { engine, format, judge }: Executing,
): Promise<{ sql: string } | { fault: string }> {
  const dialect = row.fields.dialect ?? "duckdb";
  if (gold.executable === undefined) {
    return {
      fault:
        gold.error ?? (dialect === "duckdb" ? "it gives no SQL" : `DuckDB has no such query of ${dialect}`),
    };
  }
  const reference = format.reference(row);
  if (reference === undefined) return { sql: gold.executable };
  const { executable, error } = await check(engine, row, reference);
  if (executable === undefined) return { fault: `its program: ${error ?? "it gives no SQL"}` };
  const judged = await judge.judge(executable, gold.executable, row.schema);
  if (typeof judged === "string") return { fault: judged };
  return judged.equal
    ? { sql: executable }
    : { fault: `in DuckDB its ${dialect} SQL means something else: ${judged.reason ?? ""}` };
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const share = <T>(items: readonly T[], test: (item: T) => boolean): number =>
  mean(items.map((item) => (test(item) ? 1 : 0)));

function summariseExecution(scores: readonly RowScore[]): { execution?: ExecutionMetrics } {
  const executed = scores.flatMap(({ execution }) => execution ?? []);
  const untold = scores.filter(({ notExecuted }) => notExecuted !== undefined).length;
  if (executed.length === 0 && untold === 0) return {};
  const equal = executed.map((one) => (one.equal ? 1 : 0));
  const neighbours = executed.reduce((sum, one) => sum + one.neighbours, 0);
  return {
    execution: {
      rows: executed.length,
      runs: share(executed, ({ runs }) => runs),
      accuracy: mean(equal),
      interval: interval(equal),
      constant: share(executed, ({ constantEqual }) => constantEqual),
      killed: executed.reduce((sum, { killed }) => sum + killed, 0) / Math.max(1, neighbours),
      untold,
    },
  };
}

function summariseNames(scores: readonly RowScore[]): Pick<TaskMetrics, "nextIdentifier"> {
  const right = scores.flatMap((score) => score.nextIdentifierRight ?? []).map(Number);
  if (right.length === 0) return {};
  return { nextIdentifier: { rows: right.length, right: mean(right), interval: interval(right) } };
}

export function summarise(scores: readonly RowScore[]): TaskMetrics {
  const code = scores.filter((score) => score.holdsCode);
  const factual = scores.filter((score) => score.factsRight !== undefined);
  return {
    ...(factual.length === 0
      ? {}
      : { facts: { rows: factual.length, right: share(factual, (score) => score.factsRight === true) } }),
    ...summariseNames(scores),
    ...summariseExecution(scores),
    rows: scores.length,
    codeRows: code.length,
    rates: Object.fromEntries(
      STAGES.map((stage) => [stage, share(code, (score) => score.passed[stage])]),
    ) as Record<Stage, number>,
    exactMatch: share(scores, (score) => score.exact),
    sqlEqual: share(code, (score) => score.sqlEqual),
    chrF: mean(scores.map((score) => score.chrF)),
    rougeL: mean(scores.map((score) => score.rougeL)),
  };
}

/** The answers of one model to a set of rows, and what they are worth. */
export interface EvaluationResult {
  /** Only tasks that have rows. */
  tasks: Partial<Record<TaskType, TaskMetrics>>;
  all: TaskMetrics;
  scores: RowScore[];
  /** Where rows were answered several times; all else is of the first answers. */
  passAt?: PassRate[];
}

/** Scores that are there already, by task and together. */
export function summariseByTask(scores: RowScore[]): EvaluationResult {
  const tasks: EvaluationResult["tasks"] = {};
  for (const task of TASK_TYPES) {
    const own = scores.filter((score) => score.task === task);
    if (own.length > 0) tasks[task] = summarise(own);
  }
  return { tasks, all: summarise(scores), scores };
}

export interface EvaluationRun {
  rows: readonly Row[];
  engine: DslEngine;
  judge?: ExecutionJudge;
  format: TaskFormat;
  /** The model's answer to a prompt; what follows a stop text is cut off again here. */
  generate(prompt: string, options: { row: Row; stop: readonly string[] }): Promise<string>;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** Generates and scores, one row after the other; checks run while the next answer is generated. */
export async function evaluateRows(run: EvaluationRun): Promise<EvaluationResult> {
  const pending: Promise<RowScore>[] = [];
  for (const [i, row] of run.rows.entries()) {
    run.signal?.throwIfAborted();
    const stop = run.format.stop(row.task);
    const answer = await run.generate(run.format.prompt(row.task, row.fields), { row, stop });
    const score = scoreRow(row, cutAtStop(answer, stop), run.engine, run.format, run.judge);
    // A failed check is reported when all are awaited; until then it must not count as unhandled.
    score.catch(() => undefined);
    pending.push(score);
    run.onProgress?.(i + 1, run.rows.length);
  }
  return summariseByTask(await Promise.all(pending));
}

export interface RowChoice {
  /** Rows of each task at most. */
  perTask: number;
  /** Rows in all at most, of each task as many as of the others where it has them. */
  limit?: number | undefined;
  /** Which rows may be chosen; default all. */
  wanted?: ((row: Row) => boolean) | undefined;
  /** Default: all. */
  tasks?: readonly TaskType[] | undefined;
}

/** Some rows of a file, of each task the first, in the order of the tasks; what is held is their numbers. */
export class ChosenRows implements Rows {
  private constructor(
    private readonly rows: Rows,
    private readonly numbers: readonly number[],
  ) {}

  static of(
    rows: Rows,
    { perTask, limit = Infinity, tasks = TASK_TYPES, wanted = () => true }: RowChoice,
  ): ChosenRows {
    const found = new Map<TaskType, number[]>(
      TASK_TYPES.filter((task) => tasks.includes(task)).map((task) => [task, []]),
    );
    const most = Math.min(perTask, limit);
    for (let i = 0; i < rows.length; i++) {
      const row = rows.at(i) as Row;
      const own = found.get(row.task);
      if (own !== undefined && own.length < most && wanted(row)) own.push(i);
    }
    const lists = [...found.values()];
    let kept = 0;
    let each = 0;
    // One more of each task as long as there is room.
    for (; kept < limit && each < most; each++) {
      const more = lists.filter((list) => list.length > each).length;
      if (more === 0 || kept + more > limit) break;
      kept += more;
    }
    let spare = limit - kept;
    const numbers = lists.flatMap((list) => {
      const extra = list.length > each && spare > 0 && each < most ? 1 : 0;
      spare -= extra;
      return list.slice(0, each + extra);
    });
    return new ChosenRows(rows, numbers);
  }

  get length(): number {
    return this.numbers.length;
  }

  at(row: number): Row | undefined {
    const number = this.numbers[row];
    return number === undefined ? undefined : this.rows.at(number);
  }
}

/** The same number of rows of each task, the first of each, in the order of the tasks. */
export function rowsPerTask(rows: Rows, perTask: number): Row[] {
  const chosen = ChosenRows.of(rows, { perTask });
  return Array.from({ length: chosen.length }, (_, i) => chosen.at(i) as Row);
}
