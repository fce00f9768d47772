import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataLoader, type LoaderOptions } from "./loader.js";
import { TaskSampler } from "./sampler.js";
import type { Row, TaskType } from "./tasks.js";
import { plainFormat } from "./testing/fakes.js";

const tokenizer = { encode: (text: string) => [...text].map((c) => c.charCodeAt(0)), eosId: 2 };

const makeRows = (counts: Partial<Record<TaskType, number>>): Row[] =>
  Object.entries(counts).flatMap(([task, count]) =>
    Array.from({ length: count }, (_, i) => ({
      id: `${task}-${i}`,
      task: task as TaskType,
      split: "train" as const,
      fields: { input: "i".repeat(1 + (i % 7)) },
      completion: "c".repeat(1 + ((i * 5) % 11)),
      schema: {},
      schemaId: "none",
      shape: `s${i}`,
      source: "test",
      licence: "Apache-2.0",
    })),
  );

const load = (rows: Row[], options: Partial<LoaderOptions> = {}): Promise<DataLoader> =>
  DataLoader.open(
    rows,
    tokenizer,
    plainFormat((_, fields) => fields.input),
    {
      seed: 3,
      weights: { qa: 3, sql_to_ibis: 1 },
      tokenBudget: 48,
      onTooLong: "error",
      ...options,
    },
  );

describe("a curriculum", () => {
  it("draws from the shortest rows of each task alone, as long as it is told so", async () => {
    const rows = makeRows({ qa: 40, sql_to_ibis: 40 });
    const lengthOf = (row: Row): number => row.fields.input.length + row.completion.length;
    const drawn = async (share: number): Promise<number[]> => {
      const loader = await load(rows);
      const ids = Array.from({ length: 40 }, () => loader.next(share)).flatMap((batch) =>
        batch.rows.map(({ row }) => row),
      );
      return ids.map((row) => lengthOf(rows[row] as Row));
    };
    const sorted = rows.map(lengthOf).sort((a, b) => a - b);
    const bound = sorted[Math.ceil(0.25 * sorted.length) - 1] as number;
    const few = await drawn(0.25);
    expect(few.length).toBeGreaterThan(40);
    expect(Math.max(...few)).toBeLessThanOrEqual(bound);
    expect(Math.max(...(await drawn(1)))).toBe(sorted.at(-1));
  });

  it("goes on from a state with the very next batch", async () => {
    const rows = makeRows({ qa: 40, sql_to_ibis: 40 });
    const [whole, first] = [await load(rows), await load(rows)];
    for (let i = 0; i < 5; i++) expect(first.next(0.3).tokens).toEqual(whole.next(0.3).tokens);
    const second = await load(rows);
    second.restore(first.state());
    for (let i = 0; i < 5; i++) expect(second.next(0.6).tokens).toEqual(whole.next(0.6).tokens);
  });
});

describe("TaskSampler", () => {
  it("draws each task by its weight", () => {
    const sampler = new TaskSampler(
      1,
      { qa: 10, sql_to_ibis: 500, ibis_to_sql: 5 },
      { qa: 3, sql_to_ibis: 1 },
    );
    const counts: Partial<Record<TaskType, number>> = {};
    for (let i = 0; i < 20_000; i++) {
      const { task } = sampler.next();
      counts[task] = (counts[task] ?? 0) + 1;
    }
    expect((counts.qa ?? 0) / 20_000).toBeCloseTo(0.75, 1);
    expect(counts.ibis_to_sql).toBeUndefined();
  });

  it("shows every row of a task once an epoch, in another order each time", () => {
    const sampler = new TaskSampler(1, { qa: 30 }, { qa: 1 });
    const epoch = (): number[] => Array.from({ length: 30 }, () => sampler.next().index);
    const [first, second] = [epoch(), epoch()];
    expect(new Set(first).size).toBe(30);
    expect(new Set(second).size).toBe(30);
    expect(second).not.toEqual(first);
  });

  it("goes on exactly from a saved state", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(100), (seed, skip) => {
        const make = (): TaskSampler =>
          new TaskSampler(seed, { qa: 7, sql_to_ibis: 9 }, { qa: 2, sql_to_ibis: 1 });
        const sampler = make();
        for (let i = 0; i < skip; i++) sampler.next();
        const resumed = make();
        resumed.restore(JSON.parse(JSON.stringify(sampler.state())) as ReturnType<TaskSampler["state"]>);
        for (let i = 0; i < 40; i++) expect(resumed.next()).toEqual(sampler.next());
      }),
    );
  });

  it("refuses unknown tasks, bad weights and tasks without rows", () => {
    expect(() => new TaskSampler(1, { qa: 1 }, { poetry: 1 } as object)).toThrow(/unknown task "poetry"/);
    expect(() => new TaskSampler(1, { qa: 1 }, { qa: -1 })).toThrow(/qa is -1/);
    expect(() => new TaskSampler(1, { qa: 1 }, { qa: 0 })).toThrow(/every weight is 0/);
    expect(() => new TaskSampler(1, { qa: 1 }, { qa: 1, sql_to_ibis: 1 })).toThrow(/no row of it/);
  });
});

describe("DataLoader", () => {
  const rows = makeRows({ qa: 23, sql_to_ibis: 17 });

  it("resumes with the very next batch", async () => {
    const unbroken = await load(rows);
    for (let i = 0; i < 13; i++) unbroken.next();
    const resumed = await load(rows);
    resumed.restore(JSON.parse(JSON.stringify(unbroken.state())) as ReturnType<DataLoader["state"]>);
    for (let i = 0; i < 30; i++) expect(resumed.next()).toEqual(unbroken.next());
    expect(resumed.realisedShares()).toEqual(unbroken.realisedShares());
  });

  it("reports the shares that were realised, in rows and tokens", async () => {
    const loader = await load(rows);
    let [tokens, supervised, count] = [0, 0, 0];
    for (let i = 0; i < 2000; i++) {
      const batch = loader.next();
      tokens += batch.usedTokens;
      supervised += batch.supervisedTokens;
      count += batch.rows.length;
    }
    const shares = Object.values(loader.realisedShares());
    expect(shares.reduce((sum, share) => sum + share.tokens, 0)).toBe(tokens);
    expect(shares.reduce((sum, share) => sum + share.supervisedTokens, 0)).toBe(supervised);
    expect(loader.realisedShares().qa.rows / count).toBeCloseTo(0.75, 1);
  });

  it("says what is wrong with a corpus that cannot train", async () => {
    await expect(load([])).rejects.toThrow(/the corpus is empty/);
    await expect(load(rows, { tokenBudget: 2, onTooLong: "skip" })).rejects.toThrow(
      /every row has more than the 2 tokens/,
    );
    await expect(load(rows, { tokenBudget: 12 })).rejects.toThrow(/row qa-\d+: 1\d tokens, more than the 12/);
    const blank = { ...(rows[0] as Row), completion: "" };
    await expect(load([blank])).rejects.toThrow(/row qa-0: the completion has no token/);
  });

  it("refuses the state of another corpus", async () => {
    const state = (await load(rows)).state();
    const smaller = await load(makeRows({ qa: 5, sql_to_ibis: 5 }));
    expect(() => smaller.restore({ ...state, pending: [22] })).toThrow(/names row 22 of 10/);
    const same = await load(rows);
    expect(() => same.restore({ ...state, sampler: { ...state.sampler, cursors: {} } })).toThrow(
      /does not fit this corpus/,
    );
  });
});
