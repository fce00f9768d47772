/** From SQL and to SQL. */
import type { PromptFields } from "../../../data/tasks.js";
import type { PromptRequest } from "../../definition.js";
import { unfenced } from "../../text/fences.js";
import { CODE_STOPS, program, PROGRAM_ANSWER, sql, type IbisTask } from "./task.js";

const fields = (text: string, { dialect }: PromptRequest): PromptFields => ({
  input: unfenced(text),
  ...(dialect === undefined ? {} : { dialect }),
});

export const SQL_TO_IBIS: IbisTask = {
  ...PROGRAM_ANSWER,
  template: { prompt: "# {schema}\n# Dialect: {dialect}\n# SQL: {input}\n# Ibis:\n", stop: CODE_STOPS },
  fields,
  input: sql,
  claims: (row) => ({ program: row.completion, sql: row.fields.input }),
};

export const IBIS_TO_SQL: IbisTask = {
  template: { prompt: "# {schema}\n# Dialect: {dialect}\n# Ibis: {input}\n# SQL:\n", stop: CODE_STOPS },
  fields,
  input: program,
  completion: ({ dialect }, completion) => sql(completion, dialect),
  assemble: (_, completion) => ({ language: "sql", text: completion.trim() }),
  determined: () => true,
  constant: (_, quoted) => `SELECT * FROM ${quoted}`,
  // DuckDB runs the SQL of no other dialect as it stands.
  reference: ({ fields: { dialect, input } }) =>
    dialect === undefined ? undefined : { language: "dsl", text: input },
  claims: (row) => ({ program: row.fields.input, sql: row.completion }),
};
