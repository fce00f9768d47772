import type { Random } from "../data/random.js";
import { IBertError } from "../errors.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import { groupShapes, moduleName, type LinearGroup, type LinearModule } from "./linears.js";

/** Hyper-parameters of a LoRA adapter (Hu et al. 2021). */
export interface LoraConfig {
  rank: number;
  /** The update is scaled by alpha / rank. */
  alpha: number;
  targets: readonly LinearModule[];
}

/** One matrix of an adapter inside the flat parameter buffer. */
export interface LoraMatrix {
  /** PEFT's tensor name. */
  name: string;
  shape: readonly [number, number];
  /** Element offset in the flat buffer. */
  offset: number;
  /** The stacked A or B of its group, in which it lies. */
  stack: { offset: number; size: number };
  part: "A" | "B";
  /** Input features of the module, which set the scale of A's initial values. */
  fanIn: number;
}

/** The LoRA operands of one stacked linear for P adapters: what `loraLinearForward` takes. */
export interface LoraOperands {
  /** (P, slots * rank, K) */
  loraA: Tensor;
  /** (P, N, rank) */
  loraB: Tensor;
  segments: readonly number[];
  slots: readonly number[];
  /** The same shapes without the leading 1, of one adapter; absent when only generating. */
  dLoraA?: Tensor;
  dLoraB?: Tensor;
}

interface GroupLayout {
  group: LinearGroup;
  offsetA: number;
  offsetB: number;
  inputs: number;
  rows: number;
  segments: readonly number[];
  slots: readonly number[];
  columns: number;
}

/** Each stacked A and B starts at a multiple of so many elements: whole cache lines and vectors in every dtype. */
const ALIGNMENT = 64;

/**
 * Where every matrix of an adapter lies in one flat buffer: layer by layer, group by group, A before B. The gaps between
 * them hold zeros; files do not have them (`withoutGaps`).
 */
export class LoraLayout {
  readonly matrices: readonly LoraMatrix[];
  readonly layers: readonly (readonly GroupLayout[])[];
  private readonly stacks: readonly LoraMatrix["stack"][];
  /** Elements of the buffer: parameters, those of untargeted rows included, and gaps. */
  readonly size: number;
  /** Without the gaps. */
  readonly storedSize: number;

  constructor(
    readonly model: ModelConfig,
    readonly config: LoraConfig,
    alignment = ALIGNMENT,
  ) {
    const { rank, targets } = config;
    if (!Number.isInteger(rank) || rank < 1) {
      throw new IBertError("lora-invalid", `the LoRA rank is ${rank}`, {
        hint: "A rank is an integer >= 1.",
      });
    }
    if (targets.length === 0) throw new IBertError("lora-invalid", "no module is targeted by LoRA");
    const wanted = new Set<string>(targets);
    const matrices: LoraMatrix[] = [];
    const stacks: LoraMatrix["stack"][] = [];
    const layers: GroupLayout[][] = [];
    const aligned = (offset: number): number => Math.ceil(offset / alignment) * alignment;
    let size = 0;
    let storedSize = 0;
    for (let layer = 0; layer < model.layers; layer++) {
      const groups: GroupLayout[] = [];
      for (const { group, modules, inputs, outputs } of groupShapes(model)) {
        const slots: number[] = [];
        let used = 0;
        for (const module of modules) slots.push(wanted.has(module) ? used++ : -1);
        if (used === 0) continue;
        const segments: number[] = [];
        let rows = 0;
        for (const output of outputs) segments.push((rows += output));
        const offsetA = size;
        const stackA = { offset: offsetA, size: used * rank * inputs };
        const offsetB = aligned(offsetA + stackA.size);
        const stackB = { offset: offsetB, size: rows * rank };
        size = aligned(offsetB + stackB.size);
        storedSize += stackA.size + stackB.size;
        stacks.push(stackA, stackB);
        groups.push({ group, offsetA, offsetB, inputs, rows, segments, slots, columns: used * rank });
        modules.forEach((module, i) => {
          const slot = slots[i] ?? -1;
          const output = outputs[i] ?? 0;
          if (slot < 0) return;
          const name = `base_model.model.${moduleName(layer, module)}`;
          matrices.push({
            name: `${name}.lora_A.weight`,
            shape: [rank, inputs],
            offset: offsetA + slot * rank * inputs,
            stack: stackA,
            part: "A",
            fanIn: inputs,
          });
          matrices.push({
            name: `${name}.lora_B.weight`,
            shape: [output, rank],
            offset: offsetB + ((segments[i] ?? 0) - output) * rank,
            stack: stackB,
            part: "B",
            fanIn: inputs,
          });
        });
      }
      layers.push(groups);
    }
    this.matrices = matrices;
    this.layers = layers;
    this.stacks = stacks;
    this.size = size;
    this.storedSize = storedSize;
  }

