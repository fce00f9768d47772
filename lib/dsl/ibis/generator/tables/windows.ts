/** Values over windows: of a group, of the rows around in an order, of all rows up to one. */
import { RANKINGS } from "../methods.js";
import {
  columnNode,
  isCategory,
  isDate,
  isMeasure,
  isNumber,
  pickColumn,
  spoken,
  stem,
  type Expression,
  type ScopeColumn,
} from "../scope.js";
import { binary, call, keyOf, listOf, literal, tupleOf, type Node } from "../syntax.js";
import { keep, tieBreaks } from "./rows.js";
import { computed, fresh, newColumn, said, withoutTable, type State } from "./state.js";

type Named = [name: string, value: Node][];

/** Rows in an order, within groups or not. */
interface Ordered {
  named: Named;
  /** ` within each region by day` */
  english: string;
  column: ScopeColumn;
  group: ScopeColumn | undefined;
}

/** `whole`: what follows hangs on the place of each row, so that rows which tie must have an order too. */
function ordered(state: State, whole: boolean, test: (c: ScopeColumn) => boolean): Ordered | undefined {
  const { random, columns } = state;
  const column = pickColumn(random, columns, test);
  if (column === undefined) return undefined;
  const breaks = whole ? tieBreaks(state, column) : [];
  if (breaks === undefined) return undefined;
  const group = pickColumn(random, columns, (c) => isCategory(c) || c.role === "foreign");
  const down = random.chance(0.4);
  const first: Node = down ? call(null, "desc", [keyOf(column)]) : keyOf(column);
  const keys = [first, ...breaks.map(keyOf)];
  const inGroup = group !== undefined && group !== column && random.chance(0.65) ? group : undefined;
  const named: Named = [
    ...(inGroup === undefined ? [] : ([["group_by", keyOf(inGroup)]] as Named)),
    ["order_by", keys.length === 1 ? first : listOf(keys)],
  ];
  const inside = inGroup === undefined ? "" : ` within each ${spoken(inGroup)}`;
  const then = breaks.length === 0 ? "" : ` and then ${breaks.map(spoken).join(" and ")}`;
  const english = `${inside} by ${spoken(column)}${down ? ", descending" : ""}${then}`;
  return { named, english, column, group: inGroup };
}

/** `node.over(group_by=…)`, or over a window that is written out. */
function over({ random }: State, node: Node, named: Named): Node {
  return random.chance(0.35)
    ? call(node, "over", [call(null, "window", [], named)])
    : call(node, "over", [], named);
}

/** `node.over(ibis.rows_window(preceding=3, following=0, …))` */
const spanned = (node: Node, name: string, before: number, after: Node, named: Named): Node =>
  call(node, "over", [
    call(null, name, [], [["preceding", literal(before)], ["following", after], ...named]),
  ]);

const isOrdered = (c: ScopeColumn): boolean => isNumber(c.kind) || isDate(c.kind);

function ranking(state: State): Expression | undefined {
  const quarters = state.random.chance(0.15);
  const [name, suffix, english] = quarters
    ? (["ntile", "quarter", "the quarter of the rows"] as const)
    : state.random.pick(RANKINGS);
  const rows = ordered(state, quarters || name === "row_number", isOrdered);
  if (rows === undefined) return undefined;
  const isShare = name === "percent_rank" || name === "cume_dist";
  return {
    node: over(state, call(null, name, quarters ? [literal(4)] : []), rows.named),
    kind: isShare ? "float" : "int",
    english: english + rows.english,
    name: `${stem(rows.column)}_${suffix}`,
    range: quarters ? [0, 3] : isShare ? [0, 1] : [0, 30],
    neverNull: true,
  };
}

