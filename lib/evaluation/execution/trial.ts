/** Whether queries that are made of one query give what it gives: tried on few databases, so that it may be done for each row. */
import { Random } from "../../data/random.js";
import type { Execution } from "../../data/source.js";
import type { Neighbourhood } from "../../dsl/dsl.js";
import type { DuckDbExecutor } from "../../dsl/duckdb/executor.js";
import { sameRows } from "./compare.js";
import { expectation, isRows, profiles } from "./suite.js";
import { TableMaker, type Profile } from "./tables.js";

const SEED = 1;
/** Different results of the known query that are enough, and sets of tables to find them on. */
const ENOUGH = 2;
const ROUNDS = 8;

/** Filters that are all met by few rows leave some on these. */
const plenty: Profile = { rows: 60, nulls: 0.05, exact: 0.7, near: 0.2, fresh: 0.1, again: 0.3 };

/**
 * Executes the query and the others on sets of tables until it has given two different results. Tables on which it gives
 * no row, or what hangs on their order, tell nothing.
 * @returns why the query itself does not run, as a text
 * @throws SandboxFailure
 */
export async function tryAll(
  query: Neighbourhood,
  others: readonly string[],
  executor: DuckDbExecutor,
): Promise<Execution | string> {
  const maker = new TableMaker(query);
  const turns = [plenty, ...profiles(query)];
  const equal = others.map(() => true);
  const seen = new Set<string>();
  let any = false;
  const queries = [query.ordered, query.sql, ...others];
  for (let round = 0; round < ROUNDS && seen.size < ENOUGH;) {
    // The first two most often do.
    const rounds = round === 0 ? [0, 1] : [round];
    round += rounds.length;
    const sets = rounds.map((number) => {
      const random = Random.of(SEED, "trial", number);
      return maker.make(random, turns[number % turns.length] as Profile);
    });
    for (const [ordered, own, ...results] of await executor.executeOnEach(sets, queries)) {
      if (!isRows(ordered) || !isRows(own)) {
        const error = [ordered, own].flatMap((one) => (one && "error" in one ? one.error : []))[0];
        return error ?? "it gives nothing";
      }
      const expected = expectation(query, ordered);
      if (!sameRows(expected, own)) continue;
      seen.add(JSON.stringify(expected.rows));
      any ||= own.rows.length > 0;
      for (const [i, result] of results.entries()) {
        if (!isRows(result) || !sameRows(expected, result)) equal[i] = false;
      }
    }
  }
  const tells = any && seen.size >= ENOUGH;
  return { equal: equal.map((one) => one && tells), tells };
}
