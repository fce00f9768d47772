import { afterAll, describe, expect, it } from "vitest";
import { createIbisEngine } from "../index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());
const schema = { t: { a: "int64", b: "int64", g: "string" } };

/** A program whose result is a limit tells by it what Python computed. */
const LIMITS: [string, number][] = [
  ["def f(n): return t.limit(n)\nf(3)", 3],
  ["def f(n=4):\n    'doc'\n    return t.limit(n)\nf()", 4],
  ["def f(*a, k=1, **kw): return t.limit(len(a) + k + len(kw))\nf(1, 2, k=3, z=1)", 6],
  ["def f(a, /, b, *, c): return a + b + c\nt.limit(f(1, b=2, c=3))", 6],
  [
    "def f():\n    n = 1\n    def g():\n        nonlocal n\n        n += 4\n    g()\n    return n\nt.limit(f())",
    5,
  ],
  ["n = 1\ndef f():\n    global n\n    n = 7\nf()\nt.limit(n)", 7],
  ["fs = [lambda: i for i in range(3)]\nt.limit(fs[0]())", 2],
  ["fs = [lambda i=i: i for i in range(3)]\nt.limit(fs[1]())", 1],
  ["def fact(n): return 1 if n < 2 else n * fact(n - 1)\nt.limit(fact(5))", 120],
  ["def twice(f): return lambda *a: 2 * f(*a)\n@twice\ndef f(x): return x\nt.limit(f(4))", 8],
  ["n = 0\nfor i in range(5):\n    if i == 1: continue\n    if i == 4: break\n    n += i\nt.limit(n)", 5],
  ["for i in range(3): pass\nelse: i = 9\nt.limit(i)", 9],
  ["n = 0\nwhile n < 6: n += 1\nelse: n += 1\nt.limit(n)", 7],
  ["a, *b, c = 1, 2, 3, 4\nt.limit(len(b) + c)", 6],
  ["(a, b), [c] = (1, 2), [3]\nt.limit(a + b + c)", 6],
  ["a = b = 3\nt.limit(a + b)", 6],
  ["n: int = 5\nt.limit(n)", 5],
  ["d = {}\nd['x'] = 2\nd['x'] *= 4\nt.limit(d['x'])", 8],
  ["x = [1, 2, 3]\nx[0:2] = [9]\ndel x[1]\nt.limit(x[0] + len(x))", 10],
  ["if (n := 4) > 3: t.limit(n)", 4],
  ["x = [y := 1, y + 1]\nt.limit(x[1])", 2],
  ["[last := i for i in range(4)]\nt.limit(last)", 3],
  ["if __name__ == '__main__':\n    t.limit(2)", 2],
  ["assert 1 < 2 < 3, 'no'\nt.limit(1)", 1],
  [
    "try:\n    t.nope\nexcept (KeyError, AttributeError) as e:\n    n = 3\nelse:\n    n = 1\nfinally:\n    n += 1\nt.limit(n)",
    4,
  ],
  ["try:\n    raise ValueError('x')\nexcept ValueError:\n    n = 2\nt.limit(n)", 2],
  ["t.limit(3)\ndef later(): pass", 3],
  ["t.limit(int(f'{3:02d}'))", 3],
  ["d = {k: v for k, v in [('a', 1), ('b', 2)]}\nt.limit(d['b'])", 2],
  ["n = sum(y for x, *y in [] for y in y) + len({*[1, 1], 2})\nt.limit(n)", 2],
  ["from __future__ import annotations\ndef f(x: Nope) -> Nope: return x\nt.limit(f(2))", 2],
  ["```python\nt.limit(3)\n```", 3],
  ["\n~~~\nt.limit(4)\n~~~\n", 4],
];

/** Type and message are CPython's own. */
const WRONG: [string, string, string][] = [
  ["def f(x): pass\nf()", "TypeError", "f() missing 1 required positional argument: 'x'"],
  [
    "def f(x, y, z): pass\nf()",
    "TypeError",
    "f() missing 3 required positional arguments: 'x', 'y', and 'z'",
  ],
  ["def f(*, k): pass\nf()", "TypeError", "f() missing 1 required keyword-only argument: 'k'"],
  ["def f(x): pass\nf(1, 2)", "TypeError", "f() takes 1 positional argument but 2 were given"],
  ["def f(x=1): pass\nf(1, 2)", "TypeError", "f() takes from 0 to 1 positional arguments but 2 were given"],
  ["def f(x): pass\nf(1, x=2)", "TypeError", "f() got multiple values for argument 'x'"],
  ["def f(x): pass\nf(1, z=2)", "TypeError", "f() got an unexpected keyword argument 'z'"],
  [
    "def f():\n    def g(x): pass\n    g()\nf()",
    "TypeError",
    "f.<locals>.g() missing 1 required positional argument: 'x'",
  ],
  ["a, b = 1, 2, 3", "ValueError", "too many values to unpack (expected 2)"],
  ["a, b, c = 1, 2", "ValueError", "not enough values to unpack (expected 3, got 2)"],
  ["a, b = 1", "TypeError", "cannot unpack non-iterable int object"],
  [
    "def f():\n    q = z\n    z = 1\nf()",
    "UnboundLocalError",
    "cannot access local variable 'z' where it is not associated with a value",
  ],
  ["del q", "NameError", "name 'q' is not defined"],
  ["def f(x: Nope): pass", "NameError", "name 'Nope' is not defined"],
  ["return 5", "SyntaxError", "'return' outside function"],
  ["break", "SyntaxError", "'break' outside loop"],
  ["continue", "SyntaxError", "'continue' not properly in loop"],
  ["def f(x, x): pass", "SyntaxError", "duplicate argument 'x' in function definition"],
  ["nonlocal x", "SyntaxError", "nonlocal declaration not allowed at module level"],
  ["assert 1 > 2, 'no'", "AssertionError", "no"],
  ["raise ValueError('x')", "ValueError", "x"],
  ["(1, 2)[0] = 3", "TypeError", "'tuple' object does not support item assignment"],
  ["def f(n): return f(n)\nf(1)", "RecursionError", "maximum recursion depth exceeded"],
];

describe("programs of several statements", () => {
  it.each(LIMITS)("evaluates %j", async (text, limit) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict.error).toBeUndefined();
    expect(verdict.sql).toMatch(new RegExp(`LIMIT ${limit}$`));
  });

  it.each(WRONG)("finds in %j the %s", async (text, type, message) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict.error).toMatchObject({ type, message });
    expect(verdict.refused).toBeUndefined();
  });

  it("gives Ibis's own exception for a method that only a type has", async () => {
    const verdict = await engine.check("t.filter(_.g.is_null())", { schema });
    expect(verdict).toMatchObject({ stage: "names", error: { type: "AttributeError" } });
    expect(verdict.refused).toBeUndefined();
  });

  it("counts lines from the start of a fenced text", async () => {
    const verdict = await engine.check("```python\nt.limit(1)\nt.nope\n```", { schema });
    expect(verdict.error?.position).toMatchObject({ line: 3, column: 2 });
  });

  it("leaves nothing of one text to the next", async () => {
    await engine.check("ibis = 5\nlen = 6\ndef leak(): pass\nleak", { schema });
    expect(await engine.check("leak", { schema })).toMatchObject({ error: { type: "NameError" } });
    expect(await engine.check("t.limit(len([1]))", { schema })).toMatchObject({ ok: true });
  });
});
