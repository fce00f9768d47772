import { freemem } from "node:os";
import { readFileSync } from "node:fs";

import { IBertError } from "../errors.js";
import type { ModelSession } from "../models/session.js";
import { processMemory } from "../runtime/memory.js";
import type { DeviceInfo } from "../runtime/native.js";
import type { TrainStep } from "./train-step.js";

/** Memory of a run, in bytes; what lies on the device is found by running the same code on the planned device. */
export interface TrainingPlan {
  /** Resident in this process without the run: Node, code, tokenizer, the rows and their tokens. */
  process: number;
  /** Frozen weights, packed. */
  weights: number;
  /** Parameters, gradients and both moments. */
  adapter: number;
  /** Activations and their gradients at the highest point of a step. */
  activations: number;
  /** KV cache and activations of the evaluation by generation. They and those of a step are not held at once. */
  generation: number;
  /** Scratch space of the hungriest op. */
  workspace: number;
  /** The highest point of all that lies on the device. */
  device: number;
  /** Process and device together. */
  total: number;
  /** Whether the device's memory is the host's. */
  sharesHostMemory: boolean;
}

/**
 * Plans a run by making its parts on a planned device. The session's tokenizer and the run's rows should have been used
 * before, so that what they hold is seen.
 * @param generation what the evaluations run on, where there are any
 */
export function planMemory(
  { device }: Pick<ModelSession, "device">,
  makeStep: () => Pick<TrainStep, "activationBytes">,
  generation?: () => { dispose(): void },
): TrainingPlan {
  const weights = device.memory.held;
  const { activationBytes: activations } = makeStep();
  const adapter = device.memory.held - weights;
  const engine = generation?.();
  const evaluation = device.memory.held - weights - adapter;
  engine?.dispose();
  const { peak, workspace } = device.memory;
  const held = processMemory();
  const onDevice = Math.max(peak, weights + adapter + Math.max(activations, evaluation)) + workspace;
  return {
    process: held,
    weights,
    adapter,
    activations,
    generation: evaluation,
    workspace,
    device: onDevice,
    total: held + onDevice,
    sharesHostMemory: device.info.sharesHostMemory,
  };
}

/** One memory that a run needs something of. */
export interface Budget {
  /** As a message names it. */
  memory: string;
  /** The highest point of the run, and its parts. */
  needed: number;
  parts: Part[];
  /** What of it is still to be allocated, and how much can be. */
  growth: number;
  available: number;
}

export interface Part {
  name: string;
  bytes: number;
  /** What takes its place at another time. */
  or?: Part;
}

function partsOf({ process, weights, adapter, activations, generation, workspace }: TrainingPlan) {
  const evaluation = generation === 0 ? {} : { or: { name: "generation", bytes: generation } };
  const host: Part[] = [{ name: "process", bytes: process }];
  const device: Part[] = [
    { name: "weights", bytes: weights },
    { name: "adapter and optimizer", bytes: adapter },
    { name: "activations", bytes: activations, ...evaluation },
    { name: "scratch", bytes: workspace },
  ];
  return { host, device };
}

/**
 * What a run needs of which memory: one budget where device and host have the same, else one for each.
 * @param info the device's, read before the run allocated anything there
 * @param hostAvailable what can be had of the host's memory now, the process's own not counted
 */
export function budgetsOf(
  plan: TrainingPlan,
  info: Pick<DeviceInfo, "backend" | "name" | "availableBytes">,
  hostAvailable: number,
): Budget[] {
  const { host, device } = partsOf(plan);
  if (plan.sharesHostMemory) {
    const available = Math.min(hostAvailable, info.availableBytes);
    const parts = [...host, ...device];
    return [{ memory: "memory", needed: plan.total, parts, growth: plan.device, available }];
  }
  const name = `memory of ${info.backend} (${info.name})`;
  // Parameters and moments come to the host for each checkpoint; the gradients, as large as one of them, do not.
  const checkpoint = (3 * plan.adapter) / 4;
  const onHost: Part[] = [...host, { name: "a checkpoint's copies", bytes: checkpoint }];
  return [
    {
      memory: "host memory",
      needed: plan.process + checkpoint,
      parts: onHost,
      growth: checkpoint,
      available: hostAvailable,
    },
    {
      memory: name,
      needed: plan.device,
      parts: device,
      growth: plan.device,
      available: info.availableBytes,
    },
  ];
}

/** One line of a sum and its parts, each written by `bytes`. */
export function describeBudget(
  { needed, parts }: Pick<Budget, "needed" | "parts">,
  bytes: (count: number) => string,
): string {
  const describe = ({ name, bytes: size, or }: Part): string =>
    `${name} ${bytes(size)}${or === undefined ? "" : ` or ${describe(or)}`}`;
  const described = parts.map(describe);
  return `${bytes(needed)}: ${described.join(", ")}`;
}

/** One line of the total and its parts, each written by `bytes`. */
export function describePlan(plan: TrainingPlan, bytes: (count: number) => string): string {
  const { host, device } = partsOf(plan);
  if (plan.sharesHostMemory) {
    return describeBudget({ needed: plan.total, parts: [...host, ...device] }, bytes);
  }
  const onDevice = describeBudget({ needed: plan.device, parts: device }, bytes);
  return `process ${bytes(plan.process)}; on the device ${onDevice}`;
}

/** Memory of the host that can be had without swapping. */
export function availableMemory(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"));
    if (match?.[1] !== undefined) return Number(match[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return freemem();
}

export const fits = (budgets: readonly Budget[]): boolean =>
  budgets.every(({ growth, available }) => growth <= available);

/**
 * @param fitting the settings that would fit, as `--set` takes them; without them the usual advice is given
 * @throws IBertError `memory` that names each memory that is too small, with the numbers
 */
export function requireMemory(budgets: readonly Budget[], fitting?: readonly string[]): void {
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const lacking = budgets.filter(({ growth, available }) => growth > available);
  if (lacking.length === 0) return;
  const described = lacking.map((budget) => {
    const { memory, needed, growth, available } = budget;
    const beyond = needed === growth ? "" : `beyond the process that is ${mib(growth)}, and `;
    const of = budgets.length === 1 ? "" : `${memory}: `;
    return `${of}the run needs ${describeBudget(budget, mib)}; ${beyond}${mib(available)} are available`;
  });
  throw new IBertError("memory", described.join("\n"), {
    hint:
      fitting === undefined
        ? "Set model.recompute to mlp or layer, lower data.tokensPerBatch, lora.rank or evaluation.sequences, or keep the weights quantised."
        : `This fits: ${fitting.map((setting) => `--set ${setting}`).join(" ")}`,
  });
}
