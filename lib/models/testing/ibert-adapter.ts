/** The adapter that ibert writes and PEFT reads (scripts/goldens/adapter_roundtrip.py): all linears, made by a hash. */
import { saveAdapter } from "../adapter-file.js";
import type { ModelConfig } from "../config.js";
import { LINEAR_MODULES } from "../linears.js";
import { LoraLayout } from "../lora.js";
import { hashUniform } from "./hash-init.js";

export async function writeIbertAdapter(folder: string, model: ModelConfig): Promise<void> {
  const layout = new LoraLayout(model, { rank: 3, alpha: 5, targets: LINEAR_MODULES });
  const values = layout.withGaps(hashUniform(1, layout.storedSize, 0.5));
  await saveAdapter(folder, layout, values, {
    baseModel: "tiny-llama",
    sidecar: {
      format: 1,
      base: "tiny-llama",
      dsl: { name: "ibis-framework", version: "12.0.0" },
      prompts: {},
    },
  });
}
