import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkCorpus } from "./check.js";
import { buildCorpus, type CorpusDependencies, type CorpusProgress } from "./build.js";
import { readManifest, splitCounts, splitOfShape, type Manifest } from "./corpus.js";
import { inspectCorpus } from "./inspect.js";
import { openSplit } from "./reader.js";
import { toyAudit, toyEngine, toyFormat, toySource } from "./testing/fakes.js";
import type { Draw } from "./source.js";
import { SPLITS, type Row, type Split } from "./tasks.js";

const evaluation = { valid: 3, test: 4, test_schema: 2 };
const rows = splitCounts({ train: 40, evaluation }, { qa: 1, sql_to_ibis: 3 });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ibert-corpus-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const build = (name: string, seed = 1) =>
  buildCorpus({ directory: join(folder, name), seed, rows }, { engine: toyEngine(), source: toySource });

async function allRows(split: Split): Promise<Row[]> {
  const file = await openSplit(join(folder, "a"), split);
  const rows = [...file];
  file.close();
  return rows;
}

describe("splitCounts", () => {
  it("spreads training rows by weight and evaluation rows evenly over the same tasks", () => {
    expect(rows.train).toMatchObject({ qa: 10, sql_to_ibis: 30, ibis_to_sql: 0 });
    expect(rows.test).toMatchObject({ qa: 4, sql_to_ibis: 4, ibis_to_sql: 0 });
  });
});

