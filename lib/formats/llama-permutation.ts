/**
 * The q and k rows of a GGUF of the `llama` architecture stand permuted for interleaved RoPE, which rotates neighbours
 * (2i, 2i + 1). Hugging Face's order, the only one inside ibert, rotates the halves (i, i + headDim / 2).
 *
 * @returns for each row in Hugging Face's order, the row of the GGUF's tensor that holds it:
 * `huggingFace[row] = gguf[result[row]]`, of length heads · headDim. A row is a whole number of quantised blocks, so
 * that rows move without being dequantised.
 */
export function llamaRowPermutation(heads: number, headDim: number): Int32Array {
  const half = headDim / 2;
  return Int32Array.from({ length: heads * headDim }, (_, row) => {
    const head = Math.floor(row / headDim);
    const inHead = row % headDim;
    // Row i of half h (0 or 1) went to 2i + h.
    return head * headDim + 2 * (inHead % half) + Math.floor(inHead / half);
  });
}
