// Runs a large base here: opens it, takes one LoRA training step, decodes, and holds the peak of memory against the plan.
// npm run at-scale:check -- --base FILE [--rank 32] [--tokens 128] [--decode 16] [--recompute layer]
// Prints one object of JSON; ends with 1 where a bound is not held. Progress goes to stderr.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { ownHeap } from "../../dist/cli/heap.js";

const at = (path) => import(`../../dist/${path}.js`);
const [{ ModelSession }, { Decoder }, { TrainStep }, { planMemory, availableMemory }, { Random }] =
  await Promise.all([
    at("models/session"),
    at("models/decoder"),
    at("training/train-step"),
    at("training/plan"),
    at("data/random"),
  ]);
const [{ packRows }, { InferenceEngine }] = await Promise.all([at("data/packing"), at("generation/engine")]);

const { values } = parseArgs({
  options: {
    base: { type: "string" },
    rank: { type: "string", default: "32" },
    tokens: { type: "string", default: "128" },
    decode: { type: "string", default: "16" },
    recompute: { type: "string", default: "layer" },
    threads: { type: "string", default: "0" },
  },
});
const [rank, tokens, decode, threads] = ["rank", "tokens", "decode", "threads"].map((name) =>
  Number(values[name]),
);
const { base, recompute } = values;
if (base === undefined || [rank, tokens, decode, threads].some((number) => !Number.isInteger(number))) {
  console.error("at-scale: --base FILE is needed, and whole numbers");
  process.exit(2);
}
ownHeap();

const MOST_OPEN_SECONDS = 10;
const MOST_DIFFERENCE = 0.05;
const LORA = {
  rank,
  alpha: 2 * rank,
  targets: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
};
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };
const status = (key) =>
  1024 *
  Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
const timed = async (name, work) => {
  const begun = Date.now();
  const before = process.cpuUsage();
  process.stderr.write(`${name} …\n`);
  const result = await work();
  const seconds = (Date.now() - begun) / 1000;
  process.stderr.write(`${name}: ${seconds.toFixed(1)} s\n`);
  const { user, system } = process.cpuUsage(before);
  return { result, seconds, cpuSeconds: (user + system) / 1e6 };
};

const stepOf = (session) => {
  const adapter = session.createAdapter(LORA, Random.of(1, "lora"));
  const options = { activations: "bf16", recompute };
  return new TrainStep(
    new Decoder(session.device, session.config, session.weights, adapter, options),
    OPTIMIZER,
    tokens,
  );
};

const planned = await ModelSession.open({ base, backend: "cpu", threads, planned: true });
const plan = planMemory(planned, () => stepOf(planned));
await planned.dispose();
const available = availableMemory();
if (plan.device > available) {
  console.error(
    `at-scale: the run takes ${plan.device} bytes, and ${available} are available; write fewer --layers`,
  );
  process.exit(2);
}

let shown = 0;
const open = await timed("open", () =>
  ModelSession.open({
    base,
    ...{ backend: "cpu", threads },
    onProgress: (done, total) => {
      if (Date.now() - shown < 1000) return;
      shown = Date.now();
      process.stderr.write(`  ${typeof done === "number" ? `${done} of ${total}` : JSON.stringify(done)}\n`);
    },
  }),
);
const session = open.result;
const { config } = session;
const random = Random.of(2, "tokens");
const ids = Int32Array.from({ length: tokens }, () => 3 + random.below(config.vocabSize - 3));
const batch = packRows([{ id: "row", row: 0, task: "qa", ids, promptLength: 1 }], tokens, 0);
const step = stepOf(session);
const first = await timed("training step", () => step.run([batch], 1, 1e-4));
const peak = status("VmHWM");
const second = await timed("the same batch again", () => step.run([batch], 2, 1e-4));
step.free();

const engine = new InferenceEngine(session, undefined, {
  ...{ activations: "bf16", maxRows: 512, maxSequences: 1, maxPositions: 512 },
});
const drawing = { temperature: 0, topP: 1, topK: 0, uniform: [0] };
const decoded = [];
const decoding = await timed(`${decode} tokens`, async () => {
  const sequence = engine.cache.reuse([], -1, 0);
  let input = [...ids.subarray(0, 16)];
  for (let i = 0; i < decode; i++) {
    engine.step([{ sequence, tokens: input, adapter: -1, outputs: 1 }]);
    const { ids: drawn } = await engine.drawer.draw([drawing]);
    decoded.push(drawn[0]);
    input = [drawn[0]];
  }
});
engine.dispose();
await session.dispose();

const parts = { open, step: first, secondStep: second, decode: decoding };
const each = (value) => Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, value(part)]));
const difference = (peak - plan.total) / plan.total;
const verdicts = {
  opensInTime: open.seconds <= MOST_OPEN_SECONDS,
  peakAsPlanned: Math.abs(difference) <= MOST_DIFFERENCE,
  losesOnItsBatch: second.result.loss < first.result.loss,
  decodes: decoded.length === decode && decoded.every((id) => id >= 0 && id < config.vocabSize),
};
console.log(
  JSON.stringify(
    {
      ...{ base, layers: config.layers, rank, tokens, recompute },
      seconds: each(({ seconds }) => seconds),
      // Above all on a machine that others use too.
      cpuSeconds: each(({ cpuSeconds }) => cpuSeconds),
      loss: [first.result.loss, second.result.loss],
      gradNorm: first.result.gradNorm,
      decoded,
      memory: { planned: plan, peak, difference },
      verdicts,
    },
    null,
    2,
  ),
);
if (Object.values(verdicts).includes(false)) process.exitCode = 1;
