"""The text's own generators: functions that yield. Their statements are walked by Python generators of ours.

A `yield` stands as a statement of its own (`syntax.py` sees to it), so only statements need a second way of being run: those
that hold one.
"""

import ast

from functions import Return
from iterators import iterator
from limits import Refused
from scopes import yields
from statements import Break, Continue
from values import iter_of


class Generators:
    """Part of the interpreter. `yield_X(node, scope)` runs a statement that yields."""

    def generator(self, node, scope):
        def run():
            try:
                yield from self.yielding(node.body, scope)
            except Return as done:
                return done.value

        return iterator("generator", run())

    def yielding(self, statements, scope):
        for statement in statements:
            if yields(statement):
                self.step(statement)
                yield from getattr(self, "yield_" + type(statement).__name__)(statement, scope)
            else:
                self.statement(statement, scope)

    def yield_Expr(self, node, scope):
        given = node.value.value
        value = None if given is None else self.evaluate(given, scope)
        if isinstance(node.value, ast.Yield):
            yield value
            return
        for item in iter_of(value):
            self.step(node)
            yield item

    def yield_If(self, node, scope):
        yield from self.yielding(node.body if self.evaluate(node.test, scope) else node.orelse, scope)

    def yield_For(self, node, scope):
        turns = iter_of(self.evaluate(node.iter, scope))
        yield from self.turns(node, scope, (self.assign(node.target, item, scope) for item in turns))

    def yield_While(self, node, scope):
        yield from self.turns(node, scope, iter(lambda: bool(self.evaluate(node.test, scope)), False))

    def turns(self, node, scope, turns):
        for _ in turns:
            self.step(node)
            try:
                yield from self.yielding(node.body, scope)
            except Continue:
                continue
            except Break:
                return
        yield from self.yielding(node.orelse, scope)

    def yield_With(self, node, scope):
        with self.entered(node, scope):
            yield from self.yielding(node.body, scope)

    def yield_Match(self, node, scope):
        yield from self.yielding(self.chosen(node, scope), scope)

    def yield_Try(self, node, scope):
        over = False  # refused, or dropped with items left: nothing more of it is run
        try:
            try:
                yield from self.yielding(node.body, scope)
            except Refused:
                raise
            except Exception as error:
                handler = self.handler(node, error, scope)
                if handler is None:
                    raise
                with self.handling(handler, error, scope):
                    yield from self.yielding(handler.body, scope)
            else:
                yield from self.yielding(node.orelse, scope)
        except (Refused, GeneratorExit):
            over = True
            raise
        finally:
            if not over:
                yield from self.yielding(node.finalbody, scope)
