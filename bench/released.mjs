/**
 * The binary of a release (`npm run release:build -- --platforms linux-x64`) against this checkout's own build: training and
 * decoding on the CPU, in turns, in speed and in processor time, which other programs disturb less. `rounds` counts starts of both.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";

import { inTurns, Participant } from "./driver.mjs";
import { benchmarkModel } from "./model.mjs";
import { PROMPT_TOKENS } from "./prefill.mjs";
import { median, row } from "./report.mjs";
import { writeTokens } from "./train.mjs";

const RELEASED = `prebuilds/${process.platform}-${process.arch}/ibert.glibc.node`;
/** Rounds that each start does, in turns: where a process lies in memory changes its speed, so there are several starts. */
const ROUNDS_OF_A_START = 2;

export async function released({ rounds, threads, quick, peak, quiet, log }) {
  if (!existsSync(RELEASED))
    throw new Error(`${RELEASED} is not there: npm run release:build -- --platforms linux-x64`);
  const addons = { released: resolve(RELEASED), local: resolve("build/Release/ibert.node") };
  const model = await benchmarkModel();
  const count = ["--threads", String(threads), "--model", model.path];
  const tokens = quick ? "32" : "128";
  const works = [
    {
      name: "LoRA training",
      script: "train.mjs",
      args: ["--tokens", writeTokens(model.vocabulary)],
      speed: ({ tokensPerSecond }) => tokensPerSecond,
    },
    {
      name: "decode, 1 sequence",
      script: "generate.mjs",
      args: ["--prompt-tokens", String(PROMPT_TOKENS), "--decode-tokens", tokens],
      speed: ({ decodeTokensPerSecond }) => decodeTokensPerSecond,
    },
  ];
  const all = [];
  const rows = [];
  for (const { name, script, args, speed } of works) {
    const pairs = [];
    for (let start = 1; start <= rounds; start++) {
      log(`${script}, start ${start} of ${rounds}`);
      const sides = start % 2 === 1 ? ["released", "local"] : ["local", "released"];
      const starters = sides.map((side) => () => {
        const env = { ...process.env, IBERT_ADDON: addons[side] };
        const words = [resolve("bench/ours", script), ...args, ...count];
        return Participant.start(`${side}, ${script}`, process.execPath, words, { env });
      });
      const participants = await inTurns(starters, ROUNDS_OF_A_START, { log, peak, quiet });
      all.push(...participants);
      const [released, local] = sides[0] === "released" ? participants : participants.toReversed();
      requireSameResult(released, local);
      released.answers.forEach((answer, i) => pairs.push([answer, local.answers[i]]));
    }
    rows.push(comparison(name, "tokens/s", pairs, speed));
    rows.push(comparison(`${name}, processor time`, "s", pairs, ({ cpuSeconds }) => cpuSeconds));
  }
  return { participants: all, rows };
}

/** Medians of each side, and as their ratio the median of those of the pairs, whose halves ran one after the other. */
function comparison(name, unit, pairs, pick) {
  const [ours, theirs] = [0, 1].map((side) => pairs.map((pair) => pick(pair[side])));
  const ratios = ours.map((value, i) => row({ unit, ours: value, theirs: theirs[i] }).ratio);
  const whole = row({ name, peer: "local build", ours: median(ours), theirs: median(theirs), unit });
  return { ...whole, ratio: median(ratios) };
}

/** The compilers differ, and with them the order of some sums, but not the work. */
function requireSameResult({ hello: a }, { hello: b }) {
  if (a.isa !== b.isa) throw new Error(`the released binary runs ${a.isa}, the local build ${b.isa}`);
  if (Math.abs((a.firstLoss ?? 1) - (b.firstLoss ?? 1)) > 1e-4 * (b.firstLoss ?? 1))
    throw new Error(`the first loss is ${a.firstLoss}, and ${b.firstLoss} with the local build`);
}
