"""Ibis's modules, options and connections as a text may see them. No connection is ever made: its tables are those of
the schema that the text is checked with."""

import collections.abc
import inspect
import typing

import exceptions
import ibis
import ibis.common.exceptions as exc
import ibis.expr.datatypes as dt
import ibis.expr.schema as sch
import ibis.expr.types as ir
from classkinds import BASES
from computed import of_expression
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedTable
from limits import Refused, refusal
from tables import table_parts
from values import CLASSES, Function, Namespace, Stub

BACKENDS = """
    athena bigquery clickhouse databricks datafusion druid duckdb exasol flink impala materialize mssql mysql oracle
    polars postgres pyspark risingwave singlestoredb snowflake sqlite trino
    """.split()
READERS = frozenset("read_csv read_parquet read_json read_delta read_geo read_xlsx".split())


class Options(Stub):
    """`ibis.options`: what is set changes how results are shown or computed, which no check does."""

    kind = "Options"

    def __init__(self, real):
        self.real = real

    def lookup(self, name):
        if name.startswith("_") or not hasattr(type(self.real), name):
            raise AttributeError(f"'{type(self.real).__name__}' object has no attribute '{name}'", name=name)
        value = getattr(self.real, name)
        if isinstance(value, (bool, int, str, float, type(None))):
            return value
        return Options(value) if hasattr(type(value), "__argnames__") or "Config" in str(type(value).__mro__) else None


def table_not_found(name):
    error = exc.TableNotFound(name)
    error.name = name  # so that a schema that is guessed gets the table
    return error


class Catalog:
    """The tables that the text is checked with, by the names that connections know them by."""

    def __init__(self):
        self.tables = {}

    def find(self, name, database=None, catalog=None):
        if not isinstance(name, str):
            raise TypeError(f"a table's name must be a string, not {type(name).__name__}")
        outer = [*(database if isinstance(database, tuple) else [database] if database else [])]
        wanted = [*([catalog] if catalog else []), *outer, name]
        for own, table in self.tables.items():
            if own == name and not outer:
                return table
        for own, table in self.tables.items():
            parts = table_parts(own)
            if parts == wanted or ".".join(parts) == ".".join(map(str, wanted)):
                return table
        same = [table for own, table in self.tables.items() if table_parts(own)[-1] == name]
        if len(same) == 1 and (not outer or len(table_parts(next(o for o in self.tables if self.tables[o] is same[0]))) == 1):
            return same[0]
        raise table_not_found(name)

    def names(self):
        return sorted({table_parts(own)[-1] for own in self.tables})


class Tables(Stub):
    """`con.tables`: by attribute and by item."""

    kind = "Tables"
    __iter__ = None  # else Python iterates by `__getitem__`

    def __init__(self, connection):
        self.connection = connection

    def lookup(self, name):
        try:
            return self.connection.table(name)
        except exc.TableNotFound as error:
            missing = AttributeError(f"'Tables' object has no attribute '{name}'")
            missing.table = error.name
            raise error from missing

    def __getitem__(self, name):
        return self.connection.table(name)

    def items_of(self):
        return self.connection.names()


class Connection(Stub):
    """What `ibis.duckdb.connect()` gives."""

    kind = "Backend"

    def __init__(self, catalog, name="duckdb"):
        self.catalog, self.name, self.made = catalog, name, {}

    def table(self, name, /, *, database=None, catalog=None, schema=None):
        if name in self.made and database is None:
            return self.made[name]
        return self.catalog.find(name, database or schema, catalog)

    def names(self):
        return sorted({*self.catalog.names(), *self.made})

    def list_tables(self, *, like=None, database=None):
        return [n for n in self.names() if like is None or str(like) in n]

    def create(self, name, obj=None, /, *, schema=None, database=None, temp=False, overwrite=False):
        if obj is None and schema is None:
            raise exc.IbisError("One of the `schema` or `obj` parameter is required")
        if obj is not None and not isinstance(obj, ir.Table):
            raise Refused("a table is created from an Ibis table or a schema here", "build")
        self.made[name] = ibis.table(ibis.schema(schema) if schema is not None else obj.schema(), name=name)
        return self.made[name]

    def read(self, path, /, table_name=None, **_options):
        name = table_name
        if name is None and isinstance(path, str):
            name = path.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        try:
            return self.catalog.find(name)
        except exc.TableNotFound:
            raise Refused(f"no file is read: the schema has no table `{name}`", "build") from None

    def sql(self, query, /, schema=None, **_options):
        raise Refused("`sql` is not available: SQL text is not checked as an Ibis program")

    def members(self):
        run = {n: of_expression(n) for n in ("execute", "compile", "to_pandas", "to_pyarrow", "to_polars", "to_sql")}
        made = {n: Function(self.create, n) for n in ("create_table", "create_view")}
        read = {n: Function(self.read, n) for n in READERS}
        return {
            "name": self.name,
            "table": Function(self.table, "table"),
            "tables": Tables(self),
            "list_tables": Function(self.list_tables, "list_tables"),
            "sql": Function(self.sql, "sql"),
            "disconnect": Function(lambda: None, "disconnect"),
            **run,
            **made,
            **read,
        }

    def lookup(self, name):
        members = self.members()
        if name in members:
            return members[name]
        if hasattr(ibis.backends.BaseBackend, name) or name in ("raw_sql", "con", "register", "load_extension"):
            raise Refused(refusal(name))
        raise AttributeError(f"'Backend' object has no attribute '{name}'", name=name)


