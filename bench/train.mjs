/** LoRA training, rank 32 on q, k, v, o, 4 rows x 512 tokens a step, against PyTorch + PEFT. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cacheDirectory } from "../dist/runtime/cache.js";
import { inTurns } from "./driver.mjs";
import { benchmarkModel } from "./model.mjs";
import { installPeer, ours, torchPeer } from "./peers.mjs";
import { median, row } from "./report.mjs";

const [ROWS, LENGTH] = [4, 512];
const MIB = 2 ** 20;
const rate = (participant) => median(participant.values(({ tokensPerSecond }) => tokensPerSecond));
const memory = (participant) => Math.max(...participant.values(({ peakRssBytes }) => peakRssBytes)) / MIB;

export async function train({ rounds, threads, quick, compiled, peak, quiet, log }) {
  await installPeer("torch", log);
  const model = await benchmarkModel();
  const tokens = writeTokens(model.vocabulary);
  const args = (count) => ["--tokens", tokens, "--threads", String(count)];
  const own = (count) =>
    ours(`ibert, ${count} thread${count === 1 ? "" : "s"}`, "train.mjs", [
      "--model",
      model.path,
      ...args(count),
    ]);
  const peer = (name, ...more) =>
    torchPeer(name, "torch_train.py", ["--gguf", model.path, ...args(threads), ...more]);
  const starters = [own(threads), peer("PEFT, bf16 autocast", "--precision", "bf16")];
  if (!quick) starters.push(peer("PEFT, float32", "--precision", "float32"));
  if (compiled) starters.push(peer("PEFT, bf16 autocast, compiled", "--precision", "bf16", "--compile"));
  if (threads > 1) starters.push(own(1));

  const participants = await inTurns(starters, rounds, { log, peak, quiet });
  requireSameWork(participants);
  return { participants, rows: compare(participants, { threads, compiled, model, peak }) };
}

/** A file of ids, the same for both sides in every run; what they are does not change the work. */
export function writeTokens(vocabulary) {
  const rows = Array.from({ length: ROWS }, (_, r) =>
    Array.from({ length: LENGTH }, (_, i) => (Math.imul(r * LENGTH + i + 1, 0x9e3779b1) >>> 0) % vocabulary),
  );
  const folder = cacheDirectory("bench");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `tokens-${ROWS}x${LENGTH}.json`);
  writeFileSync(path, JSON.stringify(rows));
  return path;
}

/** An untrained adapter changes nothing: the first loss is the base model's, on both sides. */
function requireSameWork([mine, ...others]) {
  for (const other of others) {
    const [a, b] = [mine.hello.firstLoss, other.hello.firstLoss];
    if (Math.abs(a - b) > 0.01 * b) throw new Error(`the first loss of ${other.name} is ${b}, ours is ${a}`);
  }
}

function compare(participants, { threads, compiled, model, peak }) {
  const mine = participants[0];
  const [eager, graph] = [false, true].map((compile) =>
    participants.filter(({ hello }) => hello.compile === compile).sort((a, b) => rate(b) - rate(a)),
  );
  const limit = peak.flops && peak.flops / model.trainingFlop;
  const shareOfLimit = peak.share(rate(mine), limit);
  const precision = ({ hello }) => (hello.precision === "bf16" ? "bf16 autocast" : hello.precision);
  const work = `LoRA training, ${ROWS} x ${LENGTH} tokens`;
  const against = (peer, other) =>
    row({
      name: `${work}, against ${precision(other)}`,
      peer,
      ours: rate(mine),
      theirs: rate(other),
      unit: "tokens/s",
      shareOfLimit,
    });
  // The better precision of the peer first.
  const rows = eager.map((other) => against("peft-eager", other));
  if (compiled) rows.push(...graph.map((other) => against("peft-compiled", other)));
  const single = participants.find((other) => other !== mine && other.hello.hello === "train");
  if (single !== undefined) {
    rows.push(
      row({
        name: `training, ${threads} threads against 1`,
        peer: "self-1-thread",
        ours: rate(mine),
        theirs: rate(single),
        unit: "tokens/s",
        shareOfLimit,
      }),
    );
  }
  const frugal = [...eager].sort((a, b) => memory(a) - memory(b))[0];
  rows.push(
    row({
      name: `peak resident memory of training, against ${precision(frugal)}`,
      peer: "peft-eager",
      ours: memory(mine),
      theirs: memory(frugal),
      unit: "MiB",
    }),
    row({
      name: "planned memory of training, against what was measured",
      peer: "self-measured",
      ours: mine.hello.plannedBytes / MIB,
      theirs: memory(mine),
      unit: "MiB",
    }),
  );
  return rows;
}
