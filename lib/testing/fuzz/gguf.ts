import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../../data/random.js";
import { DEFAULT_ALIGNMENT, GGUF_MAGIC, GGUF_VALUE_TYPES, openGguf } from "../../formats/gguf.js";
import { GgufBytes, type TypedValue } from "../../formats/gguf-writer.js";
import { configFromGguf } from "../../models/config.js";
import { tokenizerFromGguf } from "../../models/tokenizer-gguf.js";
import { claimed, damageBytes } from "./bytes.js";
import type { Target } from "./target.js";

/** What a file is made of, in its order: each may be changed for itself. */
type Piece =
  { kind: "u32" | "u64"; value: number | bigint } | { kind: "bytes"; value: Buffer } | { kind: "pad" };

const u32 = (value: number): Piece => ({ kind: "u32", value });
const u64 = (value: number): Piece => ({ kind: "u64", value });
const text = (value: string): Piece[] => [
  u64(Buffer.byteLength(value)),
  { kind: "bytes", value: Buffer.from(value) },
];

function valuePieces(value: TypedValue): Piece[] {
  const type = u32(GGUF_VALUE_TYPES.indexOf(value.type));
  if (value.type === "string") return [type, ...text(String(value.value))];
  if (value.type !== "array") {
    const scalar = new GgufBytes();
    scalar.scalar(value.type, value.value);
    return [type, { kind: "bytes", value: Buffer.concat(scalar.parts) }];
  }
  const elements = value.value.flatMap((element): Piece[] => {
    if (value.of === "string") return text(String(element));
    const scalar = new GgufBytes();
    scalar.scalar(value.of, element);
    return [{ kind: "bytes", value: Buffer.concat(scalar.parts) }];
  });
  return [type, u32(GGUF_VALUE_TYPES.indexOf(value.of)), u64(value.value.length), ...elements];
}

interface Tensor {
  name: string;
  type: number;
  /** As in the file, the contiguous dimension first. */
  dimensions: number[];
  bytes: number;
}

