/** The package as people get it: packed, installed into an empty folder without scripts, and run there. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { writeTinyCorpus } from "../../lib/cli/testing/tiny-corpus.ts";
import { serveRegistry } from "./testing/registry.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const execute = promisify(execFile);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "ibert-install-")));
const place = join(scratch, "place");
const home = join(scratch, "home");
// Nothing of the machine's user, and nothing that a checkout or npm, which may run these tests, would tell.
const env = { PATH: process.env.PATH, HOME: home, NO_UPDATE_NOTIFIER: "1" };

/** Runs a program where ibert is installed: what it wrote, and its exit code. */
async function run(program, words, options = {}) {
  const child = execute(program, words, { cwd: place, env: { ...env, ...options.env } });
  child.child.stdin.end(options.input ?? "");
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

async function pack(name) {
  const out = join(scratch, name);
  await execute(process.execPath, [join(root, "scripts/release/pack.mjs"), "--local", "--out", out]);
  const { tarball, ...record } = JSON.parse(readFileSync(join(out, `ibert-${version}.json`), "utf8"));
  return { ...record, tarball: join(out, tarball) };
}

let packed;

beforeAll(async () => {
  packed = await pack("first");
  mkdirSync(place);
  // Without it npm would install into a folder above that has one, or node_modules.
  writeFileSync(join(place, "package.json"), '{ "private": true }\n');
  mkdirSync(home);
  const manifest = JSON.parse(readFileSync(join(scratch, "first/package/package.json"), "utf8"));
  const registry = await serveRegistry(packed.tarball, manifest, join(root, "node_modules"));
  const flags = [
    "--ignore-scripts",
    "--omit=optional",
    "--no-audit",
    "--no-fund",
    "--registry",
    registry.address,
  ];
  try {
    await execute("npm", ["install", "ibert", ...flags], { cwd: place, env });
  } finally {
    await registry.close();
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("the tarball", () => {
  it("is the same bytes every time", async () => {
    expect((await pack("second")).sha256).toBe(packed.sha256);
  });

  it("holds the programs, configurations, wheels with their licences and binaries, and nothing else", () => {
    const paths = packed.files.map(({ path }) => path);
    const places = new Set(paths.map((path) => (path.includes("/") ? path.split("/")[0] : path)));
    expect([...places].sort()).toEqual(
      [
        ...["CHANGELOG.md", "LICENSE", "README.md", "configs", "dist", "docs"],
        ...["licenses", "package.json", "prebuilds", "wheels"],
      ].sort(),
    );
    const named = new Set(readFileSync(join(root, "README.md"), "utf8").match(/docs\/[\w-]+\.md/g));
    expect([...named].filter((path) => !paths.includes(path))).toEqual([]);
    expect(paths.filter((path) => /\.(cpp|cu|h|gyp|map|ts)$/.test(path.replace(/\.d\.ts$/, "")))).toEqual([]);
    expect(paths.filter((path) => /(^|[./])(test|testing|goldens)[./]/.test(path))).toEqual([]);
    const { packages } = JSON.parse(readFileSync(join(root, "lib/dsl/ibis/wheels.lock.json"), "utf8"));
    expect(packages).toHaveLength(10);
    for (const { name, file } of packages) {
      expect(paths).toContain(`wheels/${file}`);
      expect(paths.some((path) => path.startsWith(`licenses/${name}/LICENSE`))).toBe(true);
    }
    expect(packed.unpackedSize).toBeLessThanOrEqual(30e6);
  });

  it("runs nothing when it is installed", () => {
    const { scripts, gypfile } = JSON.parse(
      readFileSync(join(place, "node_modules/ibert/package.json"), "utf8"),
    );
    expect({ scripts, gypfile }).toEqual({ scripts: undefined, gypfile: undefined });
  });
});

describe("where it is installed", () => {
  it("finds its addon and its wheels", async () => {
    const { code, stdout } = await run("npx", ["--no-install", "ibert", "doctor", "--quick", "--json"]);
    const { addon, backends, cache, parts } = JSON.parse(stdout);
    expect(parts.filter(({ verdict }) => verdict === "broken")).toEqual([]);
    expect(code).toBe(0);
    const prebuild = `prebuilds/${process.platform}-${process.arch}/ibert.node`;
    expect(addon.path).toBe(join(place, "node_modules/ibert", prebuild));
    expect(backends.find(({ name }) => name === "cpu")).toMatchObject({ available: true });
    expect(cache.folder).toBe(join(home, ".cache/ibert"));
  });

  it("asks the compiler", async () => {
    const words = ["--no-install", "ibert", "validate", "--table", "orders(region string)"];
    expect(await run("npx", words, { input: "orders.region.upper()\n" })).toEqual({
      code: 0,
      stdout: "compile: passed\n",
      stderr: "",
    });
    expect(await run("npx", words, { input: "orders.region.uper()\n" })).toMatchObject({ code: 1 });
  });

  it("trains from a configuration by name, and answers with what it learned", async () => {
    // The model is what the machine has; a package brings none.
    const withModel = { env: { IBERT_CACHE: process.env.IBERT_CACHE ?? join(root, "data", "cache") } };
    const settings = {
      steps: 20,
      corpus: writeTinyCorpus(join(scratch, "corpus")),
      output: "trained",
      "lora.rank": 4,
      "data.tokensPerBatch": 64,
      "data.taskWeights": "{error_resolution: 0, qa: 0, function_documentation: 0}",
      "evaluation.rowsPerTask": 0,
    };
    const words = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const training = ["--no-install", "ibert-train", "--config", "quickstart", ...words, "--json"];
    const trained = await run("npx", training, withModel);
    expect(trained.stderr).toBe("");
    expect(JSON.parse(trained.stdout.trim().split("\n").at(-1))).toMatchObject({
      event: "complete",
      adapter: "trained",
      steps: 20,
    });
    const asking = [
      "--adapter",
      "trained",
      "--table",
      "orders(region string)",
      "--max-tokens",
      "8",
      "--json",
    ];
    const answer = await run(
      "npx",
      ["--no-install", "ibert", "generate", "--task", "code_completion", ...asking, "orders."],
      withModel,
    );
    const { text, verdict } = JSON.parse(answer.stdout);
    expect(text).not.toBe("");
    expect(answer.code).toBe(verdict.ok ? 0 : 1);
  });

  it("writes a configuration to begin with, whose schema is the package's", async () => {
    expect(await run("npx", ["--no-install", "ibert", "init"])).toMatchObject({ code: 0 });
    const text = readFileSync(join(place, "ibert.yaml"), "utf8");
    expect(text).toContain("$schema=./node_modules/ibert/configs/training/schema.json");
  });

  const check =
    'if (typeof ibert.IBertModel.load !== "function") throw new Error("no IBertModel"); console.log("ok");';

  it.each([
    ["ECMAScript modules", "module", `import * as ibert from "ibert"; ${check}`],
    ["CommonJS", "commonjs", `import("ibert").then((ibert) => { ${check} });`],
    [
      "a worker",
      "commonjs",
      `const { Worker } = require("node:worker_threads");
       new Worker(${JSON.stringify(`import("ibert").then((ibert) => { ${check} });`)}, { eval: true });`,
    ],
  ])("is loaded from %s", async (_, type, code) => {
    const words = [`--input-type=${type}`, "--eval", code];
    expect(await run(process.execPath, words)).toEqual({ code: 0, stdout: "ok\n", stderr: "" });
  });

  it.runIf(process.features.require_module)("is loaded by require", async () => {
    const words = ["--input-type=commonjs", "--eval", `const ibert = require("ibert"); ${check}`];
    expect(await run(process.execPath, words)).toMatchObject({ code: 0, stdout: "ok\n" });
  });

  it.each([
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ])("has types for TypeScript's %s, %s", async (module, resolution) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
    const settings = [
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--target",
      "es2022",
      "--lib",
      "es2023,esnext.disposable",
    ];
    const words = [
      tsc,
      ...settings,
      ...types,
      "--module",
      module,
      "--moduleResolution",
      resolution,
      "use.mts",
    ];
    const source = (option) =>
      `import { IBertModel } from "ibert";\nexport const model = IBertModel.load({ ${option} });\n`;
    writeFileSync(join(place, "use.mts"), source('base: "smollm2-135m"'));
    expect(await run(process.execPath, words)).toMatchObject({ code: 0, stdout: "" });
    writeFileSync(join(place, "use.mts"), source("base: 7"));
    expect((await run(process.execPath, words)).stdout).toContain(
      "Type 'number' is not assignable to type 'string'",
    );
  });
});
