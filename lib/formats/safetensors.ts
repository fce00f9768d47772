import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { z } from "zod";

import { IBertError } from "../errors.js";
import { formatShape, isSafetensorsDType, tensorBytes, type DType } from "./dtypes.js";
import { HeaderReader, readRange, type ByteRange } from "./file.js";
import { readText } from "./text.js";

/** The largest header that the format allows. */
const MAX_HEADER_BYTES = 100_000_000;

export interface SafetensorsTensor extends ByteRange {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major; the last dimension is contiguous. */
  readonly shape: readonly number[];
}

/**
 * An opened safetensors file (or the shards of one model), its header parsed and checked. Holds no open descriptor.
 * Format: https://github.com/huggingface/safetensors#format
 */
export interface Safetensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** The bytes of one tensor, into `target` or a new array. */
  read(name: string, target?: Uint8Array): Promise<Uint8Array>;
}

const Dimension = z.int().nonnegative();
const TensorEntry = z.strictObject({
  dtype: z.string(),
  shape: z.array(Dimension),
  data_offsets: z.tuple([Dimension, Dimension]),
});
const Header = z.object({ __metadata__: z.record(z.string(), z.string()).optional() }).catchall(TensorEntry);
const Index = z.object({
  metadata: z.record(z.string(), z.unknown()).optional(),
  weight_map: z.record(z.string(), z.string()),
});

function invalid(path: string, message: string): IBertError {
  return new IBertError("safetensors-invalid", `${path}: ${message}`, {
    hint: "The file is damaged or no safetensors file; fetch or write it again.",
  });
}

function parseJson<T>(schema: z.ZodType<T>, text: string, path: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      path,
      `${what} is no valid JSON (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(path, `${what}, at ${issue?.path.join(".") || "the top"}: ${issue?.message ?? "invalid"}`);
}

/** The keys of a (valid) JSON object's top level, with repeats, which JSON.parse would hide. */
function topLevelKeys(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (const match of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (match[1] !== undefined) {
      if (match[2] !== undefined && depth === 1) keys.push(JSON.parse(match[1]) as string);
    } else {
      depth += match[0] === "{" || match[0] === "[" ? 1 : -1;
    }
  }
  return keys;
}

function readHeader(path: string): { text: string; dataStart: number; size: number } {
  const reader = new HeaderReader(path);
  try {
    const length = Number(reader.u64());
    if (length > MAX_HEADER_BYTES) {
      throw invalid(path, `the header claims ${length} bytes; the format allows ${MAX_HEADER_BYTES}`);
    }
    const text = reader.bytes(length).toString("utf8");
    if (!text.startsWith("{")) throw invalid(path, "the header does not start with '{'");
    return { text, dataStart: reader.position, size: reader.size };
  } finally {
    reader.close();
  }
}

function checkTensor(
  path: string,
  name: string,
  entry: z.infer<typeof TensorEntry>,
  dataStart: number,
): SafetensorsTensor {
  if (!isSafetensorsDType(entry.dtype)) {
    throw new IBertError(
      "dtype-unsupported",
      `${path}: tensor ${name} has the dtype ${JSON.stringify(entry.dtype)}, which is not known here`,
      { hint: "A newer release of the format may have it; save the model as BF16, F16 or F32." },
    );
  }
  const { dtype } = entry;
  const [begin, end] = entry.data_offsets;
  const needed = tensorBytes(dtype, entry.shape);
  if (needed !== end - begin) {
    throw invalid(
      path,
      `tensor ${name} is ${dtype} ${formatShape(entry.shape)}, ${needed} bytes, but its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape: entry.shape, path, byteOffset: dataStart + begin, byteLength: needed };
}

/** The format wants the data without holes or overlaps, from the header's end to the file's. */
function checkLayout(path: string, tensors: SafetensorsTensor[], dataStart: number, size: number): void {
  let position = dataStart;
  let previous = "the header";
  for (const tensor of [...tensors].sort(
    (a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength,
  )) {
    if (tensor.byteOffset !== position) {
      const fault = tensor.byteOffset < position ? "overlaps" : "leaves a hole after";
      throw invalid(path, `tensor ${tensor.name} ${fault} ${previous}`);
    }
    position += tensor.byteLength;
    previous = `tensor ${tensor.name}`;
  }
  if (position > size) {
    throw new IBertError(
      "file-truncated",
      `${path}: the file is truncated: ${previous} ends at byte ${position}, the file has ${size}`,
      { hint: "Fetch or copy the file again; an interrupted download leaves such a file." },
    );
  }
  if (position < size) throw invalid(path, `${size - position} bytes follow the last tensor`);
}

/**
 * Opens one safetensors file.
 * @throws IBertError `file-missing`, `file-truncated`, `safetensors-invalid` naming the file and the tensor.
 */
export function openSafetensors(path: string): Safetensors {
  const { text, dataStart, size } = readHeader(path);
  const { __metadata__: metadata = {}, ...entries } = parseJson(Header, text, path, "the header");
  const seen = new Set<string>();
  for (const key of topLevelKeys(text)) {
    if (seen.has(key)) throw invalid(path, `tensor ${key} stands twice in the header`);
    seen.add(key);
  }
  const tensors = Object.entries(entries).map(([name, entry]) => checkTensor(path, name, entry, dataStart));
  checkLayout(path, tensors, dataStart, size);
  return safetensorsView(path, metadata, new Map(tensors.map((tensor) => [tensor.name, tensor])));
}

function safetensorsView(
  path: string,
  metadata: Record<string, string>,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
): Safetensors {
  return {
    path,
    metadata,
    tensors,
    async read(name, target) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new IBertError("tensor-missing", `${path}: there is no tensor ${name}`);
      return readRange(tensor, target);
    },
  };
}

