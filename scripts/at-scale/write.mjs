// Writes a GGUF of Devstral Small's shape with random weights in Q4_0, to see ibert at its size without its weights:
// npm run at-scale:write -- --output FILE [--layers 40] [--seed 1]. 13 GB for all 40 layers, in pieces of 32 MB.
import { closeSync, fsyncSync, openSync, renameSync, statfsSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const { ggufHeader, paddedBytes } = await import("../../dist/formats/gguf-writer.js");
const { expectedTensors, ggufModule } = await import("../../dist/models/weights.js");
const { loadPreset } = await import("../../dist/models/presets.js");
const { Random } = await import("../../dist/data/random.js");

const { values } = parseArgs({
  options: {
    output: { type: "string" },
    layers: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
  },
});
const fail = (message) => {
  console.error(`at-scale: ${message}`);
  process.exit(2);
};
const whole = (name, least, most) => {
  const number = Number(values[name]);
  return Number.isInteger(number) && number >= least && number <= most
    ? number
    : fail(`--${name} ${values[name]} is no whole number from ${least} to ${most}`);
};
const layers = whole("layers", 1, 1000);
const seed = whole("seed", 0, 2 ** 31);
if (values.output === undefined) fail("--output is missing: a path outside of this repository");
const output = resolve(values.output);
if (output.startsWith(`${root}/`)) fail(`--output ${output} lies in the repository; name a place outside`);
if (!output.endsWith(".gguf")) fail(`--output ${output} does not end in .gguf`);

const config = { ...loadPreset("devstral-small-2505").config, layers };
const BLOCK = 32;
const BLOCK_BYTES = 18;
const ALIGNMENT = 32;
/** A whole number of blocks, and of what tensors are aligned to. */
const PIECE = BLOCK_BYTES * ALIGNMENT * 55_000;

const TOP = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
};
const storedName = (name) => TOP[name] ?? `${ggufModule(name.replace(/\.weight$/, ""))}.weight`;
const tensors = [...expectedTensors(config)].map(([name, shape]) => {
  const elements = shape.reduce((product, size) => product * size, 1);
  const plain = shape.length === 1;
  const bytes = plain ? 4 * elements : (elements / BLOCK) * BLOCK_BYTES;
  return { name: storedName(name), dtype: plain ? "F32" : "Q4_0", shape, plain, bytes };
});

const u32 = (value) => ({ type: "u32", value });
const f32 = (value) => ({ type: "f32", value });
const metadata = {
  "general.architecture": { type: "string", value: "llama" },
  "general.name": { type: "string", value: `random weights of Devstral Small's shape, ${layers} layers` },
  "llama.block_count": u32(config.layers),
  "llama.context_length": u32(config.contextLength),
  "llama.embedding_length": u32(config.hiddenSize),
  "llama.feed_forward_length": u32(config.intermediateSize),
  "llama.attention.head_count": u32(config.heads),
  "llama.attention.head_count_kv": u32(config.kvHeads),
  "llama.attention.key_length": u32(config.headDim),
  "llama.attention.value_length": u32(config.headDim),
  "llama.attention.layer_norm_rms_epsilon": f32(config.rmsNormEps),
  "llama.rope.freq_base": f32(config.ropeTheta),
  "llama.vocab_size": u32(config.vocabSize),
  "tokenizer.ggml.bos_token_id": u32(1),
  "tokenizer.ggml.eos_token_id": u32(2),
};
const header = ggufHeader(metadata, tensors);
const dataBytes = tensors.reduce((sum, { bytes }) => sum + paddedBytes(bytes), 0);
const total = header.length + dataBytes;

const { bavail, bsize } = statfsSync(dirname(output));
if (bavail * bsize < total)
  fail(`${dirname(output)} has ${bavail * bsize} bytes left, and the file takes ${total}`);

/** Blocks of random codes, with scales that make their values about as large as a trained model's. */
function randomBlocks() {
  const random = Random.of(seed, "at-scale");
  const words = new Uint32Array((PIECE + BLOCK_BYTES) / 4 + 1);
  for (let i = 0; i < words.length; i++) words[i] = random.nextU32();
  const bytes = new Uint8Array(words.buffer);
  // float16 0x1c00 is 2^-8; the last bits of its mantissa stay random.
  for (let at = 0; at + 1 < bytes.length; at += BLOCK_BYTES) bytes[at + 1] = 0x1c;
  return bytes;
}
const blocks = randomBlocks();
const ones = Buffer.alloc(4 * config.hiddenSize);
for (let i = 0; i < config.hiddenSize; i++) ones.writeFloatLE(1, 4 * i);

const partial = `${output}.part`;
const file = openSync(partial, "w");
const begun = Date.now();
let written = 0;
let told = 0;
const put = (bytes) => {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done);
  written += bytes.length;
  if (process.stderr.isTTY && Date.now() - told > 200) {
    told = Date.now();
    process.stderr.write(`\r${(written / 1e9).toFixed(2)} of ${(total / 1e9).toFixed(2)} GB`);
  }
};
for (const part of header.parts) put(part);
const start = Random.of(seed, "places");
for (const { plain, bytes } of tensors) {
  if (plain) put(ones.subarray(0, bytes));
  // Each tensor begins at another block, so that no two hold the same.
  let at = plain ? 0 : BLOCK_BYTES * start.below(PIECE / BLOCK_BYTES);
  for (let left = plain ? 0 : bytes; left > 0; at = 0) {
    const length = Math.min(left, PIECE - at);
    put(blocks.subarray(at, at + length));
    left -= length;
  }
  put(Buffer.alloc(paddedBytes(bytes) - bytes));
}
fsyncSync(file);
closeSync(file);
renameSync(partial, output);
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
console.log(
  JSON.stringify({
    output,
    layers,
    seed,
    tensors: tensors.length,
    bytes: total,
    seconds: (Date.now() - begun) / 1000,
  }),
);
