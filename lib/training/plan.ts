import { freemem } from "node:os";
import { readFileSync } from "node:fs";

import { IBertError } from "../errors.js";

/** Memory of a run on its device, in bytes, found by running the step on the planned device. */
export interface TrainingPlan {
  /** Frozen weights, packed. */
  weights: number;
  /** Parameters, gradients and both moments. */
  adapter: number;
  /** Activations and their gradients at the highest point of a step. */
  activations: number;
  /** Scratch space of the hungriest op. */
  workspace: number;
  total: number;
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
  if (plan.total <= available) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new IBertError(
    "memory",
    `the run needs ${mib(plan.total)} (weights ${mib(plan.weights)}, adapter and optimizer ${mib(plan.adapter)}, ` +
      `activations ${mib(plan.activations)}, scratch ${mib(plan.workspace)}), and ${mib(available)} are available`,
    {
      hint: "Set model.recompute=layer, lower data.tokensPerBatch or lora.rank, or keep the weights quantised.",
    },
  );
}
