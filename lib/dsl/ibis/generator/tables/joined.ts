/** What is joined on from a join. */
import type { Relation } from "../schemas.js";
import { isDate, type ScopeColumn } from "../scope.js";
import { asofJoin, join, tieOf } from "./joins.js";
import { withoutTable, type State } from "./state.js";

/** A join along the first relation, and to each of its rows the latest one of a third table. */
export function asofOfJoin(state: State, first: Relation, second: Relation): boolean {
  const root = state.columns;
  const last = state.schema.tables[2];
  if (tieOf(state, second, 2) === undefined || last === undefined) return false;
  join(state, first, 1);
  // The columns of the first table are still its own, as a condition of the next join names them.
  const owned = (column: ScopeColumn): ScopeColumn => {
    const own = root.find(({ name, kind }) => name === column.name && kind === column.kind);
    return own?.ofTable === undefined ? column : { ...column, ofTable: own.ofTable };
  };
  const moments = last.columns.filter(({ kind }) => isDate(kind)).map(({ name }) => name);
  state.columns = state.columns.map(owned);
  const clash = state.columns.some(({ name }) => moments.includes(name));
  if (!clash && asofJoin(state, second, 2)) return true;
  state.columns = state.columns.map(withoutTable);
  join(state, second, 2);
  return true;
}
