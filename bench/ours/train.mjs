/**
 * LoRA training by ibert: our side of `bench -- train`. Rank 32, alpha 64 on q, k, v, o; one packed batch a step;
 * AdamW with clipping at 1. A round is one step and answers { seconds, tokensPerSecond, loss, peakRssBytes }.
 *
 *   node ours/train.mjs --model FILE.gguf --tokens ROWS.json [--threads 2] [--weights keep|bf16]
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { packRows } from "../../dist/data/packing.js";
import { Random } from "../../dist/data/random.js";
import { Decoder } from "../../dist/models/decoder.js";
import { ModelSession } from "../../dist/models/session.js";
import { planMemory } from "../../dist/training/plan.js";
import { TrainStep } from "../../dist/training/train-step.js";
import { hello, peakRssBytes, serve } from "./protocol.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    tokens: { type: "string" },
    threads: { type: "string", default: "2" },
    weights: { type: "string", default: "keep" },
  },
});
const rows = JSON.parse(readFileSync(values.tokens, "utf8"));
const budget = rows.reduce((sum, ids) => sum + ids.length, 0);
// Every token but the first of a row is supervised, as in PEFT's peer.
const batch = packRows(
  rows.map((ids, i) => ({ id: `row ${i + 1}`, ids, promptLength: 1 })),
  budget,
  0,
);

const open = (planned) =>
  ModelSession.open({
    base: values.model,
    backend: "cpu",
    threads: Number(values.threads),
    weights: values.weights,
    planned,
  });
function trainStepOf(session) {
  const lora = { rank: 32, alpha: 64, targets: ["q_proj", "k_proj", "v_proj", "o_proj"] };
  const adapter = session.createAdapter(lora, Random.of(1, "lora"));
  const decoder = new Decoder(session.device, session.config, session.weights, adapter, {
    activations: "bf16",
    recompute: "none",
  });
  const optimizer = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  return new TrainStep(decoder, optimizer, budget);
}

// As `ibert-train --dry-run` does it.
async function planned() {
  const session = await open(true);
  return planMemory(session, () => trainStepOf(session));
}
const plan = await planned();

const started = performance.now();
const session = await open(false);
const { device } = session;
const trainStep = trainStepOf(session);
const loadSeconds = (performance.now() - started) / 1000;

let step = 0;
async function work() {
  const start = performance.now();
  const { loss, tokens } = await trainStep.run([batch], ++step, 1e-4);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, tokensPerSecond: tokens / seconds, loss, peakRssBytes: peakRssBytes() };
}

const first = await work();
hello("train", device, {
  weights: values.weights,
  loadSeconds,
  firstStepSeconds: first.seconds,
  firstLoss: first.loss,
  plannedBytes: plan.total,
  supervisedTokens: batch.supervisedTokens,
});
await serve(work);
