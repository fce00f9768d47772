import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkCorpus, type CorpusCheck } from "../../../data/check.js";
import { buildCorpus } from "../../../data/build.js";
import { emptyCounts, readManifest, splitCounts, splitFile } from "../../../data/corpus.js";
import { SPLITS, TASK_TYPES, type Row, type Split, type TaskType } from "../../../data/tasks.js";
import type { DslEngine } from "../../dsl.js";
import { ibisRowAudit } from "./audit.js";
import { createIbisEngine } from "../index.js";
import { ibisTaskFormat } from "../tasks/prompts.js";
import { createIbisRowSource } from "../generator/source.js";

type Splits = Record<Split, Row[]>;

let engine: DslEngine;
let folder: string;
let splits: Splits;
/** Of the planted corpus, by `file:line`. */
let findings: Map<string, string>;

const readSplits = (folder: string): Splits =>
  Object.fromEntries(
    SPLITS.map((split) => {
      const lines = readFileSync(join(folder, splitFile(split)), "utf8")
        .split("\n")
        .filter((line) => line !== "");
      return [split, lines.map((line) => JSON.parse(line) as Row)];
    }),
  ) as Splits;

/** Writes the splits under a manifest that is true of them. */
function writeSplits(): void {
  const manifest = readManifest(folder);
  manifest.counts = emptyCounts();
  for (const split of SPLITS) {
    for (const row of splits[split]) manifest.counts[row.split][row.task]++;
    const text = splits[split].map((row) => `${JSON.stringify(row)}\n`).join("");
    writeFileSync(join(folder, splitFile(split)), text);
    manifest.files[splitFile(split)] = {
      sha256: createHash("sha256").update(text).digest("hex"),
      bytes: Buffer.byteLength(text),
      rows: splits[split].length,
    };
  }
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
}

const used = new Set<Row>();
/** Not what Ibis says of a function of its own. */
const isProgram = ({ kind = "" }: Row): boolean => !["entry", "difference"].includes(kind);

/** A row that no other plant has touched. */
function take(split: Split, task: TaskType, more: (row: Row) => boolean = () => true): Row {
  const row = splits[split].find((one) => one.task === task && !used.has(one) && more(one));
  if (row === undefined) throw new Error(`the corpus has too few rows of ${task} in ${split}`);
  used.add(row);
  return row;
}

function add(split: Split, row: Row): Row {
  used.add(row);
  splits[split].push(row);
  return row;
}

/** `file:line` where the row lies now. */
function at(row: Row): string {
  const split = SPLITS.find((one) => splits[one].includes(row));
  return split === undefined ? "nowhere" : `${splitFile(split)}:${splits[split].indexOf(row) + 1}`;
}

/** A row that is at fault, and what the check is to say of it. */
interface Plant {
  row: Row;
  finding: () => string | RegExp;
}

/** A row of `test` as training would have it. */
function moved(task: TaskType, edited: boolean): Plant {
  const before = take("test", task);
  const { shape } = before;
  const trained = splits.train.find((row) => row.task === task)?.shape ?? "";
  splits.test = splits.test.filter((row) => row !== before);
  const row = add("train", { ...before, split: "train", shape: edited ? trained : shape });
  const misplaced = `${shape} is a shape of test, and no row of train may have it`;
  return { row, finding: () => (edited ? `its shape is ${shape}, not ${trained}; ${misplaced}` : misplaced) };
}

function copied(task: TaskType): Plant {
  const original = take("train", task);
  const row = add("train", { ...original, id: `copy of ${original.id}` });
  return { row, finding: () => `it is a copy of ${at(original)}` };
}

/** The SQL of a row with another number in it. */
function wrongSql(task: "ibis_to_sql" | "sql_to_ibis"): Plant {
  const number = /(?<![\w.])(\d+)(?![\w.])/;
  const sqlOf = ({ fields, completion }: Row): string => (task === "ibis_to_sql" ? completion : fields.input);
  const row = take("train", task, (one) => number.test(sqlOf(one)));
  const right = sqlOf(row);
  const wrong = right.replace(number, (digits) => String(Number(digits) + 1));
  if (task === "ibis_to_sql") row.completion = wrong;
  else row.fields.input = wrong;
  return { row, finding: () => `its SQL is not that of its program, which is ${right}` };
}

function wrongAnswer(task: TaskType, suffix: string, finding: RegExp): Plant {
  const row = take("train", task, (one) => isProgram(one) && !one.completion.endsWith("()"));
  row.completion += suffix;
  return { row, finding: () => finding };
}

function wrongDocumentation(task: TaskType): Plant {
  const row = take("train", task, (one) => !isProgram(one));
  row.completion = `Not ${row.completion}`;
  return { row, finding: () => /^its answer is not what Ibis documents: \w/ };
}

const anotherShape = /its shape is plan:\w{16}, not plan:\w{16}/;

