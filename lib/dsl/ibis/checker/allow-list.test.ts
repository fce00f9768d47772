import { afterAll, describe, expect, it } from "vitest";
import { createIbisEngine } from "../index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());
const schema = { t: { a: "int64", g: "string" } };

/** Refused before anything of it runs; the message must say why. */
const REFUSED: [string, RegExp][] = [
  ["().__class__.__bases__", /begin with an underscore/],
  ["t.__class__", /begin with an underscore/],
  ["t._arg", /begin with an underscore/],
  ["t.count.__func__", /begin with an underscore/],
  ["ibis.desc.__globals__", /begin with an underscore/],
  ["s.across.__globals__", /begin with an underscore/],
  ["_.a.__class__", /begin with an underscore/],
  ["ibis.util.os", /`ibis.util` is not available/],
  ["s.builtins.eval", /`ibis.selectors.builtins` is not available/],
  ["ibis.read_csv('/etc/passwd')", /no file is read/],
  ["ibis.parse_sql('select 1', {})", /`ibis.parse_sql` is not available/],
  ["t.sql('select 1')", /`sql` is not available/],
  ["t.get_backend().raw_sql('x')", /`get_backend` is not available/],
  ["t.op()", /`op` is not available/],
  ["t.group_by('g').table", /`table` is not available/],
  ["t.mutate(y=_.execute())", /`execute` is not available/],
  ["t.mutate(lambda r: r.a.execute())", /not checked: nothing is executed/],
  ['"{0.__class__}".format(t)', /format field/],
  ['"{0.a}".format(t)', /format field/],
  ["t.rename('{name.__class__}')", /format field/],
  ["t.rename('{' + 'name.__class__}')", /format field/],
  ["t.rename('{name:>100000000}')", /format field/],
  ["'%s' % t", /takes plain Python values/],
  ["f'{t}'", /f-string takes plain values/],
  ["eval('1')", /`eval` is not available/],
  ["__import__('os')", /`__import__` is not available/],
  ["open('/etc/passwd')", /`open` is not available/],
  ["str.mro()", /`.mro` of a Python type is not available/],
  ["import os", /`import os` is not available/],
  ["from os import path", /is not available/],
  ["from ibis import util", /`ibis.util` is not available/],
  ["import ibis.util", /is not available/],
  ["while True:\n    pass", /over 100000 steps/],
  ["def f(): pass\nf.__globals__", /begin with an underscore/],
  ["def f(): pass\nf.__code__", /begin with an underscore/],
  ["def f(x): return lambda: x\nf(1).__closure__", /begin with an underscore/],
  ["def f(x=t.execute().foo): pass", /nothing is executed here/],
  ["@eval\ndef f(): pass", /`eval` is not available/],
  ["try:\n  t.nope\nexcept Exception as e:\n  e.__traceback__", /begin with an underscore/],
  ["try:\n  t.op()\nexcept Exception:\n  t", /`op` is not available/],
  ["try:\n  t.op()\nfinally:\n  t", /`op` is not available/],
  ["while True:\n  try: t.op()\n  finally: break", /`op` is not available/],
  ["try:\n  while True: pass\nexcept:\n  t", /over 100000 steps/],
  ["while True:\n  try: pass\n  finally: continue", /over 100000 steps/],
  ["def f():\n  while True: pass\nt.mutate(lambda r: f())", /over 100000 steps/],
  ["def f(n):\n  try: f(n)\n  finally: f(n)\nf(1)", /over 100000 steps/],
  ["x = [1] * 20000\nx += x", /over the limit/],
  ["x = []\nfor i in range(20000): x += [[0] * 20000]", /over 100000 steps/],
  ["x = 'a' * 20000\nx += x", /over the limit/],
  ["x = 2\nwhile True: x **= 2", /bits/],
  ["x = [1] * 20000\ny = [*x, *x]", /over the limit/],
  ["f'{1:>999999999}'", /width is over the limit/],
  ["w = 10**9\nf'{1:{w}}'", /width is over the limit/],
  ["f'{t:>3}'", /f-string takes plain values/],
  ["ibis.to_sql = 1", /cannot be assigned/],
  ["def f():\n  x = yield 1\nf()", /a yield whose value is used has no part in a query/],
  ["async def f(): pass", /asynchronous function has no part/],
  ["match t:\n  case range(x): pass", /class pattern|cannot|not available/],
  ["x = [t]\nfor i in range(40): x = [x, x]\nraise ValueError(x)", /plain values/],
  ["class A(t): pass", /a class derives from nothing here/],
  ["class A(object): pass", /a class derives from nothing here/],
  ["class A(Exception): pass", /a class derives from nothing here/],
  ["class A(metaclass=type): pass", /neither arguments nor parameters/],
  ["class A:\n    def __init__(self): pass", /begin with two underscores/],
  ["class A:\n    __slots__ = ()", /begin with two underscores/],
  ["class A:\n    __x = 1", /begin with two underscores/],
  ["class A:\n    for i in [1]: pass", /a class holds methods/],
  ["class A:\n    @property\n    def x(self): pass", /a class holds methods/],
  ["class A: pass\nA.x = 1", /cannot be assigned/],
  ["class A: pass\nA().__class__", /begin with an underscore/],
  ["class A: pass\nA.__subclasses__()", /begin with an underscore/],
  ["import re\nre.match('(a+)+', 'a')", /repeats without end within one another/],
  ["import re\nre.match(r'(a)\\1', 'aa')", /backreferences/],
  ["import re\nre.match('(a|a)*$', 'a' * 40)", /too many ways/],
  ["import re\nre.match('a' * 301, 'a')", /over the limit of 300/],
  ["import re\nre.match('a', 'a' * 2001)", /texts of up to 2000/],
  ["import re\nre.match('a', 'a', re.DEBUG)", /`re.DEBUG` is not available/],
  ["import re\nre.match('a', 'a', 128)", /of the flags of `re`/],
  ["import re\nre.match(b'a', b'a')", /a regular expression is a string/],
  ["import re\nre.Scanner", /`re.Scanner` is not available/],
  ["'a' * 10**9", /over the limit/],
  ["[1] * 10**9", /over the limit/],
  ["10**10**10", /bits/],
  ["1 << 10**9", /bits/],
  ["range(10**9)", /over the limit/],
  [`${"x = [1]\n"}${"x = [x, x]\n".repeat(40)}str(x)`, /takes plain Python values/],
  ["-".repeat(15000) + "1", /operators in a row/],
  ["not ".repeat(4000) + "1", /operators in a row/],
  ["lambda:".repeat(2500) + "1", /tokens/],
  ["t" + ".a".repeat(9000), /tokens/],
  ["1 + ".repeat(1400) + "1", /nests over/],
  ["t" + ".limit(1)".repeat(400), /nests over/],
  ["t.limit(1)\n".repeat(3000), /limit is 20000/],
];

