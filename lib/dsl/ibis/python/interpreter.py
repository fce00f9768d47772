"""Evaluates a text by walking its syntax tree. User text is never run as code: no `exec`, no `eval`.

The value of the last expression or assignment that stands in the text itself, not in a function, is what the text
computes. Each exception is kept with the innermost node at which it happened, so that the verdict can point into the text.
"""

import ast

from classes import Classes
from contexts import Contexts
from expressions import Expressions
from functions import Functions
from generators import Generators
from limits import Refused
from patterns import Patterns
from policy import Policy
from statements import Statements, is_docstring, new_module
from syntax import parse

__all__ = ["Interpreter", "parse"]

MAX_STEPS = 100_000
MAX_NESTING = 320
# What is large costs more steps, so that a text cannot fill the memory with many large values.
SIZED = (list, tuple, dict, set, str, bytes)
ITEMS_PER_STEP = 50


def cut_context(error):
    """Python walks all that an exception was raised in the midst of: without an end it takes the square of their number."""
    for _ in range(8):
        if error.__context__ is None:
            return
        error = error.__context__
    error.__context__ = None


class Interpreter(Statements, Classes, Patterns, Contexts, Generators, Functions, Expressions):
    def __init__(self, policy: Policy, tables):
        self.policy = policy
        self.globals = new_module({**policy.names, **tables})
        self.steps = 0
        self.nesting = 0
        self.value = None  # of the last statement that has one
        self.shown = None  # what a function of the text printed last
        self.docstring = None  # the statement that is the text's own documentation
        self.lazy_annotations = False  # from __future__ import annotations
        self.handled = []  # the exceptions whose handlers run now
        self.failure = None  # (exception, node): the innermost node at which the latest exception passed

    def run(self, tree):
        """The value that `tree` computes."""
        first = tree.body[0]
        self.docstring = first if isinstance(first, ast.Expr) and is_docstring(first) else None
        self.block(tree.body, self.globals)
        return self.value

    def step(self, node):
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.refuse(node, f"the text takes over {MAX_STEPS} steps to evaluate")

    def refuse(self, node, message, stage="build"):
        error = Refused(message, stage)
        self.failure = (error, node)
        return error

    def guarded(self, step, node, scope):
        self.nesting += 1
        try:
            if self.nesting > MAX_NESTING:
                raise RecursionError("maximum recursion depth exceeded")
            return step(node, scope)
        except Exception as error:
            if self.failure is None or self.failure[0] is not error:
                cut_context(error)
                self.failure = (error, node)
            raise
        finally:
            self.nesting -= 1

    def evaluate(self, node, scope):
        self.step(node)
        value = self.guarded(getattr(self, "on_" + type(node).__name__), node, scope)
        if isinstance(value, SIZED):
            self.steps += len(value) // ITEMS_PER_STEP
        return value

    def load(self, node, scope):
        """Imports bring nothing in: they give a name to what is there."""
        for alias in node.names:
            if getattr(node, "module", None) == "__future__" and alias.name == "annotations":
                self.lazy_annotations = True
            if isinstance(node, ast.Import):
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                self.policy.load(alias.name)
                scope.bind(alias.asname or name, self.policy.load(name))
            elif node.level or alias.name == "*":
                raise Refused(f"`from {node.module or '.'} import {alias.name}` is not available: only names are")
            else:
                scope.bind(alias.asname or alias.name, self.policy.load_from(node.module, alias.name))
