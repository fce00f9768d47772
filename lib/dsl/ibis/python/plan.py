"""The shape of a query: a hash of its operation tree that ignores names, literal values and how often a column passes
through, for splitting a corpus by program shape; and a hash that minds tables and columns, for finding near-duplicates."""

import enum
import hashlib

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node


def label(expr):
    table = expr if isinstance(expr, ir.Table) else expr.as_table()
    return {
        "planHash": Shape().of(expr.op()),
        "queryHash": NamedShape().of(expr.op()),
        "outputSchema": {name: str(dtype) for name, dtype in table.schema().items()},
    }


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Shape:
    """16 hex digits: equal for queries that differ only in names, literals and columns passed through."""

    def __init__(self):
        self.seen = {}

    def of(self, node):
        found = self.seen.get(node)
        if found is None:
            found = self.seen[node] = digest(self.describe(node))
        return found

    def describe(self, node):
        name = type(node).__name__
        if isinstance(node, ops.UnboundTable):
            return self.table(node)
        if isinstance(node, ops.Literal):
            return name
        if isinstance(node, ops.Field):
            return self.field(node)
        if isinstance(node, ops.Cast):
            return f"Cast({type(node.to).__name__},{self.of(node.arg)})"
        if isinstance(node, ops.JoinChain):
            links = [
                f"{link.how}({self.of(link.table)},{self.children(link.predicates)})" for link in node.rest
            ]
            return f"Join({self.of(node.first)},{','.join(links)},{self.values(node.values)})"
        if isinstance(node, ops.Project):
            return f"Project({self.of(node.parent)},{self.values(node.values)})"
        parts = [self.child(arg) for arg in node.args]
        return f"{name}({','.join(parts)})"

    def table(self, node):
        return "UnboundTable"

    def field(self, node):
        return "Field"

    def values(self, mapping):
        """Computed columns, in no order; columns that only pass through count once in all."""
        computed = sorted(self.of(v) for v in mapping.values() if not isinstance(v, ops.Field))
        passed = "Field" if any(isinstance(v, ops.Field) for v in mapping.values()) else ""
        return f"[{passed}|{','.join(computed)}]"

    def children(self, nodes):
        return f"[{','.join(sorted(self.child(n) for n in nodes))}]"

    def child(self, arg):
        if isinstance(arg, Node):
            return self.of(arg)
        if isinstance(arg, dict) or hasattr(arg, "items"):
            return self.children(arg.values())
        if isinstance(arg, (tuple, list)):
            return self.children(arg)
        return self.scalar(arg)

    def scalar(self, arg):
        return "1" if arg is True else ""


class NamedShape(Shape):
    """16 hex digits: equal for queries of the same tables and columns that differ only in literals and in names they give."""

    def table(self, node):
        return f"UnboundTable {node.name}"

    def field(self, node):
        """The column of a table, or what was computed under the name."""
        rel = node.rel
        while node.name not in rel.values:
            if isinstance(rel, ops.UnboundTable):
                return f"Field {rel.name}.{node.name}"
            # References to a table have no columns of their own, and a union's are those of its left side.
            parent = getattr(rel, "parent", None) or getattr(rel, "left", None)
            if not isinstance(parent, ops.Relation) or node.name not in parent.schema:
                return f"Field({self.of(rel)}.{node.name})"
            rel = parent
        return f"Field({self.of(rel.values[node.name])})"

    def values(self, mapping):
        return self.children(mapping.values())

    def scalar(self, arg):
        """Units and kinds are part of what is asked; numbers are literals."""
        return str(arg) if isinstance(arg, (bool, str, enum.Enum)) else ""
