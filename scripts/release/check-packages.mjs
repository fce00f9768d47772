// The packed tarball under every package manager and Node that is supported, offline but for a registry on this machine:
// installed without scripts into an empty folder, loaded in every way, and run there. Takes minutes; Linux on x86-64.
//   npm run release:test [-- --tarball FILE]     (without one, this machine's own build is packed)
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

import { serveRegistry } from "./testing/registry.mjs";
import { installTools, NODES, OLD_NODE, tools } from "./testing/tools.mjs";

const { values } = parseArgs({ options: { tarball: { type: "string" } } });
const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "ibert-packages-")));
const home = join(scratch, "home");
const execute = promisify(execFile);
/** The model comes from this machine; no package brings one. */
const models = process.env.IBERT_CACHE ?? join(root, "data", "cache");

let tarball;
let registry;

/** Runs a program with nothing of its user's: no home, and a PATH of one Node and the shell. */
async function run(node, words, { cwd, env = {}, input = "", ...options }) {
  const bin = join(scratch, `bin-${node}`);
  const child = execute(node === "bun" ? tools.bun : tools.node(node), words, {
    cwd,
    env: { PATH: bin, HOME: home, NO_UPDATE_NOTIFIER: "1", ...env },
    maxBuffer: 2 ** 26,
    ...options,
  });
  child.child.stdin.end(input);
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr, message }) => ({ code, stdout, stderr: stderr || message }),
  );
}

/** An empty folder with a package.json, into which a package manager installs ibert. */
const INSTALLERS = {
  npm: (cwd) => {
    const flags = [
      "--ignore-scripts",
      "--omit=optional",
      "--no-audit",
      "--no-fund",
      "--registry",
      registry.address,
    ];
    return execute("npm", ["install", "ibert", ...flags], {
      cwd,
      env: { PATH: process.env.PATH, HOME: home },
    });
  },
  pnpm: (cwd) => {
    const flags = [
      "--ignore-scripts",
      "--no-optional",
      `--registry=${registry.address}`,
      `--store-dir=${join(scratch, "store")}`,
    ];
    return manage(cwd, process.execPath, [tools.pnpm, "add", "ibert", ...flags]);
  },
  yarn: (cwd) => {
    const settings = [
      "nodeLinker: node-modules",
      `npmRegistryServer: ${registry.address}`,
      "unsafeHttpWhitelist: [127.0.0.1]",
      "enableScripts: false",
      // A version that has no date counts as one that is too new.
      "npmMinimalAgeGate: 0",
      "enableTelemetry: false",
      "enableGlobalCache: false",
    ];
    writeFileSync(join(cwd, ".yarnrc.yml"), `${settings.join("\n")}\n`);
    writeFileSync(join(cwd, "yarn.lock"), "");
    return manage(cwd, process.execPath, [tools.yarn, "add", "ibert"]);
  },
  bun: (cwd) =>
    manage(cwd, tools.bun, [
      "add",
      "ibert",
      "--ignore-scripts",
      "--omit=optional",
      `--registry=${registry.address}`,
    ]),
};
const manage = (cwd, program, words) =>
  execute(program, words, { cwd, env: { PATH: process.env.PATH, HOME: home, CI: "1" } }).catch((error) => {
    throw new Error(`${words.join(" ")}: ${error.stdout}${error.stderr}`, { cause: error });
  });

async function installed(manager) {
  const cwd = join(scratch, manager);
  mkdirSync(cwd);
  writeFileSync(join(cwd, "package.json"), '{ "name": "place", "private": true }\n');
  await INSTALLERS[manager](cwd);
  return cwd;
}

before(async () => {
  installTools();
  mkdirSync(home);
  for (const version of [...NODES, OLD_NODE]) {
    const bin = join(scratch, `bin-${version}`);
    mkdirSync(bin);
    cpSync(tools.node(version), join(bin, "node"));
    cpSync("/bin/sh", join(bin, "sh"), { dereference: true });
  }
  const out = join(scratch, "packed");
  if (values.tarball === undefined) {
    execFileSync(process.execPath, [join(root, "scripts/release/pack.mjs"), "--local", "--out", out]);
    tarball = join(
      out,
      readdirSync(out).find((name) => name.endsWith(".tgz")),
    );
  } else tarball = resolve(values.tarball);
  const words = ["-xzOf", tarball, "package/package.json"];
  const manifest = JSON.parse(execFileSync("tar", words, { encoding: "utf8" }));
  // What is optional is not there for every system, so no manager is told of it.
  registry = await serveRegistry(tarball, manifest, join(root, "node_modules"), { withOptional: false });
});
after(async () => {
  await registry?.close();
  execFileSync("chmod", ["-R", "u+w", scratch]);
  rmSync(scratch, { recursive: true, force: true });
});

