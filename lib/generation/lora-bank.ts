import { IBertError } from "../errors.js";
import type { ModelConfig } from "../models/config.js";
import type { LinearGroup } from "../models/linears.js";
import { LoraLayout, type LoraOperands } from "../models/lora.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ServedAdapters } from "./engine.js";

/** The parameters of one adapter, flat, in the order of its layout. */
export interface BankedAdapter {
  layout: LoraLayout;
  values: Float32Array;
}

/**
 * Several adapters of one base side by side, so that the rows of one step may each use another (Sheng et al. 2023,
 * "S-LoRA"). They may differ in rank, alpha and targets: the bank has the largest rank and all targets, with zeros where
 * an adapter has nothing; each module's scale is multiplied into B. In bf16 a step reads half as much; units of bf16
 * round adapters so in training too.
 */
export class LoraBank implements ServedAdapters, Disposable {
  readonly count: number;
  private readonly params: Tensor;
  private readonly groups: ReadonlyMap<LinearGroup, LoraOperands>[];

  constructor(
    private readonly device: Device,
    model: ModelConfig,
    adapters: readonly BankedAdapter[],
    dtype: "bf16" | "f32",
  ) {
    if (adapters.length === 0) throw new IBertError("argument-invalid", "a bank needs at least one adapter");
    this.count = adapters.length;
    const matrices = adapters.flatMap(({ layout }) => layout.matrices);
    const rank = Math.max(...matrices.map(({ shape, part }) => shape[part === "A" ? 0 : 1]));
    // Every matrix of the bank is `count` times that of this layout, adapter by adapter.
    const layout = new LoraLayout(model, {
      rank,
      alpha: rank,
      targets: [...new Set(adapters.flatMap(({ layout }) => layout.modules))],
    });
    const size = layout.size * this.count;
    const stacked = device.from(stack(layout, adapters), [size], "f32");
    this.params = dtype === "f32" ? stacked : device.empty([size], dtype);
    if (stacked !== this.params) {
      device.ops.cast({ source: stacked, target: this.params });
      device.free(stacked);
    }
    this.groups = layout.layers.map(
      (groups) =>
        new Map(
          groups.map(({ group, offsetA, offsetB, inputs, rows, segments, slots, columns }) => [
            group,
            {
              loraA: this.params.view([this.count, columns, inputs], offsetA * this.count),
              loraB: this.params.view([this.count, rows, rank], offsetB * this.count),
              segments,
              slots,
              scale: 1,
            },
          ]),
        ),
    );
  }

  group(layer: number, group: LinearGroup): LoraOperands | undefined {
    return this.groups[layer]?.get(group);
  }

  free(): void {
    this.device.free(this.params);
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

function stack(bank: LoraLayout, adapters: readonly BankedAdapter[]): Float32Array {
  const { rank } = bank.config;
  const values = new Float32Array(bank.size * adapters.length);
  const places = new Map(bank.matrices.map((matrix) => [matrix.name, matrix]));
  adapters.forEach(({ layout, values: own }, p) => {
    for (const { name, shape, offset, stride, part, scale } of layout.matrices) {
      const place = places.get(name);
      if (place === undefined) throw new TypeError(`the bank lacks ${name}`);
      const { stack } = place;
      const start = stack.offset * adapters.length + p * stack.size + (place.offset - stack.offset);
      const [rows, columns] = shape;
      if (part === "A") {
        values.set(own.subarray(offset, offset + rows * columns), start);
        continue;
      }
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < columns; i++) {
          values[start + row * rank + i] = (own[offset + row * stride + i] as number) * scale;
        }
      }
    }
  });
  return values;
}
