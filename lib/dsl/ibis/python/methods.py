"""Methods of plain values that a text may call: those of strings, lists, dictionaries, sets, numbers and dates."""

import collections
import datetime
import decimal
import string
import types
import uuid

from guarded import format_value, keyed, numbers_in, require_plain
from ibis.common.collections import FrozenDict, FrozenOrderedDict
from iterators import iterator
from limits import Refused, bound_items, bound_text
from values import VIEWS, Function, admit, items_of

MAPPING = frozenset("keys values items get".split())
DICT = MAPPING | frozenset("update pop setdefault copy popitem fromkeys clear".split())
DATE = frozenset(
    "year month day weekday isoweekday isocalendar isoformat toordinal timetuple replace strftime ctime".split()
)
TIME = frozenset("hour minute second microsecond tzinfo isoformat replace strftime utcoffset tzname".split())
METHODS = {
    str: frozenset(
        "lower upper strip split startswith endswith title capitalize lstrip rstrip rsplit splitlines partition "
        "rpartition replace join format zfill ljust rjust center removeprefix removesuffix casefold swapcase count "
        "find rfind index rindex isdigit isalpha isalnum isnumeric isdecimal isupper islower isspace istitle "
        "isidentifier isascii expandtabs translate maketrans encode".split()
    ),
    bytes: frozenset(["decode", "hex"]),
    dict: DICT,
    collections.Counter: DICT | frozenset(["most_common", "elements", "total", "subtract"]),
    collections.OrderedDict: DICT | frozenset(["move_to_end"]),
    collections.deque: frozenset("append appendleft extend extendleft pop popleft rotate clear copy count index remove reverse".split()),
    list: frozenset("index count append extend insert pop remove sort reverse copy clear".split()),
    tuple: frozenset(["index", "count"]),
    set: frozenset(
        "add discard remove pop update union intersection difference symmetric_difference issubset issuperset "
        "isdisjoint copy clear".split()
    ),
    frozenset: frozenset(
        "union intersection difference symmetric_difference issubset issuperset isdisjoint copy".split()
    ),
    int: frozenset("bit_length bit_count real imag numerator denominator is_integer conjugate".split()),
    float: frozenset("is_integer real imag conjugate hex as_integer_ratio".split()),
    decimal.Decimal: frozenset("quantize normalize is_nan is_zero is_finite sqrt to_integral_value".split()),
    datetime.date: DATE,
    datetime.time: TIME,
    datetime.datetime: DATE | TIME | frozenset("date time timetz timestamp astimezone utctimetuple dst fold".split()),
    datetime.timedelta: frozenset("days seconds microseconds total_seconds".split()),
    datetime.timezone: frozenset(["utcoffset", "tzname"]),
    uuid.UUID: frozenset(["hex", "int", "version", "bytes"]),
    range: frozenset("start stop step index count".split()),
    slice: frozenset("start stop step".split()),
    FrozenDict: MAPPING,
    FrozenOrderedDict: MAPPING,
    types.NoneType: frozenset(),
    **{view: frozenset(["isdisjoint"]) for view in VIEWS},
}
METHODS[bool] = METHODS[int]
SETS = (set, frozenset)


class Formatter(string.Formatter):
    """`str.format` by names and positions alone: a field walks no attributes, and none swells."""

    def get_field(self, field_name, args, kwargs):
        if any(c in field_name for c in ".["):
            raise Refused("a format field may hold a name only", "build")
        return super().get_field(field_name, args, kwargs)

    def convert_field(self, value, conversion):
        require_plain(value, "format")
        return super().convert_field(value, conversion)

    def format_field(self, value, format_spec):
        return format_value(value, format_spec)


