import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { temporaryFolder } from "../../formats/testing/temporary.js";
import { buildCorpus } from "../build.js";
import { checkCorpus } from "../check.js";
import { splitCounts, splitOfShape } from "../corpus.js";
import { openSplit } from "../reader.js";
import type { AdmitRows, Draw, MakeRows } from "../source.js";
import { SPLITS, type Row } from "../tasks.js";
import { toyAudit, toyEngine, toyFormat, toySource } from "../testing/fakes.js";
import { mine } from "./mine.js";
import { processFound, REFUSED, ROWS, type Processed } from "./process.js";
import { openMinedRows } from "./rows.js";

const MOST = 12;

/** A repository with a match on each line that filters, mined. */
async function mined(): Promise<{ root: string; folder: string }> {
  const folder = temporaryFolder();
  const root = join(folder, "reports");
  mkdirSync(root);
  const lines = Array.from({ length: MOST }, (_, i) => `t.filter(${i})`);
  writeFileSync(join(root, "a.py"), ["import ibis", ...lines, "t.filter(broken)", "t.filter(0)"].join("\n"));
  writeFileSync(join(root, "b.py"), "import ibis\nt.filter(1)\nt.filter(bad)\n");
  await mine({
    ...{ places: [root], rules: [], output: folder, mentions: () => true },
    scan: (_, texts) =>
      Promise.resolve({
        version: "1",
        faults: texts.map(() => undefined),
        matches: texts.map((text) =>
          text.split("\n").flatMap((line, i) => {
            const place = { line: i + 1, column: 1, endLine: i + 1, endColumn: line.length + 1 };
            return line.startsWith("t.") ? [{ rule: "filter", excerpt: "statement" as const, ...place }] : [];
          }),
        ),
      }),
  });
  return { root, folder };
}

/** What stands between the brackets is the answer; a broken one has no program. */
const makeRows: MakeRows = (file, sites) =>
  Promise.resolve(
    sites.map(({ line }) => {
      const [, inner = ""] = /\((\w+)\)/.exec(file.split("\n")[line - 1] ?? "") ?? [];
      if (inner === "broken") return { rows: [], refused: [{ reason: "it is broken", detail: inner }] };
      const common = { schema: { t: { a: "int64" } }, schemaId: "mined/t", completion: inner };
      return { rows: [{ task: "ibis_to_sql", fields: { input: `t(${inner})` }, ...common }], refused: [] };
    }),
  );

const admit: AdmitRows = (rows) =>
  Promise.resolve(
    rows.map((row): Draw => {
      const { task, completion } = row;
      if (completion === "bad") return { refusal: { task, reason: "its SQL is refused: bad", text: "bad" } };
      return { candidate: { ...row, shape: `mined ${completion}`, duplicateKey: completion } };
    }),
  );

