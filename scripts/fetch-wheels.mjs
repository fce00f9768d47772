// Fetches the pinned Python wheels of the validator's sandbox into the cache, checked by SHA-256.
//   node scripts/fetch-wheels.mjs [--to FOLDER] [--python PROGRAM]
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

// The same rule as lib/runtime/cache.ts; this script also runs where nothing is compiled yet.
function cacheDirectory() {
  if (process.env.IBERT_CACHE) return resolve(process.env.IBERT_CACHE);
  if (existsSync(join(root, "tsconfig.build.json"))) return join(root, "data", "cache");
  return join(homedir(), ".cache", "ibert");
}

const { values } = parseArgs({
  options: {
    to: { type: "string", default: join(cacheDirectory(), "wheels") },
    python: { type: "string", default: "python3" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("usage: node scripts/fetch-wheels.mjs [--to FOLDER] [--python PROGRAM]");
  process.exit(0);
}

const lockFile = ["lib", "dist"]
  .map((d) => join(root, d, "dsl/ibis/wheels.lock.json"))
  .find((f) => existsSync(f));
const { packages } = JSON.parse(readFileSync(lockFile, "utf8"));
const isRight = (folder, { file, sha256 }) =>
  existsSync(join(folder, file)) &&
  createHash("sha256")
    .update(readFileSync(join(folder, file)))
    .digest("hex") === sha256;

const missing = packages.filter((wheel) => !isRight(values.to, wheel));
if (missing.length === 0) {
  console.log(`${packages.length} wheels are in ${values.to}`);
  process.exit(0);
}

mkdirSync(values.to, { recursive: true });
const scratch = mkdtempSync(join(values.to, ".fetch-"));
try {
  const requirements = join(scratch, "requirements.txt");
  writeFileSync(
    requirements,
    missing.map((w) => `${w.name}==${w.version} --hash=sha256:${w.sha256}\n`).join(""),
  );
  const flags = [
    "--no-deps",
    "--require-hashes",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--quiet",
  ];
  const { status, error } = spawnSync(
    values.python,
    ["-m", "pip", "download", ...flags, "--no-input", "--dest", scratch, "--requirement", requirements],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  if (error !== undefined || status !== 0) {
    console.error(
      `could not fetch ${missing.map((w) => w.file).join(", ")}: ${error?.message ?? `pip ended with ${status}`}\n` +
        `  Python 3 with pip is needed once (name it with --python); or put these files into ${values.to} yourself.`,
    );
    process.exitCode = 1;
  } else {
    for (const wheel of missing) {
      if (!isRight(scratch, wheel)) throw new Error(`${wheel.file} did not come from pip`);
      renameSync(join(scratch, wheel.file), join(values.to, wheel.file));
    }
    console.log(`${missing.length} wheels fetched into ${values.to}`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
