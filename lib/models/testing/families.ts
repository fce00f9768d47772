/** Tiny models of every family with computed weights: the twin of scripts/goldens/families.py, which defines them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { openSafetensors } from "../../formats/safetensors.js";
import { temporaryFolder } from "../../formats/testing/temporary.js";
import { writeSafetensors, type TensorToWrite } from "../../formats/safetensors-writer.js";
import { configFromHuggingFace } from "../config.js";
import type { LoraLayout } from "../lora.js";
import { expectedTensors } from "../weights.js";
import type { GoldenRow } from "./harness.js";
import { hash32, hashUniform } from "./hash-init.js";

export const FAMILIES = [
  "llama-linear",
  "llama-yarn",
  "llama3",
  "ministral3",
  "qwen2",
  "qwen2-yarn",
] as const;
export type Family = (typeof FAMILIES)[number];

export interface FamilyGolden {
  config: Record<string, unknown>;
  lengths: number[];
  /** Of each row, those whose logits are stored. */
  positions: number[][];
}

export const familyPath = (family: Family): string =>
  fileURLToPath(new URL(`../goldens/families/${family}.safetensors`, import.meta.url));

export function familyGolden(family: Family): FamilyGolden {
  return JSON.parse(openSafetensors(familyPath(family)).metadata.golden ?? "") as FamilyGolden;
}

/** Base weights by their names. */
export function familyWeights(shapes: ReadonlyMap<string, readonly number[]>): Map<string, TensorToWrite> {
  const names = [...shapes.keys()].sort();
  return new Map(
    names.map((name, i) => {
      const shape = shapes.get(name) as readonly number[];
      const uniform = (bound: number): Float32Array =>
        hashUniform(
          0x1000 + i,
          shape.reduce((a, b) => a * b, 1),
          bound,
        );
      let data: Float32Array;
      if (name.endsWith(".bias")) data = uniform(0.5);
      else if (shape.length === 1) data = uniform(0.3).map((value) => 1 + value);
      else if (/embed_tokens|lm_head/.test(name)) data = uniform(0.9);
      else data = uniform(2.4 / Math.sqrt(shape[1] as number));
      return [name, { dtype: "F32", shape, data }];
    }),
  );
}

/** A Hugging Face folder of the model. */
export async function familyFolder(family: Family): Promise<string> {
  const folder = temporaryFolder();
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify(familyGolden(family).config));
  const tensors = familyWeights(expectedTensors(configFromHuggingFace(config)));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

/** The adapter's values in its flat buffer. */
export function familyAdapter(layout: LoraLayout): Float32Array {
  const matrices = [...layout.matrices].sort((a, b) => (a.name < b.name ? -1 : 1));
  return layout.pack(
    new Map(
      matrices.map(({ name, shape }, i) => [
        name,
        { shape, data: hashUniform(0x4000 + i, shape[0] * shape[1], 1 / Math.sqrt(shape[1])) },
      ]),
    ),
  );
}

export function familyRows({ lengths, config }: FamilyGolden): GoldenRow[] {
  return lengths.map((length, i) => ({
    ids: Array.from({ length }, (_, t) => hash32(0x2000 + i, t) % (config.vocab_size as number)),
    mask: Array.from({ length }, (_, t) => (t % 3 === 1 ? 1 : 0)),
  }));
}
