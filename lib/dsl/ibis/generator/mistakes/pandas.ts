/** What people write who know pandas. */
import {
  bare,
  columnIn,
  named,
  reductionIn,
  rewriteCall,
  rewriteNamed,
  callsIn,
  stringIn,
  type Mistake,
} from "./rewrite.js";

/** `_.price > 3` as it stands in `df[...]`, of the table that the steps so far give. */
const filter: Mistake = (correct) =>
  rewriteNamed(correct, "filter", ([condition = "", ...more], { receiver }) => {
    const own = /^\w+$/.test(receiver) ? condition.replace(/\b_\./g, `${receiver}.`) : condition;
    if (more.length > 0) return undefined;
    return correct.random.pick([
      `.loc[${own}]`,
      `.query(${bare(condition).includes('"') ? `'${bare(condition)}'` : `"${bare(condition)}"`})`,
      `[${bare(condition)}]`,
    ]);
  });

const aggregation: Mistake = (correct) =>
  rewriteNamed(correct, ["agg"], (args, { receiver }) => {
    const metrics = args.map((arg) => {
      const [name, value] = named(arg) ?? ["", ""];
      const found = reductionIn(value);
      // The others read the pair as columns.
      return found === undefined || !["sum", "mean", "std"].includes(found.reduction)
        ? undefined
        : `${name}=("${found.column}", "${found.reduction}")`;
    });
    const group = callsIn(receiver).find(({ start, end }) => start === 0 && end === receiver.length);
    if (group?.name !== "group_by" || metrics.length === 0 || metrics.includes(undefined)) return undefined;
    return `.agg(${metrics.join(", ")})`;
  });

/** `groupby("a")["b"].sum()` says all but the name, which the schema of the answer then has to say. */
const groupby: Mistake = (correct) =>
  rewriteNamed(correct, ["group_by"], (args) =>
    args.every((arg) => stringIn(arg) !== undefined)
      ? `.groupby(${args.length === 1 ? args[0] : `[${args.join(", ")}]`})`
      : undefined,
  );

const sort: Mistake = (correct) =>
  rewriteNamed(correct, "order_by", ([key = ""]) => {
    const down = /^ibis\.desc\("(\w+)"\)$/.exec(key)?.[1];
    const up = stringIn(key);
    if (down !== undefined)
      return correct.random.pick([
        `.sort_values("${down}", ascending=False)`,
        `.sort_values(by="${down}", ascending=False)`,
        `.order_by(by="${down}", ascending=False)`,
      ]);
    return up === undefined
      ? undefined
      : correct.random.pick([`.sort_values("${up}")`, `.sort_values(by="${up}")`]);
  });

const merge: Mistake = (correct) =>
  rewriteNamed(correct, "join", ([other, key, ...options]) =>
    stringIn(key) === undefined ? undefined : `.merge(${[other, `on=${key}`, ...options].join(", ")})`,
  );

const steps: Mistake = (correct) =>
  rewriteNamed(correct, ["mutate", "rename", "drop", "distinct", "limit", "union", "count"], (args, call) => {
    const list = args.join(", ");
    const [first] = args.map(named);
    switch (call.name) {
      case "mutate":
        return `.assign(${list})`;
      case "rename":
        return first && `.rename(columns={${first[1]}: "${first[0]}"})`;
      case "drop":
        return correct.random.pick([`.drop(columns=[${list}])`, `.drop(${list}, axis=1)`]);
      case "distinct":
        return args.length === 0 ? ".drop_duplicates()" : undefined;
      case "limit":
        return args.length === 1 ? `.iloc[:${list}]` : undefined;
      default:
        return undefined;
    }
  });

/** `t["b"] = t["a"] * 2`, then the rest. */
const assignment: Mistake = (correct) => {
  const root = correct.tables[0]?.name ?? "";
  const [mutate] = callsIn(correct.text).filter(
    ({ name, receiver, args }) => name === "mutate" && receiver === root && args.length === 1,
  );
  const [name, value] = named(mutate?.args[0] ?? "") ?? [];
  if (mutate === undefined || name === undefined || value === undefined) return undefined;
  const own = value.replace(/\b_\.(\w+)/g, `${root}["$1"]`);
  return `${root}["${name}"] = ${own}\n${root}${correct.text.slice(mutate.end)}`;
};

/** Accessors and methods of a Series. */
const SERIES: Readonly<Record<string, string>> = {
  upper: ".str.upper",
  lower: ".str.lower",
  length: ".str.len",
  contains: ".str.contains",
  startswith: ".str.startswith",
  endswith: ".str.endswith",
  replace: ".str.replace",
  isnull: ".isna",
  notnull: ".notna",
  cast: ".astype",
  lag: ".shift",
  strftime: ".dt.strftime",
};
const PARTS = ["year", "month", "day", "hour", "minute", "quarter"];

const series: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    if (columnIn(receiver) === undefined) return undefined;
    if (PARTS.includes(name) && args.length === 0) return `${receiver}.dt.${name}`;
    const method = SERIES[name];
    return method && `${receiver}${method}(${args.join(", ")})`;
  });

/** Functions of modules: the length, a concatenation, numpy's choice. */
const functions: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args, start, end }) => {
    if (name === "count" && args.length === 0 && start === 0 && end === correct.text.length)
      return correct.random.chance(0.5) ? `len(${receiver})` : `${receiver}.shape[0]`;
    if (name === "union" && args.length === 1) return `pd.concat([${receiver}, ${args[0]}])`;
    if (name === "ifelse" && args.length === 2)
      return `np.where(${[receiver.replace(/^\((.*)\)$/, "$1"), ...args].join(", ")})`;
    return undefined;
  });

export const PANDAS: readonly Mistake[] = [
  filter,
  filter,
  aggregation,
  groupby,
  sort,
  merge,
  steps,
  assignment,
  series,
  functions,
];
