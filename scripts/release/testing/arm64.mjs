// What a Node for arm64 does with a packed ibert, under an emulator of the processor that lets it start no other process:
// an op on the addon's CPU backend, held to the reference.
//   IBERT_PROBE_SECONDS=0 qemu-aarch64-static -L SYSROOT NODE scripts/release/testing/arm64.mjs FOLDER_OF_THE_PACKAGE
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const { Device } = await import(pathToFileURL(join(folder, "dist/runtime/device.js")).href);
const T = 5;
const F = 33;
const values = Float32Array.from({ length: T * 2 * F }, (_, i) => Math.sin(i) * 3);

async function swiglu(backend) {
  const device = Device.open(backend, { threads: 2 });
  const gateUp = device.from(values, [T, 2 * F], "f32");
  const y = device.empty([T, F], "f32");
  device.ops.swigluForward({ gateUp, y });
  const found = await device.readFloats(y);
  const { architecture } = device.info;
  await device.close();
  return { found, architecture };
}

const [cpu, reference] = [await swiglu("cpu"), await swiglu("reference")];
let [error, size] = [0, 0];
for (const [i, value] of reference.found.entries()) {
  error += (cpu.found[i] - value) ** 2;
  size += value ** 2;
}
assert.ok(size > 0 && error <= 1e-10 * size, `NMSE ${error / size}`);
console.log(
  `${process.arch} ${process.version}, cpu (${cpu.architecture}): NMSE ${(error / size).toExponential(1)}`,
);
