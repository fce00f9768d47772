/**
 * SmolLM2-135M on the CPU's bf16 path against transformers + PEFT in float32: no further off than PyTorch's own bf16 on
 * the same batches. Goldens: scripts/goldens/smollm2.py.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { InferenceEngine } from "../generation/engine.js";
import { generate } from "../generation/generate.js";
import { Decoder } from "./decoder.js";
import type { LoraAdapter } from "./lora.js";
import type { ModelSession } from "./session.js";
import { signProjections } from "./testing/hash-init.js";
import { goldenTensor, nmse, uploadRows, type GoldenRow } from "./testing/harness.js";
import { hashAdapter, hashMatrices, openSmolLM2 } from "./testing/smollm2.js";

interface Distance {
  logitsNmse: number;
  gradientNmseMedian: number;
  gradientNmseWorst: number;
  logitsMaxError: number;
}
interface Greedy {
  name: string;
  ids: number[];
  base: { tokens: number[]; margins: number[] };
  adapted: { tokens: number[]; margins: number[] };
}
const folder = fileURLToPath(new URL("goldens/smollm2/", import.meta.url));
const reference = JSON.parse(readFileSync(`${folder}reference.json`, "utf8")) as {
  lora: { bBound: number };
  batches: Record<string, GoldenRow[]>;
  bf16: Record<string, { bf16: Distance }>;
  greedy: Greedy[];
};

let session: ModelSession;
let adapter: LoraAdapter;
let decoder: Decoder;
beforeAll(async () => {
  session = await openSmolLM2();
  adapter = hashAdapter(session, reference.lora.bBound);
  const options = { activations: "bf16", recompute: "none" } as const;
  decoder = new Decoder(session.device, session.config, session.weights, adapter, options);
});
afterAll(() => session.dispose());

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

describe.each(["single", "packed"])("the batch %s", (batch) => {
  const rows = reference.batches[batch] as GoldenRow[];
  const golden = (name: string) => goldenTensor(`${folder}${batch}.safetensors`, name);
  const limits = reference.bf16[batch]!.bf16;

  it("has logits no further from float32 than PyTorch's bf16", async () => {
    const input = uploadRows(session.device, rows);
    const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(input, counting));
    const logits = (await session.device.readFloats(decoder.logits(input, arena))) as Float32Array;
    arena.free();
    const vocabulary = new Int32Array((await golden("vocabulary")).buffer);
    const tokens = logits.length / session.config.vocabSize;
    const sampled: number[] = [];
    for (let t = 0; t < tokens; t++) {
      for (const id of vocabulary) sampled.push(logits[t * session.config.vocabSize + id] as number);
    }
    const distance = nmse(sampled, await golden("logits"));
    console.info(
      `${batch}: logits NMSE ${distance.toExponential(2)}, PyTorch bf16 ${limits.logitsNmse.toExponential(2)}`,
    );
    expect(distance).toBeLessThan(limits.logitsNmse);
  });

  it("has LoRA gradients no further from float32 than PyTorch's bf16", async () => {
    const { device } = session;
    device.fill(adapter.grads!, 0);
    const input = uploadRows(device, rows);
    const arena = decoder.arenaFor("step", (planned, counting) => {
      planned.loss(input, counting, { backward: true });
    });
    const losses = await device.readFloats(decoder.loss(input, arena, { backward: true }));
    const gradients = (await device.readFloats(adapter.grads!)) as Float32Array;
    arena.free();
    expect(
      nmse(
        [...losses].filter((loss) => loss !== 0),
        await golden("losses"),
      ),
    ).toBeLessThan(1e-3);
    const norms = await golden("gradient_norms");
    const projections = await golden("gradient_projections");
    const distances = hashMatrices(adapter.layout).map(({ offset, shape, stream }) => {
      const ours = signProjections(stream, gradients.subarray(offset, offset + shape[0] * shape[1]));
      let error = 0;
      ours.forEach((value, j) => (error += (value - (projections[stream * 128 + j] as number)) ** 2));
      return error / 128 / (norms[stream] as number) ** 2;
    });
    const worst = Math.max(...distances);
    console.info(
      `${batch}: gradient NMSE median ${median(distances).toExponential(2)}, worst ${worst.toExponential(2)}; ` +
        `PyTorch bf16 ${limits.gradientNmseMedian.toExponential(2)}, ${limits.gradientNmseWorst.toExponential(2)}`,
    );
    expect(distances).toHaveLength(240);
    expect(median(distances)).toBeLessThan(limits.gradientNmseMedian);
    expect(worst).toBeLessThan(limits.gradientNmseWorst);
  });
});

describe.each(["base", "adapted"] as const)("greedy decoding, %s", (kind) => {
  it("gives the same 32 tokens wherever the top-2 margin exceeds the error of bf16", async () => {
    const inference = new InferenceEngine(session, kind === "adapted" ? adapter : undefined, {
      activations: "bf16",
      maxRows: 128,
      maxSequences: 3,
      maxPositions: 512,
    });
    const prompts = reference.greedy.map(({ ids }) => ids);
    const answers = await generate(inference, prompts, { maxTokens: 32, stopIds: [] });
    inference.dispose();
    const error = reference.bf16["single"]!.bf16.logitsMaxError;
    let compared = 0;
    reference.greedy.forEach((expected, i) => {
      const { tokens, margins } = expected[kind];
      // Past a step decided by less than the error the two texts may differ, and everything after it with them.
      const firstDifference = tokens.findIndex((token, step) => token !== answers[i]?.ids[step]);
      const same = firstDifference < 0 ? tokens.length : firstDifference;
      compared += same;
      if (firstDifference >= 0) expect(margins[firstDifference], expected.name).toBeLessThan(error);
    });
    console.info(`${kind}: ${compared} of ${32 * prompts.length} tokens alike before the first close call`);
    expect(compared).toBeGreaterThan(16);
  });
});
