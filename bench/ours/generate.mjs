/**
 * Prefill and decode by ibert: our side of `bench -- prefill` and `bench -- decode`, greedy.
 *
 *   node ours/generate.mjs --model FILE.gguf [--threads 2] [--prompt-tokens 178] [--decode-tokens 128]
 *                          [--sequences 8]
 *
 * A round completes one prompt and answers { prefillTokensPerSecond, decodeTokensPerSecond, peakRssBytes }: prefill from
 * the call to the first token, decode from there to the last. With --sequences it then completes one prompt with a LoRA
 * adapter (rank 32 on q, k, v, o), and that many prompts with four such adapters in turn, and adds
 * { loraDecodeTokensPerSecond, batchDecodeTokensPerSecond }. Nothing is guessed ahead or kept from one prompt to the next.
 */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { Random } from "../../dist/data/random.js";
import { InferenceEngine } from "../../dist/generation/engine.js";
import { generate } from "../../dist/generation/generate.js";
import { LoraBank } from "../../dist/generation/lora-bank.js";
import { LoraLayout } from "../../dist/models/lora.js";
import { ModelSession } from "../../dist/models/session.js";
import { hello, peakRssBytes, serve } from "./protocol.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: "2" },
    "prompt-tokens": { type: "string", default: "178" },
    "decode-tokens": { type: "string", default: "128" },
    sequences: { type: "string", default: "0" },
  },
});
const promptTokens = Number(values["prompt-tokens"]);
const maxTokens = Number(values["decode-tokens"]);
const sequences = Number(values.sequences);
const paragraph =
  "A lazy table expression holds no rows. It is a plan: which tables to read, which rows to keep, how to join and " +
  "group them, and in which order to return the result. ";

const started = performance.now();
const session = await ModelSession.open({
  base: values.model,
  backend: "cpu",
  threads: Number(values.threads),
});
const prompt = session.tokenizer
  .encode(paragraph.repeat(Math.ceil(promptTokens / 20)))
  .slice(0, promptTokens);
if (prompt.length !== promptTokens)
  throw new Error(`the prompt has ${prompt.length} tokens, not ${promptTokens}`);

const engineFor = (adapter, count) =>
  new InferenceEngine(session, adapter, {
    activations: "bf16",
    maxRows: 512,
    maxSequences: count,
    maxPositions: count * (promptTokens + maxTokens + 32),
  });
const plain = engineFor(undefined, 1);
const lora = { rank: 32, alpha: 64, targets: ["q_proj", "k_proj", "v_proj", "o_proj"] };
const ADAPTERS = 4;
const layout = new LoraLayout(session.config, lora);
const stored = Array.from({ length: ADAPTERS }, (_, i) => ({
  layout,
  values: layout.initialValues(Random.of(i, "lora")),
}));
const adapted =
  sequences > 0
    ? engineFor(new LoraBank(session.device, session.config, stored, "bf16"), sequences)
    : undefined;
const loadSeconds = (performance.now() - started) / 1000;

/** Completes `count` copies of the prompt; decode begins when every text has its first token. */
async function complete(engine, count) {
  let prefilled = 0;
  let waiting = count;
  let after = 0;
  const start = performance.now();
  const texts = await generate(engine, Array(count).fill(prompt), {
    maxTokens,
    stopIds: [],
    draftTokens: 0,
    promptCache: false,
    adapter: (index) => (engine.adapters === undefined ? -1 : index % ADAPTERS),
    onToken: (_, __, ids) => {
      if (waiting === 0) after++;
      else if (ids.length === 1 && --waiting === 0) prefilled = performance.now();
    },
  });
  const finished = performance.now();
  if (texts.some(({ ids }) => ids.length !== maxTokens)) throw new Error("a text ended early");
  return {
    prefill: (count * promptTokens) / ((prefilled - start) / 1000),
    decode: after / ((finished - prefilled) / 1000),
  };
}

async function work() {
  const one = await complete(plain, 1);
  const answer = { prefillTokensPerSecond: one.prefill, decodeTokensPerSecond: one.decode };
  if (adapted !== undefined) {
    answer.loraDecodeTokensPerSecond = (await complete(adapted, 1)).decode;
    answer.batchDecodeTokensPerSecond = (await complete(adapted, sequences)).decode;
  }
  return { ...answer, peakRssBytes: peakRssBytes() };
}

await work();
hello("generate", session.device, { loadSeconds, promptTokens, decodeTokens: maxTokens, sequences });
await serve(work);
