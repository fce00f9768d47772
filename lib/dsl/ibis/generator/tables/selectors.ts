/** Columns chosen by what they are, not by name: `import ibis.selectors as s`. */
import { isMeasure, isNumber, isPlain, type ScopeColumn } from "../scope.js";
import { call, keyOf, literal, mapping, nameOf, verbatim, type Node } from "../syntax.js";
import { groupKeys } from "./groups.js";
import { said, listed, step, stillUnique, withoutTable, type State } from "./state.js";

interface Selector {
  node: Node;
  english: string;
  /** The columns that it finds. */
  found: ScopeColumn[];
}

const selector = (name: string, args: readonly Node[]): Node =>
  verbatim(
    args.length === 0 ? [`s.${name}()`] : [`s.${name}(`, ...args.slice(1).map(() => ", "), ")"],
    [...args],
    [`ibis.selectors.${name}`],
  );

const operator = (left: Node, text: string, right: Node): Node =>
  verbatim(["", ` ${text} `, ""], [left, right]);

/** `s.cols("a", "b")` */
export const cols = (columns: readonly ScopeColumn[]): Node =>
  selector(
    "cols",
    columns.map(({ name }) => nameOf(name)),
  );

/** Types only of columns that the schema has: those that a step made may be of others. */
const isOfSchema = ({ role }: ScopeColumn): boolean => role !== undefined;

function byType({ columns, random }: State): Selector[] {
  const types = [...new Set(columns.map(({ type }) => type))];
  const found = types.map((type): Selector => {
    const own = columns.filter((c) => c.type === type);
    return { node: selector("of_type", [literal(type)]), english: `all columns of type ${type}`, found: own };
  });
  const isFloat = ({ kind }: ScopeColumn): boolean => kind === "float";
  if (columns.some(isFloat) && random.chance(0.5)) {
    const node = selector("where", [verbatim(["lambda c: c.type().is_floating()"])]);
    found.push({ node, english: "all floating point columns", found: columns.filter(isFloat) });
  }
  return found;
}

/** All numbers but the keys. */
function numbers({ columns }: State): Selector[] {
  const found = columns.filter(isMeasure);
  const keys = columns.filter((c) => isNumber(c.kind) && !isMeasure(c));
  const all = selector("numeric", []);
  if (keys.length === 0) return [{ node: all, english: "all numeric columns", found }];
  const but = verbatim(["~", ""], [cols(keys)]);
  return [
    {
      node: operator(all, "&", but),
      english: `all numeric columns but ${listed(keys)}`,
      found,
    },
  ];
}

function byName({ columns }: State): Selector[] {
  const ends = new Map<string, Selector>();
  const add = (method: string, words: string, part: string, test: (name: string) => boolean): void => {
    const found = columns.filter(({ name }) => test(name));
    const node = selector(method, [literal(part)]);
    ends.set(`${method} ${part}`, { node, english: `all columns whose name ${words} "${part}"`, found });
  };
  for (const { name } of columns) {
    const at = name.indexOf("_");
    if (at <= 0) continue;
    const [start, end] = [name.slice(0, at + 1), name.slice(name.lastIndexOf("_"))];
    add("startswith", "starts with", start, (one) => one.startsWith(start));
    add("endswith", "ends with", end, (one) => one.endsWith(end));
    add("contains", "contains", end.slice(1), (one) => one.includes(end.slice(1)));
    if (/^\w+$/.test(end)) {
      const pattern = `${end}$`;
      const found = columns.filter((c) => c.name.endsWith(end));
      ends.set(pattern, {
        node: selector("matches", [literal(pattern)]),
        english: `all columns whose name matches "${pattern}"`,
        found,
      });
    }
  }
  return [...ends.values()];
}

function byPlace({ columns }: State): Selector[] {
  return (["first", "last"] as const).flatMap((name) => {
    const column = columns.at(name === "first" ? 0 : -1);
    return column === undefined
      ? []
      : [{ node: selector(name, []), english: `the ${name} column`, found: [column] }];
  });
}

/** Two selectors as one. */
function either(random: State["random"], selectors: readonly Selector[]): Selector[] {
  if (selectors.length < 2) return [];
  const [one, other] = random.sample(selectors, 2) as [Selector, Selector];
  const union = (a: Selector, b: Selector): ScopeColumn[] => [...new Set([...a.found, ...b.found])];
  const english = `${one.english} and ${other.english}`;
  const node = random.chance(0.5)
    ? operator(one.node, "|", other.node)
    : selector("any_of", [one.node, other.node]);
  const both = one.found.filter((column) => other.found.includes(column));
  const all: Selector = {
    node: selector("all_of", [one.node, other.node]),
    english: `${one.english} that are among ${other.english}`,
    found: both,
  };
  return both.length > 0 && random.chance(0.25) ? [all] : [{ node, english, found: union(one, other) }];
}

function draw(state: State, test: (found: readonly ScopeColumn[]) => boolean): Selector | undefined {
  if (!state.columns.every(isOfSchema)) return undefined;
  const simple = [...byType(state), ...numbers(state), ...byName(state)];
  const options = [...simple, ...either(state.random, simple)].filter(({ found }) => test(found));
  return options.length === 0 ? undefined : state.random.pick(options);
}

/** In the order of the table. */
const inOrder = ({ columns }: State, found: readonly ScopeColumn[]): ScopeColumn[] =>
  columns.filter((c) => found.includes(c));

