/** Calls with other arguments than their signatures have, values of types that do not go together, and broken syntax. */
import {
  columnIn,
  misspell,
  named,
  replaceOne,
  rewriteCall,
  rewriteNamed,
  stringIn,
  type Mistake,
} from "./rewrite.js";

const missingArgument: Mistake = (correct) =>
  rewriteNamed(correct, ["between", "replace", "substr", "lpad", "rpad"], (args, { name }) => {
    if (args.length !== 2) return undefined;
    const list = correct.random.chance(0.5) ? `(${args.join(", ")})` : `[${args.join(", ")}]`;
    return `.${name}(${list})`;
  });

/** A list's items as arguments of their own. */
const surplusArguments: Mistake = (correct) =>
  rewriteNamed(correct, ["isin", "notin"], ([list], { name }) => {
    const items = /^\[(.*,.*)\]$/.exec(list ?? "")?.[1];
    return items === undefined ? undefined : `.${name}(${items})`;
  });

const surplusArgument: Mistake = (correct) => {
  const { random, tables } = correct;
  const column = random.pick(tables[0]?.columns.map(({ name }) => name) ?? ["id"]);
  return rewriteNamed(
    correct,
    ["upper", "lower", "length", "abs", "count", "nunique", "year", "month", "day", "mean", "distinct"],
    (args, { name }) =>
      args.length > 0
        ? undefined
        : `.${name}(${["count", "distinct"].includes(name) ? `"${column}"` : random.pick(["True", "1"])})`,
  );
};

/** Keywords that are none, or those of parameters that have no keyword. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  limit: ["n", "count", "rows"],
  round: ["digits", "decimals", "n"],
  contains: ["sub", "pat", "text"],
  startswith: ["prefix", "pat"],
  endswith: ["suffix", "pat"],
  fill_null: ["fill", "with_"],
  cast: ["dtype", "to"],
  topk: ["n"],
  left: ["n"],
  right: ["n"],
  like: ["pat"],
  truncate: ["freq", "to"],
  strftime: ["fmt"],
};

const wrongKeyword: Mistake = (correct) =>
  rewriteNamed(correct, Object.keys(KEYWORDS), ([arg, ...others], { name }) => {
    const keywords = KEYWORDS[name] ?? [];
    if (arg === undefined || others.length > 0 || keywords.length === 0 || named(arg) !== undefined)
      return undefined;
    return `.${name}(${correct.random.pick(keywords)}=${arg})`;
  });

const listForNumber: Mistake = (correct) =>
  rewriteNamed(correct, "limit", ([count]) => (/^\d+$/.test(count ?? "") ? `.limit([${count}])` : undefined));

/** `mutate(x=…)` as `mutate("x", …)`. */
const nameAsArgument: Mistake = (correct) =>
  rewriteNamed(correct, ["mutate", "agg"], (args, { name }) => {
    const [first] = args.map(named);
    return args.length === 1 && first !== undefined ? `.${name}("${first[0]}", ${first[1]})` : undefined;
  });

/** A method that is not called, and one called on the table with a column's name. */
const uncalled: Mistake = (correct) =>
  rewriteCall(correct, ({ receiver, name, args }) => {
    const column = columnIn(receiver);
    if (column === undefined || args.length > 0) return undefined;
    return correct.random.chance(0.5) ? `${receiver}.${name}` : `_.${name}("${column}")`;
  });

const unknownType: Mistake = (correct) =>
  rewriteNamed(correct, "cast", ([type]) => {
    const text = stringIn(type);
    return text === undefined ? undefined : `.cast("${misspell(correct.random, text)}")`;
  });

const looseCases: Mistake = (correct) =>
  rewriteNamed(correct, "cases", (args) => {
    const otherwise = args.map((arg) => named(arg)?.[1]).find((value) => value !== undefined);
    const arms = args.filter((arg) => named(arg) === undefined);
    if (otherwise === undefined) return undefined;
    return correct.random.pick([
      `.cases(${[...arms, otherwise].join(", ")})`,
      `.cases(${[...arms, `default=${otherwise}`].join(", ")})`,
      `.cases(${[...arms.map((arm) => arm.slice(1, -1)), `else_=${otherwise}`].join(", ")})`,
    ]);
  });

export const SIGNATURE: readonly Mistake[] = [
  missingArgument,
  surplusArguments,
  surplusArgument,
  wrongKeyword,
  wrongKeyword,
  listForNumber,
  nameAsArgument,
  uncalled,
  unknownType,
  looseCases,
];

/** A number in quotes, as read from a file. */
const numberAsText: Mistake = (correct) =>
  replaceOne(
    correct,
    /((?:_\.\w+|\)) (?:[<>]=?|[=!]=|[-+*/]) )(\d+(?:\.\d+)?)(?![\d.])/g,
    ([, before, number]) => (number === undefined ? undefined : `${before}"${number}"`),
  );

const boundsAsText: Mistake = (correct) =>
  rewriteNamed(correct, "between", (args) =>
    args.length === 2 && args.every((arg) => /^[\d.]+$/.test(arg))
      ? `.between(${args.map((arg) => `"${arg}"`).join(", ")})`
      : undefined,
  );

/** `"2024-05-01"` as 2024-05-01 or 20240501. */
const dateAsNumber: Mistake = (correct) =>
  replaceOne(correct, /((?:[<>]=?|[=!]=) )"(\d{4})-(\d\d)-(\d\d)"/g, ([, before, ...parts]) =>
    correct.random.chance(0.3) ? before + parts.slice(0, 3).join("-") : before + parts.slice(0, 3).join(""),
  );

/** A condition on a boolean as on a text. */
const booleanAsText: Mistake = (correct) => {
  const flags = correct.tables.flatMap(({ columns }) =>
    columns.filter(({ type }) => type === "boolean").map(({ name }) => name),
  );
  return replaceOne(correct, /(~?)_\.(\w+)(?=[,)])/g, ([, not, name = ""]) =>
    flags.includes(name) ? `_.${name} == "${not === "" ? "true" : "false"}"` : undefined,
  );
};

export const INCOMPATIBLE_TYPES: readonly Mistake[] = [
  numberAsText,
  numberAsText,
  boundsAsText,
  dateAsNumber,
  booleanAsText,
];

const missingBracket: Mistake = (correct) =>
  correct.random.chance(0.5) && correct.text.endsWith(")")
    ? correct.text.slice(0, -1)
    : replaceOne(correct, /\)\./g, () => ".");
const surplusBracket: Mistake = ({ text }) => `${text})`;
const missingComma: Mistake = (correct) => replaceOne(correct, /, /g, () => " ");
const missingQuote: Mistake = (correct) => replaceOne(correct, /"(\w+)"/g, ([, word]) => `"${word}`);
const missingDot: Mistake = (correct) =>
  replaceOne(correct, /\)\.(?=[a-z])/g, () => (correct.random.chance(0.5) ? ") " : ").."));

export const SYNTAX: readonly Mistake[] = [
  missingBracket,
  missingBracket,
  surplusBracket,
  missingComma,
  missingQuote,
  missingDot,
];
