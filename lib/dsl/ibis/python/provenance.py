"""Follows values and columns of Ibis expressions back to the columns of the tables that they are computed from."""

from typing import NamedTuple

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.collections import FrozenDict
from ibis.common.graph import Node
from ibis.expr.types.groupby import GroupedTable

# Parts of a type: a field of a struct is its name, an item of an array or a map is ITEM.
ITEM = None


class Slot(NamedTuple):
    """A column of a table, or with a path a part of its type."""

    table: str
    column: str
    path: tuple = ()


def part(dtype, path):
    """The type at `path` of `dtype`; None where there is no such part."""
    for step in path:
        if step is ITEM and isinstance(dtype, (dt.Array, dt.Map)):
            dtype = dtype.value_type
        elif isinstance(dtype, dt.Struct) and step in dtype.fields:
            dtype = dtype.fields[step]
        else:
            return None
    return dtype


def replaced(dtype, path, new):
    """`dtype` with `new` at `path`."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(dtype, dt.Struct):
        return dt.Struct({**dtype.fields, step: replaced(dtype.fields[step], rest, new)})
    if isinstance(dtype, dt.Map):
        return dt.Map(dtype.key_type, replaced(dtype.value_type, rest, new))
    return dt.Array(replaced(dtype.value_type, rest, new))


def added(columns, slot, dtype):
    """Adds `slot`, a column or a field of a struct, of type `dtype` to `columns` (name → type), unless it is there."""
    if not slot.path:
        columns.setdefault(slot.column, dtype)
        return
    struct = part(columns.get(slot.column), slot.path[:-1])
    if isinstance(struct, dt.Struct) and slot.path[-1] not in struct.fields:
        wider = dt.Struct({**struct.fields, slot.path[-1]: dtype})
        columns[slot.column] = replaced(columns[slot.column], slot.path[:-1], wider)


def name_of(slot):
    """What the text calls it; None for an item of an array or a map."""
    return slot.path[-1] if slot.path else slot.column


class Provenance:
    """Roots in `tables`, the unbound tables whose schema is a guess."""

    def __init__(self, tables):
        self.names = {table.op(): name for name, table in tables.items()}
        self._slots = {}

    def slots(self, value):
        """The slots that `value` (an expression, a node, containers of them) is computed from, each once, in order."""
        if isinstance(value, (ir.Expr, GroupedTable)):
            value = value.table if isinstance(value, GroupedTable) else value.op()
        if isinstance(value, Node):
            try:
                known = self._slots.get(value)
            except (AttributeError, TypeError):  # what a constructor refused has no hash yet
                return ()
            if known is None:
                known = self._slots[value] = self._of_node(value)
            return known
        if isinstance(value, (dict, FrozenDict)):
            value = tuple(value.values())
        if isinstance(value, (list, tuple, set, frozenset)):
            return tuple(dict.fromkeys(slot for item in value for slot in self.slots(item)))
        return ()

    def columns(self, value):
        """The slots that stand in `value`, a container, by themselves."""
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            return [slot for item in value for slot in self.columns(item)]
        if isinstance(value, ops.Field) and not hasattr(value, "rel"):
            return []  # one that the exception left half made
        return self.exact(value) if isinstance(value, (ir.Value, ops.Field)) else []

    def _of_node(self, node):
        exact = self.exact(node)
        if exact:
            return tuple(exact)
        if isinstance(node, ops.Field):
            return self.slots(self.definition(node.rel, node.name))
        if isinstance(node, ops.Relation):
            if node in self.names:
                return tuple(Slot(self.names[node], column) for column in node.schema)
            return self.slots([self.definition(node, column) for column in node.schema])
        return self.slots([a for a in node.args if isinstance(a, (Node, tuple, dict, FrozenDict))])

    def definition(self, rel, name):
        """What column `name` of `rel` is, one step nearer to the tables: nodes."""
        if isinstance(rel, ops.Set):
            return (ops.Field(rel.left, name), ops.Field(rel.right, name))
        if isinstance(rel, ops.TableUnnest) and name == rel.column_name:
            return ops.Unnest(rel.column)
        if name in rel.values:
            return rel.values[name]
        parent = getattr(rel, "parent", None)
        if isinstance(parent, ops.Relation) and name in parent.schema:
            return ops.Field(parent, name)
        return ()

    def exact(self, node):
        """The slots whose type is the very type of `node`: it is the column, or an item of it. Several below a union."""
        if isinstance(node, (ir.Expr,)):
            node = node.op()
        if isinstance(node, ops.Field):
            if node.rel in self.names:
                return [Slot(self.names[node.rel], node.name)]
            found = self.definition(node.rel, node.name)
            return [s for d in (found if isinstance(found, tuple) else (found,)) for s in self.exact(d)]
        if isinstance(node, ops.Alias):
            return self.exact(node.arg)
        if isinstance(node, ops.StructField):
            return [s._replace(path=(*s.path, node.field)) for s in self.exact(node.arg)]
        if isinstance(node, (ops.ArrayIndex, ops.Unnest, ops.MapGet)):
            return [s._replace(path=(*s.path, ITEM)) for s in self.exact(node.arg)]
        return []

    def sources(self, rel, name, formats=()):
        """Ways to give `rel` a column `name`: sets of slots that must be added together.

        `formats` are the patterns by which the text's joins rename columns that both sides have.
        """
        if isinstance(rel, ir.Expr):
            rel = rel.op()
        if rel in self.names:
            present = name in rel.schema
            return [frozenset()] if present else [frozenset([Slot(self.names[rel], name)])]
        if name in rel.schema:
            return [frozenset()]
        if isinstance(rel, ops.Set):
            return [a | b for a in self.sources(rel.left, name, formats) for b in self.sources(rel.right, name, formats)]
        if isinstance(rel, ops.JoinChain):
            return self._of_join(rel, name, formats)
        if isinstance(rel, ops.Aggregate):
            return []
        ways = []
        if isinstance(rel, ops.Project):
            # Fields of a struct that became columns: the struct has another one.
            structs = {v.arg: None for v in rel.values.values() if isinstance(v, ops.StructField)}
            ways = [
                frozenset(s._replace(path=(*s.path, name)) for s in exact)
                for struct in structs
                if (exact := self.exact(struct))
            ]
        parent = getattr(rel, "parent", None)
        if isinstance(parent, ops.Relation):
            ways += self.sources(parent, name, formats)
        return ways

    def _of_join(self, rel, name, formats):
        sides = [rel.first, *(link.table for link in rel.rest if link.how not in ("semi", "anti"))]
        ways = [way for side in sides for way in self.sources(side, name, formats) if way]
        for pattern in ("{name}_right", *formats):
            before, _, after = pattern.partition("{name}")
            base = name[len(before) : len(name) - len(after)]
            if base and name == before + base + after and (before or after):
                # Both sides have it, so that the join renames one.
                pairs = [
                    a | b
                    for i, left in enumerate(sides)
                    for right in reversed(sides[i + 1 :])
                    for a in self.sources(left, base, formats)
                    for b in self.sources(right, base, formats)
                ]
                ways = [p for p in pairs if p] + ways
        return ways
