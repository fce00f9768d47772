import { IBertError } from "../errors.js";
import type { DType } from "../formats/dtypes.js";
import type { ByteRange } from "../formats/file.js";

/** A tensor as a file has it, under the file's name. */
export interface StoredTensor extends ByteRange {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Hugging Face's name of a tensor, for messages, with the file's where that differs. */
export const bothNames = (name: string, tensor: StoredTensor): string =>
  tensor.name === name ? name : `${name} (${tensor.name})`;

export function invalidWeights(path: string, message: string): IBertError {
  return new IBertError("weights-invalid", `${path}: ${message}`, {
    hint: "The weights do not belong to this configuration, or the file is damaged.",
  });
}
