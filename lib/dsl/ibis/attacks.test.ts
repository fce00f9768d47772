import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Schema, Verdict } from "../dsl.js";
import { createIbisEngine } from "./index.js";

// Hostile texts against the layers that Python itself makes: the grammar, the interpreter and the allow-list. What
// stands behind these is tried by ../sandbox/sandbox.test.ts.

const schema: Schema = {
  t: { a: "int64", g: "string", x: "float64", arr: "array<string>", st: "struct<f: int64>" },
  u: { a: "int64", z: "float64" },
};
const folder = mkdtempSync(join(tmpdir(), "ibert-attacks-"));
const SECRET = "swordfish-77231";
const secretFile = join(folder, "secret.csv");
writeFileSync(secretFile, `a,g\n1,${SECRET}\n`);
process.env.IBERT_ATTACK_SECRET = SECRET;

const engine = createIbisEngine({ workers: 1 });
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** Each would be a valid program if it reached what it is after, so that `ok` is a breach. */
const REACH: Record<string, string[]> = {
  "attributes of objects": [
    "x = ().__class__.__bases__[0].__subclasses__()\nt.limit(len(x))",
    "t.limit(len(t.__class__.__mro__))",
    "x = t.count.__func__.__globals__\nt.limit(len(x))",
    "x = t.__ｃlass__\nt",
    "x = t.a._arg\nt",
    "x = t.op()\nt",
    "x = t.op\nx()\nt",
    "x = _.__class__\nt",
    "t.filter(_.op() == 1)",
    "t.mutate(k=_.a.type().__class__.__name__)",
    "t.mutate(k=_.__reduce_ex__(2)[0])",
    "x = getattr(t, '__class__')\nt",
    "x = getattr(t, '_' + '_class_' + '_')\nt",
    "x = getattr(t, '__ｃlass__')\nt",
    "x = getattr(t, 'op')()\nt",
    "x = getattr(ibis, 'util')\nt",
    "g = getattr\nx = g(t, '__class__')\nt",
    "x = hasattr(t, '__class__') and t.__class__\nt",
    "setattr(t, 'a', 1)\nt",
    "t.a = 1\nt",
    "del t.a\nt",
    "x = vars(t)\nt",
    "x = t.__dict__\nt",
    "x = dir(t)\nt",
    "x = object()\nt",
    "x = type(t)\nt.limit(len(x.mro()))",
    "x = type('X', (), {'__len__': lambda self: 3})\nt",
    "x = super\nt",
    "x = (1).__class__\nt",
    "x = (1).from_bytes\nt.limit(len(x.__self__.__mro__))",
    "x = {}.fromkeys\nt.limit(len(x.__self__.__mro__))",
    "x = [].append.__self__.__class__\nt",
    "x = len.__self__\nt",
    "x = print.__self__.eval\nt",
    "x = str.mro()\nt",
    "x = str.__subclasses__()\nt",
    "x = int.real.__get__\nt",
    "x = t.schema().__class__\nt",
    "x = t.schema().to_pyarrow()\nt",
    "x = t.a.type().to_pandas()\nt",
    "x = t.columns.__class__\nt",
    "x = s.across.__globals__\nt",
    "x = ibis.desc.__globals__['__builtins__']\nt",
    "x = ibis.options.__class__\nt",
    "x = ibis.options.sql.__init__.__globals__\nt",
    "x = (lambda: 1).__code__\nt",
    "x = (lambda: 1).__globals__\nt",
    "x = (i for i in [1]).gi_frame.f_globals\nt",
    "x = t.pipe.__self__.__class__\nt",
  ],
  "functions and classes of the text": [
    "def f():\n    return 1\nx = f.__globals__\nt",
    "def f():\n    return 1\nx = f.__code__.co_consts\nt",
    "def f():\n    return 1\nx = f.__closure__[0].cell_contents\nt",
    "def f():\n    return 1\nf.ibert_lambda = True\nt",
    "def f():\n    yield 1\nx = f().gi_frame.f_back.f_globals\nt",
    "def f():\n    yield 1\nx = f().gi_code\nt",
    "def f(n: __import__('os').getpid()):\n    return n\nf(1)\nt",
    "def f(n=__import__('os').getpid()):\n    return n\nt",
    "def f() -> eval('1'):\n    return 1\nf()\nt",
    "@eval\ndef f():\n    pass\nt",
    "@ibis.udf.scalar.python\ndef f(x: int) -> int:\n    return x\nt.mutate(k=f(t.a))",
    "@ibis.udf.scalar.pyarrow\ndef f(x: int) -> int:\n    return x\nt.mutate(k=f(t.a))",
    "@ibis.udf.scalar.pandas\ndef f(x: int) -> int:\n    return x\nt.mutate(k=f(t.a))",
    "@ibis.udf.scalar.builtin\ndef f(x: open('/etc/passwd')) -> int: ...\nt.mutate(k=f(t.a))",
    "x = ibis.udf.scalar.builtin.__globals__\nt",
    "x = ibis.udf.scalar._base\nt",
    "def f(x: int) -> int: ...\nk = ibis.udf.scalar.builtin(f).__wrapped__\nt",
    "class A:\n    def __len__(self):\n        return 3\nt.limit(len(A()))",
    "class A(type(t)):\n    pass\nt",
    "class M:\n    def __format__(self, spec):\n        return 'x'\nt.mutate(k=f'{M()}')",
    "async def f():\n    return 1\nx = f().cr_frame\nt",
    "import asyncio\nasyncio.run(None)\nt",
    "__builtins__['eval']('1')\nt",
    "__builtins__ = {}\nx = __loader__\nt",
    "x = __spec__.loader\nt",
    "def f():\n    global __builtins__\n    __builtins__ = 1\n    return __import__\nf()\nt",
    "x = __import__('os').environ\nt",
    "x = globals()\nt",
    "x = locals()\nt",
    "eval('t')",
    "exec('x = 1')\nt",
    "compile('t', 'x', 'exec')\nt",
    "breakpoint()\nt",
    "input()\nt",
    "help()\nt",
    "x = memoryview(b'x')\nt",
    "x = id(t)\nt",
  ],
  "pattern, exception and context protocols": [
    "match t:\n    case object(__class__=c):\n        x = c\nt",
    "match t:\n    case ibis.Table(_arg=c):\n        t.limit(1)",
    "try:\n    t.nope\nexcept AttributeError as e:\n    x = e.__traceback__.tb_frame.f_globals\nt",
    "try:\n    t.nope\nexcept AttributeError as e:\n    x = e.obj.op()\nt",
    "try:\n    t.nope\nexcept Exception as e:\n    x = e.__class__.__mro__\nt",
    "try:\n    t.__class__\nexcept BaseException as e:\n    x = e.with_traceback(None).__context__.__traceback__\nt",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = e.__init__.__self__.__reduce__()\nt",
    "with open('/etc/passwd') as f:\n    x = f.read()\nt",
    "with ibis.connect('duckdb://') as c:\n    c.raw_sql('select 1')\nt",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "raise GeneratorExit('x')",
    "raise BaseException('x')",
    "raise type(t)",
    "exit()",
    "quit()\nt",
  ],
  "format strings": [
    "t.mutate(k=ibis.literal('{0.__class__}'.format(t)))",
    "t.mutate(k=ibis.literal('{t.op}'.format(t=t)))",
    "t.mutate(k=ibis.literal('{0[__class__]}'.format(t)))",
    "t.mutate(k=ibis.literal('{x.__class__}'.format_map({'x': t})))",
    "f = '{0.__class__}'.format\nt.mutate(k=ibis.literal(f(t)))",
    "t.mutate(k=ibis.literal(str.format('{0.__class__.__mro__}', t)))",
    "t.mutate(k=ibis.literal(''.join(map('{0.__class__}'.format, [1]))))",
    "t.mutate(k=ibis.literal('%s' % t.a))",
    "t.mutate(k=ibis.literal(f'{t.__class__}'))",
    "t.mutate(k=ibis.literal(f'{t.count!r}'))",
    "t.mutate(k=ibis.literal(f'{(lambda: 1)!r}'))",
    "t.rename('{name.__class__.__mro__}')",
    "t.rename('{name' + '.__class__}')",
    "import ibis.selectors as s\nt.mutate(s.across(s.numeric(), lambda c: c, names='{col.__class__}'))",
    "import ibis.selectors as s\nt.mutate(s.across(s.numeric(), {'k': lambda c: c}, names='{fn.__globals__}'))",
    "t.mutate(k=ibis.literal(format(t, '__class__')))",
    "import string\nt.mutate(k=string.Formatter().format('{0.__class__}', 1))",
  ],
  "what takes a callable": [
    "t.pipe(eval)",
    "t.pipe(getattr, '__class__').mro\nt",
    "x = t.pipe(getattr, 'op')()\nt",
    "t.pipe((lambda self, x: x.op(), 'x'), 1)\nt",
    "_.pipe(eval)\nt.mutate(k=_.pipe(eval))",
    "t.rename(eval)",
    "t.mutate(s.across(s.all(), eval))",
    "t.select(s.where(exec))",
    "t.mutate(k=t.arr.map(eval))",
    "x = list(map(eval, ['1']))\nt.limit(x[0])",
    "x = sorted(['t'], key=eval)\nt",
    "x = max(['1', '2'], key=eval)\nt",
    "x = list(filter(exec, ['x = 1']))\nt",
    "import functools\nx = functools.reduce(getattr, ['__class__', '__mro__'], ())\nt",
    "from functools import reduce\nx = reduce(lambda o, n: getattr(o, n), ['count', '__func__'], t)\nt",
    "import functools\nx = functools.partial(eval, 't')()\nt",
    "import functools\nx = functools.partial(lambda: 1).func.__globals__\nt",
    "import functools\nx = functools.partial(getattr, t)('__class__')\nt",
    "import functools\nx = functools.WRAPPER_ASSIGNMENTS and functools.sys\nt",
    "from functools import wraps\n@wraps(eval)\ndef f():\n    pass\nx = f.__wrapped__('1')\nt",
    "import functools\nx = functools.update_wrapper(lambda: 1, t).__wrapped__\nt",
    "import operator\nx = operator.attrgetter('__class__')(t)\nt",
    "import operator\nx = operator.attrgetter('a.__class__.__mro__')(t)\nt",
    "import operator\nx = list(map(operator.attrgetter('__class__'), [t]))\nt",
    "import operator\nx = operator.methodcaller('op')(t)\nt",
    "import operator\nx = operator.methodcaller('__reduce_ex__', 2)(t)\nt",
    "import operator\nx = operator.call(eval, '1')\nt",
    "import operator\nt.pipe(operator.attrgetter('__class__')).mro()\nt",
    "from operator import attrgetter as ag\nt.mutate(ag('__class__'))",
    "import itertools\nx = list(itertools.starmap(getattr, [(t, '__class__')]))\nt",
    "import itertools\nx = list(itertools.accumulate(['__class__', '__mro__'], getattr, initial=t))\nt",
    "import itertools\nx = itertools.chain.__class__\nt",
    "from itertools import groupby\nx = list(groupby(['1'], key=eval))\nt",
  ],
  "modules and names": [
    "import os\nt",
    "import sys as ibis\nt",
    "import js\nt",
    "import pyodide_js\nt",
    "import ctypes\nt",
    "import importlib\nt",
    "import builtins\nt",
    "import policy\nt",
    "import checker, interpreter\nt",
    "from policy import POLICY\nt",
    "from os import *\nt",
    "from . import policy\nt",
    "import ibis.util\nt",
    "from ibis import util as u2\nx = u2.os\nt",
    "from ibis.util import os\nt",
    "import ibis.expr.datatypes as dt\nx = dt.core.__builtins__\nt",
    "import ibis.expr.datatypes as dt\nx = dt.sys\nt",
    "import ibis.expr.datatypes as dt\nx = dt.Decimal.__init__.__globals__\nt",
    "import ibis.expr.types as ir\nx = ir.relations.os\nt",
    "import ibis.expr.types as ir\nx = ir.Table.__subclasses__()\nt",
    "import ibis.expr.operations as ops\nx = ops.UnboundTable\nt",
    "import ibis.backends.duckdb\nx = ibis.backends.duckdb.Backend\nt",
    "import datetime\nx = datetime.sys\nt",
    "import datetime\nx = datetime.datetime.__subclasses__()\nt",
    "import decimal\nx = decimal.__loader__\nt",
    "import math\nx = math.__spec__.loader\nt",
    "import typing\nx = typing.sys\nt",
    "from typing import get_type_hints\nx = get_type_hints(t)\nt",
    "from typing import ForwardRef\nx = ForwardRef('__import__(\"os\")')._evaluate({}, {}, frozenset())\nt",
    "import collections\nx = collections._sys\nt",
    "import re\nx = re.enum.sys\nt",
    "from __future__ import braces\nt",
    "import ibis; ibis.util = 1\nx = ibis.os\nt",
  ],
  "what has no end to walk": [
    "for c in t.g:\n    pass\nt",
    "for c in t:\n    pass\nt",
    "x = dict(t)\nt",
    "x = {**t}\nt",
    "x = [*_.g]\nt",
    "a, b = t.g\nt",
    'x = "".join(t.g)\nt',
    'x = "a".join(_.g)\nt',
  ],
  "deferred values": [
    "t.mutate(k=_.g.get_name().__class__)",
    "t.mutate(k=_.g.get_name().format(_))",
    't.mutate(k=getattr(_, "op")())',
    "g = _.op\nt.mutate(k=g())",
    'from functools import reduce\nt.mutate(k=reduce(getattr, ["a", "op"], _)())',
    'import operator\nt.mutate(k=operator.attrgetter("a.op")(_)())',
    'import operator\nt.mutate(k=operator.methodcaller("op")(_.a))',
    "t.mutate(k=_.a.pipe(lambda c: c.op()))",
  ],
  "functions handed on": [
    "t.pipe(lambda x: x.pipe(lambda y: y._arg))",
    't.pipe(lambda x: getattr(x, "_ar" + "g"))',
    "def f(self):\n    return self\nf.__get__(t)()\nt",
    "import functools\n@functools.wraps(t.filter)\ndef f(x):\n    return x\nf.__wrapped__\nt",
    "import functools\np = functools.partial(t.filter)\np.func.__self__\nt",
    'import functools\nfunctools.partial(functools.partial, getattr)(t)("op")()\nt',
    'import functools\nfunctools.reduce(lambda f, x: f(x), [t, "op"], getattr)\nt',
    'x = map(getattr, [t], ["op"])\nx[0]()\nt',
    "x = sorted([t], key=getattr)\nt",
    "x = max([t], key=lambda v: v._arg)\nt",
    'x = [getattr(t, n) for n in ("op", "_arg")]\nt',
    'x = {n: getattr(t, n)() for n in ("op",)}\nt',
    "x = isinstance(t, (int | str).__args__)\nt",
    'import ibis.selectors as s\nt.pivot_longer(s.cols("a"), names_transform=getattr)',
    'import ibis.selectors as s\nt.pivot_longer(s.cols("a"), names_transform=lambda n: t.op())',
    "import ibis.selectors as s\nt.select(s.where(lambda c: c.op()))",
    "import ibis.selectors as s\ns.where(lambda c: c).predicate.__globals__\nt",
    "import ibis.selectors as s\ns.numeric().predicate\nt",
    "import ibis.selectors as s\nt.select(s.across(s.all(), getattr))",
    "import ibis.selectors as s\nt.mutate(s.across(s.all(), lambda c: c, names=lambda col, fn: fn.__globals__))",
    "import ibis.selectors as s\ns.index.__class__\nt",
    "t[lambda t: t.op()]",
  ],
  "classes and declarations": [
    "import ibis.expr.types as ir\nx = ir.Table(None)\nt",
    "import ibis.expr.types as ir\nx = ir.Table.op(t)\nt",
    'import ibis.expr.datatypes as dt\nx = dt.Struct.from_tuples([("a", "int64")]).fields.__class__\nt',
    "import ibis.expr.datatypes as dt\nx = dt.Int64.from_pyarrow\nt",
    "import ibis.expr.datatypes as dt\nx = dt.dtype(object)\nt",
    "@ibis.udf.scalar.builtin\ndef f(a: \"__import__('os').system('id')\") -> \"int\": ...\nt.mutate(k=f(t.a))",
    "ibis.udf.scalar.builtin(len)\nt",
    "ibis.udf.scalar.builtin(t.filter)\nt",
    "t.st.f.op()",
    't.st.__getattr__("f")',
    "ibis.literal(getattr)",
    "ibis.literal([[[[t.op]]]])",
    "ibis.literal(ibis)",
    "ibis.literal(print)",
    "ibis.literal(lambda: 1)",
  ],
  "the host's files and network": [
    `ibis.read_csv("@/secret.csv")`,
    `ibis.read_parquet("@/secret.csv")`,
    `ibis.read_json("http://127.0.0.1/")`,
    `ibis.duckdb.connect().read_csv("@/secret.csv")`,
    `ibis.memtable(open("@/secret.csv"))`,
    `ibis.memtable("@/secret.csv")`,
    `con = ibis.duckdb.connect("@/out.ddb")\ncon.raw_sql("create table x (a int)")\nt`,
    `con = ibis.duckdb.connect()\ncon.sql("select * from '@/secret.csv'")`,
    `con = ibis.duckdb.connect()\ncon.create_table("x", t)\nx = con.con\nt`,
    `con = ibis.duckdb.connect()\nx = con.__class__\nt`,
    `con = ibis.duckdb.connect()\nx = con.table.__func__\nt`,
    `con = ibis.duckdb.connect()\nx = con.tables.__getattr__("__class__")\nt`,
    `con = ibis.duckdb.connect()\nx = con.tables.__dict__\nt`,
    `con = ibis.duckdb.connect()\nx = con.table("__class__")\nt`,
    `print(t, file=open("@/out.txt", "w"))\nt`,
    `ibis.examples.penguins.fetch()`,
    `ibis.parse_sql("select * from t", {"t": t.schema()})`,
    `t.sql("select * from read_csv('@/secret.csv')")`,
    `t.alias("x").sql("select 1 as a")`,
    `t.visualize()\nt`,
    `t.get_backend()\nt`,
    `ibis.decompile(t)\nt`,
  ],
};

