"""Evaluates a text by walking its syntax tree. User text is never compiled to code: no `exec`, no `eval`.

A text is a sequence of assignments and expressions; the value of the last one is the result. Each exception is kept
with the innermost node at which it happened, so that the verdict can point into the text.
"""

import ast
import inspect
import io
import operator
import tokenize

from policy import (
    BUILTINS,
    CONTAINERS,
    MAX_INTEGER_BITS,
    MAX_ITEMS,
    TYPES,
    VIEWS,
    Policy,
    Refused,
    is_builtin,
    is_plain_type,
)

MAX_SOURCE = 20_000
MAX_DEPTH = 250
MAX_NODES = 8_000
MAX_STEPS = 100_000
MAX_STATEMENT_TOKENS = 3_000
MAX_UNARY_RUN = 50

GRAMMAR = (
    ast.Module, ast.Import, ast.ImportFrom, ast.alias, ast.Assign, ast.Expr, ast.Constant, ast.Name, ast.Attribute,
    ast.Call, ast.keyword, ast.Starred, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.Slice,
    ast.List, ast.Tuple, ast.Dict, ast.Set, ast.IfExp, ast.Lambda, ast.arguments, ast.arg, ast.ListComp, ast.DictComp,
    ast.SetComp, ast.GeneratorExp, ast.comprehension, ast.JoinedStr, ast.FormattedValue,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip

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


def describe(node):
    return {
        "FunctionDef": "a function definition", "ClassDef": "a class definition", "For": "a loop", "While": "a loop",
        "With": "a with block", "Try": "a try block", "If": "an if statement", "NamedExpr": "an assignment expression",
        "Delete": "del", "Global": "global", "Assert": "assert", "Raise": "raise", "Await": "await", "Yield": "yield",
        "AugAssign": "an augmented assignment", "AnnAssign": "an annotated assignment",
    }.get(type(node).__name__, type(node).__name__)  # fmt: skip


def parse(source):
    """The tree of `source`, within bounds and within the grammar. Raises SyntaxError, Refused or RecursionError."""
    if len(source) > MAX_SOURCE:
        raise Refused(f"the text has {len(source)} characters; the limit is {MAX_SOURCE}", "parse")
    if "\0" in source:
        raise SyntaxError("source code string cannot contain null bytes", ("<text>", 1, 1, None))
    bound_tokens(source)
    tree = ast.parse(source, filename="<text>")
    level, depth, count = [tree], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > MAX_DEPTH or count > MAX_NODES:
            raise Refused(f"the text nests over {MAX_DEPTH} levels or holds over {MAX_NODES} nodes", "parse")
        for node in level:
            if not isinstance(node, GRAMMAR):
                raise _at(
                    Refused(
                        f"{describe(node)} is not part of a query: use expressions and simple assignments",
                        "parse",
                    ),
                    node,
                )
            if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
                raise _at(Refused("an f-string takes no format specification here", "parse"), node)
            if isinstance(node, ast.comprehension) and node.is_async:
                raise Refused("an asynchronous comprehension is not part of a query", "parse")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if not tree.body:
        raise SyntaxError("the text holds no expression", ("<text>", 1, 1, None))
    return tree


def bound_tokens(source):
    """Refuses what would overflow the stack of CPython's own parser, which in WebAssembly ends the process."""
    count = run = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            count = 0 if token.type == tokenize.NEWLINE else count + 1
            run = run + 1 if token.string in ("-", "+", "~", "not") else 0
            if count > MAX_STATEMENT_TOKENS or run > MAX_UNARY_RUN:
                raise Refused(
                    f"a statement has over {MAX_STATEMENT_TOKENS} tokens or {MAX_UNARY_RUN} operators in a row",
                    "parse",
                )
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser says it better


def _at(error, node):
    error.node = node
    return error


class Interpreter:
    def __init__(self, policy: Policy, tables):
        self.policy = policy
        self.globals = {**policy.names, **tables}
        self.steps = 0
        self.failure = None  # (exception, node): the innermost node at which the latest exception passed

    def run(self, tree):
        """The value of the last statement of `tree`."""
        value = None
        for statement in tree.body:
            value = self.statement(statement)
        return value

    def statement(self, node):
        match node:
            case ast.Import() | ast.ImportFrom():
                return self.guarded(self.load, node, self.globals)
            case ast.Assign():
                value = self.evaluate(node.value, self.globals)
                for target in node.targets:
                    if not isinstance(target, ast.Name) or target.id == "ibis":
                        raise self.refuse(target, "only plain names can be assigned", "parse")
                    self.globals[target.id] = value
                return value
            case ast.Expr():
                return self.evaluate(node.value, self.globals)

    def refuse(self, node, message, stage="build"):
        error = Refused(message, stage)
        self.failure = (error, node)
        return error

    def guarded(self, step, node, scope):
        try:
            return step(node, scope)
        except Exception as error:
            if self.failure is None or self.failure[0] is not error:
                self.failure = (error, node)
            raise

    def evaluate(self, node, scope):
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.refuse(node, f"the text takes over {MAX_STEPS} steps to evaluate")
        return self.guarded(getattr(self, "on_" + type(node).__name__), node, scope)

    def load(self, node, _scope):
        """Imports bring nothing in: they give another name to what is there."""
        policy = self.policy
        for alias in node.names:
            if isinstance(node, ast.Import):
                modules = {
                    "ibis": policy.ibis,
                    "ibis.selectors": policy.selectors if alias.asname else policy.ibis,
                }
                if alias.name not in modules:
                    raise Refused(f"`import {alias.name}` is not available: only ibis is")
                self.globals[alias.asname or "ibis"] = modules[alias.name]
            else:
                source = {"ibis": policy.ibis, "ibis.selectors": policy.selectors}.get(node.module or "")
                if source is None or node.level or alias.name == "*":
                    raise Refused(
                        f"`from {node.module} import {alias.name}` is not available: only names of ibis are"
                    )
                self.globals[alias.asname or alias.name] = source.lookup(alias.name)

    def on_Constant(self, node, _scope):
        if not isinstance(node.value, (str, int, float, bytes, bool, type(None))):
            raise Refused(f"a {type(node.value).__name__} literal has no place in a query", "build")
        return self.policy.admit(node.value)

    def on_Name(self, node, scope):
        if node.id in scope:
            return scope[node.id]
        if node.id in BUILTINS:
            return TYPES.get(node.id) or BUILTINS[node.id]
        if is_builtin(node.id):
            raise Refused(f"`{node.id}` is not available here")
        raise NameError(f"name '{node.id}' is not defined", name=node.id)

    def on_Attribute(self, node, scope):
        return self.policy.attribute(self.evaluate(node.value, scope), node.attr)

    def on_Call(self, node, scope):
        function = self.evaluate(node.func, scope)
        if is_plain_type(function):
            function = BUILTINS[function.__name__]
        self.policy.callee(function, node.func.attr if isinstance(node.func, ast.Attribute) else None)
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
        """The items of a plain container; Ibis's own objects are not walked, some of them have no end."""
        value = self.evaluate(node, scope)
        if isinstance(
            value,
            (*CONTAINERS, range, *VIEWS),
        ):
            return list(value)
        raise TypeError(f"'{type(value).__name__}' object is not iterable")

    def on_BinOp(self, node, scope):
        left, right = self.evaluate(node.left, scope), self.evaluate(node.right, scope)
        self.bound(type(node.op), left, right)
        return self.policy.admit(BINARY[type(node.op)](left, right))

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
        value = self.evaluate(node.value, scope)
        index = self.evaluate(node.slice, scope)
        if not hasattr(type(value), "__getitem__") or isinstance(value, type):
            raise TypeError(f"'{type(value).__name__}' object is not subscriptable")
        return self.policy.admit(value[index])

    def on_Slice(self, node, scope):
        return slice(
            *(
                None if part is None else self.evaluate(part, scope)
                for part in (node.lower, node.upper, node.step)
            )
        )

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

    def on_IfExp(self, node, scope):
        return self.evaluate(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    def on_JoinedStr(self, node, scope):
        parts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(part.value)
                continue
            value = self.evaluate(part.value, scope)
            if not isinstance(value, (str, int, float, bool)):
                raise self.refuse(part, f"an f-string takes plain values here, not {type(value).__name__}")
            parts.append(repr(value) if part.conversion == ord("r") else str(value))
        return self.policy.admit("".join(parts))

    def on_Lambda(self, node, scope):
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.kw_defaults:
            raise Refused("a lambda takes plain positional parameters here", "parse")
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        defaults = [self.evaluate(d, scope) for d in arguments.defaults]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        missing = inspect.Parameter.empty
        padded = [missing] * (len(names) - len(defaults)) + defaults
        signature = inspect.Signature([inspect.Parameter(n, kind, default=d) for n, d in zip(names, padded)])

        def call(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return self.evaluate(node.body, {**scope, **bound.arguments})

        call.__signature__ = signature
        call.__name__ = "<lambda>"
        call.ibert_lambda = True
        return call

    def comprehend(self, node, scope, emit):
        def loop(index, inner):
            if index == len(node.generators):
                emit(inner)
                return
            generator = node.generators[index]
            for item in self.iterate(generator.iter, inner):
                bound = {**inner, **self.unpack(generator.target, item)}
                if all(self.evaluate(test, bound) for test in generator.ifs):
                    loop(index + 1, bound)

        loop(0, scope)

    def unpack(self, target, item):
        if isinstance(target, ast.Name):
            return {target.id: item}
        if isinstance(target, ast.Tuple) and isinstance(item, (tuple, list)):
            if len(target.elts) != len(item):
                raise ValueError(f"expected {len(target.elts)} values to unpack, got {len(item)}")
            return {k: v for t, i in zip(target.elts, item) for k, v in self.unpack(t, i).items()}
        raise self.refuse(target, "a loop variable is a name or a tuple of names")

    def on_ListComp(self, node, scope):
        result = []
        self.comprehend(node, scope, lambda inner: result.append(self.evaluate(node.elt, inner)))
        return self.policy.admit(result)

    on_GeneratorExp = on_ListComp

    def on_SetComp(self, node, scope):
        return set(self.on_ListComp(node, scope))

    def on_DictComp(self, node, scope):
        result = {}

        def emit(inner):
            result[self.evaluate(node.key, inner)] = self.evaluate(node.value, inner)

        self.comprehend(node, scope, emit)
        return self.policy.admit(result)
