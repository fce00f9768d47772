/** The package that brings the CUDA backend to those who want it: @ibert/cuda-linux-x64, or -arm64. lib/runtime/backend-file.ts finds it. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { ARCHITECTURES } from "../cuda/architectures.mjs";
import { findNvcc } from "../cuda/nvcc.mjs";
import { readElf } from "./elf.mjs";
import { isNewer } from "./floors.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** The name of the package for an architecture, in Node's words. */
export const cudaPackage = (architecture) => `@ibert/cuda-linux-${architecture}`;
/** As kernels-cuda/host/driver.cpp asks for them. */
const MINIMUM = { driver: "580", cuda: "13.0" };

const found = (file, pattern) => {
  const [, text] = pattern.exec(readFileSync(join(root, file), "utf8")) ?? [];
  if (text === undefined) throw new Error(`${file} does not say ${pattern}`);
  return text;
};

/** The library that `npm run build:cuda` made, and what it was made from. */
export function cudaBuild() {
  const library = join(root, "build", "Release", "libibert-cuda.so");
  if (!existsSync(library)) throw new Error(`${library} is not there: npm run build:cuda`);
  const built = statSync(library).mtimeMs;
  for (const folder of ["native", "kernels-cuda"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      if (!/\.(h|cpp|cu)$/.test(name) || /^(tests|emulator|tools|cpu|reference)\//.test(name)) continue;
      if (statSync(join(root, folder, name)).mtimeMs > built)
        throw new Error(`${library} is older than ${folder}/${name}: npm run build:cuda`);
    }
  }
  const nvcc = findNvcc();
  const said = nvcc === undefined ? "" : execFileSync(nvcc, ["--version"], { encoding: "utf8" });
  const [, toolkit] = /release [\d.]+, V([\d.]+)/.exec(said) ?? [];
  if (toolkit === undefined)
    throw new Error("nvcc, which the library was built with, is not there to be named");
  const git = (...words) => execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--untracked-files=no", "native", "kernels-cuda") !== "";
  return { library, commit: git("rev-parse", "HEAD") + (isChanged ? "-changed" : ""), toolkit };
}

/** What the library asks of the system, by its symbols: the newest version of the C library's, and other libraries. */
function needsOf({ needed, versions }) {
  const newest = (prefix) =>
    versions
      .map(({ version }) => version)
      .filter((version) => version.startsWith(prefix) && /\d$/.test(version))
      .map((version) => version.slice(prefix.length))
      .reduce((a, b) => (a === undefined || isNewer(b, a) ? b : a), undefined);
  return { glibc: newest("GLIBC_"), glibcxx: newest("GLIBCXX_"), libraries: needed };
}

/**
 * Writes the package into `folder`, which is emptied first.
 * @param library the file of the backend, of `commit`, built with the CUDA toolkit of this version
 */
export function stageCuda(folder, { library, commit, toolkit }) {
  const { version, license, repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const elf = readElf(readFileSync(library));
  const architecture = elf.machine === "x86-64" ? "x64" : elf.machine;
  const name = cudaPackage(architecture);
  const build = {
    version,
    commit,
    toolkit,
    architectures: ARCHITECTURES,
    minimumDriver: MINIMUM.driver,
    minimumCuda: MINIMUM.cuda,
    backendAbi: Number(found("native/backend.h", /kBackendAbiVersion = (\d+)/)),
    opTable: found("lib/runtime/ops.generated.ts", /OP_TABLE\b[^"]*"([0-9a-f]{16})"/),
    needs: needsOf(elf),
  };
  const manifest = {
    name,
    version,
    description: `The CUDA backend of ibert for Linux on ${elf.machine}`,
    license,
    ...(repository === undefined ? {} : { repository }),
    os: ["linux"],
    cpu: [architecture],
    libc: ["glibc"],
    exports: {
      "./build.json": "./build.json",
      "./package.json": "./package.json",
      "./libibert-cuda.so": "./libibert-cuda.so",
    },
    files: ["libibert-cuda.so", "build.json"],
    peerDependencies: { ibert: version },
  };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, "build.json"), `${JSON.stringify(build, null, 2)}\n`);
  writeFileSync(join(folder, "README.md"), readme(name, elf.machine, build));
  copyFileSync(library, join(folder, "libibert-cuda.so"));
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  return build;
}

const readme = (name, machine, { version, toolkit, minimumDriver, architectures }) => `# ${name}

The CUDA backend of ibert ${version} for Linux on ${machine}: one library, and \`build.json\`, which says what it was built from. Installed
beside ibert of the same version it is found by itself:

    npm install ibert@${version} ${name}@${version}
    npx ibert doctor

It needs an NVIDIA driver ${minimumDriver} or later and no CUDA toolkit, and holds code for ${architectures.join(", ")}. It was built with CUDA
${toolkit}, whose runtime library is linked in and is NVIDIA's, under the CUDA Toolkit's end user licence agreement.
`;
