/**
 * Matrix products by ibert: our side of `bench -- gemm`. A shape M x K x N is y (M, N) = x (M, K) . W (N, K)^T in bf16.
 *
 *   node ours/gemm.mjs --shapes 1024x5120x4096,… --lora 1024x5120x4096+1024+1024,… [--threads 2] [--seconds 0.5]
 *
 * A round answers { shapes: [{ shape, seconds, gflops }], lora: [{ shape, baseSeconds, seconds }] }. Under --lora, N may
 * be a sum of stacked segments, each with its own LoRA of rank 32; base and LoRA are timed in turns.
 */
import { parseArgs } from "node:util";

import { Device } from "../../dist/runtime/device.js";
import { bf16Tensor, f32Tensor, packedWeight, secondsOfCall } from "./operands.mjs";
import { hello, serve } from "./protocol.mjs";

const RANK = 32;
const { values } = parseArgs({
  options: {
    shapes: { type: "string" },
    lora: { type: "string", default: "" },
    threads: { type: "string", default: "2" },
    seconds: { type: "string", default: "0.5" },
  },
});
const seconds = Number(values.seconds);
const device = Device.open("cpu", { threads: Number(values.threads) });
const list = (text) => text.split(",").filter((shape) => shape !== "");

async function product(shape) {
  const [m, k, sum] = shape.split("x");
  const [M, K] = [Number(m), Number(k)];
  const widths = sum.split("+").map(Number);
  const N = widths.reduce((total, width) => total + width, 0);
  const x = bf16Tensor(device, [M, K]);
  const weight = await packedWeight(device, N, K);
  const y = device.empty([M, N], "bf16");
  const base = () => device.ops.loraLinearForward({ x, weight, y });
  return { shape, M, K, N, widths, x, weight, y, base };
}

function withLora({ M, K, N, widths, x, weight, y, ...rest }) {
  const R = RANK * widths.length;
  const operands = {
    loraA: f32Tensor(device, [1, R, K], 0.02),
    loraB: f32Tensor(device, [1, N, RANK], 0.02),
    xa: device.empty([M, R], "bf16"),
    segments: widths.map((_, i) => widths.slice(0, i + 1).reduce((total, width) => total + width, 0)),
    slots: widths.map((_, i) => i),
    scale: 2,
  };
  const lora = () => device.ops.loraLinearForward({ x, weight, y, ...operands });
  return { M, K, N, ...rest, lora };
}

const plain = [];
for (const shape of list(values.shapes)) plain.push(await product(shape));
const adapted = [];
for (const shape of list(values.lora)) adapted.push(withLora(await product(shape)));

async function work() {
  const shapes = [];
  for (const { shape, M, K, N, base } of plain) {
    const time = await secondsOfCall(device, base, seconds);
    shapes.push({ shape, seconds: time, gflops: (2 * M * K * N) / time / 1e9 });
  }
  const lora = [];
  for (const { shape, base, lora: enqueue } of adapted) {
    const baseSeconds = await secondsOfCall(device, base, seconds);
    lora.push({ shape, baseSeconds, seconds: await secondsOfCall(device, enqueue, seconds) });
  }
  return { shapes, lora };
}

await work();
hello("gemm", device, { kernel: device.kernelName("loraLinearForward") });
await serve(work);
