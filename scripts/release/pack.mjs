// Makes the tarball of a release: the same bytes whenever the sources, the wheels and the prebuilds are the same. Prints its
// files with their sizes, and its SHA-256, and writes both beside it.
//   npm run release:pack [-- --platforms linux-x64,…] [--local] [--cuda|--cuda-only] [--out FOLDER] [--wheels FOLDER]
// --local takes this machine's own build (build/Release) in place of prebuilds/, for tests. --cuda makes the tarball of
// @ibert/cuda-linux-x64 too, of the library that `npm run build:cuda` made (cuda.mjs); --cuda-only that alone.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { cudaBuild, stageCuda } from "./cuda.mjs";
import { platformsOf } from "./platforms.mjs";
import { stagePackage } from "./stage.mjs";

const MOST_BYTES = 30e6;
/** As the gate of the library has it (scripts/check-cuda.mjs). */
const MOST_CUDA_BYTES = 61e6;
const root = fileURLToPath(new URL("../..", import.meta.url));
const { values } = parseArgs({
  options: {
    platforms: { type: "string" },
    local: { type: "boolean", default: false },
    cuda: { type: "boolean", default: false },
    "cuda-only": { type: "boolean", default: false },
    out: { type: "string", default: join(root, "build", "release") },
    wheels: {
      type: "string",
      default: join(process.env.IBERT_CACHE || join(root, "data", "cache"), "wheels"),
    },
  },
});

async function pack() {
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  if (!values["cuda-only"]) {
    const platforms = values.local ? [] : platformsOf(values.platforms);
    const folder = join(out, "package");
    await stagePackage(folder, { wheels: resolve(values.wheels), platforms });
    packFolder(folder, out, MOST_BYTES);
    if (!values.cuda) return;
  }
  const cuda = join(out, "cuda-package");
  stageCuda(cuda, cudaBuild());
  packFolder(cuda, out, MOST_CUDA_BYTES);
}

/** Makes the tarball of a folder in `out`, with its record beside it. */
function packFolder(folder, out, mostBytes) {
  const words = ["pack", "--ignore-scripts", "--json", "--pack-destination", out];
  const [{ filename, files, unpackedSize }] = JSON.parse(
    execFileSync("npm", words, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }),
  );
  const tarball = join(out, filename.replace("@", "").replace("/", "-"));
  const sha256 = createHash("sha256").update(readFileSync(tarball)).digest("hex");
  const list = files.map(({ path, size }) => ({ path, size }));
  const record = { tarball: basename(tarball), sha256, unpackedSize, files: list };
  writeFileSync(tarball.replace(/\.tgz$/, ".json"), `${JSON.stringify(record, null, 2)}\n`);
  for (const { path, size } of list) console.log(`${String(size).padStart(10)}  ${path}`);
  console.log(`${String(unpackedSize).padStart(10)}  in ${list.length} files\n${sha256}  ${tarball}`);
  if (unpackedSize > mostBytes) {
    throw new Error(`it holds ${unpackedSize} bytes unpacked, and ${mostBytes} is the most`);
  }
}

try {
  await pack();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
