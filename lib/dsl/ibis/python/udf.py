"""Declarations of user-defined functions. Ibis reads a declaration's name, parameters and types; no body ever runs."""

import inspect
import types

import ibis.expr.datatypes as dt
import ibis.expr.operations.udf as real
from guarded import TYPES, ContainerHint
from limits import Refused
from surface import HintStub
from values import Function, Namespace, is_class, is_text_function

ARRAYS = frozenset("List Sequence Iterable Set Tuple".split())


def forget():
    """Ibis numbers the declarations of a name in a table of its own; each text starts at nought."""
    real._udf_name_cache.clear()


def type_of(annotation):
    """The Ibis type that an annotation names. Text is never evaluated: only the names of plain types are known."""
    if isinstance(annotation, str):
        if annotation not in TYPES:
            raise Refused(f"the annotation {annotation!r} is not evaluated: write it without quotes", "build")
        annotation = TYPES[annotation]
    if isinstance(annotation, dt.DataType):
        return annotation
    if is_class(annotation):
        return dt.dtype(annotation)
    if isinstance(annotation, ContainerHint):
        items = [type_of(item) for item in annotation.items]
        return dt.Map(*items) if annotation.name == "dict" else dt.Array(items[0])
    if isinstance(annotation, types.UnionType):
        return optional(annotation.__args__)
    if isinstance(annotation, HintStub) and annotation.items:
        if annotation.name in ("Optional", "Union"):
            return optional(annotation.items)
        if annotation.name in ARRAYS:
            return dt.Array(type_of(annotation.items[0]))
        if annotation.name in ("Dict", "Mapping") and len(annotation.items) == 2:
            return dt.Map(*map(type_of, annotation.items))
    raise TypeError(f"Value {getattr(annotation, 'name', annotation)!r} is not a valid datatype")


def optional(kinds):
    kinds = [kind for kind in kinds if kind is not None and kind is not type(None)]
    if len(kinds) != 1:
        raise TypeError(f"Cannot convert a union of {len(kinds)} types to a datatype")
    return type_of(kinds[0])


def declaration(function):
    """A function with the name and signature of the text's one, for Ibis to read."""

    def declared(*_args, **_kwargs):
        raise Refused(f"`{function.__name__}` is declared: its body does not run", "build")

    signature = inspect.signature(function)
    for name in signature.parameters:
        if name.startswith("_"):
            raise Refused(f"a parameter of a declared function cannot be called `{name}` here", "build")
    given = dict(getattr(function, "ibert_annotations", {}))
    # A parameter without a name of a type takes any; a return type of None is none.
    declared.__annotations__ = {
        name: type_of(value) for name, value in given.items() if value is not None and not is_any(value)
    }
    declared.__signature__ = signature.replace(
        parameters=[p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    declared.__name__ = declared.__qualname__ = function.__name__
    declared.__doc__ = function.__doc__
    return declared


def is_any(annotation):
    return isinstance(annotation, HintStub) and annotation.name == "Any"


def decorator(method, name):
    def declare(function=None, /, **options):
        if "signature" in options and options["signature"] is not None:
            arguments, returned = options["signature"]
            options["signature"] = (tuple(map(type_of, arguments)), type_of(returned))

        def wrap(function):
            if not is_text_function(function):
                raise TypeError(f"a declaration takes a function, not {type(function).__name__}")
            declared = declaration(function)
            made = method(**options)(declared) if options else method(declared)
            return Function(made, function.__name__)

        return Function(wrap, name) if function is None else wrap(function)

    return Function(declare, name)


def namespace():
    scalar = {n: decorator(getattr(real.scalar, n), n) for n in ("builtin", "python", "pandas", "pyarrow")}
    members = {
        "scalar": Namespace("ibis.udf.scalar", scalar, ()),
        "agg": Namespace("ibis.udf.agg", {"builtin": decorator(real.agg.builtin, "builtin")}, ()),
    }
    return Namespace("ibis.udf", members, ())
