/** Holds a corpus against its manifest, and each row against what the compiler says of it now. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DslEngine } from "../dsl/dsl.js";
import { IBertError } from "../errors.js";
import { sha256OfFile } from "../formats/hash.js";
import { emptyCounts, readManifest, splitOfShape, tableHash, type Manifest } from "./corpus.js";
import { NaturalnessCounter, type TextForms } from "./naturalness.js";
import { hash53, Random } from "./random.js";
import { withSplits } from "./reader.js";
import type { RowFile } from "./row-file.js";
import type { AuditRows, RowAudit } from "./source.js";
import { continuesPrompt, type Row, type Split, type TaskFormat } from "./tasks.js";

export interface CorpusCheck {
  /** Rows that went through the compiler again. */
  checked: number;
  /** What is wrong, one for each file and one for each row (`file:line: …`); empty for a sound corpus. */
  problems: string[];
  /** How training rows and those of human origin are written: language → split → numbers. */
  naturalness: ReturnType<NaturalnessCounter["report"]>;
}

export interface CheckOptions {
  engine: DslEngine;
  /** What the DSL's compiler says of rows. */
  audit: AuditRows;
  format: TaskFormat;
  /** How a row's code is written; without it nothing is counted. */
  textForms?: (row: Row) => TextForms[];
  /** So many rows go through the compiler, chosen by `seed`; all of them where absent. */
  sample?: number;
  seed?: number;
}

/** Rows that are in memory at once. */
const BATCH = 512;

/**
 * Computes anew what a corpus says of itself: hashes and counts, and for each row its shape, the split that the shape
 * belongs to, and what the DSL's `audit` looks at. Finds rows that copy another one and questions that are asked twice.
 * What stays in memory is some 100 bytes a row.
 * @throws IBertError `corpus-missing`, `corpus-manifest`, and those of `RowFile.open`
 */
export async function checkCorpus(directory: string, options: CheckOptions): Promise<CorpusCheck> {
  const { engine, sample, seed = 0 } = options;
  const manifest = readManifest(directory);
  const problems = await changedFiles(directory, manifest);
  const dsl = await engine.version();
  if (dsl.name !== manifest.dsl.name || dsl.version !== manifest.dsl.version) {
    problems.push(
      `${directory}: it was built with ${manifest.dsl.name} ${manifest.dsl.version}, and is checked with ` +
        `${dsl.name} ${dsl.version}`,
    );
  }
  return withSplits(directory, manifest, async (splits) => {
    const places = new Places(splits);
    const chosen = chooser(places.length, sample, seed);
    const rows = new RowCheck(options, places);
    const counts = emptyCounts();
    const findings: string[] = [];
    const naturalness = new NaturalnessCounter();
    let checked = 0;
    for (let start = 0; start < places.length; start += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, places.length - start) }, (_, i) => start + i);
      const read = batch.map((place) => ({ place, ...places.at(place) }));
      const audited = read.filter(({ place }) => chosen(place));
      const audits = await options.audit(audited.map(({ row }) => row));
      const auditOf = new Map(audited.map(({ place }, i) => [place, audits[i] as RowAudit]));
      checked += audited.length;
      for (const { place, row, split } of read) {
        counts[row.split][row.task]++;
        if (split === "train" || split === "human") {
          for (const text of options.textForms?.(row) ?? []) naturalness.add(split, text);
        }
        const faults = await rows.faults(place, row, split, auditOf.get(place));
        if (faults.length > 0) findings.push(`${places.where(place)}: ${faults.join("; ")}`);
      }
    }
    if (JSON.stringify(counts) !== JSON.stringify(manifest.counts)) {
      problems.push(`${directory}: the rows per split and task are not the manifest's`);
    }
    return { checked, problems: [...problems, ...findings], naturalness: naturalness.report() };
  });
}

async function changedFiles(directory: string, manifest: Manifest): Promise<string[]> {
  const problems: string[] = [];
  for (const [file, { sha256 }] of Object.entries(manifest.files)) {
    const path = join(directory, file);
    if (!existsSync(path)) {
      throw new IBertError("corpus-missing", `${path}: the manifest lists it but it is not there`, {
        hint: "Build the corpus again: npx ibert data build",
      });
    }
    const found = await sha256OfFile(path);
    if (found !== sha256) problems.push(`${path}: its SHA-256 is not the manifest's`);
  }
  return problems;
}

/** The rows of all splits, numbered through. */
class Places {
  readonly length: number;

  constructor(private readonly splits: ReadonlyMap<Split, RowFile>) {
    this.length = [...splits.values()].reduce((sum, { length }) => sum + length, 0);
  }

  at(place: number): { row: Row; split: Split } {
    const { split, file, row } = this.find(place);
    return { row: file.at(row), split };
  }

