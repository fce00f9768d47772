import type { DslEngine, Labelled } from "../../dsl/dsl.js";
import type { AuditRows, Draw, RowSource } from "../source.js";
import type { RowFormat } from "../segments.js";
import type { TaskFormat } from "../tasks.js";

/**
 * A toy DSL for tests of what does not hang on a DSL: a text fails at the rung that it names, `bad:build`, and else
 * compiles to itself in upper case.
 */
export function toyEngine(): DslEngine & { asked: string[] } {
  const asked: string[] = [];
  const check = (text: string): Labelled => {
    asked.push(text);
    const stage = /bad:(parse|names|build|compile)/.exec(text)?.[1] as Labelled["stage"] | undefined;
    return stage === undefined
      ? {
          stage: "compile",
          ok: true,
          sql: text.toUpperCase(),
          planHash: text,
          queryHash: text,
          milliseconds: 0,
        }
      : { stage, ok: false, error: { type: "ToyError", message: stage }, milliseconds: 0 };
  };
  return {
    asked,
    check: (text) => Promise.resolve(check(text)),
    label: (text) => Promise.resolve(check(text)),
    checkMany: (items) => Promise.resolve(items.map((item) => check(item.text))),
    labelMany: (items) => Promise.resolve(items.map((item) => check(item.text))),
    checkSql: (sql, { dialect } = {}) =>
      Promise.resolve(
        sql.includes("bad")
          ? { ok: false, stage: "parse", judge: "sqlglot", error: { type: "ParseError", message: "bad SQL" } }
          : {
              ok: true,
              stage: "compile",
              judge: "sqlglot",
              canonical: sql.toUpperCase(),
              ...toDuckDb(sql, dialect),
            },
      ),
    neighbours: () => Promise.resolve(undefined),
    describeApi: () => Promise.resolve([]),
    membersOf: (programs) => Promise.resolve(programs.map(() => [])),
    programsAt: (_, sites) => Promise.resolve(sites.map(() => ({ programs: [] }))),
    version: () => Promise.resolve({ name: "toy", version: "1" }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Another dialect's SQL in DuckDB's: its own words in brackets, unless there is none for it. */
const toDuckDb = (sql: string, dialect: string | undefined): { duckdb?: string } =>
  dialect === undefined || sql.includes("only") ? {} : { duckdb: `(${sql}) ${sql.at(-1)}` };

/** Draws of 400 shapes, one in ten refused and one in five a duplicate of the one before. */
export const toySource: RowSource = {
  version: "toy-1",
  async draw(task, index, { heldOutSchema, label }): Promise<Draw> {
    const number = index % 5 === 4 ? index - 1 : index;
    const text = `program ${number}`;
    await label(text, {});
    if (index % 10 === 9) return { refusal: { task, reason: "every tenth", text } };
    return {
      candidate: {
        task,
        fields: { input: text },
        completion: `answer ${number}`,
        schema: {},
        schemaId: heldOutSchema ? "held" : "seen",
        shape: `shape ${number % 400}`,
        ...(task === "qa" ? { kind: number % 10 === 0 ? "rare" : "common" } : {}),
        source: "toy",
        licence: "Apache-2.0",
        duplicateKey: text,
      },
    };
  },
};

/** Takes rows at their word, but for those whose answer says that it is bad. */
export const toyAudit: AuditRows = (rows) =>
  Promise.resolve(rows.map(({ completion }) => ({ faults: completion.startsWith("bad") ? ["bad"] : [] })));

/** Rows as they are, behind the prompt that is given. */
export const plainFormat = (prompt: RowFormat["prompt"]): RowFormat => ({
  prompt,
  completion: (_task, _fields, completion) => completion,
  stop: () => [],
});

export const toyFormat: TaskFormat = {
  prompt: (task, fields) => `${task}: ${fields.input}\n`,
  completion: (_task, _fields, completion) => completion,
  stop: () => ["\n"],
  assemble: (task, _fields, completion) =>
    task === "qa"
      ? completion.startsWith("code ")
        ? { language: "dsl", text: completion }
        : undefined
      : { language: task === "ibis_to_sql" ? "sql" : "dsl", text: completion },
  determined: ({ task }) => task !== "code_completion",
  reference: ({ fields }) =>
    fields.dialect === undefined ? undefined : { language: "dsl", text: fields.input },
  facts: ({ completion }, answer) => {
    const [due, named] = [completion, answer].map((text) => text.match(/fact \w+/g) ?? []);
    return due === undefined || named === undefined || due.length === 0 ? undefined : { due, named };
  },
  columnsAreOpen: ({ task }) => task === "qa",
  nextIdentifier: ({ task }, answer) => (task === "code_completion" ? /\w+/.exec(answer)?.[0] : undefined),
  constant: () => "constant",
};