/** Whatever becomes of the text itself, no later one may see any of it. */
const STATE = [
  "ibis.options.interactive = True\nt",
  "ibis.options.sql.default_limit = 7\nt",
  "ibis.options.sql.fuse_selects = False\nt",
  "ibis.options.context_adjustment.time_col = 'x'\nt",
  "ibis.desc = 1\nt",
  "_ = t.a\nt",
  "t = t.limit(3)\nt",
  "ibis = 5\nt",
  "def count(self):\n    return 5\nt.count = count\nt",
  "len = 5\nlist = 6\nsum = 7\nt",
  "import decimal\ndecimal.getcontext().prec = 1\nt",
  "from decimal import setcontext, Context\nsetcontext(Context(prec=1))\nt",
  "def f(x, acc=[]):\n    acc.append(x)\n    return acc\nf(1)\nf(2)\nt",
  "t.columns[0] = 'b'\nt",
  "t.schema().names += ('b',)\nt",
  "from ibis import _\n_.a = 3\nt",
  "def greatest(a: int, b: int) -> int: ...\nx = ibis.udf.scalar.builtin(greatest)\nt.mutate(k=x(t.a, 1))",
  "for ibis in [1]:\n    pass\nt",
  "import functools\n@functools.cache\ndef f(n):\n    return n\nf(1)\nt",
  "import math\nmath.pi = 3\nt",
  "import operator\noperator.add = operator.sub\nt",
  "import datetime\ndatetime.date = None\nt",
  "ibis.options.default_backend = 'x'\nt",
  "leftover = 41\nt.limit(leftover)",
];

