// What the assembler says of kernels (`-Xptxas -v`), and what of it is wrong.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";

/** Of one multiprocessor: threads, blocks, and bytes of shared memory for all blocks and for what one declares. */
const MULTIPROCESSORS = {
  sm_80: { threads: 2048, blocks: 32, shared: 164 << 10 },
  sm_90: { threads: 2048, blocks: 32, shared: 228 << 10 },
};
const REGISTERS = 65536;
const STATIC_SHARED = 48 << 10;
/** What a block takes of shared memory besides its own. */
const RESERVED_SHARED = 1 << 10;
const MOST_THREADS = 1024;

/**
 * The kernels of a log, and all that it complains of. `bounds`: threads of a block by kernel.
 * @returns {{ kernels: { name: string, architecture: string, threads: number, registers: number, shared: number }[],
 *             problems: string[] }}
 */
export function readLog(log, bounds) {
  const kernels = [];
  const problems = [];
  let kernel;
  let subject = "";
  for (const line of log.split("\n")) {
    const entry = /Compiling entry function '(\S+)' for '(\w+)'/.exec(line);
    if (entry) {
      const [, name, architecture] = entry;
      kernel = { name, architecture, threads: bounds.get(name) ?? MOST_THREADS, registers: 0, shared: 0 };
      kernels.push(kernel);
    }
    subject = /Function properties for (\S+)/.exec(line)?.[1] ?? subject;
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (frame) {
      const [stack, stores, loads] = frame.slice(1).map(Number);
      const where = `${subject} (${kernel?.architecture})`;
      if (stores + loads > 0) problems.push(`${where}: spills ${stores} bytes and loads ${loads}`);
      else if (stack > 0) problems.push(`${where}: a stack frame of ${stack} bytes`);
    }
    const used = /Used (\d+) registers/.exec(line);
    if (used && kernel) {
      kernel.registers = Number(used[1]);
      kernel.shared = Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0);
    }
    if (/\(C75\d\d\)|ptxas warning/.test(line)) problems.push(line.trim());
  }
  for (const { name, architecture, threads, registers, shared } of kernels) {
    if (registersOf(registers, threads) > REGISTERS)
      problems.push(
        `${name} (${architecture}): ${registers} registers for ${threads} threads do not fit into ${REGISTERS}`,
      );
    if (shared > STATIC_SHARED)
      problems.push(
        `${name} (${architecture}): ${shared} bytes of static shared memory, more than ${STATIC_SHARED}`,
      );
  }
  return { kernels, problems };
}

/** Registers that a block holds: whole warps, each in units of 256. */
function registersOf(registers, threads) {
  return Math.ceil(threads / 32) * Math.ceil((registers * 32) / 256) * 256;
}

/** The share of a multiprocessor's threads that are busy when blocks hold no dynamic shared memory. */
export function occupancy({ architecture, threads, registers, shared }) {
  const limits = MULTIPROCESSORS[architecture];
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.threads / threads),
    Math.floor(REGISTERS / registersOf(Math.max(registers, 1), threads)),
    Math.floor(limits.shared / (shared + RESERVED_SHARED)),
  );
  return (blocks * threads) / limits.threads;
}

/** Threads of a block by kernel, as `__launch_bounds__` has put them into PTX. */
export function launchBounds(ptx) {
  const bounds = new Map();
  for (const [, name, directives] of ptx.matchAll(/\.entry (\S+?)\([^)]*\)([^{]*)\{/g)) {
    const extent = /\.maxntid (\d+(?:, \d+)*)/.exec(directives);
    if (extent)
      bounds.set(
        name,
        extent[1]
          .split(", ")
          .map(Number)
          .reduce((product, n) => product * n),
      );
  }
  return bounds;
}

/** All logs of a folder that scripts/build-cuda.mjs wrote. */
export function readFolder(folder) {
  const kernels = [];
  const problems = [];
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".log"))
    .sort()) {
    const kept = join(folder, "kept", name.slice(0, -".log".length));
    const ptx = readdirSync(kept).find((file) => file.endsWith(".ptx"));
    const bounds = ptx === undefined ? new Map() : launchBounds(readFileSync(join(kept, ptx), "utf8"));
    const found = readLog(readFileSync(join(folder, name), "utf8"), bounds);
    const file = name.slice(0, -".log".length).replace(/^kernels-cuda-(host-)?/, "");
    kernels.push(...found.kernels.map((kernel) => ({ ...kernel, file })));
    problems.push(...found.problems);
  }
  return { kernels, problems };
}

/** Mangled names within texts as people write them, without namespaces and parameters. */
export function readable(texts) {
  if (texts.length === 0) return [];
  const run = spawnSync("c++filt", { input: texts.join("\n"), encoding: "utf8" });
  if (run.status !== 0) return texts;
  return run.stdout
    .split("\n")
    .map((text) =>
      text
        .replaceAll(/ibert::cuda::|\(anonymous namespace\)::|_GLOBAL__N__\w+::/g, "")
        .replace(/^(?:void )?(.*?)\((?:[^()]|\([^()]*\))*\)(?= \(|$)/, "$1"),
    );
}
