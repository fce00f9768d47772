/**
 * Whether llama.cpp, as the other reader of a GGUF, would say what ibert says: greedy answers of llama.cpp, and beside each
 * token of them ibert's own logits, computed with float32 activations.
 *
 *   bash bench/peers/setup.sh llama && npm run build:ts
 *   node bench/peers/greedy.mjs --model FILE.gguf [--weights FILE.gguf] [--tokens 32] [--threads 2]
 *
 * `--weights` is what ibert reads, where that is another file with the same weights: a copy in float32
 * (`gguf_f32.py`) shows what llama.cpp's rounding of activations to 8 bits does, which it does beside quantised weights only.
 * Prints a line of JSON for each prompt: where ibert would have gone on otherwise, the margin of the two tokens in ibert's
 * logits and in llama.cpp's, and `logOddsError`, the root mean square of the difference between both sides' log-odds of
 * llama.cpp's two likeliest tokens. A margin well above that would be a fault; one of its size is a tie.
 */
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const at = (path) => import(`../../dist/${path}.js`);
const [{ ModelSession }, { Decoder }] = await Promise.all([at("models/session"), at("models/decoder")]);

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    weights: { type: "string" },
    tokens: { type: "string", default: "32" },
    threads: { type: "string", default: "2" },
  },
});
if (values.model === undefined) {
  console.error("greedy.mjs: --model FILE.gguf is required");
  process.exit(2);
}
const [count, threads] = [Number(values.tokens), Number(values.threads)];
const PROMPTS = [
  "The capital of France is",
  "def fibonacci(n):\n",
  "SELECT name, count(*) FROM users",
  "import ibis\n\nt = ibis.table(",
  "Once upon a time there was a",
  "The three laws of thermodynamics are",
  "A lazy table expression holds no rows. It is a plan:",
  "To group rows by a column in pandas, use",
  "for (let i = 0; i <",
  "Water boils at",
  "class Stack:\n    def __init__(self):",
  "The quick brown fox",
];

/** Of each prompt its ids, llama.cpp's greedy tokens, and [id, probability] of the two likeliest at each. */
async function answersOfLlama() {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: values.model });
  const context = await model.createContext({ contextSize: 512, threads: { ideal: threads, min: threads } });
  const sequence = context.getSequence();
  const answers = [];
  for (const text of PROMPTS) {
    await sequence.clearHistory();
    const prompt = model.tokenize(text);
    const [tokens, best] = [[], []];
    const options = { temperature: 0, yieldEogToken: true };
    for await (const { token, probabilities } of sequence.evaluateWithMetadata(
      prompt,
      { probabilities: true },
      options,
    )) {
      best.push([...probabilities].slice(0, 2));
      if (tokens.push(token) === count) break;
    }
    answers.push({ text, prompt, tokens, best });
  }
  await llama.dispose();
  return answers;
}

const answers = await answersOfLlama();
const base = values.weights ?? values.model;
const session = await ModelSession.open({ base, backend: "cpu", threads, weights: "f32" });
const { device, config } = session;
const decoder = new Decoder(device, config, session.weights, undefined, {
  activations: "f32",
  recompute: "none",
});

async function logitsOf(ids) {
  const upload = (list) => device.from(Int32Array.from(list), [list.length], "i32");
  const batch = {
    tokens: upload(ids),
    positions: upload(ids.map((_, i) => i)),
    offsets: upload([0, ids.length]),
  };
  const arena = decoder.arenaFor("greedy", (planned, counting) => void planned.logits(batch, counting));
  const logits = await device.readFloats(decoder.logits(batch, arena));
  arena.free();
  for (const tensor of Object.values(batch)) device.free(tensor);
  return logits;
}

let same = 0;
for (const { text, prompt, tokens, best } of answers) {
  const logits = await logitsOf([...prompt, ...tokens.slice(0, -1)]);
  let squares = 0;
  let parting = null;
  for (const [i, token] of tokens.entries()) {
    const start = (prompt.length - 1 + i) * config.vocabSize;
    const row = logits.subarray(start, start + config.vocabSize);
    const [[first, p1], [second, p2]] = best[i];
    const theirMargin = Math.log(p1 / p2);
    squares += (theirMargin - (row[first] - row[second])) ** 2;
    if (parting !== null) continue;
    const own = row.reduce((highest, value, id) => (value > row[highest] ? id : highest), 0);
    if (own !== token)
      parting = { at: i, llama: token, ibert: own, ibertMargin: row[own] - row[token], theirMargin };
  }
  same += parting === null ? 1 : 0;
  console.log(JSON.stringify({ text, logOddsError: Math.sqrt(squares / tokens.length), parting }));
}
console.log(JSON.stringify({ model: values.model, prompts: answers.length, tokens: count, same }));
await session.dispose();
