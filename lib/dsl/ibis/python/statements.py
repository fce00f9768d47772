"""What a text does, statement by statement."""

import ast
import collections
import contextlib
import operator

import exceptions
from functions import Return
from guarded import Printed
from limits import Refused, bound_items
from scopes import Scope
from values import CONTAINERS, iter_of

IN_PLACE = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.BitOr: operator.ior,
    ast.BitAnd: operator.iand, ast.BitXor: operator.ixor,
}  # fmt: skip


ITEMS = (list, dict, collections.deque)  # what has items to store and delete


class Break(BaseException):
    """Leaves a loop."""


class Continue(BaseException):
    """Goes on with a loop's next turn."""


class Statements:
    """Part of the interpreter. `do_X(node, scope)` runs one statement."""

    def block(self, statements, scope):
        for statement in statements:
            self.statement(statement, scope)

    def statement(self, node, scope):
        self.step(node)
        self.guarded(getattr(self, "do_" + type(node).__name__), node, scope)

    def outcome(self, scope, value):
        """Remembers the value of a statement of the module: the last one's is what the text computes."""
        if scope.outer is None:
            self.value = value

    def do_Expr(self, node, scope):
        value = self.evaluate(node.value, scope)
        if isinstance(value, Printed):
            if self.policy.result(value) is None:
                return  # a remark of the program's
            self.shown = value
        if value is None and self.shown is not None:
            value = self.shown  # a function that prints what it made
        if node is not self.docstring:
            self.outcome(scope, value)

    def do_Pass(self, node, scope):
        pass

    do_Global = do_Nonlocal = do_Pass

    def do_Import(self, node, scope):
        self.load(node, scope)

    do_ImportFrom = do_Import

    # Assignments.

    def do_Assign(self, node, scope):
        value = self.evaluate(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)
        self.outcome(scope, value)

    def do_AnnAssign(self, node, scope):
        if node.value is not None:
            value = self.evaluate(node.value, scope)
            self.assign(node.target, value, scope)
            self.outcome(scope, value)

    def do_AugAssign(self, node, scope):
        target, kind = node.target, type(node.op)
        if isinstance(target, ast.Name):
            old, store = self.on_Name(target, scope), lambda value: scope.bind(target.id, value)
        elif isinstance(target, ast.Subscript):
            holder, index = self.evaluate(target.value, scope), self.evaluate(target.slice, scope)
            old, store = self.item(holder, index), lambda value: self.store_item(holder, index, value)
        else:
            holder = self.evaluate(target.value, scope)
            old = self.policy.attribute(holder, target.attr)
            store = lambda value: self.store_attribute(holder, target.attr, value)
        value = self.evaluate(node.value, scope)
        self.bound(kind, old, value)
        if type(old) in (list, set, dict) and kind in IN_PLACE:
            self.bound_growth(old, value)
            result = IN_PLACE[kind](old, value)
        else:
            result = self.binary(kind, old, value)
        store(self.policy.admit(result))
        self.outcome(scope, result)

    def assign(self, target, value, scope):
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, item in self.unpack(target.elts, value):
                self.assign(part, item, scope)
        elif isinstance(target, ast.Subscript):
            holder = self.evaluate(target.value, scope)
            self.store_item(holder, self.evaluate(target.slice, scope), value)
        elif isinstance(target, ast.Attribute):
            self.store_attribute(self.evaluate(target.value, scope), target.attr, value)

    def unpack(self, targets, value):
        """`(target, value)` of a tuple of targets, of which one may be starred."""
        items = self.items_of(value, f"cannot unpack non-iterable {type(value).__name__} object")
        starred = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
        wanted = len(targets)
        if starred is None:
            if len(items) > wanted:
                raise ValueError(f"too many values to unpack (expected {wanted})")
            if len(items) < wanted:
                raise ValueError(f"not enough values to unpack (expected {wanted}, got {len(items)})")
            return zip(targets, items)
        after = wanted - starred - 1
        if len(items) < wanted - 1:
            raise ValueError(f"not enough values to unpack (expected at least {wanted - 1}, got {len(items)})")
        middle = items[starred : len(items) - after]
        values = [*items[:starred], middle, *items[len(items) - after :]]
        return zip([t.value if isinstance(t, ast.Starred) else t for t in targets], values)

    def store_item(self, holder, index, value):
        if not isinstance(holder, ITEMS):
            raise TypeError(f"'{type(holder).__name__}' object does not support item assignment")
        holder[index] = value
        self.policy.admit(holder)

    def store_attribute(self, holder, name, value):
        self.policy.assign(holder, name, value)

    def do_Delete(self, node, scope):
        for target in node.targets:
            if isinstance(target, ast.Name):
                scope.unbind(target.id)
            elif isinstance(target, ast.Subscript):
                holder, index = self.evaluate(target.value, scope), self.evaluate(target.slice, scope)
                if not isinstance(holder, ITEMS):
                    raise TypeError(f"'{type(holder).__name__}' object doesn't support item deletion")
                del holder[index]
            else:
                raise self.refuse(target, "an attribute cannot be deleted")

    # Branches and loops.

    def do_If(self, node, scope):
        self.block(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    def do_For(self, node, scope):
        self.loop(node, scope, iter_of(self.evaluate(node.iter, scope)), lambda item: self.assign(node.target, item, scope))

    def do_While(self, node, scope):
        self.loop(node, scope, iter(lambda: bool(self.evaluate(node.test, scope)), False), lambda _: None)

    def loop(self, node, scope, turns, begin):
        for turn in turns:
            self.step(node)
            begin(turn)
            try:
                self.block(node.body, scope)
            except Continue:
                continue
            except Break:
                return
        self.block(node.orelse, scope)

    def do_Break(self, node, scope):
        raise Break

    def do_Continue(self, node, scope):
        raise Continue

    def do_Return(self, node, scope):
        raise Return(None if node.value is None else self.evaluate(node.value, scope))

    # Exceptions.

    def do_Assert(self, node, scope):
        if not self.evaluate(node.test, scope):
            raise AssertionError(*([] if node.msg is None else [self.evaluate(node.msg, scope)]))

    def do_Raise(self, node, scope):
        if node.exc is None:
            raise self.handled[-1] if self.handled else RuntimeError("No active exception to reraise")
        error = exceptions.raised(self.evaluate(node.exc, scope))
        if node.cause is not None:
            self.evaluate(node.cause, scope)
        raise error

    def do_Try(self, node, scope):
        refused = False
        try:
            try:
                self.block(node.body, scope)
            except Refused:
                raise
            except Exception as error:
                handler = self.handler(node, error, scope)
                if handler is None:
                    raise
                with self.handling(handler, error, scope):
                    self.block(handler.body, scope)
            else:
                self.block(node.orelse, scope)
        except Refused:
            refused = True  # a text does not get over the limits of its check
            raise
        finally:
            if not refused:
                self.block(node.finalbody, scope)

    def handler(self, node, error, scope):
        """The handler of a `try` that takes `error`, or None."""
        return next((h for h in node.handlers if h.type is None or self.catches(h.type, error, scope)), None)

    def catches(self, node, error, scope):
        kinds = self.evaluate(node, scope)
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if not exceptions.is_exception(kind):
                raise TypeError("catching classes that do not inherit from BaseException is not allowed")
            if isinstance(error, kind):
                return True
        return False

    @contextlib.contextmanager
    def handling(self, handler, error, scope):
        """While a handler runs: its name, and what a bare `raise` raises again."""
        self.failure = None
        self.handled.append(error)
        if handler.name:
            scope.bind(handler.name, exceptions.Caught(error))
        try:
            yield
        finally:
            self.handled.remove(error)
            if handler.name:
                scope.forget(handler.name)

    def bound_growth(self, old, value):
        if isinstance(value, CONTAINERS):
            bound_items(len(old) + len(value), type(old).__name__)


def is_docstring(node):
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def new_module(names):
    """The scope of a text, with the names that it finds."""
    scope = Scope()
    scope.update(names)
    scope["__name__"] = "__main__"
    return scope
