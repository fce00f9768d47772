/** The strings on which Tekken is held to mistral-common: those of scripts/goldens/tekken_blocks.py. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

import { readJson } from "../../formats/json.js";

/** A string of a kind is `least` to `most` parts, drawn from literal texts and ranges of code points. */
interface Kind {
  least: number;
  most: number;
  /** How often a part may stand there one after another, at most. */
  repeat: number;
  of: (string | [number, number])[];
}

const SEED = 20250525;

/** `count` strings of each kind in turn, always the same. */
export function* tekkenStrings(count: number): Generator<string> {
  const path = fileURLToPath(new URL("../goldens/tekken/kinds.json", import.meta.url));
  const kinds = Object.values(readJson(path) as Record<string, Kind>);
  let state = SEED;
  const half = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 16;
  const draw = (below: number): number => (half() * 2 ** 16 + half()) % below;
  for (let index = 0; index < count; index++) {
    const { least, most, repeat, of } = kinds[index % kinds.length] as Kind;
    let text = "";
    for (let left = least + draw(most - least + 1); left > 0; left--) {
      const part = of[draw(of.length)] as string | [number, number];
      const times = 1 + draw(repeat);
      text += (
        typeof part === "string" ? part : String.fromCodePoint(part[0] + draw(part[1] - part[0] + 1))
      ).repeat(times);
    }
    yield text;
  }
}

/** SHA-256 of the ids of each block of strings, those of a string on a line. */
export function hashesOfIds(ids: Iterable<readonly number[]>, block: number): string[] {
  const hashes: string[] = [];
  let lines: string[] = [];
  for (const row of ids) {
    if (lines.push(`${row.join(",")}\n`) < block) continue;
    hashes.push(createHash("sha256").update(lines.join("")).digest("hex"));
    lines = [];
  }
  return hashes;
}
