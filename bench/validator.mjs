/** Starting a pool of sandboxes with Ibis from a snapshot, against loading it in each; and checks a second. */
import { inTurns } from "./driver.mjs";
import { ours } from "./peers.mjs";
import { median, row } from "./report.mjs";

export async function validator({ rounds, threads, quick, peak, quiet, log }) {
  const options = ["--threads", String(threads), "--checks", quick ? "500" : "2000"];
  const starters = [
    ours("ibert", "validator.mjs", options),
    ours("ibert, loading", "validator.mjs", [...options, "--loading"]),
  ];
  const participants = await inTurns(starters, rounds, { log, peak, quiet });
  const [mine, loading] = participants;
  const compare = (name, unit, pick) =>
    row({
      name,
      peer: "self-loading",
      ours: median(mine.values(pick)),
      theirs: median(loading.values(pick)),
      unit,
    });
  return {
    participants,
    rows: [
      compare(`pool of ${threads} until each has answered`, "s", ({ poolSeconds }) => poolSeconds),
      compare("programs judged and labelled", "checks/s", ({ checksPerSecond }) => checksPerSecond),
      ...(participants.every((one) => one.values(({ cpuPerCheck }) => cpuPerCheck).every(Number.isFinite))
        ? [compare("processor time of one", "ms", ({ cpuPerCheck }) => cpuPerCheck)]
        : []),
    ],
  };
}
