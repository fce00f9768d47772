import type { Random } from "../data/random.js";
import { IBertError } from "../errors.js";
import { moduleLora, type LoraConfig } from "../formats/peft-modules.js";
import type { Device } from "../runtime/device.js";
import type { Tensor } from "../runtime/tensor.js";
import type { ModelConfig } from "./config.js";
import { groupShapes, moduleName, type LinearGroup } from "./linears.js";

export type { LoraConfig } from "../formats/peft-modules.js";

/** The A or the B of the modules of one stacked linear, by elements of the flat buffer. */
export interface LoraStack {
  part: "A" | "B";
  offset: number;
  size: number;
}

/** One matrix of an adapter inside the flat parameter buffer. */
export interface LoraMatrix {
  /** PEFT's tensor name. */
  name: string;
  /** Name of the module in the base model. */
  module: string;
  shape: readonly [number, number];
  /** Element offset in the flat buffer, and elements from row to row: a B may be wider there than its rank. */
  offset: number;
  stride: number;
  /** Factor of B A, and what of it the op does not apply, so that B has to hold it. */
  scale: number;
  fold: number;
  /** The stacked A or B of its group, in which it lies. */
  stack: LoraStack;
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
  scale: number;
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
  /** The largest of its modules; those of a smaller rank are filled up with zeros, which training leaves zero. */
  rank: number;
  /** That of its modules where they share one, else 1. */
  scale: number;
}

/** Each stacked A and B starts at a multiple of so many elements: whole cache lines and vectors in every dtype. */
const ALIGNMENT = 64;

/**
 * Where every matrix of an adapter lies in one flat buffer: layer by layer, group by group, A before B. The gaps between
 * them hold zeros; files do not have them (`withoutGaps`). Modules may differ in rank and scale, and layers in modules.
 */
export class LoraLayout {
  readonly matrices: readonly LoraMatrix[];
  readonly layers: readonly (readonly GroupLayout[])[];
  readonly stacks: readonly LoraStack[];
  /** Elements of the buffer: parameters, those of untargeted rows included, and gaps. */
  readonly size: number;
  /** Without the gaps. */
  readonly storedSize: number;

