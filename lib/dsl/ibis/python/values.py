"""The values that a text works with: what is admitted, what can be called, and how the policy calls it."""

import collections
import datetime
import decimal
import types
import uuid
from collections import abc

import ibis.expr.datatypes as dt
import ibis.expr.schema as sch
from ibis.common.collections import FrozenDict, FrozenOrderedDict
from ibis.common.deferred import Deferred
from ibis.common.selectors import Expandable, Selector
from ibis.expr.builders import Builder
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedArray, GroupedTable
from ibis.expr.types.temporal import DayOfWeek
from ibis.expr.types.temporal_windows import WindowedTable
from iterators import Iterator
from limits import (
    FORMAT_FIELD,
    MAX_EXPONENT,
    Refused,
    bound_bits,
    bound_items,
    bound_text,
    refusal,
    walks_or_swells,
)

RECEIVERS = (
    Expr,
    Deferred,
    GroupedTable,
    GroupedArray,
    WindowedTable,
    DayOfWeek,
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
    type(...),
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    uuid.UUID,
    slice,
    range,
)
CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque)
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
MAPPINGS = (FrozenDict, FrozenOrderedDict)  # Ibis's own: fields of structs, items of schemas


class Namespace:
    """A module as the text may see it: a fixed table of public names, never the module itself.

    `known`: the names that it has in reality; `full`: what it calls itself in Python's messages.
    """

    def __init__(self, name, members, known):
        self.name = name
        self.members = members
        self.known = frozenset(known)

    def lookup(self, name):
        if name in self.members:
            return self.members[name]
        if name in self.known:
            raise Refused(refusal(f"{self.name}.{name}"))
        raise AttributeError(f"module '{self.name}' has no attribute '{name}'", name=name)


class Function:
    """A function of the policy's own, which guards what it is called with."""

    __slots__ = ("__name__", "__weakref__", "_call")

    def __init__(self, call, name=None):
        self._call = call
        self.__name__ = name or call.__name__

    def __call__(self, *args, **kwargs):
        return self._call(*args, **kwargs)


class Stub:
    """An object of the policy's own with a fixed table of members; `lookup` raises what Python would."""

    kind = "object"

    def members(self):
        return {}

    def lookup(self, name):
        members = self.members()
        if name in members:
            return members[name]
        raise AttributeError(f"'{self.kind}' object has no attribute '{name}'", name=name)


class Unknown:
    """A value that a check has not computed; `refuse` says so."""


FUNCTIONS = {}  # id -> function that a text may call: kept alive, so that an id stands for it
CLASSES = {}  # class that a text may name -> the function that calls it, or None


def allow(functions):
    FUNCTIONS.update((id(f), f) for f in functions)


def is_class(value):
    try:
        return isinstance(value, type) and value in CLASSES
    except TypeError:
        return False


def is_text_function(value):
    return isinstance(value, types.FunctionType) and getattr(value, "ibert_lambda", False) is True


def callee(function):
    """What to call for `function`, which is not a deferred value. Refused or TypeError where it cannot be called."""
    if is_class(function):
        if CLASSES[function] is None:
            raise Refused(f"`{function.__name__}` cannot be called here", "build")
        return CLASSES[function]
    if FUNCTIONS.get(id(function)) is function or isinstance(function, Function) or is_text_function(function):
        return function
    if isinstance(function, types.MethodType) and (
        isinstance(function.__self__, RECEIVERS) or is_text_function(function.__func__)
    ):
        return function
    if not callable(function) or isinstance(function, RECEIVERS):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    raise Refused(f"a {type(function).__name__} cannot be called here", "build")


def call(function, *args, **kwargs):
    """Calls a function that the text handed over, and admits what it returns."""
    return admit(callee(function)(*args, **kwargs))


def admit(value):
    """`value`, if it is of a kind that a query works with and within bounds."""
    if isinstance(value, str):
        bound_text(len(value))
        if any(walks_or_swells(field) for field in FORMAT_FIELD.findall(value)):
            raise Refused("a format field may hold a name only", "build")
    elif isinstance(value, int) and not isinstance(value, bool):
        bound_bits(value.bit_length())
    elif isinstance(value, CONTAINERS):
        bound_items(len(value), type(value).__name__)
    elif isinstance(value, bytes):
        bound_text(len(value))
    elif isinstance(value, decimal.Decimal):
        if value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT:
            raise Refused(f"a Decimal's exponent is over the limit of {MAX_EXPONENT}", "build")
    elif isinstance(value, RECEIVERS + PRIMITIVES + VIEWS + MAPPINGS + (Namespace, Stub, Function, Iterator, types.UnionType)):
        pass
    elif is_class(value):
        pass
    elif isinstance(value, abc.MappingView):  # of Ibis's own mappings
        value = list(value)
    elif callable(value):
        callee(value)
    elif type(value).__module__ != "ibis.common.collections":
        raise Refused(f"a {type(value).__name__} has no place in a query", "build")
    return value


def iter_of(value):
    """What a loop takes its items from: an iterator gives them one at a time."""
    return value if isinstance(value, Iterator) else iter(items_of(value))


def items_of(value):
    """The items of a plain container; Ibis's own objects are not walked, some of them have no end."""
    if isinstance(value, (*CONTAINERS, range, *VIEWS, *MAPPINGS, str, bytes, Iterator)):
        return list(value)
    if isinstance(value, sch.Schema):
        return list(value.names)
    if isinstance(value, (Stub, Function)) and hasattr(value, "items_of"):
        return value.items_of()
    if isinstance(value, Unknown):
        raise value.refuse()
    raise TypeError(f"'{type(value).__name__}' object is not iterable")