def format_percent(pattern, values):
    """`pattern % values` of plain values, with a bound on widths."""
    require_plain(values, "%")
    widths = sum(numbers_in(pattern)) if isinstance(pattern, str) else 0
    given = values if isinstance(values, tuple) else (values,)
    if not isinstance(pattern, str) or "*" in pattern:
        raise Refused("string formatting with % takes a text with widths of its own here", "build")
    if isinstance(values, dict):
        given = list(values.values())
    longest = max((len(str(v)) for v in given), default=0)
    bound_text(len(pattern) + widths + pattern.count("%") * (longest if isinstance(values, dict) else 0))
    return admit(pattern % values)


def join(text, values, /):
    values = items_of(values)
    if all(isinstance(v, type(text)) for v in values):
        bound_text(sum(map(len, values)) + len(text) * len(values))
    return text.join(values)


def replace(text, old, new, count=-1, /):
    if isinstance(old, str) and isinstance(new, str):
        bound_text(len(text) + (text.count(old) + (not old)) * len(new))
    return text.replace(old, new, count)


def padded(name):
    def pad(text, width, *fill):
        if isinstance(width, int):
            bound_text(width)
        return getattr(text, name)(width, *fill)

    return pad


def translate(text, table, /):
    require_plain(table, "translate")
    if isinstance(table, dict):
        bound_text(len(text) * max([1, *(len(v) for v in table.values() if isinstance(v, str))]))
    return text.translate(table)


def expandtabs(text, tabsize=8):
    if isinstance(tabsize, int):
        bound_text(len(text) + text.count("\t") * max(tabsize, 0))
    return text.expandtabs(tabsize)


def encode(text, encoding="utf-8"):
    if str(encoding).lower().replace("_", "-") not in ("utf-8", "utf8", "ascii", "latin-1"):
        raise Refused(f"`encode` to {encoding!r} is not available", "build")
    return text.encode(encoding)


def decode(data, encoding="utf-8"):
    if str(encoding).lower().replace("_", "-") not in ("utf-8", "utf8", "ascii", "latin-1"):
        raise Refused(f"`decode` from {encoding!r} is not available", "build")
    return data.decode(encoding)


def growing(name):
    def grow(values, *args):
        many = name.startswith("extend")
        more = items_of(args[0]) if many and len(args) == 1 else args
        bound_items(len(values) + (len(more) if many else 1))
        return getattr(values, name)(*((more,) if many else args))

    return grow


def sort(values, /, *, key=None, reverse=False):
    # As Python has it, the list is empty while its keys are computed.
    items = values[:]
    values.clear()
    try:
        items.sort(key=keyed(key), reverse=bool(reverse))
    finally:
        values[:] = items


def update(values, other=(), /, **kwargs):
    from guarded import dict_

    more = dict_(other, **kwargs)
    bound_items(len(values) + len(more), "dict")
    values.update(more)


def setdefault(values, key, default=None, /):
    bound_items(len(values) + 1, "dict")
    return values.setdefault(key, default)


def of_sets(name):
    def combine(values, *others):
        others = [set(items_of(other)) for other in others]
        bound_items(len(values) + sum(map(len, others)), "set")
        return getattr(values, name)(*others)

    return combine


def add(values, item, /):
    bound_items(len(values) + 1, "set")
    values.add(item)


def strftime(value, pattern, /):
    if isinstance(pattern, str):
        bound_text(len(pattern) * 30 + sum(numbers_in(pattern)))
    return value.strftime(pattern)


def counted(count, values, kwargs):
    count(values if isinstance(values, dict) else items_of(values), **kwargs)


def elements(counts, /):
    bound_items(sum(n for n in counts.values() if isinstance(n, int) and n > 0))
    return iterator("itertools.chain", counts.elements())


