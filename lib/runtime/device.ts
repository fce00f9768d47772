import { IBertError } from "../errors.js";
import { Arena } from "./arena.js";
import { bf16ToFloat } from "./bf16.js";
import {
  addon,
  type DeviceInfo,
  type NativeDevice,
  type NativeRecording,
  type NativeStream,
  type OpValue,
} from "./native.js";
import { OP_NAMES, type Ops } from "./ops.generated.js";
import { DTYPES, rowMajorBytes, Tensor, type DType, type Layout } from "./tensor.js";

export interface DeviceOptions {
  /** Threads that compute, on a CPU; 0 takes one for each core the process may use. */
  threads?: number;
  /** Which device of the backend. */
  index?: number;
  /** Allocate and run nothing: check every call and count the memory. */
  planned?: boolean;
}

/** Ops that were recorded on a device (`Device.record`). */
export interface Recording {
  readonly native: NativeRecording;
}

/** Backends that `auto` tries, best first. */
const AUTO = ["cuda", "metal", "cpu"] as const;
const PLANNED_CAPACITY = 2 ** 48;

/**
 * One device of one backend with one stream. Ops are enqueued and return at once; `synchronize()` and `read()` wait,
 * and that is where errors of the work itself surface.
 */
export class Device {
  readonly info: DeviceInfo;
  readonly planned: boolean;
  readonly ops: Ops;
  private readonly native: NativeDevice;
  /** None on a planned device, which runs nothing. */
  private readonly queue: NativeStream | undefined;
  private held = 0;
  private heldPeak = 0;
  private workspace = 0;
  /** Whose scratch space a planned twin finds out. */
  private reportsTo: Device | undefined;

  private constructor(native: NativeDevice, planned: boolean) {
    this.native = native;
    this.info = native.info();
    this.planned = planned;
    this.queue = planned ? undefined : new (addon().Stream)(native);
    this.ops = this.buildOps();
  }

