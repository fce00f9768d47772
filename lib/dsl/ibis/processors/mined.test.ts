/** Programs cut out of files that were written for this test, hostile ones among them, and the rows that they make. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import type { MadeOfSite } from "../../../data/source.js";
import { temporaryFolder } from "../../../formats/testing/temporary.js";
import { createIbisEngine } from "../checker/engine.js";
import type { Site } from "../../dsl.js";
import { ibisMakeRows } from "./mined.js";

const engine = createIbisEngine();
afterAll(() => engine.close());

/** A site for each text between `«` and `»`, a docstring's, function's or pair's where the mark says so. */
function marked(source: string): { file: string; sites: Site[] } {
  const sites: Site[] = [];
  const open: Omit<Site, "endLine" | "endColumn">[] = [];
  let [file, line, column] = ["", 1, 1];
  for (let i = 0; i < source.length; i++) {
    const letter = source[i] ?? "";
    if (letter === "«") {
      const [mark, excerpt = "statement"] = /^«(?:(function|docstring|pair):)?/.exec(source.slice(i)) ?? [];
      open.push({ excerpt, line, column });
      i += (mark?.length ?? 1) - 1;
    } else if (letter === "»") {
      const begun = open.pop();
      if (begun !== undefined) sites.push({ ...begun, endLine: line, endColumn: column });
    } else {
      file += letter;
      [line, column] = letter === "\n" ? [line + 1, 1] : [line, column + 1];
    }
  }
  return { file, sites };
}

async function made(source: string): Promise<MadeOfSite[]> {
  const { file, sites } = marked(source);
  return ibisMakeRows(engine)(file, sites);
}

/** Of each site the programs, or the reason. */
async function programs(source: string): Promise<(string | string[])[]> {
  return (await made(source)).map(({ rows, refused }) =>
    rows.length > 0
      ? rows.filter(({ task }) => task === "ibis_to_sql").map(({ fields }) => fields.input)
      : (refused[0]?.reason ?? "nothing"),
  );
}

const HEAD = "import ibis\nfrom ibis import _\n";

