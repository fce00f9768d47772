/** The check of the Metal kernels: right as they are, and a fault of each kind fails it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { checkMetal } from "./check.mjs";
import { kernelProblems, layoutProblems, memoryProblems } from "./clang.mjs";
import { declarationProblems, flattened, kernelsIn } from "./kernels.mjs";
import { bindingProblems, isSameName, launchesIn } from "./launches.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "kernels-metal");
const zig = join(root, "build", "release", "zig", "ziglang", "zig");
const read = (file) => readFileSync(join(folder, file), "utf8");

/** A source with one place of it changed. */
function changed(source, from, to) {
  expect(source).toContain(from);
  return source.replace(from, to);
}

describe("the kernels' declarations and the host's launches", () => {
  const [metal, host] = [read("swiglu.metal"), read("swiglu.cpp")];
  const problemsOf = (kernelSource, hostSource) => {
    const kernels = kernelsIn("swiglu.metal", kernelSource);
    return [
      ...kernels.flatMap(declarationProblems),
      ...bindingProblems(kernels, launchesIn("swiglu.cpp", hostSource)),
    ].map((problem) => problem.replace(/^\S+ the kernel /, ""));
  };

  it("agree in all files", () => {
    const { kernels, bf16, problems } = checkMetal(folder);
    expect(problems).toEqual([]);
    expect(kernels).toBeGreaterThan(20);
    expect(bf16).toBeGreaterThan(10);
  });

  it.each([
    [
      "an index twice",
      "y [[buffer(1)]]",
      "y [[buffer(0)]]",
      "swigluForward has y at index 0, and it is argument 1",
    ],
    [
      "a buffer without one",
      "y [[buffer(1)]]",
      "y",
      "swigluForward has an argument without a place: device uint8_t* y",
    ],
    ["another name", "KERNEL swigluForward", "KERNEL swiglu", "swigluForward is in no .metal file"],
    ["no PLACE", "[[buffer(2)]], PLACE)", "[[buffer(2)]])", "swigluForward does not end with PLACE"],
    [
      "threadgroup memory that nobody gives",
      "[[buffer(2)]], PLACE)",
      "[[buffer(2)]], threadgroup float* memory THREADGROUP(0), PLACE)",
      "swigluForward has threadgroup memory, and is given none",
    ],
  ])("fail for a kernel with %s", (_, from, to, problem) => {
    expect(problemsOf(changed(metal, from, to), host)).toContain(problem);
  });

  it.each([
    [
      "swapped operands",
      "{&args.gateUp, &args.y}",
      "{&args.y, &args.gateUp}",
      "swigluForward has y at 1, and is given gateUp",
    ],
    ["too few", "{&args.gateUp, &args.y}", "{&args.gateUp}", "swigluForward has 2 buffers, and is given 1"],
    ["an unknown kernel", '"swigluForward"', '"swigluFront"', "swigluFront is in no .metal file"],
    [
      "memory that it has not",
      "{&args.gateUp, &args.y}, parameters)",
      "{&args.gateUp, &args.y}, parameters, 64)",
      "swigluForward has no threadgroup memory, and is given some",
    ],
  ])("fail for a launch with %s", (_, from, to, problem) => {
    expect(problemsOf(metal, changed(host, from, to))).toContain(problem);
  });

  it("fail for a kernel that nothing launches", () => {
    const rest = host.replaceAll(/context\.elements\("swigluForward"[^;]*;/g, "");
    expect(bindingProblems(kernelsIn("swiglu.metal", metal), launchesIn("swiglu.cpp", rest))).toEqual([
      expect.stringContaining("nothing launches the kernel swigluForward"),
    ]);
  });

  it("are found behind choices, and behind functions that hand a name on", () => {
    const source = `
      void one(const char* kernel) { context.tiles(kernel, n, {&args.x, scratch(room.parts)}, p, bytes); }
      void all() { one<Many>("first", args); one("second", args); // one("none")
        context.groups(D == 64 ? "third" : "fourth", n, kThreads, {low_, &args.y[0]}, p, 0); }`;
    expect(launchesIn("all.cpp", source)).toMatchObject([
      { kernels: ["first", "second"], operands: ["x", "parts"], memory: { text: "bytes" }, line: 2 },
      { kernels: ["third", "fourth"], operands: ["low", "y"], memory: undefined, line: 4 },
    ]);
  });

  it("call an operand alike but for words that one leaves out", () => {
    expect([isSameName("dLoraA", "dA"), isSameName("partial", "partial")]).toEqual([true, true]);
    expect([isSameName("loraA", "B"), isSameName("dy", "y"), isSameName("A", "dA")]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

// The compiler of releases, where it was fetched (npm run check:metal).
describe.runIf(existsSync(zig))("clang", () => {
  const text = flattened(folder, "rms_norm.metal");
  const kernels = kernelsIn("rms_norm.metal", read("rms_norm.metal"));

  it("has nothing to say of a file as it is", () => {
    expect(kernelProblems(zig, "rms_norm.metal", text)).toEqual([]);
    expect(
      layoutProblems(zig, folder, kernels, text, '#include "rms_norm.h"\nRmsNormParameters one;'),
    ).toEqual([]);
  });

  const line = "inline float groupSum(float value, threadgroup float* partial, uint index, uint threads) {";
  it.each([
    [
      "device for threadgroup",
      "  device float* other = partial;",
      /cannot initialize a variable of type 'device float \*'/,
    ],
    [
      "constant for threadgroup",
      "  constant float* other = partial;",
      /cannot initialize a variable of type/,
    ],
    ["thread for threadgroup", "  thread float* other = partial;", /cannot initialize a variable of type/],
    ["a write to constant memory", "  *(constant float*)0 = value;", /read-only|constant|cannot assign/],
    [
      "a cast between them",
      "  device float* other = (device float*)partial;",
      /a cast from one address space to another/,
    ],
    [
      "a pointer that has none",
      "  float* other = &value; *other = 0;",
      /other is float \*, a pointer of no address space/,
    ],
    ["what Metal does not have", "  value = std::exp(value);", /undeclared identifier 'std'/],
  ])("finds %s", (_, fault, problem) => {
    const wrong = changed(text, line, `${line}\n${fault}`);
    expect(kernelProblems(zig, "rms_norm.metal", wrong).join("\n")).toMatch(problem);
  });

  it("reads tiles as macOS 13 compiles them, and for bf16", () => {
    const tiles = flattened(folder, "lora_linear_gradient_tiles.metal");
    const problemsOf = (from, to) => kernelProblems(zig, "tiles", changed(tiles, from, to)).join("\n");
    expect(kernelProblems(zig, "tiles", tiles)).toEqual([]);
    expect(problemsOf("typedef float TileNumber;", "typedef bfloat TileNumber;")).toMatch(
      /^tiles, line .*unknown type name 'bfloat'/,
    );
    expect(problemsOf("as_type<ushort>(bfloat(value))", "as_type<ushort>(bfloat(other))")).toMatch(
      /^tiles in bf16, line .*undeclared identifier 'other'/,
    );
  }, 60_000);

  it("finds parameters that host and kernels lay out otherwise", () => {
    const host = '#include "rms_norm.h"\nRmsNormParameters one;';
    const wrong = text.replace(/(struct RmsNormParameters \{\n)/, "$1  int64_t more;\n");
    expect(wrong).not.toBe(text);
    expect(layoutProblems(zig, folder, kernels, wrong, host)).toEqual([
      expect.stringContaining("rms_norm.metal: the host has RmsNormParameters in"),
    ]);
    expect(layoutProblems(zig, folder, kernels, text, "")).toEqual([
      "rms_norm.metal: RmsNormParameters is no struct that the host can read",
    ]);
  });

  it("finds threadgroup memory beyond 32 KB, and says where it is known later", () => {
    const file = "rms_norm.cpp";
    const memory = (source) =>
      memoryProblems(zig, folder, { file, source, launches: launchesIn(file, source) });
    const source = read(file);
    const bytes = "kFewThreads * sizeof(float)";
    const wrong = changed(changed(source, bytes, "33 * 1024"), `${bytes});`, "args.x.shape[0]);");
    const { problems, unknown } = memory(wrong);
    expect(problems).toEqual([
      expect.stringContaining(
        "the kernel rmsNormForward has more threadgroup memory than 32768 bytes: 33 * 1024",
      ),
    ]);
    expect(unknown).toEqual([
      expect.stringContaining(
        "the kernel rmsNormBackward has threadgroup memory by its operands: args.x.shape[0]",
      ),
    ]);
  }, 60_000);
});