function selected(state: State): boolean {
  const ends = state.columns.every(isOfSchema) && state.columns.length > 2 && state.random.chance(0.12);
  const chosen = ends
    ? state.random.pick(byPlace(state))
    : draw(state, (found) => found.length > 0 && found.length < state.columns.length);
  if (chosen === undefined) return false;
  const drop = state.random.chance(0.3);
  const kept = inOrder(state, drop ? state.columns.filter((c) => !chosen.found.includes(c)) : chosen.found);
  step(state, drop ? "drop" : "select", [chosen.node], `${drop ? "drop" : "select"} ${chosen.english}`);
  state.unique = stillUnique(state, kept);
  // Which of two equal names a column was, the selector decides.
  state.columns = drop ? kept : kept.map(withoutTable);
  return true;
}

const SUMMARIES = [
  ["mean", "average", "avg"],
  ["sum", "total", "total"],
  ["max", "largest", "max"],
  ["min", "smallest", "min"],
] as const;

/** `s.across(selector, _.mean())`, for groups or for all rows. */
function summarised(state: State): boolean {
  const keys = state.random.chance(0.6) ? state.random.sample(groupKeys(state), 1) : [];
  const outside: State = { ...state, columns: state.columns.filter((c) => !keys.includes(c)) };
  const chosen = draw(outside, (found) => found.length > 0 && found.every(isMeasure));
  if (chosen === undefined || !state.columns.every(isOfSchema)) return false;
  const summaries = state.random.sample(SUMMARIES, state.random.chance(0.7) ? 1 : 2);
  const named = summaries.length > 1 || state.random.chance(0.3);
  const value = (method: string): Node => verbatim([`_.${method}()`]);
  const [first] = summaries as [(typeof SUMMARIES)[number]];
  const functions = named
    ? mapping(summaries.map(([method, , suffix]) => [suffix, value(method)]))
    : value(first[0]);
  const across = selector("across", [chosen.node, functions]);
  const english = `compute the ${summaries.map(([, word]) => word).join(" and the ")} of ${chosen.english}`;
  if (keys.length === 0) state.node = call(state.node, "agg", [across]);
  else state.node = call(call(state.node, "group_by", keys.map(keyOf)), "agg", [across]);
  said(state, keys.length === 0 ? english : `${english} for each ${listed(keys)}`);
  const made = summaries.flatMap(([method, , suffix]) =>
    inOrder(state, chosen.found).map((c): ScopeColumn => {
      const kind = method === "mean" ? "float" : c.kind;
      return { name: named ? `${c.name}_${suffix}` : c.name, kind, type: kind, values: [] };
    }),
  );
  state.columns = [...keys.map(withoutTable), ...made];
  state.unique = keys.length === 0 ? undefined : keys.map(({ name }) => name);
  state.narrowed = new Set();
  return true;
}

/** How many different values each column has. */
function varieties(state: State): boolean {
  const { columns, random } = state;
  if (columns.length > 5 || !columns.every((c) => isOfSchema(c) && isPlain(c))) return false;
  const counts = random.chance(0.4);
  const value = verbatim([counts ? "_.count()" : "_.nunique()"]);
  step(
    state,
    "agg",
    [selector("across", [selector("all", []), value])],
    counts ? "count the known values of every column" : "count the different values of every column",
  );
  state.columns = columns.map(({ name }) => ({ name, kind: "int", type: "int64", values: [] }));
  state.unique = undefined;
  state.narrowed = new Set();
  return true;
}

/** One function of each of several columns. */
function changed(state: State): boolean {
  const text = state.random.chance(0.5);
  const chosen = draw(
    state,
    (found) => found.length > 0 && found.every((c) => (text ? c.kind === "str" : c.kind === "float")),
  );
  if (chosen === undefined) return false;
  const [code, english] = text
    ? state.random.pick([
        ["_.upper()", "write"],
        ["_.lower()", "write"],
      ] as const)
    : (["_.round(1)", "round"] as const);
  const words = text
    ? `${english} ${chosen.english} in ${code === "_.upper()" ? "upper" : "lower"} case`
    : `round ${chosen.english} to 1 digit`;
  step(state, "mutate", [selector("across", [chosen.node, verbatim([code])])], words);
  state.columns = state.columns.map((c) => {
    if (!chosen.found.includes(c)) return withoutTable(c);
    const { role: _, ...rest } = withoutTable(c);
    return { ...rest, values: [] };
  });
  state.unique = stillUnique(
    state,
    state.columns.filter((c) => c.role !== undefined),
  );
  return true;
}

/** One condition on any or all of several columns. */
function tested(state: State): boolean {
  const chosen = draw(state, (found) => found.length > 1 && found.every(isMeasure));
  if (chosen === undefined) return false;
  const any = state.random.chance(0.5);
  const bound = state.random.pick([0, 10, 100]);
  const condition = verbatim([`_ > ${bound}`]);
  step(state, "filter", [selector(any ? "if_any" : "if_all", [chosen.node, condition])], {
    kind: "filter",
    conditions: [`${any ? "any" : "each"} of ${chosen.english} is above ${bound}`],
  });
  for (const { name } of chosen.found) state.narrowed.add(name);
  return true;
}

/** A step with a selector; false where the columns allow none. */
export function selecting(state: State): boolean {
  const form = state.random.weighted([
    [5, selected],
    [4, summarised],
    [2, changed],
    [2, tested],
    [0.5, varieties],
  ] as const);
  return form(state);
}
