import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// lib/runtime in a checkout and dist/runtime in the package both lie two below the root.
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Where fetched and derived files are kept: `data/cache` of a checkout (known by its tsconfig.json), and of an
 * installed package `$IBERT_CACHE` or `~/.cache/ibert`. The folder may not exist yet.
 */
export function cacheDirectory(): string {
  if (existsSync(join(ROOT, "tsconfig.json"))) {
    return join(ROOT, "data", "cache");
  }
  return process.env.IBERT_CACHE ?? join(homedir(), ".cache", "ibert");
}
