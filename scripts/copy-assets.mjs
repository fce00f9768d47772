// Copies what the compiler does not: the files of lib/ that are read or run as they are, to the same place in dist/ of this
// folder, or of the one that is named. Makes the programs executable.
import { chmodSync, cpSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const target = resolve(process.argv[2] ?? root);
const EXTENSIONS = new Set([".py", ".mjs", ".json", ".html", ".css"]);
const SKIPPED = /(^|\/)(testing|goldens|__pycache__)(\/|$)|\.(test|golden)\./;

let count = 0;
for (const entry of readdirSync(join(root, "lib"), { recursive: true, withFileTypes: true })) {
  const source = join(entry.parentPath, entry.name);
  const relative = source.slice(join(root, "lib").length + 1).replaceAll("\\", "/");
  if (!entry.isFile() || !EXTENSIONS.has(extname(entry.name)) || SKIPPED.test(relative)) continue;
  cpSync(source, join(target, "dist", relative));
  count++;
}
console.log(`${count} assets copied to ${join(target, "dist")}`);

const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const program of Object.values(bin)) chmodSync(join(target, program), 0o755);