/** What a row's neighbours hold. */
function neighbour(state: State): Expression | undefined {
  const rows = ordered(state, true, isOrdered);
  const value = pickColumn(state.random, state.columns, (c) => isMeasure(c) && c.name !== rows?.column.name);
  if (rows === undefined || value === undefined) return undefined;
  const [method, english] = state.random.pick([
    ["lag", "previous"],
    ["lead", "next"],
    ["first", "first"],
    ["last", "last"],
  ] as const);
  const near = over(state, call(columnNode(value), method), rows.named);
  const change = method === "lag" && state.random.chance(0.4);
  return {
    node: change ? binary("-", columnNode(value), near) : near,
    kind: value.kind,
    english: `${change ? `the change of ${spoken(value)} from` : "the"} ${english} ${change ? "row" : spoken(value)}${rows.english}`,
    name: `${stem(value)}_${change ? "change" : english}`,
  };
}

const MOVING = [
  ["sum", "total"],
  ["mean", "average"],
  ["max", "largest"],
  ["min", "smallest"],
] as const;

/** Over some rows, or some span of time or of a number, before each row. */
function moving(state: State): Expression | undefined {
  const { random } = state;
  const form = random.pick(["rows", "trailing", "range", "days", "cumulative", "running"] as const);
  const byPlace = form === "rows" || form === "trailing" || form === "cumulative" || form === "running";
  const test =
    form === "days" ? ({ kind }: ScopeColumn) => isDate(kind) : form === "range" ? isMeasure : isOrdered;
  const rows = ordered(state, byPlace, test);
  const value = pickColumn(random, state.columns, (c) => isMeasure(c) && c.name !== rows?.column.name);
  if (rows === undefined || value === undefined) return undefined;
  const [method, english] = random.pick(MOVING);
  const size = random.between(2, 6);
  const what = `the ${english} ${spoken(value)}`;
  const reduced = call(columnNode(value), method);
  const made = (node: Node, words: string, suffix: string): Expression => ({
    node,
    kind: method === "mean" ? "float" : value.kind,
    english: words,
    name: `${stem(value)}_${suffix}`,
  });
  const frame = (name: string, value: Node): Named => [[name, value], ...rows.named];
  switch (form) {
    case "rows": {
      const both = random.chance(0.25);
      const after = literal(both ? size : 0);
      const node = random.chance(0.25)
        ? spanned(reduced, "rows_window", size, after, rows.named)
        : over(state, reduced, frame("rows", tupleOf([literal(-size), after])));
      const span = both
        ? `the ${size} rows before and after and the row itself`
        : `the row and the ${size} before it`;
      return made(node, `${what} of ${span}${rows.english}`, "moving");
    }
    case "trailing":
      return made(
        call(reduced, "over", [call(null, "trailing_window", [literal(size)], rows.named)]),
        `${what} of the row and the ${size} before it${rows.english}`,
        "trailing",
      );
    case "range": {
      const bounds = tupleOf([literal(-size), literal(0)]);
      const node = random.chance(0.3)
        ? spanned(reduced, "range_window", size, literal(0), rows.named)
        : over(state, reduced, frame("range", bounds));
      const span = `rows whose ${spoken(rows.column)} is up to ${size} before its own`;
      return made(node, `${what} of ${span}${rows.english}`, "near");
    }
    case "days": {
      const days = call(null, "interval", [], [["days", literal(size + 1)]]);
      return made(
        call(reduced, "over", [call(null, "trailing_range_window", [days], rows.named)]),
        `${what} of the ${size + 1} days up to each row${rows.english}`,
        "days",
      );
    }
    case "cumulative":
      return made(
        call(reduced, "over", [call(null, "cumulative_window", [], rows.named)]),
        `${what} up to each row${rows.english}`,
        "so_far",
      );
    case "running": {
      const running = { sum: "cumsum", mean: "cummean", max: "cummax", min: "cummin" }[method];
      return made(
        call(columnNode(value), running, [], rows.named),
        `the running ${english} of ${spoken(value)}${rows.english}`,
        running,
      );
    }
  }
}

