"""Finds a schema under which a text builds that came without one.

The text is evaluated over tables that hold nothing yet. Each time Ibis misses a column or refuses a type, its exception
tells which value it was about, and the value which columns of which tables it comes from; they are mended and the text
is evaluated again. So loops, functions and computed names need no analysis of their own. Of what type a column may be,
the syntax tree tells (`usage.py`).
"""

import ibis.expr.types as ir
from failures import causes, missing_column, relation_of, struct_and_field, suspects
from guess import Guess
from ibis.expr.types.groupby import GroupedTable
from interpreter import Interpreter
from limits import Refused
from provenance import Provenance, Slot
from wants import PLACEHOLDER, Wanted, example, matches, names_wanted, selectors_in

MAX_BUILDS = 80
MAX_STEPS = 400_000  # of all builds together


class Learner(Interpreter):
    """Asks for the columns that a call wants before it is made. `given_up`: what was asked for in vain."""

    def __init__(self, policy, tables, given_up):
        super().__init__(policy, tables)
        self.given_up = given_up
        self.done = 0  # evaluations that ended well: how far the text was understood

    def evaluate(self, node, scope):
        value = super().evaluate(node, scope)
        self.done += 1
        return value

    def invoke(self, function, args, kwargs):
        receiver = getattr(function, "__self__", None)
        if isinstance(receiver, (ir.Table, GroupedTable)):
            self.want(receiver, function.__name__, args, kwargs)
        return super().invoke(function, args, kwargs)

    def want(self, receiver, method, args, kwargs):
        rel, done = relation_of(receiver), self.done
        names = names_wanted(method, args, kwargs, True)
        missing = {n: None for n in names if n not in rel.schema}
        self.ask(rel, missing, (method, *missing))
        for selector in selectors_in(method, args, kwargs):
            table = rel.to_expr()
            key = (method, repr(selector))
            if not matches(selector, table) and (done, *key) not in self.given_up:
                columns = example(selector, table) or {}
                self.done = done  # what the text's own predicates evaluate is no progress
                self.ask(rel, columns, key)
            self.done = done

    def ask(self, rel, columns, key):
        key = (self.done, *key)
        if columns and key not in self.given_up:
            raise Wanted(rel, columns, key)


class Attempt:
    """One evaluation over one schema."""

    def __init__(self, schema, expr, failure, done):
        self.schema, self.expr, self.failure, self.done = schema, expr, failure, done

    def reason(self):
        """What it failed at, to see whether another attempt failed at something else."""
        error, origin = self.failure.error, Provenance(self.failure.tables)
        missing = next((m for seen in causes(error) if (m := missing_column(seen)) is not None), None)
        if missing is not None:
            return (missing[1], str(origin.sources(*missing)))
        if isinstance(error, Wanted):
            return tuple(error.columns)
        first = next(suspects(origin, error), ())
        return (type(error).__name__, getattr(error, "name", None), first)


class Search:
    def __init__(self, tree, make_tables, build_tree, failure_type, policy):
        self.tree, self.make_tables, self.build_tree = tree, make_tables, build_tree
        self.failure_type = failure_type
        self.guess = Guess(tree, policy)
        self.builds = self.steps = 0
        self.seen = set()

    def attempt(self, schema):
        self.builds += 1
        tables = self.make_tables(schema)
        learner = []

        def interpreter(policy, names):
            learner.append(Learner(policy, names, self.guess.given_up))
            return learner[0]

        expr = failure = None
        try:
            expr = self.build_tree(self.tree, tables, interpreter)
        except self.failure_type as raised:
            failure = raised
            failure.tables = tables
        self.steps += learner[0].steps
        return Attempt(schema, expr, failure, learner[0].done)

    def exhausted(self):
        return self.builds >= MAX_BUILDS or self.steps >= MAX_STEPS

    def mend(self, attempt):
        """`attempt`, or the furthest that the guess could be brought from it."""
        passed = {(attempt.done, attempt.reason())} if attempt.failure is not None else set()
        while attempt.failure is not None and not self.exhausted():
            self.guess.schema = attempt.schema
            following = self.improve(attempt, passed)
            if following is None:
                if not isinstance(attempt.failure.error, Wanted):
                    break
                self.guess.given_up.add(attempt.failure.error.key)
                following = self.attempt(attempt.schema)
            attempt = following
            if attempt.failure is not None:
                passed.add((attempt.done, attempt.reason()))
        return attempt

    def improve(self, attempt, passed):
        """The next attempt that comes further than `attempt`; else one that fails at something new; else None."""
        if attempt.failure.stage not in ("names", "build") or isinstance(attempt.failure.error, Refused):
            return None
        sideways = None
        for schema in self.guess.proposals(attempt.failure):
            key = str(schema)
            if key in self.seen:
                continue
            if self.exhausted():
                break
            self.seen.add(key)
            tried = self.attempt(schema)
            if tried.failure is None or tried.done > attempt.done:
                return tried
            if tried.done == attempt.done and (tried.done, tried.reason()) not in passed:
                if is_directed(attempt.failure.error):
                    return tried
                if sideways is None and self.fails_elsewhere(attempt, tried):
                    sideways = tried
        return sideways

    def fails_elsewhere(self, before, after):
        """Whether the types that were changed are not what fails now."""
        error = after.failure.error
        if isinstance(error, Wanted):
            return False  # before the change the call had what it wants
        struct, name = struct_and_field(error)
        if struct is not None and not self.guess.is_method(name, after.failure):
            return True  # it has become a struct and now lacks another field
        changed = {
            (table, column)
            for table, columns in after.schema.items()
            for column, dtype in columns.items()
            if before.schema[table].get(column) != dtype
        }
        failing = next(suspects(Provenance(after.failure.tables), error), ())
        return changed.isdisjoint((slot.table, slot.column) for slot in failing)


def is_directed(error):
    """Whether the exception itself says what is missing, so that one try tells."""
    return isinstance(error, Wanted) or any(missing_column(e) for e in causes(error))


def build(tree, make_tables, build_tree, failure_type, policy):
    """`(expression, schema)` of a tree without a schema.

    A failure carries the last schema as `schema`, and as `depends` whether another schema may let the text pass.
    """
    search = Search(tree, make_tables, build_tree, failure_type, policy)
    attempt = search.mend(search.attempt(search.guess.schema))
    if attempt.failure is None and not all(attempt.schema.values()):
        # A table has at least one column; with it, whatever goes over all columns is evaluated at all.
        search.guess.schema = attempt.schema
        placed = search.guess.with_columns(
            (Slot(t, PLACEHOLDER), None) for t, c in attempt.schema.items() if not c
        )
        attempt = search.mend(search.attempt(placed))
    schema = {t: {c: str(dtype) for c, dtype in columns.items()} for t, columns in attempt.schema.items()}
    if attempt.failure is None:
        return attempt.expr, schema
    try:
        if isinstance(attempt.failure.error, Wanted):  # no exception of Ibis: evaluated as it stands
            return build_tree(tree, make_tables(attempt.schema)), schema
        raise attempt.failure
    except failure_type as failure:
        failure.schema = schema
        failure.tables = attempt.failure.tables
        failure.depends = search.exhausted() or not search.guess.is_certain(failure)
        raise