  /** `file:line` */
  where(place: number): string {
    const { file, row } = this.find(place);
    return file.where(row);
  }

  private find(place: number): { split: Split; file: RowFile; row: number } {
    let row = place;
    for (const [split, file] of this.splits) {
      if (row < file.length) return { split, file, row };
      row -= file.length;
    }
    throw new RangeError(`there is no row ${place}`);
  }
}

/** Whether a row is one of the sample. */
function chooser(total: number, sample: number | undefined, seed: number): (place: number) => boolean {
  if (sample === undefined || sample >= total) return () => true;
  const chosen = new Set(Random.of(seed, "check").permutation(total).subarray(0, sample));
  return (place) => chosen.has(place);
}

/** Looks at the rows in their order, and remembers of each what a later one may repeat. */
class RowCheck {
  /** Hash of task and prompt, or of task and what the row teaches → the first row that has it. */
  private readonly prompts = new Map<number, number>();
  private readonly taught = new Map<number, number>();
  /** Schemas that splits other than `test_schema` have, and hashes of their tables. */
  private readonly seenSchemas = new Set<string>();
  /** Hashes of the shapes that are trained on. */
  private readonly trainedShapes = new Set<number>();
  private readonly seenTables = new Set<number>();

  constructor(
    private readonly options: CheckOptions,
    private readonly places: Places,
  ) {}

  /** What is wrong with the row, whose file is that of `split`. */
  async faults(place: number, row: Row, split: Split, audit: RowAudit | undefined): Promise<string[]> {
    const faults = [...(audit?.faults ?? [])];
    const shape = audit?.shape ?? row.shape;
    if (shape !== row.shape) faults.push(`its shape is ${shape}, not ${row.shape}`);
    if (row.split !== split)
      faults.push(`it says that it is of ${row.split}, but stands in the file of ${split}`);
    faults.push(...this.misplaced(row, split, shape));
    const repeated = await this.repeated(place, row, audit?.duplicateKey);
    if (repeated !== undefined) faults.push(repeated);
    return faults;
  }

  private misplaced({ schemaId, schema }: Row, split: Split, shape: string): string[] {
    const faults: string[] = [];
    const belongs = splitOfShape(shape);
    // Unseen schemas are tried with shapes that training has.
    const wanted = split === "test_schema" ? "train" : split;
    if (split === "train") this.trainedShapes.add(hash53(shape));
    if (split === "human") {
      if (this.trainedShapes.has(hash53(shape))) faults.push(`its shape ${shape} is trained on`);
      return faults;
    }
    if (belongs !== wanted)
      faults.push(`${shape} is a shape of ${belongs}, and no row of ${split} may have it`);
    const tables = Object.entries(schema).map((one) => [one[0], tableHash(one)] as const);
    if (split !== "test_schema") {
      this.seenSchemas.add(schemaId);
      for (const [, hash] of tables) this.seenTables.add(hash);
      return faults;
    }
    if (schemaId !== "none" && this.seenSchemas.has(schemaId)) {
      faults.push(`its schema ${schemaId} is not held out: other splits have it`);
    }
    for (const [table, hash] of tables) {
      if (this.seenTables.has(hash)) faults.push(`its table ${table} is not held out: other splits have it`);
    }
    return faults;
  }

  /** Rows whose hashes meet are compared as they are. */
  private async repeated(place: number, row: Row, key: string | undefined): Promise<string | undefined> {
    const { format, audit } = this.options;
    // A beginning may go on in many ways, all of them right.
    const promptOf = ({ task, fields, completion }: Row): string =>
      `${task}\n${format.prompt(task, fields)}${continuesPrompt(task) ? completion : ""}`;
    const prompt = promptOf(row);
    const asked = first(this.prompts, prompt, place);
    const taught = key === undefined ? undefined : first(this.taught, `${row.task}\n${key}`, place);
    if (taught !== undefined) {
      const other = this.places.at(taught).row;
      const [again] = await audit([other]);
      if (other.task === row.task && again?.duplicateKey === key) {
        const same = promptOf(other) === prompt && other.completion === row.completion;
        return `it is a ${same ? "copy" : "near-duplicate"} of ${this.places.where(taught)}`;
      }
    }
    if (asked === undefined) return undefined;
    const other = this.places.at(asked).row;
    if (promptOf(other) !== prompt) return undefined;
    return other.completion === row.completion
      ? `it is a copy of ${this.places.where(asked)}`
      : `its question is that of ${this.places.where(asked)}, with another answer`;
  }
}

/** The place at which `text` was met before, if any; else this is remembered as its first. */
function first(seen: Map<number, number>, text: string, place: number): number | undefined {
  const hash = hash53(text);
  const before = seen.get(hash);
  if (before === undefined) seen.set(hash, place);
  return before;
}
