/**
 * Tekken by ibert: our side of `bench -- tokenizer`. A round makes the tokenizer anew and encodes every text of the JSON array
 * twice; it answers { loadSeconds, firstSeconds, againSeconds, tokens, sha256 }, the last of all ids as little-endian 32-bit
 * integers.
 *
 *   node ours/tokenizer.mjs --tekken tekken.json --texts texts.json
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { openTekken } from "../../dist/models/tekken.js";
import { Device } from "../../dist/runtime/device.js";
import { hello, serve } from "./protocol.mjs";

const { values } = parseArgs({ options: { tekken: { type: "string" }, texts: { type: "string" } } });
const texts = JSON.parse(readFileSync(values.texts, "utf8"));

function work() {
  const started = performance.now();
  const tokenizer = openTekken(values.tekken);
  const loaded = performance.now();
  const encode = () => texts.map((text) => tokenizer.encode(text, { allowSpecial: false }));
  const first = encode();
  const read = performance.now();
  encode();
  const again = performance.now();
  const ids = Uint32Array.from(first.flat());
  return {
    loadSeconds: (loaded - started) / 1000,
    firstSeconds: (read - loaded) / 1000,
    againSeconds: (again - read) / 1000,
    tokens: ids.length,
    sha256: createHash("sha256").update(ids).digest("hex"),
  };
}

hello("tokenizer", Device.open("cpu", { threads: 1 }));
await serve(work);
