import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Packer, packRows } from "./packing.js";
import { tokenizeRow, type TokenizedRow } from "./segments.js";
import type { Row } from "./tasks.js";
import { plainFormat } from "./testing/fakes.js";

const PAD = 0;
const EOS = 2;

const row = (id: string, promptLength: number, completionLength: number, place = 0): TokenizedRow => {
  const length = promptLength + completionLength + 1;
  const ids = Int32Array.from({ length }, (_, i) => (i === length - 1 ? EOS : 10 + i));
  return { id, row: place, task: "qa", ids, promptLength };
};

const rows = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })), { maxLength: 60 })
  .map((sizes) => sizes.map(([prompt, completion], i) => row(`r${i}`, prompt, completion)));

const stream = (items: TokenizedRow[]): (() => TokenizedRow | undefined) => {
  let at = 0;
  return () => items[at++];
};

describe("Packer", () => {
  it("packs every row whole and once, and each target is the next token of its own row", () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 41, max: 128 }), (items, tokenBudget) => {
        const packer = new Packer({ tokenBudget, onTooLong: "error", padId: PAD });
        const next = stream(items);
        const seen: string[] = [];
        for (let batch = packer.next(next); batch !== undefined; batch = packer.next(next)) {
          const ids = batch.rows.map(({ id }) => id);
          seen.push(...ids);
          const { tokens, targets, positions, sequenceOffsets } = batch;
          expect([tokens.length, targets.length, positions.length]).toEqual([
            tokenBudget,
            tokenBudget,
            tokenBudget,
          ]);
          expect([sequenceOffsets[0], sequenceOffsets.at(-1)]).toEqual([0, tokenBudget]);
          expect(targets.filter((t) => t !== -1).length).toBe(batch.supervisedTokens);
          ids.forEach((id, s) => {
            const { ids, promptLength } = items.find((item) => item.id === id) as TokenizedRow;
            const start = sequenceOffsets[s] as number;
            const end = sequenceOffsets[s + 1] as number;
            expect([...tokens.slice(start, end)]).toEqual([...ids]);
            expect([...positions.slice(start, end)]).toEqual([...ids.keys()]);
            const expected = [...ids.keys()].map((i) => (i >= promptLength - 1 ? (ids[i + 1] ?? -1) : -1));
            expect([...targets.slice(start, end)]).toEqual(expected);
          });
          const padding = tokens.slice(batch.usedTokens);
          expect(padding.every((token) => token === PAD)).toBe(true);
          expect(targets.slice(batch.usedTokens).every((target) => target === -1)).toBe(true);
          expect(sequenceOffsets.length).toBe(ids.length + 1 + (padding.length > 0 ? 1 : 0));
        }
        expect(seen.sort()).toEqual(items.map((item) => item.id).sort());
      }),
    );
  });

  it("lets no row wait behind more than the lookahead", () => {
    const packer = new Packer({ tokenBudget: 20, onTooLong: "error", padId: PAD });
    let n = 0;
    const next = (): TokenizedRow => row(`r${n}`, 5, n % 2 === 0 ? 3 : 12, n++);
    for (let i = 0; i < 100; i++) {
      const oldest = packer.pending()[0];
      const batch = packer.next(next);
      if (oldest !== undefined) expect(batch?.rows[0]?.row).toBe(oldest);
    }
  });

  it("names a row that is too long, with its length and the limit", () => {
    const packer = new Packer({ tokenBudget: 64, maxRowTokens: 16, onTooLong: "error", padId: PAD });
    expect(() => packer.next(stream([row("long", 10, 20)]))).toThrow(/row long: 31 tokens, more than the 16/);
  });

  it("skips too long rows when told to, counts them, and ends on a stream of nothing else", () => {
    const packer = new Packer({ tokenBudget: 16, onTooLong: "skip", padId: PAD });
    const batch = packer.next(stream([row("long", 10, 20), row("short", 2, 3)]));
    expect(batch?.rows.map(({ id }) => id)).toEqual(["short"]);
    expect(packer.skipped).toBe(1);
    expect(() => packer.next(() => row("long", 10, 20))).toThrow(/more than the 16/);
  });

  it("refuses a budget that is no budget, and rows that do not fit", () => {
    expect(() => new Packer({ tokenBudget: 0, onTooLong: "skip", padId: PAD })).toThrow(/token budget 0/);
    expect(() => packRows([row("a", 5, 5), row("b", 5, 5)], 16, PAD)).toThrow(
      /22 tokens do not fit a budget of 16/,
    );
  });
});

describe("tokenizeRow", () => {
  const base: Row = {
    id: "train-qa-1",
    task: "qa",
    split: "train",
    fields: { input: "why" },
    completion: "so",
    schema: {},
    schemaId: "none",
    shape: "s",
    source: "test",
    licence: "Apache-2.0",
  };
  const letters = { encode: (text: string) => [...text].map((c) => c.charCodeAt(0)), eosId: EOS };

  it("joins prompt, completion and end of sequence as ids", () => {
    const { ids, promptLength } = tokenizeRow(
      base,
      letters,
      plainFormat((_, fields) => `${fields.input}?`),
    );
    expect(String.fromCharCode(...ids.slice(0, -1))).toBe("why?so");
    expect([promptLength, ids.at(-1)]).toEqual([4, EOS]);
  });

  it("names a row with nothing to learn from", () => {
    expect(() =>
      tokenizeRow(
        { ...base, completion: "" },
        letters,
        plainFormat(() => "x"),
      ),
    ).toThrow(/row train-qa-1: the completion has no token/);
    const stopping = { ...plainFormat(() => "x"), stop: () => ["\n\n"] };
    expect(() =>
      tokenizeRow({ ...base, completion: "a\n\nb" }, letters, stopping, { row: 3, where: "f:4" }),
    ).toThrow(/f:4: row train-qa-1: the completion holds "\\n\\n", at which an answer of qa ends/);
    expect(() =>
      tokenizeRow(
        base,
        letters,
        plainFormat(() => ""),
      ),
    ).toThrow(/row train-qa-1: the prompt has no token/);
  });
});
