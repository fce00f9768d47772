// Copies what the compiler does not: the files of lib/ that are read or run as they are, to the same place in dist/.
// Makes the programs executable.
import { chmodSync, cpSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const EXTENSIONS = new Set([".py", ".mjs", ".json", ".html", ".css"]);
const SKIPPED = /(^|\/)(testing|goldens|__pycache__)(\/|$)|\.(test|golden)\./;

let count = 0;
for (const entry of readdirSync(join(root, "lib"), { recursive: true, withFileTypes: true })) {
  const source = join(entry.parentPath, entry.name);
  const relative = source.slice(join(root, "lib").length + 1).replaceAll("\\", "/");
  if (!entry.isFile() || !EXTENSIONS.has(extname(entry.name)) || SKIPPED.test(relative)) continue;
  cpSync(source, join(root, "dist", relative));
  count++;
}
console.log(`${count} assets copied to dist/`);

const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const program of Object.values(bin)) chmodSync(join(root, program), 0o755);
