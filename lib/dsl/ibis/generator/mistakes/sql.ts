/** What people write who know SQL. */
import {
  bare,
  columnIn,
  named,
  reductionIn,
  replaceOne,
  rewriteCall,
  rewriteNamed,
  stringIn,
  type Mistake,
} from "./rewrite.js";

const operators: Mistake = (correct) =>
  replaceOne(correct, / (==|!=|&|\|) /g, ([, op = ""]) => {
    const written = { "==": "=", "!=": "<>", "&": "AND", "|": "OR" }[op];
    return written && ` ${written} `;
  });

const SQL_NAMES: Readonly<Record<string, string>> = { mean: "avg", std: "stddev" };

/** An aggregate as SQL writes it, in quotes or bare. */
const aggregates: Mistake = (correct) =>
  rewriteNamed(correct, "agg", (args) => {
    const written = args.map((arg) => {
      const [name, value] = named(arg) ?? ["", ""];
      const found = reductionIn(value);
      if (value === "_.count()")
        return `${name}=${correct.random.pick(["count(*)", '"count(*)"', "_.count(*)"])}`;
      if (found === undefined) return arg;
      const { column, reduction } = found;
      if (reduction === "nunique") return `${name}="count(distinct ${column})"`;
      return `${name}="${SQL_NAMES[reduction] ?? reduction}(${column})"`;
    });
    return written.join() === args.join() ? undefined : `.agg(${written.join(", ")})`;
  });

/** The operator with its NULL, LIKE, BETWEEN, IN between the operands. */
const predicates: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    if (columnIn(receiver) === undefined) return undefined;
    const [first = "", second] = args;
    switch (name) {
      case "isnull":
        return receiver + correct.random.pick([" is null", " IS NULL", " == NULL", " == null"]);
      case "notnull":
        return receiver + correct.random.pick([" is not null", " IS NOT NULL", " != NULL"]);
      case "like":
        return `${receiver} like ${first}`;
      case "startswith":
        return `${receiver} like ${first.replace(/"$/, '%"')}`;
      case "contains":
        return `${receiver} like ${first.replace(/^"(.*)"$/, '"%$1%"')}`;
      case "between":
        return second && `${receiver} between ${first} and ${second}`;
      case "isin":
        return `${receiver} IN (${first.slice(1, -1)})`;
      default:
        return undefined;
    }
  });

/** A condition or a list of columns in one text. */
const clauses: Mistake = (correct) =>
  rewriteNamed(
    correct,
    ["filter", "select", "group_by", "order_by", "distinct"],
    (args, { name, receiver }) => {
      const names = args.map(stringIn);
      if (name === "filter" && args.length === 1 && args[0]?.includes("(") !== true) {
        const text = bare(args[0] ?? "")
          .replace(/ == /g, " = ")
          .replace(/"/g, "'");
        return correct.random.pick([`.filter("${text}")`, `.where("${text}")`]);
      }
      if (names.length > 1 && !names.includes(undefined)) return `.${name}("${names.join(", ")}")`;
      return name === "distinct" && args.length === 0 && /\.select\([^()]*\)$/.test(receiver)
        ? ".select_distinct()"
        : undefined;
    },
  );

/** A condition on groups, behind them. */
const having: Mistake = (correct) =>
  rewriteNamed(correct, "filter", (args, { receiver }) =>
    /\.agg\(.*\)$/.test(receiver) ? `.having(${args.join(", ")})` : undefined,
  );

const functions: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    if (columnIn(receiver) === undefined) return undefined;
    const called = { mean: "avg", length: "len", upper: "upper", lower: "lower", round: "round_" }[name];
    if (name === "cast") return `cast(${receiver} as ${stringIn(args[0]) ?? "int"})`;
    if (name === "mean" && correct.random.chance(0.5)) return `${receiver}.avg()`;
    return called === undefined || args.length > 0 ? undefined : `${called}(${receiver})`;
  });

const windows: Mistake = (correct) => replaceOne(correct, /\bgroup_by=/g, () => "partition_by=");

export const SQL: readonly Mistake[] = [
  operators,
  aggregates,
  aggregates,
  predicates,
  predicates,
  clauses,
  having,
  functions,
  windows,
];
