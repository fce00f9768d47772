/**
 * Finds and loads the addon, and says what its exports look like. Everything else in `lib/` goes through
 * `device.ts`; only this file and its neighbours in `lib/runtime` touch native objects.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { IBertError } from "../errors.js";
import { packageRoot } from "./cache.js";
import { readHost, whyHostCannot } from "./host.js";
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

const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

/** The addon; loaded once a thread. @throws IBertError `addon-missing` that says why it is not there or does not load */
export function addon(): Addon {
  return (loaded ??= load(addonPath()));
}

function load(file: string): Addon {
  try {
    return require(file) as Addon;
  } catch (cause) {
    const why = (cause as Error).message;
    throw new IBertError(
      "addon-missing",
      `ibert's native addon does not load: ${why.includes(file) ? why : `${file}: ${why}`}`,
      {
        hint:
          whyHostCannot(readHost()) ??
          "The file is damaged, or for another system: install ibert again; in a checkout, `npm run build:native`.",
        cause,
      },
    );
  }
}

/**
 * The addon's file: `$IBERT_ADDON`, else that of a checkout's build, else that of the installed package.
 * @throws IBertError `addon-missing` that lists where it was looked for
 */
export function addonPath(): string {
  const named = process.env["IBERT_ADDON"];
  if (named !== undefined && named !== "") {
    if (existsSync(named)) return path.resolve(named);
    throw new IBertError("addon-missing", `ibert's native addon is not there: IBERT_ADDON names ${named}`, {
      hint: "Name the ibert.node of a build, or unset IBERT_ADDON.",
    });
  }
  const built = path.join(packageRoot(), "build", "Release", "ibert.node");
  if (existsSync(built)) return built;
  try {
    // node-gyp-build looks into prebuilds/<platform> for what this Node and libc can load.
    return (require("node-gyp-build") as { resolve(root: string): string }).resolve(packageRoot());
  } catch (cause) {
    const host = readHost();
    const prebuilds = path.join(packageRoot(), "prebuilds");
    throw new IBertError(
      "addon-missing",
      `ibert's native addon is not there for ${host.platform}:\n` +
        `${built}: not there\n${path.join(prebuilds, host.platform)}: ${describePrebuilds(prebuilds, host.platform)}`,
      {
        hint:
          whyHostCannot(host) ??
          "Install ibert again: npm install ibert. " +
            "In a checkout run `npm run build:native` (a C++20 compiler and CMake are needed).",
        cause,
      },
    );
  }
}

/** What lies where the addon of a platform should. */
function describePrebuilds(folder: string, platform: string): string {
  const list = (of: string): string[] => (existsSync(of) ? readdirSync(of) : []);
  const files = list(path.join(folder, platform)).filter((name) => name.endsWith(".node"));
  if (files.length > 0) return `holds ${files.join(", ")}, not for this system's C library or this Node`;
  const others = list(folder);
  return others.length === 0 ? "not there" : `not there, beside it ${others.join(", ")}`;
}
