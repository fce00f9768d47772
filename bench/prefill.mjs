/** Reading a prompt: 178 tokens of SmolLM2 in Q4_1, against llama.cpp. */
import { inTurns } from "./driver.mjs";
import { benchmarkModel } from "./model.mjs";
import { installPeer, llamaPeer, ours } from "./peers.mjs";
import { median, row } from "./report.mjs";

export const PROMPT_TOKENS = 178;

export async function prefill({ rounds, threads, peak, quiet, log }) {
  await installPeer("llama", log);
  const model = await benchmarkModel();
  const args = ["--model", model.path, "--threads", String(threads)];
  // A few tokens are decoded too: that shows where the prefill ends.
  const work = [...args, "--prompt-tokens", String(PROMPT_TOKENS), "--decode-tokens", "4"];
  const participants = await inTurns([ours("ibert", "generate.mjs", work), llamaPeer(work)], rounds, {
    log,
    peak,
    quiet,
  });
  const [mine, theirs] = participants.map((participant) =>
    median(participant.values(({ prefillTokensPerSecond }) => prefillTokensPerSecond)),
  );
  const limit = peak.flops && peak.flops / model.prefillFlop;
  return {
    participants,
    rows: [
      row({
        name: `prefill, ${PROMPT_TOKENS} tokens, Q4_1`,
        peer: "llama.cpp",
        ours: mine,
        theirs,
        unit: "tokens/s",
        shareOfLimit: peak.share(mine, limit),
      }),
    ],
  };
}