describe("buildCorpus", () => {
  it("fills every split, keeps shapes apart and leaves nothing else behind", async () => {
    const { manifest, reused } = await build("a");
    expect(reused).toBe(false);
    expect(manifest.counts).toEqual(rows);
    expect(manifest.refused).toBeGreaterThan(0);
    expect(manifest.duplicates).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual(["a"]);
    for (const split of SPLITS.filter((one) => one !== "human")) {
      for (const row of await allRows(split)) {
        expect(splitOfShape(row.shape)).toBe(split === "test_schema" ? "train" : split);
        expect(row.schemaId).toBe(split === "test_schema" ? "held" : "seen");
      }
    }
    const refused = (await readFile(join(folder, "a", "rejects.jsonl"), "utf8")).trim().split("\n");
    expect(refused).toHaveLength(manifest.refused);
    expect(JSON.parse(refused[0] as string)).toMatchObject({ reason: "every tenth" });
  });

  it("writes the same bytes for the same settings, and finds them again", async () => {
    const first = await build("a");
    const second = await build("b");
    expect(second.manifest.files).toEqual(first.manifest.files);
    const again = await build("a");
    expect(again).toEqual({ manifest: first.manifest, reused: true });
    expect((await build("a", 2)).reused).toBe(false);
  });

  it("holds out rows of human origin, whose shapes nothing that is drawn has, also when it goes on", async () => {
    const engine = toyEngine();
    const drawn = await toySource.draw("sql_to_ibis", 0, {
      heldOutSchema: false,
      label: (text) => engine.label(text),
    });
    if (!("candidate" in drawn)) throw new Error("the toy source drew nothing");
    const own = { ...drawn.candidate, duplicateKey: "by hand", completion: "by hand", source: "people" };
    const human = (): Promise<Draw[]> =>
      Promise.resolve([{ candidate: own }, { refusal: { task: "qa", reason: "not a pair", text: "x" } }]);
    const into = (name: string, onProgress?: () => never) =>
      buildCorpus(
        { directory: join(folder, name), seed: 1, rows },
        {
          engine: toyEngine(),
          source: toySource,
          human,
          ...(onProgress === undefined ? {} : { onProgress }),
        },
      );
    const { manifest } = await into("a");
    expect(manifest.counts.human.sql_to_ibis).toBe(1);
    expect((await allRows("human"))[0]).toMatchObject({
      id: "human-sql_to_ibis-00001",
      completion: "by hand",
    });
    const shapes = (await Promise.all(SPLITS.filter((one) => one !== "human").map(allRows))).flat();
    expect(shapes.map(({ shape }) => shape)).not.toContain(own.shape);
    const check = { engine: toyEngine(), audit: toyAudit, format: toyFormat };
    expect((await checkCorpus(join(folder, "a"), check)).problems).toEqual([]);
    const stop = (): never => {
      throw new Error("ended");
    };
    await expect(into("b", stop)).rejects.toThrow("ended");
    expect((await into("b")).manifest.files).toEqual(manifest.files);
    // Without them the shape is drawn.
    await build("c");
    const train = await openSplit(join(folder, "c"), "train");
    expect([...train].map(({ shape }) => shape)).toContain(own.shape);
    train.close();
    expect((await build("a")).reused).toBe(false);
  });

  it("draws all that is wanted beside rows of human origin", async () => {
    const draws = Array.from({ length: 100 }, (_, i): Draw => ({
      candidate: {
        task: "sql_to_ibis",
        fields: { input: `by hand ${i}` },
        completion: `by hand ${i}`,
        schema: {},
        schemaId: "people",
        shape: `by hand ${i}`,
        source: "people",
        licence: "Apache-2.0",
        duplicateKey: `by hand ${i}`,
      },
    }));
    const progress: CorpusProgress[] = [];
    const { manifest } = await buildCorpus(
      { directory: join(folder, "a"), seed: 1, rows },
      {
        engine: toyEngine(),
        source: toySource,
        human: () => Promise.resolve(draws),
        onProgress: (one) => progress.push(one),
      },
    );
    expect(manifest.counts.human.sql_to_ibis).toBe(100);
    expect({ ...manifest.counts, human: rows.human }).toEqual(rows);
    expect(progress.at(-1)).toMatchObject({ rows: progress[0]?.rowsWanted, resumed: 0 });
    for (const { rows: drawn, rowsWanted } of progress) expect(drawn).toBeLessThanOrEqual(rowsWanted);
  });

  it("builds again when a file was touched", async () => {
    await build("a");
    await appendFile(join(folder, "a", "train.jsonl"), "\n");
    expect((await build("a")).reused).toBe(false);
  });

  it("says which split has no row", async () => {
    const none = { ...toySource, draw: toySource.draw.bind(toySource) };
    none.draw = (task) => Promise.resolve({ refusal: { task, reason: "never", text: "x" } });
    const directory = join(folder, "a");
    await expect(
      buildCorpus({ directory, seed: 1, rows }, { engine: toyEngine(), source: none }),
    ).rejects.toMatchObject({
      code: "corpus-empty",
      message: expect.stringContaining("split train") as string,
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it("goes on where it was ended, to the same bytes, whatever the number of workers", async () => {
    const { manifest } = await build("a");
    for (const [after, workers] of [
      [1, 1],
      [3, 2],
      [5, 4],
    ] as const) {
      const directory = join(folder, `b${after}`);
      const abort = new AbortController();
      let batches = 0;
      const onProgress = (): void => void (++batches === after && abort.abort());
      const cut = buildCorpus(
        { directory, seed: 1, rows },
        { engine: toyEngine(), source: toySource, workers, onProgress, signal: abort.signal },
      );
      await expect(cut).rejects.toThrow(/abort/i);
      // What a process that is killed in the middle of a batch leaves: more than its state speaks of.
      await appendFile(join(folder, `.b${after}.partial`, "train.jsonl"), '{"id":"half');
      const seen: number[] = [];
      const again = await buildCorpus(
        { directory, seed: 1, rows },
        {
          engine: toyEngine(),
          source: toySource,
          workers,
          onProgress: ({ resumed }) => void seen.push(resumed),
        },
      );
      expect(again.manifest.files).toEqual(manifest.files);
      expect(again.manifest).toEqual({ ...manifest, name: `b${after}` });
      expect(seen[0]).toBeGreaterThan(0);
    }
    expect((await readdir(folder)).sort()).toEqual(["a", "b1", "b3", "b5"]);
  });

  it("does not go on with what another build left, nor with files that lost their ends", async () => {
    const { manifest } = await build("a");
    const cut = async (seed: number): Promise<void> => {
      const onProgress = (): never => {
        throw new Error("ended");
      };
      const dependencies = { engine: toyEngine(), source: toySource, onProgress };
      await expect(buildCorpus({ directory: join(folder, "b"), seed, rows }, dependencies)).rejects.toThrow(
        "ended",
      );
    };
    await cut(2);
    expect((await build("b")).manifest.files).toEqual(manifest.files);
    await rm(join(folder, "b"), { recursive: true });
    await cut(1);
    await writeFile(join(folder, ".b.partial", "train.jsonl"), "");
    expect((await build("b")).manifest.files).toEqual(manifest.files);
  });

  it("goes on after kill -9", async () => {
    // Plain JavaScript, which the process that is killed and this one can both load.
    await writeFile(
      join(folder, "plain.mjs"),
      `export const engine = { version: () => Promise.resolve({ name: "plain", version: "1" }) };
export const source = { version: "plain-1", draw: (task, i) => Promise.resolve({ candidate: {
  task, fields: { input: "question " + i }, completion: "answer", schema: {}, schemaId: "s", shape: "shape " + i % 400,
  source: "plain", licence: "Apache-2.0", duplicateKey: String(i - i % 3) } }) };`,
    );
    await writeFile(
      join(folder, "kill.mjs"),
      `import { runnerImport } from ${JSON.stringify(import.meta.resolve("vite"))};
import { engine, source } from "./plain.mjs";
const { module: { buildCorpus } } = await runnerImport(${JSON.stringify(fileURLToPath(new URL("build.ts", import.meta.url)))});
let batches = 0;
const onProgress = () => { if (++batches === 2) process.kill(process.pid, "SIGKILL"); };
const [directory, rows] = process.argv.slice(2);
await buildCorpus({ directory, seed: 1, rows: JSON.parse(rows) }, { engine, source, onProgress });`,
    );
    const { engine, source } = (await import(join(folder, "plain.mjs"))) as Pick<
      CorpusDependencies,
      "engine" | "source"
    >;
    const plain = (name: string, onProgress?: (progress: CorpusProgress) => void) =>
      buildCorpus(
        { directory: join(folder, name), seed: 1, rows },
        { engine, source, ...(onProgress === undefined ? {} : { onProgress }) },
      );
    const { manifest } = await plain("a");
    const words = [join(folder, "kill.mjs"), join(folder, "b"), JSON.stringify(rows)];
    expect(spawnSync(process.execPath, words).signal).toBe("SIGKILL");
    expect(await readdir(folder)).toContain(".b.partial");
    const resumed: number[] = [];
    expect((await plain("b", (progress) => void resumed.push(progress.resumed))).manifest.files).toEqual(
      manifest.files,
    );
    expect(resumed[0]).toBeGreaterThan(0);
  });
});

describe("readManifest", () => {
  it("names a manifest that is missing or is none", async () => {
    expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code: "corpus-missing" }));
    await writeFile(join(folder, "manifest.json"), "{}");
    expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code: "corpus-manifest" }));
  });
});

