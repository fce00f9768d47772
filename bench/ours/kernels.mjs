/**
 * The operations around the matrix products by ibert: our side of `bench -- kernels`, at the shapes of
 * bench/peers/torch_kernels.py and under its names. A round answers { kernels: [{ name, seconds }] }.
 *
 *   node ours/kernels.mjs [--threads 2] [--seconds 0.5]
 */
import { parseArgs } from "node:util";

import { Device } from "../../dist/runtime/device.js";
import { bf16Tensor, f32Tensor, packedWeight, secondsOfCall } from "./operands.mjs";
import { hello, serve } from "./protocol.mjs";

const { values } = parseArgs({
  options: { threads: { type: "string", default: "2" }, seconds: { type: "string", default: "0.5" } },
});
const seconds = Number(values.seconds);
const device = Device.open("cpu", { threads: Number(values.threads) });
const { ops } = device;

// SmolLM2's training shapes: 4 rows x 512 tokens.
const [rows, length, hidden, intermediate, vocabulary] = [4, 512, 576, 1536, 49152];
const shape = { heads: 9, kvHeads: 3, headDim: 64, scale: 1 / 8 };
const parameters = 3_686_400;
const tokens = rows * length;
const width = shape.heads * shape.headDim;
const columns = width + 2 * shape.kvHeads * shape.headDim;

const qkv = bf16Tensor(device, [tokens, columns]);
const offsets = device.from(
  Int32Array.from({ length: rows + 1 }, (_, i) => i * length),
  [rows + 1],
  "i32",
);
const attention = device.empty([tokens, width], "bf16");
const lse = device.empty([tokens, shape.heads], "f32");
const dy = bf16Tensor(device, [tokens, width]);
const dqkv = device.empty([tokens, columns], "bf16");
const x = bf16Tensor(device, [tokens, hidden]);
const y = device.empty([tokens, hidden], "bf16");
const gain = f32Tensor(device, [hidden], 1);
const gateUp = bf16Tensor(device, [tokens, 2 * intermediate]);
const gated = device.empty([tokens, intermediate], "bf16");
const head = await packedWeight(device, vocabulary, hidden);
const targets = device.from(
  Int32Array.from({ length: tokens }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 0) % vocabulary),
  [tokens],
  "i32",
);
const loss = device.empty([tokens], "f32");
const dx = device.empty([tokens, hidden], "bf16");
const [param, grad, m] = [1, 1, 0.1].map((scale) => f32Tensor(device, [parameters], scale));
const v = device.empty([parameters], "f32");
device.fill(v, 0);
const norm = device.from(Float32Array.of(1), [1], "f32");
let step = 0;

const forward = () => ops.attentionForward({ qkv, offsets, y: attention, lse, ...shape });
const kernels = {
  attention_forward: forward,
  attention_forward_backward: () => {
    forward();
    ops.attentionBackward({ dy, qkv, y: attention, lse, offsets, dqkv, ...shape });
  },
  rmsnorm: () => ops.rmsNormForward({ x, weight: gain, y, eps: 1e-5 }),
  swiglu: () => ops.swigluForward({ gateUp, y: gated }),
  linear_cross_entropy_backward: () => ops.linearCrossEntropy({ x, weight: head, targets, loss, dx }),
  adamw: () => ops.adamW({ param, grad, m, v, norm, lr: 1e-5, weightDecay: 0.01, step: ++step }),
};

async function work() {
  const timed = [];
  for (const [name, enqueue] of Object.entries(kernels)) {
    timed.push({ name, seconds: await secondsOfCall(device, enqueue, seconds) });
  }
  return { kernels: timed };
}

await work();
hello("kernels", device, { tokens });
await serve(work);
