"""Modules of Python's standard library as a text may import them: fixed tables of members, within bounds."""

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import itertools
import json
import logging
import math
import operator
import pprint
import re
import statistics
import string
import sys
import textwrap
import uuid
import warnings

import classkinds
import collected
import contexts
import iteration
import regexes
from computed import print_
from guarded import plain, require_plain
from limits import Refused, bound_bits, bound_items, bound_power, bound_text
from values import CLASSES, Function, Namespace, Stub, admit, call, callee, items_of

MISSING = object()


def module(name, real, members):
    """The namespace of a module; `real` is the module, for the names that it has beside `members`."""
    for key, value in members.items():
        if callable(value) and not isinstance(value, type) and not hasattr(value, "__getitem__"):
            members[key] = Function(value, key)
    return Namespace(name, members, public(real))


def public(real):
    return (n for n in dir(real) if not n.startswith("__"))


def reduce(function, values, initial=MISSING, /):
    callee(function)
    values = items_of(values)
    if initial is not MISSING:
        values.insert(0, initial)
    if not values:
        raise TypeError("reduce() of empty iterable with no initial value")
    total = values[0]
    for value in values[1:]:
        total = call(function, total, value)
    return total


def partial(function, /, *args, **kwargs):
    callee(function)
    return Function(lambda *more, **named: call(function, *args, *more, **{**kwargs, **named}), "partial")


def decorated(function=None, /, **_options):
    """`lru_cache`, `cache` and `wraps`: what they add is nothing that a check sees."""
    if function is None:
        return Function(decorated, "decorator")
    callee(function)
    return function


def wraps(_wrapped, **_options):
    return Function(lambda function: function, "wraps")


def power(base, exponent, /):
    bound_power(base, exponent)
    return base**exponent


def times(left, right, /):
    for one, other in ((left, right), (right, left)):
        if isinstance(one, (str, bytes, list, tuple)) and isinstance(other, int):
            bound_items(len(one) * max(other, 0), type(one).__name__)
    return left * right


def shifted(left, right, /):
    if isinstance(left, int) and isinstance(right, int):
        bound_bits(left.bit_length() + max(right, 0))
    return left << right


def remainder(left, right, /):
    if isinstance(left, (str, bytes)):
        raise Refused("string formatting with % is not available in `operator.mod`", "build")
    return left % right


def concat(left, right, /):
    return admit(left + right)


def itemgetter(first, /, *rest):
    if not rest:
        return Function(lambda value, /: item(value, first), "itemgetter")
    return Function(lambda value, /: tuple(item(value, key) for key in (first, *rest)), "itemgetter")


def item(value, key, /):
    if not hasattr(type(value), "__getitem__") or isinstance(value, type):
        raise TypeError(f"'{type(value).__name__}' object is not subscriptable")
    return admit(value[key])


def attrgetter(policy):
    def walk(value, path):
        for name in path.split("."):
            value = policy.attribute(value, name)
        return value

    def attrgetter(first, /, *rest):
        for path in (first, *rest):
            if not isinstance(path, str):
                raise TypeError("attribute name must be a string")
        if not rest:
            return Function(lambda value, /: walk(value, first), "attrgetter")
        return Function(lambda value, /: tuple(walk(value, p) for p in (first, *rest)), "attrgetter")

    return attrgetter


def methodcaller(policy):
    def methodcaller(name, /, *args, **kwargs):
        if not isinstance(name, str):
            raise TypeError("method name must be a string")

        def call_method(value, /):
            return policy.admit(policy.callee(policy.attribute(value, name), name)(*args, **kwargs))

        return Function(call_method, "methodcaller")

    return methodcaller


PLAIN_OPERATORS = """
    add sub truediv floordiv and_ or_ xor inv invert neg pos not_ eq ne lt le gt ge matmul rshift is_ is_not truth abs
    index contains
    """.split()


def of_operator(policy):
    members = {name: getattr(operator, name) for name in PLAIN_OPERATORS}
    members |= {"pow": power, "mul": times, "lshift": shifted, "mod": remainder, "concat": concat, "getitem": item}
    members |= {"itemgetter": itemgetter, "attrgetter": attrgetter(policy), "methodcaller": methodcaller(policy)}
    return module("operator", operator, members)


def of_functools(_policy):
    members = {"reduce": reduce, "partial": partial, "wraps": wraps, "lru_cache": decorated, "cache": decorated}
    return module("functools", functools, members)


def of_datetime(_policy):
    names = "date datetime time timedelta timezone".split()
    members = {name: getattr(datetime, name) for name in names}
    return module("datetime", datetime, {**members, "UTC": datetime.timezone.utc, "MINYEAR": 1, "MAXYEAR": 9999})


def of_decimal(_policy):
    rounding = {name: name for name in dir(decimal) if name.startswith("ROUND_")}
    return module("decimal", decimal, {"Decimal": decimal.Decimal, **rounding})


