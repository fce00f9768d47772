import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds this package's `package.json`: the checkout, or the installed package. */
export function packageRoot(): string {
  // lib/runtime/cache.ts and dist/runtime/cache.js both lie two folders below it.
  return resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
}

let version: string | undefined;

/** The version in package.json. */
export function packageVersion(): string {
  version ??= (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string })
    .version;
  return version;
}

/**
 * Where downloaded files are kept: `$IBERT_CACHE`, else `data/cache` of a checkout, else `~/.cache/ibert`.
 * `parts` name a place below it. Nothing is created.
 */
export function cacheDirectory(...parts: string[]): string {
  const root = packageRoot();
  const chosen = process.env["IBERT_CACHE"];
  if (chosen !== undefined && chosen !== "") return join(resolve(chosen), ...parts);
  // tsconfig.build.json is not in the published package, so it tells a checkout from an installation.
  if (existsSync(join(root, "tsconfig.build.json"))) return join(root, "data", "cache", ...parts);
  return join(homedir(), ".cache", "ibert", ...parts);
}
