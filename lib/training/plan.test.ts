import { describe, expect, it } from "vitest";

import type { IBertError } from "../errors.js";
import { packRows } from "../data/packing.js";
import { Random } from "../data/random.js";
import { Decoder } from "../models/decoder.js";
import type { ModelSession } from "../models/session.js";
import { openSmolLM2 } from "../models/testing/smollm2.js";
import type { Device } from "../runtime/device.js";
import {
  budgetsOf,
  describePlan,
  fits,
  planMemory,
  requireMemory,
  type Budget,
  type TrainingPlan,
} from "./plan.js";
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

const MIB = 2 ** 20;
const PLAN: TrainingPlan = {
  ...{ process: 5 * MIB, weights: 10 * MIB, adapter: 4 * MIB, activations: 6 * MIB, generation: 3 * MIB },
  ...{ workspace: 2 * MIB, device: 22 * MIB, total: 27 * MIB, sharesHostMemory: true },
};
const HOST = { backend: "cpu", name: "a processor", availableBytes: 22 * MIB };
const CARD = { backend: "cuda", name: "a card", availableBytes: 22 * MIB };
const apart = { ...PLAN, sharesHostMemory: false };
const refusalOf = (budgets: readonly Budget[], fitting?: string[]) => {
  try {
    requireMemory(budgets, fitting);
  } catch (error) {
    const { code, message, hint } = error as IBertError;
    return { code, hint, message: message.replace(`\n  ${hint}`, "") };
  }
  throw new Error("it fits");
};

describe("a device that shares the host's memory", () => {
  it("has one budget with it, in which the process is there already", () => {
    const budgets = budgetsOf(PLAN, HOST, 22 * MIB);
    expect(budgets).toMatchObject([
      { memory: "memory", needed: 27 * MIB, growth: 22 * MIB, available: 22 * MIB },
    ]);
    expect(fits(budgets)).toBe(true);
    expect(() => requireMemory(budgets)).not.toThrow();
  });

  it.each([
    ["the host", HOST, 21 * MIB],
    ["the device", { ...HOST, availableBytes: 21 * MIB }, 99 * MIB],
  ])("is refused a run for which %s has too little, with its parts", (_, info, available) => {
    const budgets = budgetsOf(PLAN, info, available);
    expect(fits(budgets)).toBe(false);
    const { code, message, hint } = refusalOf(budgets);
    expect(code).toBe("memory");
    expect(message).toMatch(
      /^the run needs 27 MiB: process 5 MiB, weights 10 MiB, .*activations 6 MiB or generation 3 MiB, scratch 2 MiB; beyond the process that is 22 MiB, and 21 MiB are available$/,
    );
    expect(hint).toContain("model.recompute");
  });

  it("is described in one line", () => {
    expect(describePlan(PLAN, (bytes) => `${bytes / MIB}`)).toBe(
      "27: process 5, weights 10, adapter and optimizer 4, activations 6 or generation 3, scratch 2",
    );
  });
});

describe("a device with memory of its own", () => {
  it("has a budget apart from the host's, to which checkpoints are read", () => {
    const budgets = budgetsOf(apart, CARD, 3 * MIB);
    expect(budgets).toMatchObject([
      { memory: "host memory", needed: 8 * MIB, growth: 3 * MIB, available: 3 * MIB },
      { memory: "memory of cuda (a card)", needed: 22 * MIB, growth: 22 * MIB, available: 22 * MIB },
    ]);
    expect(fits(budgets)).toBe(true);
    expect(describePlan(apart, (bytes) => `${bytes / MIB}`)).toBe(
      "process 5; on the device 22: weights 10, adapter and optimizer 4, activations 6 or generation 3, scratch 2",
    );
  });

  it("is refused by the name of what is too small, with the settings that fit", () => {
    const device = refusalOf(budgetsOf(apart, { ...CARD, availableBytes: 21 * MIB }, 99 * MIB), [
      "model.recompute=mlp",
      "data.tokensPerBatch=512",
    ]);
    expect(device.message).toMatch(
      /^memory of cuda \(a card\): the run needs 22 MiB: weights 10 MiB.*; 21 MiB are available$/,
    );
    expect(device.message).not.toContain("process");
    expect(device.hint).toBe("This fits: --set model.recompute=mlp --set data.tokensPerBatch=512");

    const host = refusalOf(budgetsOf(apart, CARD, 2 * MIB));
    expect(host.message).toBe(
      "host memory: the run needs 8 MiB: process 5 MiB, a checkpoint's copies 3 MiB; beyond the process that is 3 MiB, " +
        "and 2 MiB are available",
    );
    const both = refusalOf(budgetsOf(apart, { ...CARD, availableBytes: 0 }, 0));
    expect(both.message.split("\n")).toEqual([
      expect.stringMatching(/^host memory/),
      expect.stringMatching(/^memory of cuda/),
    ]);
  });

  it("is planned as such where the device says so", async () => {
    const planned = await openSmolLM2({ planned: true });
    const { info } = planned.device;
    const onCard = {
      ...planned.device,
      memory: planned.device.memory,
      info: { ...info, sharesHostMemory: false },
    };
    const plan = planMemory({ device: onCard as unknown as Device }, () => ({ activationBytes: 99 * MIB }));
    expect(plan.sharesHostMemory).toBe(false);
    expect(plan.device).toBe(plan.weights + plan.activations + plan.workspace);
    expect(plan.total).toBe(plan.process + plan.device);
    await planned.dispose();
  });
});
