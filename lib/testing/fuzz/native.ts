/** The addon's boundary: wrong things in the places of arguments, freed and planned memory, arrays that run code. */
import { createRequire } from "node:module";

import type { Random } from "../../data/random.js";
import type { Addon, NativeBuffer, NativeStream, OpSchema } from "../../runtime/native.js";
import type { Target } from "./target.js";

/** What the table's names stand for in most calls. */
const SIZES: Readonly<Record<string, number>> = {
  ...{ T: 3, N: 64, K: 64, D: 64, F: 64, V: 64, P: 16, S: 2, M: 2, B: 2, W: 4, R: 4, r: 4, C: 192 },
  ...{ half: 8, heads: 2, kvHeads: 1, headDim: 16, words: 2 },
};
const NUMBERS = [
  ...[-1, 0, 1, 2, 3, 5, 7, 16, 17, 31, 32, 33, 63, 65, 255, 256, 0.5, NaN, Infinity, -Infinity, -0, 1e-300],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 47, 2 ** 48, 2 ** 53 - 1, 2 ** 53, 2 ** 62, 2 ** 63],
  ...[-(2 ** 31), -(2 ** 53), -(2 ** 63), 1e19, 1e308],
]; // prettier-ignore
const DTYPES = 14;
/** f64, f32, bf16 and so on: what a kind of operand may be. */
const OF_KIND: Readonly<Record<string, readonly number[]>> = {
  act: [1, 2],
  acc: [1],
  weight: [1, 2, 3, 6, 7, 8, 12, 13],
  index: [4],
  any: [1, 2, 3],
  cache: [1, 2, 6],
};

function sizeOf(word: string): number {
  const value = word.replace(/[A-Za-z]+/g, (name) => String(SIZES[name] ?? 2));
  // Sums and products of small numbers.
  const product = (text: string): number => text.split("*").reduce((all, one) => all * Number(one), 1);
  const inner = /^\(([^)]*)\)\*(.*)$/.exec(value);
  if (inner === null) return product(value);
  return (
    (inner[1] as string).split("+").reduce((sum, one) => sum + product(one), 0) * product(inner[2] as string)
  );
}

/** An addon under attack. One device and stream serve many inputs, until one closes them. */
class NativeTarget {
  readonly #addon: Addon;
  readonly #ops: readonly OpSchema[];
  readonly #backend: string;
  #device: InstanceType<Addon["Device"]> | undefined;
  #stream: NativeStream | undefined;
  #buffers: NativeBuffer[] = [];

  constructor(file: string, backend: string) {
    this.#addon = createRequire(import.meta.url)(file) as Addon;
    this.#ops = this.#addon.describeOps();
    this.#backend = backend;
  }

  #open(): { device: InstanceType<Addon["Device"]>; stream: NativeStream } {
    this.#device ??= new this.#addon.Device(this.#backend, 1, 0);
    this.#stream ??= new this.#addon.Stream(this.#device);
    return { device: this.#device, stream: this.#stream };
  }

  close(): void {
    for (const buffer of this.#buffers) buffer.free();
    this.#buffers = [];
    this.#stream?.close();
    this.#device?.close();
    this.#stream = this.#device = undefined;
  }

  /** Anything. */
  #strange(random: Random): unknown {
    const { device, stream } = this.#open();
    const choices: (() => unknown)[] = [
      () => random.pick(NUMBERS),
      () => random.pick(NUMBERS),
      () => random.pick(["", "1", "f32", "\0", "x".repeat(5000)]),
      () => random.pick([undefined, null, true, false, 10n, Symbol("s"), () => 1]),
      () => random.pick([{}, [], [[1]], { length: 3 }, new Proxy([], {}), new Date(), device, stream]),
      () => random.pick([new Uint8Array(8), new ArrayBuffer(8), new DataView(new ArrayBuffer(8))]),
      () => Array.from({ length: random.below(12) }, () => random.pick(NUMBERS)),
      () => this.#trap(random),
      () => this.#buffers[random.below(this.#buffers.length + 1)],
    ];
    return random.pick(choices)();
  }

