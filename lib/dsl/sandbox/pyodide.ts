import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { Isolation } from "./isolation.js";
import { sandboxFile, type SandboxProgram } from "./sandbox-process.js";

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
}

/** The program that runs these Python modules in Pyodide. */
export function pyodideProgram(spec: PyodideSpec): SandboxProgram {
  const pyodide = realpathSync(dirname(createRequire(import.meta.url).resolve("pyodide/pyodide.mjs")));
  const wheels = spec.wheels.map(({ path, sha256 }) => ({ path: realpathSync(path), sha256 }));
  return {
    name: "Node with Pyodide",
    script: sandboxFile("pyodide-worker.mjs"),
    readable: [`${pyodide}/`, ...wheels.map((wheel) => wheel.path)],
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
