"""Which members of Ibis's public API a text calls: what it reads of live expressions and namespaces while it is built."""

import ast

from checker import POLICY, Failure, build, make_tables, parse_text
from deferral import GuardedAttr
from ibis.expr.types import Value
from ibis.expr.types.core import Expr
from ibis.expr.types.groupby import GroupedTable
from interpreter import Interpreter
from policy import has_field
from values import Namespace

# The methods that operators stand for; the right operand's are those that take its name with an `r` before it.
OPERATORS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow",
}  # fmt: skip
SPECIAL = {"div": "truediv"}


def owner_of(kind, name):
    return next((c.__name__ for c in kind.__mro__ if name in vars(c)), None)


class Watched:
    """The policy, which notes what is read by it."""

    def __init__(self, policy, found):
        self.policy, self.found = policy, found

    def __getattr__(self, name):
        return getattr(self.policy, name)

    def attribute(self, obj, name):
        value = self.policy.attribute(obj, name)
        if isinstance(obj, Namespace):
            self.found.add(f"{obj.name}.{name}")
        elif isinstance(obj, (Expr, GroupedTable)):
            self.note(obj, name)
        return value

    def note(self, obj, name):
        owner = owner_of(type(obj), name)
        if owner is not None:
            self.found.add(f"{owner}.{name}")

    def operator(self, kind, left, right):
        name = OPERATORS.get(kind)
        if name is None:
            return
        special = f"__{SPECIAL.get(name, name)}__"
        if isinstance(left, Value) and getattr(type(left), special)(left, right) is not NotImplemented:
            self.note(left, name)
        elif isinstance(right, Value):
            self.note(right, f"r{name}")


class Tracer(Interpreter):
    """Operators too, where both operands are there when the text comes to them, as they are in a function of the table."""

    def binary(self, kind, left, right):
        value = super().binary(kind, left, right)
        self.policy.operator(kind, left, right)
        return value

    def unary(self, kind, operand):
        if kind is ast.USub and isinstance(operand, Value):
            self.policy.note(operand, "negate")
        return super().unary(kind, operand)


def members_of(text, schema):
    """`owner.name` of each member of the API that `text` calls, sorted; none for a text that does not build."""
    found = set()
    watched = Watched(POLICY, found)
    before = GuardedAttr.attribute
    GuardedAttr.attribute = watched.attribute
    try:
        build(parse_text(text), make_tables(schema), lambda policy, tables: Tracer(watched, tables))
    except Failure:
        return []
    finally:
        GuardedAttr.attribute = before
    return sorted(found)


def trace(items):
    return [members_of(item["text"], item["schema"]) for item in items]
