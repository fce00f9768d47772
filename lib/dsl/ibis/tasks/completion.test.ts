import { describe, expect, it } from "vitest";
import { Random } from "../../../data/random.js";
import {
  completionOf,
  cutsOf,
  identifierAfter,
  inTwoStatements,
  saysIntent,
  type CutKind,
} from "./completion.js";

const PROGRAM = 't.filter(_.area == "x.y(", _.b.isin([1, 2])).limit(3)';

describe("cuts", () => {
  const at = (kind: CutKind): string[] =>
    cutsOf(PROGRAM, () => 2)
      .filter((cut) => cut.kind === kind)
      .map((cut) => PROGRAM.slice(0, cut.at));

  it("are behind dots, within arguments and names and behind steps, not inside strings", () => {
    expect(at("dot")).toEqual([
      "t.",
      "t.filter(_.",
      't.filter(_.area == "x.y(", _.',
      't.filter(_.area == "x.y(", _.b.',
      't.filter(_.area == "x.y(", _.b.isin([1, 2])).',
    ]);
    expect(at("argument")).toEqual([
      "t.filter(",
      "t.filter(_.area == ",
      't.filter(_.area == "x.y(", ',
      't.filter(_.area == "x.y(", _.b.isin(',
      't.filter(_.area == "x.y(", _.b.isin([',
      't.filter(_.area == "x.y(", _.b.isin([1, ',
      't.filter(_.area == "x.y(", _.b.isin([1, 2])).limit(',
    ]);
    expect(at("name")).toEqual([
      "t.fi",
      "t.filter(_.ar",
      't.filter(_.area == "x.y(", _.b.is',
      't.filter(_.area == "x.y(", _.b.isin([1, 2])).li',
    ]);
    expect(at("step")).toEqual(['t.filter(_.area == "x.y(", _.b.isin([1, 2]))']);
  });
});

describe("a completion", () => {
  const many = (intent?: string) =>
    Array.from({ length: 300 }, (_, i) => completionOf(Random.of(i), PROGRAM, intent));

  it("together with its beginning is the program, whatever the place", () => {
    const found = many();
    expect(found.map((one) => one && one.input + one.completion)).toEqual(found.map(() => PROGRAM));
    expect(new Set(found.map((one) => one?.kind))).toEqual(new Set(["dot", "step", "argument", "name"]));
    expect(found.filter((one) => one?.input === "t.").length).toBeLessThan(40);
  });

  it("is determined by a comment above, which any place may follow", () => {
    const found = many("Keep it");
    expect(found.map((one) => one && one.input + one.completion)).toEqual(
      found.map(() => `# Keep it\n${PROGRAM}`),
    );
    expect(new Set(found.map((one) => one?.kind)).size).toBe(5);
    expect(found.every((one) => one && saysIntent(one.input))).toBe(true);
    expect(saysIntent('t.filter(_.a == "#')).toBe(false);
  });

  it("may follow earlier statements, and goes on in the last", () => {
    const written = inTwoStatements(Random.of(1), PROGRAM, new Set(["step", "rows", "base", "result"]));
    expect(written).toBe(`kept = t.filter(_.area == "x.y(", _.b.isin([1, 2]))\nkept.limit(3)`);
    expect(inTwoStatements(Random.of(1), "t.limit(3)", new Set())).toBe("t.limit(3)");
    const cut = completionOf(Random.of(3), written);
    expect(cut?.input).toContain("\nkept");
  });
});

describe("the next identifier", () => {
  it("is the first name that the rest adds, whole where the cut is within it", () => {
    expect(identifierAfter("t.", "filter(_.a > 1)")).toBe("filter");
    expect(identifierAfter("t.fil", "ter(_.a > 1)")).toBe("filter");
    expect(identifierAfter("t.limit(", "5).count()")).toBe("count");
    expect(identifierAfter("t.order_by(", "'area').head()")).toBe("area");
    expect(identifierAfter('t.order_by("ar', 'ea").head()')).toBe("area");
    expect(identifierAfter("# t\nt.filter(_.a", " > 1)")).toBeUndefined();
    expect(identifierAfter("t.limit(", "5)")).toBeUndefined();
  });
});