describe("the allow-list", () => {
  it.each(REFUSED.map(([text, reason]) => [text.slice(0, 50), text, reason] as const))(
    "refuses %s",
    async (_title, text, reason) => {
      const verdict = await engine.check(text, { schema });
      expect(verdict).toMatchObject({ ok: false, refused: true, error: { type: "PermissionError" } });
      expect(verdict.error?.message).toMatch(reason);
    },
  );

  it.each([
    ["pyodide_js.mountNodeFS('/x', '/')", "NameError"],
    ["js.process", "NameError"],
    ["import js", "ModuleNotFoundError"],
    ["import pyodide_js", "ModuleNotFoundError"],
    ["ibis.sys", "AttributeError"],
    ["t.mutate(y=_.g.get_name().format(_))", "AttributeError"],
    ["t.mutate(y=_.g.is_null())", "AttributeError"],
    ["t.mutate(y=_.g.title())", "AttributeError"],
    ["t.pipe(_.execute)", "TypeError"],
    ["ibis.os.system('id')", "AttributeError"],
    ["t.g.cast('string').type().nope", "AttributeError"],
    ["(lambda f: f(f))(lambda f: f(f))", "RecursionError"],
    ["(".repeat(500), "SyntaxError"],
    ["t\0", "SyntaxError"],
    ["\ud800", "UnicodeEncodeError"],
    ["", "SyntaxError"],
  ])("finds nothing at %j", async (text, type) => {
    expect(await engine.check(text, { schema })).toMatchObject({ ok: false, error: { type } });
  });

  it("leaves the process well after all of that", async () => {
    expect(await engine.check("t.limit(1)", { schema })).toMatchObject({ ok: true });
  });
});