  /** An array of which reading an element frees or closes what is in use, or throws. */
  #trap(random: Random): unknown[] {
    const list: unknown[] = [2, 2];
    const act = random.pick([
      () => this.close(),
      () => this.#buffers.forEach((buffer) => buffer.free()),
      () => {
        throw new Error("trap: thrown by a getter");
      },
    ]);
    Object.defineProperty(list, random.below(2), {
      get() {
        act();
        return 2;
      },
    });
    return list;
  }

  #maybe(random: Random, value: unknown, share = 0.04): unknown {
    return random.chance(share) ? this.#strange(random) : value;
  }

  #buffer(random: Random, bytes: number): unknown {
    const { device } = this.#open();
    const size = random.chance(0.04) ? random.pick([0, 1, 2 ** 50, 2 ** 53 - 1, bytes - 1]) : bytes;
    const planned = random.chance(0.03);
    // Without memory behind them, some are granted by the system whatever their size.
    const made = Reflect.construct(this.#addon.Buffer, [
      this.#maybe(random, device, 0.01),
      planned || size < 2 ** 20 || size >= 2 ** 50 ? this.#maybe(random, size, 0.01) : 64,
      planned,
    ]) as NativeBuffer;
    this.#buffers.push(made);
    if (random.chance(0.02)) made.free();
    return made;
  }

  #tensor(random: Random, kind: string, shape: string): unknown {
    const words = shape === "*" ? ["T", "D"] : shape.split(" ");
    const dims = words.map((word) => this.#maybe(random, sizeOf(word), 0.015));
    if (random.chance(0.02)) dims.splice(random.below(dims.length), random.below(2), random.pick(NUMBERS));
    const dtypes = OF_KIND[kind] as readonly number[];
    const dtype = random.chance(0.03) ? random.below(DTYPES + 2) : random.pick(dtypes);
    const bytes = words.reduce((all, word) => all * sizeOf(word), 8);
    const offset = random.chance(0.04) ? random.pick(NUMBERS) : 0;
    const layout = random.chance(0.05) ? random.below(3) : 0;
    return Reflect.construct(this.#addon.Tensor, [
      this.#maybe(random, this.#buffer(random, bytes), 0.01),
      offset,
      this.#maybe(random, dims, 0.01),
      this.#maybe(random, dtype, 0.01),
      layout,
    ]);
  }

  #values(random: Random, op: OpSchema): unknown[] {
    const values = op.fields.map((field) => {
      if (field.type === "tensor") {
        if (field.role?.endsWith("Optional") === true && random.chance(0.5)) return undefined;
        return this.#maybe(random, this.#tensor(random, field.kind ?? "any", field.shape ?? "*"), 0.01);
      }
      if (field.type === "ints") return random.chance(0.8) ? undefined : this.#maybe(random, [3], 0.5);
      const usual = SIZES[field.name] ?? field.default ?? 1;
      return random.chance(0.06) ? random.pick(NUMBERS) : this.#maybe(random, usual, 0.02);
    });
    if (random.chance(0.02))
      values.splice(random.below(values.length), random.below(2), this.#strange(random));
    return values;
  }

  /** One call, or a few. Errors are told apart by `run.ts`. */
  async run(random: Random): Promise<void> {
    const { device, stream } = this.#open();
    const number = random.below(this.#ops.length);
    const op = this.#ops[number] as OpSchema;
    const kind = random.below(12);
    try {
      if (kind >= 7) this.#others(random, kind);
      else {
        const values = this.#values(random, op);
        const call = [this.#maybe(random, number, 0.01), ...values];
        const on = (object: object, name: string): unknown =>
          Reflect.apply(
            (object as Record<string, (...all: unknown[]) => unknown>)[name] as never,
            object,
            call,
          );
        if (kind < 4) on(stream, "enqueue");
        else
          on(
            random.below(2) === 0 ? device : this.#addon,
            random.pick(kind === 4 ? ["checkOp"] : ["workspaceBytes", "whyUnsupported", "kernelName"]),
          );
      }
    } finally {
      if (random.below(4) === 0) await this.#stream?.synchronize().catch(requireNamed);
      for (const buffer of this.#buffers) buffer.free();
      this.#buffers = [];
    }
  }

  #others(random: Random, kind: number): void {
    const { device, stream } = this.#open();
    const tensor = (): unknown => this.#tensor(random, "act", "T D");
    const call = (object: object, name: string, ...values: unknown[]): unknown =>
      Reflect.apply(
        (object as Record<string, (...all: unknown[]) => unknown>)[name] as never,
        object,
        values,
      );
    const array = (): unknown => {
      const bytes = random.pick([0, 8, 3 * 64 * 2, 3 * 64 * 4]);
      const buffer = new ArrayBuffer(bytes);
      const list = random.pick([() => new Uint8Array(buffer), () => new Float32Array(buffer), () => new Uint8Array(new SharedArrayBuffer(bytes))])(); // prettier-ignore
      if (random.chance(0.2)) structuredClone(buffer, { transfer: [buffer] });
      return list;
    };
    if (kind < 10) {
      const name = random.pick(["write", "read", "fill"]);
      const second = name === "fill" ? random.below(256) : array();
      call(stream, name, this.#maybe(random, tensor()), this.#maybe(random, second));
    } else if (kind === 10) {
      const names = ["beginRecording", "endRecording", "replay", "freeRecording", "checkFinite"];
      call(stream, random.pick(names), this.#strange(random));
    } else {
      const numbers = [random.below(DTYPES + 1), random.pick(NUMBERS), random.pick(NUMBERS)];
      if (random.below(2) === 0)
        call(device, "packedBytes", ...numbers.map((one) => this.#maybe(random, one)));
      else {
        const file = this.#maybe(random, process.execPath, 0.1);
        const mapped = call(this.#addon, "mapFile", file, ...numbers.slice(1)) as Uint8Array;
        call(this.#addon, "unmapFile", this.#maybe(random, mapped));
      }
    }
  }
}

/** Messages of Node-API and of V8 that name nothing. */
const NAMELESS = /^(Invalid argument|Unknown (failure|error)|An? [\w ]+ was expected|Error|)$/;

/** What is wrong with an error of the addon, which names an op, an argument or an object in words. */
function nativeFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return `not an error: ${String(error)}`;
  return NAMELESS.test(error.message) ? `the error names nothing: ${error.stack}` : undefined;
}

/** Work that failed says why. */
function requireNamed(error: unknown): void {
  if (nativeFault(error) !== undefined) throw error;
}

/** The boundary of one backend. @param file the addon */
export function nativeTarget(file: string, backend: string): Target {
  let native: NativeTarget | undefined;
  let random: Random | undefined;
  return {
    sound: () => undefined,
    write(_, given) {
      random = given;
      return 0;
    },
    read: () => (native ??= new NativeTarget(file, backend)).run(random as Random),
    errorFault: nativeFault,
    close: () => native?.close(),
  };
}
