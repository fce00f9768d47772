/** The forms in which programs and SQL are written, for comparing what is made with what people write. */
import type { Row } from "../../../data/tasks.js";
import type { TextForms } from "../../../data/naturalness.js";
import { lexPython } from "../../text/python-lexer.js";
import { lexSql } from "../../text/sql-lexer.js";
import { TASKS } from "../tasks/index.js";
import { isWritten } from "./written.js";

/** The name of a form → a pattern of the text without its strings' contents. */
const PROGRAM_FORMS: Readonly<Record<string, RegExp>> = {
  "several statements": /\n(?=[\w(])/,
  import: /^(?:from|import) /m,
  def: /^\s*def /m,
  comment: /#/,
  lambda: /\blambda\b/,
  "_.column": /(?<!\w)_[.[]/,
  'table["column"]': /\w\[""\]/,
  "string column": /[(,] ?""[,)]/,
  join: /\.(?:\w+_)?join\(/,
  "three joins": /(?:\.(?:\w+_)?join\([^]*){3}/,
  "group by": /\.group_by\(/,
  window: /\.over\(|\bwindow\(/,
  "cases or ifelse": /\b(?:cases|ifelse)\(/,
  "set operation": /\.(?:union|intersect|difference)\(/,
  "order by": /\.order_by\(/,
  limit: /\.limit\(/,
  "value of a query": /\.(?:as_scalar|any|all|notany)\(/,
};

const SQL_FORMS: Readonly<Record<string, RegExp>> = {
  WITH: /^\s*with\b/i,
  subquery: /\(\s*select\b/i,
  EXISTS: /\bexists\s*\(/i,
  "IN (SELECT": /\bin\s*\(\s*select\b/i,
  JOIN: /\bjoin\b/i,
  "tables by comma": /\bfrom\s+\w+(?:\s+(?:as\s+)?\w+)?\s*,/i,
  USING: /\busing\s*\(/i,
  "alias without AS":
    /(?<=[\w)"])(?<!\b(?:select|distinct|all|by|as|and|or|not|then|else|when|over|desc|asc)) +(?!(?:as|and|or|from|where|on|then|else|end|asc|desc|nulls|is|in|not|like|between|over|filter)\b)[a-z]\w*(?=\s*(?:,|\bfrom\b))/i,
  "GROUP BY": /\bgroup\s+by\b/i,
  HAVING: /\bhaving\b/i,
  QUALIFY: /\bqualify\b/i,
  "OVER (": /\bover\s*\(/i,
  CASE: /\bcase\b/i,
  INTERVAL: /\binterval\b/i,
  "set operation": /\b(?:union|intersect|except)\b/i,
  "ORDER BY": /\border\s+by\b/i,
  LIMIT: /\blimit\b/i,
  "lower case": /\bselect\b/,
};

const formsIn = (text: string, forms: Readonly<Record<string, RegExp>>): string[] =>
  Object.keys(forms).filter((name) => forms[name]?.test(text));

function programForms(text: string): TextForms {
  const pieces = lexPython(text);
  const bare = pieces.map((piece) => (piece.kind === "string" ? '""' : piece.text)).join("");
  const words = pieces.filter(({ kind }) => kind === "name").map((piece) => piece.text);
  return { language: "programs", length: text.length, words, forms: formsIn(bare, PROGRAM_FORMS) };
}

function sqlForms(text: string, dialect: string | undefined): TextForms {
  const words = lexSql(text, dialect)
    .filter(({ kind }) => kind === "word" || kind === "quoted")
    .map((token) => token.text.toLowerCase());
  const bare = text.replace(/'[^']*'/g, "''");
  return { language: "SQL", length: text.length, words, forms: formsIn(bare, SQL_FORMS) };
}

/** The texts of a row's code, with their forms. Of a pair that people wrote, each text is counted by one of its rows. */
export function textForms(row: Row): TextForms[] {
  const { program, sql } = TASKS[row.task].claims(row);
  const found: TextForms[] = [];
  const twin = isWritten(row) && row.task === "ibis_to_sql";
  if (program !== undefined && !twin) found.push(programForms(program));
  if (sql !== undefined && !twin) found.push(sqlForms(sql, row.fields.dialect));
  return found;
}