  constructor(
    readonly model: ModelConfig,
    readonly config: LoraConfig,
    alignment = ALIGNMENT,
  ) {
    const loraOf = moduleLora(config);
    const matrices: LoraMatrix[] = [];
    const stacks: LoraStack[] = [];
    const layers: GroupLayout[][] = [];
    const aligned = (offset: number): number => Math.ceil(offset / alignment) * alignment;
    let size = 0;
    let storedSize = 0;
    for (let layer = 0; layer < model.layers; layer++) {
      const groups: GroupLayout[] = [];
      for (const { group, modules, inputs, outputs } of groupShapes(model)) {
        const loras = modules.map((module) => loraOf(moduleName(layer, module)));
        const used = loras.filter((lora) => lora !== undefined);
        const [first] = used;
        if (first === undefined) continue;
        const rank = Math.max(...used.map((lora) => lora.rank));
        requireRank(Math.min(...used.map((lora) => lora.rank)));
        const scale = used.every((lora) => lora.scale === first.scale) ? first.scale : 1;
        let next = 0;
        const slots = loras.map((lora) => (lora === undefined ? -1 : next++));
        const segments: number[] = [];
        let rows = 0;
        for (const output of outputs) segments.push((rows += output));
        const columns = used.length * rank;
        const stackA: LoraStack = { part: "A", offset: size, size: columns * inputs };
        const stackB: LoraStack = { part: "B", offset: aligned(size + stackA.size), size: rows * rank };
        size = aligned(stackB.offset + stackB.size);
        storedSize += stackA.size + stackB.size;
        stacks.push(stackA, stackB);
        const [offsetA, offsetB] = [stackA.offset, stackB.offset];
        groups.push({ group, offsetA, offsetB, inputs, rows, segments, slots, columns, rank, scale });
        modules.forEach((name, i) => {
          const lora = loras[i];
          if (lora === undefined) return;
          const output = outputs[i] ?? 0;
          const module = moduleName(layer, name);
          const shared = { module, scale: lora.scale, fold: lora.scale / scale, fanIn: inputs };
          matrices.push({
            ...shared,
            name: `base_model.model.${module}.lora_A.weight`,
            shape: [lora.rank, inputs],
            offset: offsetA + (slots[i] ?? 0) * rank * inputs,
            stride: inputs,
            stack: stackA,
            part: "A",
          });
          matrices.push({
            ...shared,
            name: `base_model.model.${module}.lora_B.weight`,
            shape: [output, lora.rank],
            offset: offsetB + ((segments[i] ?? 0) - output) * rank,
            stride: rank,
            stack: stackB,
            part: "B",
          });
        });
      }
      layers.push(groups);
    }
    if (matrices.length === 0) throw new IBertError("lora-invalid", "no module is targeted by LoRA");
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

  /** Names of the adapted modules. */
  get modules(): string[] {
    return this.matrices.filter(({ part }) => part === "A").map(({ module }) => module);
  }

  /** A module whose op applies another scale than its own, if there is one: its B cannot be trained. */
  get mixed(): string | undefined {
    return this.matrices.find(({ fold }) => fold !== 1)?.module;
  }

  /** The flat buffer as the ops take it: what of a module's scale its op does not apply is multiplied into B. */
  folded(values: Float32Array): Float32Array {
    if (this.mixed === undefined) return values;
    const folded = values.slice();
    for (const { part, fold, offset, stride, shape } of this.matrices) {
      if (part === "A" || fold === 1) continue;
      const end = offset + shape[0] * stride;
      for (let i = offset; i < end; i++) folded[i] = (values[i] as number) * fold;
    }
    return folded;
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
    for (const { name, shape, offset, stride } of this.matrices) {
      const tensor = tensors.get(name);
      if (tensor === undefined)
        throw new IBertError("adapter-mismatch", `the adapter lacks the tensor ${name}`);
      if (tensor.shape.length !== 2 || tensor.shape[0] !== shape[0] || tensor.shape[1] !== shape[1]) {
        throw new IBertError(
          "adapter-mismatch",
          `the adapter's tensor ${name} has the shape (${tensor.shape.join(", ")}), the model needs (${shape.join(", ")})`,
        );
      }
      for (let row = 0; row < shape[0]; row++) {
        const start = row * shape[1];
        values.set(tensor.data.subarray(start, start + shape[1]), offset + row * stride);
      }
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
      this.matrices.map(({ name, shape, offset, stride }) => {
        const data = new Float32Array(shape[0] * shape[1]);
        for (let row = 0; row < shape[0]; row++) {
          const start = offset + row * stride;
          data.set(values.subarray(start, start + shape[1]), row * shape[1]);
        }
        return [name, { shape: [...shape], data }];
      }),
    );
  }
}

function requireRank(rank: number): void {
  if (Number.isInteger(rank) && rank >= 1) return;
  throw new IBertError("lora-invalid", `the LoRA rank is ${rank}`, { hint: "A rank is an integer >= 1." });
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
    if (options.training && layout.mixed !== undefined) {
      throw new IBertError(
        "lora-invalid",
        `${layout.mixed}: modules of one input have different scales, and are not trained so`,
        { hint: "Give q, k and v one alpha / rank, and gate and up; answering and merging take any." },
      );
    }
    this.params = device.empty([layout.size], "f32");
    this.grads = options.training ? device.empty([layout.size], "f32") : undefined;
    this.groups = layout.layers.map(
      (groups) =>
        new Map(
          groups.map(({ group, offsetA, offsetB, inputs, rows, segments, slots, columns, rank, scale }) => {
            const entry: LoraOperands = {
              loraA: this.params.view([1, columns, inputs], offsetA),
              loraB: this.params.view([1, rows, rank], offsetB),
              segments,
              slots,
              scale,
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

  /** The operands of one stacked linear, or undefined where no module of it is targeted. */
  group(layer: number, group: LinearGroup): LoraOperands | undefined {
    return this.groups[layer]?.get(group);
  }

  /** Replaces the parameters. */
  load(values: Float32Array): void {
    this.device.write(this.params, this.layout.folded(values));
  }

  /** The parameters of an adapter that is trained; waits. */
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