GUARDED = {
    str: {
        "join": join,
        "replace": replace,
        "format": lambda text, *args, **kwargs: Formatter().vformat(text, args, kwargs),
        "translate": translate,
        "maketrans": lambda _, *args: str.maketrans(*args),
        "expandtabs": expandtabs,
        "encode": encode,
        **{name: padded(name) for name in ("zfill", "ljust", "rjust", "center")},
    },
    bytes: {"decode": decode},
    list: {**{name: growing(name) for name in ("append", "extend", "insert")}, "sort": sort},
    dict: {
        "update": update,
        "setdefault": setdefault,
        "fromkeys": lambda _, keys, value=None, /: dict.fromkeys(items_of(keys), value),
    },
    collections.Counter: {
        "update": lambda counts, values=(), /, **kwargs: counted(counts.update, values, kwargs),
        "subtract": lambda counts, values=(), /, **kwargs: counted(counts.subtract, values, kwargs),
        "elements": elements,
        "setdefault": setdefault,
    },
    collections.OrderedDict: {"update": update, "setdefault": setdefault},
    collections.deque: {name: growing(name) for name in ("append", "appendleft", "extend", "extendleft")},
    set: {"add": add},
    **{kind: {"strftime": strftime} for kind in (datetime.date, datetime.datetime, datetime.time)},
}
for kind in SETS:
    GUARDED.setdefault(kind, {}).update(
        (name, of_sets(name))
        for name in METHODS[kind]
        & frozenset(
            "update union intersection difference symmetric_difference issubset issuperset isdisjoint".split()
        )
    )

# Of the classes themselves: constructors, constants, and methods that take the value first (`str.lower`).
CLASS_MEMBERS = {
    datetime.date: "today fromisoformat fromordinal fromtimestamp min max".split(),
    datetime.datetime: "now utcnow today fromisoformat fromordinal fromtimestamp strptime combine min max".split(),
    datetime.time: "fromisoformat min max".split(),
    datetime.timedelta: "min max resolution".split(),
    datetime.timezone: ["utc"],
}


def kind_of(value):
    """The table that `value` has its methods from: its type, or the built-in type that the policy's own derive from."""
    return next((kind for kind in type(value).__mro__ if kind in METHODS), None)


def member(value, name):
    """`value.name` of a plain value, where a text may have it; None otherwise."""
    kind = kind_of(value)
    if kind is None or name not in METHODS[kind] or not hasattr(value, name):
        return None
    return bound(kind, value, name)


def bound(kind, value, name):
    guarded = GUARDED.get(kind, {}).get(name)
    if guarded is None:
        found = getattr(value, name)
        if not callable(found):
            return admit(found)
        guarded = lambda _, *args, **kwargs: found(*args, **kwargs)  # noqa: E731

    def method(*args, **kwargs):
        result = guarded(value, *args, **kwargs)
        return tuple(result) if name in ("isocalendar", "timetuple", "utctimetuple") else result

    return Function(method, name)


def unbound(kind, name):
    """`str.lower`: the method, which takes its value as the first argument."""
    if name not in METHODS.get(kind, ()):
        return None

    def method(value, *args, **kwargs):
        if not isinstance(value, kind):
            raise TypeError(
                f"descriptor '{name}' for '{kind.__name__}' objects doesn't apply to a '{type(value).__name__}' object"
            )
        found = bound(kind, value, name)
        return found(*args, **kwargs) if isinstance(found, Function) else found

    if kind is dict and name == "fromkeys":
        return Function(lambda keys, value=None: dict.fromkeys(items_of(keys), value), name)
    if kind is str and name == "maketrans":
        return Function(str.maketrans, name)
    return Function(method, name)




def of_class(cls, name):
    """`cls.name` of a class of plain values, where a text may have it; None otherwise."""
    if name in CLASS_MEMBERS.get(cls, ()):
        found = CLOCK.get((cls, name)) or getattr(cls, name)
        return Function(found, name) if callable(found) else found
    return unbound(cls, name)


# A check's clock stands still, so that equal texts give equal SQL.
NOW = datetime.datetime(2025, 1, 1)


def now(tz=None):
    return NOW if tz is None else NOW.replace(tzinfo=datetime.timezone.utc).astimezone(tz)


CLOCK = {
    (datetime.datetime, "now"): now,
    (datetime.datetime, "utcnow"): lambda: NOW,
    (datetime.datetime, "today"): lambda: NOW,
    (datetime.date, "today"): lambda: NOW.date(),
}
