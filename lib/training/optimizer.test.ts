import { describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { loadPreset } from "../models/presets.js";
import { LoraAdapter, LoraLayout } from "../models/lora.js";
import { Device } from "../runtime/device.js";
import { AdamW } from "./optimizer.js";

const model = { ...loadPreset("smollm2-135m").config, layers: 2, hiddenSize: 48, intermediateSize: 40 };
const layout = new LoraLayout(model, { rank: 3, alpha: 6, targets: ["q_proj", "v_proj", "down_proj"] });
const hyper = { beta1: 0.9, beta2: 0.99, eps: 1e-6, weightDecay: 0.1, maxGradNorm: 0.5 };
const STEPS = 4;
const RATE = 2 ** -6;

/** Values where the layout has matrices, zeros in its gaps. */
function valuesOf(seed: number): Float32Array {
  const random = Random.of(seed, "optimizer");
  const values = new Float32Array(layout.size);
  for (const { offset, size } of layout.stacks) {
    for (let i = offset; i < offset + size; i++) values[i] = random.float() - 0.5;
  }
  return values;
}
const gradient = (step: number): Float32Array => valuesOf(100 + step);

async function run(rate: number, loraPlusRatio?: number, from = 1, saved?: Float32Array[]) {
  await using device = Device.open("cpu", { threads: 2 });
  const adapter = new LoraAdapter(device, layout, { training: true });
  const options = loraPlusRatio === undefined ? hyper : { ...hyper, loraPlusRatio };
  const optimizer = new AdamW(device, adapter, options);
  const [params, m, v] = saved ?? [];
  adapter.load(params ?? valuesOf(1));
  if (m !== undefined && v !== undefined) optimizer.restore({ m, v });
  const states: Float32Array[][] = [];
  for (let step = from; step <= STEPS; step++) {
    device.write(adapter.grads!, gradient(step));
    optimizer.step(step, rate, 0.25);
    const state = await optimizer.state();
    states.push([await adapter.read(), state.m, state.v]);
  }
  return states;
}

const part = (values: Float32Array, which: "A" | "B"): number[] =>
  layout.stacks
    .filter((stack) => stack.part === which)
    .flatMap(({ offset, size }) => [...values.subarray(offset, offset + size)]);

/** AdamW in float64, with a rate for each element. */
function plain(rateOf: (index: number) => number): Float64Array {
  const param = Float64Array.from(valuesOf(1));
  const [m, v] = [new Float64Array(layout.size), new Float64Array(layout.size)];
  const { beta1, beta2, eps, weightDecay, maxGradNorm } = hyper;
  for (let step = 1; step <= STEPS; step++) {
    const grad = Float64Array.from(gradient(step));
    const norm = Math.sqrt(grad.reduce((sum, g) => sum + g * g, 0));
    const factor = 0.25 * Math.min(1, maxGradNorm / (norm * 0.25 + 1e-6));
    for (let i = 0; i < layout.size; i++) {
      const g = grad[i]! * factor;
      m[i] = beta1 * m[i]! + (1 - beta1) * g;
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      const [mean, square] = [m[i]! / (1 - beta1 ** step), v[i]! / (1 - beta2 ** step)];
      param[i]! -= rateOf(i) * (mean / (Math.sqrt(square) + eps) + weightDecay * param[i]!);
    }
  }
  return param;
}

describe("LoRA+", () => {
  it("gives A the bits of the learning rate and B those of its multiple", async () => {
    const [both, slow, fast] = [await run(RATE, 8), await run(RATE), await run(8 * RATE)];
    const [mixed, a, b] = [both, slow, fast].map((states) => states.at(-1)![0]!) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    expect(part(mixed, "A")).toEqual(part(a, "A"));
    expect(part(mixed, "B")).toEqual(part(b, "B"));
    expect(part(a, "B")).not.toEqual(part(b, "B"));
  });

  it("computes what AdamW with two learning rates does", async () => {
    const isB = new Uint8Array(layout.size);
    for (const { part: which, offset, size } of layout.stacks) {
      if (which === "B") isB.fill(1, offset, offset + size);
    }
    const expected = plain((i) => (isB[i] === 1 ? 8 * RATE : RATE));
    const values = (await run(RATE, 8)).at(-1)![0]!;
    values.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-6));
    const equal = plain(() => RATE);
    expect(Math.max(...values.map((value, i) => Math.abs(value - equal[i]!)))).toBeGreaterThan(0.1);
  });

  it("goes on from its moments to the same bits", async () => {
    const states = await run(RATE, 8);
    expect(await run(RATE, 8, 3, states[1])).toEqual(states.slice(2));
  });
});
