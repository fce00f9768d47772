/** What clang says of kernels and of the host's launches. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { lineOf } from "./text.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const library = fileURLToPath(new URL("include", import.meta.url));
const METAL = [
  ...["clang", "-fsyntax-only", "--target=arm64-apple-macos13", "-nostdinc", "-x", "c++", "-std=c++14"],
  ...["-Wall", "-Wno-c++17-extensions", "-ferror-limit=0", "-fno-caret-diagnostics"],
  // Attributes are Metal's; of headers a file uses some.
  ...["-Wno-unknown-attributes", "-Wno-unused-function", "-Wno-unused-const-variable"],
  ...["-Wno-sign-compare", "-isystem", library],
];
/** As macOS 13 compiles a text, and as macOS 14 does for chips with bf16. */
const OLDEST = ["-D__METAL_VERSION__=300"];
const BF16 = ["-D__METAL_VERSION__=310", "-DIBERT_BF16_TILES"];
/** Whether a text is compiled once more, for bf16 (kernels-metal/tile_product.h). */
export const isForBf16 = (text) => text.includes("IBERT_BF16_TILES");

/** Metal copies a struct out of any address space, for which C++ has no constructor. */
const COPY = /implicit copy (constructor|assignment operator)\) not viable: .*address space/;

/** The warnings and errors of a text, each with the notes behind it. */
function diagnosticsOf(stderr) {
  const found = [];
  for (const line of stderr.split("\n")) {
    const [, at, kind, message] = /^<stdin>:(\d+):\d+: (error|warning|note): (.*)$/.exec(line) ?? [];
    if (kind === "note") found.at(-1)?.notes.push(message);
    else if (kind !== undefined) found.push({ line: Number(at), message, notes: [] });
    else if (/^(fatal )?error: /.test(line)) found.push({ line: 0, message: line, notes: [] });
  }
  return found.filter(({ notes }) => !notes.some((note) => COPY.test(note)));
}

/** Lines of checks that are put before a source of the host. */
const MARK = 1000000;

const isPointer = (type) => /[*&]/.test(type);
/** As clang writes them: by their macros, or by what those stand for. */
const SPACE = /\b(device|constant|threadgroup|address_space)\b/;

/** Visits the nodes of a syntax tree with the lines that they are in, which clang writes where they change. */
function visitTree(tree, visit) {
  let line = 0;
  const readLines = (value) => {
    if (typeof value !== "object" || value === null) return;
    if (typeof value.line === "number") ({ line } = value);
    for (const part of Object.values(value)) readLines(part);
  };
  const walk = ({ inner, ...node }) => {
    readLines(node);
    visit(node, inner ?? [], line);
    for (const child of inner ?? []) walk(child);
  };
  walk(tree);
}

/** What Metal refuses and C++ does not: pointers of no address space, and casts from one to another. */
function spaceProblems(tree, lines) {
  const problems = [];
  visitTree(tree, (node, inner, line) => {
    const text = lines[line - 1]?.trim();
    if (node.castKind === "AddressSpaceConversion")
      problems.push({ line, message: `a cast from one address space to another: ${text}` });
    if (!/^(ParmVar|Var|Field)Decl$/.test(node.kind) || node.isImplicit || !node.name) return;
    const type = node.type?.qualType ?? "";
    const isThread = inner.some(({ kind }) => kind === "AnnotateAttr");
    if (isPointer(type) && !SPACE.test(type) && !isThread && !/\bauto\b/.test(text ?? ""))
      problems.push({ line, message: `${node.name} is ${type}, a pointer of no address space: ${text}` });
  });
  return problems;
}

/**
 * What is wrong with the text of a file of kernels, `<name>:<line>: …` each, lines as in the text: as macOS 13 compiles it, and
 * for bf16 where that is another text.
 */
export function kernelProblems(zig, name, text) {
  const problems = problemsAs(zig, name, text, OLDEST);
  if (isForBf16(text)) problems.push(...problemsAs(zig, `${name} in bf16`, text, BF16));
  return problems;
}

