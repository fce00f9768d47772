/** SHA-256 of files, whatever their size. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync, renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { cacheDirectory } from "../runtime/cache.js";
import { describeSystemError } from "./system-error.js";

const CHUNK_BYTES = 1 << 20;

/** Told of every piece that was read. */
export type HashProgress = (bytes: number) => void;

/** SHA-256 of a file's bytes, in hexadecimal. @throws IBertError as the system says, naming the file */
export async function sha256OfFile(path: string, onRead?: HashProgress): Promise<string> {
  const hash = createHash("sha256");
  try {
    const file = await open(path, "r");
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        onRead?.(bytesRead);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
  return hash.digest("hex");
}

export const sha256OfText = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A file younger than this may change again without its times showing it. */
const SETTLED_MS = 2000;

/**
 * What changes whenever the file does. The time of the last change of state is the system's own: no program sets it,
 * as `touch` and `cp -p` set the time of modification.
 */
function stateOf(path: string): { state: string; settled: boolean } {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = statSync(path, { bigint: true });
    const newest = Math.max(Number(mtimeMs), Number(ctimeMs));
    return {
      state: [dev, ino, size, mtimeNs, ctimeNs].join(" "),
      settled: newest + SETTLED_MS < Date.now(),
    };
  } catch (error) {
    throw describeSystemError(error, "read", path);
  }
}

/**
 * SHA-256 of a large file that seldom changes: it is kept in the cache folder and taken from there as long as the
 * file is the same to the system (place, size and times).
 */
export async function cachedSha256(path: string, onRead?: HashProgress): Promise<string> {
  const full = resolve(path);
  const kept = join(cacheDirectory("hashes"), `${sha256OfText(full).slice(0, 32)}.txt`);
  const before = stateOf(full);
  const [state, hash] = readKept(kept);
  if (state === before.state && hash !== undefined && /^[\da-f]{64}$/.test(hash)) return hash;
  const found = await sha256OfFile(full, onRead);
  const after = stateOf(full);
  if (after.settled && after.state === before.state) keep(kept, `${after.state}\n${found}\n`);
  return found;
}

function readKept(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return []; // Not there yet.
  }
}

function keep(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const beside = `${path}.${process.pid}`;
    writeFileSync(beside, text);
    renameSync(beside, path);
  } catch {
    // A cache that cannot be written costs time, nothing else.
  }
}
