// Ends its own process while work is in flight (teardown.test.ts):
//   node ending-process.mjs ADDON HOW MILLISECONDS
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const [addonPath, how, milliseconds] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
const device = new addon.Device("cpu", 2, 0);
const stream = new addon.Stream(device);
const bytes = 1 << 24;
// Exported, so that the collector leaves them: a tensor keeps no memory.
export const buffers = [new addon.Buffer(device, bytes, false), new addon.Buffer(device, 4, false)];
const flat = new addon.Tensor(buffers[0], 0, [bytes / 4], 1, 0);
const norm = new addon.Tensor(buffers[1], 0, [1], 1, 0);
const gradNorm = addon.describeOps().findIndex(({ name }) => name === "gradNorm");
let pending = false;

function begin(ops) {
  stream.fill(flat, 0);
  for (let i = 0; i < ops; i++) stream.enqueue(gradNorm, flat, norm);
}
function wait() {
  pending = true;
  return stream.synchronize().finally(() => (pending = false));
}
process.on("exit", () => console.log(pending ? "in flight" : "idle"));

const ENDINGS = {
  async exit() {
    begin(3000);
    void wait();
    await setTimeout(Number(milliseconds));
    process.exit(3);
  },
  async throw() {
    begin(3000);
    void wait();
    await setTimeout(Number(milliseconds));
    process.nextTick(() => {
      throw new Error("thrown on purpose");
    });
  },
  async reject() {
    begin(3000);
    void wait();
    await setTimeout(Number(milliseconds));
    void Promise.reject(new Error("rejected on purpose"));
  },
  /** What is awaited keeps the process alive until it has run. */
  async awaited() {
    begin(50);
    await wait();
    console.log("awaited");
  },
  /** What nobody awaits does not. */
  dropped() {
    begin(3000);
    pending = true;
  },
  async closed() {
    begin(3000);
    const done = wait().catch((error) => console.log(error.message));
    stream.close();
    device.close();
    await done;
  },
  /** The main thread goes while a worker of its own computes. */
  async worker() {
    const worker = new Worker(new URL("ended-worker.mjs", import.meta.url), {
      workerData: { addonPath, mode: "long" },
    });
    await new Promise((resolve) => worker.on("message", resolve));
    begin(3000);
    void wait();
    await setTimeout(Number(milliseconds));
    process.exit(3);
  },
};
await ENDINGS[how]();