describe("programs cut out of files", () => {
  it("bring the statements, values and tables that they need, under their own names", async () => {
    const rows = await made(`${HEAD}import ibis.expr.datatypes as dt
import pytest

MOST = 3
con = ibis.duckdb.connect()
owls = ibis.table({"owl": "string", "wing": "float64"}, name="owls")


def loud(name):
    return name.upper()


@pytest.fixture
def nests():
    kinds = dict(owl="string", eggs=dt.int64)
    return ibis.table(kinds, name="nest")


def test_names(owl_table):
    t = con.table("sightings")
    wide = t.filter(t.wing > MOST)
    result = «wide.mutate(owl=loud(wide.owl))».execute()
    assert len(result) == 3


def test_join(nests):
    joined = owls.join(nests, "owl")
    con.execute(«joined.filter(nests.eggs > 2)».count())


@pytest.mark.parametrize("how", ["left", "inner"])
def test_how(how, here, there, n=2):
    assert «here.join(there, "k", how=how)».limit(n).execute() is not None


def test_memory():
    rows = ibis.memtable({"a": [1, 2], "b": ["x", "y"]})
    «rows.a.sum()».execute()
`);
    const translated = rows.flatMap(({ rows: own }) => own.filter(({ task }) => task === "ibis_to_sql"));
    expect(rows.map(({ refused }) => refused)).toEqual([[], [], [], []]);
    expect(translated.map(({ fields, completion }) => [fields.input, completion])).toEqual([
      [
        "MOST = 3\ndef loud(name):\n    return name.upper()\nwide = sightings.filter(sightings.wing > MOST)\nwide.mutate(owl=loud(wide.owl))",
        "SELECT wing, UPPER(owl) AS owl FROM sightings WHERE wing > 3",
      ],
      [
        'joined = owls.join(nest, "owl")\njoined.filter(nest.eggs > 2).count()',
        "SELECT COUNT(*) FROM owls AS o INNER JOIN nest AS n ON o.owl = n.owl WHERE n.eggs > 2",
      ],
      ['here.join(there, "k", how="left").limit(2)', expect.stringContaining("LEFT OUTER JOIN there")],
      ["rows.a.sum()", "SELECT SUM(a) FROM rows"],
    ]);
    expect(translated.map(({ schema }) => schema)).toEqual([
      { sightings: { wing: "float64", owl: "string" } },
      { owls: { owl: "string", wing: "float64" }, nest: { owl: "string", eggs: "int64" } },
      { here: { k: "string" }, there: { k: "string" } },
      { rows: { a: "int64", b: "string" } },
    ]);
    const [first] = rows;
    expect(first?.rows.map(({ task }) => task)).toEqual(["ibis_to_sql", "sql_to_ibis", "code_completion"]);
  });

  it("know a name by its scope, and one table from another of its name", async () => {
    const shadowing = `${HEAD}
t = ibis.table({"a": "int64"}, name="outer")

def shadowed(t):
    return «t.filter(lambda t: t.b == "x")»

def read():
    return «t.filter(t.a > 1)»

def both():
    t = ibis.table({"a": "string"}, name="outer")
    return «t.union(t.filter(t.a == "y"))»

def renamed(orders):
    o = orders
    return «(
        o.filter(o.a > 1)
    )»

def only(con):
    return «con.current_catalog.lower()»

def rebound(t):
    t = t.mutate(c=t.a + 1)
    t = t.filter(t.c > 2)
    return «t.select("c")»
`;
    expect(await programs(shadowing)).toEqual([
      ['t.filter(lambda t: t.b == "x")'],
      ["outer.filter(outer.a > 1)"],
      ['outer.union(outer.filter(outer.a == "y"))'],
      ["orders.filter(orders.a > 1)"],
      "it needs a connection, or a tool of its test",
      ['t = t.mutate(c=t.a + 1)\nt = t.filter(t.c > 2)\nt.select("c")'],
    ]);
  });

  it("are none where a straight reading of the file cannot tell what they are", async () => {
    expect(
      await programs(`${HEAD}import numpy as np
import os
import pandas as pd
import pytest

def f(t, frame):
    for n in range(3):
        «t.limit(n).filter(t.a > n)»
    if len(frame):
        u = t.filter(t.a > 1)
    «u.filter(u.b == 2)»
    «t.filter(t.a > np.pi)»
    «t.filter(t.path == os.getcwd())»
    found = t.execute()
    «t.filter(t.a == found)»
    names = []
    names.append("a")
    «t.select(names)»
    «t.filter(t.a == nobody)»
    df = pd.DataFrame()
    «df.filter(df.a > 1)»
    with pytest.raises(ValueError):
        «t.filter(t.a > 4)»
    «t.count()»
    «t.nothing_of_the_kind(t.a)»

class Report:
    def total(self):
        return «self.t.filter(self.t.a > 1)»
`),
    ).toEqual([
      "a name is bound by a loop",
      "a name is bound in a branch or a loop",
      "it needs a module that programs do not have",
      "it needs a module that programs do not have",
      "it needs the result of a query",
      "a value is changed in place",
      "a name is bound nowhere in the file",
      "it needs a module that programs do not have",
      "it is meant to fail",
      "it names no column of a table",
      "Ibis refuses it",
      "it needs an object of a class",
    ]);
    expect(await programs(`from ibis import *\nfrom queries import *\n«t.filter(t.a > limit)»\n`)).toEqual([
      "a name may be of a star import",
    ]);
  });

  it("are found in functions and their documentation, docstrings' examples, and beside SQL", async () => {
    const [first, second, third] = await made(`${HEAD}
«function:def widest(owls, n=3):
    """Keep the owls with the widest wings.

    Args:
        owls: Table with wing.
        n: How many.
    """
    return owls.order_by(ibis.desc("wing")).limit(n)»

«docstring:def shown():
    """Show.

    >>> import ibis
    >>> t = ibis.examples.penguins.fetch()
    >>> t.filter(t.year > 2007)
    ┏━━━┓
    >>> t.group_by("island").agg(
    ...     n=t.count()
    ... )
    """»

def test(con, t):
    assert «pair:ibis.to_sql(t.select("a")) == "SELECT a FROM t"»
`);
    expect(first?.rows.at(-1)).toMatchObject({
      task: "function_documentation",
      fields: { input: 'def widest(owls, n=3):\n    return owls.order_by(ibis.desc("wing")).limit(n)' },
      completion: expect.stringMatching(/^Keep the owls[^]*n: How many\.$/) as string,
    });
    expect(
      second?.rows.filter(({ task }) => task === "ibis_to_sql").map(({ fields }) => fields.input),
    ).toEqual([
      "penguins.filter(penguins.year > 2007)",
      'penguins.group_by("island").agg(n=penguins.count())',
    ]);
    expect(third?.rows[0]).toMatchObject({
      fields: { input: 't.select("a")' },
      completion: "SELECT a FROM t",
    });
  });

  it("are held by the sandbox: nothing of a file is run, and what loops or swells ends as a refusal", async () => {
    const written = join(temporaryFolder(), "written");
    const hostile = `${HEAD}
def forever(n):
    while True:
        n = n + 1
    return n

def around(n):
    return back(n)

def back(n):
    return around(n)

twice = twice + 1
open(${JSON.stringify(written)}, "w").write("x")

def f(t):
    «t.filter(t.a > forever(1))»
    «t.filter(t.a > around(1))»
    «t.filter(t.a > twice)»
    «t.filter(t.a == open("/etc/passwd").read())»
    «t.filter(t.a == __import__("os").getpid())»
    «t.filter(t.a > 10 ** 10 ** 10)»
`;
    expect(await programs(hostile)).toEqual([
      "the check refuses it",
      "Ibis refuses it",
      "a name is bound nowhere in the file",
      "the check refuses it",
      "the check refuses it",
      "the check refuses it",
    ]);
    expect(existsSync(written)).toBe(false);
    const cut = async (file: string): Promise<unknown> => {
      const site = { excerpt: "statement", line: 1, column: 1, endLine: 1, endColumn: 2 };
      const [one] = await engine.programsAt(file, [site]);
      return one !== undefined && "reason" in one ? one.reason : one;
    };
    expect(await cut("def broken(:\n")).toBe("its file does not parse");
    expect(await cut("x = '\0'\n")).toBe("its file does not parse");
    expect(await cut(`x = "${"a".repeat(300_000)}"\n`)).toBe("its file is too long");
    expect(await cut(`x = ${"(".repeat(5000)}1${")".repeat(5000)}\n`)).toBe("its file nests too deep");
    expect(await cut(`x = ${"-".repeat(5000)}1\n`)).toBe("its file nests too deep");
    expect(await cut(`x = 1${".a()".repeat(9000)}\n`)).toMatch(
      /nests too deep|could not be read|does not parse/,
    );
    expect(await cut("y\n")).toBe("it does nothing with its table");
    expect(await cut("\n\n")).toBe("no expression stands there");
  }, 120_000);

  it("give no rows twice", async () => {
    const source = `${HEAD}def f(t):\n    «t.filter(t.a > 1)»\n    «t.filter(t.a > 1)».execute()\n`;
    expect(await programs(source)).toEqual([["t.filter(t.a > 1)"], "it was found before"]);
  });
});
