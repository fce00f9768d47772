/** Mistakes about what a step's table has: columns of other tables, groups, set operations, joins. */
import {
  callsIn,
  misspell,
  named,
  reductionIn,
  rewriteCall,
  rewriteNamed,
  replaceOne,
  stringIn,
  type Call,
  type Correct,
  type Mistake,
} from "./rewrite.js";

/** A column that an earlier step made, asked of the table of the program's beginning. */
const columnOfTheFirst: Mistake = (correct) => {
  const [root] = correct.tables;
  const made = new Set([...correct.text.matchAll(/[(,] ?(\w+)=(?!=)/g)].map(([, name]) => name));
  for (const column of root?.columns ?? []) made.delete(column.name);
  return replaceOne(correct, /\b_\.(\w+)(?!\w*\()/g, ([, name = ""]) =>
    root !== undefined && made.has(name) ? `${root.name}.${name}` : undefined,
  );
};

/** The condition on the other table before the join that brings it. */
const beforeTheJoin: Mistake = ({ text, tables }) => {
  const steps = chain(text);
  const [join, filter] = steps;
  const [root, other] = tables;
  if (join === undefined || filter === undefined || root === undefined || other === undefined)
    return undefined;
  if (join.name !== "join" || filter.name !== "filter" || join.receiver !== root.name) return undefined;
  const own = new Set(root.columns.map(({ name }) => name));
  const gained = other.columns.map(({ name }) => name).filter((name) => !own.has(name));
  const used = [...filter.args.join(" ").matchAll(/\b_\.(\w+)/g)].map(([, name = ""]) => name);
  if (used.length === 0 || !used.every((name) => gained.includes(name))) return undefined;
  const conditions = filter.args.map((arg) => arg.replace(/\b_\./g, `${other.name}.`));
  const rest = text.slice(filter.end);
  return `${root.name}.filter(${conditions.join(", ")}).join(${join.args.join(", ")})${rest}`;
};

export const FOREIGN_COLUMN: readonly Mistake[] = [columnOfTheFirst, columnOfTheFirst, beforeTheJoin];

/** The steps from the table on: those calls of which each is the receiver of the next. */
function chain(text: string): Call[] {
  return callsIn(text)
    .filter(({ start, receiver }) => start === 0 && receiver !== "")
    .sort((a, b) => a.end - b.end);
}

/** Grouping and the aggregation that follows it; `make` gives the text of both, with what they stand on. */
function rewriteGrouped(
  correct: Correct,
  make: (keys: string[], metrics: string[], on: string) => string | undefined,
): string | undefined {
  return rewriteCall(correct, ({ name, receiver, args }) => {
    const group = last(receiver);
    if (name !== "agg" || args.length === 0 || group?.name !== "group_by" || group.args.length === 0)
      return undefined;
    return make(group.args, args, group.receiver);
  });
}

/** The call that a text of steps ends with. */
const last = (text: string): Call | undefined =>
  callsIn(text).find(({ start, end }) => start === 0 && end === text.length);

/** The keys as metrics, or the groups after their aggregation. */
const misplacedGroup: Mistake = (correct) =>
  rewriteGrouped(correct, (keys, metrics, on) => {
    const asColumns = keys.map((key) => `_.${stringIn(key) ?? "x"}`);
    const forms = [
      `.agg(${[...keys, ...metrics].join(", ")})`,
      `.agg(${[...asColumns, ...metrics].join(", ")})`,
      `.agg(${metrics.join(", ")}).group_by(${keys.join(", ")})`,
    ];
    return on + correct.random.pick(forms);
  });

/** A filter of rows between the grouping and its aggregation. */
const filterOfGroups: Mistake = (correct) =>
  rewriteGrouped(correct, (keys, metrics, on) => {
    const filter = last(on);
    if (filter?.name !== "filter") return undefined;
    const conditions = `.group_by(${keys.join(", ")}).filter(${filter.args.join(", ")})`;
    return `${filter.receiver}${conditions}.agg(${metrics.join(", ")})`;
  });

/** What is to be computed is said by the name alone. */
const REDUCTION_NAMES: Readonly<Record<string, string>> = {
  total: "sum",
  avg: "mean",
  max: "max",
  min: "min",
};
const missingReduction: Mistake = (correct) =>
  rewriteNamed(correct, "agg", (args) => {
    const wrong = args.map((arg) => {
      const [name = "", value = ""] = named(arg) ?? [];
      const found = reductionIn(value);
      const told = found !== undefined && REDUCTION_NAMES[name.slice(found.column.length + 1)];
      return found !== undefined && told === found.reduction ? `${name}=_.${found.column}` : arg;
    });
    return wrong.join() === args.join() ? undefined : `.agg(${wrong.join(", ")})`;
  });

export const MISSING_GROUPING: readonly Mistake[] = [
  misplacedGroup,
  misplacedGroup,
  filterOfGroups,
  missingReduction,
];

/** One side of a set operation without a step that the other has. */
const unequalSides: Mistake = (correct) =>
  rewriteNamed(correct, ["union", "intersect", "difference"], ([other, ...options], { name }) => {
    if (other === undefined) return undefined;
    const without = rewriteCall({ ...correct, text: other }, (call) =>
      call.start === 0 && ["mutate", "rename", "drop", "select"].includes(call.name)
        ? call.receiver
        : undefined,
    );
    return without === undefined ? undefined : `.${name}(${[without, ...options].join(", ")})`;
  });

/** Several tables at once, or one that is named by a text. */
const sidesAsList: Mistake = (correct) =>
  rewriteNamed(correct, ["union", "intersect", "difference"], ([other, ...options], { name }) => {
    if (other === undefined) return undefined;
    if (options[0]?.startsWith("distinct=") === true && correct.random.chance(0.5))
      return `.${name}(${other}, ${options[0].replace("distinct=", "")})`;
    return `.${name}([${other}]${options.map((option) => `, ${option}`).join("")})`;
  });

export const SET_SCHEMA: readonly Mistake[] = [unequalSides, unequalSides, sidesAsList];

const JOINS = ["join", "left_join", "semi_join", "anti_join", "inner_join", "outer_join"];

const joinKeys: Mistake = (correct) =>
  rewriteNamed(correct, JOINS, ([other = "", ...rest], call) => {
    const key = stringIn(rest[0]);
    const options = rest.slice(1);
    const how = named(options[0] ?? "");
    const root = correct.tables[0]?.name ?? "";
    const tail = options.map((option) => `, ${option}`).join("");
    if (key === undefined || !/^\w+$/.test(other)) return undefined;
    const { random } = correct;
    const forms = [
      `(${other}, on="${key}"${tail})`,
      `(${other}, left_on="${key}", right_on="${key}"${tail})`,
      `("${other}", "${key}"${tail})`,
      `(${other}, "${misspell(random, key)}"${tail})`,
      `(${other}, ${root}.${key} = ${other}.${key}${tail})`,
      `(${other}, "${other}.${key}"${tail})`,
      `(${other}, using="${key}"${tail})`,
      `(${other}, ${other}.${key}${tail})`,
    ];
    if (how?.[0] === "how")
      forms.push(`(${other}, "${key}", ${how[1]})`, `(${other}, "${key}", type=${how[1]})`);
    return `.${call.name}${random.pick(forms)}`;
  });

export const JOIN_KEYS: readonly Mistake[] = [joinKeys];
