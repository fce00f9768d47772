"""What CPython's Ibis says of programs as people write them, for lib/dsl/ibis/checker/programs-battery.test.ts.

The programs stand in ibis_programs/*.txt, each below a line `=== name | schema: NAME`, the schemas in
ibis_programs/schemas.json. A program that is meant to fail says `always: true` if it does so whatever the tables hold,
`always: false` if it needs the schema to be wrong; the script fails where a program is not as it is meant. One that is
compiled for another dialect than DuckDB's says `dialect: NAME`.

    python -m venv .venv-ibis && .venv-ibis/bin/pip install "ibis-framework[duckdb]==12.0.0" sqlglot==30.30.0 pandas pyarrow
    .venv-ibis/bin/python scripts/goldens/ibis_programs.py

A program runs under plain `exec`, with `ibis`, `_` and the schema's tables (by name, where a name is an identifier) as
variables. Connections are stubs whose tables are the schema's. What reads a result out of Ibis (`execute`, `to_pandas`,
`to_sql`, `print`, …) gives back what it is called on, so the result is the value of the last statement that has one:
an expression or, at the top level, an assignment. It must be an Ibis table or value.

Names that Ibis makes at random (`ibis_<what for>_<26 characters of base 32>`) are numbered from 1 in the order in which
they appear in the SQL, one count for all: `ibis_table_unnest_column_1`. The columns that a star leaves out, which Ibis
keeps in a set, are compiled in the order of their table.
"""

import ast
import builtins
import contextlib
import json
import keyword
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import ibis
import ibis.backends.sql.compilers as compilers
import ibis.common.exceptions as exc
from ibis import _
from ibis.expr.types import Expr, Table, Value
from ibis.expr.types.joins import Join

HERE = Path(__file__).parent / "ibis_programs"
OUT = Path(__file__).parents[2] / "lib/dsl/ibis/checker/goldens/programs.json"

RANDOM = re.compile(r"(ibis_\w+?)_[a-z2-7]{26}")
ADDRESS = re.compile(r" at 0x[0-9a-f]+| \(/[^)]*\)")  # of an object, of a module's file
FENCED = re.compile(r"\s*(`{3,}|~{3,})[^\n]*\n(.*?)\n?\1\s*", re.DOTALL)


def drop_in_order(compiler):
    """Has `compiler` write the columns that a star leaves out in the order of their table."""
    visit = compiler.visit_DropColumns

    def ordered(self, op, *, parent, columns_to_drop):
        return visit(self, op, parent=parent, columns_to_drop=[n for n in op.parent.schema.names if n in columns_to_drop])

    compiler.visit_DropColumns = ordered


for name in ("bigquery", "clickhouse", "duckdb", "snowflake"):  # with a way of their own
    drop_in_order(type(getattr(compilers, name).compiler))


def settle(text):
    """`text` with the names that Ibis makes at random made the same in each run."""
    numbers = {}
    return RANDOM.sub(lambda m: f"{m[1]}_{numbers.setdefault(m[0], len(numbers) + 1)}", text)


def unfenced(text):
    fenced = FENCED.fullmatch(text)
    return fenced[2] if fenced else text


class Tables:
    """`con.tables`: by attribute and by key."""

    def __init__(self, tables):
        self._tables = tables

    def __getattr__(self, name):
        try:
            return self._tables[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name):
        return self._tables[name]


class Connection:
    """What `ibis.<backend>.connect()` gives: the schema's tables."""

    def __init__(self, tables):
        self._tables = tables
        self.tables = Tables(tables)

    def table(self, name, /, *, database=None):
        if name not in self._tables:
            raise exc.TableNotFound(name)
        return self._tables[name]

    def list_tables(self, **_options):
        return list(self._tables)

    def execute(self, expr, /, **_options):
        return expr

    to_pandas = to_polars = to_pyarrow = compile = execute


class Backend:
    def __init__(self, tables):
        self._tables = tables

    def connect(self, *_args, **_options):
        return Connection(self._tables)


BACKENDS = ("duckdb", "postgres", "bigquery", "snowflake", "sqlite", "polars", "trino", "clickhouse", "mysql", "pyspark")


