/** An adapter as llama.cpp loads it beside a GGUF of the base (`--lora`). */
import { IBertError } from "../errors.js";
import { writeGguf } from "../formats/gguf-writer.js";
import { llamaRowPermutation } from "../formats/llama-permutation.js";
import type { TensorToWrite } from "../formats/safetensors-writer.js";
import { readAdapter } from "./adapter-file.js";
import type { ModelConfig } from "./config.js";
import type { LoraMatrix } from "./lora.js";
import { ggufModule } from "./weights.js";

/**
 * Writes an adapter as a GGUF. llama.cpp has one alpha for a file and scales each module by alpha / rank, so B holds what a
 * module's scale is beside that. Rows of B for q and k are permuted as those of their weights, which Qwen2's are not.
 * @param model configuration of the base
 * @returns tensors written
 * @throws IBertError as `readAdapter`; `argument-invalid` where `output` is no .gguf, or the base is a Ministral 3
 */
export async function writeAdapterGguf(model: ModelConfig, folder: string, output: string): Promise<number> {
  if (!output.endsWith(".gguf")) {
    throw new IBertError(
      "argument-invalid",
      `${output}: an adapter for llama.cpp is a file that ends in .gguf`,
    );
  }
  if (model.architecture === "ministral3") {
    throw new IBertError(
      "argument-invalid",
      `${output}: an adapter of a base of architecture "ministral3" is not written as a GGUF`,
      { hint: "PEFT reads the adapter's folder, and `ibert adapter merge` writes the merged model." },
    );
  }
  const { layout, values, config } = await readAdapter(model, folder);
  const unpacked = layout.unpack(values);
  const tensors = new Map(
    layout.matrices.map((matrix): [string, TensorToWrite] => {
      const { name, module, part, shape } = matrix;
      const stored = ggufModule(module);
      const data = unpacked.get(name)?.data;
      if (stored === undefined || data === undefined) throw new TypeError(`${name} has no name in a GGUF`);
      const kept = part === "A" ? data : rowsOfB(matrix, data, model, config.alpha);
      return [`${stored}.weight.lora_${part.toLowerCase()}`, { dtype: "F32", shape, data: kept }];
    }),
  );
  const text = (value: string) => ({ type: "string" as const, value });
  await writeGguf(output, {
    metadata: {
      // llama.cpp has Mistral under the name of Llama.
      "general.architecture": text(model.architecture === "qwen2" ? "qwen2" : "llama"),
      "general.type": text("adapter"),
      "adapter.type": text("lora"),
      "adapter.lora.alpha": { type: "f32", value: config.alpha },
    },
    tensors,
  });
  return tensors.size;
}

function rowsOfB(
  { module, shape: [rows, rank], scale }: LoraMatrix,
  data: Float32Array,
  { architecture, heads, kvHeads, headDim }: ModelConfig,
  alpha: number,
): Float32Array {
  const plain = Math.fround(alpha) / rank;
  const scaled = scale === plain ? data : data.map((value) => (value * scale) / plain);
  const permuted = module.endsWith(".q_proj") ? heads : module.endsWith(".k_proj") ? kvHeads : undefined;
  if (permuted === undefined || architecture === "qwen2") return scaled;
  const to = llamaRowPermutation(permuted, headDim);
  const stored = new Float32Array(scaled.length);
  for (let row = 0; row < rows; row++) {
    stored.set(scaled.subarray(row * rank, (row + 1) * rank), (to[row] as number) * rank);
  }
  return stored;
}
