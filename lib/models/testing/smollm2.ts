/** SmolLM2 with the hash-made adapter of scripts/goldens/smollm2.py. */
import { LINEAR_MODULES } from "../linears.js";
import { LoraAdapter, LoraLayout } from "../lora.js";
import { ModelSession, type SessionOptions } from "../session.js";
import { HASH_LORA_MODULES, hashUniform, loraMatrixNumber } from "./hash-init.js";

/** Adapter parameters from their hash streams, B within ±bBound. */
export function hashAdapter(session: ModelSession, bBound: number): LoraAdapter {
  const targets = LINEAR_MODULES.filter((module) =>
    (HASH_LORA_MODULES as readonly string[]).includes(module),
  );
  const layout = new LoraLayout(session.config, { rank: 32, alpha: 64, targets });
  const values = new Float32Array(layout.size);
  for (const { part, offset, shape, fanIn, stream } of hashMatrices(layout)) {
    const bound = part === "A" ? 1 / Math.sqrt(fanIn) : bBound;
    values.set(hashUniform(stream, shape[0] * shape[1], bound), offset);
  }
  const adapter = new LoraAdapter(session.device, layout, { training: true });
  adapter.load(values);
  session.device.fill(adapter.grads!, 0);
  return adapter;
}

/** The matrices of a q, k, v, o adapter with their numbers, in the order of the numbers. */
export function hashMatrices(layout: LoraLayout) {
  return layout.matrices
    .map((matrix) => {
      const [, layer, module] = /layers\.(\d+)\.self_attn\.(\w+)\.lora/.exec(matrix.name) ?? [];
      const stream = loraMatrixNumber(
        Number(layer),
        module as (typeof HASH_LORA_MODULES)[number],
        matrix.part,
      );
      return { ...matrix, stream };
    })
    .sort((a, b) => a.stream - b.stream);
}

export const openSmolLM2 = (options: Partial<SessionOptions> = {}): Promise<ModelSession> =>
  ModelSession.open({ base: "smollm2-135m", backend: "cpu", ...options });
