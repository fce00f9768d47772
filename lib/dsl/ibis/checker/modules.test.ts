import { afterAll, describe, expect, it } from "vitest";
import { createIbisEngine } from "../index.js";

const engine = createIbisEngine();
afterAll(() => engine.close());
const schema = {
  t: { a: "int64", b: "int64", g: "string", d: "date", ts: "timestamp", p: "decimal(12, 2)" },
  u: { a: "int64", h: "string" },
  "my table": { x: "int64" },
};

const VALID: string[] = [
  // Imports.
  "from __future__ import annotations\nt",
  "import functools\nfunctools.reduce(lambda x, y: x.union(y), [t, t, t])",
  "from functools import reduce\nreduce(lambda x, y: x.join(y, 'a'), [u], t)",
  "from functools import partial\nf = partial(lambda n, d: d.limit(n), 5)\nf(t)",
  "import operator, functools\nt.filter(functools.reduce(operator.or_, [t.a == 1, t.g == 'x']))",
  "import operator as op\nt.mutate(z=op.mul(t.a, 2), y=op.itemgetter('a')(t))",
  "from operator import attrgetter, methodcaller\nt.mutate(z=attrgetter('a')(t), y=methodcaller('sum')(t.b))",
  "import datetime\nt.filter(_.d > datetime.date(2024, 1, 1))",
  "import datetime as dt\nt.filter(_.ts > dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc).replace(tzinfo=None))",
  "from datetime import datetime, timedelta\nt.filter(_.ts > datetime.now() - timedelta(days=7))",
  "from datetime import date\nt.filter(_.d >= date.today().replace(day=1), _.g == date(2024, 1, 2).isoformat())",
  "from datetime import datetime\nt.filter(_.ts < datetime.strptime('2024-01-02', '%Y-%m-%d'))",
  "from datetime import datetime\nt.filter(_.g == datetime(2024, 1, 2).strftime('%Y%m%d'))",
  "from datetime import timedelta\nt.mutate(z=_.ts + timedelta(hours=2))",
  "from decimal import Decimal\nt.filter(_.p > Decimal('1.50') + 1)",
  "import math\nt.mutate(z=_.a * math.pi + math.sqrt(2) + math.ceil(1.5) + math.factorial(5))",
  "import itertools\nt.select([(t[x] + t[y]).name(x + y) for x, y in itertools.combinations(['a', 'b'], 2)])",
  "from itertools import chain, product\nt.select(*chain(['a'], ['b']), *chain.from_iterable([['g']]))",
  "import itertools\nt.mutate(**{f'{c}{n}': t[c] * n for c, n in itertools.product('ab', range(3))})",
  "from collections import OrderedDict\nt.agg(**OrderedDict(n=t.a.sum()))",
  "from typing import Optional, List\nt",
  'import json\nt.select(json.loads(\'["a", "b"]\'))',
  "import string\nt.mutate(z=ibis.literal(string.ascii_lowercase))",
  "from uuid import UUID\nt.mutate(z=ibis.literal(UUID('12345678-1234-5678-1234-567812345678')))",
  "import ibis.expr.datatypes as dt\nt.mutate(z=_.a.cast(dt.float64), y=_.a.cast(dt.Decimal(12, 2)))",
  "import ibis.expr.datatypes as dt\nt.mutate(z=ibis.literal(None, dt.Array(dt.string)))",
  "import ibis.expr.datatypes as dt\nt.cast({'a': dt.dtype('int32'), 'ts': dt.Timestamp(timezone='UTC')})",
  "from ibis.expr import datatypes as dt\nibis.table({'s': dt.Struct({'x': dt.int64})}, name='q').s.x",
  "from ibis.expr.types import Table\nt if isinstance(t, Table) else u",
  "import ibis.expr.types as ir\nt.select([c for c in t.columns if isinstance(t[c], ir.NumericColumn)])",
  "import ibis.selectors as sel\nfrom ibis import literal, desc, _\nt.select(sel.numeric()).order_by(desc('a'))",
  "import ibis.common.exceptions as exc\nt",
  "from ibis.expr.schema import Schema\nt",
  "ibis.options.interactive = True\nt",
  "ibis.options.repr.interactive.max_rows = 20\nibis.options.sql.default_limit = 5\nt",
  // Built-ins and methods.
  "t.select(sorted(t.columns, key=lambda c: c.lower(), reverse=True))",
  "t.select(list(map(str.lower, ['A', 'B'])))",
  "t.select(list(filter(lambda c: c.startswith('a'), t.columns)))",
  "t.select(list(reversed(t.columns)))",
  "t.mutate(z=sum([t.a, t.b]), y=sum(t[c] for c in ['a', 'b']))",
  "t.mutate(z=max([1, 2], key=lambda v: -v), y=min([], default=3))",
  "t.mutate(**{n: t[c] for c, n in zip(['a', 'b'], ['x', 'y'], strict=True)})",
  "t.mutate(**{f'{i}_{c}': t[c] for i, c in enumerate(t.columns, start=1)})",
  "t.select(getattr(t, 'a'), getattr(t, 'nope', t.b))",
  "t.filter(any([True, False]), all([True]))",
  "t.mutate(z=ibis.literal(', '.join(['a', 'b']) + 'x'.zfill(3) + 'a_b'.replace('_', ' ').title()))",
  "t.rename({'{}_{:02d}'.format('a', 1): 'a'})",
  "t.rename(str.upper)",
  "cols = ['a', 'b']\nt.select(cols if isinstance(cols, (list, tuple)) else [cols])",
  "t.rename(dict.fromkeys(['z'], 'a'))",
  "t.rename('ALL_CAPS')",
  "cols = ['a']\ncols.append('b')\ncols.extend(['g'])\ncols.remove('a')\ncols.sort()\nt.select(cols)",
  "m = {'x': 'a'}\nm.update(y='b')\nm.setdefault('z', 'g')\nt.rename(m)",
  "t.mutate(z=round(1.567, 2) + divmod(7, 2)[1] + pow(2, 3) + abs(-1) + int('4') + float('2'))",
  "t.select(set(['a', 'b']).intersection(['a']))",
  "t.select([c for c, kind in t.schema().items() if kind.is_numeric()])",
  "t.select([c for c in t.columns if t[c].type().is_string() or t[c].get_name() == 'a'])",
  // Pipes and what would run.
  "t.pipe(lambda d, n: d.limit(n), n=3)",
  "t.a.pipe(lambda c: c + 1)",
  "t.filter(_.a > 1).execute()",
  "df = t.group_by('g').agg(n=_.count()).to_pandas(limit=5)\ndf",
  "t.to_pyarrow()",
  "t.a.to_list()",
  "print(t.filter(_.a > 1))",
  "print(ibis.to_sql(t, dialect='duckdb'))",
  "ibis.show_sql(t)",
  "t.to_parquet('out.parquet')",
  "t.cache().limit(3)",
  // Connections and tables made from data.
  "con = ibis.duckdb.connect()\ncon.table('t').filter(_.a > 1)",
  "con = ibis.connect('duckdb://')\ncon.tables.t.join(con.tables['u'], 'a').count()",
  "con = ibis.postgres.connect(host='h', user='u')\ncon.table('my table').x.sum()",
  "con = ibis.duckdb.connect('a.ddb', read_only=True)\ncon.execute(con.table('t'))",
  "con = ibis.sqlite.connect()\nw = con.create_view('w', t.select('a'))\ncon.table('w').a.max()",
  "con = ibis.duckdb.connect()\nx = con.read_parquet('data/*.parquet', table_name='t')\ncon.disconnect()\nx",
  "ibis.read_csv('data/t.csv').limit(3)",
  "ibis.set_backend('duckdb')\nt",
  "m = ibis.memtable({'a': [1, 2]})\nt.join(m, 'a')",
  "ibis.memtable([(1, 'x')], columns=['k', 'v']).v.upper()",
  "ibis.memtable([{'k': 1}], schema={'k': 'int8'})",
  "ibis.memtable({'d': ['x', None], 'l': [[1], [2]]}).l.length()",
];

