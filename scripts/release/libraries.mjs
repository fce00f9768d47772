/** The libraries of a release: where the build leaves them, where they go, what they export, and what is held against them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { floorProblems } from "./floors.mjs";
import { readMachO } from "./macho.mjs";
import { PLATFORMS } from "./platforms.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const kernels = join(root, "kernels-metal");

/** The names of the Metal kernels in `folder`: each is declared as `KERNEL name(`. */
export function metalKernels(folder = kernels) {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".metal"))
    .flatMap((file) => [...readFileSync(join(folder, file), "utf8").matchAll(/^KERNEL (\w+)\(/gm)])
    .map(([, name]) => name);
}

/** `{ from, to, entries, kernels }` of each: `from` within the build folder, `kernels` whose source text it holds. */
export function librariesOf(platform) {
  const { addon, system } = PLATFORMS[platform];
  const backend = (name, kernels = []) => {
    const file = `libibert-${name}.${system === "Darwin" ? "dylib" : "so"}`;
    return { from: join("Release", file), to: file, entries: ["ibertBackend"], kernels };
  };
  const own = {
    from: "ibert.node",
    to: addon,
    entries: ["napi_register_module_v1", "node_api_module_get_api_version_v1"],
    kernels: [],
  };
  const metal = system === "Darwin" ? [backend("metal", metalKernels())] : [];
  return [backend("reference"), ...metal, own].map((one) => ({
    ...one,
    to: join(root, "prebuilds", platform, one.to),
  }));
}

/** The kernels whose source text a library lacks. */
export function missingKernels(buffer, kernels) {
  return kernels.filter((name) => !buffer.includes(`\nKERNEL ${name}(`));
}

/** What is wrong with the file of a library; nothing where all is well. */
export function problemsOf(platform, { to, entries, kernels }) {
  if (!existsSync(to)) return ["is not there"];
  const buffer = readFileSync(to);
  return [
    ...floorProblems(buffer, PLATFORMS[platform].floor, entries),
    ...missingKernels(buffer, kernels).map((name) => `does not hold the source of the kernel ${name}`),
  ];
}

/** The load commands of a library for macOS, a line each; none of one for another system. */
export function loadCommands(platform, { to }) {
  return PLATFORMS[platform].floor.format === "mach-o" ? readMachO(readFileSync(to)).commands : [];
}
