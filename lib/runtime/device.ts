import { IBertError } from "../errors.js";
import { Arena } from "./arena.js";
import { bf16ToFloat } from "./bf16.js";
import {
  addon,
  type DeviceInfo,
  type FieldSchema,
  type NativeBuffer,
  type NativeDevice,
  type NativeRecording,
  type NativeStream,
  type OpSchema,
  type OpValue,
  type PassedOver,
} from "./native.js";
import { findingOf, findRunnable, isExpected, NEEDS } from "./probe.js";
import { OP_NAMES, type Ops } from "./ops.generated.js";
import { DTYPES, rowMajorBytes, Tensor, type DType, type Layout } from "./tensor.js";

export interface DeviceOptions {
  /** Threads that compute, on a CPU; 0 takes one for each core the process may use. */
  threads?: number;
  /** Which device of the backend. */
  index?: number;
  /**
   * Allocate and run nothing: check every call and count the memory. The name of an architecture ("sm_90") plans for a
   * device that this machine need not have.
   */
  planned?: boolean | string;
}

/** Ops that were recorded on a device (`Device.record`). */
export interface Recording {
  readonly native: NativeRecording;
}

/** Backends that `auto` tries, best first; it takes none that no hardware has run (unproven.ts). */
export const AUTO: readonly string[] = ["cuda", "metal", "cpu"];

/** The backend that `$IBERT_BACKEND` asks for in place of `auto`; nothing where it is unset, empty or "auto". */
export function backendOfEnvironment(): string | undefined {
  const named = process.env["IBERT_BACKEND"];
  return named === undefined || named === "" || named === "auto" ? undefined : named;
}

const PLANNED_CAPACITY = 2 ** 48;

/**
 * One device of one backend with one stream. Ops are enqueued and return at once; `synchronize()` and `read()` wait,
 * and that is where errors of the work itself surface.
 *
 * A device holds threads and memory until it is closed, or until the collector comes by:
 * `await using device = Device.open("cpu")` closes it at the end of its block.
 */
export class Device implements AsyncDisposable {
  readonly info: DeviceInfo;
  readonly planned: boolean;
  readonly ops: Ops;
  private readonly native: NativeDevice;
  /** None on a planned device, which runs nothing. */
  private readonly queue: NativeStream | undefined;
  private held = 0;
  private heldPeak = 0;
  private workspace = 0;
  private closing: Promise<void> | undefined;

  private constructor(
    native: NativeDevice,
    planned: boolean,
    passedOver: readonly PassedOver[],
    /** Whose native device a planned twin uses, and whose scratch space it finds out. */
    private readonly twinOf?: Device,
  ) {
    this.native = native;
    this.info = { ...native.info(), passedOver };
    this.planned = planned;
    this.queue = planned ? undefined : new (addon().Stream)(native);
    this.ops = this.buildOps();
  }

  /**
   * Opens a backend: `cpu`, `reference`, `cuda`, `metal`, the path of a backend library, or `auto` for the one that
   * `$IBERT_BACKEND` names, else the best one that this machine can run and that hardware has run before. A backend that
   * is asked for by name, in either way, is never replaced by another; of those that `auto`
   * passed over, `info.passedOver` says why, and where one is installed and something is wrong with it or its driver there
   * is a warning (`process.emitWarning`, code IBERT_BACKEND), once a process. A driver is first opened in a process of its
   * own, once for each backend, and this one waits: a broken driver does not take it down.
   * @throws IBertError `backend-unavailable` with what each candidate said
   */
  static open(backend: string, options: DeviceOptions = {}): Device {
    const ofEnvironment = backend === "auto" ? backendOfEnvironment() : undefined;
    const asked = ofEnvironment ?? backend;
    const names = asked === "auto" ? AUTO : [asked];
    const passedOver: PassedOver[] = [];
    const { Device: Native } = addon();
    const { planned = false } = options;
    for (const name of names) {
      let native: NativeDevice | undefined;
      try {
        // For a device that is only planned nobody asks the driver.
        const file = findRunnable(name, {
          isChosen: asked === "auto",
          asksDriver: typeof planned !== "string",
        });
        if ("obstacle" in file) {
          passedOver.push({ backend: name, installed: file.obstacle !== "not-installed", ...file });
          continue;
        }
        native = new Native(
          file.open,
          options.threads ?? 0,
          options.index ?? 0,
          typeof planned === "string" ? planned : undefined,
        );
        const device = new Device(native, planned !== false, passedOver);
        warnOf(passedOver, name);
        return device;
      } catch (error) {
        native?.close();
        const finding = findingOf(error);
        passedOver.push({ backend: name, installed: finding.obstacle !== "not-installed", ...finding });
      }
    }
    const missing = passedOver.length === 1 && passedOver[0]?.installed === false;
    const hints = [
      missing ? NEEDS[asked] : undefined,
      ofEnvironment === undefined
        ? undefined
        : `IBERT_BACKEND asks for ${asked}; unset it for the best that runs here.`,
      "`ibert doctor` lists the backends that this machine can run.",
    ];
    throw new IBertError("backend-unavailable", passedOver.map(({ reason }) => reason).join("\n"), {
      hint: hints.filter((hint) => hint !== undefined).join(" "),
    });
  }

  /** The same device as this one, planned: it shares nothing and allocates nothing, and goes with this one. */
  plan(): Device {
    this.requireOpen();
    return new Device(this.native, true, this.info.passedOver, this);
  }

  /** Whether `close` was called; nothing but `free` and `close` can be done with it any more. */
  get closed(): boolean {
    return this.closing !== undefined || this.twinOf?.closed === true;
  }

