/** Package managers, Nodes and linters for tests of a release, installed once into build/release/tools. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const from = fileURLToPath(new URL("tools", import.meta.url));
const folder = join(root, "build", "release", "tools");
const within = (...parts) => join(folder, "node_modules", ...parts);

/** Versions of Node that a package is tried on, and one that is too old. */
export const NODES = ["20", "22", "24"];
export const OLD_NODE = "18";

export const tools = {
  node: (version) => within(`node-${version}`, "bin", "node"),
  publint: within("publint", "src", "cli.js"),
  attw: within("@arethetypeswrong", "cli", "dist", "index.js"),
  esbuild: within("esbuild", "bin", "esbuild"),
  pnpm: within("pnpm", "bin", "pnpm.cjs"),
  yarn: within("@yarnpkg", "cli-dist", "bin", "yarn.js"),
  bun: within("@oven", "bun-linux-x64", "bin", "bun"),
};

/** Installs what package-lock.json pins, unless it is there. */
export function installTools() {
  const text = (path) => (existsSync(path) ? readFileSync(path, "utf8") : "");
  const names = ["package.json", "package-lock.json"];
  const isSame = names.every((name) => text(join(folder, name)) === text(join(from, name)));
  if (isSame && existsSync(within(".package-lock.json"))) return;
  mkdirSync(folder, { recursive: true });
  for (const name of names) copyFileSync(join(from, name), join(folder, name));
  const words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync("npm", words, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
}