/** A value beside that of its group. */
function ofGroup(state: State): Expression | undefined {
  const value = pickColumn(state.random, state.columns, isMeasure);
  const group = pickColumn(state.random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  if (value === undefined || group === undefined) return undefined;
  const own = columnNode(value);
  const whole = (method: string): Node => over(state, call(own, method), [["group_by", keyOf(group)]]);
  return state.random.pick<() => Expression>([
    () => ({
      node: binary("/", own, whole("sum")),
      kind: "float",
      english: `${spoken(value)} as a share of the total of its ${spoken(group)}`,
      name: `${stem(value)}_share`,
      range: [0, 1],
    }),
    () => ({
      node: binary("-", own, whole("mean")),
      kind: "float",
      english: `how far ${spoken(value)} is from the average of its ${spoken(group)}`,
      name: `${stem(value)}_gap`,
    }),
    () => ({
      node: whole("max"),
      kind: value.kind,
      english: `the largest ${spoken(value)} of the same ${spoken(group)}`,
      name: `${stem(value)}_top`,
    }),
  ])();
}

/** A value for each row, over a window; undefined where the columns allow none. */
export function windowValue(state: State): Expression | undefined {
  const forms = [ranking, neighbour, moving, moving, ofGroup];
  for (const form of state.random.shuffled(forms)) {
    const expression = form(state);
    if (expression !== undefined) return expression;
  }
  return undefined;
}

/** `t.group_by("region").mutate(share=_.amount / _.amount.sum())` */
export function groupedMutate(state: State): boolean {
  const value = pickColumn(state.random, state.columns, isMeasure);
  const group = pickColumn(state.random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  if (value === undefined || group === undefined) return false;
  const own: Node = { kind: "column", name: value.name };
  const whole = (method: string): Node => call(own, method);
  const [node, english, suffix] = state.random.pick<readonly [Node, string, string]>([
    [binary("/", own, whole("sum")), `its share of the total ${spoken(value)}`, "share"],
    [binary("-", own, whole("mean")), `how far its ${spoken(value)} is from the average`, "gap"],
    [whole("max"), `the largest ${spoken(value)}`, "top"],
    [call({ kind: "self" }, "count"), "the number of rows", "rows"],
  ]);
  const expression: Expression = {
    node,
    kind: suffix === "rows" ? "int" : "float",
    english: `${english} within the same ${spoken(group)}`,
    name: `${stem(value)}_${suffix}`,
    ...(suffix === "rows" ? { neverNull: true } : {}),
  };
  if (!fresh(state, expression)) return false;
  const grouped = call(state.node, "group_by", [keyOf(group)]);
  state.node = call(grouped, "mutate", [], [[expression.name, node]]);
  said(state, { kind: "add", value: computed(expression) });
  state.columns = [...state.columns.map(withoutTable), newColumn(expression)];
  return true;
}

/** The first rows of each group. */
export function firstOfEach(state: State): boolean {
  const { random } = state;
  const ties = random.chance(0.4);
  const rows = ordered(state, !ties, isOrdered);
  if (rows?.group === undefined) return false;
  const place = over(state, call(null, ties ? "rank" : "row_number"), rows.named);
  const count = random.between(1, 5);
  // Ibis counts ranks from 0.
  const node = count === 1 ? binary("==", place, literal(0)) : binary("<", place, literal(count));
  const what = ties ? "rank" : "row number";
  keep(state, [
    {
      node,
      english: `the ${what}${rows.english} is among the first ${count === 1 ? "" : `${count}`}`.trimEnd(),
    },
  ]);
  state.columns = state.columns.map(withoutTable);
  return true;
}

/** The rows above or below the average of their group. */
export function besideGroup(state: State): boolean {
  const isFree = (c: ScopeColumn): boolean => isMeasure(c) && !state.narrowed.has(c.name);
  const value = pickColumn(state.random, state.columns, isFree);
  const group = pickColumn(state.random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  if (value === undefined || group === undefined) return false;
  const above = state.random.chance(0.6);
  const mean = over(state, call(columnNode(value), "mean"), [["group_by", keyOf(group)]]);
  const english = `${spoken(value)} is ${above ? "above" : "below"} the average of the same ${spoken(group)}`;
  keep(state, [{ node: binary(above ? ">" : "<", columnNode(value), mean), english }]);
  state.narrowed.add(value.name);
  return true;
}
