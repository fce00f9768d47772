"""What a text may touch: names, attributes and calls, drawn from the live Ibis classes less what reaches out.

Two layers. `Policy` is the allow-list that the interpreter asks before each step. `disarm` replaces the refused
methods on the live classes themselves, so that a path the interpreter does not see (a deferred `_.execute()`, which
Ibis resolves by its own `getattr`) ends in the same refusal.
"""

import builtins
import datetime
import decimal
import re
import types

import ibis
import ibis.expr.api as api
import ibis.expr.datatypes as dt
import ibis.expr.schema as sch
import ibis.expr.types as ir
from ibis import selectors
from ibis.common.deferred import Deferred
from ibis.common.selectors import Expandable, Selector
from ibis.expr.builders import Builder
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedArray, GroupedTable
from ibis.expr.types.temporal_windows import WindowedTable


class Refused(PermissionError):
    """The text is Python, and perhaps Ibis, but asks for what a check does not give."""

    def __init__(self, message, stage="names"):
        super().__init__(message)
        self.stage = stage


# Execution, files, connections, plots, SQL strings (which would make `sql_to_ibis` a copy of its own question), raw
# operation nodes, and callbacks into arbitrary callables.
REFUSED_METHODS = frozenset("""
    execute preview cache compile visualize pipe sql raw_sql alias get_backend unbind op bind to_csv to_delta to_json
    to_pandas to_pandas_batches to_parquet to_parquet_dir to_polars to_pyarrow to_pyarrow_batches to_sql to_torch
    to_xlsx to_list to_numpy to_sqlglot to_sqlglot_column_defs from_numpy from_pandas from_polars from_pyarrow
    from_sqlglot from_typehint resolve expand expand_names
    """.split())
# Fields of Ibis's own records: raw nodes, not expressions.
RECORD_FIELDS = frozenset("""
    args argnames copy groupings orderings havings table base default results bounds how start parent arr time_col
    window_type window_size window_slide window_offset groups metrics
    """.split())
REFUSED_FUNCTIONS = frozenset("""
    connect decompile deferred get_backend set_backend infer_dtype infer_schema memtable parse_sql to_sql watermark
    read_csv read_delta read_json read_parquet
    """.split())
SELECTOR_FUNCTIONS = (
    "across all all_of any_of cols contains endswith first if_all if_any index last matches none numeric of_type "
    "startswith where"
).split()

RECEIVERS = (
    Expr,
    Deferred,
    GroupedTable,
    GroupedArray,
    WindowedTable,
    Builder,
    Selector,
    Expandable,
    sch.Schema,
    dt.DataType,
)
PRIMITIVES = (
    bool,
    int,
    float,
    str,
    bytes,
    type(None),
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    slice,
    range,
)
CONTAINERS = (list, tuple, dict, set, frozenset)
PRIMITIVE_METHODS = {
    str: frozenset("lower upper strip split startswith endswith title capitalize".split()),
    dict: frozenset("keys values items get".split()),
    list: frozenset(["index", "count"]),
    tuple: frozenset(["index", "count"]),
}

MAX_ITEMS = 20_000
MAX_TEXT = 20_000
MAX_INTEGER_BITS = 4_096
FORMAT_FIELD = re.compile(r"\{([^{}]*)\}")
WIDE = re.compile(r"\d{4}")


class Namespace:
    """A module as the text may see it: a fixed table of public names, never the module itself."""

    def __init__(self, name, members, known):
        self.name = name
        self.members = members
        self.known = known

    def lookup(self, name):
        if name in self.members:
            return self.members[name]
        if name in self.known:
            raise Refused(refusal(f"{self.name}.{name}"))
        raise AttributeError(f"module '{self.name}' has no attribute '{name}'", name=name)


def _bounded_range(*args):
    result = range(*args)
    if len(result) > MAX_ITEMS:
        raise Refused(f"a range of {len(result)} items is over the limit of {MAX_ITEMS}", "build")
    return result


VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


