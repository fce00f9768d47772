"""Modules of Python's standard library as a text may import them: fixed tables of members, within bounds."""

import collections
import datetime
import decimal
import functools
import itertools
import json
import math
import operator
import string
import sys
import uuid

from guarded import dict_, keyed, plain, require_plain
from limits import MAX_ITEMS, Refused, bound_bits, bound_items, bound_power, bound_text
from values import CLASSES, Function, Namespace, admit, call, callee, items_of

MISSING = object()


def module(name, real, members):
    """The namespace of a module; `real` is the module, for the names that it has beside `members`."""
    for key, value in members.items():
        if callable(value) and not isinstance(value, type) and not hasattr(value, "__getitem__"):
            members[key] = Function(value, key)
    return Namespace(name, members, (n for n in dir(real) if not n.startswith("__")))


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


def listed(function, size):
    """An iterator of `itertools` as a list, whose length `size` tells beforehand."""

    def make(*args, **kwargs):
        bound_items(size(*args, **kwargs))
        return list(function(*args, **kwargs))

    return make


def of_itertools(_policy):
    def taken(values, *bounds):
        return list(itertools.islice(items_of(values), *bounds))

    def repeat(value, times=None):
        if times is None:
            raise Refused("`itertools.repeat` takes how often here: it has no end without", "build")
        bound_items(times)
        return [value] * times

    def accumulate(values, function=None, *, initial=None):
        values = items_of(values)
        if function is not None:
            callee(function)
        step = (lambda a, b: admit(a + b)) if function is None else (lambda a, b: call(function, a, b))
        return list(itertools.accumulate(values, step, initial=initial))

    def groupby(values, key=None):
        return [(k, list(group)) for k, group in itertools.groupby(items_of(values), keyed(key))]

    def product(*values, repeat=1):
        values = [items_of(v) for v in values]
        bound_items(len(values) * repeat)
        size = 1
        for value in values * repeat:
            size *= len(value)
            bound_items(size)
        return list(itertools.product(*values, repeat=repeat))

    def chosen(function, count):
        def choose(values, r=None):
            values = items_of(values)
            r = len(values) if r is None else r
            bound_items(max(len(values), r))
            # Each step multiplies: stopped before it has grown over the limit.
            bound_items(count(len(values), r) * max(r, 1) if len(values) < 1_000 else MAX_ITEMS + (r > 1))
            return list(function(values, r))

        return choose

    def starmap(function, values):
        callee(function)
        return [call(function, *items_of(args)) for args in items_of(values)]

    def chain(*values):
        values = [items_of(v) for v in values]
        bound_items(sum(map(len, values)))
        return [item for value in values for item in value]

    def while_(keep):
        def walk(predicate, values):
            callee(predicate)
            step = itertools.takewhile if keep else itertools.dropwhile
            return list(step(lambda v: call(predicate, v), items_of(values)))

        return walk

    members = {
        "islice": taken, "repeat": repeat, "accumulate": accumulate, "groupby": groupby, "product": product,
        "combinations": chosen(itertools.combinations, math.comb),
        "permutations": chosen(itertools.permutations, math.perm),
        "combinations_with_replacement": chosen(
            itertools.combinations_with_replacement, lambda n, r: math.comb(max(n + r - 1, 0), r)
        ),
        "starmap": starmap, "takewhile": while_(True), "dropwhile": while_(False),
        "zip_longest": lambda *values, fillvalue=None: list(
            itertools.zip_longest(*map(items_of, values), fillvalue=fillvalue)
        ),
        "pairwise": lambda values: list(itertools.pairwise(items_of(values))),
    }  # fmt: skip
    namespace = module("itertools", itertools, members)
    flatten = Function(lambda values: chain(*items_of(values)), "from_iterable")
    namespace.members["chain"] = Chain(chain, "chain")
    namespace.members["chain"].from_iterable = flatten
    return namespace


class Chain(Function):
    """`itertools.chain`, which has a method of its own."""

    members = ("from_iterable",)


def of_collections(_policy):
    def ordered(values=(), /, **kwargs):
        return dict_(values, **kwargs)

    def counter(values=(), /):
        counts = {}
        for value in items_of(values):
            counts[value] = counts.get(value, 0) + 1
        return counts

    return module("collections", collections, {"OrderedDict": ordered, "Counter": counter})


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
    "string": of_string, "uuid": of_uuid,
}  # fmt: skip
# Installed where people work with Ibis, though not in the sandbox.
COMMON = frozenset("pandas numpy polars pyarrow duckdb sqlglot matplotlib pytest ibis_ml sklearn altair plotly".split())


def absent(name):
    """The exception for a module that no table has."""
    top = name.partition(".")[0]
    if top in COMMON or top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return Refused(f"`import {name}` is not available: a check has ibis and the parts of Python that queries need")
    return ModuleNotFoundError(f"No module named '{top}'", name=top)


