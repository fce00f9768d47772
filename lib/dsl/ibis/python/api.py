"""Ibis's public API as the package itself documents it: signatures and docstrings of the live classes."""

import inspect
import types

import ibis
import ibis.expr.api as ibis_api
import ibis.expr.types as ir
from disarm import ORIGINALS
from ibis import selectors
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedTable
from policy import SELECTOR_FUNCTIONS


def describe_api():
    entries = []
    classes = [c for c in vars(ir).values() if inspect.isclass(c) and issubclass(c, Expr)]
    for cls in sorted({Expr, GroupedTable, *classes}, key=lambda c: (c.__module__, c.__qualname__)):
        for name in sorted(vars(cls)):
            member = ORIGINALS.get((cls, name), vars(cls)[name])
            add(entries, f"{cls.__module__}.{cls.__qualname__}", name, member, owner=cls.__name__)
    for name in sorted(ibis_api.__all__):
        add(entries, "ibis", name, ORIGINALS.get(("ibis", name), getattr(ibis, name)))
    for name in SELECTOR_FUNCTIONS:
        add(entries, "ibis.selectors", name, getattr(selectors, name))
    return entries


def add(entries, prefix, name, member, owner=None):
    """Adds `member` if it is a public function, method or property with a docstring."""
    if isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    function = member.fget if isinstance(member, property) else member
    documented = inspect.getdoc(function)
    if name.startswith("_") or not isinstance(function, types.FunctionType) or not documented:
        return
    entry = {
        "path": f"{prefix}.{name}",
        "name": name,
        "signature": "" if isinstance(member, property) else signature_of(function, owner is not None),
        "docstring": documented,
    }
    if owner is not None:
        entry["owner"] = owner
    entries.append(entry)


def signature_of(function, bound):
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return signature.replace(parameters=parameters).format(quote_annotation_strings=False)
