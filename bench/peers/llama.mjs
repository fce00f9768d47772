/**
 * Prefill and decode by llama.cpp, through node-llama-cpp: the peer of `bench -- prefill` and `bench -- decode`.
 *
 *   node llama.mjs --model SmolLM2-135M-Instruct.Q4_1.gguf [--threads 2] [--prompt-tokens 178] [--decode-tokens 128]
 *
 * Speaks the protocol of protocol.py: a hello line, then for each `round N` on standard input one JSON line
 * { round, prefillTokensPerSecond, decodeTokensPerSecond, prefillSeconds, decodeSeconds, peakRssBytes }.
 */
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { readFileSync } from "node:fs";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: "2" },
    "prompt-tokens": { type: "string", default: "178" },
    "decode-tokens": { type: "string", default: "128" },
  },
});
if (values.model === undefined) {
  console.error("llama.mjs: --model FILE.gguf is required");
  process.exit(2);
}
const threads = Number(values.threads);
const promptTokens = Number(values["prompt-tokens"]);
const decodeTokens = Number(values["decode-tokens"]);
const paragraph =
  "A lazy table expression holds no rows. It is a plan: which tables to read, which rows to keep, how to join and " +
  "group them, and in which order to return the result. ";

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const started = performance.now();
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: threads,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: values.model });
const context = await model.createContext({
  contextSize: promptTokens + decodeTokens + 8,
  batchSize: 512,
  threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
const prompt = model.tokenize(paragraph.repeat(Math.ceil(promptTokens / 20))).slice(0, promptTokens);
if (prompt.length !== promptTokens)
  throw new Error(`the prompt has ${prompt.length} tokens, not ${promptTokens}`);
const loadSeconds = (performance.now() - started) / 1000;

async function round() {
  await sequence.clearHistory();
  const start = performance.now();
  // All but the last token in one batch; the last one begins the decode.
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const prefilled = performance.now();
  const tokens = [];
  // An end-of-generation token does not stop the loop: every round decodes the same number.
  for await (const token of sequence.evaluate(prompt.slice(-1), { temperature: 0, yieldEogToken: true })) {
    if (tokens.push(token) === decodeTokens) break;
  }
  const finished = performance.now();
  if (tokens.length !== decodeTokens)
    throw new Error(`llama.cpp stopped after ${tokens.length} of ${decodeTokens} tokens`);
  const prefillSeconds = (prefilled - start) / 1000;
  const decodeSeconds = (finished - prefilled) / 1000;
  return {
    prefillTokensPerSecond: (promptTokens - 1) / prefillSeconds,
    decodeTokensPerSecond: decodeTokens / decodeSeconds,
    prefillSeconds,
    decodeSeconds,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

await round();
const { version } = JSON.parse(
  readFileSync(new URL("node_modules/node-llama-cpp/package.json", import.meta.url), "utf8"),
);
answer({
  hello: "llama",
  nodeLlamaCpp: version,
  llamaCpp: llama.llamaCppRelease.release,
  node: process.versions.node,
  threads: context.currentThreads || context.idealThreads,
  flashAttention: context.flashAttention,
  loadSeconds,
});

for await (const line of createInterface({ input: process.stdin })) {
  const match = /^round (\d+)$/.exec(line.trim());
  answer(
    match === null
      ? { error: `expected "round N", got ${JSON.stringify(line)}` }
      : { round: Number(match[1]), ...(await round()) },
  );
}
await llama.dispose();
