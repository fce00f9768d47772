/** Tables made longer and wider. */
import { isCategory, isMeasure, isPlain, pickColumn, spoken, type ScopeColumn } from "../scope.js";
import { call, keyOf, listOf, literal, verbatim, type Node } from "../syntax.js";
import { said, listed, spokenAll, step, withoutTable, type State } from "./state.js";
import { cols } from "./selectors.js";

/** Measures of one type, each with its name in a row of its own. */
export function longer(state: State): boolean {
  const { random } = state;
  const first = pickColumn(random, state.columns, (c) => isMeasure(c) && c.role !== undefined);
  const alike = state.columns.filter((c) => c.type === first?.type && isMeasure(c) && c.role !== undefined);
  if (first === undefined || alike.length < 2) return false;
  const melted = random.sample(alike, 2);
  const others = state.columns.filter((c) => !melted.includes(c) && isPlain(c));
  const kept = random.sample(others, Math.min(others.length, random.between(1, 2)));
  if (kept.length === 0) return false;
  const [names, value] = random.pick([
    ["measure", "value"],
    ["metric", "amount"],
    ["name", "value"],
  ] as const);
  if (kept.some((c) => c.name === names || c.name === value)) return false;
  state.node = call(state.node, "select", [...kept, ...melted].map(keyOf));
  const named: [string, Node][] =
    names === "name"
      ? []
      : [
          ["names_to", literal(names)],
          ["values_to", literal(value)],
        ];
  state.node = call(state.node, "pivot_longer", [cols(melted)], named);
  said(state, { kind: "select", columns: spokenAll([...kept, ...melted]) });
  said(state, `turn ${listed(melted)} into rows, with their names as ${names} and their values as ${value}`);
  const made = (name: string, kind: ScopeColumn["kind"]): ScopeColumn => ({
    name,
    kind,
    type: kind,
    values: [],
  });
  state.columns = [...kept.map(withoutTable), made(names, "str"), made(value, first.kind)];
  state.unique = undefined;
  return true;
}

/** A column for each of some values of a category. */
export function wider(state: State): boolean {
  const { random } = state;
  const names = pickColumn(
    random,
    state.columns,
    (c) => isCategory(c) && c.values.length > 1 && c.values.length < 7,
  );
  const value = pickColumn(random, state.columns, isMeasure);
  const id = pickColumn(random, state.columns, (c) => (isCategory(c) || c.role === "foreign") && c !== names);
  if (names === undefined || value === undefined || id === undefined) return false;
  const wanted = random.sample([...names.values], random.between(2, Math.min(4, names.values.length)));
  if (wanted.some((name) => name === id.name)) return false;
  const [method, english] = random.pick([
    ["sum", "total"],
    ["mean", "average"],
    ["max", "largest"],
  ] as const);
  const aggregate = random.chance(0.6) ? literal(method) : verbatim([`_.${method}()`]);
  step(
    state,
    "pivot_wider",
    [],
    `make a column of each of the ${spoken(names)} values ${wanted.join(", ")}, with the ${english} ${spoken(value)} for each ${spoken(id)}`,
    [
      ["id_cols", cols([id])],
      ["names_from", literal(names.name)],
      ["names", listOf(wanted.map(literal))],
      ["values_from", literal(value.name)],
      ["values_agg", aggregate],
    ],
  );
  state.columns = [
    withoutTable(id),
    ...wanted.map((name): ScopeColumn => ({
      name,
      kind: method === "mean" ? "float" : value.kind,
      type: value.kind,
      values: [],
    })),
  ];
  state.unique = [id.name];
  state.narrowed = new Set();
  return true;
}
