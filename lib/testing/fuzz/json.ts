/** Changes to JSON files that keep them JSON, most of the time: values, keys, nesting, sizes, repeats. */
import type { Random } from "../../data/random.js";

/** An object as its pairs, so that keys may repeat. */
export interface Pairs {
  pairs: [string, Tree][];
}
/** A JSON document as it is written; `raw` stands as it is. */
export type Tree = Pairs | Tree[] | string | number | boolean | null | { raw: string };

const isPairs = (tree: Tree): tree is Pairs => typeof tree === "object" && tree !== null && "pairs" in tree;

export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return value.map(treeOf);
  if (typeof value === "object" && value !== null)
    return { pairs: Object.entries(value).map(([key, item]) => [key, treeOf(item)]) };
  return value as Tree;
}

export function write(tree: Tree): string {
  if (Array.isArray(tree)) return `[${tree.map(write).join(",")}]`;
  if (typeof tree !== "object" || tree === null) return JSON.stringify(tree);
  if ("raw" in tree) return tree.raw;
  return `{${tree.pairs.map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`).join(",")}}`;
}

const NUMBERS = [
  "0", "-0", "-1", "1", "2", "3", "0.5", "1e-320", "255", "256", "65536", "16777216", "2147483647", "2147483648",
  "4294967295", "4294967296", "9007199254740991", "9007199254740992", "9223372036854775807",
  "18446744073709551615", "1e21", "1e308", "1e309", "-1e309", "-9007199254740991",
]; // prettier-ignore
const WORDS = ["", "\u0000", "__proto__", "constructor", "toString", "length", "null", "🙂", "\ud800", "a".repeat(300), "../x", "(", "(a+)+$", "[", "\\p{", "$&"]; // prettier-ignore

/** Something that seldom belongs where it is put. */
function strange(random: Random): Tree {
  switch (random.below(12)) {
    case 0:
      return null;
    case 1:
      return random.below(2) === 0;
    case 2:
      return [];
    case 3:
      return { pairs: [] };
    case 4:
      return { raw: nested(1 + random.below(random.below(40) === 0 ? 20_000 : 20), random.below(2) === 0) };
    case 5:
      return { raw: `[${"0,".repeat(random.below(400))}0]` };
    case 6:
      return { pairs: [[word(random), { raw: number(random) }]] };
    case 7:
    case 8:
      return word(random);
    default:
      return { raw: number(random) };
  }
}

const number = (random: Random): string => NUMBERS[random.below(NUMBERS.length)] as string;
const word = (random: Random): string => WORDS[random.below(WORDS.length)] as string;

function nested(depth: number, lists: boolean): string {
  return lists ? `${"[".repeat(depth)}${"]".repeat(depth)}` : `${'{"a":'.repeat(depth)}0${"}".repeat(depth)}`;
}

/** A tree whose parts are shared with `tree` where nothing changed in them. */
function mutateJson(tree: Tree, random: Random): Tree {
  const children = Array.isArray(tree) ? tree.length : isPairs(tree) ? tree.pairs.length : 0;
  // Down to some place, mostly far from the top.
  if (children > 0 && random.below(6) > 0) {
    const at = random.below(children);
    if (Array.isArray(tree)) return tree.with(at, mutateJson(tree[at] as Tree, random));
    const [key, item] = (tree as Pairs).pairs[at] as [string, Tree];
    return { pairs: (tree as Pairs).pairs.with(at, [key, mutateJson(item, random)]) };
  }
  if (Array.isArray(tree) && random.below(4) > 0) return mutateList(tree, random);
  if (isPairs(tree) && random.below(4) > 0) return mutatePairs(tree, random);
  if (typeof tree === "number" && random.below(2) === 0)
    return random.below(2) === 0 ? tree + random.below(5) - 2 : { raw: String(tree * 2 ** random.below(40)) };
  if (typeof tree === "string" && random.below(2) === 0) {
    const at = random.below(tree.length + 1);
    return tree.slice(0, at) + word(random) + tree.slice(at + random.below(2));
  }
  return strange(random);
}

function mutateList(list: readonly Tree[], random: Random): Tree {
  const at = random.below(list.length + 1);
  switch (random.below(5)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return list.toSpliced(at, 0, strange(random));
    case 2:
      return list.toSpliced(at, 0, list[random.below(list.length)] ?? null);
    case 3:
      return list.slice(0, at);
    default:
      return list.toSpliced(at, 1 + random.below(3), strange(random));
  }
}

function mutatePairs({ pairs }: Pairs, random: Random): Tree {
  const at = random.below(pairs.length + 1);
  const [key, item] = pairs[at] ?? ["x", null];
  const other = pairs[random.below(pairs.length)] ?? ["y", null];
  switch (random.below(6)) {
    case 0:
      return { pairs: pairs.toSpliced(at, 1) };
    case 1:
      return { pairs: pairs.toSpliced(at, 1, [word(random), item]) };
    case 2:
      return { pairs: pairs.toSpliced(random.below(pairs.length + 1), 0, [key, other[1]]) };
    case 3:
      return { pairs: pairs.toSpliced(at, 1, [key, other[1]]) };
    case 4:
      return { pairs: pairs.toSpliced(at, 0, [word(random), strange(random)]) };
    default:
      return { pairs: pairs.toSpliced(at, 1, [key, strange(random)]) };
  }
}

/** The bytes of a document; now and then they are no JSON at all. */
export function damageText(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text);
  if (random.below(12) > 0 || bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes, bytes.subarray(at)]);
  }
}

/** One to three changes. */
export function mutatedJson(tree: Tree, random: Random): Tree {
  let result = tree;
  for (let i = 1 + random.below(3); i > 0; i--) result = mutateJson(result, random);
  return result;
}
