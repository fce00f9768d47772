/**
 * The mistakes that people and models make in Ibis, as rewrites of a correct program. A mutant is kept only if the
 * real compiler refuses it; its exception is the row's error.
 */
import type { Random } from "../../../data/random.js";
import type { Program } from "./programs.js";
import { write } from "./syntax.js";

export interface Mutant {
  text: string;
  mistake: string;
}

type Mutator = (random: Random, text: string, program: Program) => string | undefined;

/** Two neighbours swapped, a letter dropped, doubled or added: never the same word. */
function misspell(random: Random, word: string): string {
  for (;;) {
    const at = random.below(Math.max(1, word.length - 1));
    const letter = word[at] as string;
    const next = word[at + 1] ?? "";
    const out = random.pick([
      word.slice(0, at) + next + letter + word.slice(at + 2),
      word.slice(0, at + 1) + word.slice(at + 2),
      word.slice(0, at) + letter + word.slice(at),
      word.endsWith("s") ? word.slice(0, -1) : `${word}s`,
    ]);
    if (out !== word && /^[a-z_]\w*$/i.test(out)) return out;
  }
}

/** Replaces one of the matches; `make` returns undefined to leave it. */
function replaceOne(
  random: Random,
  text: string,
  pattern: RegExp,
  make: (match: RegExpMatchArray) => string | undefined,
): string | undefined {
  const options = [...text.matchAll(pattern)].flatMap((match) => {
    const replacement = make(match);
    return replacement === undefined ? [] : [{ match, replacement }];
  });
  if (options.length === 0) return undefined;
  const { match, replacement } = random.pick(options);
  return text.slice(0, match.index) + replacement + text.slice(match.index + match[0].length);
}

/** What other libraries call it. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  group_by: ["groupby", "groupBy"],
  order_by: ["sort_values", "orderBy", "sort"],
  agg: ["summarize", "summarise"],
  mutate: ["assign", "with_columns", "withColumn"],
  filter: ["where", "query"],
  select: ["project_columns", "loc"],
  distinct: ["drop_duplicates", "unique"],
  limit: ["take_rows", "top"],
  fill_null: ["fillna"],
  drop_null: ["dropna"],
  isnull: ["isna", "is_null"],
  notnull: ["notna", "is_not_null"],
  isin: ["is_in", "in_"],
  startswith: ["starts_with", "str.startswith"],
  endswith: ["ends_with", "str.endswith"],
  contains: ["str.contains"],
  upper: ["str.upper", "to_uppercase"],
  lower: ["str.lower", "to_lowercase"],
  length: ["len", "str.len"],
  nunique: ["n_unique", "count_distinct"],
  mean: ["avg", "average"],
  std: ["stddev"],
  cast: ["astype"],
  year: ["dt.year"],
  month: ["dt.month"],
  join: ["merge"],
  rename: ["rename_columns"],
  union: ["concat", "union_all"],
  count: ["size"],
};

const columnNames = (program: Program): Set<string> =>
  new Set(program.schema.tables.flatMap((table) => table.columns.map((column) => column.name)));

const MUTATORS: Readonly<Record<string, Mutator>> = {
  misspelt_column: (random, text, program) => {
    const names = columnNames(program);
    return replaceOne(random, text, /(_\.|")(\w+)/g, ([, before, name]) =>
      names.has(name as string) ? `${before}${misspell(random, name as string)}` : undefined,
    );
  },
  misspelt_method: (random, text) =>
    replaceOne(random, text, /\.(\w+)\(/g, ([, name]) =>
      (name as string).length > 2 ? `.${misspell(random, name as string)}(` : undefined,
    ),
  foreign_method: (random, text) =>
    replaceOne(random, text, /\.(\w+)\(/g, ([, name]) => {
      const others = FOREIGN[name as string];
      return others === undefined ? undefined : `.${random.pick(others)}(`;
    }),
  foreign_descending: (random, text) =>
    replaceOne(random, text, /order_by\(ibis\.desc\((\w+|"\w+")\)\)/g, ([, key]) =>
      random.pick([
        `order_by(${key}, ascending=False)`,
        `order_by(${key}, desc=True)`,
        `order_by(desc(${key}))`,
      ]),
    ),
  missing_bracket: (random, text) =>
    random.chance(0.5) && text.endsWith(")")
      ? text.slice(0, -1)
      : replaceOne(random, text, /\)\./g, () => "."),
  misspelt_table: (random, text, program) => {
    const name = program.schema.tables[0]?.name ?? "";
    const wrong =
      name.length > 3 && random.chance(0.7) ? misspell(random, name) : random.pick(["df", "tbl", "data"]);
    return text.startsWith(name) && wrong !== name ? wrong + text.slice(name.length) : undefined;
  },
  bare_name: (random, text) =>
    random.chance(0.5)
      ? replaceOne(random, text, /"(\w+)"(?=[,)])/g, ([, name]) => name)
      : replaceOne(random, text, /_\.(\w+)(?= [<>=!])/g, ([, name]) => name),
  assignment_for_equality: (random, text) => replaceOne(random, text, / == /g, () => " = "),
  python_and_or: (random, text) =>
    replaceOne(random, text, / ([&|]) /g, ([, op]) => (op === "&" ? " and " : " or ")),
  column_as_text: (random, text) =>
    replaceOne(random, text, /_\.(\w+)(?=\.\w+\()/g, ([, name]) => `"${name}"`),
  text_added_up: (random, text, program) => {
    const texts = program.schema.tables.flatMap((table) => table.columns.filter((c) => c.kind === "str"));
    if (texts.length === 0) return undefined;
    return replaceOne(random, text, /_\.(\w+)\.(sum|mean|std)\(/g, ([, name, reduction]) =>
      texts.some((column) => column.name === name) ? undefined : `_.${random.pick(texts).name}.${reduction}(`,
    );
  },
  missing_comma: (random, text) => replaceOne(random, text, /, /g, () => " "),
};

/** A program's text with one mistake, or undefined when the one drawn does not apply to it. */
export function mutateProgram(random: Random, program: Program): Mutant | undefined {
  const text = write(program.node);
  const [mistake, mutator] = random.pick(Object.entries(MUTATORS));
  const mutant = mutator(random, text, program);
  return mutant === undefined || mutant === text ? undefined : { text: mutant, mistake };
}

export const MISTAKES: readonly string[] = Object.keys(MUTATORS);
