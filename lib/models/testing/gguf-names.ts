/** Names of tensors in a GGUF, from those of a Hugging Face file: a list apart from that of the reader, which it tests. */
const NAMES: [RegExp, string][] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers/, "blk"],
  [/self_attn\.o_proj/, "attn_output"],
  [/self_attn\.([qkv])_proj/, "attn_$1"],
  [/input_layernorm/, "attn_norm"],
  [/post_attention_layernorm/, "ffn_norm"],
  [/mlp\.(gate|up|down)_proj/, "ffn_$1"],
];

export const ggufName = (name: string): string =>
  NAMES.reduce((result, [from, to]) => result.replace(from, to), name);
