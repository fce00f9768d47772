import { z } from "zod";

import { IBertError } from "../errors.js";
import type { AtomicOptions } from "../formats/atomic.js";
import type { PeftConfig } from "../formats/peft-config.js";
import { readPeftAdapter, writePeftAdapter } from "../formats/peft.js";
import type { Device } from "../runtime/device.js";
import type { ModelConfig } from "./config.js";
import { LoraAdapter, LoraLayout } from "./lora.js";

/** What ibert adds to a PEFT folder, in `ibert.json`: how the adapter wants to be asked, and where it comes from. */
const IbertSidecar = z.object({
  format: z.literal(1),
  base: z.string(),
  dsl: z.object({ name: z.string(), version: z.string() }),
  prompts: z.unknown(),
  training: z.record(z.string(), z.unknown()).optional(),
});
export type IbertSidecar = z.infer<typeof IbertSidecar>;

/** An adapter as a PEFT folder holds it. */
export interface StoredAdapter {
  layout: LoraLayout;
  /** The parameters, flat, in the layout's order. */
  values: Float32Array;
  config: PeftConfig;
  /** Absent in an adapter that ibert did not train. */
  sidecar: IbertSidecar | undefined;
}

export interface LoadedAdapter extends Pick<StoredAdapter, "config" | "sidecar"> {
  adapter: LoraAdapter;
}

/** Names and shapes of an adapter's tensors on a model, given the adapter's configuration. */
export const loraShapes = (model: ModelConfig) => (config: PeftConfig) =>
  new Map(new LoraLayout(model, config).matrices.map(({ name, shape }) => [name, shape]));

/**
 * Reads a PEFT folder for a model, strictly: every tensor that the configuration calls for, and no other.
 * @throws IBertError naming the file and the tensor or key.
 */
export async function readAdapter(model: ModelConfig, folder: string): Promise<StoredAdapter> {
  const stored = await readPeftAdapter(folder, loraShapes(model));
  const layout = new LoraLayout(model, stored.config);
  let sidecar: IbertSidecar | undefined;
  if (stored.ibert !== undefined) {
    const parsed = IbertSidecar.safeParse(stored.ibert);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new IBertError(
        "adapter-invalid",
        `${stored.path}/ibert.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`,
      );
    }
    sidecar = parsed.data;
  }
  return { layout, values: layout.pack(stored.tensors), config: stored.config, sidecar };
}

/**
 * Loads a PEFT folder onto a device.
 * @throws IBertError as `readAdapter`
 */
export async function loadAdapter(
  device: Device,
  model: ModelConfig,
  folder: string,
  options: { training?: boolean } = {},
): Promise<LoadedAdapter> {
  const { layout, values, config, sidecar } = await readAdapter(model, folder);
  const adapter = new LoraAdapter(device, layout, { training: options.training ?? false });
  adapter.load(values);
  return { adapter, config, sidecar };
}

/**
 * Writes an adapter as a PEFT folder, whole or not at all.
 * @param values the flat parameters
 * @param files more files of the folder, by name
 */
export async function saveAdapter(
  folder: string,
  layout: LoraLayout,
  values: Float32Array,
  options: {
    baseModel: string;
    sidecar: IbertSidecar;
    files?: Record<string, string>;
    atomic?: AtomicOptions;
  },
): Promise<void> {
  const config: PeftConfig = { ...layout.config, dropout: 0, baseModel: options.baseModel };
  const extras = { "ibert.json": `${JSON.stringify(options.sidecar, null, 2)}\n`, ...options.files };
  await writePeftAdapter(folder, { config, tensors: layout.unpack(values) }, extras, options.atomic);
}
