"""Evaluates a text by walking its syntax tree. What CPython compiles of it is never run: no `exec`, no `eval`.

The value of the last expression or assignment that was evaluated outside functions is the result, as in a notebook's
cell: imports, definitions, `del` and settings of options after it leave it. Each exception is kept with the innermost
node at which it happened, so that the verdict can point into the text.
"""

import ast

from expressions import Expressions
from policy import Policy, Refused
from scopes import Scope
from statements import Statements
from syntax import parse

__all__ = ["Interpreter", "parse"]

MAX_STEPS = 100_000


class Interpreter(Statements, Expressions):
    def __init__(self, policy: Policy, tables):
        self.policy = policy
        self.globals = Scope({"__name__": "__main__", **policy.names, **tables})
        self.steps = self.calls = 0
        self.value = None
        self.handling = []  # the exceptions whose handlers are running, the innermost last
        self.future = False  # whether annotations are left unevaluated
        self.failure = None  # (exception, node): the innermost node at which the latest exception passed

    def run(self, tree):
        self.future = any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
        )
        self.block(tree.body, self.globals)
        return self.policy.result(self.value) if hasattr(self.policy, "result") else self.value

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

    def spend(self, node):
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.refuse(node, f"the text takes over {MAX_STEPS} steps to evaluate")

    def evaluate(self, node, scope):
        self.spend(node)
        return self.guarded(getattr(self, "on_" + type(node).__name__), node, scope)
