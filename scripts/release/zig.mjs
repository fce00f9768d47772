/** The pinned compiler of releases, and the programs that CMake calls for one target. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));

/** The path of zig below `folder`; fetched with pip, checked by SHA-256, when it is not there or another one is pinned. */
export function installZig(folder, python = "python3") {
  const zig = join(folder, "ziglang", "zig");
  const mark = join(folder, "requirements.txt");
  const pinned = readFileSync(requirements, "utf8");
  if (existsSync(zig) && existsSync(mark) && readFileSync(mark, "utf8") === pinned) return zig;
  const flags = [
    "--require-hashes",
    "--no-deps",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--quiet",
  ];
  execFileSync(
    python,
    ["-m", "pip", "install", ...flags, "--upgrade", "--target", folder, "--requirement", requirements],
    { stdio: "inherit" },
  );
  writeFileSync(mark, pinned);
  return zig;
}

/** Writes `c++`, `ar` and `ranlib` for a target into `folder`: CMake and ccache want programs, zig has subcommands. */
export function writeTools(folder, zig, target) {
  mkdirSync(folder, { recursive: true });
  for (const [name, words] of [
    ["c++", `c++ -target ${target}`],
    ["ar", "ar"],
    ["ranlib", "ranlib"],
  ]) {
    const file = join(folder, name);
    const text = `#!/bin/sh\nexec '${zig}' ${words} "$@"\n`;
    // One that is as it was keeps its time, by which caches know a compiler.
    if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
    writeFileSync(file, text);
    chmodSync(file, 0o755);
  }
}
