/**
 * The operations around the matrix products against PyTorch's, at SmolLM2's training shapes; AdamW against the memory's
 * bandwidth; and the table of `ibert-kernels perf`, every op against the machine's peak.
 */
import { existsSync } from "node:fs";

import { capture, inTurns, shellCommand } from "./driver.mjs";
import { installPeer, ours, torchPeer } from "./peers.mjs";
import { median, row } from "./report.mjs";

export const KERNEL_LABELS = {
  attention_forward: "attention, forward",
  attention_forward_backward: "attention, forward and backward",
  rmsnorm: "RMSNorm",
  swiglu: "SwiGLU",
  linear_cross_entropy_backward: "head and cross-entropy, forward and backward",
  adamw: "AdamW, 3.7 M parameters",
};

export async function kernels({ rounds, threads, quick, peak, quiet, log }) {
  await installPeer("torch", log);
  const count = ["--threads", String(threads)];
  const starters = [
    ours("ibert", "kernels.mjs", [...count, "--seconds", quick ? "0.2" : "0.5"]),
    torchPeer("PyTorch", "torch_kernels.py", count),
  ];
  const adamw = [];
  const participants = await inTurns(starters, rounds, {
    log,
    peak,
    quiet,
    between: async () => {
      const alone = await perf(peak, ["--op", "adamW"]);
      if (alone !== undefined) adamw.push(alone.cases[0].gbytes);
    },
  });
  const [mine, torch] = participants;
  const seconds = (participant, name) =>
    median(participant.values((answer) => answer.kernels.find((kernel) => kernel.name === name).seconds));
  const rows = Object.entries(KERNEL_LABELS).map(([name, label]) =>
    row({
      name: label,
      peer: "torch",
      ours: 1e6 * seconds(mine, name),
      theirs: 1e6 * seconds(torch, name),
      unit: "us",
    }),
  );
  if (adamw.length > 0) {
    rows.push(
      row({
        name: "AdamW, 16.8 M parameters, against reading memory",
        peer: "self-bandwidth",
        ours: median(adamw),
        theirs: peak.bandwidth / 1e9,
        unit: "GB/s",
        shareOfLimit: peak.share(1e9 * median(adamw), peak.bandwidth),
      }),
    );
  }
  log("ibert-kernels perf, every op");
  const table = await perf(peak, []);
  return {
    participants,
    rows,
    commands: existsSync(peak.program) ? [shellCommand(peak.program, perfArguments(peak, []))] : [],
    details: table === undefined ? {} : { perf: table },
  };
}

const perfArguments = (peak, more) => ["perf", "--json", "--threads", String(peak.threads), ...more];

async function perf(peak, more) {
  if (!existsSync(peak.program)) return undefined;
  const result = JSON.parse(await capture(peak.program, perfArguments(peak, more)));
  peak.take(result.peak);
  return result;
}
