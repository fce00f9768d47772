/** The gates for rows that somebody wrote: they compile, their SQL and exceptions are true, and each has a shape. */
import type { AdmitRows, Candidate, Draw, GiveTheSame, WrittenRow } from "../../../data/source.js";
import type { Row } from "../../../data/tasks.js";
import type { DslEngine, Labelled, SqlVerdict, VerdictError } from "../../dsl.js";
import { documentedParameters, parametersOf } from "../tasks/docstring.js";
import { shortError } from "../tasks/error-resolution.js";
import { TASKS } from "../tasks/index.js";
import type { Claims } from "../tasks/task.js";
import { sqlDiffers, textShape } from "./written.js";

const PATIENCE_MS = 120_000;
/** Rows on their way through the gates, so that no process of the pools waits for another. */
const AT_A_TIME = 8;

const told = (error: VerdictError | undefined): string => `${error?.type}: ${error?.message}`;

class Refused extends Error {}

/** The admission of Ibis's rows. Without `same` nothing is executed, and SQL that people wrote is taken at its word. */
export function ibisAdmit(engine: DslEngine): AdmitRows {
  return async (rows, same) => {
    const draws: Draw[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let at = next++; at < rows.length; at = next++)
        draws[at] = await drawOf(engine, rows[at] as WrittenRow, same);
    };
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
    } finally {
      next = rows.length;
    }
    return draws;
  };
}

async function drawOf(engine: DslEngine, row: WrittenRow, same?: GiveTheSame): Promise<Draw> {
  try {
    return { candidate: await admitted(engine, row, same) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refusal: { task: row.task, reason: error.message, text: row.completion } };
  }
}

async function admitted(engine: DslEngine, written: WrittenRow, same?: GiveTheSame): Promise<Candidate> {
  const row: Row = { ...written, id: "new", split: "train", shape: "new" };
  const { task, fields, completion, schema } = row;
  const claims = TASKS[task].claims(row);
  const dialect = fields.dialect === undefined ? {} : { dialect: fields.dialect };
  const label = (text: string | undefined): Promise<Labelled> | undefined =>
    text === undefined ? undefined : engine.label(text, { schema, ...dialect, timeoutMs: PATIENCE_MS });
  const [program, broken] = await Promise.all([label(claims.program), label(claims.broken)]);
  if (program?.ok === false) throw new Refused(`its program does not compile: ${told(program.error)}`);
  const sql =
    claims.sql === undefined ? undefined : await engine.checkSql(claims.sql, { schema, ...dialect });
  if (sql?.ok === false) throw new Refused(`its SQL is refused: ${told(sql.error)}`);
  const error = broken === undefined ? undefined : raised(broken, fields.error);
  requireDocumentation(row, claims, program);
  if (same !== undefined) await requireExecution(engine, row, claims, program, sql, same);
  const { kind, ...rest } = written;
  return {
    ...rest,
    ...(kind === undefined ? {} : { kind }),
    fields: error === undefined ? fields : { ...fields, error },
    shape: program?.planHash === undefined ? textShape(row) : `plan:${program.planHash}`,
    duplicateKey:
      claims.prose === undefined && claims.docstring === undefined && program?.queryHash !== undefined
        ? program.queryHash
        : `${fields.input}\n${completion}`,
  };
}

/** The exception of the broken program, which must be the row's own where it names one. */
function raised(broken: Labelled, claimed: string | undefined): string {
  if (broken.ok) throw new Refused("its broken program compiles");
  if (broken.refused === true) throw new Refused("its broken program is refused by the check, not by Ibis");
  const error = shortError(told(broken.error));
  if (claimed !== undefined && shortError(claimed) !== error)
    throw new Refused(`its broken program raises ${error}, not ${claimed}`);
  return error;
}

function requireDocumentation(row: Row, claims: Claims, program: Labelled | undefined): void {
  if (claims.docstring !== undefined) {
    const [has, names] = [parametersOf(row.fields.input), documentedParameters(claims.docstring)];
    if (has.join() !== names.join()) {
      throw new Refused(
        `its documentation names the parameters ${names.join(", ") || "none"}, and its function has ${has.join(", ") || "none"}`,
      );
    }
  } else if (claims.prose === undefined && program === undefined) {
    throw new Refused("its answer holds no program");
  }
}

/** The program runs on DuckDB, and its SQL gives what it gives. */
async function requireExecution(
  engine: DslEngine,
  row: Row,
  claims: Claims,
  program: Labelled | undefined,
  sql: SqlVerdict | undefined,
  same: GiveTheSame,
): Promise<void> {
  const differ = await sqlDiffers(engine, row, claims, { program, sql }, same);
  if (differ !== undefined) throw new Refused(differ.reason);
  if (claims.sql !== undefined || program?.sql === undefined || row.fields.dialect !== undefined) return;
  const judged = await same(program.sql, program.sql, row.schema);
  if (typeof judged !== "string") {
    if (judged.runs) return;
    throw new Refused(`its program fails at execution: ${judged.reason ?? "it gives nothing"}`);
  }
  // That nothing can be told of a query that gives the same whatever the tables hold is no fault of a row's.
  if (/does not run|was stopped/.test(judged)) throw new Refused(`its program fails at execution: ${judged}`);
}
