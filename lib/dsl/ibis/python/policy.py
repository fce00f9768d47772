"""What a text may touch: names, attributes and calls, drawn from the live Ibis classes less what reaches out.

Two layers. `Policy` is the allow-list that the interpreter asks before each step. `disarm` replaces the refused
methods on the live classes themselves, so that a path the interpreter does not see (a deferred `_.execute()`, which
Ibis resolves by its own `getattr`) ends in the same refusal.
"""

import __future__

import builtins
import sys

import ibis
import ibis.expr.api as api
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import iterators
import methods
import modules
import surface
import udf
import values
from classkinds import Class, Instance
from collected import Record, RecordClass
from computed import TERMINAL, Computed, of_expression, pipe, print_, result, terminal
from deferral import GuardedAttr, attribute_of
from disarm import ORIGINALS, REFUSED_METHODS
from exceptions import Caught
from guarded import BUILTINS, CONTAINER_TYPES, Constructor, Printed
from ibis import selectors
from ibis.common.deferred import Deferred
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedTable
from limits import Refused, refusal
from memtable import memtable
from values import RECEIVERS, Function, Namespace, Stub, is_class

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


RECORDS = (Record, RecordClass, Class)
MISSING = object()


class GroupedArray(Stub):
    """What Ibis makes of a table's method that is asked of a grouped table: nothing that can be called."""

    kind = "GroupedArray"


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
        functions["deferred"] = ibis._
        functions |= {n: of_expression(n) for n in ("to_sql", "show_sql")}
        self.ibis = Namespace(
            "ibis", functions, frozenset(n for n in (*dir(ibis), *api.__all__, "expr", "backends", "common"))
        )
        self.names = {"ibis": self.ibis, "_": ibis._, "s": self.selectors, "selectors": self.selectors}
        self.catalog = surface.Catalog()
        self.modules = {"ibis": self.ibis, "ibis.selectors": self.selectors}
        self.modules |= surface.extend(self.ibis, self.catalog)
        self.ibis.members |= {"memtable": Function(memtable, "memtable"), "udf": udf.namespace()}
        self.modules |= {name: make(self) for name, make in modules.STANDARD.items()}
        values.allow(
            v
            for ns in (self.ibis, self.selectors)
            for v in ns.members.values()
            if callable(v) and not isinstance(v, (Deferred, type))
        )
        BUILTINS["getattr"] = Function(self.getattr, "getattr")
        BUILTINS["hasattr"] = Function(self.hasattr, "hasattr")
        BUILTINS["type"] = Function(type_of, "type")
        BUILTINS["print"] = Function(print_, "print")
        values.allow(BUILTINS.values())
        self._allowed = {}
        GuardedAttr.attribute, GuardedAttr.refused = self.attribute, REFUSED_METHODS

    def begin(self, tables):
        """Before a text is evaluated over `tables`: nothing is left of the one before."""
        self.catalog.tables = tables
        iterators.begin()
        udf.forget()

    def load(self, name):
        """The namespace for `import name`. ModuleNotFoundError as Python raises it; Refused for other real modules."""
        if name not in self.modules:
            raise self.no_module(name)
        return self.modules[name]

    def load_from(self, name, member):
        """`member` for `from name import member`. ImportError as Python raises it."""
        if name == "__future__":
            if member in __future__.all_feature_names:
                return None
            raise SyntaxError(f"future feature {member} is not defined")
        namespace = self.load(name)
        if f"{name}.{member}" in self.modules:
            return self.modules[f"{name}.{member}"]
        try:
            return namespace.lookup(member)
        except AttributeError:
            raise ImportError(f"cannot import name '{member}' from '{name}'", name=name) from None

    def no_module(self, name):
        if name.partition(".")[0] != "ibis":
            return modules.absent(name)
        if name in sys.modules:
            return Refused(f"`import {name}` is not available: {refusal(name)}")
        known = self.modules.get(name.rpartition(".")[0])
        if known is not None and name.rpartition(".")[2] in known.known:
            return Refused(f"`import {name}` is not available: {refusal(name)}")
        return ModuleNotFoundError(f"No module named '{name}'", name=name)

    def assign(self, obj, name, value):
        """`obj.name = value`: options are taken and have no effect, objects of the text's own classes take what they are
        given; nothing else of Ibis or Python can be set."""
        if isinstance(obj, Instance) and not name.startswith("_"):
            return obj.assign(name, value)
        if isinstance(obj, Record):
            raise AttributeError("can't set attribute" if name in obj._fields else f"'{type(obj).__name__}' object has no attribute '{name}'")
        if not isinstance(obj, surface.Options):
            raise Refused(f"`.{name}` cannot be assigned: only `ibis.options` and fields of a text's own objects can", "build")
        obj.lookup(name)

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
        if isinstance(obj, RECORDS) and (found := obj.member(name)):
            return found[0]
        if name == "__name__" and (is_class(obj) or isinstance(obj, Function) or values.is_text_function(obj)):
            return obj.__name__
        if name == "__name__" and isinstance(obj, Kind):
            return obj.name
        if name == "__class__" and isinstance(obj, Caught):
            return type_of(obj)
        if name.startswith("_") and not (name == "_" and obj is self.ibis):
            raise Refused(
                f"`{name}`: attributes that begin with an underscore are not available "
                f'(a column of that name is reached as ["{name}"])'
            )
        if isinstance(obj, (Namespace, Stub)):
            return obj.lookup(name)
        if isinstance(obj, Computed):
            raise obj.refuse()
        if isinstance(obj, Printed):
            obj = None
        if isinstance(obj, Deferred):
            return attribute_of(obj, name)
        if is_class(obj):
            return self.of_class(obj, name)
        if isinstance(obj, RECEIVERS):
            if name in self.allowed(type(obj)) or has_field(obj, name):
                return self.admit(getattr(obj, name))
            if name == "pipe" and hasattr(type(obj), name):
                return pipe(obj)
            if name == "cache" and isinstance(obj, ir.Table):
                return Function(lambda: obj, name)
            if name in TERMINAL and isinstance(obj, Expr) and hasattr(type(obj), name):
                return terminal(obj, name, original(type(obj), name))
            if hasattr(type(obj), name):
                raise Refused(refusal(name))
            if isinstance(obj, GroupedTable) and name in self.allowed(ir.Table):
                return GroupedArray()
        elif methods.kind_of(obj) is not None:
            found = methods.member(obj, name)
            if found is not None or name in methods.METHODS[methods.kind_of(obj)] and hasattr(obj, name):
                return found
            if hasattr(obj, name):
                raise Refused(f"`.{name}` of a Python {type(obj).__name__} is not available")
        elif isinstance(obj, Function):
            if isinstance(obj, Constructor):
                found = methods.of_class(obj.kind, name)
                if found is not None:
                    return found
            if name in getattr(type(obj), "members", ()):
                return getattr(obj, name)
            raise AttributeError(f"'function' object has no attribute '{name}'", name=name)
        elif hasattr(obj, name):
            raise Refused(f"`.{name}` of a Python {type(obj).__name__} is not available")
        if callable(obj) and not isinstance(obj, RECEIVERS):
            raise AttributeError(f"'{type(obj).__name__}' object has no attribute '{name}'", name=name)
        getattr(obj, name)  # raises the real AttributeError
        raise Refused(refusal(name))

    def of_class(self, cls, name):
        """`cls.name` of a class that the text may name."""
        found = methods.of_class(cls, name)
        if found is not None:
            return found
        if issubclass(cls, dt.DataType) and name in self.allowed(cls):
            found = getattr(cls, name)
            # A class method makes a type; anything else of a class is Ibis's own affair.
            if getattr(found, "__self__", None) is cls:
                return Function(found, name)
        if hasattr(cls, name):
            raise Refused(f"`.{name}` of a Python type is not available")
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'", name=name)

    def getattr(self, obj, name, default=MISSING, /):
        if not isinstance(name, str):
            raise TypeError(f"attribute name must be string, not '{type(name).__name__}'")
        try:
            return self.attribute(obj, name)
        except AttributeError:
            if default is MISSING:
                raise
            return default

    def hasattr(self, obj, name, /):
        return self.getattr(obj, name, MISSING) is not MISSING

    def callee(self, function, attribute_name):
        """What to call for `function`: nothing but allowed functions, methods of admitted objects and the text's own."""
        if isinstance(function, (Computed, Printed)):
            raise function.refuse() if isinstance(function, Computed) else TypeError(
                "'NoneType' object is not callable"
            )
        if isinstance(function, Deferred):
            if attribute_name is None:
                raise Refused("only methods of a deferred value can be called", "build")
            return function
        return values.callee(function)

    def admit(self, value):
        """`value`, if it is of a kind that a query works with and within bounds."""
        return value if isinstance(value, (Computed, Printed)) else values.admit(value)

    def result(self, value):
        """The expression that the value of the last statement stands for."""
        return result(value)


