import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { lexPython } from "./python-lexer.js";
import { endsInComment, normalisePython, normalisePythonPrefix } from "./python.js";
import { lexerOracle, type LexerOracle } from "./testing/oracle.js";

let oracle: LexerOracle;
beforeAll(async () => void (oracle = await lexerOracle()), 60_000);

describe("normalisePython", () => {
  it("drops comments, and joins only what is one statement", () => {
    const program = `
# the orders
orders = con.table("orders")  # "all" of them (
result = (
    orders.filter(_.amount>10)   # not small
    # by region
    .group_by("region")
    .agg(
        total=_.amount.sum(), # the # of
    )
)
result
`;
    expect(normalisePython(program)).toBe(
      `orders = con.table("orders")\n` +
        `result = (orders.filter(_.amount>10).group_by("region").agg(total=_.amount.sum(),))\n` +
        `result`,
    );
  });

  it("leaves strings as they are, whatever is in them", () => {
    for (const text of [
      `t.filter(t.a == "# no comment")`,
      `t.a.replace('it\\'s  # x', "")`,
      `x = """one\n  # two\n\n three"""`,
      `f"{x["a # b"]!r:>{width}} # {{y}}"`,
      `f'''{\n  x # \n}'''`,
      `rb"\\" # "`,
      `f"\\N{NUMBER SIGN} # {y}"`,
    ]) {
      expect(normalisePython(text)).toBe(text);
    }
  });

  it("leaves numbers, operators and the spaces within a line as they are", () => {
    const text = "a=1_000.5e-3j**-2  ;b  = a//2 if a!=0x_FF else t[ 1 : 2 ]";
    expect(normalisePython(text)).toBe(text);
  });

  it("keeps blocks, and takes off what all lines are indented by", () => {
    expect(normalisePython("    def f(x):\n        # twice\n\n        return 2*x\n    f(t)\n")).toBe(
      "def f(x):\n    return 2*x\nf(t)",
    );
  });

  it("does not glue what would be read otherwise", () => {
    expect(normalisePython("x = (1\n.real)")).toBe("x = (1 .real)");
    expect(normalisePython("x = a \\\n  if b else c")).toBe("x = a if b else c");
    expect(normalisePython("x = t\\\n.head()")).toBe("x = t.head()");
  });

  it("reads every kind of line end", () => {
    expect(lexPython("a\nb").map(({ text }) => text)).toEqual(["a", "\n", "b"]);
  });

  it("does not fail on what is no Python", () => {
    for (const text of ["t.filter(", "x = 'open", '"""open\n# in it', "f'{x", "a ? b $", "))", "f'{x:{y'"]) {
      expect(normalisePython(text)).toBe(text);
    }
  });
});

describe("normalisePythonPrefix", () => {
  it("ends where the program is gone on with", () => {
    const of = normalisePythonPrefix;
    expect(of("x = ")).toBe("x = ");
    expect(of("orders.")).toBe("orders.");
    expect(of("x = 1 # one\n")).toBe("x = 1\n");
    expect(of("x = 1\nfor c in cs:\n    ")).toBe("x = 1\nfor c in cs:\n    ");
    expect(of("(orders # all\n    .filter(a)\n    ")).toBe("(orders.filter(a) ");
    expect(of("x = 1 # one")).toBe("x = 1\n");
    expect(of("(x # one")).toBe("(x ");
  });

  it("may keep the comments that have a line of their own", () => {
    const of = (text: string): string => normalisePythonPrefix(text, { comments: true });
    const program = "#few of them \n#\nx = (t # all\n  # or not\n  .head())\n  #  then\nx.";
    expect(of(program)).toBe("# few of them\nx = (t.head())\n  # then\nx.");
    expect(of(of(program))).toBe(of(program));
    expect(of("    x = 1\n  # two\n    x.")).toBe("x = 1\n# two\nx.");
    expect(of("# few")).toBe("# few\n");
    expect(normalisePython(`${program}head()`, { comments: true })).toBe(`${of(program)}head()`);
    expect(normalisePythonPrefix(program)).toBe("x = (t.head())\nx.");
  });

  it("knows the end of a comment", () => {
    expect(endsInComment("x # one")).toBe(true);
    expect(endsInComment("x # one\n")).toBe(false);
    expect(endsInComment("x = '# one'")).toBe(false);
  });
});

const WORDS = [
  ..."t orders _ x lambda if else in not and or is for été _1 None".split(" "),
  ..."1 0x1F 1_0.5 .5 1e-9 2j 1.".split(" "),
  ...`'a' "#" r'\\d' f'{x}' f"{x['k']:>{w}}" b'x' """a\n#b""" '' f'''{x\n}'''`.split(/ (?=[frb]*['"])/),
  ..."+ - * ** // / % @ & | ^ ~ < > <= >= == != = := -> . , : ; ...".split(" "),
];
const SPACES = [
  "",
  " ",
  "  ",
  "\t",
  "\n",
  "\n\n",
  "\n    ",
  " # c\n",
  "  # it's ( \"\n",
  "\\\n",
  "\n# c\n",
  "\n  ",
];

/** Text with brackets that close, of words with anything that may stand between. */
const texts = fc.letrec<{ text: string }>((tie) => ({
  text: fc
    .array(
      fc.tuple(
        fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom(...WORDS) },
          {
            weight: 2,
            arbitrary: fc
              .tuple(fc.constantFrom("()", "[]", "{}"), tie("text"))
              .map(([pair, inner]) => `${pair[0]}${inner}${pair[1]}`),
          },
        ),
        fc.constantFrom(...SPACES),
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.flat().join("")),
})).text;

/** Statements that are Python more often than not. */
const programs = fc
  .array(
    fc.oneof(
      texts,
      fc
        .tuple(
          fc.constantFrom(
            ...[["x = "], ["t.f(", ")"], ["x += "], ["(", "\n)"], ["if x:\n    "], ["[\n", "]"]],
            ["def f(a,\n  b): return "],
          ),
          texts,
        )
        .map(([[head = "", tail = ""], text]) => head + text + tail),
      fc
        .array(
          fc.tuple(
            fc.constantFrom(...SPACES.slice(4)),
            fc.constantFrom(".a", "(x)", ".b(1, # c\n 2)", "[0]"),
          ),
        )
        .map((parts) => `(t${parts.flat().join("")})`),
    ),
    { maxLength: 5 },
  )
  .chain((lines) => fc.constantFrom("\n", "\n\n", " # c\n", "\n  # c\n").map((glue) => lines.join(glue)));

describe("any program", () => {
  it("has the same tokens, as Python itself reads them, and normalising again changes nothing", () => {
    let valid = 0;
    fc.assert(
      fc.property(programs, (program) => {
        const after = normalisePython(program);
        expect(normalisePython(after)).toBe(after);
        expect(
          lexPython(program)
            .map(({ text }) => text)
            .join(""),
        ).toBe(program);
        const tokens = oracle.python(program);
        if (tokens === undefined) return;
        valid++;
        expect(oracle.python(after)).toEqual(tokens);
        expect(lexPython(after).some(({ kind }) => kind === "comment")).toBe(false);
      }),
      { numRuns: 4000, seed: 1 },
    );
    expect(valid).toBeGreaterThan(400);
  }, 600_000);
});
