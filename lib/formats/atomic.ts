import { randomBytes } from "node:crypto";
import * as node from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import { IBertError } from "../errors.js";
import { describeSystemError } from "./system-error.js";

/** What the writers need of an open file. */
export interface WritableFile {
  write(buffer: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system as the writers see it; a test gives one that fails where it wants. */
export interface FileSystem {
  open(path: string, flags: "wx" | "r"): Promise<WritableFile>;
  mkdir(path: string, options: { recursive: boolean }): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { recursive: true; force: true }): Promise<void>;
  readdir(path: string): Promise<string[]>;
}

export const nodeFileSystem: FileSystem = node;

export interface AtomicOptions {
  fileSystem?: FileSystem;
}

/** `.name.new-1a2b3c4d` beside `name`: the same file system, so that a rename suffices. */
function beside(path: string, role: "new" | "old"): string {
  return join(dirname(path), `.${basename(path)}.${role}-${randomBytes(4).toString("hex")}`);
}

/** A rename is only on the disk once its folder is. */
async function syncFolder(fileSystem: FileSystem, path: string): Promise<void> {
  const folder = await fileSystem.open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Most bytes of one write: Node takes lengths below 2 GiB, and so does Linux. */
const PIECE_BYTES = 1 << 30;

async function writeChunks(
  file: WritableFile,
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of chunks) {
    let done = 0;
    while (done < chunk.byteLength) {
      const { bytesWritten } = await file.write(chunk, done, Math.min(chunk.byteLength - done, PIECE_BYTES));
      if (bytesWritten === 0) {
        throw new IBertError("disk-full", `${path}: cannot write: the system took no more bytes`, {
          hint: "The disk is most likely full; free some space or name another place.",
        });
      }
      done += bytesWritten;
    }
  }
}

/**
 * Writes a file beside its place, flushes it and renames it there: a reader sees the old content or the new, never a
 * part, and a failure leaves nothing behind.
 * @throws IBertError `disk-full`, `write-failed` naming the path.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { fileSystem = nodeFileSystem }: AtomicOptions = {},
): Promise<void> {
  const chunks =
    typeof content === "string"
      ? [Buffer.from(content)]
      : content instanceof Uint8Array
        ? [content]
        : content;
  const target = resolve(path);
  const temporary = beside(target, "new");
  try {
    await fileSystem.mkdir(dirname(target), { recursive: true });
    const file = await fileSystem.open(temporary, "wx");
    try {
      await writeChunks(file, path, chunks);
      await file.sync();
    } finally {
      await file.close();
    }
    await fileSystem.rename(temporary, target);
    await syncFolder(fileSystem, dirname(target));
  } catch (error) {
    await fileSystem.rm(temporary, { recursive: true, force: true });
    throw describeSystemError(error, "write", path);
  }
}

/**
 * Fills a new folder beside `path` and puts it in its place. What was there stays until the new one is whole; should
 * the process die between the two renames, `currentDirectory` still finds the old one.
 * @param fill writes the content into the folder that it is given (with `writeFileAtomic`, which flushes it).
 */
export async function replaceDirectoryAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  { fileSystem = nodeFileSystem }: AtomicOptions = {},
): Promise<void> {
  const target = resolve(path);
  const temporary = beside(target, "new");
  try {
    await fileSystem.mkdir(dirname(target), { recursive: true });
    await recover(fileSystem, target);
    await fileSystem.mkdir(temporary, { recursive: false });
    await fill(temporary);
    await syncFolder(fileSystem, temporary);
    await swap(fileSystem, temporary, target);
  } catch (error) {
    await fileSystem.rm(temporary, { recursive: true, force: true });
    throw describeSystemError(error, "write", path);
  }
}

/** POSIX renames no folder over a filled one, so the old one steps aside first, and back if the new one cannot come. */
async function swap(fileSystem: FileSystem, from: string, target: string): Promise<void> {
  const old = beside(target, "old");
  const parent = dirname(target);
  const present = (await fileSystem.readdir(parent)).includes(basename(target));
  if (present) await fileSystem.rename(target, old);
  try {
    await fileSystem.rename(from, target);
  } catch (error) {
    if (present) await fileSystem.rename(old, target);
    throw error;
  }
  await syncFolder(fileSystem, parent);
  if (present) await fileSystem.rm(old, { recursive: true, force: true });
}

/**
 * Where the content of `path` lies now: `path` itself, or, where a crash fell between the two renames of
 * `replaceDirectoryAtomic`, its predecessor beside it. Changes nothing.
 */
export async function currentDirectory(
  path: string,
  { fileSystem = nodeFileSystem }: AtomicOptions = {},
): Promise<string> {
  const { present, old } = await leftovers(fileSystem, resolve(path));
  return present || old[0] === undefined ? path : old[0];
}

/** Ends a replacement that a crash cut short: a missing folder gets its predecessor back, all else beside it goes. */
async function recover(fileSystem: FileSystem, target: string): Promise<void> {
  const { present, old, fresh } = await leftovers(fileSystem, target);
  const [predecessor] = old;
  if (!present && predecessor !== undefined) {
    await fileSystem.rename(predecessor, target);
    old.shift();
  }
  for (const path of [...old, ...fresh]) await fileSystem.rm(path, { recursive: true, force: true });
}

async function leftovers(
  fileSystem: FileSystem,
  target: string,
): Promise<{ present: boolean; old: string[]; fresh: string[] }> {
  const parent = dirname(target);
  const entries = await fileSystem.readdir(parent).catch((): string[] => []);
  const named = (role: "new" | "old"): string[] =>
    entries
      .filter((entry) => entry.startsWith(`.${basename(target)}.${role}-`))
      .map((entry) => join(parent, entry));
  return { present: entries.includes(basename(target)), old: named("old"), fresh: named("new") };
}
