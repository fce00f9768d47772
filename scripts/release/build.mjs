// Builds the addon and the backend libraries of a release into prebuilds/<platform>-<arch>/, as node-gyp-build looks for
// them, all on one Linux machine, and holds them to the oldest systems that must load them (platforms.mjs).
//   node scripts/release/build.mjs [--platforms linux-x64,…] [--jobs N] [--check]
// --check builds nothing and judges what is there. A compiler launcher such as ccache comes from CMAKE_CXX_COMPILER_LAUNCHER.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { librariesOf, loadCommands, problemsOf } from "./libraries.mjs";
import { PLATFORMS, platformsOf } from "./platforms.mjs";
import { installZig, writeTools } from "./zig.mjs";

const { values } = parseArgs({
  options: {
    platforms: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    check: { type: "boolean", default: false },
  },
});
const root = fileURLToPath(new URL("../..", import.meta.url));
const toolchain = fileURLToPath(new URL("zig.cmake", import.meta.url));
const headers = dirname(createRequire(import.meta.url).resolve("node-api-headers/include/node_api.h"));
const run = (program, words) => execFileSync(program, words, { cwd: root, stdio: "inherit" });

function build(name) {
  const { target, system, processor } = PLATFORMS[name];
  const out = join(root, "build", "release", name);
  writeTools(join(out, "tools"), installZig(join(root, "build", "release", "zig")), target);
  run("cmake", [
    ...["-S", root, "-B", out, "--toolchain", toolchain, "-DCMAKE_BUILD_TYPE=Release"],
    ...[
      `-DIBERT_ZIG_TOOLS=${join(out, "tools")}`,
      `-DIBERT_SYSTEM=${system}`,
      `-DIBERT_PROCESSOR=${processor}`,
    ],
    `-DCMAKE_JS_INC=${headers}`,
  ]);
  run("cmake", ["--build", out, "--target", "runtime", "--parallel", values.jobs]);
  rmSync(join(root, "prebuilds", name), { recursive: true, force: true });
  mkdirSync(join(root, "prebuilds", name), { recursive: true });
  for (const { from, to } of librariesOf(name)) copyFileSync(join(out, from), to);
}

function check(name) {
  let good = true;
  for (const library of librariesOf(name)) {
    const { to } = library;
    const problems = problemsOf(name, library);
    for (const problem of problems) console.error(`error: ${to}: ${problem}`);
    if (problems.length > 0) good = false;
    else console.log(`${to}: ${(statSync(to).size / 2 ** 20).toFixed(1)} MiB`);
    if (existsSync(to)) for (const command of loadCommands(name, library)) console.log(`  ${command}`);
  }
  return good;
}

let good = true;
for (const name of platformsOf(values.platforms)) {
  if (!values.check) build(name);
  good = check(name) && good;
}
process.exitCode = good ? 0 : 1;