def _plain(function):
    """A built-in that takes plain values only, so that it calls no code of other objects."""
    # The text of a list that holds itself twice, forty levels deep, has no end in sight.
    accepted = PRIMITIVES if function is str else PRIMITIVES + CONTAINERS + VIEWS

    def call(*args, **kwargs):
        for value in args:
            if not isinstance(value, accepted):
                raise Refused(
                    f"`{function.__name__}` takes plain Python values here, not {type(value).__name__}",
                    "build",
                )
        return function(*args, **kwargs)

    call.__name__ = function.__name__
    return call


BUILTINS = {
    f.__name__: _plain(f)
    for f in (len, list, tuple, dict, set, str, int, float, bool, abs, min, max, sum, round, sorted)
}
# These also stand for Ibis types, as in `.cast(float)`: named, they are the type itself; called, the guarded built-in.
TYPES = {f.__name__: f for f in (str, int, float, bool)}
BUILTINS["range"] = _bounded_range
BUILTINS["zip"] = lambda *args: list(zip(*args))
BUILTINS["enumerate"] = lambda *args: list(enumerate(*args))


class Policy:
    def __init__(self):
        functions = {n: getattr(ibis, n) for n in api.__all__ if n not in REFUSED_FUNCTIONS}
        functions = {n: v for n, v in functions.items() if n[0].islower() or n == "_"}
        self.selectors = Namespace(
            "ibis.selectors",
            {n: getattr(selectors, n) for n in SELECTOR_FUNCTIONS},
            frozenset(n for n in dir(selectors) if not n.startswith("_")),
        )
        functions["selectors"] = self.selectors
        self.ibis = Namespace(
            "ibis", functions, frozenset(n for n in (*dir(ibis), *api.__all__, "expr", "backends", "common"))
        )
        self.names = {"ibis": self.ibis, "_": ibis._, "s": self.selectors, "selectors": self.selectors}
        self.functions = {
            id(v)
            for ns in (self.ibis, self.selectors)
            for v in ns.members.values()
            if callable(v) and not isinstance(v, Deferred)
        }
        self.functions |= {id(v) for v in BUILTINS.values()}
        self._allowed = {}
        self.value_methods = frozenset().union(
            *(
                self.allowed(c)
                for c in vars(ir).values()
                if isinstance(c, type) and issubclass(c, (Expr, GroupedTable))
            ),
            self.allowed(GroupedTable),
            *(self.allowed(c) for c in Builder.__subclasses__()),
        )

    def allowed(self, cls):
        """The public attributes of `cls` that a text may read."""
        names = self._allowed.get(cls)
        if names is None:
            refused = REFUSED_METHODS if issubclass(cls, Expr) else REFUSED_METHODS | RECORD_FIELDS
            names = frozenset(n for n in dir(cls) if not n.startswith("_") and n not in refused)
            self._allowed[cls] = names
        return names

    def attribute(self, obj, name):
        """`obj.name`, if the text may read it. AttributeError as Python or Ibis raises it; Refused otherwise."""
        if name.startswith("_") and not (name == "_" and obj is self.ibis):
            raise Refused(
                f"`{name}`: attributes that begin with an underscore are not available "
                f'(a column of that name is reached as ["{name}"])'
            )
        if isinstance(obj, Namespace):
            return obj.lookup(name)
        if isinstance(obj, Deferred):
            if name in REFUSED_METHODS:
                raise Refused(refusal(name))
            return getattr(obj, name)
        if isinstance(obj, RECEIVERS):
            if name in self.allowed(type(obj)) or has_field(obj, name):
                return self.admit(getattr(obj, name))
            if name in REFUSED_METHODS or hasattr(type(obj), name):
                raise Refused(refusal(name))
        elif name in PRIMITIVE_METHODS.get(type(obj), ()):
            return getattr(obj, name)
        elif hasattr(obj, name):
            raise Refused(f"`.{name}` of a Python {type(obj).__name__} is not available")
        if callable(obj) and not isinstance(obj, RECEIVERS):
            raise AttributeError(f"'{type(obj).__name__}' object has no attribute '{name}'", name=name)
        getattr(obj, name)  # raises the real AttributeError
        raise Refused(refusal(name))

    def callee(self, function, attribute_name):
        """Refuses to call anything but allowed functions, methods of admitted objects and the text's own lambdas."""
        if isinstance(function, Deferred):
            if attribute_name is None:
                raise Refused("only methods of a deferred value can be called", "build")
            if attribute_name not in self.value_methods and any(
                hasattr(t, attribute_name)
                for t in (*PRIMITIVE_METHODS, int, float, bytes, set, type)
            ):
                raise Refused(refusal(attribute_name))
            return
        if id(function) in self.functions or getattr(function, "ibert_lambda", False) is True:
            return
        if isinstance(function, types.MethodType) and isinstance(function.__self__, RECEIVERS):
            return
        if isinstance(function, types.BuiltinMethodType) and type(function.__self__) in PRIMITIVE_METHODS:
            return
        if not callable(function) or isinstance(function, RECEIVERS):
            raise TypeError(f"'{type(function).__name__}' object is not callable")
        raise Refused(f"a {type(function).__name__} cannot be called here", "build")

    def admit(self, value):
        """`value`, if it is of a kind that a query works with and within bounds."""
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                raise Refused(f"a string of {len(value)} characters is over the limit of {MAX_TEXT}", "build")
            if any(walks_or_swells(field) for field in FORMAT_FIELD.findall(value)):
                raise Refused("a format field may hold a name only", "build")
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            if value.bit_length() > MAX_INTEGER_BITS:
                raise Refused(
                    f"an integer of {value.bit_length()} bits is over the limit of {MAX_INTEGER_BITS}",
                    "build",
                )
            return value
        if isinstance(value, CONTAINERS):
            if len(value) > MAX_ITEMS:
                raise Refused(
                    f"a {type(value).__name__} of {len(value)} items is over the limit of {MAX_ITEMS}",
                    "build",
                )
            return value
        if isinstance(value, RECEIVERS + PRIMITIVES + VIEWS + (Namespace,)):
            return value
        if callable(value):
            if not is_plain_type(value):
                self.callee(value, None)
            return value
        if (
            isinstance(value, (sch.Schema, dt.DataType))
            or type(value).__module__ == "ibis.common.collections"
        ):
            return value
        raise Refused(f"a {type(value).__name__} has no place in a query", "build")


