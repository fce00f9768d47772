/** What Ibis says anew of corpus rows: whether their programs, SQL, exceptions and documentation are what it gives. */
import { splitOfShape } from "../../../data/corpus.js";
import type { AuditRows, GiveTheSame, RowAudit } from "../../../data/source.js";
import type { Row } from "../../../data/tasks.js";
import type { DslEngine, Labelled, SqlVerdict, VerdictError } from "../../dsl.js";
import { normaliseSql } from "../../text/sql.js";
import { sqlForms } from "../generator/sql/forms.js";
import { differences, documentedFunctions, questionsAbout } from "../generator/documentation.js";
import { documentedParameters, parametersOf } from "../tasks/docstring.js";
import { shortError } from "../tasks/error-resolution.js";
import { isWritten, sqlDiffers, textShape } from "../processors/written.js";
import { TASKS } from "../tasks/index.js";
import type { Claims } from "../tasks/task.js";

/** Rows compiled when they were made, so a batch that is slow says something of the machine and not of them. */
const PATIENCE_MS = 300_000;

const told = (error: VerdictError | undefined): string => `${error?.type}: ${error?.message}`;

/** Question about a function, as a task asks it → the functions it may mean, with the answers. */
type Documentation = ReadonlyMap<string, readonly { key: string; answer: string }[]>;

async function documentation(engine: DslEngine): Promise<Documentation> {
  const found = new Map<string, { key: string; answer: string }[]>();
  const functions = documentedFunctions(await engine.describeApi(), "full");
  for (const { keys, input, answer } of differences(functions)) {
    found.set(`qa\n${input}`, [{ key: keys[0], answer }]);
  }
  for (const documented of functions) {
    for (const [task, pairs] of Object.entries(questionsAbout(documented))) {
      for (const [input, answer] of pairs) {
        const question = `${task}\n${input}`;
        found.set(question, [...(found.get(question) ?? []), { key: documented.key, answer }]);
      }
    }
  }
  return found;
}

/** What the compiler says of one row's claims. */
interface Verdicts {
  program?: Labelled | undefined;
  broken?: Labelled | undefined;
  sql?: SqlVerdict | undefined;
}

function auditRow(row: Row, claims: Claims, verdicts: Verdicts, documented: Documentation): RowAudit {
  const audit: RowAudit = { faults: [] };
  const { program, broken, sql } = verdicts;
  if (program?.ok === false) audit.faults.push(`its program does not compile: ${told(program.error)}`);
  if (sql?.ok === false) audit.faults.push(`its SQL is refused: ${told(sql.error)}`);
  if (claims.sql !== undefined && program?.sql !== undefined) {
    const { dialect } = row.fields;
    const forms = sqlForms(program.sql, row.schema, dialect);
    const own = normaliseSql(claims.sql, dialect);
    if (!isWritten(row) && !forms.some(({ text }) => normaliseSql(text, dialect) === own)) {
      audit.faults.push(`its SQL is not that of its program, which is ${forms[0]?.text}`);
    }
  }
  if (broken !== undefined) {
    const raised = shortError(told(broken.error));
    if (broken.ok) audit.faults.push("its broken program compiles");
    else if (broken.refused === true)
      audit.faults.push("its broken program is refused by the check, not by Ibis");
    else if (raised !== row.fields.error) {
      audit.faults.push(`its broken program raises ${raised}, not ${row.fields.error ?? "nothing"}`);
    }
  }
  if (claims.docstring !== undefined) {
    const [has, names] = [parametersOf(row.fields.input), documentedParameters(claims.docstring)];
    if (has.join() !== names.join()) {
      audit.faults.push(
        `its documentation names the parameters ${names.join(", ")}, and its function has ${has.join(", ")}`,
      );
    }
  }
  if (claims.prose === undefined) {
    if (program?.planHash !== undefined) audit.shape = `plan:${program.planHash}`;
    if (claims.docstring !== undefined) audit.duplicateKey = `${row.fields.input}\n${row.completion}`;
    else if (program?.queryHash !== undefined) audit.duplicateKey = program.queryHash;
    if (claims.program === undefined) audit.faults.push("its answer holds no program");
    return audit;
  }
  audit.duplicateKey = `${row.fields.input}\n${row.completion}`;
  const known = documented.get(`${row.task}\n${row.fields.input}`) ?? [];
  const right = known.find(({ answer }) => answer === claims.prose);
  const planned = program?.planHash === undefined ? undefined : `plan:${program.planHash}`;
  if (right !== undefined) {
    const entry = `api:${right.key}`;
    audit.shape = planned ?? entry;
    const [ofProgram, ofEntry] = [audit.shape, entry].map(splitOfShape);
    if (ofProgram !== ofEntry)
      audit.faults.push(`its example is of ${ofProgram}, and ${right.key} is of ${ofEntry}`);
  } else if (isWritten(row)) audit.shape = planned ?? textShape(row);
  else if (known[0] === undefined) audit.faults.push("its question is about no function that Ibis documents");
  else audit.faults.push(`its answer is not what Ibis documents: ${known[0].answer}`);
  return audit;
}

/** Audits rows: their programs reach the compiler in batches, as `labelMany` sends them. */
export function ibisRowAudit(engine: DslEngine, same?: GiveTheSame): AuditRows {
  let known: Promise<Documentation> | undefined;
  const judged = async ({ schema, fields }: Row, sql: string | undefined): Promise<SqlVerdict | undefined> =>
    sql === undefined ? undefined : engine.checkSql(sql, { schema, ...dialectOf(fields) });
  return async (rows) => {
    const claims = rows.map((row) => TASKS[row.task].claims(row));
    const texts = rows.flatMap(({ schema, fields }, i) =>
      [claims[i]?.program, claims[i]?.broken].flatMap((text) =>
        text === undefined ? [] : [{ text, schema, ...dialectOf(fields) }],
      ),
    );
    const [labelled, sql, documented] = await Promise.all([
      engine.labelMany(texts, { timeoutMs: PATIENCE_MS }),
      Promise.all(rows.map((row, i) => judged(row, claims[i]?.sql))),
      (known ??= documentation(engine)),
    ]);
    let next = 0;
    const take = (text: string | undefined): Labelled | undefined =>
      text === undefined ? undefined : labelled[next++];
    const audits = rows.map((row, i) => {
      const own = claims[i] ?? {};
      const verdicts = { program: take(own.program), broken: take(own.broken), sql: sql[i] };
      return { verdicts, audit: auditRow(row, own, verdicts, documented) };
    });
    for (const [i, { verdicts, audit }] of audits.entries()) {
      const row = rows[i] as Row;
      if (same === undefined || !isWritten(row)) continue;
      const differ = await sqlDiffers(engine, row, claims[i] ?? {}, verdicts, same);
      if (differ?.certain === true) audit.faults.push(differ.reason);
    }
    return audits.map(({ audit }) => audit);
  };
}

const dialectOf = ({ dialect }: Row["fields"]): { dialect?: string } =>
  dialect === undefined ? {} : { dialect };
