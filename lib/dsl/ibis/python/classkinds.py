"""What stands for the classes that a text makes, and for their instances: tables of members, which are looked up and never
resolved by Python itself.
"""

import copy
import dataclasses
import inspect
import types
from collections import abc

from collected import namedtuple
from functions import bind
from guarded import dict_, require_plain
from limits import Refused, bound_items
from values import Function, Stub, call, is_text_function

MAX_ATTRIBUTES = 200
LITERALS = (bool, int, float, str, bytes, type(None))


def bound_to(obj, value):
    """A member of a class as its instance has it."""
    return types.MethodType(value, obj) if is_text_function(value) else value


class Instance(Stub):
    """An object of a class of the text's. Each such class has a subclass of this one, which carries `made`."""

    made = None

    def __init__(self, attributes):
        self.attributes = attributes

    def lookup(self, name):
        if name in self.attributes:
            return self.attributes[name]
        if name in self.made.table:
            return bound_to(self, self.made.table[name])
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name)

    def assign(self, name, value):
        if self.made.frozen:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        bound_items(len(self.attributes) * (20_000 // MAX_ATTRIBUTES), "namespace")
        self.attributes[name] = value


class DataInstance(Instance):
    """Of a data class: equal where its fields are, which no check compares."""

    def __eq__(self, other):
        if self is other or type(self) is not type(other):
            return self is other
        raise Refused("objects of a data class are not compared here", "build")

    def __hash__(self):
        if not self.made.frozen:
            raise TypeError(f"unhashable type: '{type(self).__name__}'")
        raise Refused("objects of a data class have no hash here", "build")


class Class(Function):
    """A class of the text's, as it calls it and reads its members. `kind`: the type of its instances, for `isinstance`."""

    __iter__ = None

    def __init__(self, name, fields, table):
        self.fields, self.table, self.frozen = fields, table, False
        self.kind = type(name, (Instance,), {"made": self})
        super().__init__(self.make, name)

    def make(self, *args, **kwargs):
        if args or kwargs:
            raise TypeError(f"{self.__name__}() takes no arguments")
        return self.kind({})

    def member(self, name):
        return [self.table[name]] if name in self.table else self.lacks(name)

    def lacks(self, name):
        if name.startswith("_"):
            return []
        raise AttributeError(f"type object '{self.__name__}' has no attribute '{name}'", name=name)


class Field(Stub):
    """What `field(…)` says of a field."""

    kind = "Field"

    def __init__(self, default, factory):
        self.default, self.factory = default, factory


class Factory:
    """The default of a parameter that is made anew for each call."""

    def __init__(self, make):
        self.make = make


MISSING = inspect.Parameter.empty


def field(*, default=MISSING, default_factory=MISSING, repr=True, compare=True, hash=None, metadata=None):
    if default is not MISSING and default_factory is not MISSING:
        raise ValueError("cannot specify both default and default_factory")
    return Field(default, default_factory)


class DataClass(Class):
    def __init__(self, made, frozen, kw_only):
        super().__init__(made.__name__, made.fields, dict(made.table))
        self.frozen, self.kind = frozen, type(made.__name__, (DataInstance,), {"made": self})
        how = inspect.Parameter.KEYWORD_ONLY if kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.parameters = [inspect.Parameter(n, how, default=self.default(n)) for n in made.fields]
        defaults = False
        for parameter in self.parameters:
            if parameter.default is MISSING and defaults and not kw_only:
                raise TypeError(f"non-default argument {parameter.name!r} follows default argument")
            defaults = defaults or parameter.default is not MISSING
        for name, value in made.table.items():
            if isinstance(value, Field):
                if name not in made.fields:
                    raise TypeError(f"{name!r} is a field but has no type annotation")
                if value.default is MISSING:
                    del self.table[name]
                else:
                    self.table[name] = value.default

    def default(self, name):
        value = self.table.get(name, MISSING)
        if isinstance(value, Field):
            if value.factory is not MISSING:
                return Factory(value.factory)
            value = value.default
        if value is not MISSING and not isinstance(value, abc.Hashable):
            raise ValueError(f"mutable default {type(value)} for field {name} is not allowed: use default_factory")
        return value

    def make(self, *args, **kwargs):
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        bound = bind(f"{self.__name__}.__init__", [first, *self.parameters], (None, *args), kwargs)
        values = {p.name: bound[p.name] for p in self.parameters}
        return self.kind({n: call(v.make) if isinstance(v, Factory) else v for n, v in values.items()})


def dataclass(cls=None, /, *, init=True, repr=True, eq=True, order=False, frozen=False, kw_only=False, slots=False):
    if not init or not eq or order:
        raise Refused("of a data class's options, a text has frozen, kw_only, slots and repr", "build")
    make = lambda made: DataClass(plain_class(made), bool(frozen), bool(kw_only))  # noqa: E731
    return Function(make, "dataclass") if cls is None else make(cls)


def plain_class(made):
    if type(made) is not Class:
        raise Refused("`dataclass` takes a plain class of the text's own here", "build")
    return made


def instance(value, name):
    if not isinstance(value, DataInstance):
        raise TypeError(f"{name}() should be called on dataclass instances")
    return value


def asdict(obj, /):
    fields = {p.name: instance(obj, "asdict").attributes[p.name] for p in obj.made.parameters}
    require_plain(fields, "asdict")
    return copy.deepcopy(fields)


def replace(obj, /, **changes):
    fields = {p.name: instance(obj, "replace").attributes[p.name] for p in obj.made.parameters}
    return obj.made(**{**fields, **changes})


class Member(Stub):
    """Of an enumeration."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def members(self):
        return {"name": self.name, "value": self.value}

    def lookup(self, name):
        if name in self.made.table:  # a member has the methods of its class
            return bound_to(self, self.made.table[name])
        return super().lookup(name)


class Auto(Stub):
    """`auto()`: the next number."""

    kind = "auto"


class Enumeration(Class):
    def __init__(self, name, fields, table):
        super().__init__(name, fields, {})
        self.kind = type(name, (Member,), {"made": self, "kind": name})
        self.named, self.order = {}, []
        for key, value in table.items():
            if is_text_function(value):
                self.table[key] = value
                continue
            if key.startswith("_"):
                raise Refused("a member of an enumeration has no underscore before its name here", "build")
            if isinstance(value, Auto):
                value = max((m.value for m in self.order if isinstance(m.value, int)), default=0) + 1
            if not isinstance(value, LITERALS):
                raise Refused("a member of an enumeration is a literal here", "build")
            same = next((m for m in self.order if m.value == value), None)
            if same is None:
                self.order.append(same := self.kind(key, value))
            self.named[key] = same
        if fields.keys() - table.keys():
            raise Refused("a member of an enumeration has a value here", "build")

    def make(self, value):
        for member in self.order:
            if member is value or isinstance(value, LITERALS) and member.value == value:
                return member
        raise ValueError(f"{value!r} is not a valid {self.__name__}" if isinstance(value, LITERALS) else "no valid member")

    def member(self, name):
        return [self.named[name]] if name in self.named else super().member(name)

    def items_of(self):
        return list(self.order)

    def __getitem__(self, name):
        return self.named[name]

    def __contains__(self, value):
        return any(m is value or isinstance(value, LITERALS) and m.value == value for m in self.order)


def named_tuple(name, fields, table):
    others = [key for key in table if key not in fields]
    if others:
        raise Refused(f"a named tuple's class holds fields only here, not {others[0]!r}", "build")
    with_default = [key for key in fields if key in table]
    for key in list(fields)[: -len(with_default) or None]:
        if key in table:
            without = next(k for k in fields if k not in table)
            raise TypeError(f"Non-default namedtuple field {without} cannot follow default field {key}")
    return namedtuple(name, list(fields), defaults=[table[key] for key in with_default])


def typed_dict(name, fields, table):
    if table:
        raise Refused("a typed dictionary's class holds names and their types only", "build")
    return Function(dict_, name)


KINDS = {None: Class, "NamedTuple": named_tuple, "TypedDict": typed_dict, "Enum": Enumeration}


def no_base(name):
    def make(*_args, **_kwargs):
        raise Refused(f"`{name}` is a base of classes here, and is not called", "build")

    return Function(make, name)


BASES = {name: no_base(name) for name in KINDS if name is not None}
DATACLASSES = {"dataclass": dataclass, "field": field, "asdict": asdict, "replace": replace}
ENUM = {"Enum": BASES["Enum"], "auto": Function(Auto, "auto")}
