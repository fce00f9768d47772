/**
 * Merging into a GGUF: the base's file with the adapted weights in it, each in its own type again. Header, tokenizer and all
 * other tensors are the base's, byte for byte, so what reads the base reads the result.
 */
import { existsSync, realpathSync, statSync } from "node:fs";

import { IBertError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic.js";
import { readRange } from "../formats/file.js";
import { openGguf } from "../formats/gguf.js";
import { JOIN_PARTS } from "../formats/gguf-split.js";
import { readPeftAdapter } from "../formats/peft.js";
import { WRITTEN_DTYPES } from "../formats/quantize.js";
import { loraShapes } from "./adapter-file.js";
import type { MergeOptions, MergeResult } from "./merge.js";
import { DivergenceMeter, storedRows, updateOf, type Update } from "./merged-rows.js";
import { openWeights, type WeightTensor } from "./weights.js";

/** Bytes that are copied at a time. */
const COPIED_BYTES = 1 << 24;

interface Adapted {
  weight: WeightTensor;
  update: Update;
}

/**
 * Writes the merged model as one GGUF.
 * @throws IBertError where the base is no GGUF or has weights of a type that is not written, and as `mergeAdapter`
 */
export async function mergeIntoGguf(options: Omit<MergeOptions, "dtype">): Promise<MergeResult> {
  const { source, output, onProgress } = options;
  requirePaths(source.format, source.path, output);
  const { parts } = openGguf(source.path);
  if (parts.length > 1) {
    throw new IBertError("gguf-split", `${source.path}: the model is split into ${parts.length} files`, {
      hint: `${JOIN_PARTS}. Or merge into bf16, which reads the parts.`,
    });
  }
  const weights = openWeights(source);
  const adapter = await readPeftAdapter(options.adapter, loraShapes(weights.config));
  const adapted = weights.names
    .flatMap((name): Adapted[] => {
      const [weight, update] = [weights.tensor(name), updateOf(name, adapter)];
      return update === undefined ? [] : [{ weight, update }];
    })
    .sort((one, other) => one.weight.byteOffset - other.weight.byteOffset);
  for (const { weight } of adapted) requireWritten(weight);
  const divergence = new DivergenceMeter();
  const { size } = statSync(source.path);
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    let place = 0;
    for (const [i, { weight, update }] of adapted.entries()) {
      yield* copied(source.path, place, weight.byteOffset);
      yield* inFileOrder(weight, storedRows(weight, weight.dtype, update, divergence));
      place = weight.byteOffset + weight.byteLength;
      onProgress?.(i + 1, adapted.length);
    }
    yield* copied(source.path, place, size);
  };
  await writeFileAtomic(output, pieces());
  return {
    merged: divergence.tensors,
    tensors: weights.names.length,
    files: [output],
    bytes: size,
    divergence: divergence.result,
  };
}

function requirePaths(format: string, base: string, output: string): void {
  if (format !== "gguf") {
    throw new IBertError("argument-invalid", `${base}: a base that is no GGUF has no types to keep`, {
      hint: "Merge into bf16 or f32, which gives a Hugging Face folder.",
    });
  }
  if (!output.endsWith(".gguf")) {
    throw new IBertError("argument-invalid", `${output}: a merged GGUF is a file that ends in .gguf`);
  }
  if (existsSync(output) && realpathSync(output) === realpathSync(base)) {
    throw new IBertError("argument-invalid", `${output}: the merged model would replace its own base`);
  }
}

function requireWritten({ path, name, dtype }: WeightTensor): void {
  if (WRITTEN_DTYPES.includes(dtype)) return;
  throw new IBertError("dtype-unsupported", `${path}: tensor ${name} is ${dtype}, which is not written`, {
    hint: `Written are ${WRITTEN_DTYPES.join(", ")}; merge into bf16, or answer with the adapter beside the base.`,
  });
}

async function* copied(path: string, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += COPIED_BYTES) {
    yield await readRange({ path, byteOffset: at, byteLength: Math.min(COPIED_BYTES, to - at) });
  }
}

/** Rows in Hugging Face's order as the file has them. */
async function* inFileOrder(
  { rowPermutation, byteLength }: WeightTensor,
  rows: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (rowPermutation === undefined) {
    yield* rows;
    return;
  }
  const stored = new Uint8Array(byteLength);
  const rowBytes = byteLength / rowPermutation.length;
  let row = 0;
  for await (const bytes of rows) {
    for (let at = 0; at < bytes.byteLength; at += rowBytes, row++) {
      stored.set(bytes.subarray(at, at + rowBytes), (rowPermutation[row] as number) * rowBytes);
    }
  }
  yield stored;
}
