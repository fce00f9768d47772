import { describe, expect, it } from "vitest";
import { Random } from "../../../data/random.js";
import { DOMAINS, HELD_OUT_DOMAINS } from "./domains/index.js";
import { keyOfTable, type DomainWords } from "./domains/parse.js";
import { randomProgram, type Program } from "./programs.js";
import type { Column } from "./schemas.js";
import { chainOf, childrenOf, type Node } from "./syntax.js";

const programs = Array.from({ length: 2500 }, (_, i) =>
  randomProgram(Random.of(21, i), "full", { heldOutSchema: i % 10 === 0 }),
);

function nodesOf(node: Node): Node[] {
  return [node, ...childrenOf(node).flatMap(nodesOf)];
}

/** The schema's column that a node is, where the program has no other of its name. */
function columnOf({ schema }: Program, node: Node | undefined): Column | undefined {
  if (node?.kind !== "column" && node?.kind !== "name") return undefined;
  return schema.tables.flatMap(({ columns }) => columns).find(({ name }) => name === node.name);
}

const isId = (column: Column | undefined): boolean => column?.role === "key" || column?.role === "foreign";

describe("the domains", () => {
  const all = [...DOMAINS, ...HELD_OUT_DOMAINS];
  const tablesOf = (domains: readonly DomainWords[]): string[] =>
    domains.flatMap(({ tables }) => tables.map(({ name }) => name));

  it("are many, each of its own name, with tables that are keyed and refer to each other", () => {
    expect(DOMAINS.length).toBeGreaterThanOrEqual(150);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name, tables } of all) {
      expect(new Set(tables.map((table) => table.name)).size, name).toBe(tables.length);
      for (const table of tables) {
        const place = `${name}.${table.name}`;
        expect(table.columns.length, place).toBeGreaterThanOrEqual(3);
        expect(keyOfTable(table), place).toBeDefined();
        expect(new Set(table.columns.map((column) => column.name)).size, place).toBe(table.columns.length);
        for (const column of table.columns) {
          const { references, range } = column;
          if (references !== undefined)
            expect(
              tables.map((one) => one.name),
              place,
            ).toContain(references);
          if (range !== undefined) expect(range[0], `${place}.${column.name}`).toBeLessThan(range[1]);
        }
      }
    }
  });

  it("that are held out share no table with the others", () => {
    const others = new Set(tablesOf(DOMAINS));
    expect(tablesOf(HELD_OUT_DOMAINS).filter((name) => others.has(name))).toEqual([]);
  });
});