const nested = (open: string, close: string, depth: number) =>
  `x = ${open.repeat(depth)}${close.repeat(depth)}\n`;

/** Each takes all the time, memory or stack that it is given. */
const EXHAUST = [
  "while True:\n    pass",
  "while True:\n    try:\n        1 / 0\n    except BaseException:\n        pass",
  "def f():\n    try:\n        while True:\n            pass\n    finally:\n        f()\nf()",
  "def f():\n    try:\n        f()\n    except BaseException:\n        f()\nf()",
  "def f(n):\n    return f(n + 1)\nf(0)",
  "f = lambda n: f(n)\nf(0)",
  "def f(n):\n    return max([n], key=f)\nf(0)",
  "def f(x):\n    return x.pipe(f)\nf(t)",
  "def f(r):\n    return r.filter(f)\nt.filter(f)",
  "import functools\ndef f(a, b):\n    return functools.reduce(f, [a, b])\nf(1, 2)",
  "import itertools\nx = list(itertools.count())\nt",
  "import itertools\nx = sum(1 for i in itertools.repeat(1))\nt",
  "import itertools\nx = list(itertools.product(range(1000), repeat=4))\nt",
  "import itertools\nx = list(itertools.permutations(range(20)))\nt",
  "import itertools\nx = max(itertools.cycle([1]))\nt",
  "import math\nx = math.factorial(10**7)\nt",
  "import math\nx = math.comb(10**7, 5 * 10**6)\nt",
  "import math\nx = math.prod(range(1, 10**6))\nt",
  "from decimal import Decimal\nx = int(Decimal('1e99999999'))\nt",
  "from decimal import Decimal\nx = f\"{Decimal('1e99999999'):f}\"\nt",
  "from decimal import Decimal, getcontext\ngetcontext().prec = 10**8\nx = Decimal(2).sqrt()\nt",
  "x = 9**9**9**9\nt",
  "x = 2\nfor i in range(60):\n    x = x * x\nt",
  "x = 2\nfor i in range(60):\n    x **= 2\nt",
  "x = pow(10, 10**9)\nt",
  "x = int('9' * 20000)\nt",
  "x = 'ab'\nfor i in range(60):\n    x += x\nt",
  "x = 'a'\nfor i in range(60):\n    x = x.replace('a', 'aa')\nt",
  "x = ''.join(['x' * 20000] * 20000)\nt",
  "x = 'a'.ljust(10**10)\nt",
  "x = 'a'.zfill(10**10)\nt",
  "x = '\\t'.expandtabs(10**10)\nt",
  "x = f'{1:>10000000000}'\nt",
  "x = '%10000000000d' % 1\nt",
  "x = '{:>10000000000}'.format(1)\nt",
  "x = bytes(10**10)\nt",
  "x = bytearray(10**10)\nt",
  "x = [0]\nfor i in range(60):\n    x = x + x\nt",
  "x = [0]\nfor i in range(60):\n    x.extend(x)\nt",
  "x = []\nfor i in x:\n    x.append(i)\nx.append(1)\nfor i in x:\n    x.append(i)\nt",
  "x = list(range(10**10))\nt",
  "x = {i: j for i in range(10**5) for j in range(10**5)}\nt",
  "x = sum([[0] * 10000 for i in range(10000)], [])\nt",
  "x = ()\nfor i in range(100000):\n    x = (x,)\ny = {x: 1}\nt",
  "x = []\nfor i in range(100000):\n    x = [x]\ny = str(x)\nt",
  "x = []\nfor i in range(100000):\n    x = [x]\ny = x == [x]\nt",
  "x = []\nfor i in range(3000):\n    x = [x]\nraise ValueError(x)",
  "x = ()\nfor i in range(3000):\n    x = (x,)\n{}[x]",
  "x = ()\n" + "x = ((((((((((x,),),),),),),),),),)\n".repeat(120) + "{}[x]",
  "x = []\nx.append(x)\nraise KeyError(x)",
  "raise ValueError('\\ud800' * 1000)",
  "raise ValueError('x' * 19999, ['y' * 19999] * 1000)",
  nested("[", "]", 150) + "t",
  nested("(", ")", 5000) + "t",
  "t" + ".limit(1)".repeat(1500),
  "x = t.a\nfor i in range(40):\n    x = x + x\nx",
  "x = t.a\nfor i in range(3000):\n    x = x + 1\nx",
  "x = t\nfor i in range(300):\n    x = x.union(x)\nx",
  "x = t.select([t.a.name(f'c{i}') for i in range(19000)])\nx.mutate(k=1).mutate(l=2)",
  `import ibis.selectors as s\nt.select(t.a.name("${"a".repeat(60)}!")).select(s.matches("(a|aa)+$"))`,
  `t.a.cast("${"array<".repeat(3000)}int64${">".repeat(3000)}")`,
  "t.a.cast('decimal(99999999999999999999, 1)')",
  `ibis.literal(${"[".repeat(90)}1${"]".repeat(90)})`,
  "@ibis.udf.scalar.builtin\ndef f(x: int) -> int:\n    while True:\n        pass\nf(f(1)).as_table().limit(10**30)",
  "t.mutate(k=9 ** (_.columns.index('g') + 10**9))",
  "t.mutate(k=_.g.get_name() * 10**10)",
  "x = int\nfor i in range(3000):\n    x = list[x]\n@ibis.udf.scalar.builtin\ndef f(a: x) -> int: ...\nt.mutate(k=f(t.a))",
  'ibis.literal("[" * 20000, "json")',
  "def g():\n    while True:\n        yield 1\nx = list(g())\nt",
  "def g():\n    while True:\n        yield 1\nx = 1 in g()\nt",
  "x = [1]\nx[0] = x\ny = (x == [[1]])\nz = sorted([x, x])\nt",
];

