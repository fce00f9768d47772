import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { IBertError } from "../../errors.js";
import { cacheDirectory, packageRoot } from "../../runtime/cache.js";
import type { WheelFile } from "../sandbox/pyodide.js";

const lockSchema = z.object({
  packages: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      file: z.string(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      bytes: z.number().int(),
      license: z.string(),
    }),
  ),
});
export type LockedWheel = z.infer<typeof lockSchema>["packages"][number];

/** The pure-Python packages that Ibis needs, pinned by version and SHA-256. */
export function lockedWheels(): LockedWheel[] {
  const text = readFileSync(new URL("wheels.lock.json", import.meta.url), "utf8");
  return lockSchema.parse(JSON.parse(text)).packages;
}

/**
 * The pinned wheels on this machine: those bundled with the package, else those in the cache (or in `folder`).
 * Their digests are checked by the process that loads them.
 * @throws IBertError `wheel-missing`, which names the first file that is not there and the command that fetches it.
 */
export function locateWheels(folder?: string): WheelFile[] {
  const folders = folder === undefined ? [join(packageRoot(), "wheels"), cacheDirectory("wheels")] : [folder];
  const script = join(packageRoot(), "scripts", "fetch-wheels.mjs"); // not in the package, which has the wheels
  return lockedWheels().map(({ file, sha256 }) => {
    const path = folders.map((place) => join(place, file)).find((candidate) => existsSync(candidate));
    if (path === undefined) {
      throw new IBertError("wheel-missing", `${file} is not in ${folders.join(" or ")}`, {
        hint: existsSync(script) ? `fetch it with: node ${script}` : "Install ibert again: npm install ibert",
      });
    }
    return { path, sha256 };
  });
}
