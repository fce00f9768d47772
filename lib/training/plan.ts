import { freemem } from "node:os";
import { readFileSync } from "node:fs";

import { IBertError } from "../errors.js";
import type { ModelSession } from "../models/session.js";
import { processMemory } from "../runtime/memory.js";
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
  /** The highest point of the run. */
  total: number;
}

/**
 * Plans a run by making its parts on a planned device. The session's tokenizer and the run's rows should have been used
 * before, so that what they hold is seen.
 * @param generation what the evaluations run on, where there are any
 */
export function planMemory(
  { device }: ModelSession,
  makeStep: () => TrainStep,
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
  const onDevice = Math.max(peak, weights + adapter + Math.max(activations, evaluation));
  const total = held + onDevice + workspace;
  return { process: held, weights, adapter, activations, generation: evaluation, workspace, total };
}

/** What still has to be allocated, for a process that holds `process` already. */
export const plannedGrowth = ({ total, process }: TrainingPlan): number => total - process;

/** One line of the total and its parts, each written by `bytes`. */
export function describePlan(plan: TrainingPlan, bytes: (count: number) => string): string {
  const { process, weights, adapter, activations, generation, workspace, total } = plan;
  return (
    `${bytes(total)}: process ${bytes(process)}, weights ${bytes(weights)}, adapter and optimizer ${bytes(adapter)}, ` +
    `activations ${bytes(activations)}${generation === 0 ? "" : ` or generation ${bytes(generation)}`}, ` +
    `scratch ${bytes(workspace)}`
  );
}

/** Memory that can be had without swapping. */
export function availableMemory(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"));
    if (match?.[1] !== undefined) return Number(match[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return freemem();
}

/** @throws IBertError `memory` with the numbers and the settings that need less, when the plan does not fit. */
export function requireMemory(plan: TrainingPlan, available: number): void {
  if (plannedGrowth(plan) <= available) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new IBertError(
    "memory",
    `the run needs ${describePlan(plan, mib)}; beyond the process that is ${mib(plannedGrowth(plan))}, and ` +
      `${mib(available)} are available`,
    {
      hint: "Set model.recompute to mlp or layer, lower data.tokensPerBatch or lora.rank, or keep the weights quantised.",
    },
  );
}
