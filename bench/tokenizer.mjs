/** Texts to ids by Tekken, against mistral-common, whose own tokenizer file both read. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { capture, inTurns } from "./driver.mjs";
import { installPeer, mistralPeer, mistralPython, ours } from "./peers.mjs";
import { median, row } from "./report.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const FIND =
  "import mistral_common, pathlib; print(pathlib.Path(mistral_common.__file__).parent / 'data/tekken_240911.json')";

/** The sources of this checkout, as a JSON array in a file: code as people write it, little of it twice. */
function sources() {
  return ["lib", "native", "kernels-cuda", "kernels-metal"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => /\.(ts|h|cpp|cu|metal|py)$/.test(name))
      .sort()
      .map((name) => readFileSync(join(root, folder, name), "utf8")),
  );
}

export async function tokenizer({ rounds, peak, quiet, log }) {
  await installPeer("mistral", log);
  const tekken = (await capture(mistralPython, ["-c", FIND])).trim();
  const folder = mkdtempSync(join(tmpdir(), "ibert-bench-"));
  try {
    const texts = sources();
    const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
    const file = join(folder, "texts.json");
    writeFileSync(file, JSON.stringify(texts));
    const files = ["--tekken", tekken, "--texts", file];
    const participants = await inTurns([ours("ibert", "tokenizer.mjs", files), mistralPeer(files)], rounds, {
      log,
      peak,
      quiet,
    });
    const [mine, theirs] = participants;
    const [a, b] = participants.map((one) => one.answers[0]);
    if (a.sha256 !== b.sha256)
      throw new Error(`the ids are not the same: ${a.tokens} of ours, ${b.tokens} of mistral-common's`);
    const compare = (name, unit, pick) =>
      row({
        name,
        peer: "mistral-common",
        ours: median(mine.values(pick)),
        theirs: median(theirs.values(pick)),
        unit,
      });
    return {
      participants,
      rows: [
        compare(
          `${megabytes.toFixed(1)} MB of code, first reading`,
          "MB/s",
          ({ firstSeconds }) => megabytes / firstSeconds,
        ),
        compare("the same again", "MB/s", ({ againSeconds }) => megabytes / againSeconds),
        compare("opening the tokenizer", "s", ({ loadSeconds }) => loadSeconds),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