describe("checkCorpus", () => {
  const check = (sample?: number) =>
    checkCorpus(join(folder, "a"), {
      engine: toyEngine(),
      audit: toyAudit,
      format: toyFormat,
      ...(sample === undefined ? {} : { sample }),
    });

  it("passes a sound corpus through the compiler again", async () => {
    await build("a");
    expect(await check()).toEqual({ checked: 58, problems: [], naturalness: {} });
    expect(await check(20)).toMatchObject({ checked: 20, problems: [] });
  });

  it("finds changed files, counts, compilers and rows, each with its place", async () => {
    await build("a");
    const path = join(folder, "a", "train.jsonl");
    const [shape] = (await allRows("test")).map((row) => row.shape);
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    const row = JSON.parse(lines.at(-1) as string) as object;
    lines[lines.length - 1] = JSON.stringify({ ...row, shape, completion: "bad:build" });
    await writeFile(path, `${lines.join("\n")}\n`);
    const manifest = join(folder, "a", "manifest.json");
    const built = JSON.parse(await readFile(manifest, "utf8")) as Manifest;
    built.counts.train.qa++;
    built.dsl.version = "0";
    await writeFile(manifest, JSON.stringify(built));
    const { problems } = await check();
    expect(problems).toEqual([
      `${path}: its SHA-256 is not the manifest's`,
      `${join(folder, "a")}: it was built with toy 0, and is checked with toy 1`,
      `${join(folder, "a")}: the rows per split and task are not the manifest's`,
      `${path}:40: bad; ${shape} is a shape of test, and no row of train may have it`,
    ]);
  });

  it.each([
    ["sql_to_ibis", 1],
    ["code_completion", 0],
  ] as const)("of questions asked twice with two answers in %s finds %i", async (task, count) => {
    await build("a");
    const path = join(folder, "a", "train.jsonl");
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    const [first, second] = lines.slice(-2).map((line) => ({ ...(JSON.parse(line) as Row), task }));
    const repeated = { ...second, fields: first?.fields };
    await writeFile(
      path,
      [...lines.slice(0, -2), ...[first, repeated].map((row) => JSON.stringify(row)), ""].join("\n"),
    );
    const found = (await check()).problems.filter((problem) => problem.includes("question"));
    const finding = `${path}:40: its question is that of ${path}:39, with another answer`;
    expect(found).toEqual(count === 1 ? [finding] : []);
  });

  it("names a file that is gone", async () => {
    await build("a");
    await rm(join(folder, "a", "valid.jsonl"));
    await expect(check()).rejects.toMatchObject({ code: "corpus-missing" });
  });
});

describe("inspectCorpus", () => {
  it("reports counts, kinds, examples and token lengths", async () => {
    await build("a");
    const report = await inspectCorpus(join(folder, "a"), toyFormat, {
      encode: (text) => [...text].map((c) => c.charCodeAt(0)),
      eosId: 0,
    });
    expect(report.counts.train.qa).toBe(10);
    expect(report.examples.qa?.prompt).toMatch(/^qa: program/);
    expect(report.lengths?.all?.rows).toBe(40);
    expect(Object.keys(report.kinds)).toEqual(["qa"]);
    expect(Object.keys(report.kinds.qa ?? {})).toEqual(["common", "rare"]);
    const { common = 0, rare = 0 } = report.kinds.qa ?? {};
    expect(common + rare).toBe(10);
    const qa = report.lengths?.qa;
    expect(qa?.max).toBeGreaterThanOrEqual(qa?.mean ?? Infinity);
    expect(qa?.supervisedMean).toBeLessThan(qa?.mean ?? 0);
  });
});
