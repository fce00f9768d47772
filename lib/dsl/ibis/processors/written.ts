/** Rows that somebody wrote, rather than the generator: how they are told, and how their SQL is judged. */
import { createHash } from "node:crypto";
import type { GiveTheSame } from "../../../data/source.js";
import type { Row } from "../../../data/tasks.js";
import type { DslEngine, Labelled, SqlVerdict } from "../../dsl.js";
import { normaliseSql } from "../../text/sql.js";
import { compactSql } from "../generator/sql/compact.js";
import { DOCSTRINGS, GENERATED } from "../generator/source.js";
import type { Claims } from "../tasks/task.js";

type Written = Pick<Row, "fields" | "schema" | "source">;

export const isWritten = ({ source }: Pick<Row, "source">): boolean =>
  source !== GENERATED.source && source !== DOCSTRINGS.source;

/** The shape of a row that holds no program: its question, however it is spelt. */
export function textShape({ fields: { input } }: Pick<Row, "fields">): string {
  const words = input.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  return `text:${createHash("sha256").update(words.join(" ")).digest("hex").slice(0, 16)}`;
}

/** Why a row's SQL is not said to be what its program gives; undefined where it is, or where there is none to judge. */
export async function sqlDiffers(
  engine: DslEngine,
  { fields: { dialect }, schema }: Written,
  claims: Claims,
  { program, sql }: { program?: Labelled | undefined; sql?: SqlVerdict | undefined },
  same: GiveTheSame,
): Promise<{ certain: boolean; reason: string } | undefined> {
  if (claims.sql === undefined || program?.sql === undefined || sql?.ok !== true) return undefined;
  const compiled = compactSql(program.sql, schema, dialect);
  if (normaliseSql(claims.sql, dialect) === normaliseSql(compiled, dialect)) return undefined;
  const own = dialect === undefined ? program : await engine.label(claims.program ?? "", { schema });
  const other = dialect === undefined ? claims.sql : sql.duckdb;
  if (own.sql === undefined || other === undefined) {
    return { certain: false, reason: `sqlglot knows no DuckDB for its SQL of ${dialect}` };
  }
  const judged = await same(own.sql, other, schema);
  if (typeof judged === "string") {
    return { certain: false, reason: `execution cannot tell whether its SQL is right: ${judged}` };
  }
  if (judged.equal) return undefined;
  return { certain: true, reason: `its SQL does not give what its program gives: ${judged.reason ?? ""}` };
}
