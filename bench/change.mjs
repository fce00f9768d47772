/**
 * This checkout against another one, such as the same project before a change: our own side of train, decode, prefill,
 * gemm and kernels from both, in turns. `rounds` counts starts of both, of two rounds each. Both take this checkout's
 * model and weights; each runs its own build.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { GEMM_SHAPES, LORA_SHAPES } from "./gemm.mjs";
import { KERNEL_LABELS } from "./kernels.mjs";
import { inTurns, Participant } from "./driver.mjs";
import { benchmarkModel } from "./model.mjs";
import { PROMPT_TOKENS } from "./prefill.mjs";
import { median, row } from "./report.mjs";
import { writeTokens } from "./train.mjs";

const ROUNDS_OF_A_START = 2;

export async function change({ before, rounds, threads, quick, peak, quiet, log }) {
  const roots = { ours: resolve("."), before: resolve(before) };
  for (const file of ["dist/index.js", "build/Release/ibert.node", "bench/ours/train.mjs"]) {
    if (!existsSync(join(roots.before, file)))
      throw new Error(`${before} has no ${file}: build that checkout first (npm ci && npm run build)`);
  }
  const model = await benchmarkModel();
  const count = ["--threads", String(threads)];
  const seconds = ["--seconds", quick ? "0.2" : "0.5"];
  const works = [
    {
      script: "train.mjs",
      args: ["--model", model.path, "--tokens", writeTokens(model.vocabulary), ...count],
      figures: [figure("LoRA training", "tokens/s", ({ tokensPerSecond }) => tokensPerSecond)],
    },
    {
      script: "generate.mjs",
      args: [
        "--model",
        model.path,
        ...count,
        "--prompt-tokens",
        String(PROMPT_TOKENS),
        "--decode-tokens",
      ].concat(quick ? "32" : "128", ["--sequences", "8"]),
      figures: [
        figure("prefill", "tokens/s", ({ prefillTokensPerSecond }) => prefillTokensPerSecond),
        figure("decode, 1 sequence", "tokens/s", ({ decodeTokensPerSecond }) => decodeTokensPerSecond),
        figure(
          "decode, 1 sequence with an adapter",
          "tokens/s",
          (answer) => answer.loraDecodeTokensPerSecond,
        ),
        figure(
          "decode, 8 sequences with 4 adapters",
          "tokens/s",
          (answer) => answer.batchDecodeTokensPerSecond,
        ),
      ],
    },
    {
      script: "gemm.mjs",
      args: ["--shapes", GEMM_SHAPES.join(","), "--lora", LORA_SHAPES.join(","), ...seconds, ...count],
      figures: [
        ...GEMM_SHAPES.map((shape, i) =>
          figure(`bf16 GEMM ${shape}`, "GFLOP/s", ({ shapes }) => shapes[i].gflops),
        ),
        ...LORA_SHAPES.map((shape, i) =>
          figure(`LoRA linear ${shape}`, "ms", ({ lora }) => 1000 * lora[i].seconds),
        ),
      ],
    },
    {
      script: "kernels.mjs",
      args: [...count, ...seconds],
      figures: Object.entries(KERNEL_LABELS).map(([name, label]) =>
        figure(label, "us", ({ kernels }) => 1e6 * kernels.find((kernel) => kernel.name === name).seconds),
      ),
    },
  ];

  const all = [];
  const rows = [];
  for (const { script, args, figures } of works) {
    const found = figures.map(() => ({ ours: [], before: [] }));
    // Where a process lies in memory makes it faster or slower by a tenth as long as it runs: so each side starts anew
    // for each round, the first in turns.
    for (let start = 1; start <= rounds; start++) {
      log(`${script}, start ${start} of ${rounds}`);
      const sides = start % 2 === 1 ? ["ours", "before"] : ["before", "ours"];
      const starters = sides.map((side) => () => {
        const path = join(roots[side], "bench", "ours", script);
        return Participant.start(`${side}, ${script}`, process.execPath, [path, ...args], {
          cwd: roots[side],
        });
      });
      const participants = await inTurns(starters, ROUNDS_OF_A_START, { log, peak, quiet });
      // Where that checkout lies is nobody's business.
      for (const participant of participants)
        participant.command = participant.command.replaceAll(roots.before, "$BEFORE");
      all.push(...participants);
      sides.forEach((side, i) => {
        figures.forEach(({ pick }, at) => found[at][side].push(median(participants[i].values(pick))));
      });
    }
    figures.forEach(({ name, unit }, at) => {
      const { ours, before: theirs } = found[at];
      rows.push(row({ name, peer: "before", ours: median(ours), theirs: median(theirs), unit }));
    });
  }
  return { participants: all, rows };
}

const figure = (name, unit, pick) => ({ name, unit, pick });
