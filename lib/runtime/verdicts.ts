/**
 * What was tried once and went well, kept in the cache folder so that programs start without trying it again: a binary, or
 * a binary with a driver. What failed is not kept; it may be mended.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";

import { cacheDirectory } from "./cache.js";

/** More would be those of binaries that are long gone. */
const MOST = 64;

const file = (): string => cacheDirectory("verdicts.json");

/** A file as long as nobody changes or replaces it; "absent" for none. */
export function fileIdentity(path: string): string {
  try {
    const real = realpathSync(path);
    const { size, mtimeMs, ino } = statSync(real);
    return [real, size, mtimeMs, ino].join(" ");
  } catch {
    return "absent";
  }
}

/** Of what runs the file: this Node, the system's kernel and its C library's search path. */
const runtime = (): string =>
  [process.version, process.arch, release(), process.env["LD_LIBRARY_PATH"] ?? ""].join(" ");

/** A name for "these things here, on this system". */
export function verdictKey(...parts: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify([runtime(), ...parts]))
    .digest("hex")
    .slice(0, 32);
}

function read(): Record<string, number> {
  try {
    const found: unknown = JSON.parse(readFileSync(file(), "utf8"));
    return typeof found === "object" && found !== null ? (found as Record<string, number>) : {};
  } catch {
    return {};
  }
}

export const wentWell = (key: string): boolean => Object.hasOwn(read(), key);

/** Two processes that keep at once may lose one verdict, which is asked again; a folder that nobody may write keeps none. */
export function keepVerdict(key: string): void {
  const kept = Object.entries({ ...read(), [key]: Date.now() })
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST);
  const beside = `${file()}.${randomBytes(4).toString("hex")}`;
  try {
    mkdirSync(dirname(file()), { recursive: true });
    writeFileSync(beside, JSON.stringify(Object.fromEntries(kept)));
    renameSync(beside, file());
  } catch {
    // It only saves time.
  }
}
