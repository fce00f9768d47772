/** The tiny Llama of the goldens as a GGUF, by code of its own: names, order of rows and metadata as llama.cpp has them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { dequantize } from "../../formats/dequantize.js";
import type { DType } from "../../formats/dtypes.js";
import { quantize } from "../../formats/quantize.js";
import { encodeGguf, type TypedValue } from "../../formats/testing/gguf-writer.js";
import { temporaryFolder } from "../../formats/testing/temporary.js";
import { resolveSource } from "../sources.js";
import { openWeights, readWeight } from "../weights.js";
import { ggufName } from "./gguf-names.js";

/** Row r of q or k goes where interleaved RoPE wants it. */
export function interleaved(
  values: Float32Array,
  heads: number,
  headDim: number,
  columns: number,
): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < heads * headDim; row++) {
    const [head, i] = [Math.floor(row / headDim), row % headDim];
    const to = head * headDim + 2 * (i % (headDim / 2)) + Math.floor(i / (headDim / 2));
    out.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}

/** The tiny Llama as a GGUF; matrices whose rows are whole blocks in the type that `dtypeOf` gives. @param folder the Hugging Face folder */
export async function writeTinyGguf(folder: string, dtypeOf: (name: string) => DType): Promise<string> {
  const files = openWeights(await resolveSource(folder));
  const { config } = files;
  const u32 = (value: number): TypedValue => ({ type: "u32", value });
  const f32 = (value: number): TypedValue => ({ type: "f32", value });
  const metadata: Record<string, TypedValue> = {
    "general.architecture": { type: "string", value: "llama" },
    "llama.block_count": u32(config.layers),
    "llama.context_length": u32(config.contextLength),
    "llama.embedding_length": u32(config.hiddenSize),
    "llama.feed_forward_length": u32(config.intermediateSize),
    "llama.attention.head_count": u32(config.heads),
    "llama.attention.head_count_kv": u32(config.kvHeads),
    "llama.attention.layer_norm_rms_epsilon": f32(config.rmsNormEps),
    "llama.rope.freq_base": f32(config.ropeTheta),
    "llama.vocab_size": u32(config.vocabSize),
    "tokenizer.ggml.eos_token_id": u32(2),
    "tokenizer.ggml.bos_token_id": u32(1),
  };
  const tensors = await Promise.all(
    files.names.map(async (name) => {
      const weight = files.tensor(name);
      let values = dequantize(weight.dtype, await readWeight(weight));
      const columns = weight.shape.at(-1) as number;
      if (name.endsWith("q_proj.weight")) values = interleaved(values, config.heads, config.headDim, columns);
      if (name.endsWith("k_proj.weight"))
        values = interleaved(values, config.kvHeads, config.headDim, columns);
      const dtype = weight.shape.length === 2 && columns % 32 === 0 ? dtypeOf(name) : "F32";
      return { name: ggufName(name), dtype, shape: weight.shape, data: quantize(dtype, values) };
    }),
  );
  const path = join(temporaryFolder(), "base.gguf");
  writeFileSync(path, encodeGguf({ metadata, tensors }));
  return path;
}