/** What the files of a model's weights are called: by Hugging Face's programs, and by Mistral's. */
export type WeightsStem = "model" | "consolidated";

interface WeightFiles {
  stem: WeightsStem;
  whole: string;
  index: string;
  shard: RegExp;
}

const weightFiles = (stem: WeightsStem): WeightFiles => ({
  stem,
  whole: `${stem}.safetensors`,
  index: `${stem}.safetensors.index.json`,
  shard: new RegExp(`^${stem}-(\\d+)-of-(\\d+)\\.safetensors$`),
});

/**
 * Opens the weights of a model folder: `model.safetensors`, which counts before an index of shards as it
 * does in transformers (an index beside it is left over of another save); else the shards that
 * `model.safetensors.index.json` names, or a complete set of shards without index.
 * @param stem `consolidated` for Mistral's layout
 * @throws IBertError `weights-missing` saying what is there instead, and what opening the files throws.
 */
export function openSafetensorsFolder(folder: string, stem: WeightsStem = "model"): Safetensors {
  const files = weightFiles(stem);
  const whole = join(folder, files.whole);
  if (existsSync(whole)) return openSafetensors(whole);
  const index = join(folder, files.index);
  if (existsSync(index)) return openSafetensorsIndex(index);
  const names = existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder) : undefined;
  const shards = names?.filter((name) => files.shard.test(name)) ?? [];
  if (shards.length > 0) return openShards(folder, shards, files);
  throw new IBertError("weights-missing", `${folder}: neither ${files.whole} nor ${files.index} is here`, {
    hint: names === undefined ? "Check the path." : otherWeights(names),
  });
}

/** What a folder without safetensors holds in their place, and what helps. */
function otherWeights(names: readonly string[]): string {
  const find = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name));
  const pickle = find(/^pytorch_model.*\.bin$|\.(pth|pt|ckpt)$/);
  if (pickle !== undefined) {
    return `${pickle} is PyTorch's pickle format, which is not read; save the model with transformers' save_pretrained, which writes safetensors.`;
  }
  const consolidated = find(/^consolidated.*\.safetensors$/);
  if (consolidated !== undefined) {
    return `${consolidated} is in Mistral's layout, which needs params.json beside it; or fetch the repository's model-*.safetensors with their index.`;
  }
  const gguf = find(/\.gguf$/);
  if (gguf !== undefined) return `The folder holds ${gguf}; name that file as the base.`;
  if (find(/^adapter_model\./) !== undefined) {
    return "This is a PEFT adapter; name its base model here, and the folder as the adapter.";
  }
  const other = find(/\.(safetensors|h5|msgpack|onnx|npz)$/);
  return other === undefined
    ? "The folder holds no weights; fetch them beside config.json."
    : `${other} is not read; the weights must be model.safetensors or shards with model.safetensors.index.json.`;
}

/** Shards without their index: all of one set, each tensor in one of them. */
function openShards(folder: string, names: readonly string[], { shard, index }: WeightFiles): Safetensors {
  const sets = new Set(names.map((name) => Number(shard.exec(name)?.[2])));
  const count = Math.max(...sets);
  const here = new Set(names.map((name) => Number(shard.exec(name)?.[1])));
  const missing = Array.from({ length: count }, (_, i) => i + 1).find((number) => !here.has(number));
  if (sets.size > 1 || missing !== undefined || names.length !== count) {
    throw new IBertError(
      "weights-missing",
      sets.size > 1
        ? `${folder}: there is no ${index}, and shards of several saves lie here (of ${[...sets].join(" and of ")})`
        : `${folder}: there is no ${index}, and of ${count} shards number ${missing} is missing`,
      { hint: `Fetch ${index} and the shards that it names.` },
    );
  }
  const tensors = new Map<string, SafetensorsTensor>();
  for (const name of names) {
    for (const tensor of openSafetensors(join(folder, name)).tensors.values()) {
      const other = tensors.get(tensor.name);
      if (other !== undefined) {
        throw invalid(folder, `tensor ${tensor.name} stands in ${basename(other.path)} and in ${name}`);
      }
      tensors.set(tensor.name, tensor);
    }
  }
  return safetensorsView(folder, {}, tensors);
}

/** Opens the shards that an index names; each tensor must be in the shard that the index says, and in no other. */
export function openSafetensorsIndex(path: string): Safetensors {
  const { weight_map: weightMap } = parseJson(Index, readText(path), path, "the index");
  const shards = new Map<string, Safetensors>();
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, file] of Object.entries(weightMap)) {
    if (basename(file) !== file) {
      throw invalid(path, `tensor ${name} is said to lie in ${file}, outside of the folder`);
    }
    let shard = shards.get(file);
    if (shard === undefined) {
      const shardPath = join(dirname(path), file);
      if (!existsSync(shardPath)) {
        throw new IBertError("file-missing", `${path}: the index names ${file}, which is not here`, {
          hint: "Fetch the shard beside its index.",
        });
      }
      shard = openSafetensors(shardPath);
      shards.set(file, shard);
    }
    const tensor = shard.tensors.get(name);
    if (tensor === undefined)
      throw invalid(path, `tensor ${name} is not in ${file}, where the index puts it`);
    tensors.set(name, tensor);
  }
  for (const [file, shard] of shards) {
    for (const name of shard.tensors.keys()) {
      const put = weightMap[name];
      if (put === file) continue;
      throw invalid(
        path,
        `tensor ${name} stands in ${file}, but the index ${put === undefined ? "does not name it" : `puts it into ${put}`}`,
      );
    }
  }
  return safetensorsView(path, {}, tensors);
}