/** Refused, with the reason; nothing of it may reach a class, a module, a file or all of the memory. */
const ATTACKS: [string, RegExp][] = [
  ["import functools\nfunctools.partial(len).func", /no attribute 'func'/],
  ["import functools\nfunctools.partial(len)._call", /begin with an underscore/],
  ["import functools\nfunctools.reduce(t.execute.__func__, [t])", /begin with an underscore/],
  ["import functools\nfunctools.reduce(getattr, [t, '__class__', '__mro__'])", /begin with an underscore/],
  ["import functools\nfunctools.reduce(lambda x, y: x + x, range(40), 'ab')", /over the limit/],
  ["import operator\noperator.attrgetter('__class__')(t)", /begin with an underscore/],
  ["import operator\noperator.attrgetter('columns.__class__')(t)", /begin with an underscore/],
  ["import operator\noperator.methodcaller('__reduce__')(t)", /begin with an underscore/],
  ["import operator\noperator.methodcaller('op')(t)", /`op` is not available/],
  ["import operator\noperator.pow(10, 10**9)", /bits/],
  ["import operator\noperator.mul('a', 10**9)", /over the limit/],
  ["import operator\noperator.lshift(1, 10**9)", /bits/],
  ["import operator\noperator.setitem", /not available/],
  ["import operator\noperator.call", /not available/],
  ["list(map(getattr, [t], ['__class__']))", /begin with an underscore/],
  ["list(map(ibis.Table, [1]))", /cannot be called/],
  ["list(filter(ibis.options, [1]))", /not callable/],
  ["sorted([t], key=operator)", /./],
  ["sorted(['a'], key=t.get_backend)", /`get_backend` is not available/],
  ["sorted(['__class__'], key=lambda n: getattr(t, n))", /begin with an underscore/],
  ["getattr(t, '__class__')", /begin with an underscore/],
  ["getattr(t, '__cl' + 'ass__', None)", /begin with an underscore/],
  ["hasattr(t, '__class__')", /begin with an underscore/],
  ["getattr(t, 'op')()", /`op` is not available/],
  ["getattr('x', 'format_map')({})", /not available/],
  ["'{0.__class__}'.format(t)", /format field/],
  ["('{0.' + 'columns}').format('x')", /format field/],
  ["'{0[0]}'.format([1])", /format field/],
  ["'{}'.format(t)", /plain Python values/],
  ["'{:{}}'.format('x', 10**8)", /limit/],
  ["format('x', '>100000000')", /over the limit/],
  ["'a'.ljust(10**9)", /over the limit/],
  ["'a'.zfill(10**9)", /over the limit/],
  ["('a' * 9999).replace('a', 'b' * 9999)", /over the limit/],
  ["('a' * 9999).join(['b'] * 9999)", /over the limit/],
  ["'\\t'.expandtabs(10**9)", /over the limit/],
  ["'a'.translate({97: 'b' * 9999 + 'c' * 19999})", /over the limit/],
  ["from decimal import Decimal\nint(Decimal('1e999999999'))", /limit|InvalidOperation/],
  ["from decimal import Decimal\nround(Decimal('1e99999'))", /limit/],
  ["import math\nmath.factorial(10**7)", /up to 400/],
  ["import math\nmath.comb(10**6, 10**5)", /up to 400/],
  ["import itertools\nlist(itertools.product(range(999), repeat=9))", /over the limit/],
  ["import itertools\nlist(itertools.permutations(range(99)))", /over the limit/],
  ["import itertools\nlist(itertools.repeat(1))", /over 20000 items/],
  ["import itertools\nlist(itertools.count())", /over 20000 items/],
  ["import json\njson.loads('[' * 5000)", /at most 500/],
  ["import json\njson.dumps(t)", /plain Python values/],
  ["import json\njson.JSONDecoder", /not available/],
  ["import datetime\ndatetime.sys", /not available|no attribute/],
  ["import datetime\ndatetime.date.__subclasses__()", /begin with an underscore/],
  ["import datetime\ndatetime.date.mro()", /of a Python type is not available/],
  ["import datetime\ndatetime.date(2024, 1, 1).strftime('%Y' * 9999)", /over the limit/],
  ["import collections\ncollections.UserDict", /not available/],
  ["import typing\ntyping.get_type_hints", /not available/],
  ["import re\nre.compile('(a+)+$')", /repeats without end within one another/],
  ["import random", /not available/],
  ["import subprocess", /not available/],
  ["from os import system", /not available/],
  ["import ibis.util", /not available/],
  ["import ibis.backends.duckdb", /not available|No module/],
  ["from ibis import *", /not available/],
  ["import ibis.expr.datatypes as dt\ndt.Array.__subclasses__()", /begin with an underscore/],
  ["import ibis.expr.datatypes as dt\ndt.Array.register", /not available|no attribute/],
  ["import ibis.expr.datatypes as dt\ndt.Struct.from_typehint(1)", /not available/],
  ["import ibis.expr.datatypes as dt\ndt.core", /not available/],
  ["import ibis.expr.datatypes as dt\ndt.dtype(lambda: 1)", /a name or a type/],
  ["import ibis.expr.types as ir\nir.Table.execute(t)", /not available/],
  ["import ibis.expr.types as ir\nir.Table(1)", /cannot be called/],
  ["import ibis.expr.types as ir\nisinstance(t, ir)", /arg 2 must be a type/],
  ["ibis.options.__class__", /begin with an underscore/],
  ["ibis.options.sql.__class__", /begin with an underscore/],
  ["t.a = 5", /cannot be assigned/],
  ["ibis.literal = 5", /cannot be assigned/],
  ["con = ibis.duckdb.connect()\ncon.__class__", /begin with an underscore/],
  ["con = ibis.duckdb.connect()\ncon.raw_sql('x')", /`raw_sql` is not available/],
  ["con = ibis.duckdb.connect()\ncon.con", /`con` is not available/],
  ["con = ibis.duckdb.connect()\ncon.catalog", /no attribute 'catalog'|not available/],
  ["con = ibis.duckdb.connect()\ncon.sql('select 1')", /`sql` is not available/],
  ["con = ibis.duckdb.connect()\ncon.read_csv('/etc/passwd')", /no file is read/],
  ["con = ibis.duckdb.connect()\ncon.table('passwd')", /passwd/],
  ["ibis.memtable([lambda x: x])", /plain Python values/],
  ["ibis.memtable({'a': [t.a]})", /plain Python values/],
  ["ibis.memtable('/etc/passwd')", /plain lists/],
  ["x = [1]\nx = [x] * 100\nx = [x] * 100\nx = [x] * 100\nibis.memtable(x)", /at most/],
  ["ibis.udf.scalar.builtin(t)", /takes a function/],
  ["ibis.udf.scalar.builtin(lambda __input_type__: 1)", /cannot be called/],
  ["ibis.udf.scalar.builtin(lambda x: 1)", /./],
  ["t.g.pipe(list)", /not iterable/],
  ["t.select(list)", /not iterable/],
  ["import typing\nt.select(typing.List)", /./],
  ["t.select(ibis.duckdb.connect().tables)", /./],
  ["t.select(list[int])", /./],
  ["t.mutate(z=tuple)", /not iterable/],
  ["t.select(set, frozenset, dict)", /not iterable/],
  ["list.mro()", /no attribute 'mro'/],
  ["list.__class__", /begin with an underscore/],
  ["t.pipe(ibis.Table)", /cannot be called/],
  ["df = t.execute()\ndf.head()", /not checked: nothing is executed/],
  ["df = t.execute()\ndf['a']", /not checked: nothing is executed/],
  ["t.mutate(z=t.a.execute() + 1)", /not checked: nothing is executed/],
  ["t.mutate(z=_.a.execute())", /`execute` is not available/],
  ["x = [1]\nx.append(x)\nstr(x)", /at most/],
  ["x = [1]\nsorted([3, 2, 1], key=lambda v: [x.append(i) for i in range(9000)])", /over 100000 steps/],
];

