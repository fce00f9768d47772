/** Every example of the documents and of the public docstrings compiles against the types that users get. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

import ts from "typescript";
import { describe, expect, it } from "vitest";

import { packageRoot } from "./runtime/cache.js";

const root = packageRoot();

interface Example {
  /** File and line of its first line. */
  place: string;
  code: string;
}

/** What stands between ```` ```ts ```` and ```` ``` ````, in Markdown or behind the stars of a docstring. */
function examplesOf(file: string): Example[] {
  const found: Example[] = [];
  let open: Example | undefined;
  for (const [i, raw] of readFileSync(file, "utf8").split("\n").entries()) {
    const line = file.endsWith(".md") ? raw : raw.replace(/^\s*\* ?/, "");
    if (line === "```ts") open = { place: `${relative(root, file)}:${i + 2}`, code: "" };
    else if (line === "```") {
      if (open !== undefined) found.push(open);
      open = undefined;
    } else if (open !== undefined) open.code += `${line}\n`;
  }
  return found;
}

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes(".test."))
    .map((name) => join(root, folder, name));

const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))]
  .filter((name) => name.endsWith(".md"))
  .map((name) => join(root, name));

const examples = [...documents, ...sources("lib")].flatMap(examplesOf);

/** What the compiler says of each, by its place. */
function faults(all: readonly Example[]): Record<string, string[]> {
  const files = new Map(
    all.map(({ code }, i) => [join(root, "examples", `example-${i}.ts`), `${code}\nexport {};\n`]),
  );
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const plain = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...plain,
    readFile: (name) => files.get(name) ?? plain.readFile(name),
    fileExists: (name) => files.has(name) || plain.fileExists(name),
    getSourceFile: (name, version, ...rest) => {
      const text = files.get(name);
      return text === undefined
        ? plain.getSourceFile(name, version, ...rest)
        : ts.createSourceFile(name, text, version);
    },
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const found: Record<string, string[]> = {};
  for (const [i, { place }] of all.entries()) {
    const file = program.getSourceFile(join(root, "examples", `example-${i}.ts`));
    const problems = ts
      .getPreEmitDiagnostics(program, file)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
    if (problems.length > 0) found[place] = problems;
  }
  return found;
}

describe("the examples", () => {
  it("are those of the README and of each of the main functions", () => {
    const places = examples.map(({ place }) => place.replace(/:\d+$/, ""));
    expect(places).toEqual(expect.arrayContaining(["README.md", join("lib", "ibert-model.ts")]));
    expect(places.length).toBeGreaterThan(8);
  });

  it("compile", { timeout: 120_000 }, () => {
    expect(faults(examples)).toEqual({});
  });

  it("would not with a name that is not exported, or a key that is not there", () => {
    const found = faults([
      { place: "a", code: 'import { fineTune } from "ibert";' },
      { place: "b", code: 'import { IBertModel } from "ibert";\nawait IBertModel.load({ modell: "x" });' },
      { place: "c", code: 'import { IBertModel } from "ibert";\nawait IBertModel.load({ base: "x" });' },
    ]);
    expect(Object.keys(found)).toEqual(["a", "b"]);
  });
});
