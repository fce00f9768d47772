/** What the tests of the graph share: batches on a device, golden tensors, error measures. */
import type { Device } from "../../runtime/device.js";
import { openSafetensors } from "../../formats/safetensors.js";
import type { DeviceBatch } from "../decoder.js";

export interface GoldenRow {
  ids: number[];
  /** 1 where the token is a target. */
  mask: number[];
}

/** Normalised mean squared error: |actual - expected|² / |expected|². */
export function nmse(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || expected.length === 0) {
    throw new RangeError(`cannot compare ${actual.length} values with ${expected.length}`);
  }
  let error = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    error += ((actual[i] as number) - (expected[i] as number)) ** 2;
    norm += (expected[i] as number) ** 2;
  }
  return error / norm;
}

/** Rows packed end to end, on a device. */
export function uploadRows(device: Device, rows: readonly GoldenRow[]): DeviceBatch {
  const tokens = Int32Array.from(rows.flatMap(({ ids }) => ids));
  const targets = Int32Array.from(
    rows.flatMap(({ ids, mask }) => ids.map((_, i) => (mask[i + 1] === 1 ? (ids[i + 1] as number) : -1))),
  );
  const positions = Int32Array.from(rows.flatMap(({ ids }) => ids.map((_, i) => i)));
  const offsets = [0];
  for (const { ids } of rows) offsets.push((offsets.at(-1) as number) + ids.length);
  return {
    tokens: device.from(tokens, [tokens.length], "i32"),
    targets: device.from(targets, [tokens.length], "i32"),
    positions: device.from(positions, [tokens.length], "i32"),
    offsets: device.from(Int32Array.from(offsets), [offsets.length], "i32"),
  };
}

/** A floating tensor of a golden file. */
export async function goldenTensor(path: string, name: string): Promise<Float64Array | Float32Array> {
  const file = openSafetensors(path);
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`${path}: there is no tensor ${name}`);
  const bytes = await file.read(name);
  const { buffer } = Uint8Array.from(bytes);
  return tensor.dtype === "F64" ? new Float64Array(buffer) : new Float32Array(buffer);
}