describe("modules, built-ins and connections", () => {
  it.each(VALID)("takes %j", async (text) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict.error).toBeUndefined();
    expect(verdict.ok).toBe(true);
  });

  it.each(ATTACKS)("refuses %j", async (text, reason) => {
    const verdict = await engine.check(text, { schema });
    expect(verdict.ok).toBe(false);
    expect(verdict.error?.message).toMatch(reason);
  });

  it("raises what Python and Ibis raise", async () => {
    for (const [text, type, message] of [
      ["t.filter(_.g.is_null())", "AttributeError", /is_null/],
      ["t.filter(_.d.isoformat() == 'x')", "AttributeError", /isoformat/],
      ["t.group_by('g').execute()", "PermissionError", /`execute` is not available/],
      ["import foo", "ModuleNotFoundError", /^No module named 'foo'/],
      ["from ibis import nope", "ImportError", /^cannot import name 'nope' from 'ibis'/],
      ["import functools\nfunctools.nope", "AttributeError", /module 'functools' has no attribute 'nope'/],
      ["con = ibis.duckdb.connect()\ncon.table('zz')", "TableNotFound", /zz/],
      ["ibis.memtable({'a': [1], 'b': [1, 2]})", "ValueError", /same length/],
    ] as const) {
      const verdict = await engine.check(text, { schema });
      expect(verdict.error?.type).toBe(type);
      expect(verdict.error?.message).toMatch(message);
    }
  });

  it("keeps nothing from one text to the next", async () => {
    const text = "ibis.options.sql.default_limit = 5\ncols = t.columns\nibis.memtable({'a': [1]})";
    const first = await engine.check(text, { schema });
    expect((await engine.check(text, { schema })).sql).toBe(first.sql);
    expect(
      await engine.check("con = ibis.duckdb.connect()\ncon.table('t')", { schema: { v: { a: "int64" } } }),
    ).toMatchObject({
      ok: false,
      error: { type: "TableNotFound" },
    });
    expect((await engine.check("t.select('a')", { schema })).sql).not.toContain("LIMIT");
  });

  it("guesses the tables that a connection is asked for", async () => {
    const text = "con = ibis.duckdb.connect()\ncon.table('my orders').filter(_.amount > 3)";
    expect(await engine.check(text)).toMatchObject({
      ok: true,
      inferredSchema: { "my orders": { amount: "float64" } },
    });
  });
});
