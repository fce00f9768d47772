/**
 * A corpus that is being built, beside its place: its files as far as they are written, and a state that says how far
 * that is. A build that ended at any moment goes on from the last state; what was written after it is cut off.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { copyFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { IBertError } from "../errors.js";
import { replaceDirectoryAtomic, writeFileAtomic } from "../formats/atomic.js";
import { sha256OfFile } from "../formats/hash.js";
import { describeSystemError } from "../formats/system-error.js";
import { emptyCounts, REJECTS, splitFile, type Manifest, type SplitCounts } from "./corpus.js";
import { hash53 } from "./random.js";
import type { Refusal } from "./source.js";
import { SPLITS, TASK_TYPES, type Row } from "./tasks.js";

/** What is written of each row besides its line: hashes of its key and its shape, its split and its task. */
const RECORD_BYTES = 18;
const INDEX = "index.bin";
const STATE = "state.json";
const FILES = [...SPLITS.map(splitFile), REJECTS, INDEX] as const;

const stateShape = z.strictObject({
  /** What is being built; another build does not go on with it. */
  identity: z.string(),
  /** Where the draws stand: the task, whether its schemas are held out, and the number of the next draw. */
  task: z.number(),
  heldOut: z.boolean(),
  /** Whether the rows of human origin are in. */
  human: z.boolean(),
  next: z.number(),
  refused: z.number(),
  duplicates: z.number(),
  bytes: z.record(z.string(), z.number()),
});
type State = z.infer<typeof stateShape>;

/** Rows in memory are hashes only: some 80 bytes a row, so that a million rows take 80 MB. */
export class PartialCorpus {
  readonly counts: SplitCounts = emptyCounts();
  private readonly keys = new Set<number>();
  private readonly shapes = new Map<string, Set<number>>(SPLITS.map((split) => [split, new Set()]));
  /** Rows of a shape, in the splits that are measured on. */
  private readonly perShape = new Map<string, number>();
  private readonly files = new Map<string, { descriptor: number; bytes: number; waiting: string[] }>();
  private records: Buffer[] = [];

  private constructor(
    readonly folder: string,
    readonly state: State,
  ) {}

  static folderOf(directory: string): string {
    return join(dirname(directory), `.${basename(directory)}.partial`);
  }

