"""What the expressions of a text are worth."""

import ast
import datetime
import decimal
import operator
import types

import methods
import values
from exceptions import EXCEPTIONS, Caught
from guarded import BUILTINS, TYPES, format_value
from ibis.common.deferred import Deferred
from ibis.expr.datatypes import DataType
from ibis.expr.schema import Schema
from iterators import iterator
from limits import Refused, bound_bits, bound_items, bound_power
from policy import is_builtin
from scopes import Scope, undefined

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.BitAnd: operator.and_,
    ast.MatMult: operator.matmul,
}  # fmt: skip
UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_, ast.Invert: operator.invert}
COMPARE = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


PLAIN = (
    str, int, float, bool, type(None), decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, list, tuple, dict,
    set, frozenset, DataType, Schema, Caught,
)  # fmt: skip
# What is text before a format is asked for.
SHOWN = (list, tuple, dict, set, frozenset)
CONVERSIONS = {ord("r"): repr, ord("s"): str, ord("a"): ascii}


class Expressions:
    """Part of the interpreter. `on_X(node, scope)` evaluates one kind of node."""

    def on_Constant(self, node, _scope):
        if not isinstance(node.value, (str, int, float, bytes, bool, type(None), type(...))):
            raise Refused(f"a {type(node.value).__name__} literal has no place in a query", "build")
        return self.policy.admit(node.value)

    def on_Name(self, node, scope):
        holder = scope.find(node.id)
        if holder is not None:
            return holder[node.id]
        if node.id in EXCEPTIONS:
            return EXCEPTIONS[node.id]
        if node.id in BUILTINS or node.id in TYPES:
            return TYPES.get(node.id) or BUILTINS[node.id]
        if is_builtin(node.id):
            raise Refused(f"`{node.id}` is not available here")
        raise undefined(node.id)

    def on_NamedExpr(self, node, scope):
        value = self.evaluate(node.value, scope)
        scope.bind(node.target.id, value)
        return value

    def on_Attribute(self, node, scope):
        return self.policy.attribute(self.evaluate(node.value, scope), node.attr)

    # Calls.

    def on_Call(self, node, scope):
        function = self.evaluate(node.func, scope)
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else None
        function = self.policy.callee(function, attribute)
        args = self.items(node.args, scope)
        kwargs = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, scope)
            if keyword.arg is None:
                if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
                    raise TypeError("argument after ** must be a mapping with string keys")
                for key in value:
                    self.keyword(kwargs, key, value[key])
            else:
                self.keyword(kwargs, keyword.arg, value)
        return self.policy.admit(self.invoke(function, args, kwargs))

    def call(self, function, args, kwargs, attribute):
        return self.policy.admit(self.invoke(self.policy.callee(function, attribute), args, kwargs))

    def invoke(self, function, args, kwargs):
        if isinstance(function, types.MethodType) and values.is_text_function(function.__func__):
            # A method takes more of the process's own stack than a function: it counts as several levels.
            self.nesting += 4
            try:
                return function.__func__(function.__self__, *args, **kwargs)
            finally:
                self.nesting -= 4
        return function(*args, **kwargs)

    def keyword(self, kwargs, key, value):
        if key in kwargs:
            raise TypeError(f"got multiple values for keyword argument '{key}'")
        kwargs[key] = value

    def items(self, nodes, scope):
        found = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.iterate(node.value, scope))
                bound_items(len(found))
            else:
                found.append(self.evaluate(node, scope))
        return found

    def iterate(self, node, scope):
        """The items of a plain container; Ibis's own objects are not walked, some of them have no end."""
        return values.items_of(self.evaluate(node, scope))

    def items_of(self, value, complaint):
        try:
            return values.items_of(value)
        except TypeError:
            raise TypeError(complaint) from None

    # Operators.

    def on_BinOp(self, node, scope):
        left, right = self.evaluate(node.left, scope), self.evaluate(node.right, scope)
        self.bound(type(node.op), left, right)
        return self.policy.admit(self.binary(type(node.op), left, right))

    def binary(self, kind, left, right):
        if kind is ast.Mod and isinstance(left, str) and not isinstance(right, Deferred):
            return methods.format_percent(left, right)
        return BINARY[kind](left, right)

    def bound(self, kind, left, right):
        """Refuses the operators that make huge plain values before they make them."""
        number, sized = (bool, int), (str, bytes, list, tuple)
        if kind is ast.Mod and isinstance(left, bytes):
            raise Refused("formatting of bytes is not available", "build")
        if kind is ast.Mult:
            for a, b in ((left, right), (right, left)):
                if isinstance(a, sized) and isinstance(b, number):
                    bound_items(len(a) * max(int(b), 0), type(a).__name__)
        if isinstance(left, number) and isinstance(right, number):
            if kind is ast.Pow:
                bound_power(left, right)
            elif kind is ast.LShift:
                bound_bits(int(left).bit_length() + right)
            elif kind is ast.Mult:
                bound_bits(int(left).bit_length() + int(right).bit_length())

    def on_UnaryOp(self, node, scope):
        return self.unary(type(node.op), self.evaluate(node.operand, scope))

    def unary(self, kind, operand):
        return self.policy.admit(UNARY[kind](operand))

    def on_BoolOp(self, node, scope):
        stop = isinstance(node.op, ast.Or)
        for operand in node.values:
            value = self.evaluate(operand, scope)
            if operand is not node.values[-1] and bool(value) is stop:
                return value
        return value

    def on_Compare(self, node, scope):
        left, result = self.evaluate(node.left, scope), True
        for op, comparator in zip(node.ops, node.comparators):
            right = self.evaluate(comparator, scope)
            result = COMPARE[type(op)](left, right)
            if comparator is not node.comparators[-1] and not result:
                break
            left = right
        return self.policy.admit(result)

    def on_IfExp(self, node, scope):
        return self.evaluate(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    # Items.

    def on_Subscript(self, node, scope):
        return self.item(self.evaluate(node.value, scope), self.evaluate(node.slice, scope))

    def item(self, value, index):
        if not hasattr(type(value), "__getitem__") or isinstance(value, type):
            raise TypeError(f"'{type(value).__name__}' object is not subscriptable")
        return self.policy.admit(value[index])

    def on_Slice(self, node, scope):
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else self.evaluate(part, scope) for part in parts))

    # Displays.

    def on_List(self, node, scope):
        return self.items(node.elts, scope)

    def on_Tuple(self, node, scope):
        return tuple(self.items(node.elts, scope))

    def on_Set(self, node, scope):
        return set(self.items(node.elts, scope))

    def on_Dict(self, node, scope):
        result = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                other = self.evaluate(value, scope)
                if not isinstance(other, dict):
                    raise TypeError(f"'{type(other).__name__}' object is not a mapping")
                result.update(other)
            else:
                result[self.evaluate(key, scope)] = self.evaluate(value, scope)
        return result

    def on_JoinedStr(self, node, scope):
        return self.policy.admit("".join(self.part(part, scope) for part in node.values))

    def part(self, part, scope):
        if isinstance(part, ast.Constant):
            return part.value
        value = self.evaluate(part.value, scope)
        if not isinstance(value, PLAIN):
            raise self.refuse(part, f"an f-string takes plain values here, not {type(value).__name__}")
        values.admit(value)
        if part.conversion in CONVERSIONS or isinstance(value, SHOWN):
            value = BUILTINS["repr"](value) if part.conversion != ord("s") else BUILTINS["str"](value)
        if part.format_spec is None:
            return BUILTINS["str"](value)
        return format_value(value, self.evaluate(part.format_spec, scope))

    # Comprehensions.

    def comprehend(self, node, scope):
        """The scope of each turn of a comprehension."""
        inner = Scope(scope)

        def loop(index, source):
            generator = node.generators[index]
            for item in source:
                self.step(node)
                self.bind_item(generator.target, item, inner)
                if not all(self.evaluate(test, inner) for test in generator.ifs):
                    continue
                if index + 1 == len(node.generators):
                    yield inner
                else:
                    further = self.evaluate(node.generators[index + 1].iter, inner)
                    yield from loop(index + 1, values.iter_of(further))

        # The first iterable is evaluated outside, and at once.
        return loop(0, values.iter_of(self.evaluate(node.generators[0].iter, scope)))

    def bind_item(self, target, item, inner):
        """Binds a comprehension's own variables, which live in its scope."""
        if isinstance(target, ast.Name):
            inner[target.id] = item
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, value in self.unpack(target.elts, item):
                self.bind_item(part, value, inner)
        else:
            raise self.refuse(target, "a loop variable is a name or a tuple of names")

    def on_ListComp(self, node, scope):
        result = []
        for inner in self.comprehend(node, scope):
            result.append(self.evaluate(node.elt, inner))
            bound_items(len(result))
        return self.policy.admit(result)

    def on_GeneratorExp(self, node, scope):
        turns = self.comprehend(node, scope)
        return iterator("generator", (self.evaluate(node.elt, inner) for inner in turns))

    def on_SetComp(self, node, scope):
        return set(self.on_ListComp(node, scope))

    def on_DictComp(self, node, scope):
        result = {}
        for inner in self.comprehend(node, scope):
            key = self.evaluate(node.key, inner)
            result[key] = self.evaluate(node.value, inner)
            bound_items(len(result))
        return self.policy.admit(result)
