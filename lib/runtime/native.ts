/**
 * The addon, and what its exports look like. Everything else in `lib/` goes through `device.ts`; only this file and its neighbours in `lib/runtime` touch native objects.
 */
import { loadAddon, type AddonBuild } from "./addon-file.js";
import type { Obstacle } from "./probe.js";

/** A native object; the addon checks its type tag at every use. */
export interface NativeBuffer {
  /** Whether there was still something to free. */
  free(): boolean;
}
export interface NativeTensor {
  readonly __tensor: unique symbol;
}
export interface NativeRecording {
  readonly __recording: unique symbol;
}
export type OpValue = NativeTensor | number | readonly number[] | undefined;

/** What the hardware can do at most: dense products, and the memory's bandwidth. */
export interface DevicePeaks {
  bf16FlopsPerSecond: number;
  f32FlopsPerSecond: number;
  bytesPerSecond: number;
}

export interface DeviceInfo {
  backend: string;
  /** "AMD EPYC", "NVIDIA H200" … */
  name: string;
  /** Chosen instruction set or compute capability. */
  architecture: string;
  /** All that the device has. */
  memoryBytes: number;
  /** What of it nobody uses now. */
  availableBytes: number;
  /** The most that one buffer may have. */
  maxBufferBytes: number;
  /** Whether its memory is the host's: what the device holds, the host lacks. */
  sharesHostMemory: boolean;
  threads: number;
  /** By the figures of its maker; absent where only measuring would tell. */
  peaks?: DevicePeaks;
  /** Whether a recording is dear here, so that steps of generation should come in few sizes. */
  roundsRows: boolean;
  /** Backends that `auto` would have taken before this one, best first. */
  passedOver: readonly PassedOver[];
}

/** A backend that `auto` did not take. */
export interface PassedOver {
  backend: string;
  /** Whether its library is there, so that something is wrong with it or with the machine. */
  installed: boolean;
  obstacle: Obstacle;
  reason: string;
}

export interface NativeDevice {
  info(): Omit<DeviceInfo, "passedOver">;
  /** Bytes of a (rows, columns) weight in packed layout, -1 when that dtype cannot be packed. */
  packedBytes(dtype: number, rows: number, columns: number): number;
  workspaceBytes(op: number, ...values: OpValue[]): number;
  whyUnsupported(op: number, ...values: OpValue[]): string | null;
  /** The kernel that these values take; without values that of the op in general. */
  kernelName(op: number, ...values: OpValue[]): string | null;
  /** Frees all that the device holds, and its threads; its streams are closed first. */
  close(): void;
}

export interface NativeStream {
  enqueue(op: number, ...values: OpValue[]): void;
  write(tensor: NativeTensor, array: NodeJS.TypedArray): void;
  read(tensor: NativeTensor, array: NodeJS.TypedArray): void;
  fill(tensor: NativeTensor, byte: number): void;
  synchronize(): Promise<void>;
  checkFinite(on: boolean): void;
  /** Until `endRecording`, ops are kept and not run; nothing else may be enqueued. */
  beginRecording(): void;
  endRecording(): NativeRecording;
  replay(recording: NativeRecording): void;
  freeRecording(recording: NativeRecording): void;
  /** Ends the stream's thread. Work that has not begun is dropped, and its fences reject. */
  close(): void;
}

export interface FieldSchema {
  name: string;
  type: "tensor" | "float" | "int" | "ints";
  doc: string;
  role?: "in" | "inOptional" | "out" | "outOptional" | "inOut" | "inOutOptional";
  kind?: "act" | "acc" | "weight" | "index" | "any" | "cache";
  shape?: string;
  default?: number;
}

export interface OpSchema {
  name: string;
  doc: string;
  fields: FieldSchema[];
}

export interface Addon {
  build: AddonBuild;
  Device: new (backend: string, threads: number, index: number, architecture?: string) => NativeDevice;
  Buffer: new (device: NativeDevice, bytes: number, planned: boolean) => NativeBuffer;
  Tensor: new (
    buffer: NativeBuffer,
    byteOffset: number,
    shape: readonly number[],
    dtype: number,
    layout: number,
  ) => NativeTensor;
  Stream: new (device: NativeDevice) => NativeStream;
  /** Whether a backend opens a driver of the system; loads its library. Errors have an `Obstacle` as their code, or none. */
  opensDriver(backend: string): boolean;
  /** Throws what keeps the backend from running here, and may crash or hang with its driver. */
  probeBackend(backend: string): void;
  describeOps(): OpSchema[];
  describeDTypes(): { name: string; blockElements: number; blockBytes: number }[];
  checkOp(op: number, ...values: OpValue[]): void;
  mapFile(path: string, offset: number, bytes: number): Uint8Array;
  /** Lets go of an array of `mapFile`, which is empty then; work in flight that reads it still finishes. */
  unmapFile(array: Uint8Array): void;
  /** Gives freed memory back to the system, where the C library can. */
  trimHeap(): void;
  /** Bytes of device buffers in this process, and all outside its heap that this thread's V8 knows of, these included. */
  deviceMemory(): { held: number; external: number };
}

let loaded: Addon | undefined;

/** The addon; loaded once a thread. @throws IBertError `addon-missing`, `addon-unfit` that say why there is none */
export function addon(): Addon {
  return (loaded ??= loadAddon() as Addon);
}

export { addonPath } from "./addon-file.js";
