/**
 * The suite of ibert-kernels lets no backend off a call that every model makes (native/tools/graph_calls.cpp). Here the
 * graphs run, and each of their calls must be in that list.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { beforeAll, expect, it } from "vitest";

import { temporaryFolder } from "../formats/testing/temporary.js";
import { InferenceEngine, type ServedAdapters } from "../generation/engine.js";
import { LoraBank } from "../generation/lora-bank.js";
import { Device } from "../runtime/device.js";
import { addon } from "../runtime/native.js";
import { Tensor } from "../runtime/tensor.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { LINEAR_MODULES } from "./linears.js";
import { LoraAdapter, LoraLayout } from "./lora.js";
import { resolveSource } from "./sources.js";
import { writeChainModel } from "./testing/chain-model.js";
import { uploadRows } from "./testing/harness.js";
import { openWeights, type ModelWeights } from "./weights.js";

/** dtypes by operand */
type Call = Map<string, string>;

const ops = new Map(
  addon()
    .describeOps()
    .map((op) => [op.name, op.fields]),
);
const known = new Map<string, Call[]>();

beforeAll(() => {
  const program = fileURLToPath(new URL("../../build/Release/ibert-kernels", import.meta.url));
  const { graphCalls } = JSON.parse(execFileSync(program, ["list", "--json"], { encoding: "utf8" })) as {
    graphCalls: { op: string; dtypes: string }[];
  };
  for (const { op, dtypes } of graphCalls) {
    const call: Call = new Map(dtypes.split(", ").map((pair) => pair.split(" ") as [string, string]));
    known.set(op, [...(known.get(op) ?? []), call]);
  }
});

async function chainModel(): Promise<ModelWeights> {
  const folder = temporaryFolder();
  await writeChainModel(folder, {});
  return openWeights(await resolveSource(folder));
}

/** Sums have one dtype, whoever calls, and so have indices, but an optional one is another call. */
function tells(op: string, operand: string): boolean {
  const field = ops.get(op)?.find(({ name }) => name === operand);
  const { kind = "", role = "" } = field ?? {};
  return ["act", "cache", "any"].includes(kind) || (kind === "index" && role.endsWith("Optional"));
}

function isKnown(op: string, actual: Call): boolean {
  return (known.get(op) ?? []).some(
    (call) =>
      [...call].every(([operand, dtype]) => actual.get(operand) === dtype) &&
      [...actual.keys()].every((operand) => call.has(operand) || !tells(op, operand)),
  );
}

/** The calls from now on that the list lacks. */
function strangersOn(device: Device): Set<string> {
  const strangers = new Set<string>();
  const methods = device.ops as unknown as Record<string, (args: Record<string, unknown>) => void>;
  for (const [op, enqueue] of Object.entries(methods)) {
    methods[op] = (args) => {
      const operands = Object.entries(args).filter(
        (entry): entry is [string, Tensor] => entry[1] instanceof Tensor,
      );
      const call: Call = new Map(operands.map(([name, { dtype }]) => [name, dtype]));
      if ([...call.keys()].some((operand) => tells(op, operand)) && !isKnown(op, call)) {
        strangers.add(`${op}: ${[...call].map((pair) => pair.join(" ")).join(", ")}`);
      }
      enqueue(args);
    };
  }
  return strangers;
}

const layoutOf = ({ config }: ModelWeights): LoraLayout =>
  new LoraLayout(config, { rank: 4, alpha: 8, targets: LINEAR_MODULES });

it.each(["bf16", "f32"] as const)("training asks for nothing else, in %s", async (activations) => {
  const model = await chainModel();
  await using device = Device.open("cpu", { threads: 1 });
  const weights = await loadDecoderWeights(device, model, { weights: "bf16" });
  const strangers = strangersOn(device);
  const adapter = new LoraAdapter(device, layoutOf(model), { training: true });
  adapter.load(new Float32Array(adapter.layout.size));
  device.fill(adapter.grads as Tensor, 0);
  const batch = uploadRows(device, [{ ids: [1, 2, 3], mask: [0, 1, 1] }]);
  for (const lora of [adapter, undefined]) {
    for (const recompute of ["none", "layer"] as const) {
      const decoder = new Decoder(device, model.config, weights, lora, { activations, recompute });
      for (const backward of [true, false]) {
        using arena = decoder.arenaFor("step", (planned, counting) => {
          planned.loss(batch, counting, { backward });
        });
        decoder.loss(batch, arena, { backward });
        await device.synchronize();
      }
      using arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
      decoder.logits(batch, arena);
      await device.synchronize();
    }
  }
  expect([...strangers]).toEqual([]);
});

it.each(["bf16", "f32"] as const)("generation asks for nothing else, in %s", async (activations) => {
  const model = await chainModel();
  await using device = Device.open("cpu", { threads: 1 });
  const weights = await loadDecoderWeights(device, model, { weights: "bf16" });
  const values = new Float32Array(layoutOf(model).size);
  const adapter = new LoraAdapter(device, layoutOf(model), { training: false });
  adapter.load(values);
  const bank = new LoraBank(device, model.config, [{ layout: layoutOf(model), values }], activations);
  const strangers = strangersOn(device);
  for (const adapters of [undefined, adapter, bank] satisfies (ServedAdapters | undefined)[]) {
    for (const cache of ["bf16", "f32", "q8_0"] as const) {
      const sizes = { maxRows: 32, maxSequences: 2, maxPositions: 64 };
      using engine = new InferenceEngine({ device, config: model.config, weights }, adapters, {
        activations,
        cache,
        ...sizes,
      });
      const sequence = { blocks: [], length: 0 };
      engine.step([{ sequence, tokens: [1, 2, 3], adapter: adapters === undefined ? -1 : 0, outputs: 1 }]);
      await engine.drawer.draw([{ temperature: 0, topP: 1, topK: 0, uniform: [0] }]);
    }
  }
  expect([...strangers]).toEqual([]);
});