describe("random programs", () => {
  it("of the full profile have every step that people write, those of the quick start the common ones", () => {
    const called = (some: readonly Program[]): Set<string> =>
      new Set(
        some.flatMap(({ node }) =>
          nodesOf(node).flatMap((one) =>
            one.kind === "call" ? [one.name] : one.kind === "template" ? one.covers : [],
          ),
        ),
      );
    const full = called(programs);
    for (const name of `join inner_join left_join right_join outer_join semi_join anti_join cross_join asof_join view
      union intersect difference having over window rank row_number ntile lag lead first trailing_window
      trailing_range_window cumulative_window pivot_longer pivot_wider isin any drop_null fill_null drop rename relocate
      cast distinct head topk value_counts nunique ibis.selectors.numeric ibis.selectors.of_type ibis.selectors.across
      ibis.selectors.where ibis.selectors.startswith ibis.selectors.if_any ibis.selectors.cols`.split(
      /\s+/,
    )) {
      expect(full, name).toContain(name);
    }
    const easy = called(Array.from({ length: 600 }, (_, i) => randomProgram(Random.of(22, i), "quickstart")));
    for (const name of ["join", "over", "union", "having", "pivot_wider", "ibis.selectors.cols"])
      expect(easy, name).not.toContain(name);
  });

  it("add up, scale and average no keys", () => {
    for (const program of programs) {
      for (const node of nodesOf(program.node)) {
        if (node.kind === "binary" && ["+", "-", "*", "/", "%"].includes(node.op)) {
          expect(isId(columnOf(program, node.left)), JSON.stringify(node)).toBe(false);
          expect(isId(columnOf(program, node.right)), JSON.stringify(node)).toBe(false);
        }
        if (node.kind === "call" && ["sum", "mean", "std", "var", "median", "abs"].includes(node.name)) {
          expect(isId(columnOf(program, node.target ?? undefined)), JSON.stringify(node)).toBe(false);
        }
      }
    }
  });

  it("ask of no key, count or rank whether it is NULL, unless an outer join fills it", () => {
    const asking = /\b(isnull|notnull|drop_null|fill_null|coalesce)\b/;
    const counting = /^(count|nunique|approx_nunique|row_number|rank|dense_rank|ntile)$/;
    let asked = 0;
    for (const program of programs) {
      const nodes = nodesOf(program.node);
      const joins = nodes.some((one) => one.kind === "call" && /(?<!inner_|semi_|anti_)join$/.test(one.name));
      const certain = new Set(
        joins
          ? []
          : program.schema.tables
              .slice(0, 1)
              .flatMap(({ columns }) => columns.flatMap(({ role, name }) => (role === "key" ? [name] : []))),
      );
      for (const one of nodes) {
        if (one.kind !== "call") continue;
        for (const [name, value] of one.named) {
          if (value.kind === "call" && counting.test(value.name)) certain.add(name);
        }
      }
      for (const one of nodes) {
        const about =
          one.kind === "call" && asking.test(one.name)
            ? [...(one.target === null ? [] : [one.target]), ...one.args.flatMap(nodesOf)]
            : one.kind === "template" && one.parts.some((part) => asking.test(part))
              ? one.holes.slice(0, 1)
              : [];
        for (const column of about) {
          if (column.kind !== "column" && column.kind !== "name") continue;
          asked++;
          expect(certain.has(column.name), JSON.stringify(one)).toBe(false);
        }
      }
    }
    expect(asked).toBeGreaterThan(60);
  });

  it("compare columns with what they may hold", () => {
    let compared = 0;
    for (const program of programs) {
      for (const node of nodesOf(program.node)) {
        if (node.kind !== "binary" || node.right.kind !== "literal") continue;
        if (!["==", "!=", "<", "<=", ">", ">="].includes(node.op)) continue;
        const column = columnOf(program, node.left);
        const { value } = node.right;
        if (column === undefined) continue;
        compared++;
        if (typeof value === "string" && column.kind === "str") expect(column.values).toContain(value);
        if (typeof value === "number" && column.range !== undefined) {
          expect(value, column.name).toBeGreaterThanOrEqual(column.range[0]);
          expect(value, column.name).toBeLessThanOrEqual(column.range[1]);
        }
      }
    }
    expect(compared).toBeGreaterThan(300);
  });

  it("leave it open to no order which rows a limit keeps", () => {
    let limits = 0;
    for (const program of programs) {
      const steps = chainOf(program.node);
      for (const [i, step] of steps.entries()) {
        if (step.kind !== "call" || step.name !== "limit") continue;
        limits++;
        const order = steps[i - 1];
        expect(order?.kind === "call" && order.name).toBe("order_by");
        const sorted = new Set(
          order === undefined
            ? []
            : nodesOf({ ...order, target: null } as Node).flatMap((node) =>
                node.kind === "name" || node.kind === "column" ? [node.name] : [],
              ),
        );
        const grouped = steps.slice(0, i).findLast((one) => one.kind === "call" && one.name === "group_by");
        const keys =
          grouped?.kind === "call"
            ? grouped.args.flatMap((node) => (node.kind === "name" ? [node.name] : []))
            : [];
        const isKeyed = [...sorted].some((name) => columnOf(program, { kind: "name", name })?.role === "key");
        const isWhole = steps.some(
          (one) => one.kind === "call" && ["distinct", "union", "intersect", "difference"].includes(one.name),
        );
        const isWide = steps.some((one) => one.kind === "call" && one.name === "pivot_wider");
        expect(
          isKeyed || isWhole || isWide || (keys.length > 0 && keys.every((name) => sorted.has(name))),
          program.english.join(", "),
        ).toBe(true);
      }
    }
    expect(limits).toBeGreaterThan(30);
  });

  it("never narrow one column twice before the rows are grouped", () => {
    for (const program of programs) {
      const narrowed = new Set<string>();
      for (const step of chainOf(program.node)) {
        if (step.kind !== "call") continue;
        if (step.name === "agg") narrowed.clear();
        if (step.name !== "filter") continue;
        const now = new Set(
          step.args.flatMap(nodesOf).flatMap((node) => (node.kind === "column" ? [node.name] : [])),
        );
        for (const name of now) expect(narrowed.has(name), name).toBe(false);
        for (const name of now) narrowed.add(name);
      }
    }
  });

  it("join up to five tables, those of many all in one whole, also along keys of different names and over names of every sort", () => {
    const tables = programs.map(({ schema }) => schema.tables);
    expect(Math.max(...tables.map(({ length }) => length))).toBe(5);
    const wide = programs.filter(({ schema }) => schema.tables.length >= 4);
    const several = tables.filter(({ length }) => length > 1);
    expect(wide.length / several.length).toBeGreaterThan(0.05);
    expect(wide.length / several.length).toBeLessThan(0.16);
    expect(wide.some(({ schema }) => schema.heldOut)).toBe(true);
    for (const { node, schema } of wide) {
      const joins = chainOf(node).filter((one) => one.kind === "call" && /join$/.test(one.name));
      const keeping = joins.some((one) => one.kind === "call" && /^(semi|anti)_join$/.test(one.name));
      if (!keeping) expect(joins.length, schema.id).toBeGreaterThanOrEqual(schema.tables.length - 1);
    }
    expect(programs.some(({ schema }) => schema.relations.some(({ column, key }) => column !== key))).toBe(
      true,
    );
    const names = tables.flat().flatMap(({ columns }) => columns.map(({ name }) => name));
    for (const sort of [/ /, /^[a-z]+[A-Z]/, /^[A-Z_]+$/, /^c_/, /^(from|class|order|group_id|case|when)$/]) {
      expect(
        names.some((name) => sort.test(name)),
        String(sort),
      ).toBe(true);
    }
    expect(new Set(programs.map(({ schema }) => schema.id.split("/")[0])).size).toBeGreaterThan(140);
    expect(new Set(names).size).toBeGreaterThan(500);
  });
});
