/** From starting the process to the first token, files in the page cache, against transformers + PEFT. */
import { performance } from "node:perf_hooks";

import { benchmarkModel } from "./model.mjs";
import { installPeer, ours, torchPeer } from "./peers.mjs";
import { median, row } from "./report.mjs";

export async function startup({ rounds, threads, peak, quiet, log }) {
  await installPeer("torch", log);
  const model = await benchmarkModel();
  const count = ["--threads", String(threads)];
  const sides = [
    { start: ours("ibert", "startup.mjs", ["--model", model.path, ...count]), answers: [] },
    {
      start: torchPeer("transformers + PEFT", "torch_startup.py", ["--gguf", model.path, ...count]),
      answers: [],
    },
  ];
  // Round 0 only warms the page cache.
  for (let round = 0; round <= rounds; round++) {
    await peak.measure();
    for (const side of sides) {
      await quiet.wait();
      const started = performance.now();
      side.process = side.start();
      log(`round ${round} of ${rounds}: ${side.process.name}`);
      await side.process.ready();
      const seconds = (performance.now() - started) / 1000;
      await side.process.stop();
      if (round > 0) side.answers.push({ round, seconds, ...side.process.hello });
    }
  }
  for (const { process, answers } of sides) process.answers = answers;
  const participants = sides.map(({ process }) => process);
  const compare = (name, pick) => {
    const [mine, theirs] = participants.map((participant) => median(participant.values(pick)));
    return row({ name, peer: "torch", ours: mine, theirs, unit: "s" });
  };
  return {
    participants,
    rows: [
      compare("process start to first token", ({ seconds }) => seconds),
      compare("of it: import", ({ importSeconds }) => importSeconds),
      compare("of it: load", ({ loadSeconds }) => loadSeconds),
      compare("of it: prompt to first token", ({ firstTokenSeconds }) => firstTokenSeconds),
    ],
  };
}
