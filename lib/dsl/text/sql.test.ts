import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { lexSql } from "./sql-lexer.js";
import { normaliseSql, writeSql } from "./sql.js";
import { lexerOracle, type LexerOracle } from "./testing/oracle.js";

let oracle: LexerOracle;
beforeAll(async () => void (oracle = await lexerOracle()), 60_000);

describe("normaliseSql", () => {
  it("drops comments with their lines, and nothing else", () => {
    const sql =
      "SELECT region, SUM(amount) AS total -- the sum per region\nFROM orders -- all of them\n" +
      "WHERE amount > 5 /* keep\n this */ GROUP BY region;\n-- the end";
    expect(normaliseSql(sql)).toBe(
      "SELECT region, SUM(amount) AS total FROM orders WHERE amount > 5 GROUP BY region",
    );
  });

  it("keeps numbers, names, operators and quotes as they are written", () => {
    for (const sql of [
      "select 1.5e-3, .5, 1_000, 0xFF, a->>'$.b', a||b, x::int, x!=1, a>=b",
      `SELECT "Order Id", größe, t1.a$b FROM "my table" AS t1`,
      "SELECT 'it''s -- no /* comment */', E'\\' -- x', $$ -- y $$, $t$ /* $t$",
      "SELECT [1,2][1:2], {'a': 1}.a, list_transform(l, x -> x+1)",
      "SELECT a - -1, a-b, -a",
    ]) {
      expect(normaliseSql(sql)).toBe(sql);
    }
  });

  it("puts a space where a comment stood alone between two tokens", () => {
    expect(normaliseSql("SELECT/**/a/*x*/FROM/* /* nested */ */t")).toBe("SELECT a FROM t");
  });

  it("goes by the dialect", () => {
    expect(normaliseSql("SELECT 'it\\'s -- x' # y\nFROM `a -- b`", "mysql")).toBe(
      "SELECT 'it\\'s -- x' FROM `a -- b`",
    );
    expect(normaliseSql("SELECT 5--3", "mysql")).toBe("SELECT 5--3");
    expect(normaliseSql("SELECT 5--3")).toBe("SELECT 5");
    expect(normaliseSql("SELECT a // b\nFROM t", "snowflake")).toBe("SELECT a FROM t");
    expect(normaliseSql("SELECT a // b\nFROM t")).toBe("SELECT a // b FROM t");
    expect(normaliseSql("SELECT [a -- b] FROM t -- c", "mssql")).toBe("SELECT [a -- b] FROM t");
    expect(normaliseSql('SELECT """a\n# b""" # c', "bigquery")).toBe('SELECT """a\n# b"""');
    expect(normaliseSql("SELECT q'[it's -- x]' FROM t -- y", "oracle")).toBe("SELECT q'[it's -- x]' FROM t");
  });

  it("does not fail on what does not end", () => {
    expect(normaliseSql("SELECT 'open  -- x")).toBe("SELECT 'open  -- x");
    expect(normaliseSql("SELECT a /* open")).toBe("SELECT a");
  });
});

const WORDS = [
  ..."SELECT FROM t größe a_1 t0.a AS AND NOT 1 1.5 .5 1e5 1E-3 ( ) [ ] , . ; = <> <= >= != :: || -> ->> + - * / %".split(
    " ",
  ),
  `"a b"`,
  `"a ""-- b"`,
  `'it''s'`,
  `'-- x'`,
  `'/* x */'`,
  "''",
];
// "/" and "*" together would begin a comment that nothing ends.
const SLASHES_APART = WORDS.map((text) => (text === "/" ? "/ " : text));
const SPACES = [" ", "  ", "\n", "\t", " -- c\n", "\n-- it's \"\n", " /* c */ ", "/* -- */", "/* a\n'b */ "];
const statements = fc
  .array(fc.tuple(fc.constantFrom(...SLASHES_APART), fc.oneof(fc.constant(""), fc.constantFrom(...SPACES))), {
    maxLength: 14,
  })
  // sqlglot does not take an operator that ends a text, and reads `||/` in `||/* … */`, `//` in `//* … */`.
  .map(
    (parts) =>
      `${parts
        .flat()
        .join("")
        .replace(/([|/])\/\*/g, "$1 /*")} x`,
  );

describe("any statement", () => {
  it("has the same tokens, as sqlglot reads them, and normalising again changes nothing", () => {
    let lexed = 0;
    fc.assert(
      fc.property(
        statements,
        fc.constantFrom(
          "duckdb",
          "postgres",
          "mysql",
          "bigquery",
          "snowflake",
          "mssql",
          "clickhouse",
          "trino",
        ),
        (sql, dialect) => {
          // sqlglot takes `a->>b`, numbers with letters and the like apart in its own way, but before and after alike.
          const after = normaliseSql(sql, dialect);
          expect(normaliseSql(after, dialect)).toBe(after);
          expect(lexSql(after, dialect).map(({ text }) => text)).toEqual(
            withoutEnd(lexSql(sql, dialect).map(({ text }) => text)),
          );
          const tokens = oracle.sql(sql, dialect === "mssql" ? "tsql" : dialect);
          if (tokens === undefined) return;
          lexed++;
          const found = oracle.sql(after, dialect === "mssql" ? "tsql" : dialect);
          expect(found?.map(([, text]) => text)).toEqual(withoutEnd(tokens.map(([, text]) => text)));
        },
      ),
      { numRuns: 3000, seed: 1 },
    );
    expect(lexed).toBeGreaterThan(1500);
  }, 600_000);

  it("keeps its tokens when it is written anew", () => {
    fc.assert(
      fc.property(statements, (sql) => {
        const tokens = lexSql(sql);
        const made = tokens.map(({ kind, text }) => ({ kind, text }));
        for (const written of [writeSql(tokens), writeSql(made)]) {
          expect(lexSql(written).map(({ text }) => text)).toEqual(tokens.map(({ text }) => text));
        }
      }),
      { numRuns: 3000, seed: 1 },
    );
  });
});

function withoutEnd(texts: string[]): string[] {
  let end = texts.length;
  while (texts[end - 1] === ";") end--;
  return texts.slice(0, end);
}
