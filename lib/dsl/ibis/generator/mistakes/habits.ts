/** What people write who know Python, or an older Ibis: truth values of columns, orders, renamed and removed methods. */
import { columnIn, named, replaceOne, rewriteCall, rewriteNamed, stringIn, type Mistake } from "./rewrite.js";

const andOr: Mistake = (correct) =>
  replaceOne(correct, / ([&|]) /g, ([, op]) => (op === "&" ? " and " : " or "));
const conditionsByAnd: Mistake = (correct) =>
  rewriteNamed(correct, "filter", (args) => (args.length > 1 ? `.filter(${args.join(" and ")})` : undefined));
const not: Mistake = (correct) => replaceOne(correct, /~(?=_\.|\()/g, () => "not ");
const membership: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    if (columnIn(receiver) === undefined || !["isin", "notin"].includes(name)) return undefined;
    return `${receiver} ${name === "isin" ? "in" : "not in"} ${args.join(", ")}`;
  });
const chainedComparison: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) =>
    name === "between" && args.length === 2 ? `${args[0]} <= ${receiver} <= ${args[1]}` : undefined,
  );
const conditional: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) =>
    name === "ifelse" && args.length === 2
      ? `${args[0]} if ${receiver.replace(/^\((.*)\)$/, "$1")} else ${args[1]}`
      : undefined,
  );

export const TRUTH_VALUE: readonly Mistake[] = [
  andOr,
  conditionsByAnd,
  not,
  membership,
  chainedComparison,
  conditional,
];

/** Of `order_by(ibis.desc("x"))` the name, else undefined. */
const descending = (arg: string | undefined): string | undefined =>
  /^ibis\.desc\("(\w+)"\)$/.exec(arg ?? "")?.[1];

const order: Mistake = (correct) =>
  rewriteNamed(correct, "order_by", ([key, ...others]) => {
    const down = descending(key);
    const up = stringIn(key);
    const { random } = correct;
    if (others.length > 0) return undefined;
    if (down !== undefined) {
      return `.order_by${random.pick([
        `("${down}", ascending=False)`,
        `("${down}", desc=True)`,
        `("${down}", descending=True)`,
        `("${down}", reverse=True)`,
        `(desc("${down}"))`,
        `("${down} desc")`,
        `("${down} DESC")`,
        `("${down}", "desc")`,
        `("-${down}")`,
        `(-"${down}")`,
        `("${down}".desc())`,
        `(_.desc("${down}"))`,
        `(_.${down}.desc)`,
        `(ibis.descending("${down}"))`,
        `([("${down}", False)])`,
        `("${down}").desc()`,
      ])}`;
    }
    if (up === undefined) return undefined;
    return `.order_by${random.pick([
      `("${up}", ascending=True)`,
      `(asc("${up}"))`,
      `("${up} asc")`,
      `("${up}", "asc")`,
      `("${up}".asc())`,
      `(ibis.ascending("${up}"))`,
      `("${up}").asc()`,
    ])}`;
  });

export const ORDERING: readonly Mistake[] = [order];

/** Names of Ibis 9 and before that Ibis has no more. */
const formerName: Mistake = (correct) =>
  rewriteNamed(correct, ["order_by", "group_by", "rename", "mutate", "drop"], (args, { name }) => {
    const list = args.join(", ");
    const [first] = args.map(named);
    switch (name) {
      case "order_by": {
        const down = descending(args[0]);
        const sort = correct.random.pick([`.sort_by(${list})`, down && `.sort_by(("${down}", False))`]);
        return sort === "" ? undefined : sort;
      }
      case "group_by":
        return `.groupby(${list})`;
      case "rename":
        return first === undefined ? undefined : `.relabel({${first[1]}: "${first[0]}"})`;
      case "mutate":
        return first === undefined || args.length > 1 ? undefined : `.set_column("${first[0]}", ${first[1]})`;
      default:
        return undefined;
    }
  });

/** The builder of cases, and `ibis.where` for what `ifelse` is now. */
const formerCases: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    if (name === "ifelse" && args.length === 2) {
      return `ibis.where(${[receiver.replace(/^\((.*)\)$/, "$1"), ...args].join(", ")})`;
    }
    if (name !== "cases" || receiver !== "ibis") return undefined;
    const otherwise = args.map((arg) => named(arg)?.[1]).find((value) => value !== undefined);
    const arms = args.filter((arg) => named(arg) === undefined).map((arm) => `.when(${arm.slice(1, -1)})`);
    return otherwise === undefined ? undefined : `ibis.case()${arms.join("")}.else_(${otherwise}).end()`;
  });

export const OLDER_VERSION: readonly Mistake[] = [formerName, formerName, formerCases];

/** What other dataframe libraries call it. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  group_by: ["groupBy", "groupby"],
  order_by: ["sort", "orderBy", "arrange"],
  agg: ["summarize", "summarise"],
  mutate: ["with_columns", "withColumn"],
  filter: ["where"],
  distinct: ["drop_duplicates", "dropDuplicates", "unique"],
  limit: ["take_rows", "slice_head"],
  isnull: ["is_null", "isNull"],
  notnull: ["is_not_null", "isNotNull"],
  isin: ["is_in", "in_"],
  startswith: ["starts_with"],
  endswith: ["ends_with"],
  upper: ["to_uppercase"],
  lower: ["to_lowercase"],
  length: ["len_chars", "nchar"],
  nunique: ["n_unique", "n_distinct", "countDistinct"],
  mean: ["avg"],
  rename: ["with_column_renamed", "withColumnRenamed"],
  union: ["vstack", "unionAll"],
  count: ["n_rows", "tally"],
  lag: ["shift"],
  cumsum: ["cum_sum"],
  abs: ["absolute"],
};

const otherLibrary: Mistake = (correct) =>
  rewriteNamed(correct, Object.keys(FOREIGN), (args, { name }) => {
    const others = FOREIGN[name];
    return others && `.${correct.random.pick(others)}(${args.join(", ")})`;
  });

export const OTHER_LIBRARY: readonly Mistake[] = [otherLibrary];
