/** Writing answers token by token: SmolLM2 in Q4_1, one sequence against llama.cpp, and 8 with four adapters against one. */
import { inTurns } from "./driver.mjs";
import { benchmarkModel } from "./model.mjs";
import { installPeer, llamaPeer, ours } from "./peers.mjs";
import { PROMPT_TOKENS } from "./prefill.mjs";
import { median, row } from "./report.mjs";

const SEQUENCES = 8;

export async function decode({ rounds, threads, quick, peak, quiet, log }) {
  await installPeer("llama", log);
  const model = await benchmarkModel();
  const work = ["--model", model.path, "--threads", String(threads)];
  work.push("--prompt-tokens", String(PROMPT_TOKENS), "--decode-tokens", quick ? "32" : "128");
  const participants = await inTurns(
    [ours("ibert", "generate.mjs", [...work, "--sequences", String(SEQUENCES)]), llamaPeer(work)],
    rounds,
    { log, peak, quiet },
  );
  const [mine, llama] = participants;
  const one = median(mine.values(({ decodeTokensPerSecond }) => decodeTokensPerSecond));
  const adapted = median(mine.values(({ loraDecodeTokensPerSecond }) => loraDecodeTokensPerSecond));
  const batch = median(mine.values(({ batchDecodeTokensPerSecond }) => batchDecodeTokensPerSecond));
  const limit = peak.bandwidth && peak.bandwidth / model.bytes;
  return {
    participants,
    rows: [
      row({
        name: "decode, Q4_1, 1 sequence",
        peer: "llama.cpp",
        ours: one,
        theirs: median(llama.values(({ decodeTokensPerSecond }) => decodeTokensPerSecond)),
        unit: "tokens/s",
        shareOfLimit: peak.share(one, limit),
      }),
      row({
        name: `decode, Q4_1, ${SEQUENCES} sequences with 4 adapters, against 1 with its adapter`,
        peer: "self-1-sequence",
        ours: batch,
        theirs: adapted,
        unit: "tokens/s",
      }),
    ],
  };
}
