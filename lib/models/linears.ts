import type { LinearModule } from "../formats/peft-modules.js";
import type { ModelConfig } from "./config.js";

export { LINEAR_MODULES, type LinearModule } from "../formats/peft-modules.js";

/** The linears of a layer that read the same input run as one op on stacked rows. */
export const LINEAR_GROUPS = ["qkv", "o", "gateUp", "down"] as const;
export type LinearGroup = (typeof LINEAR_GROUPS)[number];

export interface GroupShape {
  group: LinearGroup;
  modules: readonly LinearModule[];
  /** Input features K. */
  inputs: number;
  /** Output features of each module; their sum is N. */
  outputs: readonly number[];
}

/** The four stacked linears of every layer. */
export function groupShapes(config: ModelConfig): GroupShape[] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  const kv = kvHeads * headDim;
  return [
    {
      group: "qkv",
      modules: ["q_proj", "k_proj", "v_proj"],
      inputs: hiddenSize,
      outputs: [heads * headDim, kv, kv],
    },
    { group: "o", modules: ["o_proj"], inputs: heads * headDim, outputs: [hiddenSize] },
    {
      group: "gateUp",
      modules: ["gate_proj", "up_proj"],
      inputs: hiddenSize,
      outputs: [intermediateSize, intermediateSize],
    },
    { group: "down", modules: ["down_proj"], inputs: intermediateSize, outputs: [hiddenSize] },
  ];
}

/** Where a module's weights stand in a Hugging Face checkpoint. */
export function moduleName(layer: number, module: LinearModule): string {
  const block = ["gate_proj", "up_proj", "down_proj"].includes(module) ? "mlp" : "self_attn";
  return `model.layers.${layer}.${block}.${module}`;
}
