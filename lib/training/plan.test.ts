import { expect, it } from "vitest";

import { packRows } from "../data/packing.js";
import { Random } from "../data/random.js";
import { Decoder } from "../models/decoder.js";
import type { ModelSession } from "../models/session.js";
import { openSmolLM2 } from "../models/testing/smollm2.js";
import { planMemory, requireMemory } from "./plan.js";
import { TrainStep } from "./train-step.js";

const TOKENS = 256;
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };

function stepOf(session: ModelSession): TrainStep {
  const adapter = session.createAdapter({ rank: 4, alpha: 8, targets: ["q_proj"] }, Random.of(1, "lora"));
  const options = { activations: "bf16", recompute: "none" } as const;
  return new TrainStep(
    new Decoder(session.device, session.config, session.weights, adapter, options),
    OPTIMIZER,
    TOKENS,
  );
}

it("plans to the byte what a step holds on its device, and gives activations back in between", async () => {
  const planned = await openSmolLM2({ planned: true });
  const { weights, adapter, activations, workspace, total, ...plan } = planMemory(planned, () =>
    stepOf(planned),
  );
  expect(plan.generation).toBe(0);
  expect(total).toBe(plan.process + weights + adapter + activations + workspace);

  const session = await openSmolLM2();
  expect(session.device.memory.held).toBe(weights);
  const step = stepOf(session);
  const ids = Int32Array.from({ length: TOKENS }, (_, i) => i + 100);
  const batch = packRows([{ id: "row", row: 0, task: "qa", ids, promptLength: 1 }], TOKENS, 0);
  const { loss } = await step.run([batch], 1, 1e-3);
  expect(session.device.memory.held).toBe(weights + adapter + activations);
  expect(session.device.memory.workspace).toBeLessThanOrEqual(workspace);
  step.freeActivations();
  expect(session.device.memory.held).toBe(weights + adapter);
  expect((await step.run([batch], 2, 1e-3)).loss).toBeLessThan(loss);
  step.free();
  await session.dispose();
  await planned.dispose();
});

it("refuses a run that does not fit, with the parts, the process counted as there already", () => {
  const mib = 2 ** 20;
  const parts = { weights: 10 * mib, adapter: 2 * mib, activations: 6 * mib, generation: 4 * mib };
  const plan = { process: 5 * mib, ...parts, workspace: 2 * mib, total: 25 * mib };
  expect(() => requireMemory(plan, 20 * mib)).not.toThrow();
  expect(() => requireMemory(plan, 19 * mib)).toThrow(
    /needs 25 MiB: process 5 MiB, .*activations 6 MiB or generation 4 MiB.*that is 20 MiB, and 19 MiB are available/,
  );
});
