"""Python's built-in functions as a text may call them: on plain values, within bounds, over whole lists."""

import decimal
import inspect
import operator

import ibis.expr.datatypes as dt
import ibis.expr.schema as sch
from exceptions import Caught
from iterators import Iterator, iterator
from limits import (
    MAX_ITEMS,
    Refused,
    bound_bits,
    bound_power,
    bound_text,
)
from values import (
    CLASSES,
    CONTAINERS,
    MAPPINGS,
    PRIMITIVES,
    RECEIVERS,
    VIEWS,
    Function,
    Namespace,
    Stub,
    admit,
    call,
    callee,
    is_class,
    items_of,
    iter_of,
)

# What a built-in may be called with although it is no plain value. Python asks the types of these for a method of
# the built-in's own; they have none, which is a TypeError, or Ibis's, which makes an expression.
FOREIGN = (*RECEIVERS, Function, Namespace, Stub, Iterator)
MAX_NESTED = 2_000
MAX_NESTING = 50


def signed(function):
    """`function` with positional-only parameters, as Python's own have them: what a text passes wrongly is a TypeError."""
    signature = inspect.signature(function)
    name = function.__name__.strip("_")

    def guarded(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        return function(*bound.args, **bound.kwargs)

    guarded.__name__ = name
    return guarded


def require_plain(value, name, budget=None, depth=0):
    """Refuses what is no plain value, and a container whose text would have no end in sight."""
    budget = [MAX_NESTED] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0 or depth > MAX_NESTING:
        raise Refused(
            f"`{name}` takes plain Python values here, of at most {MAX_NESTED} items and {MAX_NESTING} levels", "build"
        )
    if isinstance(value, (*PRIMITIVES, dt.DataType, sch.Schema, Caught)) or is_class(value):
        return
    if isinstance(value, (*CONTAINERS, *VIEWS)):
        for item in value.items() if isinstance(value, dict) else value:
            require_plain(item, name, budget, depth + 1)
        return
    raise Refused(f"`{name}` takes plain Python values here, not {type(value).__name__}", "build")


def str_(value="", /):
    require_plain(value, "str")
    return str(value)


def repr_(value, /):
    require_plain(value, "repr")
    return repr(value)


def int_(value=0, /, base=None):
    if isinstance(value, str) and len(value) > 1_000:
        bound_bits(len(value) * 4)
    if isinstance(value, decimal.Decimal):
        admit(value)
    return plain(int)(value) if base is None else plain(int)(value, base)


def plain(function, accepted=(*PRIMITIVES, *CONTAINERS, *VIEWS)):
    """A built-in that takes plain values only, so that it calls no code of other objects."""

    def guarded(*args, **kwargs):
        for value in (*args, *kwargs.values()):
            if not isinstance(value, accepted) and (function is hash or not isinstance(value, FOREIGN)):
                raise Refused(
                    f"`{function.__name__}` takes plain Python values here, not {type(value).__name__}", "build"
                )
        return function(*args, **kwargs)

    guarded.__name__ = function.__name__
    return guarded


def len_(value, /):
    if isinstance(value, (*CONTAINERS, *VIEWS, *MAPPINGS, str, bytes, range, sch.Schema)):
        return len(value)
    if hasattr(value, "items_of"):
        return len(value.items_of())
    if isinstance(value, RECEIVERS):
        return len(value)
    if hasattr(type(value), "__len__"):
        raise Refused(f"`len` takes plain Python values here, not {type(value).__name__}", "build")
    raise TypeError(f"object of type '{type(value).__name__}' has no len()")


def gather(kind):
    def make(values=(), /):
        return kind(items_of(values))

    make.__name__ = kind.__name__
    return make


def dict_(values=(), /, **kwargs):
    if isinstance(values, (dict, *MAPPINGS, sch.Schema)):
        return {**dict(values.items()), **kwargs}
    pairs = {}
    for index, pair in enumerate(items_of(values)):
        pair = items_of(pair)
        if len(pair) != 2:
            raise ValueError(f"dictionary update sequence element #{index} has length {len(pair)}; 2 is required")
        pairs[pair[0]] = pair[1]
    return pairs | kwargs


def bounded_range(*args):
    result = range(*args)
    if len(result) > MAX_ITEMS:
        raise Refused(f"a range of {len(result)} items is over the limit of {MAX_ITEMS}", "build")
    return result


def zip_(*values, strict=False):
    return iterator("zip", zip(*map(iter_of, values), strict=bool(strict)))


def enumerate_(iterable, start=0):
    return iterator("enumerate", enumerate(iter_of(iterable), operator.index(start)))


def reversed_(values, /):
    if isinstance(values, (Iterator, set, frozenset)):
        raise TypeError(f"'{type(values).__name__}' object is not reversible")
    return iterator("list_reverseiterator", items_of(values)[::-1])


def sorted_(values, /, *, key=None, reverse=False):
    # Sorted apart from the values, since `key` may change the list that it comes from.
    return sorted(items_of(values), key=keyed(key), reverse=bool(reverse))


def keyed(key):
    if key is None:
        return None
    callee(key)
    return lambda value: call(key, value)


def extreme(function):
    def pick(first, /, *rest, key=None, **default):
        if set(default) - {"default"}:
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument '{next(iter(default))}'")
        if rest:
            if default:
                raise TypeError(
                    f"Cannot specify a default for {function.__name__}() with multiple positional arguments"
                )
            return function((first, *rest), key=keyed(key))
        return function(items_of(first), key=keyed(key), **default)

    pick.__name__ = function.__name__
    return pick


def sum_(values, /, start=0):
    if isinstance(start, (str, bytes)):
        raise TypeError("sum() can't sum strings [use ''.join(seq) instead]")
    total = start
    for value in items_of(values):
        total = admit(total + value)
    return total


def any_(values, /):
    return any(iter_of(values))


def all_(values, /):
    return all(iter_of(values))


def map_(function, first, /, *rest):
    callee(function)
    sources = [iter_of(first), *map(iter_of, rest)]
    return iterator("map", (call(function, *args) for args in zip(*sources)))


def filter_(function, values, /):
    if function is not None:
        callee(function)
    source = iter_of(values)
    return iterator("filter", (value for value in source if (value if function is None else call(function, value))))


def iter_(value, /):
    return value if isinstance(value, Iterator) else iterator(f"{type(value).__name__}_iterator", items_of(value))


MISSING = object()


def next_(values, default=MISSING, /):
    if not isinstance(values, Iterator):
        raise TypeError(f"'{type(values).__name__}' object is not an iterator")
    return next(values) if default is MISSING else next(values, default)


def is_instance_of(value, kinds):
    if isinstance(kinds, tuple):
        return any(is_instance_of(value, kind) for kind in kinds)
    if hasattr(kinds, "__args__") and type(kinds).__name__ == "UnionType":
        return any(is_instance_of(value, kind) for kind in kinds.__args__)
    if isinstance(kinds, Constructor) or hasattr(kinds, "kind") and isinstance(kinds, Function):
        return isinstance(value, kinds.kind)
    if kinds is None or kinds is type(None):
        return value is None
    if not is_class(kinds):
        if isinstance(kinds, type):
            raise Refused(f"`isinstance` with `{kinds.__name__}` is not available", "build")
        raise TypeError("isinstance() arg 2 must be a type, a tuple of types, or a union")
    return isinstance(value, kinds)


def isinstance_(value, kinds, /):
    return is_instance_of(value, kinds)


def callable_(value, /):
    return callable(value)


def pow_(base, exp, mod=None):
    bound_power(base, exp)
    return base**exp if mod is None else plain(pow)(base, exp, mod)


def round_(number, ndigits=None):
    if isinstance(number, decimal.Decimal):
        admit(number)
    if isinstance(ndigits, int) and abs(ndigits) > MAX_ITEMS:
        raise Refused(f"`round` takes at most {MAX_ITEMS} digits here", "build")
    return plain(round)(number) if ndigits is None else round(number, ndigits)


def divmod_(left, right, /):
    return plain(divmod)(left, right)


def format_(value, format_spec="", /):
    return format_value(value, format_spec)


def format_value(value, spec):
    """`format(value, spec)` of a plain value, with a bound on width and precision."""
    if not isinstance(spec, str):
        raise TypeError(f"format() argument 2 must be str, not {type(spec).__name__}")
    require_plain(value, "format")
    if any(number > MAX_ITEMS for number in numbers_in(spec)):
        raise Refused(f"a format's width is over the limit of {MAX_ITEMS}", "build")
    bound_text(len(spec) + sum(numbers_in(spec)))
    return admit(format(value, spec))


def numbers_in(text):
    """The whole numbers in `text`; of absurdly many digits, a number that is over every limit."""
    digits = "".join(c if c.isdecimal() else " " for c in text).split()
    return [int(d) if len(d) < 10 else 10**10 for d in digits]


class Printed:
    """What `print` returns: nothing, but for the checker it holds what was printed."""

    def __init__(self, values):
        self.values = values


FUNCTION_TABLE = {
    f.__name__: f
    for f in map(
        signed,
        (len_, any_, all_, map_, filter_, iter_, next_, reversed_, zip_, enumerate_, sum_, isinstance_, callable_, pow_)
        + (round_, divmod_, format_, repr_, sorted_),
    )
} | {
    f.__name__: f
    for f in (
        *(plain(f) for f in (abs, chr, ord, bin, hex, oct, hash)),
        extreme(min),
        extreme(max),
    )
}
FUNCTION_TABLE["range"] = bounded_range
CONSTRUCTORS = {
    str: signed(str_),
    int: signed(int_),
    float: plain(float),
    bool: lambda value=False, /: bool(value),
    list: signed(gather(list)),
    tuple: signed(gather(tuple)),
    set: signed(gather(set)),
    frozenset: signed(gather(frozenset)),
    dict: dict_,
    bytes: None,
    slice: plain(slice),
    object: None,
}


class ContainerHint(Stub):
    """`list[int]`, for annotations."""

    __iter__ = None

    def __init__(self, name, items):
        self.name, self.items = name, items


class Constructor(Function):
    """A container's class as a text has it. The class itself would walk what it is given, and some of Ibis's own
    values have no end, where Ibis calls it in turn."""

    __iter__ = None  # else Python iterates by `__getitem__`, without end

    def __init__(self, kind, call):
        super().__init__(call, kind.__name__)
        self.kind = kind

    def __getitem__(self, items):
        return ContainerHint(self.kind.__name__, items if isinstance(items, tuple) else (items,))


CONTAINER_TYPES = (list, tuple, set, frozenset, dict)
CLASSES.update((kind, function) for kind, function in CONSTRUCTORS.items() if kind not in CONTAINER_TYPES)
# By name, as a text calls them. A class that is named stands for itself, as in `.cast(float)`; called, for this.
BUILTINS = {
    **FUNCTION_TABLE,
    **{kind.__name__: function for kind, function in CONSTRUCTORS.items() if function is not None},
    **{kind.__name__: Constructor(kind, CONSTRUCTORS[kind]) for kind in CONTAINER_TYPES},
}
TYPES = {kind.__name__: kind for kind in CONSTRUCTORS if kind not in CONTAINER_TYPES}
