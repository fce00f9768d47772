import { describe, expect, it } from "vitest";
import {
  functionsOf,
  importsOf,
  namesOf,
  returnedLast,
  withImports,
  withoutComments,
} from "./python-source.js";

const MODULE = `from __future__ import annotations

import calendar as cal
from operator import (
    ge,
    itemgetter as pick,
)

import ibis
from ibis import _, literal as lit


@mark("x")
def first(orders, items):
    """What it is.

    return nothing
    """
    # one step
    DATE = "1995-03-15"

    q = orders.filter(_.day == cal.day_abbr[1])
    return (
        q.join(items, "id")
        .limit(3)
    )


def second(t):
    if t:
        return t
    return lit(1)


def third(t): return t
`;

describe("a module of Python", () => {
  it("is cut into functions without their docstrings", () => {
    const [first, second] = functionsOf(MODULE);
    expect(first).toMatchObject({ name: "first", parameters: ["orders", "items"], line: 14 });
    expect(withoutComments(first?.body ?? "")).toBe(
      `DATE = "1995-03-15"\nq = orders.filter(_.day == cal.day_abbr[1])\nreturn (\n    q.join(items, "id")\n    .limit(3)\n)`,
    );
    expect(second?.name).toBe("second");
  });

  it("gives the value of a function that returns at its end, and of no other", () => {
    expect(returnedLast("a = 1\nreturn (\n    a\n)\n")).toBe("a = 1\n(\n    a\n)");
    expect(returnedLast("return a\nb = 2")).toBeUndefined();
    expect(returnedLast("a = 1")).toBeUndefined();
    expect(returnedLast("return")).toBeUndefined();
    expect(returnedLast("def inner():\n    return 1\nreturn inner()")).toBe(
      "def inner():\n    return 1\ninner()",
    );
  });

  it("binds names by its imports, of which a text gets those that it uses", () => {
    const imports = importsOf(MODULE);
    expect([...imports]).toEqual([
      ["ge", "from operator import ge"],
      ["pick", "from operator import itemgetter as pick"],
      ["_", "from ibis import _"],
      ["lit", "from ibis import literal as lit"],
      ["cal", "import calendar as cal"],
      ["ibis", "import ibis"],
    ]);
    expect(namesOf("a.b(c=d['e'], f=lambda g: g)")).toEqual(new Set(["a", "c", "d", "f", "lambda", "g"]));
    expect(withImports("t.cal + lit(1)", imports, new Set(["ibis", "_"]))).toBe(
      "from ibis import literal as lit\nt.cal + lit(1)",
    );
  });
});