  /**
   * Opens a backend: `cpu`, `reference`, `cuda`, `metal`, the path of a backend library, or `auto` for the best one
   * that this machine can run. A backend that is asked for by name is never replaced by another.
   */
  static open(backend: string, options: DeviceOptions = {}): Device {
    const names = backend === "auto" ? AUTO : [backend];
    const failures: string[] = [];
    for (const name of names) {
      try {
        const native = new (addon().Device)(name, options.threads ?? 0, options.index ?? 0);
        return new Device(native, options.planned ?? false);
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
    throw new IBertError("backend-unavailable", failures.join("\n"), {
      hint: "`ibert doctor` lists the backends that this machine can run.",
    });
  }

  /** The same device as this one, planned: it shares nothing and allocates nothing. */
  plan(): Device {
    const planned = new Device(this.native, true);
    planned.reportsTo = this;
    return planned;
  }

  /** Bytes of the buffers made here now, at their highest, and of the largest scratch space an op asked for. */
  get memory(): { held: number; peak: number; workspace: number } {
    return { held: this.held, peak: this.heldPeak, workspace: this.workspace };
  }

  /** A tensor with a buffer of its own; its content is undefined. */
  empty(shape: readonly number[], dtype: DType, layout: Layout = "rowMajor"): Tensor {
    const bytes =
      layout === "packed"
        ? this.packedBytes(dtype, shape[0] ?? 0, shape[1] ?? 0)
        : rowMajorBytes(shape, dtype);
    return new Tensor(this.buffer(bytes), 0, shape, dtype, layout);
  }

  /** A tensor with a buffer of its own, filled from the host. */
  from(array: NodeJS.TypedArray, shape: readonly number[], dtype: DType): Tensor {
    const tensor = this.empty(shape, dtype);
    this.write(tensor, array);
    return tensor;
  }

  /** Frees the buffer of a tensor made by `empty` or `from`; work in flight still finishes. */
  free(tensor: Tensor): void {
    const bytes =
      tensor.layout === "packed"
        ? this.packedBytes(tensor.dtype, tensor.shape[0] ?? 0, tensor.shape[1] ?? 0)
        : rowMajorBytes(tensor.shape, tensor.dtype);
    this.held -= bytes;
    tensor.buffer.free();
  }

  /** A stack for activations. On a planned device one without `bytes` has no end, for finding out how many it takes. */
  arena(name: string, bytes?: number): Arena {
    if (bytes !== undefined) return new Arena(name, this.buffer(bytes), bytes, () => (this.held -= bytes));
    if (!this.planned) throw new TypeError("an arena on a real device needs its size");
    const endless = new (addon().Buffer)(this.native, PLANNED_CAPACITY, true);
    return new Arena(name, endless, PLANNED_CAPACITY, () => undefined);
  }

  /** Whether the backend can pack weights of this dtype. */
  canPack(dtype: DType, rows: number, columns: number): boolean {
    return this.native.packedBytes(DTYPES.indexOf(dtype), rows, columns) >= 0;
  }

  /** Copies from the host in stream order; `array` must not change before the next fence. */
  write(tensor: Tensor, array: NodeJS.TypedArray): void {
    if (!this.planned) this.stream.write(tensor.native, array);
  }

  /** Sets every byte, in stream order. */
  fill(tensor: Tensor, byte: number): void {
    if (!this.planned) this.stream.fill(tensor.native, byte);
  }

  /** The bytes of a tensor as they are at this place in the stream; the array holds them after the next fence. */
  readLater(tensor: Tensor): Uint8Array {
    const array = new Uint8Array(rowMajorBytes(tensor.shape, tensor.dtype));
    this.stream.read(tensor.native, array);
    return array;
  }

  /** The bytes of a tensor, in stream order; waits. */
  async readBytes(tensor: Tensor): Promise<Uint8Array> {
    const array = this.readLater(tensor);
    await this.synchronize();
    return array;
  }

  /** A floating tensor as float64 or float32 values (bf16 is widened); waits. */
  async readFloats(tensor: Tensor): Promise<Float32Array | Float64Array> {
    const { buffer } = await this.readBytes(tensor);
    if (tensor.dtype === "f64") return new Float64Array(buffer);
    if (tensor.dtype === "f32") return new Float32Array(buffer);
    if (tensor.dtype === "bf16") return bf16ToFloat(new Uint16Array(buffer));
    throw new TypeError(`a tensor of dtype ${tensor.dtype} holds no plain floats`);
  }

  /** An i32 tensor; waits. */
  async readInts(tensor: Tensor): Promise<Int32Array> {
    if (tensor.dtype !== "i32") throw new TypeError(`a tensor of dtype ${tensor.dtype} holds no integers`);
    return new Int32Array((await this.readBytes(tensor)).buffer);
  }

  /** Waits for everything enqueued so far. Rejects with the first op that failed; what followed it did not run. */
  async synchronize(): Promise<void> {
    if (this.planned) return;
    try {
      await this.stream.synchronize();
    } catch (cause) {
      throw new IBertError("op-failed", (cause as Error).message, { cause });
    }
  }

  /**
   * Keeps the ops that `body` enqueues instead of running them. Replaying them costs one call, whatever their number;
   * they find their operands where they were, with what is in them then.
   */
  record(body: () => void): Recording {
    if (this.planned) throw new TypeError("a planned device records nothing");
    const { stream } = this;
    let native: NativeRecording | undefined;
    stream.beginRecording();
    try {
      body();
    } finally {
      native = stream.endRecording();
    }
    return { native };
  }

  /** Enqueues the ops of a recording made on this device. */
  replay({ native }: Recording): void {
    this.stream.replay(native);
  }

  /** Lets go of the memory that a recording keeps. */
  freeRecording({ native }: Recording): void {
    this.stream.freeRecording(native);
  }

  /** While on, an op that writes a value that is not finite fails, and is named: for finding where a NaN began. */
  checkFinite(on: boolean): void {
    if (!this.planned) this.stream.checkFinite(on);
  }

  /** The kernel that an op runs on here, or null where the backend lacks it. */
  kernelName(op: keyof Ops): string | null {
    return this.native.kernelName(OP_NAMES.indexOf(op));
  }

  private buffer(bytes: number) {
    this.held += bytes;
    this.heldPeak = Math.max(this.heldPeak, this.held);
    return new (addon().Buffer)(this.native, bytes, this.planned);
  }

  private get stream(): NativeStream {
    if (this.queue === undefined) throw new TypeError("a planned device runs nothing");
    return this.queue;
  }

  private noteWorkspace(bytes: number): void {
    this.workspace = Math.max(this.workspace, bytes);
    this.reportsTo?.noteWorkspace(bytes);
  }

  private packedBytes(dtype: DType, rows: number, columns: number): number {
    const bytes = this.native.packedBytes(DTYPES.indexOf(dtype), rows, columns);
    if (bytes >= 0) return bytes;
    throw new IBertError(
      "dtype-unsupported",
      `the backend ${this.info.backend} cannot pack ${dtype} weights`,
    );
  }

  private buildOps(): Ops {
    const methods: Record<string, (args: Record<string, unknown>) => void> = {};
    addon()
      .describeOps()
      .forEach((schema, op) => {
        const names = schema.fields.map((field) => field.name);
        const known = new Set(names);
        const isTensor = schema.fields.map((field) => field.type === "tensor");
        methods[schema.name] = (args) => {
          for (const key in args) {
            if (!known.has(key)) throw new TypeError(`${schema.name}: there is no argument ${key}`);
          }
          const values = names.map((name, i) => {
            const value = args[name];
            return (isTensor[i] ? (value as Tensor | undefined)?.native : value) as OpValue;
          });
          if (this.planned) {
            addon().checkOp(op, ...values);
            const why = this.native.whyUnsupported(op, ...values);
            if (why !== null) throw new IBertError("op-unsupported", why);
            this.noteWorkspace(this.native.workspaceBytes(op, ...values));
          } else {
            this.stream.enqueue(op, ...values);
          }
        };
      });
    return methods as unknown as Ops;
  }
}
