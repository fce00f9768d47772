"""`collections` as a text may import it: its dictionaries, and named tuples of the policy's own."""

import collections
import inspect
import keyword

from functions import bind
from guarded import Constructor, dict_
from limits import bound_items
from values import Function, call, callee, items_of, iter_of

MAX_FIELDS = 200


class Record(tuple):
    """A named tuple; `_fields` are its class's."""

    __slots__ = ()
    _fields = ()

    def __repr__(self):
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
        return f"{type(self).__name__}({shown})"

    def member(self, name):
        """`self.name`, or None in a list where there is none."""
        if name in self._fields:
            return [self[self._fields.index(name)]]
        if name == "_fields":
            return [self._fields]
        if name == "_asdict":
            return [Function(lambda: dict(zip(self._fields, self)), name)]
        if name == "_replace":
            return [Function(self.replaced, name)]
        return []

    def replaced(self, /, **changes):
        unknown = [name for name in changes if name not in self._fields]
        if unknown:
            raise TypeError(f"Got unexpected field names: {unknown!r}")
        return type(self)(changes.get(name, value) for name, value in zip(self._fields, self))


class RecordClass(Function):
    """A class of named tuples, as a text calls it. `base` carries the fields; `isinstance` asks for it."""

    __iter__ = None

    def __init__(self, name, fields, defaults):
        self.kind = type(name, (Record,), {"__slots__": (), "_fields": fields})
        absent = len(fields) - len(defaults)
        parameters = [
            inspect.Parameter(
                field,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if i < absent else defaults[i - absent],
            )
            for i, field in enumerate(fields)
        ]

        def make(*args, **kwargs):
            bound = bind(f"{name}.__new__", parameters, args, kwargs)
            return self.kind(bound[field] for field in fields)

        super().__init__(make, name)

    def member(self, name):
        if name == "_fields":
            return [self.kind._fields]
        if name == "_make":
            return [Function(lambda values, /: self(*items_of(values)), name)]
        return []


def namedtuple(typename, field_names, /, *, rename=False, defaults=None, module=None):
    fields = field_names.replace(",", " ").split() if isinstance(field_names, str) else items_of(field_names)
    bound_items(len(fields) * (20_000 // MAX_FIELDS))
    if rename:
        fields = [f if isinstance(f, str) and f.isidentifier() and not f.startswith("_") else f"_{i}" for i, f in enumerate(fields)]
    for name in (typename, *fields):
        if not isinstance(name, str):
            raise TypeError("Type names and field names must be strings")
        if not name.isidentifier():
            raise ValueError(f"Type names and field names must be valid identifiers: {name!r}")
        if keyword.iskeyword(name):
            raise ValueError(f"Type names and field names cannot be a keyword: {name!r}")
    seen = set()
    for name in fields:
        if name.startswith("_") and not rename:
            raise ValueError(f"Field names cannot start with an underscore: {name!r}")
        if name in seen:
            raise ValueError(f"Encountered duplicate field name: {name!r}")
        seen.add(name)
    defaults = [] if defaults is None else items_of(defaults)
    if len(defaults) > len(fields):
        raise TypeError("Got more default values than field names")
    return RecordClass(typename, tuple(fields), tuple(defaults))


def defaultdict(factory=None, /, *args, **kwargs):
    if factory is not None:
        try:
            callee(factory)
        except TypeError:
            raise TypeError("first argument must be callable or None") from None
    make = None if factory is None else lambda: call(factory)
    return collections.defaultdict(make, dict_(*args, **kwargs))


def counter(values=(), /, **kwargs):
    return collections.Counter(values if isinstance(values, dict) else items_of(values), **kwargs)


def ordered(values=(), /, **kwargs):
    return collections.OrderedDict(dict_(values, **kwargs))


def deque(values=(), maxlen=None):
    return collections.deque(iter_of(values), maxlen)


def members():
    makers = {"defaultdict": defaultdict, "Counter": counter, "OrderedDict": ordered, "deque": deque}
    kinds = {name: Constructor(getattr(collections, name), make) for name, make in makers.items()}
    return {"namedtuple": Function(namedtuple, "namedtuple"), **kinds}
