/** Everything that is asked of the Metal kernels without Metal. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { isForBf16, kernelProblems, layoutProblems, memoryProblems } from "./clang.mjs";
import { declarationProblems, flattened, kernelsIn, metalFiles } from "./kernels.mjs";
import { bindingProblems, hostSources } from "./launches.mjs";

/** The headers that a text asks for, and those that they ask for, in their order. */
function headersOf(folder, text, seen = new Set()) {
  for (const [, header] of text.matchAll(/#include "(\w+\.h)"/g)) {
    if (seen.has(header)) continue;
    headersOf(folder, readFileSync(join(folder, header), "utf8"), seen);
    seen.add(header);
  }
  return [...seen];
}

/** Whether a header is plain data, which the host can read too. */
const isShared = (folder) => (header) =>
  !/\b(device|threadgroup|constant|thread|metal::|as_type)\b/.test(
    readFileSync(join(folder, header), "utf8").replace(/\/\/.*|#define IBERT_SHARED_CONSTANT.*/g, ""),
  );

/**
 * `{ kernels, bf16, problems, unknown }` of a folder of kernels with their host's side; without `zig` only what needs no compiler.
 * `bf16` are the kernels that are compiled for it too, `unknown` launches whose threadgroup memory is known when they are made.
 */
export function checkMetal(folder, { zig } = {}) {
  const files = metalFiles(folder).map((file) => {
    const source = readFileSync(join(folder, file), "utf8");
    return { file, source, kernels: kernelsIn(file, source) };
  });
  const kernels = files.flatMap((one) => one.kernels);
  const host = hostSources(folder);
  const problems = kernels.flatMap(declarationProblems);
  problems.push(
    ...bindingProblems(
      kernels,
      host.flatMap(({ launches }) => launches),
    ),
  );
  const bf16 = files
    .filter(({ file }) => isForBf16(flattened(folder, file)))
    .flatMap((one) => one.kernels).length;
  if (zig === undefined) return { kernels: kernels.length, bf16, problems, unknown: [] };
  for (const { file, source, kernels: own } of files) {
    const text = flattened(folder, file);
    problems.push(...kernelProblems(zig, file, text));
    const shared = headersOf(folder, source).filter(isShared(folder));
    const includes = shared.map((header) => `#include "${header}"\n`).join("");
    const types = own.flatMap(({ parameters }) => parameters.filter(({ what }) => what === "parameters"));
    const used = [...new Set(types.map(({ type }) => type))].map((type, i) => `${type} used${i};\n`).join("");
    problems.push(...layoutProblems(zig, folder, own, text, `${includes}${used}`));
  }
  const memory = host.map((one) => memoryProblems(zig, folder, one));
  problems.push(...memory.flatMap((one) => one.problems));
  return { kernels: kernels.length, bf16, problems, unknown: memory.flatMap((one) => one.unknown) };
}
