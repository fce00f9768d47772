import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { Isolation } from "./isolation.js";
import { sandboxFile, type SandboxProgram } from "./sandbox-process.js";
import { snapshotKey, SnapshotStore } from "./snapshot.js";

/** A Python package as the sandbox loads it. */
export interface WheelFile {
  /** Absolute path. */
  path: string;
  /** Lower-case hexadecimal digest, checked on the bytes that are loaded. */
  sha256: string;
}

/** Python in a sandbox: packages, and modules of which `entry` has `handle(method, params) -> str`. */
export interface PyodideSpec {
  wheels: WheelFile[];
  /** Module name → source. */
  modules: Record<string, string>;
  entry: string;
  /** Limit of the interpreter's memory (default 768). */
  maximumMemoryMiB?: number;
  /** What the system puts around the process (default: all that it lets us). */
  isolation?: Isolation;
  /** Where the memory of the loaded interpreter is kept for the next start (default: nowhere, and each start loads all). */
  snapshots?: string;
}

/** The program that runs these Python modules in Pyodide, loaded by each process for itself. */
function loadingProgram(spec: PyodideSpec): SandboxProgram & { config: object } {
  const pyodide = realpathSync(dirname(createRequire(import.meta.url).resolve("pyodide/pyodide.mjs")));
  const wheels = spec.wheels.map(({ path, sha256 }) => ({ path: realpathSync(path), sha256 }));
  return {
    name: "Node with Pyodide",
    script: sandboxFile("pyodide-worker.mjs"),
    readable: [`${pyodide}/`, sandboxFile("snapshot.mjs"), ...wheels.map((wheel) => wheel.path)],
    nodeOptions: ["--no-addons"],
    config: {
      pyodide,
      wheels,
      modules: spec.modules,
      entry: spec.entry,
      maximumMemoryMiB: spec.maximumMemoryMiB ?? 768,
    },
    ...(spec.isolation === undefined ? {} : { isolation: spec.isolation }),
  };
}

/**
 * The program that runs these Python modules in Pyodide. With `snapshots` its processes go on from a snapshot, which is
 * made first where there is none; should one not start from it, it is made anew, and then done without.
 */
export async function pyodideProgram(spec: PyodideSpec): Promise<SandboxProgram> {
  const loading = loadingProgram(spec);
  const { snapshots } = spec;
  if (snapshots === undefined) return loading;
  const { pyodide, wheels } = loading.config as { pyodide: string; wheels: WheelFile[] };
  const key = await snapshotKey({ pyodide, wheels, modules: spec.modules, entry: spec.entry });
  const store = new SnapshotStore(snapshots);
  const maker = { ...loading, config: { ...loading.config, makesSnapshot: key } };

  async function restoring(otherwise: () => Promise<SandboxProgram>): Promise<SandboxProgram> {
    const found = await store.find(key, maker);
    if (found === undefined) return loading;
    const path = realpathSync(found);
    return {
      ...loading,
      readable: [...loading.readable, path],
      config: { ...loading.config, modules: {}, snapshot: { path, key } },
      otherwise: async () => {
        await store.remove(key);
        return otherwise();
      },
    };
  }
  return restoring(() => restoring(() => Promise.resolve(loading)));
}