  /**
   * Closes the device: waits for the work that was enqueued, and gives back its threads and all of its memory, whatever
   * tensors and arenas are about. An error of work that nobody waited for is dropped. Further calls return the same
   * promise; every other use of the device, except to free something of it, is an IBertError `device-closed`.
   */
  close(): Promise<void> {
    return (this.closing ??= this.shut());
  }

  /** Closes the device, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async shut(): Promise<void> {
    this.held = 0;
    if (this.twinOf !== undefined) return;
    // Its error is that of whoever enqueued the work, who did not wait for it.
    await this.queue?.synchronize().catch(() => undefined);
    this.queue?.close();
    this.native.close();
  }

  private requireOpen(): void {
    if (!this.closed) return;
    const { backend, name } = this.info;
    throw new IBertError("device-closed", `the device ${backend} (${name}) was closed`, {
      hint: "What holds its tensors, such as a model or a session, was disposed of; open it again.",
    });
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

  /**
   * Frees the buffer of a tensor made by `empty` or `from`; work in flight still finishes. What is free already, such as
   * all of a closed device, stays so.
   */
  free(tensor: Tensor): void {
    if (this.closed || !tensor.buffer.free()) return;
    this.held -=
      tensor.layout === "packed"
        ? this.packedBytes(tensor.dtype, tensor.shape[0] ?? 0, tensor.shape[1] ?? 0)
        : rowMajorBytes(tensor.shape, tensor.dtype);
  }

  /** A stack for activations. On a planned device one without `bytes` has no end, for finding out how many it takes. */
  arena(name: string, bytes?: number): Arena {
    if (bytes !== undefined) {
      return new Arena(name, this.buffer(bytes), bytes, () => {
        if (!this.closed) this.held -= bytes;
      });
    }
    if (!this.planned) throw new TypeError("an arena on a real device needs its size");
    this.requireOpen();
    const endless = new (addon().Buffer)(this.native, PLANNED_CAPACITY, true);
    return new Arena(name, endless, PLANNED_CAPACITY, () => undefined);
  }

  /** Whether the backend can pack weights of this dtype. */
  canPack(dtype: DType, rows: number, columns: number): boolean {
    this.requireOpen();
    return this.native.packedBytes(DTYPES.indexOf(dtype), rows, columns) >= 0;
  }

  /** Copies from the host in stream order; `array` must not change before the next fence. */
  write(tensor: Tensor, array: NodeJS.TypedArray): void {
    this.requireOpen();
    if (!this.planned) this.stream.write(tensor.native, array);
  }

  /** Sets every byte, in stream order. */
  fill(tensor: Tensor, byte: number): void {
    this.requireOpen();
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
    this.requireOpen();
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

  /** Lets go of the memory that a recording keeps; a closed device has let go already. */
  freeRecording({ native }: Recording): void {
    if (!this.closed) this.stream.freeRecording(native);
  }

  /** While on, an op that writes a value that is not finite fails, and is named: for finding where a NaN began. */
  checkFinite(on: boolean): void {
    if (!this.planned) this.stream.checkFinite(on);
  }

  /** The kernel that an op runs on here, with these operands or in general; null where the backend lacks it. */
  kernelName<Name extends keyof Ops>(op: Name, args?: Parameters<Ops[Name]>[0]): string | null {
    this.requireOpen();
    const number = OP_NAMES.indexOf(op);
    const { fields } = addon().describeOps()[number] as OpSchema;
    return this.native.kernelName(number, ...(args === undefined ? [] : valuesOf(fields, args)));
  }

  private buffer(bytes: number): NativeBuffer {
    this.requireOpen();
    let buffer: NativeBuffer;
    try {
      buffer = new (addon().Buffer)(this.native, bytes, this.planned);
    } catch (cause) {
      const { backend, name } = this.info;
      throw new IBertError("device-memory", `the device ${backend} (${name}): ${(cause as Error).message}`, {
        hint: `It holds ${this.held} bytes already. Ask for less: a smaller model, context, cache or batch.`,
        cause,
      });
    }
    this.held += bytes;
    this.heldPeak = Math.max(this.heldPeak, this.held);
    return buffer;
  }

  private get stream(): NativeStream {
    this.requireOpen();
    if (this.queue === undefined) throw new TypeError("a planned device runs nothing");
    return this.queue;
  }

  private noteWorkspace(bytes: number): void {
    this.workspace = Math.max(this.workspace, bytes);
    this.twinOf?.noteWorkspace(bytes);
  }

  private packedBytes(dtype: DType, rows: number, columns: number): number {
    this.requireOpen();
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
        const known = new Set(schema.fields.map((field) => field.name));
        methods[schema.name] = (args) => {
          for (const key in args) {
            if (!known.has(key)) throw new TypeError(`${schema.name}: there is no argument ${key}`);
          }
          const values = valuesOf(schema.fields, args);
          if (this.planned) {
            this.requireOpen();
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

/** The arguments of an op as the addon takes them, in the order of its fields. */
function valuesOf(fields: readonly FieldSchema[], args: object): OpValue[] {
  return fields.map(({ name, type }) => {
    const value = (args as Record<string, unknown>)[name];
    return (type === "tensor" ? (value as Tensor | undefined)?.native : value) as OpValue;
  });
}

const warned = new Set<string>();

/** A machine without the device is no fault; a device that is there and cannot be used should not go unnoticed. */
function warnOf(passedOver: readonly PassedOver[], taken: string): void {
  for (const one of passedOver) {
    const { backend, reason } = one;
    if (isExpected(one) || warned.has(reason)) continue;
    warned.add(reason);
    process.emitWarning(`the backend ${backend} is passed over, ${taken} is used: ${reason}`, {
      type: "IBertWarning",
      code: "IBERT_BACKEND",
    });
  }
}