def of_math(_policy):
    members = {
        name: plain(value) if callable(value) else value
        for name, value in vars(math).items()
        if not name.startswith("_")
    }

    def bounded(function, limit):
        def compute(*args):
            if any(isinstance(a, int) and abs(a) > limit for a in args):
                raise Refused(f"`math.{function.__name__}` takes numbers up to {limit} here", "build")
            return plain(function)(*args)

        return compute

    members |= {f.__name__: bounded(f, 400) for f in (math.factorial, math.comb, math.perm)}
    members["lcm"] = bounded(math.lcm, 2**63)

    def folded(function):
        return lambda *args, **kwargs: plain(function)(*map(items_of, args), **kwargs)

    members |= {n: folded(getattr(math, n)) for n in ("prod", "fsum", "dist", "sumprod") if hasattr(math, n)}
    members["prod"] = lambda values, /, *, start=1: functools.reduce(lambda a, b: admit(times(a, b)), items_of(values), start)
    return module("math", math, members)


def of_itertools(_policy):
    namespace = module("itertools", itertools, dict(iteration.MEMBERS))
    namespace.members["chain"] = iteration.Chain()
    return namespace


def of_collections(_policy):
    return Namespace("collections", collected.members(), public(collections))


def of_re(_policy):
    return module("re", re, regexes.members())


def of_dataclasses(_policy):
    return module("dataclasses", dataclasses, dict(classkinds.DATACLASSES))


def of_enum(_policy):
    return Namespace("enum", dict(classkinds.ENUM), public(enum))


def of_contextlib(_policy):
    return module("contextlib", contextlib, {"suppress": contexts.suppress, "nullcontext": contexts.nullcontext})


def of_warnings(_policy):
    nothing = {n: lambda *_args, **_kwargs: None for n in ("filterwarnings", "simplefilter", "warn", "resetwarnings")}
    ignored = lambda *_args, **_kwargs: contexts.Manager()  # noqa: E731
    return module("warnings", warnings, {**nothing, "catch_warnings": ignored})


class Logger(Stub):
    """A logger, which writes nowhere."""

    kind = "Logger"

    def members(self):
        done = Function(lambda *_args, **_kwargs: None, "log")
        return dict.fromkeys("debug info warning error critical exception log setLevel addHandler".split(), done)


def of_logging(_policy):
    quiet = {n: lambda *_args, **_kwargs: None for n in "basicConfig debug info warning error critical log".split()}
    levels = {n: getattr(logging, n) for n in "DEBUG INFO WARNING ERROR CRITICAL".split()}
    return module("logging", logging, {**quiet, **levels, "getLogger": lambda _name=None: Logger()})


def of_textwrap(_policy):
    def dedent(text, /):
        if not isinstance(text, str):
            raise TypeError(f"expected str object, not {type(text).__name__!r}")
        return textwrap.dedent(text)

    return module("textwrap", textwrap, {"dedent": dedent})


def of_pprint(_policy):
    shown = lambda *values, **_options: print_(*values[:1])  # noqa: E731
    return module("pprint", pprint, {"pprint": shown, "pp": shown})


def of_statistics(_policy):
    def over(function):
        return lambda values, /: plain(function)(items_of(values))

    names = "mean fmean median median_low median_high stdev pstdev variance pvariance mode".split()
    return module("statistics", statistics, {n: over(getattr(statistics, n)) for n in names})


def of_json(_policy):
    def dumps(value, **options):
        require_plain(value, "json.dumps")
        if set(options) - {"sort_keys", "ensure_ascii", "indent"} or not (options.get("indent") or 0) in range(9):
            raise Refused("`json.dumps` takes sort_keys, ensure_ascii and a small indent here", "build")
        return json.dumps(value, **options)

    def loads(text, /):
        if not isinstance(text, str):
            raise TypeError(f"the JSON object must be str, not {type(text).__name__}")
        bound_text(len(text))
        if text.count("[") + text.count("{") > 500:
            raise Refused("`json.loads` takes at most 500 arrays and objects here", "build")
        return json.loads(text)

    return module("json", json, {"dumps": dumps, "loads": loads})


def of_string(_policy):
    members = {n: getattr(string, n) for n in string.__all__ if isinstance(getattr(string, n), str)}
    return module("string", string, members)


def of_uuid(_policy):
    return module("uuid", uuid, {"UUID": uuid.UUID})


CLASSES.update(
    {
        datetime.date: datetime.date,
        datetime.datetime: datetime.datetime,
        datetime.time: datetime.time,
        datetime.timedelta: datetime.timedelta,
        datetime.timezone: datetime.timezone,
        decimal.Decimal: plain(decimal.Decimal),
        uuid.UUID: plain(uuid.UUID),
    }
)
STANDARD = {
    "operator": of_operator, "functools": of_functools, "datetime": of_datetime, "decimal": of_decimal,
    "math": of_math, "itertools": of_itertools, "collections": of_collections, "json": of_json,
    "string": of_string, "uuid": of_uuid, "contextlib": of_contextlib, "warnings": of_warnings, "logging": of_logging,
    "textwrap": of_textwrap, "re": of_re,
    "dataclasses": of_dataclasses, "enum": of_enum, "pprint": of_pprint, "statistics": of_statistics,
}  # fmt: skip
# Installed where people work with Ibis, though not in the sandbox.
COMMON = frozenset("pandas numpy polars pyarrow duckdb sqlglot matplotlib pytest ibis_ml sklearn altair plotly".split())


def absent(name):
    """The exception for a module that no table has."""
    top = name.partition(".")[0]
    if top in COMMON or top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return Refused(f"`import {name}` is not available: a check has ibis and the parts of Python that queries need")
    return ModuleNotFoundError(f"No module named '{top}'", name=top)


