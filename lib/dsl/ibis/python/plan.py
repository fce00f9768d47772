"""The shape of a query: a hash of its operation tree that ignores names, literal values and how often a column passes
through, for finding near-duplicates and for splitting a corpus by program shape."""

import hashlib

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node


def label(expr):
    table = expr if isinstance(expr, ir.Table) else expr.as_table()
    return {
        "planHash": plan_hash(expr),
        "outputSchema": {name: str(dtype) for name, dtype in table.schema().items()},
    }


def plan_hash(expr):
    """16 hex digits: equal for queries that differ only in names, literals and columns passed through."""
    return shape(expr.op(), {})


def shape(node, seen):
    if node not in seen:
        seen[node] = digest(describe(node, seen))
    return seen[node]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(node, seen):
    name = type(node).__name__
    if isinstance(node, (ops.UnboundTable, ops.Literal)):
        return name
    if isinstance(node, ops.Field):
        return "Field"
    if isinstance(node, ops.Cast):
        return f"Cast({type(node.to).__name__},{shape(node.arg, seen)})"
    if isinstance(node, ops.JoinChain):
        links = [
            f"{link.how}({shape(link.table, seen)},{children(link.predicates, seen)})" for link in node.rest
        ]
        return f"Join({shape(node.first, seen)},{','.join(links)},{values(node.values, seen)})"
    if isinstance(node, ops.Project):
        return f"Project({shape(node.parent, seen)},{values(node.values, seen)})"
    parts = [child(arg, seen) for arg in node.args]
    return f"{name}({','.join(parts)})"


def values(mapping, seen):
    """Computed columns, in no order; columns that only pass through count once in all."""
    computed = sorted(shape(v, seen) for v in mapping.values() if not isinstance(v, ops.Field))
    passed = "Field" if any(isinstance(v, ops.Field) for v in mapping.values()) else ""
    return f"[{passed}|{','.join(computed)}]"


def children(nodes, seen):
    return f"[{','.join(sorted(child(n, seen) for n in nodes))}]"


def child(arg, seen):
    if isinstance(arg, Node):
        return shape(arg, seen)
    if isinstance(arg, dict) or hasattr(arg, "items"):
        return children(arg.values(), seen)
    if isinstance(arg, (tuple, list)):
        return children(arg, seen)
    return "1" if arg is True else ""