def type_of(value, /, *more):
    """`type(value)`: a class that the text may name, else the name of one."""
    if more:
        raise Refused("`type` makes no classes here", "build")
    kind = type(value.error) if isinstance(value, Caught) else type(value)
    if kind in CONTAINER_TYPES:
        return BUILTINS[kind.__name__]
    return kind if is_class(kind) else Kind(kind.__name__)


class Kind(Stub):
    """A class that a text may only ask for its name."""

    kind = "type"

    def __init__(self, name):
        self.name = name

    def members(self):
        return {"__name__": self.name}

    def __eq__(self, other):
        return isinstance(other, Kind) and other.name == self.name

    def __hash__(self):
        return hash(self.name)


def original(cls, name):
    """A method of `cls` as Ibis has it, whether or not it was replaced."""
    owner = next(c for c in cls.__mro__ if name in vars(c))
    return ORIGINALS.get((owner, name), vars(owner)[name])


def has_field(obj, name):
    """Whether `obj.name` is a column of a table, grouped or not, or a field of a struct."""
    if isinstance(obj, ir.Table):
        return name in obj.op().schema
    if isinstance(obj, GroupedTable):
        return name in obj.table.schema
    if isinstance(obj, ir.StructValue):
        return name in obj.names
    return False


def is_builtin(name):
    return hasattr(builtins, name)