function filePieces(metadata: Record<string, TypedValue>, tensors: readonly Tensor[]): Piece[] {
  const entries = Object.entries(metadata);
  const pieces: Piece[] = [u32(GGUF_MAGIC), u32(3), u64(tensors.length), u64(entries.length)];
  for (const [key, value] of entries) pieces.push(...text(key), ...valuePieces(value));
  let offset = 0;
  for (const { name, type, dimensions, bytes } of tensors) {
    pieces.push(...text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(offset));
    offset += Math.ceil(bytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
  }
  pieces.push({ kind: "pad" }, { kind: "bytes", value: Buffer.alloc(offset, 1) });
  return pieces;
}

function encode(pieces: readonly Piece[]): Buffer {
  const out = new GgufBytes();
  for (const piece of pieces) {
    if (piece.kind === "u32") out.u32(Number(BigInt.asUintN(32, BigInt(piece.value))));
    else if (piece.kind === "u64") out.u64(BigInt.asUintN(64, BigInt(piece.value)));
    else if (piece.kind === "bytes") out.bytes(piece.value);
    else out.pad(DEFAULT_ALIGNMENT);
  }
  return Buffer.concat(out.parts);
}

/** Pieces of which some are changed, left out, repeated or exchanged. */
function mutate(pieces: readonly Piece[], random: Random): Piece[] {
  const changed = [...pieces];
  for (let i = 1 + random.below(3); i > 0 && changed.length > 0; i--) {
    const at = random.below(changed.length);
    const piece = changed[at] as Piece;
    const kind = random.below(8);
    if (kind === 0) changed.splice(at, 1);
    else if (kind === 1) changed.splice(random.below(changed.length), 0, piece);
    else if (kind === 2) changed[at] = changed[random.below(changed.length)] as Piece;
    else if (piece.kind === "u32" || piece.kind === "u64") {
      // Types and versions are small numbers.
      const value = random.below(2) === 0 ? random.below(40) : claimed(piece.value, random);
      changed[at] = { kind: piece.kind, value };
    } else if (piece.kind === "bytes")
      changed[at] = { kind: "bytes", value: damageBytes(piece.value, random) };
    else changed[at] = { kind: "bytes", value: Buffer.alloc(random.below(64)) };
  }
  return changed;
}

const number = (type: "u32" | "f32" | "u64", value: number): TypedValue => ({ type, value });
const string = (value: string): TypedValue => ({ type: "string", value });

/** Characters that stand for the bytes of ASCII's letters, a space and a few merges of them. */
const TOKENS = ["<unk>", "<s>", "</s>", ..."abcdefghijklmnopqrstuvwxyz", "Ġ", "Ċ", "he", "hel", "lo", "Ġw"];
const MERGES = ["h e", "he l", "l o", "Ġ w"];

const MODEL: Record<string, TypedValue> = {
  "general.architecture": string("llama"),
  "general.alignment": number("u32", 32),
  "general.name": string("tiny"),
  "general.odd": { type: "bool", value: true },
  "general.wide": number("u64", 2 ** 40),
  "llama.block_count": number("u32", 1),
  "llama.context_length": number("u32", 64),
  "llama.embedding_length": number("u32", 32),
  "llama.feed_forward_length": number("u32", 64),
  "llama.attention.head_count": number("u32", 2),
  "llama.attention.head_count_kv": number("u32", 1),
  "llama.attention.layer_norm_rms_epsilon": number("f32", 1e-5),
  "llama.rope.freq_base": number("f32", 10_000),
  "llama.vocab_size": number("u32", TOKENS.length),
  "tokenizer.ggml.model": string("gpt2"),
  "tokenizer.ggml.pre": string("smollm"),
  "tokenizer.ggml.tokens": { type: "array", of: "string", value: TOKENS },
  "tokenizer.ggml.token_type": { type: "array", of: "i32", value: TOKENS.map((_, id) => (id < 3 ? 3 : 1)) },
  "tokenizer.ggml.merges": { type: "array", of: "string", value: MERGES },
  "tokenizer.ggml.bos_token_id": number("u32", 1),
  "tokenizer.ggml.eos_token_id": number("u32", 2),
  "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
};
const TENSORS: Tensor[] = [
  { name: "token_embd.weight", type: 2, dimensions: [32, TOKENS.length], bytes: 18 * TOKENS.length },
  { name: "output_norm.weight", type: 0, dimensions: [32], bytes: 128 },
  { name: "blk.0.attn_q.weight", type: 8, dimensions: [32, 32], bytes: 34 * 32 },
  { name: "blk.0.ffn_norm.weight", type: 30, dimensions: [32], bytes: 64 },
];
const part = (no: number): Record<string, TypedValue> => ({
  "split.no": { type: "u16", value: no },
  "split.count": { type: "u16", value: 2 },
  "split.tensors.count": { type: "i32", value: TENSORS.length },
});
const WHOLE = filePieces(MODEL, TENSORS);
const PARTS = [
  filePieces({ ...MODEL, ...part(0) }, TENSORS.slice(0, 2)),
  filePieces(part(1), TENSORS.slice(2)),
];

function damaged(pieces: readonly Piece[], random: Random): Buffer {
  return random.below(8) === 0 ? damageBytes(encode(pieces), random) : encode(mutate(pieces, random));
}

async function use(path: string): Promise<void> {
  const file = openGguf(path);
  for (const name of file.tensors.keys()) await file.read(name);
  const tokenizer = tokenizerFromGguf(file);
  tokenizer.decode(tokenizer.encode("hello <s>world\n🙂"));
  configFromGguf(file);
}

/** A model in one file, with its tokenizer. */
export const gguf: Target = {
  sound: (folder) => writeFileSync(join(folder, "model.gguf"), encode(WHOLE)),
  write(folder, random) {
    const bytes = damaged(WHOLE, random);
    writeFileSync(join(folder, "model.gguf"), bytes);
    return bytes.length;
  },
  read: (folder) => use(join(folder, "model.gguf")),
};

/** A model in two files, of which one is damaged, or missing. */
export const ggufSplit: Target = {
  sound(folder) {
    PARTS.forEach((pieces, i) =>
      writeFileSync(join(folder, `model-0000${i + 1}-of-00002.gguf`), encode(pieces)),
    );
  },
  write(folder, random) {
    const broken = random.below(2);
    let total = 0;
    PARTS.forEach((pieces, i) => {
      const path = join(folder, `model-0000${i + 1}-of-00002.gguf`);
      if (i === broken && random.below(40) === 0) {
        if (existsSync(path)) rmSync(path);
        return;
      }
      const bytes = i === broken ? damaged(pieces, random) : encode(pieces);
      writeFileSync(path, bytes);
      total += bytes.length;
    });
    return total;
  },
  read: (folder) => use(join(folder, "model-00001-of-00002.gguf")),
};
