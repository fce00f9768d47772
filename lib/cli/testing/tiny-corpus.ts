import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Row, Split, TaskType } from "../../data/tasks.js";

const schema = { orders: { region: "string", amount: "float64" } };

function row(split: Split, task: TaskType, number: number): Row {
  const program = `orders.limit(${number})`;
  const sql = `SELECT * FROM orders LIMIT ${number}`;
  const [input, completion] =
    task === "sql_to_ibis"
      ? [sql, program]
      : task === "ibis_to_sql"
        ? [program, sql]
        : ["orders.", `limit(${number})`];
  return {
    id: `${split}-${task}-${number}`,
    task,
    split,
    fields: { schema, input },
    completion,
    schema,
    schemaId: "tiny",
    shape: `limit ${split}`,
    source: "test",
    licence: "Apache-2.0",
  };
}

const TASKS: TaskType[] = ["code_completion", "ibis_to_sql", "sql_to_ibis"];

/** A corpus of three tasks, a few rows each, without a manifest. */
export function writeTinyCorpus(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const split of ["train", "test"] as const) {
    const numbers = split === "train" ? [1, 2, 3, 4, 5, 6, 7, 8] : [11];
    const rows = TASKS.flatMap((task) => numbers.map((number) => row(split, task, number)));
    writeFileSync(join(folder, `${split}.jsonl`), rows.map((one) => `${JSON.stringify(one)}\n`).join(""));
  }
  return folder;
}
