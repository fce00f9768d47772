"""Making Ibis's objects, in the place of Ibis's own: the same arguments checked by the same patterns, without the general
machinery of `inspect` and of annotations, which is looked through once for each class and not for each object.

What is not the plain case, and all that fails, goes Ibis's own way.
"""

import original
from ibis.common.annotations import EMPTY, KEYWORD_ONLY, POSITIONAL_OR_KEYWORD, Signature
from ibis.common.grounds import Concrete
from ibis.common.patterns import NoMatch
from ibis.common.patterns import Any as Anything

# Texts make classes too: functions of their own.
MOST_KEPT = 4_096

own_validate, own_validate_nobind, own_init = Signature.validate, Signature.validate_nobind, Concrete.__init__
plans, fields = {}, {}


def plan_of(signature):
    """`(parameters, positional)`: name, default and pattern of each, and how many may stand by place; None where some are variadic."""
    parameters, positional = [], 0
    for name, parameter in signature.parameters.items():
        if parameter.kind is POSITIONAL_OR_KEYWORD:
            positional += 1
        elif parameter.kind is not KEYWORD_ONLY:
            return None
        pattern = parameter.annotation.pattern
        parameters.append((name, parameter.default, None if type(pattern) is Anything else pattern))
    return tuple(parameters), positional


def planned(signature):
    found = plans.get(id(signature))
    if found is None:
        if len(plans) >= MOST_KEPT:
            plans.clear()
        found = plans[id(signature)] = signature, plan_of(signature)
    return found[1]


def bound(plan, args, kwargs):
    """The arguments by name, checked; None where they do not fit."""
    parameters, positional = plan
    given = len(args)
    if given > positional:
        return None
    this, used = {}, 0
    for number, (name, default, pattern) in enumerate(parameters):
        if number < given:
            value = args[number]
        elif name in kwargs:
            value = kwargs[name]
            used += 1
        elif default is EMPTY:
            return None
        else:
            value = default
        if pattern is not None:
            value = pattern.match(value, this)
            if value is NoMatch:
                return None
        this[name] = value
    return this if used == len(kwargs) else None


def validate(self, func, args, kwargs):
    """As `Signature.validate`."""
    this = None
    if not original.within:
        try:
            plan = planned(self)
            this = None if plan is None else bound(plan, args, kwargs)
        except Exception:
            pass
    return original.original(own_validate, self, func, args, kwargs) if this is None else this


def validate_nobind(self, func, kwargs):
    """As `Signature.validate_nobind`, which passes over arguments that it does not know."""
    this = None
    if not original.within:
        try:
            plan = planned(self)
            this = None if plan is None else bound(plan, (), kwargs)
        except Exception:
            pass
    return original.original(own_validate_nobind, self, func, kwargs) if this is None else this


def fields_of(kind):
    """Name, default and pattern of each attribute that has a default."""
    found = fields.get(kind)
    if found is None:
        if len(fields) >= MOST_KEPT:
            fields.clear()
        found = fields[kind] = tuple(
            (name, field.default, callable(field.default), None if type(field.pattern) is Anything else field)
            for name, field in kind.__attributes__.items()
            if field.has_default()
        )
    return found


def init(self, **kwargs):
    """As `Concrete.__init__`."""
    if original.within:
        return original.original(own_init, self, **kwargs)
    kind, put = type(self), object.__setattr__
    args = []
    for name in kind.__argnames__:
        value = kwargs[name]
        args.append(value)
        put(self, name, value)
    args = tuple(args)
    put(self, "__args__", args)
    put(self, "__precomputed_hash__", hash((kind, args)))
    try:
        for name, default, called, field in fields_of(kind):
            value = default(self) if called else default
            put(self, name, value if field is None else field.validate(name, value, self))
        return None
    except Exception:
        pass
    return original.original(own_init, self, **kwargs)


def install():
    Signature.validate, Signature.validate_nobind = validate, validate_nobind
    Concrete.__init__ = init
