"""The expressions of a text."""

import ast
import datetime
import decimal
import operator
import re

from functions import Parameters
from policy import BUILTINS, CONTAINERS, MAX_INTEGER_BITS, MAX_ITEMS, TYPES, VIEWS, Refused, is_builtin, is_plain_type
from scopes import Scope, bindings, targets
from statements import Returned

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
FORMATTED = (str, int, float, bool, type(None), decimal.Decimal, datetime.date, datetime.datetime, datetime.time)
MAX_SPEC = 60
WIDE = re.compile(r"\d{4}")
MAX_CALLS = 40  # of the text's own functions within each other: each takes some twenty frames of CPython


class Expressions:
    def on_Constant(self, node, _scope):
        if not isinstance(node.value, (str, int, float, bytes, bool, type(None))):
            raise Refused(f"a {type(node.value).__name__} literal has no place in a query", "build")
        return self.policy.admit(node.value)

    def on_Name(self, node, scope):
        found, value = scope.get(node.id)
        if found:
            return value
        if node.id in BUILTINS:
            return TYPES.get(node.id) or BUILTINS[node.id]
        if is_builtin(node.id):
            raise Refused(f"`{node.id}` is not available here")
        raise NameError(f"name '{node.id}' is not defined", name=node.id)

    def on_NamedExpr(self, node, scope):
        value = self.evaluate(node.value, scope)
        scope.set_walrus(node.target.id, value)
        return value

    def on_Attribute(self, node, scope):
        return self.policy.attribute(self.evaluate(node.value, scope), node.attr)

    def on_Call(self, node, scope):
        function = self.evaluate(node.func, scope)
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else None
        function = self.callee(function, attribute)
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
        return self.admit(self.invoke(function, args, kwargs))

    def callee(self, function, attribute):
        if is_plain_type(function):
            function = BUILTINS[function.__name__]
        return self.policy.callee(function, attribute) or function

    def call(self, function, attribute, args, kwargs):
        return self.admit(self.invoke(self.callee(function, attribute), args, kwargs))

    def admit(self, value):
        """`value` within bounds; large ones use up steps, so that all of them together stay within memory."""
        if isinstance(value, (*CONTAINERS, str, bytes)):
            self.steps += len(value) // 64
        return self.policy.admit(value)

    def invoke(self, function, args, kwargs):
        return function(*args, **kwargs)

    def keyword(self, kwargs, key, value):
        if key in kwargs:
            raise TypeError(f"got multiple values for keyword argument '{key}'")
        kwargs[key] = value

    def items(self, nodes, scope):
        values = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                values.extend(self.iterate(node.value, scope))
            else:
                values.append(self.evaluate(node, scope))
        return values

    def iterate(self, node, scope):
        return self.values(self.evaluate(node, scope))

    def values(self, value):
        """The items of a plain container; Ibis's own objects are not walked, some of them have no end."""
        if isinstance(value, (*CONTAINERS, range, str, bytes, *VIEWS)):
            self.steps += len(value) // 64
            return list(value)
        raise TypeError(f"'{type(value).__name__}' object is not iterable")

    def on_BinOp(self, node, scope):
        left, right = self.evaluate(node.left, scope), self.evaluate(node.right, scope)
        return self.binary(type(node.op), left, right)

    def binary(self, op, left, right):
        self.bound(op, left, right)
        return self.admit(BINARY[op](left, right))

    def bound(self, op, left, right):
        """Refuses the operators that make huge plain values before they make them."""
        number, sized = (bool, int), (str, bytes, list, tuple)
        if op is ast.Mod and isinstance(left, (str, bytes)):
            raise Refused("string formatting with % is not available", "build")
        if op is ast.Mult:
            for a, b in ((left, right), (right, left)):
                if isinstance(a, sized) and isinstance(b, number) and len(a) * max(int(b), 0) > MAX_ITEMS:
                    raise Refused(
                        f"a {type(a).__name__} of {len(a)} × {b} items is over the limit of {MAX_ITEMS}",
                        "build",
                    )
        if isinstance(left, number) and isinstance(right, number):
            bits = int(left).bit_length()
            if (
                op is ast.Pow
                and bits * abs(right) > MAX_INTEGER_BITS
                or op is ast.LShift
                and bits + right > MAX_INTEGER_BITS
            ):
                raise Refused(f"the result has over {MAX_INTEGER_BITS} bits", "build")

    def on_UnaryOp(self, node, scope):
        return self.policy.admit(UNARY[type(node.op)](self.evaluate(node.operand, scope)))

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

    def on_Subscript(self, node, scope):
        return self.item(self.evaluate(node.value, scope), self.evaluate(node.slice, scope))

    def item(self, value, index):
        if not hasattr(type(value), "__getitem__") or isinstance(value, type):
            raise TypeError(f"'{type(value).__name__}' object is not subscriptable")
        return self.admit(value[index])

    def on_Slice(self, node, scope):
        return slice(
            *(
                None if part is None else self.evaluate(part, scope)
                for part in (node.lower, node.upper, node.step)
            )
        )

    def on_List(self, node, scope):
        return self.admit(self.items(node.elts, scope))

    def on_Tuple(self, node, scope):
        return self.admit(tuple(self.items(node.elts, scope)))

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

    def on_IfExp(self, node, scope):
        return self.evaluate(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    def on_JoinedStr(self, node, scope):
        parts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(part.value)
                continue
            value = self.evaluate(part.value, scope)
            if type(value) not in FORMATTED:
                raise self.refuse(part, f"an f-string takes plain values here, not {type(value).__name__}")
            convert = {ord("r"): repr, ord("s"): str, ord("a"): ascii}.get(part.conversion)
            value = value if convert is None else convert(value)
            spec = "" if part.format_spec is None else self.evaluate(part.format_spec, scope)
            if len(spec) > MAX_SPEC or WIDE.search(spec):
                raise self.refuse(part, "the format specification of an f-string is too wide")
            if spec and isinstance(value, decimal.Decimal) and abs(value.adjusted()) > 1000:
                raise self.refuse(part, "the number of an f-string is too long")
            parts.append(format(value, spec))
        return self.admit("".join(parts))

    def on_Lambda(self, node, scope):
        return self.function(node, scope)

    def function(self, node, scope):
        """A function of the text, as Ibis may call it."""
        arguments = node.args
        named = isinstance(node, ast.FunctionDef)
        name = node.name if named else "<lambda>"
        path = scope.path + name
        defaults = [self.evaluate(d, scope) for d in arguments.defaults]
        kw_defaults = {
            a.arg: self.evaluate(d, scope)
            for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults)
            if d is not None
        }
        parameters = Parameters(arguments, defaults, kw_defaults)
        own, declared, _ = bindings(node)

        def call(*args, **kwargs):
            names = Scope(parameters.bind(path, args, kwargs), own, scope, declared, path + ".<locals>.")
            if self.calls >= MAX_CALLS:
                raise RecursionError("maximum recursion depth exceeded")
            self.calls += 1
            try:
                if not named:
                    return self.evaluate(node.body, names)
                ended = self.block(node.body, names)
                return ended.value if isinstance(ended, Returned) else None
            finally:
                self.calls -= 1

        call.__name__, call.__qualname__, call.__doc__ = name, path, ast.get_docstring(node) if named else None
        call.__signature__ = parameters.signature()
        call.__annotations__ = {} if not named else self.annotations(node, scope)
        call.ibert_lambda = True
        return call

    def annotations(self, node, scope):
        arguments = node.args
        found = {
            a.arg: a.annotation
            for a in (*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
            if a is not None and a.annotation is not None
        }
        if node.returns is not None:
            found["return"] = node.returns
        if self.future and not node.decorator_list:
            return {}
        values = {name: self.annotation(annotation, scope) for name, annotation in found.items()}
        return {name: value for name, value in values.items() if value is not None}

    def annotation(self, node, scope):
        """The value of an annotation; None for one that only a type checker reads. NameError as Python raises it."""
        failure = self.failure
        try:
            return None if isinstance(node, ast.Constant) else self.evaluate(node, scope)
        except (Refused, TypeError):
            self.failure = failure
            return None

    def comprehend(self, node, scope, emit):
        inner = Scope({}, targets(node), scope, frozenset(), scope.path, False)

        def loop(index):
            if index == len(node.generators):
                emit(inner)
                return
            generator = node.generators[index]
            for item in self.iterate(generator.iter, inner if index else scope):
                self.assign(generator.target, item, inner)
                if all(self.evaluate(test, inner) for test in generator.ifs):
                    loop(index + 1)

        loop(0)

    def on_ListComp(self, node, scope):
        result = []
        self.comprehend(node, scope, lambda inner: result.append(self.evaluate(node.elt, inner)))
        return self.admit(result)

    on_GeneratorExp = on_ListComp

    def on_SetComp(self, node, scope):
        return set(self.on_ListComp(node, scope))

    def on_DictComp(self, node, scope):
        result = {}

        def emit(inner):
            key = self.evaluate(node.key, inner)
            result[key] = self.evaluate(node.value, inner)

        self.comprehend(node, scope, emit)
        return self.admit(result)