describe("the tarball", () => {
  test("has nothing that publint would change", async () => {
    const { code, stdout } = await run("22", [tools.publint, "run", tarball, "--strict"], {
      cwd: scratch,
      env: { PATH: process.env.PATH },
    });
    assert.equal(code, 0, stdout);
  });

  test("has types that every resolver finds", async () => {
    const words = [tools.attw, tarball, "--profile", "esm-only", "--no-emoji"];
    const { code, stdout } = await run("22", words, { cwd: scratch, env: { PATH: process.env.PATH } });
    assert.equal(code, 0, stdout);
  });
});

const CHECK =
  'if (typeof ibert.IBertModel.load !== "function") throw new Error("no IBertModel"); console.log("ok");';
/** Four threads that have the addon, and a device on it, at the same time. */
const WORKERS = `
  import { Worker } from "node:worker_threads";
  const code = \`import("ibert").then(async () => {
    const { Device } = await import(process.cwd() + "/node_modules/ibert/dist/runtime/device.js");
    const device = Device.open("cpu");
    require("node:worker_threads").parentPort.postMessage(device.info.backend);
    await device.close();
  })\`;
  const one = () => new Promise((resolve, reject) =>
    new Worker(code, { eval: true, execArgv: [] }).on("message", resolve).on("error", reject));
  console.log((await Promise.all([one(), one(), one(), one()])).join());`;

for (const manager of Object.keys(INSTALLERS)) {
  describe(`installed by ${manager}`, () => {
    let cwd;
    const program = (name) => join(cwd, "node_modules", "ibert", "dist", "cli", `${name}.js`);
    before(async () => {
      cwd = await installed(manager);
    });

    for (const version of NODES) {
      test(`is loaded by Node ${version}, from modules and CommonJS, and its programs run`, async () => {
        const evaluate = (type, code) => run(version, [`--input-type=${type}`, "--eval", code], { cwd });
        const ok = { code: 0, stdout: "ok\n", stderr: "" };
        assert.deepEqual(await evaluate("module", `import * as ibert from "ibert"; ${CHECK}`), ok);
        assert.deepEqual(await evaluate("commonjs", `import("ibert").then((ibert) => { ${CHECK} });`), ok);
        const required = await evaluate("commonjs", `const ibert = require("ibert"); ${CHECK}`);
        assert.equal(required.stdout, "ok\n", required.stderr);
        const doctor = await run(version, [program("ibert"), "doctor", "--quick", "--json"], { cwd });
        assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr);
      });
    }
  });
}

