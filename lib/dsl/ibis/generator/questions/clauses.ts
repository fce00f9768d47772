/** What a program does, a clause a step: plain data that questions and comments are phrased from. */

/** A value that a step computes, and the column's name that holds it. */
export interface Computed {
  english: string;
  name: string;
}

export type Clause =
  | { kind: "filter"; conditions: string[] }
  /** Values for each group, or for all rows where there are no keys; `having` is a condition on groups. */
  | { kind: "summary"; values: Computed[]; keys: string[]; having?: string }
  | { kind: "add"; value: Computed }
  | { kind: "select"; columns: string[] }
  | { kind: "order"; column: string; down: boolean; then: string[] }
  | { kind: "limit"; count: number; skip?: number }
  /** `join` is an inner one; `conditions` say which rows of the table. */
  | { kind: "join"; verb: string; table: string; on: string; conditions: string[] }
  /** `text` is in the imperative. */
  | { kind: "other"; text: string };

const all = (parts: readonly string[]): string => parts.join(" and ");
const named = ({ english, name }: Computed): string => `${english} as ${name}`;
export const firstRows = (count: number): string => (count === 1 ? "row" : `${count} rows`);

/** The clause in the imperative, with the names of what it computes. */
export function inWords(clause: Clause): string {
  switch (clause.kind) {
    case "filter":
      return `keep rows where ${all(clause.conditions)}`;
    case "summary": {
      const groups = clause.keys.length === 0 ? "" : ` for each ${all(clause.keys)}`;
      const having = clause.having === undefined ? "" : ` where ${clause.having}`;
      return `compute ${all(clause.values.map(named))}${groups}${having}`;
    }
    case "add":
      return `add ${clause.value.name} as ${clause.value.english}`;
    case "select":
      return `select ${all(clause.columns)}`;
    case "order": {
      const then = clause.then.length > 0 ? ` and then by ${all(clause.then)}` : "";
      return `sort by ${clause.column}${clause.down ? " in descending order" : ""}${then}`;
    }
    case "limit": {
      const skip = clause.skip === undefined ? "" : `skip the first ${firstRows(clause.skip)} and `;
      return `${skip}take the ${clause.skip === undefined ? "first" : "next"} ${firstRows(clause.count)}`;
    }
    case "join": {
      const rows = clause.conditions.length === 0 ? "" : ` where ${all(clause.conditions)}`;
      return `${clause.verb} ${rows === "" ? "" : "the "}${clause.table}${rows} on ${clause.on}`;
    }
    case "other":
      return clause.text;
  }
}
