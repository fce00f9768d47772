/** Tensors for timing single ops. Their values matter little, but none is zero, subnormal or huge. */
import { performance } from "node:perf_hooks";

/** A bf16 tensor of values of either sign between 2^-7 and 2. */
export function bf16Tensor(device, shape) {
  const values = new Uint16Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) {
    const bits = Math.imul(i + 1, 0x9e3779b1) >>> 16;
    values[i] = (bits & 0x8000) | (0x3c00 + (bits & 0x3ff));
  }
  return device.from(values, shape, "bf16");
}

/** A float32 tensor of values in ±scale. */
export function f32Tensor(device, shape, scale) {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) {
    values[i] = scale * ((Math.imul(i + 1, 0x9e3779b1) >>> 0) / 2 ** 31 - 1);
  }
  return device.from(values, shape, "f32");
}

/** A bf16 weight (N, K) in the backend's packed order. */
export async function packedWeight(device, n, k) {
  const source = bf16Tensor(device, [n, k]);
  const packed = device.empty([n, k], "bf16", "packed");
  device.ops.packWeight({ source, packed });
  await device.synchronize();
  device.free(source);
  return packed;
}

/**
 * Mean seconds of one call over at least `seconds`. Calls are enqueued some at a time, as a model enqueues them; the
 * waiting is counted.
 */
export async function secondsOfCall(device, enqueue, seconds) {
  await device.synchronize();
  let calls = 0;
  let batch = 1;
  let elapsed = 0;
  const start = performance.now();
  while (elapsed < seconds) {
    for (let i = 0; i < batch; i++) enqueue();
    await device.synchronize();
    calls += batch;
    elapsed = (performance.now() - start) / 1000;
    // About a twentieth of a second between two waits.
    batch = Math.max(1, Math.min(256, Math.round((0.05 * calls) / elapsed)));
  }
  return elapsed / calls;
}
