/** Joins, along the foreign keys of a schema. */
import type { RandomSchema, Relation, Table } from "../schemas.js";
import { spoken } from "../scope.js";
import { binary, literal, nameOf, type Node } from "../syntax.js";
import { step, withoutTable, type State } from "./state.js";

/** Along a foreign key. `relation` ties `right` to one of the tables that are joined already. */
export function join(state: State, schema: RandomSchema, relation: Relation, at: number): void {
  const { random } = state;
  const right = schema.tables[at] as Table;
  const rightHolds = relation.from === at;
  const [own, other] = rightHolds ? [relation.key, relation.column] : [relation.column, relation.key];
  const left = state.columns.find(({ name }) => name === own);
  const rightKey = right.columns.find(({ name }) => name === other);
  if (left === undefined || rightKey === undefined) return;
  const how = random.weighted([
    [5, "inner"],
    [3, "left"],
    [1, "semi"],
    [1, "anti"],
  ] as const);
  const keepsLeft = how === "semi" || how === "anti";
  const method = keepsLeft || random.chance(0.2) ? `${how}_join` : "join";
  const named: [string, Node][] = how === "left" && method === "join" ? [["how", literal("left")]] : [];
  const equal = (table: string): Node =>
    binary(
      "==",
      { kind: "column", name: own, ofTable: table, always: true },
      { kind: "column", name: other, ofTable: right.name, always: true },
    );
  const predicate: Node =
    left.ofTable !== undefined && random.chance(own === other ? 0.25 : 0.5)
      ? equal(left.ofTable)
      : own === other
        ? nameOf(own)
        : { kind: "list", items: [{ kind: "tuple", items: [nameOf(own), nameOf(other)] }] };
  const verb = {
    inner: "join",
    left: "left join",
    semi: "keep rows that match",
    anti: "keep rows that match none of",
  }[how];
  const keys = own === other ? spoken(left) : `${spoken(left)} equal to ${spoken(rightKey)}`;
  step(
    state,
    method,
    [{ kind: "table", name: right.name }, predicate],
    `${verb} ${right.name} on ${keys}`,
    named,
  );
  const gained = !keepsLeft ? right.columns.filter((c) => c.name !== own || own !== other) : [];
  state.columns = [...state.columns.map(withoutTable), ...gained];
  if (keepsLeft || !rightHolds) return;
  const key = right.columns.find(({ role }) => role === "key");
  state.unique = how === "inner" && key !== undefined ? [key.name] : undefined;
}
