/** What the host hands to kernels: the calls in its sources that name one. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { bracketed, lineOf, withoutComments } from "./text.mjs";

/** "&args.loraA" as "loraA", "scratch(room.parts)" as "parts", "record_" as "record". */
function nameOf(operand) {
  return (/([A-Za-z]\w*?)_?\W*$/.exec(operand.replace(/\[[^\]]*\]/g, "")) ?? [operand, operand])[1];
}

/** The list of operands among the arguments of a call, and the threadgroup memory that comes behind it and the parameters. */
function bindingOf(text, parts) {
  const place = parts.findIndex((part) => part.text.startsWith("{"));
  if (place < 0) return undefined;
  const list = bracketed(text, text.indexOf("{", parts[place].begin));
  const behind = parts.slice(place + 2).filter((part) => !part.text.startsWith("sizeof"));
  const memory = behind[0]?.text === "0" ? undefined : behind[0];
  return { operands: list.parts.map((part) => nameOf(part.text)), memory };
}

/**
 * `{ kernels, file, line, operands, memory }` of the calls of a file whose first argument names kernels. A function that
 * hands the name on (`launchTiles("name", …)`, with a call of `kernel` in it) stands for each that it is called with.
 */
export function launchesIn(file, source) {
  const text = withoutComments(source);
  const calls = [...text.matchAll(/\b(\w+)(?:<[\w:, ]*>)?\(/g)].flatMap((found) => {
    const open = found.index + found[0].length - 1;
    if (!/^\(\s*("|kernel\b|[\w.]+( == \w+)? \?\s*")/.test(text.slice(open, open + 200))) return [];
    const { parts } = bracketed(text, open);
    const kernels = [...(parts[0]?.text ?? "").matchAll(/"(\w+)"/g)].map(([, name]) => name);
    return [{ kernels, file, line: lineOf(text, found.index), ...bindingOf(text, parts) }];
  });
  const handedOn = calls.filter(({ kernels, operands }) => kernels.length > 0 && operands === undefined);
  const names = handedOn.flatMap(({ kernels }) => kernels);
  return calls
    .filter(({ operands }) => operands !== undefined)
    .map((call) => (call.kernels.length > 0 ? call : { ...call, kernels: names }));
}

/** The host's sources with what they launch: `{ file, source, launches }`. */
export function hostSources(folder) {
  const files = ["", "host"].flatMap((below) =>
    readdirSync(join(folder, below))
      .filter((file) => file.endsWith(".cpp"))
      .map((file) => join(below, file)),
  );
  return files.map((file) => {
    const source = readFileSync(join(folder, file), "utf8");
    return { file, source, launches: launchesIn(file, source) };
  });
}

const words = (name) =>
  name.match(/[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])/g)?.map((word) => word.toLowerCase()) ?? [];

/** Whether two names are one but for words that one of them leaves out: dLoraA and dA, partial and partials. */
export function isSameName(a, b) {
  const within = (few, many) => {
    let at = 0;
    for (const word of many) if (word === few[at]) at++;
    return at === few.length;
  };
  const [left, right] = [words(a), words(b)];
  return within(left, right) || within(right, left);
}

/** Where a launch and the kernels that it names do not agree. */
export function bindingProblems(kernels, launches) {
  const byName = new Map(kernels.map((kernel) => [kernel.name, kernel]));
  const problems = [];
  const launched = new Set();
  for (const { kernels: names, file, line, operands, memory } of launches) {
    for (const name of names) {
      const say = (what) => problems.push(`${file}:${line}: the kernel ${name} ${what}`);
      launched.add(name);
      const kernel = byName.get(name);
      if (kernel === undefined) {
        say("is in no .metal file");
        continue;
      }
      const buffers = kernel.parameters.filter(({ what }) => what === "buffer");
      const hasMemory = kernel.parameters.some(({ what }) => what === "threadgroup");
      if (hasMemory !== (memory !== undefined))
        say(
          `${hasMemory ? "has" : "has no"} threadgroup memory, and is given ${hasMemory ? "none" : "some"}`,
        );
      if (operands.length !== buffers.length)
        say(`has ${buffers.length} buffers, and is given ${operands.length}`);
      else
        operands.forEach((operand, i) => {
          if (!isSameName(operand, buffers[i].name))
            say(`has ${buffers[i].name} at ${i}, and is given ${operand}`);
        });
    }
  }
  for (const { name, file, line } of kernels)
    if (!launched.has(name)) problems.push(`${file}:${line}: nothing launches the kernel ${name}`);
  return problems;
}