  /** Parameters that are trained. */
  get trainable(): number {
    return this.matrices.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  }

  get scale(): number {
    return this.config.alpha / this.config.rank;
  }

  /** PEFT's initial values: A uniform in ±1/sqrt(K) (Kaiming with a = sqrt 5), B zero. */
  initialValues(random: Random): Float32Array {
    const values = new Float32Array(this.size);
    for (const { part, offset, shape, fanIn } of this.matrices) {
      if (part === "B") continue;
      const bound = 1 / Math.sqrt(fanIn);
      const end = offset + shape[0] * shape[1];
      for (let i = offset; i < end; i++) values[i] = (2 * random.float() - 1) * bound;
    }
    return values;
  }

  /** Copies named matrices, all of them and no others, into a flat buffer. */
  pack(tensors: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): Float32Array {
    const values = new Float32Array(this.size);
    const known = new Set(this.matrices.map(({ name }) => name));
    for (const name of tensors.keys()) {
      if (!known.has(name))
        throw new IBertError("adapter-mismatch", `the adapter's tensor ${name} is unexpected`);
    }
    for (const { name, shape, offset } of this.matrices) {
      const tensor = tensors.get(name);
      if (tensor === undefined)
        throw new IBertError("adapter-mismatch", `the adapter lacks the tensor ${name}`);
      if (tensor.shape.length !== 2 || tensor.shape[0] !== shape[0] || tensor.shape[1] !== shape[1]) {
        throw new IBertError(
          "adapter-mismatch",
          `the adapter's tensor ${name} has the shape (${tensor.shape.join(", ")}), the model needs (${shape.join(", ")})`,
        );
      }
      values.set(tensor.data, offset);
    }
    return values;
  }

  /** The values of a flat buffer one after another, as checkpoints hold them. */
  withoutGaps(values: Float32Array): Float32Array {
    const stored = new Float32Array(this.storedSize);
    let place = 0;
    for (const { offset, size } of this.stacks) {
      stored.set(values.subarray(offset, offset + size), place);
      place += size;
    }
    return stored;
  }

  /** The flat buffer of values that `withoutGaps` gave. */
  withGaps(stored: Float32Array): Float32Array {
    const values = new Float32Array(this.size);
    let place = 0;
    for (const { offset, size } of this.stacks) {
      values.set(stored.subarray(place, (place += size)), offset);
    }
    return values;
  }

  /** The named matrices of a flat buffer. */
  unpack(values: Float32Array): Map<string, { shape: number[]; data: Float32Array }> {
    return new Map(
      this.matrices.map(({ name, shape, offset }) => [
        name,
        { shape: [...shape], data: values.slice(offset, offset + shape[0] * shape[1]) },
      ]),
    );
  }
}

/**
 * A LoRA adapter on a device: float32 parameters in one flat buffer and, for training, their gradients beside them.
 */
export class LoraAdapter implements Disposable {
  readonly count = 1;
  /** (size) float32 */
  readonly params: Tensor;
  /** (size), only when training */
  readonly grads: Tensor | undefined;
  private readonly groups: readonly ReadonlyMap<LinearGroup, LoraOperands>[];

  constructor(
    readonly device: Device,
    readonly layout: LoraLayout,
    options: { training: boolean },
  ) {
    this.params = device.empty([layout.size], "f32");
    this.grads = options.training ? device.empty([layout.size], "f32") : undefined;
    const rank = layout.config.rank;
    this.groups = layout.layers.map(
      (groups) =>
        new Map(
          groups.map(({ group, offsetA, offsetB, inputs, rows, segments, slots, columns }) => {
            const entry: LoraOperands = {
              loraA: this.params.view([1, columns, inputs], offsetA),
              loraB: this.params.view([1, rows, rank], offsetB),
              segments,
              slots,
            };
            if (this.grads !== undefined) {
              entry.dLoraA = this.grads.view([columns, inputs], offsetA);
              entry.dLoraB = this.grads.view([rows, rank], offsetB);
            }
            return [group, entry];
          }),
        ),
    );
  }

  get scale(): number {
    return this.layout.scale;
  }

  /** The operands of one stacked linear, or undefined where no module of it is targeted. */
  group(layer: number, group: LinearGroup): LoraOperands | undefined {
    return this.groups[layer]?.get(group);
  }

  /** Replaces the parameters. */
  load(values: Float32Array): void {
    this.device.write(this.params, values);
  }

  /** The parameters; waits. */
  async read(): Promise<Float32Array> {
    return (await this.device.readFloats(this.params)) as Float32Array;
  }

  free(): void {
    this.device.free(this.params);
    if (this.grads !== undefined) this.device.free(this.grads);
  }

  [Symbol.dispose](): void {
    this.free();
  }
}
