/** README.md promises two commands and an example; this holds it to them. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { beforeAll, describe, expect, it } from "vitest";

import { compiledPrograms } from "./cli/testing/compiled.js";
import { Random } from "./data/random.js";
import { temporaryFolder } from "./formats/testing/temporary.js";
import { saveAdapter } from "./models/adapter-file.js";
import { LoraLayout } from "./models/lora.js";
import { loadPreset } from "./models/presets.js";
import { packageRoot } from "./runtime/cache.js";
import { dslByName } from "./dsl/registry.js";

const root = packageRoot();
const readme = readFileSync(join(root, "README.md"), "utf8");
const run = promisify(execFile);

describe("the two commands", () => {
  it("stand first and are scripts that are there and parse", async () => {
    const commands = [...readme.matchAll(/^ {4}npm (.+)$/gm)].map(([, words]) => words);
    expect(commands).toEqual(["run quickstart", "test"]);
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    for (const name of ["quickstart", "test"]) {
      const [shell, file] = (scripts[name] ?? "").split(" ");
      expect(shell).toBe("bash");
      await run("bash", ["-n", join(root, file ?? "")]);
    }
    await run("bash", ["-n", join(root, "scripts", "setup.sh")]);
  });

  it("have the quick start say what it does, and refuse what it does not know", async () => {
    const script = join(root, "scripts", "quickstart.sh");
    expect((await run("bash", [script, "--help"])).stdout).toContain("usage: npm run quickstart");
    await expect(run("bash", [script, "--fast"])).rejects.toMatchObject({ code: 2 });
  });
});

describe("the example", () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  beforeAll(compiledPrograms, 300_000);

  /** The quick start's adapter, or an untrained one of its shape. */
  async function adapter(): Promise<string> {
    const trained = join(root, "adapters", "quickstart");
    if (existsSync(join(trained, "adapter_config.json"))) return trained;
    const folder = join(temporaryFolder(), "adapter");
    const { config, baseModel } = loadPreset("smollm2-135m");
    const layout = new LoraLayout(config, {
      rank: 32,
      alpha: 64,
      targets: ["q_proj", "k_proj", "v_proj", "o_proj"],
    });
    await saveAdapter(folder, layout, layout.initialValues(Random.of(1, "readme")), {
      baseModel,
      sidecar: {
        format: 1,
        base: "smollm2-135m",
        dsl: { name: "ibis", version: "12.0.0" },
        prompts: dslByName("ibis").defaultPrompts,
      },
    });
    return folder;
  }

  it("runs, and gives what its last line says", async () => {
    expect(example).toContain('adapter: "adapters/quickstart"');
    const code = example.replace('"adapters/quickstart"', JSON.stringify(await adapter()));
    const script = `${code}\nconsole.log(JSON.stringify(result)); await model.dispose();`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], { cwd: root });
    const result = JSON.parse(stdout) as { verdict: { ok: boolean } };
    expect(result).toEqual({
      text: expect.any(String),
      verdict: expect.objectContaining({ stage: expect.any(String), ok: expect.any(Boolean) }),
      attempts: expect.any(Number),
      tokens: { prompt: expect.any(Number), completion: expect.any(Number) },
    });
    expect(result.verdict).toHaveProperty(result.verdict.ok ? "sql" : "error");
  });
});

describe("the documents", () => {
  const own = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
  const documents = [...own, ...readdirSync(join(root, "docs")).map((name) => join("docs", name))];

  it.each(documents.filter((name) => name.endsWith(".md")))("%s links to files that are there", (name) => {
    const text = readFileSync(join(root, name), "utf8").replace(/```[\s\S]*?```/g, "");
    for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      expect(existsSync(join(root, dirname(name), target)), target).toBe(true);
    }
  });

  const guides = documents.filter((name) => /\b(architecture|adding-[\w-]+)\.md$/.test(name));
  it.each(guides)("%s names files that are there", (name) => {
    const text = readFileSync(join(root, name), "utf8");
    const paths = [...text.matchAll(/`((?:lib|native|bindings|scripts|configs)\/[\w./-]*\w\.\w+)`/g)];
    expect(paths.length).toBeGreaterThan(2);
    for (const [, path = ""] of paths) expect(existsSync(join(root, path)), path).toBe(true);
  });
});
