"""What a call on a table asks of its columns before it is made: names that it speaks of, and a column for each selector
to match."""

import re

import ibis
import ibis.expr.types as ir
from examples import example_of
from ibis import selectors
from ibis.common.deferred import Attr, Deferred, Item, Just, Resolver, Variable
from ibis.common.selectors import Expandable, Selector
from usage import CANDIDATES

# Table methods whose plain string arguments name columns of the table that they are called on.
BY_NAME = frozenset(
    "select group_by order_by drop distinct relocate drop_null unnest unpack pivot_longer __getitem__".split()
)
BY_KEYWORD = frozenset("by on subset id_cols names_from values_from group_by order_by".split())
OF_KEYS = frozenset("cast try_cast fill_null".split())
PLACEHOLDER = "column1"
MAX_EXAMPLES = 60


class Wanted(Exception):
    """A call is about to be made on `rel`, which lacks these columns: name → type, or None where it is open."""

    def __init__(self, rel, columns, key):
        super().__init__()
        self.rel, self.columns, self.key = rel, columns, key


def names_wanted(method, args, kwargs, columns_of_row):
    """The names that a call of `method` speaks of, in order. `columns_of_row`: whether `_` is a row of its receiver."""
    names = []
    if method in BY_NAME:
        names += strings(args)
    if method in OF_KEYS:
        names += [k for a in args if isinstance(a, dict) for k in a if isinstance(k, str)]
    if method == "rename":
        names += strings([list(a.values()) for a in args if isinstance(a, dict)]) + strings(kwargs.values())
    elif not method.endswith("join"):
        names += strings([v for k, v in kwargs.items() if k in BY_KEYWORD])
    if columns_of_row:
        for value in walk([args, list(kwargs.values())]):
            if isinstance(value, Deferred):
                names += row_columns(value._resolver)
    return list(dict.fromkeys(names))


def strings(values):
    return [v for v in walk(values) if isinstance(v, str)]


def walk(value):
    """The values in plain containers, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) or type(value) is type({}.values()):
        for item in value:
            yield from walk(item)
    else:
        yield value


def row_columns(resolver):
    """The names `x` of `_.x` and `_["x"]` in a deferred value."""
    found, rest = [], [resolver]
    while rest:
        node = rest.pop(0)
        if isinstance(node, (Attr, Item)) and isinstance(node.obj, Variable):
            key = node.name if isinstance(node, Attr) else node.indexer
            name = getattr(key, "value", None) if isinstance(key, Just) else None
            # A method of the table is no column: `_.count()`.
            if isinstance(name, str) and not (isinstance(node, Attr) and hasattr(ir.Table, name)):
                found.append(name)
        elif isinstance(node, Resolver):
            for slot in node.__slots__:
                rest += walk(getattr(node, slot, None))
        elif isinstance(node, Deferred):
            rest.append(node._resolver)
    return found


# Selectors.


def selectors_in(method, args, kwargs):
    """The selectors that a call is given, in order."""
    pattern = kwargs.get("names_pattern") if method == "pivot_longer" else None
    found = []
    for value in walk([args, list(kwargs.values())]):
        if isinstance(value, Expandable) and not isinstance(value, Selector):
            value = getattr(value, "selector", None)
        if isinstance(value, Selector) and not isinstance(value, type(selectors.none())):
            # What is pivoted has names that the pattern takes apart.
            found.append(value & selectors.matches(pattern) if isinstance(pattern, str) else value)
    return found


def matches(selector, table):
    """Whether `selector` selects a column of `table`; None where it cannot tell, for want of a column."""
    try:
        return bool(selector.expand_names(table))
    except Exception:
        return None


def example(selector, table):
    """`{column: type}` that `table` would need for `selector` to match; None where nothing is found."""
    columns = dict(table.schema().items())
    named = {n: ibis.dtype("string") for n in sorted(exact_names(selector)) if n not in columns}
    if named and matches(selector, ibis.table({**columns, **named}, name="t")):
        return named
    new = next(f"column{i}" for i in range(1, len(columns) + 2) if f"column{i}" not in columns)
    texts = [t for t in dict.fromkeys(example_texts(selector)) if t]
    tried = [*texts, *(a + b for a in texts for b in texts if a != b)]
    for name in dict.fromkeys([*tried[:MAX_EXAMPLES], new]):
        if name in columns:
            continue
        for dtype in (ibis.dtype("float64"), *CANDIDATES, *of_types(selector)):
            if matches(selector, ibis.table({**columns, name: dtype}, name="t")):
                return {name: dtype}
    for count in range(2, 12):  # `s.index[3]`
        more = {f"column{i}": ibis.dtype("string") for i in range(1, count + 1)}
        if matches(selector, ibis.table({**columns, **more}, name="t")):
            return {n: t for n, t in more.items() if n not in columns}
    return None


def parts(selector):
    """A selector and those it is made of."""
    yield selector
    for argument in walk(list(selector.__args__)):
        if isinstance(argument, Selector):
            yield from parts(argument)


def exact_names(selector):
    """Columns that a selector names in full."""
    names = set()
    for piece in parts(selector):
        if isinstance(piece, selectors.Cols):
            names |= set(piece.names)
        elif isinstance(piece, selectors.ColumnIndex):
            key = piece.key
            keys = (key.start, key.stop) if isinstance(key, selectors.Slice) else walk([key])
            names |= {k for k in keys if isinstance(k, str)}
    return names


def example_texts(selector):
    for piece in parts(selector):
        for argument in walk(list(getattr(piece, "__args__", ()))):
            if isinstance(argument, frozenset):
                yield from sorted(a for a in argument if isinstance(a, str))
            elif isinstance(argument, str):
                yield argument
            elif isinstance(argument, re.Pattern):
                yield example_of(argument.pattern)


def of_types(_selector):
    """Types that no candidate is, for `of_type`."""
    return [ibis.dtype(t) for t in ("int32", "float32", "int8", "int16", "uint8", "uint64", "macaddr", "point")]
