/** The Metal kernels as they are declared, and the files as the library holds them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { bracketed, lineOf, withoutComments } from "./text.mjs";

/** The text that Metal compiles of a file: each header where it is first asked for, as kernels-metal/sources.cmake has it. */
export function flattened(folder, file) {
  const seen = new Set();
  let text = readFileSync(join(folder, file), "utf8");
  for (;;) {
    const found = /#include "([a-z_]+\.h)"\n/.exec(text);
    if (found === null) return text;
    const [line, header] = found;
    const body = seen.has(header) ? "" : readFileSync(join(folder, header), "utf8");
    seen.add(header);
    const behind = text.slice(found.index + line.length);
    text = text.slice(0, found.index) + body.replace("#pragma once\n", "") + behind;
  }
}

/** What a parameter is to Metal: a buffer with its index, threadgroup memory, or PLACE, of which the system has the values. */
function parameterOf(text) {
  if (text === "PLACE") return { what: "place" };
  const declaration = text.replace(/\[\[[\s\S]*?\]\]|THREADGROUP\(\d+\)/g, "").trim();
  const [name] = /\w+$/.exec(declaration) ?? [text];
  const type = declaration
    .slice(0, declaration.length - name.length)
    .replace(/\b(const|constant|device)\b|[&*]/g, "")
    .trim();
  const [, index] = /\[\[buffer\((\d+)\)\]\]/.exec(text) ?? [];
  if (index !== undefined) {
    const isStruct = /^constant\s+\w+\s*&/.test(declaration);
    return { what: isStruct ? "parameters" : "buffer", index: Number(index), name, type };
  }
  const [, memory] = /THREADGROUP\((\d+)\)/.exec(text) ?? [];
  return memory === undefined
    ? { what: "unknown", text: text.replace(/\s+/g, " ") }
    : { what: "threadgroup", index: Number(memory), name };
}

/** `{ name, file, line, parameters }` of the kernels of a file. */
export function kernelsIn(file, source) {
  const text = withoutComments(source);
  return [...text.matchAll(/^KERNEL (\w+)\(/gm)].map((found) => ({
    name: found[1],
    file,
    line: lineOf(text, found.index),
    parameters: bracketed(text, found.index + found[0].length - 1).parts.map((part) =>
      parameterOf(part.text),
    ),
  }));
}

export const metalFiles = (folder) => readdirSync(folder).filter((file) => file.endsWith(".metal"));

/** What a kernel's declaration breaks of the order that grid.h fixes. */
export function declarationProblems({ name, file, line, parameters }) {
  const problems = [];
  const say = (what) => problems.push(`${file}:${line}: the kernel ${name} ${what}`);
  const buffers = parameters.filter(({ what }) => what === "buffer" || what === "parameters");
  buffers.forEach(({ index, name: buffer }, place) => {
    if (index !== place) say(`has ${buffer} at index ${index}, and it is argument ${place}`);
  });
  if (buffers.filter(({ what }) => what === "parameters").length !== 1)
    say("has not one struct of parameters");
  else if (buffers.at(-1).what !== "parameters") say("has a buffer behind its parameters");
  for (const { what, text } of parameters)
    if (what === "unknown") say(`has an argument without a place: ${text}`);
  const memory = parameters.filter(({ what }) => what === "threadgroup");
  if (memory.length > 1 || memory.some(({ index }) => index !== 0))
    say("has threadgroup memory elsewhere than at index 0");
  if (parameters.at(-1)?.what !== "place") say("does not end with PLACE");
  return problems;
}