class Hint:
    """A name of `typing`, for annotations."""

    __iter__ = None  # else Python iterates by `__getitem__`, without end

    def __init__(self, name, items=()):
        self.name, self.items = name, items

    def __getitem__(self, items):
        return Hint(self.name, items if isinstance(items, tuple) else (items,))

    def __or__(self, other):
        return Hint("Union", (self, other))

    __ror__ = __or__


class HintStub(Hint, Stub):
    kind = "typing"

    def __getitem__(self, items):
        return HintStub(self.name, items if isinstance(items, tuple) else (items,))


def of_datatypes():
    classes = {n: c for n, c in vars(dt).items() if inspect.isclass(c) and issubclass(c, dt.DataType)}
    for cls in classes.values():
        CLASSES[cls] = None if inspect.isabstract(cls) or cls in (dt.DataType,) else cls
    values = {n: v for n, v in vars(dt).items() if isinstance(v, dt.DataType)}
    functions = {n: Function(getattr(dt, n), n) for n in ("highest_precedence", "castable", "infer") if n != "infer"}
    functions["dtype"] = Function(dtype, "dtype")
    return Namespace("ibis.expr.datatypes", {**classes, **values, **functions}, public(dt))


def dtype(value, nullable=True, /):
    if not isinstance(value, (str, dt.DataType)) and not (isinstance(value, type) and value in CLASSES):
        raise Refused(f"`dtype` takes a name or a type here, not {type(value).__name__}", "build")
    return dt.dtype(value, nullable)


def of_types():
    classes = {n: c for n, c in vars(ir).items() if inspect.isclass(c) and issubclass(c, (Expr, GroupedTable))}
    for cls in classes.values():
        CLASSES.setdefault(cls, None)
    return Namespace("ibis.expr.types", classes, public(ir))


def of_exceptions():
    classes = {n: c for n, c in vars(exc).items() if inspect.isclass(c) and issubclass(c, Exception)}
    exceptions.allow(classes.values())
    return Namespace("ibis.common.exceptions", classes, public(exc))


def of_typing():
    names = (
        "Any Optional Union List Dict Set FrozenSet Tuple Callable Iterable Iterator Sequence Mapping Literal Type "
        "Annotated ClassVar Final"
    ).split()
    members = {name: HintStub(name) for name in names}
    members |= {"TYPE_CHECKING": False, "cast": Function(lambda _hint, value, /: value, "cast")}
    members |= {name: BASES[name] for name in ("NamedTuple", "TypedDict")}
    return Namespace("typing", members, (n for n in dir(typing) if not n.startswith("_")))


def of_abc():
    names = (n for n in collections.abc.__all__ if n not in ("Buffer",))
    return Namespace("collections.abc", {name: HintStub(name) for name in names}, public(collections.abc))


def public(real):
    return (n for n in dir(real) if not n.startswith("_"))


def extend(namespace, catalog):
    """Gives the namespace of `ibis` its modules, options and connections; the modules by their dotted names."""
    datatypes, types, errors = of_datatypes(), of_types(), of_exceptions()
    CLASSES[sch.Schema] = None
    schema = Namespace("ibis.expr.schema", {"Schema": sch.Schema, "schema": Function(ibis.schema, "schema")}, public(sch))
    relations = Namespace("ibis.expr.types.relations", {"Table": ir.Table}, public(ir.relations))
    types.members["relations"] = relations
    expr = Namespace("ibis.expr", {"datatypes": datatypes, "types": types, "schema": schema}, public(ibis.expr))
    common = Namespace("ibis.common", {"exceptions": errors}, public(ibis.common))
    connect = Function(lambda *_args, **_kwargs: Connection(catalog), "connect")
    for name in BACKENDS:
        namespace.members[name] = Namespace(f"ibis.{name}", {"connect": connect}, ())
    default = Connection(catalog)
    namespace.members |= {
        "expr": expr,
        "common": common,
        "options": Options(ibis.options),
        "connect": connect,
        "set_backend": Function(lambda _backend, /: None, "set_backend"),
        "get_backend": Function(lambda _expr=None, /: Connection(catalog), "get_backend"),
        "Table": ir.Table, "Column": ir.Column, "Value": ir.Value, "Scalar": ir.Scalar, "Expr": Expr,
        "Schema": sch.Schema,
        **{n: Function(default.read, n) for n in READERS if hasattr(ibis, n)},
    }  # fmt: skip
    return {
        "ibis.expr": expr, "ibis.expr.datatypes": datatypes, "ibis.expr.types": types, "ibis.expr.schema": schema,
        "ibis.expr.types.relations": relations, "ibis.common": common, "ibis.common.exceptions": errors,
        "typing": of_typing(), "collections.abc": of_abc(), **{f"ibis.{name}": namespace.members[name] for name in BACKENDS},
    }  # fmt: skip
