/** The libraries of a release: where the build leaves them, where they go, what they export, and what is held against them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { flattened, metalFiles } from "../metal/kernels.mjs";
import { floorProblems } from "./floors.mjs";
import { readMachO } from "./macho.mjs";
import { PLATFORMS } from "./platforms.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const kernels = join(root, "kernels-metal");

/** As CMake names a shared library on a system. */
const SUFFIXES = { Linux: "so", Darwin: "dylib", Windows: "dll" };

/** `{ from, to, entries, sources }` of each: `from` within the build folder, `sources` the kernels' files whose text it holds. */
export function librariesOf(platform) {
  const { addon, system } = PLATFORMS[platform];
  const backend = (name, sources = []) => {
    const file = `libibert-${name}.${SUFFIXES[system]}`;
    return { from: join("Release", file), to: file, entries: ["ibertBackend"], sources };
  };
  const own = {
    from: "ibert.node",
    to: addon,
    entries: ["napi_register_module_v1", "node_api_module_get_api_version_v1"],
    sources: [],
  };
  const metal = system === "Darwin" ? [backend("metal", metalFiles(kernels))] : [];
  return [backend("reference"), ...metal, own].map((one) => ({
    ...one,
    to: join(root, "prebuilds", platform, one.to),
  }));
}

/** The files of kernels whose text, with its headers in place, a library lacks. */
export function missingSources(buffer, sources) {
  return sources.filter((file) => !buffer.includes(flattened(kernels, file)));
}

/** What is wrong with the file of a library; nothing where all is well. */
export function problemsOf(platform, { to, entries, sources }) {
  if (!existsSync(to)) return ["is not there"];
  const buffer = readFileSync(to);
  return [
    ...floorProblems(buffer, PLATFORMS[platform].floor, entries),
    ...missingSources(buffer, sources).map((file) => `does not hold kernels-metal/${file} as it is`),
  ];
}

/** Throws for the first thing that is wrong with the libraries of a platform. */
export function requireFit(platform, libraries = librariesOf(platform)) {
  for (const library of libraries) {
    const [problem] = problemsOf(platform, library);
    if (problem !== undefined)
      throw new Error(`${library.to} ${problem}: npm run release:build -- --platforms ${platform}`);
  }
}

/** The load commands of a library for macOS, a line each; none of one for another system. */
export function loadCommands(platform, { to }) {
  return PLATFORMS[platform].floor.format === "mach-o" ? readMachO(readFileSync(to)).commands : [];
}