describe("in the folder that npm installed into", () => {
  const cwd = join(scratch, "npm");
  const program = (name) => join(cwd, "node_modules", "ibert", "dist", "cli", `${name}.js`);

  for (const version of NODES) {
    test(`trains and answers on Node ${version}`, async () => {
      const corpus = writeCorpus(join(scratch, "corpus"));
      const settings = {
        ...{ steps: 20, corpus, output: `trained-${version}`, "lora.rank": 4, "data.tokensPerBatch": 64 },
        ...{
          "data.taskWeights": "{error_resolution: 0, qa: 0, function_documentation: 0}",
          "evaluation.rowsPerTask": 0,
        },
      };
      const words = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
      const env = { IBERT_CACHE: models };
      const trained = await run(
        version,
        [program("ibert-train"), "--config", "quickstart", ...words, "--json"],
        { cwd, env },
      );
      assert.equal(trained.code, 0, trained.stdout + trained.stderr);
      const asking = [
        "complete",
        "--adapter",
        settings.output,
        "--table",
        "orders(region string)",
        "--max-tokens",
        "8",
        "--json",
      ];
      const answer = await run(version, [program("ibert"), ...asking, "orders."], { cwd, env });
      assert.notEqual(JSON.parse(answer.stdout).text, "", answer.stderr);
    });

    test(`serves four worker threads of Node ${version}`, async () => {
      const { stdout, stderr } = await run(version, ["--input-type=module", "--eval", WORKERS], { cwd });
      assert.equal(stdout, "cpu,cpu,cpu,cpu\n", stderr);
    });

    test(`asks the compiler on Node ${version}`, async () => {
      const words = [program("ibert"), "validate", "--table", "orders(region string)"];
      const judged = await run(version, words, { cwd, input: "orders.region.upper()\n" });
      assert.deepEqual(judged, { code: 0, stdout: "compile: passed\n", stderr: "" });
    });
  }

  test("is left outside of a bundle by esbuild, and found by it", async () => {
    writeFileSync(join(cwd, "entry.mjs"), `import * as ibert from "ibert"; ${CHECK}\n`);
    const words = [
      "entry.mjs",
      "--bundle",
      "--platform=node",
      "--format=esm",
      "--external:ibert",
      "--outfile=bundle.mjs",
    ];
    await execute(tools.esbuild, words, { cwd });
    assert.deepEqual(await run("22", ["bundle.mjs"], { cwd }), { code: 0, stdout: "ok\n", stderr: "" });
  });

  for (const [module, resolution] of [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ]) {
    test(`has types for TypeScript's ${module}, ${resolution}`, async () => {
      writeFileSync(
        join(cwd, "use.mts"),
        'import { IBertModel } from "ibert";\nexport const model = IBertModel.load({ base: "smollm2-135m" });\n',
      );
      const words = [
        join(root, "node_modules/typescript/bin/tsc"),
        ...[
          "--noEmit",
          "--strict",
          "--skipLibCheck",
          "--target",
          "es2022",
          "--lib",
          "es2023,esnext.disposable",
        ],
        ...["--typeRoots", join(root, "node_modules/@types"), "--types", "node", "use.mts"],
        ...["--module", module, "--moduleResolution", resolution],
      ];
      const { code, stdout } = await run("22", words, { cwd });
      assert.equal(code, 0, stdout);
    });
  }

  test("runs from a folder that nobody may write, for a user without a home", async () => {
    const place = join(scratch, "read-only");
    cpSync(join(cwd, "node_modules"), join(place, "node_modules"), {
      recursive: true,
      verbatimSymlinks: true,
    });
    execFileSync("chmod", ["-R", "a-w,a+rX", place]);
    chmodSync(scratch, 0o755);
    // Root may write anywhere, so it becomes somebody else.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const script = join(place, "node_modules/ibert/dist/cli/ibert.js");
    const words = [script, "validate", "--table", "orders(region string)"];
    const options = { cwd: place, env: { HOME: "/nonexistent" }, input: "orders.region.upper()\n", ...user };
    assert.deepEqual(await run("22", words, options), { code: 0, stdout: "compile: passed\n", stderr: "" });
    const doctor = await run("22", [script, "doctor", "--quick", "--json"], options);
    assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr);
  });

  test("says of a Node that is too old that it is", async () => {
    const said = /This is Node 18\.\d+\.\d+; ibert needs 20\.17 or later/;
    const { code, stderr } = await run(OLD_NODE, [program("ibert"), "--version"], { cwd });
    assert.notEqual(code, 0);
    assert.match(stderr, said);
    const loaded = await run(OLD_NODE, ["--input-type=module", "--eval", 'import "ibert";'], { cwd });
    assert.match(loaded.stderr, said);
  });
});

/** A corpus of three tasks, a few rows each. */
function writeCorpus(folder) {
  mkdirSync(folder, { recursive: true });
  const schema = { orders: { region: "string", amount: "float64" } };
  const row = (split, task, number) => {
    const [program, sql] = [`orders.limit(${number})`, `SELECT * FROM orders LIMIT ${number}`];
    const [input, completion] = {
      code_completion: ["orders.", `limit(${number})`],
      ibis_to_sql: [program, sql],
      sql_to_ibis: [sql, program],
    }[task];
    const fields = { schema, input };
    const rest = { schema, schemaId: "tiny", shape: `limit ${split}`, source: "test", licence: "Apache-2.0" };
    return JSON.stringify({ id: `${split}-${task}-${number}`, task, split, fields, completion, ...rest });
  };
  for (const [split, numbers] of [
    ["train", [1, 2, 3, 4, 5, 6, 7, 8]],
    ["test", [11]],
  ]) {
    const rows = ["code_completion", "ibis_to_sql", "sql_to_ibis"].flatMap((task) =>
      numbers.map((number) => row(split, task, number)),
    );
    writeFileSync(join(folder, `${split}.jsonl`), `${rows.join("\n")}\n`);
  }
  return folder;
}
