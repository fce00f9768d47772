"""Reads from an exception of Ibis, and from the calls that it passed through, what it was about."""

import re
import types

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.expr.types.groupby import GroupedTable
from provenance import ITEM
from scopes import Scope
from usage import ANY_METHOD, PLACEHOLDER_FIELD

QUOTED = re.compile(r"'([^']*)'")
# Messages about columns that a table lacks, beside that of `ops.Field` itself.
ABSENT = re.compile(
    r"^(Column .* is not found in table|Columns \[.*\] are not present in|Cast schema has fields)", re.DOTALL
)


def frames(error):
    """The local variables of the calls that an exception passed through, the innermost first."""
    trace, found = error.__traceback__, []
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_name, trace.tb_frame.f_locals))
        trace = trace.tb_next
    return found[::-1]


def relation_of(value):
    """The relation that `value` is, grouped or not; None for anything else."""
    if isinstance(value, GroupedTable):
        return value.table
    if isinstance(value, ir.Table):
        return value.op()
    return value if isinstance(value, ops.Relation) else None


def causes(error):
    """An exception and those that it was raised from."""
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def missing_column(error):
    """`(relation, name)` where Ibis found no such column; None where that is not what happened."""
    value, name = getattr(error, "obj", None), getattr(error, "name", None)
    if isinstance(error, AttributeError) and isinstance(name, str) and relation_of(value) is not None:
        return relation_of(value), name
    if isinstance(error, AttributeError) or not isinstance(error, KeyError) and not ABSENT.match(str(error)):
        return None
    for function, local in frames(error):
        if function == "__init__" and isinstance(local.get("rel"), ops.Relation) and "name" in local:
            name = local["name"]
            return (local["rel"], name) if isinstance(name, str) and name not in local["rel"].schema else None
        rel = next((r for key in ("table", "self") if (r := relation_of(local.get(key))) is not None), None)
        if rel is not None:
            quoted = QUOTED.findall(str(error).split(" in (")[0].split("Existing columns")[0])
            absent = [n for n in quoted if n not in rel.schema]
            return (rel, absent[0]) if absent else None
    return None


def suspects(origin, error):
    """The slots that a failing operation works on: for each call that the exception passed, the innermost first."""
    for seen in causes(error):
        value = getattr(seen, "obj", None)
        if origin.slots(value):
            yield origin.slots(value)
        for of_tables in (False, True):
            for _, local in frames(seen):
                values = [v for v in map(operand, local.values()) if is_table(v) is of_tables]
                slots = tuple(dict.fromkeys([*origin.columns(values), *origin.slots(values)]))
                if slots:
                    yield slots


def struct_and_field(error):
    """The struct that lacks a field, and the field's name, if that is what happened; else None and None."""
    value, name = getattr(error, "obj", None), getattr(error, "name", None)
    if isinstance(error, KeyError) and error.args:
        name = error.args[0]
        value = next((v for _, local in frames(error) if isinstance(v := local.get("self"), ir.StructValue)), None)
    if not isinstance(value, ir.StructValue) or not isinstance(name, str):
        return None, None
    # A method's name is that of a field only where the text itself speaks of other fields.
    if name in ANY_METHOD and tuple(value.names) == (PLACEHOLDER_FIELD,):
        return None, None
    return value, name


def operand(value):
    """A local variable, or what a bound method is bound to; None for a scope of the interpreter."""
    if isinstance(value, Scope):
        return None
    return value.__self__ if isinstance(value, types.MethodType) else value


def is_table(value):
    return relation_of(value) is not None


def items_of_array(origin, error, value):
    """The slots of the array whose items `value`, the parameter of a function, stands for."""
    for _, local in frames(error):
        array = local.get("self")
        if isinstance(array, ir.ArrayValue) and array.type().value_type == value.type():
            return [slot._replace(path=(*slot.path, ITEM)) for slot in origin.exact(array)]
    return []
