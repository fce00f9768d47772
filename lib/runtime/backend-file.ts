/**
 * Where the library of a backend lies: beside the addon, as in a checkout's build, or in the package that brings it
 * (`@ibert/cuda-linux-x64`, made by scripts/release/cuda.mjs), which is held against this version of ibert before it is loaded.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { z } from "zod";

import { packageRoot, packageVersion } from "./cache.js";
import { isOlder, readHost } from "./host.js";
import { addon, addonPath } from "./native.js";
import { OP_TABLE } from "./ops.generated.js";
import type { Finding } from "./probe.js";

const Build = z.object({
  version: z.string(),
  commit: z.string(),
  toolkit: z.string(),
  architectures: z.array(z.string()),
  minimumDriver: z.string(),
  backendAbi: z.number(),
  opTable: z.string(),
  needs: z.object({ glibc: z.string().optional() }),
});

/** `build.json` of a backend's package: what its library was built from and needs; the driver is the library's own to judge. */
export type BackendBuild = z.infer<typeof Build>;

/** A backend as it is opened. */
export interface BackendFile {
  /** What the addon is asked for: the backend's name, or the path of its library. */
  open: string;
  /** Its library, whether or not it is there. */
  library: string;
  /** Of a library that a package brought. */
  build?: BackendBuild;
}

/** Systems that the CUDA backend has a package for. */
const CUDA_PLATFORMS: readonly string[] = ["linux-x64", "linux-arm64"];

/** The package that brings a backend to a system ("linux-x64"), where there is one. */
export function backendPackage(backend: string, platform: string): string | undefined {
  return backend === "cuda" && CUDA_PLATFORMS.includes(platform) ? `@ibert/cuda-${platform}` : undefined;
}

/** The file name of a backend's library, as native/loader.cpp has it. */
export function libraryName(backend: string, platform: string = process.platform): string {
  const suffix = platform === "darwin" ? "dylib" : platform === "win32" ? "dll" : "so";
  return `libibert-${backend}.${suffix}`;
}

/** Whether a backend is named by the path of its library, as native/platform has it. */
export const isLibraryPath = (backend: string, platform: string = process.platform): boolean =>
  backend.includes("/") || (platform === "win32" && backend.includes("\\"));

/** What a package must agree with. */
export interface Needed {
  version: string;
  opTable: string;
  backendAbi: number;
  /** Version of the GNU C library here. */
  glibc: string | undefined;
}

/** Why the library of a package cannot be used here: what is found, and what is needed. */
export function whyUnfit(build: BackendBuild, needed: Needed): string | undefined {
  const { version, opTable, backendAbi, needs } = build;
  if (version !== needed.version) return `it is of version ${version}, and ${needed.version} is needed`;
  if (backendAbi !== needed.backendAbi) {
    return `it has backend ABI ${backendAbi}, and ${needed.backendAbi} is needed (version ${version} both)`;
  }
  if (opTable !== needed.opTable) {
    return `its op table is ${opTable}, and ${needed.opTable} is needed (version ${version} both)`;
  }
  if (needs.glibc !== undefined && (needed.glibc === undefined || isOlder(needed.glibc, needs.glibc))) {
    return `it needs glibc ${needs.glibc}, and this system has ${needed.glibc ?? "another C library"}`;
  }
  return undefined;
}

/**
 * Where packages of the application are looked for: from its main script, as it was named and where that lies, and where there
 * is none, as under `node --eval`, from the working folder; then from ibert, which a package manager may have put elsewhere.
 */
function origins(): string[] {
  const main = process.argv[1];
  const own = join(packageRoot(), "package.json");
  if (main === undefined || !existsSync(main)) return [join(process.cwd(), "package.json"), own];
  return [...new Set([main, realpathSync(main), own])];
}

/** The folders of a package, one for each place that has another. */
function packageFolders(name: string): string[] {
  const found = origins().flatMap((origin) => {
    try {
      return [dirname(createRequire(origin).resolve(`${name}/package.json`))];
    } catch {
      return [];
    }
  });
  return [...new Set(found)];
}

function readBuild(folder: string): BackendBuild | { problem: string } {
  try {
    const read = Build.safeParse(JSON.parse(readFileSync(join(folder, "build.json"), "utf8")));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    return { problem: `its build.json has no right "${issue?.path.join(".")}": ${issue?.message}` };
  } catch (error) {
    return { problem: `its build.json cannot be read: ${(error as Error).message}` };
  }
}

/** The library in a package's folder, or what is wrong with it. */
function fromPackage(folder: string, backend: string): BackendFile | { problem: string } {
  const build = readBuild(folder);
  if ("problem" in build) return build;
  const { backendAbi } = addon().build;
  const needed = { version: packageVersion(), opTable: OP_TABLE, backendAbi, glibc: readHost().glibc };
  const problem = whyUnfit(build, needed);
  if (problem !== undefined) return { problem };
  const library = join(folder, libraryName(backend));
  return existsSync(library) ? { open: library, library, build } : { problem: "its library is not there" };
}

/** How a backend's package is installed in the version that is needed here. */
export const installCommand = (name: string): string => `npm install ${name}@${packageVersion()}`;

/**
 * The library of a backend ("cuda", or a path): the one beside the addon, else the first of its packages here that fits.
 * What the library itself finds wrong, with the driver say, is not looked at.
 * @returns what keeps it from being opened, with each place that was looked at, where none can be
 */
export function findBackend(backend: string): BackendFile | Finding {
  if (isLibraryPath(backend)) return { open: backend, library: backend };
  const beside = join(dirname(addonPath()), libraryName(backend));
  const name = backendPackage(backend, `${process.platform}-${process.arch}`);
  if (name === undefined || existsSync(beside)) return { open: backend, library: beside };
  const folders = packageFolders(name);
  if (folders.length === 0) {
    const from = origins().map((origin) => dirname(origin));
    const reason =
      `the backend ${backend} is not installed: looked for ${beside}, ` +
      `and for the package ${name} from ${[...new Set(from)].join(" and ")}`;
    return { obstacle: "not-installed", reason };
  }
  const places = [`${beside}: not there`];
  for (const folder of folders) {
    const found = fromPackage(folder, backend);
    if (!("problem" in found)) return found;
    places.push(`${folder}: ${found.problem}`);
  }
  const list = places.join("\n");
  const reason = `the backend ${backend} cannot run here:\n${list}\nRun \`${installCommand(name)}\`.`;
  return { obstacle: "unfit", reason };
}
