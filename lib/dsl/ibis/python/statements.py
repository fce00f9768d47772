"""The statements of a text. Each gives None, or what ends the block that it stands in: BREAK, CONTINUE or a Returned."""

import ast
import builtins
import operator

from policy import CONTAINERS, PRIMITIVES, Refused

BREAK, CONTINUE = object(), object()
IN_PLACE = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.BitOr: operator.ior,
    ast.BitXor: operator.ixor, ast.BitAnd: operator.iand,
}  # fmt: skip
EXCEPTIONS = {
    n: c for n, c in vars(builtins).items() if isinstance(c, type) and issubclass(c, Exception) and "Group" not in n
}
# What a text cannot catch: the sandbox's refusals and its bounds.
UNCATCHABLE = (Refused, RecursionError, MemoryError)


class Returned:
    def __init__(self, value):
        self.value = value


class Statements:
    uncatchable = UNCATCHABLE

    def block(self, body, scope):
        for node in body:
            self.spend(node)
            ended = self.guarded(getattr(self, "do_" + type(node).__name__), node, scope)
            if ended is not None:
                return ended
        return None

    def result(self, value, scope):
        if scope.is_module():
            self.value = value

    def do_Expr(self, node, scope):
        self.result(self.evaluate(node.value, scope), scope)

    def do_Pass(self, _node, _scope):
        pass

    do_Global = do_Nonlocal = do_Pass  # `scopes.bindings` has read them

    def do_Import(self, node, scope):
        """Imports bring nothing in: they give another name to what is there."""
        for alias in node.names:
            module = self.load(alias.name)
            top = alias.name.partition(".")[0]
            if alias.asname is None and top != alias.name:
                module = self.load(top)
            scope.set(alias.asname or top, module)

    def load(self, name):
        if hasattr(self.policy, "load"):
            return self.policy.load(name)
        modules = {"ibis": self.policy.ibis, "ibis.selectors": self.policy.selectors}
        if name not in modules:
            raise Refused(f"`import {name}` is not available: only ibis is")
        return modules[name]

    def load_from(self, name, member):
        if hasattr(self.policy, "load_from"):
            return self.policy.load_from(name, member)
        return None if name == "__future__" else self.load(name).lookup(member)

    def do_ImportFrom(self, node, scope):
        for alias in node.names:
            if node.level or alias.name == "*":
                raise Refused(f"`from {'.' * node.level}{node.module or ''} import {alias.name}` is not available")
            value = self.load_from(node.module, alias.name)
            scope.set(alias.asname or alias.name, value)

    def do_Assign(self, node, scope):
        value = self.evaluate(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)
        if not all(isinstance(target, ast.Attribute) for target in node.targets):
            self.result(value, scope)

    def do_AnnAssign(self, node, scope):
        value = None
        if node.value is not None:
            value = self.evaluate(node.value, scope)
            self.assign(node.target, value, scope)
        if scope.is_module() and not self.future:
            self.annotation(node.annotation, scope)
        if node.value is not None:
            self.result(value, scope)

    def do_AugAssign(self, node, scope):
        target = node.target
        if isinstance(target, ast.Subscript):
            owner, key = self.evaluate(target.value, scope), self.evaluate(target.slice, scope)
            value = self.in_place(node, self.item(owner, key), scope)
            self.set_item(owner, key, value)
        elif isinstance(target, ast.Attribute):
            raise self.refuse(target, f"`.{target.attr}` cannot be assigned here")
        else:
            value = self.in_place(node, self.on_Name(target, scope), scope)
            scope.set(target.id, value)
        self.result(value, scope)

    def in_place(self, node, left, scope):
        right = self.evaluate(node.value, scope)
        op = type(node.op)
        if type(left) is list and op is ast.Add:
            left += self.values(right)
            return self.admit(left)
        if type(left) in (list, dict, set) and isinstance(right, (*CONTAINERS, int)) and op in IN_PLACE:
            self.bound(op, left, right)
            return self.admit(IN_PLACE[op](left, right))
        return self.binary(op, left, right)

    def assign(self, target, value, scope):
        match target:
            case ast.Name():
                scope.set(target.id, value)
            case ast.Tuple() | ast.List():
                self.unpack(target.elts, value, scope)
            case ast.Subscript():
                self.set_item(self.evaluate(target.value, scope), self.evaluate(target.slice, scope), value)
            case ast.Attribute():
                owner = self.evaluate(target.value, scope)
                if not hasattr(self.policy, "assign"):
                    raise self.refuse(target, f"`.{target.attr}` cannot be assigned here")
                self.policy.assign(owner, target.attr, value)
            case _:
                raise self.refuse(target, f"a {type(target).__name__} cannot be assigned here")

    def unpack(self, targets, value, scope):
        if not isinstance(value, (*CONTAINERS, str, bytes)):
            try:
                values = self.values(value)
            except TypeError:
                raise TypeError(f"cannot unpack non-iterable {type(value).__name__} object") from None
        else:
            values = list(value)
        star = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
        least = len(targets) - (star is not None)
        if len(values) < least:
            at_least = "at least " if star is not None else ""
            raise ValueError(f"not enough values to unpack (expected {at_least}{least}, got {len(values)})")
        if star is None:
            if len(values) > least:
                raise ValueError(f"too many values to unpack (expected {least})")
        else:
            end = len(values) - (least - star)
            values = [*values[:star], values[star:end], *values[end:]]
            targets = [t.value if isinstance(t, ast.Starred) else t for t in targets]
        for target, item in zip(targets, values):
            self.assign(target, item, scope)

    def set_item(self, owner, key, value):
        if type(owner) not in (list, dict):
            raise TypeError(f"'{type(owner).__name__}' object does not support item assignment")
        if isinstance(key, slice):
            value = self.values(value)
        owner[key] = value
        self.admit(owner)

    def do_Delete(self, node, scope):
        for target in node.targets:
            for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(part, ast.Name):
                    scope.delete(part.id)
                elif isinstance(part, ast.Subscript):
                    owner = self.evaluate(part.value, scope)
                    if type(owner) not in (list, dict):
                        raise TypeError(f"'{type(owner).__name__}' object doesn't support item deletion")
                    del owner[self.evaluate(part.slice, scope)]
                else:
                    raise self.refuse(part, "only names and items of lists and dicts can be deleted")

    def do_If(self, node, scope):
        return self.block(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    def do_For(self, node, scope):
        for item in self.iterate(node.iter, scope):
            self.spend(node)
            self.assign(node.target, item, scope)
            ended = self.block(node.body, scope)
            if ended is BREAK:
                return None
            if isinstance(ended, Returned):
                return ended
        return self.block(node.orelse, scope)

    def do_While(self, node, scope):
        while self.evaluate(node.test, scope):
            ended = self.block(node.body, scope)
            if ended is BREAK:
                return None
            if isinstance(ended, Returned):
                return ended
        return self.block(node.orelse, scope)

    def do_Break(self, _node, _scope):
        return BREAK

    def do_Continue(self, _node, _scope):
        return CONTINUE

    def do_Return(self, node, scope):
        return Returned(None if node.value is None else self.evaluate(node.value, scope))

    def do_Assert(self, node, scope):
        if not self.evaluate(node.test, scope):
            raise AssertionError(*([] if node.msg is None else self.plain([self.evaluate(node.msg, scope)])))

    def plain(self, values):
        """The arguments of an exception: plain values, so that its message is soon written."""
        for value in values:
            if not isinstance(value, PRIMITIVES):
                raise Refused(f"an exception takes plain values here, not {type(value).__name__}", "build")
        return values

    def do_FunctionDef(self, node, scope):
        decorators = [self.evaluate(d, scope) for d in node.decorator_list]
        function = self.function(node, scope)
        for place, decorator in zip(reversed(node.decorator_list), reversed(decorators)):
            name = place.attr if isinstance(place, ast.Attribute) else None
            function = self.call(decorator, name, [function], {})
        scope.set(node.name, function)

    def exception_class(self, node, scope):
        """The built-in exception that `node` names, or None."""
        if not isinstance(node, ast.Name) or node.id not in EXCEPTIONS:
            return None
        return None if scope.get(node.id)[0] else EXCEPTIONS[node.id]

    def do_Raise(self, node, scope):
        if node.exc is None:
            if not self.handling:
                raise RuntimeError("No active exception to reraise")
            raise self.handling[-1]
        error = self.exception(node.exc, scope)
        if node.cause is None:
            raise error
        none = isinstance(node.cause, ast.Constant) and node.cause.value is None
        raise error from (None if none else self.exception(node.cause, scope))

    def exception(self, node, scope):
        cls = self.exception_class(node, scope)
        if cls is not None:
            return cls()
        if isinstance(node, ast.Call) and not node.keywords:
            cls = self.exception_class(node.func, scope)
            if cls is not None:
                return cls(*self.plain(self.items(node.args, scope)))
        value = self.evaluate(node, scope)
        if not isinstance(value, Exception):
            raise TypeError("exceptions must derive from BaseException")
        return value

    def do_Try(self, node, scope):
        ended = None
        try:
            ended = self.attempt(node, scope)
        finally:
            # As in CPython, what ends the `finally` block takes the place of the exception or of the `return`.
            last = self.finish(node.finalbody, scope)
        return ended if last is None else last

    def finish(self, body, scope):
        failure = self.failure
        last = self.block(body, scope)
        if last is not None:
            raise Refused("`return`, `break` and `continue` in a finally block are not available", "build")
        self.failure = failure
        return last

    def attempt(self, node, scope):
        try:
            ended = self.block(node.body, scope)
        except self.uncatchable:
            raise
        except Exception as error:
            for handler in node.handlers:
                if self.catches(handler.type, error, scope):
                    return self.handle(handler, error, scope)
            raise
        return self.block(node.orelse, scope) if ended is None else ended

    def catches(self, node, error, scope):
        if node is None:
            return True
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            cls = self.exception_class(part, scope)
            if cls is None:
                self.evaluate(part, scope)
                raise self.refuse(part, "an except clause names built-in exceptions here")
            if isinstance(error, cls):
                return True
        return False

    def handle(self, handler, error, scope):
        self.handling.append(error)
        self.failure = None
        if handler.name:
            scope.set(handler.name, error)
        try:
            return self.block(handler.body, scope)
        finally:
            self.handling.pop()
            if handler.name:
                scope.home(handler.name).names.pop(handler.name, None)