const PLANTS: Readonly<Record<string, () => Plant>> = {
  "a copied row": () => copied("code_completion"),
  "a copied answer about a function": () => copied("function_documentation"),
  "a copied row, written in another way, with an edited shape": () => {
    const original = take("train", "ibis_to_sql");
    const edited = "plan:0000000000000000";
    const fields = { ...original.fields, input: `(${original.fields.input})` };
    const row = add("train", { ...original, id: "edited copy", shape: edited, fields });
    return {
      row,
      finding: () =>
        `its shape is ${original.shape}, not ${edited}; it is a near-duplicate of ${at(original)}`,
    };
  },
  "a row moved under a test shape": () => moved("sql_to_ibis", false),
  "a row moved under a test shape, with an edited shape": () => moved("ibis_to_sql", true),
  "a documentation row moved under a test shape, with an edited shape": () =>
    moved("function_documentation", true),
  "a row in the file of another split": () => {
    const before = take("valid", "sql_to_ibis");
    splits.valid = splits.valid.filter((row) => row !== before);
    const row = add("train", before);
    return { row, finding: () => /^it says that it is of valid, but stands in the file of train; / };
  },
  "a schema that is not held out": () => {
    const row = take("test_schema", "sql_to_ibis");
    row.schemaId = splits.train.find(isProgram)?.schemaId ?? "";
    return { row, finding: () => `its schema ${row.schemaId} is not held out: other splits have it` };
  },
  "a schema that is not held out, under another name": () => {
    const original = take("train", "sql_to_ibis");
    const held = splits.test_schema[0]?.schemaId ?? "";
    const row = add("test_schema", { ...original, id: "renamed", split: "test_schema", schemaId: held });
    return { row, finding: () => /^its table \w+ is not held out: other splits have it; it is a copy of / };
  },
  "a copied row with another literal": () => {
    // Not within a date.
    const number = /(?<![\w.-])([1-9]\d*)(?![\w.-])/g;
    const original = take(
      "train",
      "sql_to_ibis",
      ({ fields, completion }) =>
        completion.search(number) >= 0 &&
        String(fields.input.match(number)) === String(completion.match(number)),
    );
    const edited = (text: string): string => text.replace(number, (digits) => String(Number(digits) + 1));
    const fields = { ...original.fields, input: edited(original.fields.input) };
    const row = add("train", {
      ...original,
      id: "other literal",
      fields,
      completion: edited(original.completion),
    });
    return { row, finding: () => `it is a near-duplicate of ${at(original)}` };
  },
  "a wrong SQL answer": () => wrongSql("ibis_to_sql"),
  "a wrong SQL question": () => wrongSql("sql_to_ibis"),
  "a program that is another one": () => wrongAnswer("sql_to_ibis", ".count()", anotherShape),
  "a fix that is another program": () => wrongAnswer("error_resolution", ".count()", anotherShape),
  "an answer that is another program": () => wrongAnswer("qa", ".count()", anotherShape),
  "a program that does not compile": () =>
    wrongAnswer("error_resolution", ".no_such_step()", /^its program does not compile: \w+: .*no_such_step/),
  "an answer that Ibis does not document": () => wrongDocumentation("function_documentation"),
  "a docstring that names another parameter": () => {
    const row = take("train", "function_documentation", isProgram);
    // In Google's style, or in NumPy's.
    row.completion = row.completion.replace(/^( {4})?\w+( :|(?<=^ {4}\w+):)/m, "$1other$2");
    return {
      row,
      finding: () => /^its documentation names the parameters other\b.*, and its function has \w/,
    };
  },
  "a docstring whose example is another program": () =>
    wrongAnswer("function_documentation", ".count()", anotherShape),
  "an invented exception": () => {
    const row = take("train", "error_resolution");
    const raised = row.fields.error;
    row.fields.error = "ValueError: invented";
    return { row, finding: () => `its broken program raises ${raised}, not ValueError: invented` };
  },
  "a broken program that is not broken": () => {
    const row = take("train", "error_resolution");
    row.fields.input = row.completion;
    return { row, finding: () => "its broken program compiles" };
  },
  "a question that is asked twice": () => {
    const first = take("train", "qa", isProgram);
    const row = take("train", "qa", (one) => isProgram(one) && at(one) !== at(first));
    row.fields = first.fields;
    row.schema = { ...first.schema, ...row.schema };
    return { row, finding: () => `its question is that of ${at(first)}, with another answer` };
  },
};

let plants: Map<string, Plant>;
let unplanted: CorpusCheck;
let rows: number;

beforeAll(async () => {
  engine = createIbisEngine({ workers: 1 });
  folder = join(mkdtempSync(join(tmpdir(), "ibert-audit-")), "corpus");
  const weights = Object.fromEntries(TASK_TYPES.map((task) => [task, 1]));
  const wanted = splitCounts({ train: 84, evaluation: { valid: 1, test: 1, test_schema: 1 } }, weights);
  const source = await createIbisRowSource(engine, { seed: 6, profile: "quickstart" });
  await buildCorpus({ directory: folder, seed: 6, rows: wanted }, { engine, source });
  const options = { engine, audit: ibisRowAudit(engine), format: ibisTaskFormat() };

  splits = readSplits(folder);
  rows = SPLITS.reduce((sum, split) => sum + splits[split].length, 0);
  unplanted = await checkCorpus(folder, options);
  plants = new Map(Object.entries(PLANTS).map(([name, plant]) => [name, plant()]));
  writeSplits();
  const { problems } = await checkCorpus(folder, options);
  findings = new Map(
    problems.map((problem) => {
      const [, place = "", finding = ""] =
        /^(\S+?:\d+): (.*)$/s.exec(problem.replaceAll(join(folder, "/"), "")) ?? [];
      return [place, finding];
    }),
  );
});
afterAll(async () => {
  await engine.close();
  rmSync(join(folder, ".."), { recursive: true, force: true });
});

describe("a check of a corpus", () => {
  it("finds nothing in a sound one, whose every row it compiles", () => {
    expect(unplanted).toEqual({ checked: rows, problems: [], naturalness: {} });
  });

  it.each(Object.keys(PLANTS))("finds %s", (name) => {
    const { row, finding } = plants.get(name) as Plant;
    const expected = finding();
    const found = findings.get(at(row));
    if (typeof expected === "string") expect(found).toBe(expected);
    else expect(found).toMatch(expected);
  });

  it("finds nothing else beside the plants", () => {
    expect([...findings.keys()].sort()).toEqual([...plants.values()].map(({ row }) => at(row)).sort());
  });
});
