/** bf16 matrix products at the shapes of SmolLM2's and Devstral's layers, against PyTorch's (oneDNN). */
import { inTurns } from "./driver.mjs";
import { installPeer, ours, torchPeer } from "./peers.mjs";
import { median, row } from "./report.mjs";

// M x K x N: Devstral's q and o; SmolLM2's q and o, qkv, gate and up, down.
export const GEMM_SHAPES = [
  "1024x5120x4096",
  "1024x4096x5120",
  "2048x576x576",
  "2048x576x960",
  "2048x576x3072",
  "2048x1536x576",
];
/** Devstral's qkv, with an adapter on each of the three, and its o. */
export const LORA_SHAPES = ["1024x5120x4096+1024+1024", "1024x4096x5120"];

export async function gemm({ rounds, threads, quick, peak, quiet, log }) {
  await installPeer("torch", log);
  const count = ["--threads", String(threads)];
  const seconds = ["--seconds", quick ? "0.2" : "0.5"];
  const starters = [
    ours("ibert", "gemm.mjs", [
      "--shapes",
      GEMM_SHAPES.join(","),
      "--lora",
      LORA_SHAPES.join(","),
      ...seconds,
      ...count,
    ]),
    torchPeer("PyTorch", "torch_gemm.py", [...count, "--shapes", ...GEMM_SHAPES]),
  ];
  const participants = await inTurns(starters, rounds, { log, peak, quiet });
  const [mine, torch] = participants;
  const gflops = (participant, i) => median(participant.values(({ shapes }) => shapes[i].gflops));
  const rows = GEMM_SHAPES.map((shape, i) =>
    row({
      name: `bf16 GEMM ${shape}`,
      peer: "torch",
      ours: gflops(mine, i),
      theirs: gflops(torch, i),
      unit: "GFLOP/s",
      shareOfLimit: peak.share(1e9 * gflops(mine, i), peak.flops),
    }),
  );
  LORA_SHAPES.forEach((shape, i) => {
    rows.push(
      row({
        name: `LoRA linear ${shape}, rank 32, against its base alone`,
        peer: "self-base",
        ours: 1000 * median(mine.values(({ lora }) => lora[i].seconds)),
        theirs: 1000 * median(mine.values(({ lora }) => lora[i].baseSeconds)),
        unit: "ms",
      }),
    );
  });
  return { participants, rows };
}
