/** Checkpoints in FP8: their numbers, what they answer and how faulty ones are refused. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { Random } from "../data/random.js";
import { widenFp8 } from "../formats/fp8.js";
import { openSafetensors } from "../formats/safetensors.js";
import { writeSafetensors, type TensorToWrite } from "../formats/safetensors-writer.js";
import { temporaryFolder } from "../formats/testing/temporary.js";
import { floatToBf16 } from "../runtime/bf16.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { loadDecoderWeights } from "./device-weights.js";
import { mergeAdapter } from "./merge.js";
import { resolveSource } from "./sources.js";
import { check } from "./testing/chain-checks.js";
import { chainTensors, CHAIN_CONFIG, FIRST_END, LAST_END, type ChainModel } from "./testing/chain-model.js";
import { uploadRows, type GoldenRow } from "./testing/harness.js";
import { writeSmallAdapter } from "./testing/small-model.js";
import { openWeights } from "./weights.js";

/** The specification's table: (-1)^S 2^(E-7) (1 + M/8), and 2^-6 M/8 where E is 0. */
function e4m3(code: number): number {
  const [, s = "", e = "", m = ""] = /^(.)(.{4})(.{3})$/.exec(code.toString(2).padStart(8, "0")) ?? [];
  const [exponent, mantissa] = [parseInt(e, 2), parseInt(m, 2) / 8];
  const size = exponent === 0 ? 2 ** -6 * mantissa : 2 ** (exponent - 7) * (1 + mantissa);
  return s === "1" ? -size : size;
}
const CODES = Uint8Array.from({ length: 256 }, (_, code) => code).filter((code) => (code & 0x7f) !== 0x7f);

describe("widenFp8", () => {
  const rows = (scale: number) => ({
    codes: CODES,
    firstRow: 0,
    columns: CODES.length,
    scales: { block: [1, CODES.length] as const, values: Float32Array.of(scale) },
  });

  it("has the values that the specification names", () => {
    const named: [number, number][] = [
      [0x00, 0],
      [0x80, -0],
      [0x01, 2 ** -9],
      [0x07, 0.875 * 2 ** -6],
      [0x08, 2 ** -6],
      [0x38, 1],
      [0xc0, -2],
      [0x7e, 448],
      [0xfe, -448],
    ];
    const codes = Uint8Array.from(named, ([code]) => code);
    const scales = { block: [1, 9] as const, values: Float32Array.of(1) };
    const wide = widenFp8({ codes, firstRow: 0, columns: 9, scales }, new Float32Array(9), "w");
    expect([...wide]).toEqual(named.map(([, value]) => value));
  });

  it.each([1, 0.0123, 3.5e-5, 7e30])("multiplies every code with %d", (scale) => {
    const own = Math.fround(scale);
    const expected = Float32Array.from(CODES, (code) => e4m3(code) * own);
    expect([...widenFp8(rows(own), new Float32Array(CODES.length), "w")]).toEqual([...expected]);
    const bits = widenFp8(rows(own), new Uint16Array(CODES.length), "w");
    expect([...bits]).toEqual([...floatToBf16(expected)]);
  });

  it("takes the scale of the block, also of one at the edge and from any row on", () => {
    const [height, columns] = [5, 7];
    const random = Random.of(1, "fp8");
    const codes = Uint8Array.from({ length: height * columns }, () => CODES[random.below(254)] as number);
    const scales = { block: [2, 3] as const, values: Float32Array.from({ length: 9 }, (_, i) => 0.1 + i) };
    const expected = Float32Array.from(codes, (code, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      return e4m3(code) * (scales.values[3 * (row >> 1) + Math.floor(column / 3)] as number);
    });
    for (const [from, to] of [
      [0, 5],
      [1, 4],
      [3, 4],
      [3, 5],
    ] as const) {
      const part = codes.subarray(from * columns, to * columns);
      const target = new Float32Array(part.length);
      widenFp8({ codes: part, firstRow: from, columns, scales }, target, "w");
      expect([...target]).toEqual([...expected.subarray(from * columns, to * columns)]);
    }
  });

  it.each([0x7f, 0xff])("refuses the NaN of code %d by row and column", (code) => {
    const codes = new Uint8Array(12).fill(0x38).fill(code, 10, 11);
    const scales = { block: [100, 100] as const, values: Float32Array.of(1) };
    expect(() => widenFp8({ codes, firstRow: 40, columns: 4, scales }, new Float32Array(12), "t.x")).toThrow(
      /t\.x is NaN in row 42, column 2/,
    );
  });
});