/** Ordinary texts whose verdicts must never change, whatever ran before them in the same process. */
const CANARIES = [
  "t.group_by('g').agg(n=_.count(), m=_.x.mean()).order_by(ibis.desc('n'))",
  "t.mutate(k=ibis.greatest(_.a, 3), r=ibis.row_number().over(group_by='g')).filter(_.k > sum([1, 2]))",
  "leftover",
  "t.join(u, 'a').select('g', 'z').limit(len(list(range(5))))",
];

function outcome({ ok, stage, error, sql }: Verdict): unknown {
  return { ok, stage, error, sql };
}

/** The attacks' verdicts, each followed by a canary in the same process, which must be as it was before. */
async function attack(texts: readonly string[], timeoutMs?: number): Promise<Verdict[]> {
  const options = { schema, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const before = (
    await engine.checkMany(
      CANARIES.map((text) => ({ text })),
      { schema },
    )
  ).map(outcome);
  expect(before.map((verdict) => (verdict as Verdict).ok)).toEqual([true, true, false, true]);
  const items = texts.flatMap((text, index) => [
    { text: text.replaceAll("@", folder) },
    { text: CANARIES[index % CANARIES.length]! },
  ]);
  const verdicts: Verdict[] = [];
  // What ends the process ends the batch with it, so the hostile ones that may go one by one.
  if (timeoutMs === undefined) verdicts.push(...(await engine.checkMany(items, options)));
  else for (const { text } of items) verdicts.push(await engine.check(text, options));
  const changed = texts.filter((_, index) => {
    const canary = outcome(verdicts[2 * index + 1]!);
    return JSON.stringify(canary) !== JSON.stringify(before[index % CANARIES.length]);
  });
  expect(changed, "texts after which another one was judged otherwise").toEqual([]);
  expect(readdirSync(folder)).toEqual(["secret.csv"]);
  expect(existsSync(secretFile)).toBe(true);
  return texts.map((_, index) => verdicts[2 * index]!);
}

function breaches(texts: readonly string[], verdicts: Verdict[]): string[] {
  return texts.filter((_, index) => {
    const verdict = verdicts[index]!;
    return verdict.ok || JSON.stringify(verdict).includes(SECRET);
  });
}

describe("texts that reach for what is outside", () => {
  it.each(Object.entries(REACH))("through %s", async (_, texts) => {
    expect(breaches(texts, await attack(texts))).toEqual([]);
  });
});

describe("texts that only say what a program would do", () => {
  it("pass, and nothing of it is done", async () => {
    const texts = [
      't.to_csv("@/out.csv")\nt.to_parquet("@/out.parquet")\nt',
      'print("x", file="@/out.txt")\nt',
      "t.cache()\nt",
      'ibis.set_backend("duckdb")\nt',
    ];
    const verdicts = await attack(texts);
    expect(verdicts.map(({ ok }) => ok)).toEqual(texts.map(() => true));
  });
});

describe("texts that would outlive themselves", () => {
  it("leave nothing to the next one", async () => {
    const verdicts = await attack(STATE);
    expect(
      verdicts.map((verdict) => JSON.stringify(verdict)).filter((text) => text.includes(SECRET)),
    ).toEqual([]);
  });
});

describe("texts that take all they can", () => {
  it("end in time, alone, in a verdict", async () => {
    const started = performance.now();
    const verdicts = await attack(EXHAUST, 3000);
    const crashed = EXHAUST.filter((_, index) => verdicts[index]!.error?.type === "SandboxCrash");
    const late = EXHAUST.filter((_, index) => verdicts[index]!.error?.type === "TimeoutError");
    console.log(
      `${EXHAUST.length} in ${Math.round(performance.now() - started)} ms; ` +
        `process ended by ${JSON.stringify(crashed)}, stopped by the clock ${JSON.stringify(late)}`,
    );
    expect(verdicts.every((verdict) => !JSON.stringify(verdict).includes(SECRET))).toBe(true);
  });
});