@contextlib.contextmanager
def stubs(tables):
    """Ibis with what would touch a database replaced."""
    saved = []

    def put(owner, name, value):
        saved.append((owner, name, name in vars(owner), vars(owner).get(name)))
        setattr(owner, name, value)

    def itself(expr, *_args, **_options):
        return expr

    for name in ("execute", "to_pandas", "to_polars", "to_pyarrow", "to_sql", "compile"):
        put(Expr, name, itself)
        for kind in (Table, Join, Value):
            if name in vars(kind):
                put(kind, name, itself)
    put(ibis, "to_sql", itself)
    put(ibis, "connect", Backend(tables).connect)
    put(ibis, "set_backend", lambda _backend, /: None)
    for name in BACKENDS:
        put(ibis, name, Backend(tables))
    try:
        yield
    finally:
        for owner, name, had, value in reversed(saved):
            if had:
                setattr(owner, name, value)
            else:
                delattr(owner, name)
        ibis.options.interactive = False


class Recorder(ast.NodeTransformer):
    """Hands the values of statements at the top level (also in its `if`, `for` and `with`) to `__record`."""

    def visit_FunctionDef(self, node):
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Expr(self, node):
        return ast.Expr(self.record(node.value))

    def visit_Assign(self, node):
        return self.after(node, node.targets[-1])

    def visit_AnnAssign(self, node):
        return self.after(node, node.target) if node.value else node

    def visit_AugAssign(self, node):
        return self.after(node, node.target)

    def after(self, node, target):
        if isinstance(target, ast.Tuple):
            target = target.elts[-1]
        if not isinstance(target, ast.Name):
            return node
        return [node, ast.Expr(self.record(ast.Name(target.id, ast.Load())))]

    @staticmethod
    def record(value):
        return ast.Call(ast.Name("__record", ast.Load()), [value], [])


def run(text, tables):
    """The last value of a program. Whatever it raises goes through."""
    last = None

    def record(value):
        nonlocal last
        if value is not None:
            last = value

    def show(*values, **_options):
        shown = [v for v in values if isinstance(v, Expr)]
        return shown[-1] if shown else None

    tree = ast.parse(unfenced(text))
    compile(tree, "<program>", "exec")  # what only the compiler refuses: break outside loop, return outside function
    tree = ast.fix_missing_locations(Recorder().visit(tree))
    names = {n: t for n, t in tables.items() if n.isidentifier() and not keyword.iskeyword(n)}
    scope = {"__name__": "__main__", "ibis": ibis, "_": _, **names, "print": show, "__record": record}
    exec(compile(tree, "<program>", "exec"), scope)
    return last


def judge(text, schema, dialect):
    tables = {name: ibis.table(columns, name=name) for name, columns in schema.items()}
    try:
        with stubs(tables):
            value = run(text, tables)
        if not isinstance(value, (Table, Value)):
            raise TypeError(f"the program ends in a {type(value).__name__}, not in an Ibis table or value")
        return {"ok": True, "sql": settle(str(ibis.to_sql(value, dialect=dialect)))}
    except Exception as error:
        message = settle(ADDRESS.sub("", str(error))).strip().split("\n")[0]
        return {"ok": False, "error": {"type": type(error).__name__, "message": message}}


def programs():
    for file in sorted(HERE.glob("*.txt")):
        for part in re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)[1:]:
            head, text = part.split("\n", 1)
            name, *keys = (field.strip() for field in head.split("|"))
            options = dict(key.split(": ") for key in keys)
            yield f"{file.stem}/{name}", text.rstrip("\n"), options


def main():
    warnings.simplefilter("ignore")
    schemas = json.loads((HERE / "schemas.json").read_text())
    rows, unmeant = [], []
    for name, text, options in programs():
        dialect = options.get("dialect", "duckdb")
        row = {"name": name, "schema": options["schema"], "text": text}
        if dialect != "duckdb":
            row["dialect"] = dialect
        row |= judge(text, schemas[options["schema"]], dialect)
        if "always" in options:
            row["always"] = options["always"] == "true"
        if row["ok"] == ("always" in options):
            unmeant.append(f"{name}: {row.get('error') or 'valid'}")
        rows.append(row)
    twice = [key for field in ("name", "text") for key, n in Counter(r[field] for r in rows).items() if n > 1]
    OUT.write_text(json.dumps({"ibis": ibis.__version__, "schemas": schemas, "programs": rows}, indent=1, ensure_ascii=False) + "\n")
    valid = sum(r["ok"] for r in rows)
    builtins.print(f"{len(rows)} programs: {valid} valid, {len(rows) - valid} invalid")
    if unmeant or twice:
        sys.exit("\n".join(["not as meant:", *unmeant, "twice:", *twice]))


if __name__ == "__main__":
    main()