const TINY = fileURLToPath(new URL("goldens/tiny-llama", import.meta.url));
interface Narrowed {
  block: [number, number] | null;
  /** Of a scale without blocks. */
  shape?: number[];
  dtype?: "F32" | "BF16" | "F8_E8M0";
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Powers of two as E8M0. */
const exponents = (powers: Float32Array): Uint8Array =>
  Uint8Array.from(powers, (power) => Math.log2(power) + 127);

/** The tiny model with arbitrary linears: in FP8, and the same numbers in full. */
async function twins({
  block,
  shape = [],
  dtype = "F32",
}: Narrowed): Promise<Record<"fp8" | "f32" | "bf16", string>> {
  const random = Random.of(2, "fp8");
  const file = openSafetensors(join(TINY, "model.safetensors"));
  const models = {
    fp8: new Map<string, TensorToWrite>(),
    f32: new Map<string, TensorToWrite>(),
    bf16: new Map<string, TensorToWrite>(),
  };
  for (const [name, stored] of file.tensors) {
    if (!/_proj\.weight$/.test(name)) {
      const same = { dtype: stored.dtype, shape: stored.shape, data: await file.read(name) };
      for (const model of Object.values(models)) model.set(name, same);
      continue;
    }
    const [rows = 0, columns = 0] = stored.shape;
    const [high, wide] = block ?? [rows, columns];
    const across = Math.ceil(columns / wide);
    const scaleShape = block === null ? shape : [Math.ceil(rows / high), across];
    const scales = Float32Array.from(
      { length: product(scaleShape) },
      () => 2 ** -12 * (dtype === "F8_E8M0" ? 2 ** -random.below(3) : 1 + random.below(128) / 128),
    );
    const codes = Uint8Array.from({ length: rows * columns }, () => CODES[random.below(254)] as number);
    const values = Float32Array.from(codes, (code, i) => {
      const at = across * Math.floor(Math.floor(i / columns) / high) + Math.floor((i % columns) / wide);
      return e4m3(code) * (scales[at] as number);
    });
    models.fp8.set(name, { dtype: "F8_E4M3", shape: stored.shape, data: codes });
    const data = { F32: scales, BF16: floatToBf16(scales), F8_E8M0: exponents(scales) }[dtype];
    models.fp8.set(`${name}_scale_inv`, { dtype, shape: scaleShape, data });
    const activation: TensorToWrite = { dtype: "BF16", shape: [], data: new Uint16Array([0x7fc0]) };
    models.fp8.set(name.replace(/weight$/, "activation_scale"), activation);
    models.f32.set(name, { dtype: "F32", shape: stored.shape, data: values });
    models.bf16.set(name, { dtype: "BF16", shape: stored.shape, data: floatToBf16(values) });
  }
  const folder = temporaryFolder();
  const config = JSON.parse(readFileSync(join(TINY, "config.json"), "utf8")) as object;
  const quantization = {
    quant_method: "fp8",
    activation_scheme: "static",
    weight_block_size: block,
    modules_to_not_convert: ["lm_head"],
    dequantize: false,
    // As transformers 5 writes them.
    modules_to_convert: null,
    expert_dtype: "fp8",
    scale_fmt: dtype === "F8_E8M0" ? "ue8m0" : "float",
  };
  const written = async (kind: keyof typeof models): Promise<string> => {
    const own = join(folder, kind);
    mkdirSync(own);
    const keys = kind === "fp8" ? { ...config, quantization_config: quantization } : config;
    writeFileSync(join(own, "config.json"), JSON.stringify(keys));
    await writeSafetensors(join(own, "model.safetensors"), models[kind]);
    return own;
  };
  return { fp8: await written("fp8"), f32: await written("f32"), bf16: await written("bf16") };
}

async function logits(folder: string, weights: "keep" | "bf16" | "f32"): Promise<number[]> {
  const device = Device.open("reference");
  const model = openWeights(await resolveSource(folder));
  const loaded = await loadDecoderWeights(device, model, { weights });
  const options = { activations: "f32", recompute: "none" } as const;
  const decoder = new Decoder(device, model.config, loaded, undefined, options);
  const { rows } = JSON.parse(readFileSync(join(TINY, "batch.json"), "utf8")) as { rows: GoldenRow[] };
  const batch = uploadRows(device, rows.slice(0, 1));
  const arena = decoder.arenaFor("logits", (planned, counting) => planned.logits(batch, counting));
  return [...(await device.readFloats(decoder.logits(batch, arena)))];
}

describe("a small model in FP8", () => {
  it.each<Narrowed>([
    { block: null },
    { block: null, shape: [1], dtype: "BF16" },
    { block: [128, 128] },
    { block: [48, 40], dtype: "BF16" },
    { block: [48, 40], dtype: "F8_E8M0" },
  ])("has the logits of the same in bf16: %j", async (narrowed) => {
    const { fp8, bf16 } = await twins(narrowed);
    for (const weights of ["keep", "f32"] as const) {
      const own = await logits(fp8, weights);
      expect(own).toEqual(await logits(bf16, weights));
      expect(own.every(Number.isFinite) && new Set(own).size > 100).toBe(true);
    }
  });

  it.each(["bf16", "f32"] as const)("is merged into a plain model in %s", async (dtype) => {
    const { fp8, f32 } = await twins({ block: [48, 40] });
    const source = await resolveSource(fp8);
    const adapter = join(temporaryFolder(), "adapter");
    await writeSmallAdapter(adapter, openWeights(source).config);
    const outputs = [join(temporaryFolder(), "one"), join(temporaryFolder(), "other")] as const;
    await mergeAdapter({ source, adapter, output: outputs[0], dtype });
    await mergeAdapter({ source: await resolveSource(f32), adapter, output: outputs[1], dtype });
    const read = (folder: string, name: string): Buffer => readFileSync(join(folder, name));
    const [one, other] = outputs.map((folder) => read(folder, "model.safetensors"));
    expect(one?.equals(other as Buffer)).toBe(true);
    expect(read(outputs[0], "config.json").toString()).toBe(read(outputs[1], "config.json").toString());
    expect(read(outputs[0], "config.json").toString()).not.toContain("quantization_config");
  });
});

const HEAD = "lm_head.weight";
const SCALE = "lm_head.weight_scale_inv";
const one = (value: number): TensorToWrite => ({ dtype: "F32", shape: [], data: Float32Array.of(value) });

/** The chain with its head in FP8, whose ones are 2 times 0.5. */
const chain = (
  quantization: Record<string, unknown> | undefined,
  change: (tensors: Map<string, TensorToWrite>) => void = () => undefined,
): ChainModel => ({
  config: {
    quantization_config: quantization && { quant_method: "fp8", weight_block_size: null, ...quantization },
  },
  tensors: (tensors) => {
    const head = chainTensors().get(HEAD) as TensorToWrite;
    const codes = Uint8Array.from(head.data as Float32Array, (value) => (value === 1 ? 0x40 : 0));
    tensors.set(HEAD, { dtype: "F8_E4M3", shape: head.shape, data: codes });
    tensors.set(SCALE, one(0.5));
    change(tensors);
  },
});

describe("a head in FP8", () => {
  const blocks: TensorToWrite = { dtype: "F32", shape: [3, 3], data: new Float32Array(9).fill(0.5) };
  const withBlocks = (tensors: Map<string, TensorToWrite>): void => void tensors.set(SCALE, blocks);

  it("answers", async () => {
    await check(chain({}), "ab");
    await check(
      chain({ activation_scheme: "dynamic", weight_block_size: [128, 128], fmt: "e4m3" }, withBlocks),
      "ab",
    );
    // The key's default.
    await check(chain({ weight_block_size: undefined }, withBlocks), "ab");
  });

  it("answers with more rows than are widened at a time", async () => {
    const [rows, size, last] = [13_200, 320, 13_150];
    const place = (id: number): number => (id === last ? 300 : id);
    const embedding = new Float32Array(rows * size);
    for (let id = 0; id < size; id++) embedding[id * size + id] = 1;
    embedding[last * size + place(last)] = 1;
    const codes = new Uint8Array(rows * size);
    const text = [..."xa"].map((letter) => letter.charCodeAt(0)).concat(last, "b".charCodeAt(0), FIRST_END);
    text.slice(1).forEach((id, i) => (codes[id * size + place(text[i] as number)] = 0x40));
    const shape = [rows, size];
    const large = chain({}, (tensors) => {
      tensors.set("model.embed_tokens.weight", { dtype: "F32", shape, data: embedding });
      tensors.set(HEAD, { dtype: "F8_E4M3", shape, data: codes });
    });
    await check({ ...large, config: { ...large.config, vocab_size: rows } }, "ab");
  });

  it("answers in the text part of a model of text and images", async () => {
    const { tensors, config } = chain({}, (own) => {
      const named = [...own];
      own.clear();
      for (const [name, tensor] of named) own.set(`language_model.${name}`, tensor);
      own.set("vision_tower.x.weight", { dtype: "F8_E4M3", shape: [1, 1], data: Uint8Array.of(0) });
      own.set("vision_tower.x.weight_scale_inv", one(1));
    });
    const text = {
      ...CHAIN_CONFIG,
      model_type: "mistral",
      eos_token_id: [LAST_END, FIRST_END],
      sliding_window: null,
    };
    const whole = JSON.stringify({ model_type: "mistral3", text_config: text, ...config });
    await check({ tensors: tensors!, files: { "config.json": whole } }, "ab");
  });

  it.each<[string, ChainModel, string[]]>([
    ["no scale", chain({}, (t) => void t.delete(SCALE)), [`${SCALE} is missing`]],
    ["a scale of blocks for a tensor", chain({}, withBlocks), [SCALE, "(3, 3)", "one for the tensor"]],
    ["a scale of a tensor for blocks", chain({ weight_block_size: [128, 128] }), [SCALE, "()", "(3, 3)"]],
    ["blocks of another size", chain({ weight_block_size: [64, 64] }, withBlocks), [SCALE, "(5, 5)"]],
    [
      "a scale of E8M0 that is NaN",
      chain({}, (t) => t.set(SCALE, { dtype: "F8_E8M0", shape: [], data: Uint8Array.of(0xff) })),
      [SCALE, "holds NaN at 0"],
    ],
    ["a scale in whole numbers", chain({}, (t) => t.set(SCALE, { ...one(1), dtype: "I32" })), [SCALE, "I32"]],
    ...[NaN, Infinity, 0, -0.5, 1e37].map((value): [string, ChainModel, string[]] => [
      `the scale ${value}`,
      chain({}, (t) => t.set(SCALE, one(value))),
      [SCALE, `holds ${String(Math.fround(value))} at 0`],
    ]),
    [
      "a NaN",
      chain({}, (t) => void (t.get(HEAD)!.data as Uint8Array).fill(0xff, 641, 642)),
      [`${HEAD} is NaN in row 2, column 1`],
    ],
    ["no quantization_config", chain(undefined), [HEAD, "F8_E4M3", "quantization_config"]],
    [
      "a scale of no FP8 weight",
      chain({}, (t) => t.set("model.layers.0.mlp.up_proj.weight_scale_inv", one(1))),
      ["model.layers.0.mlp.up_proj.weight_scale_inv is unexpected"],
    ],
    [
      "a scale of activations without FP8 weight",
      chain({}, (t) => t.set("model.norm.activation_scale", one(1))),
      ["model.norm.activation_scale is unexpected"],
    ],
    [
      "a norm in FP8",
      chain({}, (t) =>
        t.set("model.norm.weight", { dtype: "F8_E4M3", shape: [320], data: new Uint8Array(320) }),
      ),
      ["model.norm.weight is F8_E4M3, which is no type for weights"],
    ],
    [
      "FP8 of another kind",
      chain({}, (t) => t.set(HEAD, { ...t.get(HEAD)!, dtype: "F8_E5M2" })),
      [`no ${HEAD} is F8_E4M3`],
    ],
  ])("is refused with %s", async (_, model, names) => {
    await check(model, { code: "weights-invalid", names });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ quant_method: "awq" }, 'quantization_config.quant_method "awq"'],
    [{ quant_method: "compressed-tensors", format: "float-quantized" }, '"compressed-tensors"'],
    [{ fmt: "e5m2" }, 'quantization_config.fmt "e5m2"'],
    [{ weight_block_size: [128] }, "weight_block_size [128]"],
    [{ weight_block_size: [1, 1] }, "weight_block_size [1,1]"],
    [{ activation_scheme: "tensor" }, 'activation_scheme "tensor"'],
    [{ store_dtype: "int8" }, 'store_dtype "int8"'],
    [{ scale_fmt: "e4m3" }, 'quantization_config.scale_fmt "e4m3"'],
    [{ expert_dtype: "fp4" }, 'quantization_config.expert_dtype "fp4"'],
    [{ modules_to_convert: ["embed_tokens"] }, 'quantization_config.modules_to_convert ["embed_tokens"]'],
  ])("is refused where its configuration says %j", async (quantization, name) => {
    await check(chain(quantization), { code: "model-config-invalid", names: ["config.json", name] });
  });
});