  /**
   * Goes on with what an earlier build of the same `identity` left beside `directory`, or begins.
   * @throws IBertError as the system says
   */
  static async open(directory: string, identity: string): Promise<PartialCorpus> {
    const folder = PartialCorpus.folderOf(directory);
    try {
      const found = readState(folder, identity);
      if (found === undefined) await rm(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      const bytes = Object.fromEntries(FILES.map((file) => [file, 0]));
      const state = found ?? {
        identity,
        task: 0,
        heldOut: false,
        human: false,
        next: 0,
        refused: 0,
        duplicates: 0,
        bytes,
      };
      const partial = new PartialCorpus(folder, state);
      partial.openFiles();
      return partial;
    } catch (error) {
      throw describeSystemError(error, "write", folder);
    }
  }

  /**
   * A copy of a whole corpus, to which rows are added. Nothing of it is kept for a later run.
   * @throws IBertError `corpus-manifest` where it was made without an index
   */
  static async copyOf(directory: string, manifest: Manifest): Promise<PartialCorpus> {
    const folder = join(dirname(directory), `.${basename(directory)}.adding`);
    if (manifest.files[INDEX] === undefined) {
      throw new IBertError(
        "corpus-manifest",
        `${directory}: it has no ${INDEX}, which finds copies of its rows`,
        {
          hint: "Build the corpus again: npx ibert data build",
        },
      );
    }
    try {
      await rm(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      for (const file of FILES) await copyFile(join(directory, file), join(folder, file));
      const bytes = Object.fromEntries(FILES.map((file) => [file, statSync(join(folder, file)).size]));
      const { refused, duplicates } = manifest;
      const place = { identity: "", task: 0, heldOut: false, human: true, next: 0 };
      const partial = new PartialCorpus(folder, { ...place, refused, duplicates, bytes });
      partial.openFiles();
      return partial;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw describeSystemError(error, "write", folder);
    }
  }

  get length(): number {
    return SPLITS.reduce((sum, split) => sum + taskSum(this.counts[split]), 0);
  }

  /** Whether a row of human origin has the shape. */
  isHuman(shape: string): boolean {
    return this.shapes.get("human")?.has(hash53(shape)) === true;
  }

  /** Whether a row of the task with this key is there. */
  has(task: Row["task"], key: string): boolean {
    return this.keys.has(hash53(`${task}\n${key}`));
  }

  /** Rows of the task and the shape in the split; for other splits than `train`. */
  ofShape({ split, task, shape }: Pick<Row, "split" | "task" | "shape">): number {
    return this.perShape.get(`${split} ${task} ${hash53(shape)}`) ?? 0;
  }

  /** Takes a row in, under the next number of its split and task; `save` writes it. */
  add(unnumbered: Omit<Row, "id">, key: string): void {
    const { split, task } = unnumbered;
    const number = String(this.counts[split][task] + 1).padStart(5, "0");
    const row: Row = { id: `${split}-${task}-${number}`, ...unnumbered };
    const record = Buffer.allocUnsafe(RECORD_BYTES);
    record.writeDoubleLE(hash53(`${row.task}\n${key}`), 0);
    record.writeDoubleLE(hash53(row.shape), 8);
    record.writeUInt8(SPLITS.indexOf(row.split), 16);
    record.writeUInt8(TASK_TYPES.indexOf(row.task), 17);
    this.remember(record);
    this.records.push(record);
    this.line(splitFile(row.split), row);
  }

  refuse(refusal: Refusal): void {
    this.state.refused++;
    this.line(REJECTS, refusal);
  }

  /** Writes what came since the last time; from here a later build goes on. */
  save(place: Pick<State, "task" | "heldOut" | "next" | "human">): void {
    try {
      for (const [name, file] of this.files) {
        const bytes = name === INDEX ? Buffer.concat(this.records) : Buffer.from(file.waiting.join(""));
        file.waiting = [];
        for (let done = 0; done < bytes.length;)
          done += writeSync(file.descriptor, bytes, done, bytes.length - done, file.bytes + done);
        file.bytes += bytes.length;
        this.state.bytes[name] = file.bytes;
      }
      this.records = [];
      Object.assign(this.state, place);
      const path = join(this.folder, STATE);
      writeFileSync(`${path}.new`, JSON.stringify(this.state));
      renameSync(`${path}.new`, path);
    } catch (error) {
      throw describeSystemError(error, "write", this.folder);
    }
  }

  close(): void {
    for (const { descriptor } of this.files.values()) closeSync(descriptor);
    this.files.clear();
  }

  /** What the folder holds, for its manifest. */
  async manifest(
    name: string,
    of: Pick<Manifest, "settings" | "dsl"> & { added?: Manifest["added"] },
  ): Promise<Manifest> {
    const { refused, duplicates } = this.state;
    const ofSplit = (split: Row["split"]): number => taskSum(this.counts[split]);
    const rows: [string, number][] = [
      [REJECTS, refused],
      ...SPLITS.map((split): [string, number] => [splitFile(split), ofSplit(split)]),
      [INDEX, this.length],
    ];
    const files: Manifest["files"] = {};
    for (const [file, count] of rows) {
      const path = join(this.folder, file);
      files[file] = { sha256: await sha256OfFile(path), bytes: statSync(path).size, rows: count };
    }
    return {
      format: 1,
      name,
      dsl: of.dsl,
      settings: of.settings,
      counts: this.counts,
      shapes: Object.fromEntries(
        SPLITS.map((split) => [split, this.shapes.get(split)?.size ?? 0]),
      ) as Manifest["shapes"],
      refused,
      duplicates,
      ...(of.added === undefined ? {} : { added: of.added }),
      files,
    };
  }

  /** Puts the files in the place of `directory`: all of them, or none. */
  async finish(directory: string, manifest: Manifest): Promise<void> {
    this.close();
    try {
      await replaceDirectoryAtomic(directory, async (fresh) => {
        for (const file of FILES) await rename(join(this.folder, file), join(fresh, file));
        await writeFileAtomic(join(fresh, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      });
      await rm(this.folder, { recursive: true, force: true });
    } catch (cause) {
      throw new IBertError("corpus-write", `${directory}: the corpus could not be written`, { cause });
    }
  }

  async discard(): Promise<void> {
    this.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private line(file: string, item: object): void {
    this.files.get(file)?.waiting.push(`${JSON.stringify(item)}\n`);
  }

  private openFiles(): void {
    try {
      this.openEach();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private openEach(): void {
    for (const name of FILES) {
      const descriptor = openSync(join(this.folder, name), existsSync(join(this.folder, name)) ? "r+" : "w+");
      const bytes = this.state.bytes[name] ?? 0;
      this.files.set(name, { descriptor, bytes, waiting: [] });
      ftruncateSync(descriptor, bytes);
    }
    const index = readFileSync(join(this.folder, INDEX));
    for (let at = 0; at < index.length; at += RECORD_BYTES)
      this.remember(index.subarray(at, at + RECORD_BYTES));
  }

  private remember(record: Buffer): void {
    const split = SPLITS[record.readUInt8(16)];
    const task = TASK_TYPES[record.readUInt8(17)];
    if (split === undefined || task === undefined) throw new RangeError("a record of no split or task");
    const shape = record.readDoubleLE(8);
    this.keys.add(record.readDoubleLE(0));
    this.shapes.get(split)?.add(shape);
    this.counts[split][task]++;
    if (split === "train") return;
    const share = `${split} ${task} ${shape}`;
    this.perShape.set(share, (this.perShape.get(share) ?? 0) + 1);
  }
}

const taskSum = (counts: SplitCounts[Row["split"]]): number =>
  TASK_TYPES.reduce((sum, task) => sum + counts[task], 0);

/** The state that a build of this identity left, if its files are as long as it says. */
function readState(folder: string, identity: string): State | undefined {
  try {
    const state = stateShape.parse(JSON.parse(readFileSync(join(folder, STATE), "utf8")));
    const whole = Object.entries(state.bytes).every(
      ([file, bytes]) => statSync(join(folder, file)).size >= bytes,
    );
    return whole && state.identity === identity ? state : undefined;
  } catch {
    return undefined; // There is none, or it is damaged: a build begins anew.
  }
}
