// A worker that is ended at a random moment (teardown.test.ts). Plain JavaScript on the addon itself: it starts fast.
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";

const { addonPath, mode, file } = workerData;
const addon = createRequire(import.meta.url)(addonPath);
const F32 = 1;
const ops = new Map(addon.describeOps().map(({ name }, op) => [name, op]));

// A tensor keeps no memory, its buffer does: one that the collector takes is freed.
function open(bytes) {
  const device = new addon.Device("cpu", 2, 0);
  const buffer = new addon.Buffer(device, bytes, false);
  const small = new addon.Buffer(device, 4, false);
  const flat = new addon.Tensor(buffer, 0, [bytes / 4], F32, 0);
  const norm = new addon.Tensor(small, 0, [1], F32, 0);
  return { device, stream: new addon.Stream(device), buffer, flat, norm, buffers: [buffer, small] };
}
const say = (what) => parentPort.postMessage(what);

const MODES = {
  /** Seconds of work and one fence. */
  async long() {
    const { stream, flat, norm, buffers } = open(1 << 24);
    stream.fill(flat, 0);
    for (let i = 0; i < 3000; i++) stream.enqueue(ops.get("gradNorm"), flat, norm);
    const result = new Float32Array(1);
    stream.read(norm, result);
    const done = stream.synchronize();
    say("begun");
    await done;
    say(buffers.length > 0 && "settled");
  },
  /** Fences that are passed all the time, several open at once, some of them failing. */
  async fences() {
    const { device, stream, flat, norm, buffers } = open(1 << 12);
    const tensor = (bytes, shape, dtype) => {
      const buffer = new addon.Buffer(device, bytes, false);
      buffers.push(buffer);
      return new addon.Tensor(buffer, 0, shape, dtype, 0);
    };
    const ids = tensor(4, [1], 4);
    const wrong = new Int32Array([99]);
    const table = tensor(64, [4, 1], F32);
    const out = tensor(4, [1, 1], F32);
    say("begun");
    for (;;) {
      stream.enqueue(ops.get("gradNorm"), flat, norm);
      const first = stream.synchronize();
      stream.write(ids, wrong);
      stream.enqueue(ops.get("embedding"), ids, table, out);
      await Promise.allSettled([first, stream.synchronize()]);
      if (buffers.length === 0) return;
    }
  },
  /** Calls that throw. */
  errors() {
    const { stream } = open(1 << 12);
    say("begun");
    for (;;) {
      try {
        stream.enqueue(ops.get("gradNorm"), 1, 2);
      } catch {
        // It is meant to.
      }
      try {
        new addon.Device("none", 0, 0);
      } catch {
        // It is meant to.
      }
    }
  },
  /** Everything that is opened, closed and left to the collector. */
  async churn() {
    say("begun");
    for (;;) {
      const { device, stream, buffer, flat, norm, buffers } = open(1 << 20);
      stream.beginRecording();
      stream.enqueue(ops.get("gradNorm"), flat, norm);
      const recording = stream.endRecording();
      for (let i = 0; i < 20; i++) stream.replay(recording);
      const mapped = addon.mapFile(file, 0, 4096);
      stream.write(new addon.Tensor(buffer, 0, [1024], F32, 0), mapped);
      const done = stream.synchronize();
      if (Math.random() < 0.5) addon.unmapFile(mapped);
      if (Math.random() < 0.5) await done;
      else done.catch(() => undefined);
      if (Math.random() < 0.5) buffer.free();
      if (Math.random() < 0.7) {
        stream.close();
        device.close();
      }
      await setImmediate();
      buffers.length = 0;
    }
  },
};
await MODES[mode]();
