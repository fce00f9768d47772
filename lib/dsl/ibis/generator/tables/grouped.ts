/** Steps of groups that keep their rows: in an order, or with some columns alone. */
import {
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
import { binary, call, keyOf, type Node } from "../syntax.js";
import { tieBreaks } from "./rows.js";
import { computed, fresh, listed, newColumn, said, stillUnique, withoutTable, type State } from "./state.js";

/** `t.group_by("region").order_by("day").mutate(place=ibis.row_number())` */
export function orderedGroup(state: State): boolean {
  const { random } = state;
  const group = pickColumn(random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  const sorted = pickColumn(
    random,
    state.columns,
    (c) => c.name !== group?.name && (isNumber(c.kind) || isDate(c.kind)),
  );
  const value = pickColumn(random, state.columns, (c) => isMeasure(c) && c.name !== sorted?.name);
  if (group === undefined || sorted === undefined) return false;
  const breaks = tieBreaks(state, sorted);
  if (breaks === undefined) return false;
  const keys = [sorted, ...breaks.filter(({ name }) => name !== group.name)];
  const within = `within each ${spoken(group)} by ${keys.map(spoken).join(" and then ")}`;
  const expression: Expression =
    value !== undefined && random.chance(0.5)
      ? beside(value, random.pick(["lag", "lead"]), within)
      : {
          node: call(null, "row_number"),
          kind: "int",
          english: `the row number from 0 ${within}`,
          name: `${stem(sorted)}_place`,
          range: [0, 30],
          neverNull: true,
        };
  if (!fresh(state, expression)) return false;
  const grouped = call(call(state.node, "group_by", [keyOf(group)]), "order_by", keys.map(keyOf));
  state.node = call(grouped, "mutate", [], [[expression.name, expression.node]]);
  said(state, { kind: "add", value: computed(expression) });
  state.columns = [...state.columns.map(withoutTable), newColumn(expression)];
  return true;
}

/** The value of the row before or after. */
const beside = (value: ScopeColumn, method: "lag" | "lead", within: string): Expression => ({
  node: call({ kind: "column", name: value.name }, method),
  kind: value.kind,
  english: `the ${method === "lead" ? "next" : "previous"} ${spoken(value)} ${within}`,
  name: `${stem(value)}_beside`,
});

/** `t.group_by("region").select("order_id", share=_.amount / _.amount.sum())` */
export function groupedSelect(state: State): boolean {
  const { random } = state;
  const group = pickColumn(random, state.columns, (c) => isCategory(c) || c.role === "foreign");
  const value = pickColumn(random, state.columns, (c) => isMeasure(c) && c !== group);
  if (group === undefined || value === undefined) return false;
  const others = state.columns.filter((c) => c !== group && c !== value);
  const kept = [...random.sample(others, Math.min(1, others.length)), value];
  const own: Node = { kind: "column", name: value.name };
  const share = random.chance(0.5);
  const expression: Expression = {
    node: share ? binary("/", own, call(own, "sum")) : binary("-", own, call(own, "mean")),
    kind: "float",
    english: `${share ? `its share of the total ${spoken(value)}` : `how far its ${spoken(value)} is from the average`} within the same ${spoken(group)}`,
    name: `${stem(value)}_${share ? "share" : "gap"}`,
  };
  if (!fresh(state, expression)) return false;
  state.node = call(call(state.node, "group_by", [keyOf(group)]), "select", kept.map(keyOf), [
    [expression.name, expression.node],
  ]);
  said(state, {
    kind: "other",
    text: `select ${listed(kept)} and ${expression.english} as ${expression.name}`,
  });
  state.unique = stillUnique(state, kept);
  state.columns = [...kept.map(withoutTable), newColumn(expression)];
  return true;
}
