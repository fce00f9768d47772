// Writes lib/runtime/ops.generated.ts from the addon's own op table and the constant of native/ops.h. `--check` fails
// when the file is not what they say.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";

const target = fileURLToPath(new URL("../lib/runtime/ops.generated.ts", import.meta.url));
const addon = createRequire(import.meta.url)("../build/Release/ibert.node");
const header = readFileSync(new URL("../native/ops.h", import.meta.url), "utf8");
const exactRows = /^constexpr int64_t kExactRows = (\d+);$/m.exec(header)?.[1];
if (exactRows === undefined) throw new Error("native/ops.h does not say what kExactRows is");
const pascal = (name) => name[0].toUpperCase() + name.slice(1);

const lines = [
  "// Made by scripts/generate-op-types.mjs from native/ops.h. Do not edit.",
  'import type { Tensor } from "./tensor.js";',
  "",
  "/**",
  " * An op of at most this many rows gives each the bits that it would get alone. It is what makes a text independent of",
  " * its batch, and speculation exact.",
  " */",
  `export const EXACT_ROWS = ${exactRows};`,
  "",
  "/** Of the op table, names and layouts, as an addon says it of its own (`build.opTable`). */",
  `export const OP_TABLE = "${addon.build.opTable}";`,
  "",
];
const ops = addon.describeOps();
for (const op of ops) {
  lines.push(`/** ${op.doc} */`, `export interface ${pascal(op.name)} {`);
  for (const field of op.fields) {
    const facts =
      field.type === "tensor"
        ? [`(${field.shape.split(" ").join(", ")})`, field.kind, field.role, field.doc]
        : [field.doc, field.default === undefined ? "" : `default ${field.default}`];
    const optional = field.type !== "tensor" || field.role.endsWith("Optional") ? "?" : "";
    const type = { tensor: "Tensor", float: "number", int: "number", ints: "readonly number[]" }[field.type];
    lines.push(
      `  /** ${facts.filter((fact) => fact !== "").join("; ")} */`,
      `  ${field.name}${optional}: ${type}${optional ? " | undefined" : ""};`,
    );
  }
  lines.push("}", "");
}
lines.push("/** Every op, as a method that enqueues it. */", "export interface Ops {");
for (const op of ops) lines.push(`  ${op.name}(args: ${pascal(op.name)}): void;`);
lines.push("}", "", "export const OP_NAMES = [", ...ops.map((op) => `  "${op.name}",`), "] as const;", "");

const text = await format(lines.join("\n"), { ...(await resolveConfig(target)), parser: "typescript" });
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("lib/runtime/ops.generated.ts is stale: run node scripts/generate-op-types.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