const linesOf = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("processing", () => {
  it("writes rows with where they are from, and says of each other match why it gave none", async () => {
    const { folder } = await mined();
    const told: number[] = [];
    const onProgress = ({ found }: Processed): number => told.push(found);
    const processed = await processFound({ folder, makeRows, admit, onProgress });
    const refused = {
      "another row has its query, but for literals and names": 2,
      "it is broken": 1,
      "its SQL is refused": 1,
    };
    expect(processed).toEqual({ found: 16, of: 16, kept: MOST, rows: { ibis_to_sql: MOST }, refused });
    expect(told).toEqual([14, 16]);
    const place = { repository: "reports", commit: "none", file: "a.py", rule: "filter" };
    expect(linesOf(join(folder, ROWS))[2]).toEqual({
      ...{ task: "ibis_to_sql", fields: { input: "t(2)" }, completion: "2" },
      ...{ schema: { t: { a: "int64" } }, schemaId: "mined/t", source: "mined reports", licence: "unstated" },
      provenance: { ...place, line: 4, endLine: 4 },
    });
    expect(linesOf(join(folder, REFUSED)).map(({ file, line, reason }) => [file, line, reason])).toEqual([
      ["a.py", 14, "it is broken"],
      ["a.py", 15, "another row has its query, but for literals and names"],
      ["b.py", 2, "another row has its query, but for literals and names"],
      ["b.py", 3, "its SQL is refused"],
    ]);
  });

  it("takes a match at its word no longer than its lines stand, and ends without a trace", async () => {
    const { root, folder } = await mined();
    const changed = readFileSync(join(root, "a.py"), "utf8").replace("t.filter(3)", "t.filter(33)");
    writeFileSync(join(root, "a.py"), changed);
    writeFileSync(join(root, "b.py"), Buffer.from("import ibis # caf\xe9\n", "latin1"));
    const { refused, kept } = await processFound({ folder, makeRows, admit });
    expect([kept, refused["its lines are no longer there"], refused["its file is no UTF-8 text"]]).toEqual([
      ...[MOST - 1, 1, 2],
    ]);
    const before = readdirSync(folder).sort();
    const controller = new AbortController();
    const ended = processFound({
      ...{ folder, makeRows, admit, signal: controller.signal },
      onProgress: () => controller.abort(),
    });
    await expect(ended).rejects.toMatchObject({ name: "AbortError" });
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  it("names the file and the line that are at fault", async () => {
    const empty = temporaryFolder();
    const processing = (folder: string): Promise<Processed> => processFound({ folder, makeRows, admit });
    await expect(processing(empty)).rejects.toMatchObject({ code: "mined-missing" });
    await expect(openMinedRows(empty)).rejects.toMatchObject({ code: "mined-missing" });
    const { folder } = await mined();
    writeFileSync(join(folder, "found.jsonl"), '{"repository": 1}\n');
    await expect(processing(folder)).rejects.toThrow(/found\.jsonl:1: repository: /);
    writeFileSync(join(folder, "manifest.json"), "{}");
    await expect(processing(folder)).rejects.toThrow(/manifest\.json: format: /);
    writeFileSync(join(folder, ROWS), "{\n");
    const rows = await openMinedRows(folder);
    await expect(rows.draws(admit).next()).rejects.toThrow(/rows\.jsonl:1: not JSON/);
  });
});

describe("a corpus with mined rows", () => {
  it("has them in the splits of their shapes, beside what is drawn, and the same bytes again", async () => {
    const { folder } = await mined();
    await processFound({ folder, makeRows, admit });
    const rows = splitCounts(
      { train: 20, evaluation: { valid: 2, test: 2, test_schema: 2 } },
      { ibis_to_sql: 1 },
    );
    const build = async (name: string): ReturnType<typeof buildCorpus> => {
      const found = await openMinedRows(folder);
      return buildCorpus(
        { directory: join(folder, name), seed: 1, rows },
        {
          ...{ engine: toyEngine(), source: toySource },
          mined: { sha256: found.sha256, draws: () => found.draws(admit) },
        },
      );
    };
    const { manifest } = await build("a");
    const found: Row[] = [];
    for (const split of SPLITS.filter((one) => one !== "human")) {
      const file = await openSplit(join(folder, "a"), split);
      for (const row of file) {
        if (row.provenance === undefined) continue;
        expect(split).toBe(splitOfShape(row.shape));
        found.push(row);
      }
      file.close();
    }
    expect(found).toHaveLength(MOST);
    expect(found.every(({ provenance }) => provenance?.file === "a.py")).toBe(true);
    expect(Object.values(manifest.counts).reduce((sum, { ibis_to_sql }) => sum + ibis_to_sql, 0)).toBe(
      26 + MOST,
    );
    const checked = await checkCorpus(join(folder, "a"), {
      ...{ engine: toyEngine(), audit: toyAudit, format: toyFormat, textForms: () => [], seed: 1 },
    });
    expect(checked.problems).toEqual([]);
    expect((await build("a")).reused).toBe(true);
    expect((await build("b")).manifest.files).toEqual(manifest.files);
    // Other rows are another corpus.
    const [first = ""] = readFileSync(join(folder, ROWS), "utf8").split("\n");
    writeFileSync(join(folder, ROWS), `${first}\n`);
    expect((await build("a")).reused).toBe(false);
  });
});
