import { afterAll, describe, expect, it } from "vitest";
import type { Schema } from "../../dsl.js";
import { createIbisEngine } from "../index.js";

const schema: Schema = { t: { a: "int64", b: "int64", g: "string", x: "float64" } };
const engine = createIbisEngine({ workers: 1 });
afterAll(() => engine.close());

const dataclass = "from dataclasses import dataclass, field, asdict, replace\n@dataclass\n";
const enumeration = "from enum import Enum, auto\nclass E(Enum):\n    A = 'a'\n    B = 'b'\n    C = 'a'\n";

/** A text, and one without classes that must compile to the same SQL. */
const SAME: [string, string][] = [
  ["class C:\n    N = 3\n    M = N + 1\nt.limit(C.M)", "t.limit(4)"],
  ["class C:\n    N = 3\n    def top(self, d, n=N):\n        return d.limit(n)\nC().top(t)", "t.limit(3)"],
  ["class C:\n    def top(d):\n        return d.limit(2)\nC.top(t)", "t.limit(2)"],
  ["class C: pass\nc = C()\nc.n = 1\nc.n += 4\nt.limit(c.n)", "t.limit(5)"],
  ["class C:\n    n = 1\nc = C()\nc.n = 2\nt.limit(C.n * 10 + c.n)", "t.limit(12)"],
  ["class C: pass\nt.limit(3 if isinstance(C(), C) else 4)", "t.limit(3)"],
  [
    "class C: pass\nt.mutate(z=ibis.literal(type(C()).__name__ + C.__name__))",
    "t.mutate(z=ibis.literal('CC'))",
  ],
  ["def f():\n    class C:\n        k = 'a'\n    return C\nt.select(f().k)", "t.select('a')"],
  [
    `${dataclass}class C:\n    col: str\n    n: int = 5\n    def top(self, d):\n        return d.order_by(self.col).limit(self.n)\nC('a').top(t)`,
    "t.order_by('a').limit(5)",
  ],
  [
    `${dataclass}class C:\n    k: list = field(default_factory=list)\nC().k.append(1)\nt.limit(len(C().k))`,
    "t.limit(0)",
  ],
  [
    `${dataclass}class C:\n    k: str\n    n: int = 1\nt.limit(asdict(replace(C('a'), n=7))['n'])`,
    "t.limit(7)",
  ],
  [
    "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass C:\n    n: int\nt.limit(C(n=2).n)",
    "t.limit(2)",
  ],
  [`${enumeration}t.select([e.value for e in E])`, "t.select(['a', 'b'])"],
  [`${enumeration}t.select(E('b').value, E['C'].value)`, "t.select('b', 'a')"],
  [`${enumeration}t.select(E.C.name.lower()).limit(len(E) if E.A is E.C else 9)`, "t.select('a').limit(2)"],
  [
    "from enum import Enum, auto\nclass E(Enum):\n    A = auto()\n    B = auto()\nt.limit(E.B.value)",
    "t.limit(2)",
  ],
  [
    "from typing import NamedTuple\nclass S(NamedTuple):\n    col: str\n    n: int = 3\ncol, n = S('a')\nt.select(col).limit(n)",
    "t.select('a').limit(3)",
  ],
  ["from typing import TypedDict\nclass O(TypedDict):\n    n: int\nt.limit(O(n=4)['n'])", "t.limit(4)"],
];

const RAISED: [string, string, RegExp][] = [
  ["class C: pass\nC(1)", "TypeError", /C\(\) takes no arguments/],
  ["class C: pass\nC().x", "AttributeError", /'C' object has no attribute 'x'/],
  ["class C: pass\nC.x", "AttributeError", /type object 'C' has no attribute 'x'/],
  ["class C:\n    n = 1\n    def f(self): return n\nC().f()", "NameError", /'n' is not defined/],
  ["class C:\n    n = 1\n    xs = [n for _i in range(2)]\nt", "NameError", /'n' is not defined/],
  ["class C:\n    def f(): return t\nC().f()", "TypeError", /takes 0 positional arguments but 1 was given/],
  [`${dataclass}class C:\n    k: str\nC()`, "TypeError", /missing 1 required positional argument: 'k'/],
  [
    `${dataclass}class C:\n    k: str\nC('a', 'b')`,
    "TypeError",
    /takes 2 positional arguments but 3 were given/,
  ],
  [`${dataclass}class C:\n    k: int = 1\n    n: str\nt`, "TypeError", /non-default argument 'n' follows/],
  [`${dataclass}class C:\n    k: list = []\nt`, "ValueError", /use default_factory/],
  [`${dataclass}class C:\n    k: Nope = 1\nt`, "NameError", /'Nope' is not defined/],
  [
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass C:\n    k: int\nC(1).k = 2\nt",
    "FrozenInstanceError",
    /cannot assign to field 'k'/,
  ],
  [`${enumeration}E('z')`, "ValueError", /'z' is not a valid E/],
  [`${enumeration}E['z']`, "KeyError", /z/],
  [`${enumeration}E.Z`, "AttributeError", /no attribute 'Z'/],
  [
    "from typing import NamedTuple\nclass S(NamedTuple):\n    n: int = 3\n    col: str\nt",
    "TypeError",
    /field col cannot follow default field n|cannot follow/,
  ],
];

describe("the text's own classes", () => {
  it.each(SAME)("%j are worth what their members are", async (text, plain) => {
    const [verdict, wanted] = await engine.checkMany([{ text }, { text: plain }], { schema });
    expect(verdict?.error).toBeUndefined();
    expect(verdict?.sql).toBe(wanted?.sql);
  });

  it.each(RAISED)("%j raise what Python raises", async (text, type, message) => {
    const { ok, error } = await engine.check(text, { schema });
    expect({ ok, type: error?.type }).toEqual({ ok: false, type });
    expect(error?.message).toMatch(message);
  });
});
