/** Names that are not there: misspelt, of the wrong case, or without what makes a name of a column one. */
import { callsIn, columnIn, misspell, replaceOne, rewriteNamed, stringIn, type Mistake } from "./rewrite.js";

const columnNames = (tables: Parameters<Mistake>[0]["tables"]): Set<string> =>
  new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)));

const misspeltColumn: Mistake = (correct) => {
  const names = columnNames(correct.tables);
  return replaceOne(correct, /(_\.|")(\w+)/g, ([, before, name = ""]) => {
    if (!names.has(name)) return undefined;
    const other = correct.random.chance(0.15)
      ? (name[0] as string).toUpperCase() + name.slice(1)
      : misspell(correct.random, name);
    return names.has(other) || other === name ? undefined : before + other;
  });
};

const misspeltMethod: Mistake = (correct) =>
  replaceOne(correct, /\.(\w+)\(/g, ([, name = ""]) =>
    name.length > 2 ? `.${misspell(correct.random, name)}(` : undefined,
  );

const misspeltTable: Mistake = ({ random, text, tables }) => {
  const name = tables[0]?.name ?? "";
  const wrong =
    name.length > 3 && random.chance(0.7) ? misspell(random, name) : random.pick(["df", "tbl", "data"]);
  return text.startsWith(name) && wrong !== name ? wrong + text.slice(name.length) : undefined;
};

/** `"region"` as `region`, `_.price > 3` as `price > 3`. */
const bareName: Mistake = (correct) =>
  correct.random.chance(0.5)
    ? replaceOne(correct, /"(\w+)"(?=[,)])/g, ([, name]) => name)
    : replaceOne(correct, /_\.(\w+)(?= [<>=!])/g, ([, name]) => name);

/** `_.price.sum()` as `sum(_.price)`, and `cast("int64")` as `cast(int64)`. */
const function_: Mistake = (correct) =>
  rewriteNamed(correct, ["upper", "lower", "mean", "nunique", "std", "cast"], (args, call) => {
    if (call.name === "cast") return args[0] === undefined ? undefined : `.cast(${stringIn(args[0]) ?? "x"})`;
    return undefined;
  }) ??
  replaceOne(correct, /(_\.\w+)\.(mean|nunique|upper|lower|std|month|year)\(\)/g, ([, column, name]) =>
    name === undefined ? undefined : `${name}(${column})`,
  );

/** A string where a column is meant: `"price".sum()`. */
const textForColumn: Mistake = (correct) => {
  const methods = callsIn(correct.text).filter(({ receiver }) => columnIn(receiver) !== undefined);
  if (methods.length === 0) return undefined;
  const { start, receiver } = correct.random.pick(methods);
  const rest = correct.text.slice(start + receiver.length);
  return `${correct.text.slice(0, start)}"${columnIn(receiver)}"${rest}`;
};

export const UNKNOWN_COLUMN: readonly Mistake[] = [misspeltColumn];
export const UNKNOWN_METHOD: readonly Mistake[] = [misspeltMethod];
export const UNKNOWN_NAME: readonly Mistake[] = [misspeltTable, bareName, bareName, function_, textForColumn];