function problemsAs(zig, name, text, language) {
  const ended = spawnSync(zig, [...METAL, ...language, "-Xclang", "-ast-dump=json", "-"], {
    input: text,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  if (ended.error) throw ended.error;
  const lines = text.split("\n");
  const found = diagnosticsOf(ended.stderr).map(({ line, message }) => ({
    line,
    message: `${message}: ${lines[line - 1]?.trim() ?? ""}`,
  }));
  if (ended.stdout !== "") found.push(...spaceProblems(JSON.parse(ended.stdout), lines));
  else if (found.length === 0)
    found.push({ line: 0, message: `clang ended with ${ended.status}: ${ended.stderr}` });
  const said = found.map(
    ({ line, message }) => `${name}, line ${line} with its headers in place: ${message}`,
  );
  return [...new Set(said)];
}

/** The layouts of all structs of a text, as clang prints them, by name. */
function layoutsOf(zig, flags, text) {
  const words = [
    "clang",
    "-fsyntax-only",
    "-x",
    "c++",
    ...flags,
    "-Xclang",
    "-fdump-record-layouts-complete",
    "-",
  ];
  const options = { input: text, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"], maxBuffer: 2 ** 28 };
  const parts = (spawnSync(zig, words, options).stdout ?? "").split("*** Dumping AST Record Layout\n");
  return new Map(
    parts.flatMap((part) => {
      const [, name] = /^\s+0 \| struct (\w+)\n/.exec(part) ?? [];
      return name === undefined ? [] : [[name, part.trim()]];
    }),
  );
}

/**
 * Where the host lays out the parameters of a file's kernels otherwise than the kernels do, or has no such struct.
 * @param host the headers of the file, as the host includes them
 */
export function layoutProblems(zig, folder, kernels, text, host) {
  const names = [...new Set(kernels.flatMap(({ parameters }) => parametersOf(parameters)))];
  const ours = layoutsOf(zig, [...hostFlags(zig, folder), "-w"], host);
  const flags = [...METAL.slice(METAL.indexOf("--target=arm64-apple-macos13")), ...OLDEST];
  const theirs = layoutsOf(zig, flags, text);
  return names.flatMap((name) => {
    const [file] = kernels.map((kernel) => kernel.file);
    if (!ours.has(name) || !theirs.has(name))
      return [`${file}: ${name} is no struct that ${ours.has(name) ? "kernels" : "the host"} can read`];
    const size = (layout) => /sizeof=(\d+)/.exec(layout)[1];
    const [a, b] = [ours.get(name), theirs.get(name)];
    return a === b
      ? []
      : [`${file}: the host has ${name} in ${size(a)} bytes as\n${a}\nand kernels in ${size(b)} as\n${b}`];
  });
}
const parametersOf = (parameters) =>
  parameters.filter(({ what }) => what === "parameters").map(({ type }) => type);

/** The flags by which clang reads the headers that host and kernels share, as the host does. */
function hostFlags(zig, folder) {
  const standard = fileURLToPath(new URL("include/host", import.meta.url));
  const target = ["--target=arm64-apple-macos13", "-std=c++20", "-ffreestanding", "-nostdinc"];
  const own = join(dirname(zig), "lib", "include");
  return [...target, "-isystem", standard, "-isystem", own, "-I", folder];
}

/** What an expression for threadgroup memory may be: of two, each; of a head's width, those that kernels are made for. */
function variantsOf(expression) {
  const widths = /\bD\b/.test(expression) ? ["64", "128"] : ["D"];
  const sides = /^[\w.]+\s*\?([^?:]+|[^?]*::[^?]*):([^:][^?]*)$/.exec(expression);
  return (sides === null ? [expression] : [sides[1], sides[2]]).flatMap((side) =>
    widths.map((width) => side.trim().replace(/\bD\b/g, width)),
  );
}

/**
 * The launches of a file of the host whose threadgroup memory is more than Metal has, and those of which it is no constant:
 * `{ problems, unknown }`.
 */
export function memoryProblems(zig, folder, { file, source, launches }, mostBytes = 32 << 10) {
  const asked = launches.filter(({ memory }) => memory !== undefined && memory.text !== "0");
  if (asked.length === 0) return { problems: [], unknown: [] };
  let text = source;
  for (const [k, { memory }] of [...asked.entries()].reverse()) {
    const checked = variantsOf(memory.text).map((one) => `ibertMemory${k}<(${one})>::bytes`);
    const asWritten = text.slice(memory.begin, memory.end);
    // What comes behind stays in its line.
    const call = `(${checked.join(" + ").replaceAll("\n", " ")})${asWritten.replace(/[^\n]/g, "")}`;
    text = text.slice(0, memory.begin) + call + text.slice(memory.end);
  }
  const checks = asked.map(
    (_, k) =>
      `#line ${MARK + k}\ntemplate <long n> struct ibertMemory${k} { static constexpr long bytes = n; ` +
      `static_assert(n <= ${mostBytes}); };\n`,
  );
  const errors = errorsOfHost(zig, folder, file, `${checks.join("")}#line 1\n${text}`);
  const found = { problems: [], unknown: [] };
  for (const [k, { line, memory, kernels }] of asked.entries()) {
    const say = (what) => `${file}:${line}: the kernel ${kernels.join(" or ")} ${what}`;
    const [first, last] = [memory.begin, memory.end].map((at) => lineOf(source, at));
    if (errors.some(({ at }) => at === MARK + k))
      found.problems.push(say(`has more threadgroup memory than ${mostBytes} bytes: ${memory.text}`));
    else if (errors.some(({ at, isConstant }) => at >= first && at <= last && !isConstant))
      found.unknown.push(say(`has threadgroup memory by its operands: ${memory.text}`));
  }
  for (const { at, message, isConstant } of errors)
    if (at < MARK && isConstant) found.problems.push(`${file}:${at}: ${message}`);
  return found;
}

/** Compiles a source of the host; `{ at, message, isConstant }` of its errors, `isConstant` but for want of a constant. */
function errorsOfHost(zig, folder, file, text) {
  const scratch = mkdtempSync(join(tmpdir(), "ibert-metal-"));
  const path = join(scratch, "launches.cpp");
  writeFileSync(path, text);
  const includes = [join(root, "native"), folder, dirname(join(folder, file))];
  const words = ["c++", "-target", "aarch64-macos.13.0", "-std=c++20", "-w", "-O0", "-ferror-limit=0"];
  const folders = includes.flatMap((at) => ["-I", at]);
  const ended = spawnSync(zig, [...words, ...folders, "-c", path, "-o", join(scratch, "out.o")], {
    encoding: "utf8",
  });
  rmSync(scratch, { recursive: true });
  if (ended.error) throw ended.error;
  const errors = [...ended.stderr.matchAll(/launches\.cpp:(\d+):\d+: error: (.*)/g)];
  if (ended.status !== 0 && errors.length === 0) throw new Error(`${file}: ${ended.stderr}`);
  return errors.map(([, at, message]) => {
    return { at: Number(at), message, isConstant: !/not a constant expression/.test(message) };
  });
}
