import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import { packageRoot } from "../../runtime/cache.js";

const root = packageRoot();

/** The programs as `npm run build:ts` makes them. */
export const COMPILED = {
  ibert: join(root, "dist", "cli", "ibert.js"),
  train: join(root, "dist", "cli", "ibert-train.js"),
};

/** When the newest file under a folder was written. */
function newest(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

const isFresh = (): boolean =>
  existsSync(COMPILED.ibert) && newest(join(root, "dist")) > newest(join(root, "lib"));

/** Compiles what is stale, for tests of the programs as processes. Test files run side by side: one compiles, once. */
export async function compiledPrograms(): Promise<void> {
  const lock = join(tmpdir(), `ibert-build-${createHash("sha256").update(root).digest("hex").slice(0, 12)}`);
  while (!isFresh()) {
    try {
      mkdirSync(lock);
    } catch {
      // One left by a process that was killed is taken away.
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - since > 120_000) rmdirSync(lock);
      await setTimeout(200);
      continue;
    }
    try {
      if (!isFresh()) execFileSync("npm", ["run", "--silent", "build:ts"], { cwd: root, stdio: "inherit" });
    } finally {
      rmdirSync(lock);
    }
  }
}