def walks_or_swells(field):
    """Whether a format field reads attributes or has a huge width: Ibis formats column names by the text's patterns."""
    name, _, spec = field.partition(":")
    return "__" in name or bool(WIDE.search(spec))


def is_plain_type(value):
    return isinstance(value, type) and value in TYPES.values()


def has_field(obj, name):
    """Whether `obj.name` is a column of a table, grouped or not, or a field of a struct."""
    if isinstance(obj, ir.Table):
        return name in obj.op().schema
    if isinstance(obj, GroupedTable):
        return name in obj.table.schema
    if isinstance(obj, ir.StructValue):
        return name in obj.names
    return False


def refusal(name):
    return f"`{name}` is not available: a text is compiled, it reads, runs and connects nothing"


def is_builtin(name):
    return hasattr(builtins, name)


ORIGINALS = {}


def disarm():
    """Replaces refused methods on the live classes and functions of `ibis`; `ORIGINALS` keeps them for the API's docs."""
    # Ibis itself calls these while it builds and compiles; they reach nothing outside.
    internal = {
        "op",
        "bind",
        "unbind",
        "compile",
        "get_backend",
        "resolve",
        "expand",
        "expand_names",
        "pipe",
        "alias",
        "to_sqlglot",
        "to_sqlglot_column_defs",
        "from_sqlglot",
        "from_typehint",
        "cache",
    }

    def refuse(name):
        def method(*_args, **_kwargs):
            raise Refused(refusal(name))

        return method

    for cls in {Expr, *(c for c in vars(ir).values() if isinstance(c, type) and issubclass(c, Expr))}:
        for name in REFUSED_METHODS - internal:
            if name in vars(cls):
                ORIGINALS[cls, name] = vars(cls)[name]
                setattr(cls, name, refuse(name))
    for name in ("connect", "set_backend", "memtable", "read_csv", "read_delta", "read_json", "read_parquet"):
        for module in (ibis, api):
            ORIGINALS[module.__name__, name] = getattr(module, name)
            setattr(module, name, refuse(name))
