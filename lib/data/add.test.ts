import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addToCorpus, type Addition } from "./add.js";
import { buildCorpus } from "./build.js";
import { checkCorpus } from "./check.js";
import { readManifest, splitCounts, splitOfShape } from "./corpus.js";
import { openSplit } from "./reader.js";
import { toyAudit, toyEngine, toyFormat, toySource } from "./testing/fakes.js";
import type { AdmitRows, Draw, GiveTheSame, RowSource } from "./source.js";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ibert-add-"));
  file = join(folder, "pairs.jsonl");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const heldTables = { orders: { region: "string" } };
/** As the toy's own source, with tables that `test_schema` holds out. */
const source: RowSource = {
  ...toySource,
  async draw(task, index, options): Promise<Draw> {
    const draw = await toySource.draw(task, index, options);
    if ("candidate" in draw && options.heldOutSchema) draw.candidate.schema = heldTables;
    return draw;
  },
};

/** Takes rows whose answers are not bad, and which run. */
const admit: AdmitRows = async (rows, same) =>
  Promise.all(
    rows.map(async (row): Promise<Draw> => {
      const refuse = (reason: string): Draw => ({
        refusal: { task: row.task, reason, text: row.completion },
      });
      if (row.completion.startsWith("bad")) return refuse("it does not compile");
      const judged = await same?.("", row.completion, row.schema);
      if (typeof judged === "object" && !judged.equal) return refuse("it gives other rows");
      const shape = `shape ${row.fields.input}`;
      return { candidate: { ...row, shape, duplicateKey: row.fields.input } };
    }),
  );
const same: GiveTheSame = (_, other) => Promise.resolve({ equal: other !== "wrong", runs: true });

/** An input whose shape falls into a split. */
const inputFor = (split: string, but = -1): string => {
  for (let i = 0; ; i++) {
    if (i !== but && splitOfShape(`shape mine ${i}`) === split) return `mine ${i}`;
  }
};

const add = async (lines: unknown[], dryRun = false): Promise<Addition> => {
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  await writeFile(file, text);
  return addToCorpus({ directory: join(folder, "a"), files: [file], admit, same, dryRun });
};

describe("pairs of a user's own", () => {
  it("go through the gates, by line, and into the splits of their shapes, where training finds them", async () => {
    const directory = join(folder, "a");
    const rows = splitCounts(
      { train: 40, evaluation: { valid: 3, test: 4, test_schema: 2 } },
      { qa: 1, sql_to_ibis: 3 },
    );
    await buildCorpus({ directory, seed: 1, rows }, { engine: toyEngine(), source });
    const before = await readFile(join(directory, "train.jsonl"), "utf8");
    const pair = { task: "sql_to_ibis", completion: "t.limit(3)", schema: { t: { a: "int64" } } };
    const [train, test] = [inputFor("train"), inputFor("test")];
    const lines = [
      { ...pair, input: train },
      "",
      { ...pair, input: test, licence: "MIT", source: "our wiki" },
      "{",
      { ...pair, input: "x", compeltion: "y" },
      { ...pair, task: "poetry", input: "x" },
      { ...pair, input: "x", completion: "bad" },
      { task: "sql_to_ibis", input: "x", completion: "bad" },
      { ...pair, input: "x", completion: "wrong" },
      { ...pair, input: train },
      { ...pair, input: "program 0" },
      { ...pair, input: inputFor("train", Number(train.slice(5))), schema: heldTables },
    ];
    const refused = [
      [4, /^not JSON at column 2/],
      [5, /compeltion/],
      [6, /^task: /],
      [7, /^it does not compile$/],
      [8, /^it does not compile \(it has no schema: .*--schema\)$/],
      [9, /^it gives other rows$/],
      [10, /^the corpus has this row already/],
      [11, /^the corpus has this row already/],
      [12, /^its table orders is held out by the split test_schema$/],
    ] as const;

    const dry = await add(lines, true);
    expect(await readFile(join(directory, "train.jsonl"), "utf8")).toBe(before);
    expect(readManifest(directory).added).toBeUndefined();

    const addition = await add(lines);
    expect(addition).toEqual(dry);
    expect(addition.read).toBe(11);
    expect(addition.added).toMatchObject({
      train: { sql_to_ibis: 1 },
      test: { sql_to_ibis: 1 },
      valid: { sql_to_ibis: 0 },
    });
    const places = new Map(
      addition.refused.map((line) => [Number(line.slice(file.length + 1).split(":")[0]), line]),
    );
    expect([...places.keys()].sort((a, b) => a - b)).toEqual(refused.map(([line]) => line));
    for (const [line, reason] of refused)
      expect(places.get(line)?.slice(`${file}:${line}: `.length)).toMatch(reason);

    const manifest = readManifest(directory);
    expect(manifest.counts.train.sql_to_ibis).toBe(rows.train.sql_to_ibis + 1);
    expect(manifest.added).toEqual([{ file: "pairs.jsonl", sha256: expect.any(String) as string, rows: 2 }]);
    const { problems } = await checkCorpus(directory, {
      engine: toyEngine(),
      audit: toyAudit,
      format: toyFormat,
    });
    expect(problems).toEqual([]);
    const split = await openSplit(directory, "train");
    const own = [...split].filter(({ source }) => source === "user");
    split.close();
    expect(own).toMatchObject([
      {
        fields: { input: train },
        id: `train-sql_to_ibis-${String(rows.train.sql_to_ibis + 1).padStart(5, "0")}`,
      },
    ]);
    const held = await openSplit(directory, "test");
    expect([...held].filter(({ licence }) => licence === "MIT")).toMatchObject([{ source: "user our wiki" }]);
    held.close();
    // A second time they are copies; and the same build finds the corpus with them.
    expect((await add(lines)).refused).toHaveLength(11);
    expect((await buildCorpus({ directory, seed: 1, rows }, { engine: toyEngine(), source })).reused).toBe(
      true,
    );
    expect(readManifest(directory).counts).toEqual(manifest.counts);
  });
});
