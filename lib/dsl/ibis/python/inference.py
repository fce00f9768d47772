"""Guesses a schema for a text that came without one, and revises the guess while Ibis complains and it helps."""

import ast
import re

from usage import CANDIDATES, Column, Usage

MAX_BUILDS = 24
MISSING = re.compile(r"^Column '(.*?)' is not found in table\.|^'Table' object has no attribute '(.*?)'")


class Guess:
    """Tables, their columns, and the type now tried for each."""

    def __init__(self, tree, usage):
        self.tree, self.usage = tree, usage
        self.chosen = {
            t: {c: column.types[0] for c, column in columns.items()} for t, columns in usage.tables.items()
        }

    def schema(self):
        return {table: dict(columns) for table, columns in self.chosen.items()}

    def with_type(self, table, column, dtype):
        schema = self.schema()
        schema[table][column] = dtype
        return schema

    def alternatives(self, failure):
        """Schemas that differ from the present one in what the failing node speaks of, the likeliest first."""
        missing = MISSING.match(str(failure.error))
        name = missing and (missing[1] or missing[2])
        if name and not self.is_called(name):
            root = self.usage.root(failure.node) if failure.node is not None else None
            for table in [root] if root in self.chosen else list(self.chosen):
                if name not in self.chosen[table]:
                    yield self.with_type(table, name, "float64")
        within = set(ast.walk(failure.node)) if failure.node is not None else set()
        touched = dict.fromkeys((t, c) for t, c, node in self.usage.references if node in within)
        for table, column in reversed(touched):
            known = self.usage.tables[table].get(column) or Column()
            for dtype in dict.fromkeys([*known.types, *CANDIDATES]):
                if dtype != self.chosen[table][column]:
                    yield self.with_type(table, column, dtype)

    def is_called(self, name):
        """A name that is called is a missing method, not a missing column."""
        return any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == name
            for n in ast.walk(self.tree)
        )


def build(tree, make_tables, build_tree, failure_type, policy):
    """`(expression, schema)` of a tree without a schema. A failure carries the last schema as `schema`."""
    guess = Guess(tree, Usage(tree, policy.names))
    builds = 0

    def attempt(schema):
        nonlocal builds
        builds += 1
        try:
            return build_tree(tree, make_tables(schema)), None
        except failure_type as failure:
            return None, failure

    expr, failure = attempt(guess.schema())
    while failure is not None and failure.stage in ("names", "build"):
        for schema in guess.alternatives(failure):
            if builds >= MAX_BUILDS:
                break
            expr, next_failure = attempt(schema)
            if next_failure is None or place(next_failure) > place(failure):
                guess.chosen, failure = schema, next_failure
                break
        else:
            break
        if builds >= MAX_BUILDS:
            break
    if failure is not None:
        failure.schema = guess.schema()
        raise failure
    return expr, guess.schema()


def place(failure):
    """How far the text was understood: the end of the node at which it failed."""
    return (0, 0) if failure.node is None else (failure.node.end_lineno, failure.node.end_col_offset)
