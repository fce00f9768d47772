// Holds ibert against transformers and PEFT on two layers of Devstral Small's true widths (slice.py writes them):
// npm run at-scale:slice -- --folder FOLDER [--backend cpu] [--activations f32|bf16] [--threads 0]
// Prints one object of JSON; ends with 1 where an error is above the bound. Takes 6 GB of memory.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { ownHeap } from "../../dist/cli/heap.js";

const at = (path) => import(`../../dist/${path}.js`);
const [{ ModelSession }, { Decoder }, { loadAdapter }, { loadPreset }, { openSafetensors }] =
  await Promise.all([
    at("models/session"),
    at("models/decoder"),
    at("models/adapter-file"),
    at("models/presets"),
    at("formats/safetensors"),
  ]);

const { values } = parseArgs({
  options: {
    folder: { type: "string" },
    backend: { type: "string", default: "cpu" },
    activations: { type: "string", default: "f32" },
    threads: { type: "string", default: "0" },
  },
});
const { folder, backend, activations } = values;
if (folder === undefined || !["f32", "bf16"].includes(activations)) {
  console.error("at-scale: --folder FOLDER is needed, as slice.py wrote it, and --activations f32 or bf16");
  process.exit(2);
}
ownHeap();

/** Of float32 on both sides; bf16 keeps 8 bits of each activation. */
const MOST_NMSE = { f32: 1e-9, bf16: 2e-3 }[activations];
const WIDTHS = [
  "hiddenSize",
  "intermediateSize",
  "vocabSize",
  "heads",
  "kvHeads",
  "headDim",
  "ropeTheta",
  "rmsNormEps",
];

const expected = openSafetensors(join(folder, "expected.safetensors"));
const { rows, versions } = JSON.parse(expected.metadata.golden);
const read = async (name) => new Float32Array(Uint8Array.from(await expected.read(name)).buffer);
function nmse(actual, wanted) {
  if (actual.length !== wanted.length) throw new Error(`${actual.length} values against ${wanted.length}`);
  let [error, norm] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    error += (actual[i] - wanted[i]) ** 2;
    norm += wanted[i] ** 2;
  }
  return error / norm;
}

const session = await ModelSession.open({
  base: join(folder, "base"),
  backend,
  threads: Number(values.threads),
});
const { device, config } = session;
const preset = loadPreset("devstral-small-2505").config;
const odd = WIDTHS.find((key) => config[key] !== preset[key]);
if (odd !== undefined) throw new Error(`${odd} is ${config[odd]}, of Devstral Small ${preset[odd]}`);
const { adapter } = await loadAdapter(device, config, join(folder, "adapter"), { training: true });
device.fill(adapter.grads, 0);
const decoder = new Decoder(device, config, session.weights, adapter, { activations, recompute: "layer" });

const upload = (list) => device.from(Int32Array.from(list), [list.length], "i32");
const starts = rows.reduce((ends, { ids }) => [...ends, ends.at(-1) + ids.length], [0]);
const batch = {
  tokens: upload(rows.flatMap(({ ids }) => ids)),
  targets: upload(rows.flatMap(({ ids, mask }) => ids.map((_, i) => (mask[i + 1] === 1 ? ids[i + 1] : -1)))),
  positions: upload(rows.flatMap(({ ids }) => ids.map((_, i) => i))),
  offsets: upload(starts),
};
const run = async (work) => {
  const arena = decoder.arenaFor("work", (planned, counting) => void work(planned, counting));
  try {
    return await device.readFloats(work(decoder, arena));
  } finally {
    arena.free();
  }
};

const errors = { logits: 0, losses: 0, gradients: 0 };
let worstGradient;
const note = (kind, value) => (errors[kind] = Math.max(errors[kind], value));
const logits = await run((graph, arena) => graph.logits(batch, arena));
const losses = await run((graph, arena) => graph.loss(batch, arena, { backward: true }));
for (const [i, { ids }] of rows.entries()) {
  const start = starts[i];
  const own = logits.subarray(start * config.vocabSize, (start + ids.length) * config.vocabSize);
  note("logits", nmse(own, await read(`row${i}.logits`)));
  note("losses", nmse(losses.subarray(start, start + ids.length - 1), await read(`row${i}.losses`)));
}
const gradients = adapter.layout.unpack(await device.readFloats(adapter.grads));
for (const [name, { data }] of gradients) {
  const error = nmse(data, await read(`grad.${name}`));
  if (error > errors.gradients) worstGradient = name;
  note("gradients", error);
}
const { name, architecture } = device.info;
await session.dispose();

const peak = 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
const agrees = Object.values(errors).every((error) => error <= MOST_NMSE);
console.log(
  JSON.stringify(
    {
      ...{ folder, backend, device: `${name}, ${architecture}`, activations, versions },
      ...{ lengths: rows.map(({ ids }) => ids.length), matrices: gradients.size },
      ...{ nmse: errors, worstGradient, bound: MOST_NMSE, peak, agrees },
    },
    null,
    2,
  ),
);
if (!agrees) process.exitCode = 1;
