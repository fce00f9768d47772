"""Finds a schema under which a text builds that came without one.

The text is evaluated over tables that hold nothing yet. Each time Ibis misses a column or refuses a type, its exception
tells which value it was about, and the value which columns of which tables it comes from; they are mended and the text
is evaluated again. So loops, functions and computed names need no analysis of their own. Of what type a column may be,
the syntax tree tells (`usage.py`).
"""

import ast
import re
import types

import ibis.common.exceptions as exc
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.expr.types.groupby import GroupedTable
from interpreter import Interpreter
from policy import Refused
from provenance import ITEM, Provenance, Slot, added, frames, part, relation_of, replaced
from usage import ANY_METHOD, CANDIDATES, METHODS, PROPERTIES, Usage
from wants import PLACEHOLDER, example, matches, names_wanted, selectors_in

MAX_BUILDS = 80
MAX_STEPS = 400_000  # of all builds together
QUOTED = re.compile(r"'([^']*)'")
# Messages about columns that a table lacks, beside that of `ops.Field` itself.
ABSENT = re.compile(r"^(Column .* is not found in table|Columns \[.*\] are not present in|Cast schema has fields)", re.DOTALL)


class Wanted(Exception):
    """A call is about to be made on `rel`, which lacks these columns: name → type, or None where it is open."""

    def __init__(self, rel, columns, key):
        super().__init__()
        self.rel, self.columns, self.key = rel, columns, key


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
        rel = relation_of(receiver)
        names = names_wanted(method, args, kwargs, True)
        missing = {n: None for n in names if n not in rel.schema}
        self.ask(rel, missing, (method, *missing))
        for selector in selectors_in(method, args, kwargs):
            table = rel.to_expr()
            if not matches(selector, table):
                key = (method, repr(selector))
                if (self.done, *key) not in self.given_up:
                    self.ask(rel, example(selector, table) or {}, key)

    def ask(self, rel, columns, key):
        key = (self.done, *key)
        if columns and key not in self.given_up:
            raise Wanted(rel, columns, key)


class Guess:
    """The schema now tried, and what is known of the text's columns."""

    def __init__(self, tree, policy):
        self.tree = tree
        self.usage = Usage(tree, policy.names)
        self.formats = join_formats(tree)
        self.schema = {table: {} for table in self.usage.tables}
        self.given_up = set()

    def dtype(self, column):
        return self.usage.candidates(column)[0]

    def with_columns(self, additions):
        """The schema with `additions`: (slot, type or None)."""
        schema = {table: dict(columns) for table, columns in self.schema.items()}
        for slot, dtype in additions:
            added(schema[slot.table], slot, dtype or self.dtype(name_of(slot)))
        return schema

    def with_types(self, changes):
        """The schema with `changes`: (slot, type)."""
        schema = {table: dict(columns) for table, columns in self.schema.items()}
        for slot, dtype in changes:
            columns = schema[slot.table]
            if part(columns[slot.column], slot.path) is not None:  # else an earlier change took it away
                columns[slot.column] = replaced(columns[slot.column], slot.path, dtype)
        return schema

    def type_of(self, slot):
        return part(self.schema.get(slot.table, {}).get(slot.column), slot.path)

    # What a failure asks for.

    def proposals(self, failure):
        """Schemas that may mend `failure`, the likeliest first."""
        error = failure.error
        origin = Provenance(failure.tables)
        if isinstance(error, NameError):
            if not self.usage.is_called_name(error.name):
                yield {**self.schema, error.name: {}}
            return
        if isinstance(error, Wanted):
            yield from self.additions(origin, error.rel, error.columns)
            return
        for seen in causes(error):
            missing = missing_column(seen)
            if missing is not None:
                rel, name = missing
                if not self.is_method(name, failure):
                    yield from self.additions(origin, rel, {name: None})
                return
        if isinstance(error, exc.IntegrityError):
            return  # columns of a table that has no part in the operation, whatever their types
        yield from self.of_set_operation(origin, error)
        yield from self.of_attribute(origin, failure)
        yield from self.of_types(origin, error)
        yield from self.of_empty_tables(error, origin)

    def additions(self, origin, rel, columns):
        """Ways to give `rel` these columns: all that can be given at once, then one after the other."""
        ways = {name: [w for w in origin.sources(rel, name, self.formats) if w] for name in columns}
        together = [(way[0], name, dtype) for name, dtype in columns.items() if (way := ways[name])]
        for choice in [together, *([(way, n, t)] for n, t in columns.items() for way in ways[n])]:
            if choice:
                yield self.with_columns(
                    (slot, dtype if name_of(slot) == name else None)
                    for way, name, dtype in choice
                    for slot in sorted(way, key=str)
                )

    def is_method(self, name, failure):
        return (
            isinstance(failure.error, AttributeError)
            and self.usage.is_only_called(name, failure.node)
        )

    def of_set_operation(self, origin, error):
        """Tables of a set operation have the same columns of the same types."""
        for name, local in frames(error)[:1]:
            left, right = local.get("left"), local.get("right")
            if name != "__init__" or not isinstance(left, ops.Relation) or not isinstance(right, ops.Relation):
                continue
            missing = []
            for one, other in ((left, right), (right, left)):
                for column in one.schema:
                    if column not in other.schema:
                        for way in origin.sources(other, column)[:1]:
                            dtype = one.schema[column]
                            missing += [(s, dtype if name_of(s) == column else None) for s in sorted(way, key=str)]
            if missing:
                yield self.with_columns(missing)
            for one, other in ((left, right), (right, left)):
                changes = [
                    (slot, one.schema[column])
                    for column in one.schema
                    if column in other.schema and one.schema[column] != other.schema[column]
                    for slot in origin.exact(ops.Field(other, column))
                ]
                if changes:
                    yield self.with_types(changes)

    def of_attribute(self, origin, failure):
        """A value lacks a method or a field: the types that have it."""
        error = failure.error
        value, name = getattr(error, "obj", None), getattr(error, "name", None)
        if isinstance(error, KeyError):
            value, name = struct_and_field(error)
        if not isinstance(value, ir.Value) or not isinstance(name, str):
            return
        slots = origin.exact(value) or items_of_array(origin, error, value)
        if not slots:
            return
        now = self.type_of(slots[0])
        called = self.is_method(name, failure)
        if isinstance(now, dt.Struct) and not called:
            wider = dt.Struct({**now.fields, name: self.dtype(name)})
            yield self.with_types((slot, wider) for slot in slots)
        members = METHODS if called else PROPERTIES
        fitting = [t for t in self.types_for(slots[0]) if name in members.get(t, ())]
        if not fitting and isinstance(error, AttributeError) and not called and name not in ANY_METHOD:
            fitting = [dt.Struct({name: self.dtype(name)})]
        for dtype in fitting:
            yield self.with_types((slot, dtype) for slot in slots)

    def of_types(self, origin, error):
        """Other types for the columns that the failing operation works on, those of the innermost call first."""
        tried = set()
        for slots in suspects(origin, error):
            slots = [s for s in slots if self.type_of(s) is not None]
            for slot in slots:
                if slot not in tried:
                    tried.add(slot)
                    for dtype in self.types_for(slot):
                        yield self.with_types([(slot, dtype)])
            if len(slots) > 1:
                for dtype in self.types_for(slots[0]):
                    yield self.with_types((slot, dtype) for slot in slots)

    def types_for(self, slot):
        name = name_of(slot)
        likely = self.usage.candidates(name) if name is not None else []
        now = self.type_of(slot)
        return [t for t in dict.fromkeys([*likely, *CANDIDATES]) if t != now]

    def of_empty_tables(self, error, origin):
        """A table without a column may be all that is wrong."""
        empty = [t for t, columns in self.schema.items() if not columns]
        if empty:
            yield self.with_columns((Slot(t, PLACEHOLDER), None) for t in empty)


def suspects(origin, error):
    """The slots that a failing operation works on: for each call that the exception passed, the innermost first."""
    for seen in causes(error):
        value = getattr(seen, "obj", None)
        if origin.slots(value):
            yield origin.slots(value)
        for of_tables in (False, True):
            for _, local in frames(seen):
                values = [v for v in map(operand, local.values()) if is_table(v) is of_tables]
                slots = tuple(dict.fromkeys([*origin.columns(values), *origin.slots(values)]))
                if slots:
                    yield slots


def struct_and_field(error):
    """The struct that lacks a field, and the field's name, if that is what happened; else None and None."""
    value, name = getattr(error, "obj", None), getattr(error, "name", None)
    if isinstance(error, KeyError) and error.args:
        name = error.args[0]
        value = next((v for _, local in frames(error) if isinstance(v := local.get("self"), ir.StructValue)), None)
    return (value, name) if isinstance(value, ir.StructValue) and isinstance(name, str) else (None, None)


def operand(value):
    """A local variable, or what a bound method is bound to; None for a scope of the interpreter."""
    if isinstance(value, dict) and "ibis" in value:
        return None
    return value.__self__ if isinstance(value, types.MethodType) else value


def is_table(value):
    return relation_of(value) is not None


def items_of_array(origin, error, value):
    """The slots of the array whose items `value`, the parameter of a function, stands for."""
    for _, local in frames(error):
        array = local.get("self")
        if isinstance(array, ir.ArrayValue) and array.type().value_type == value.type():
            return [slot._replace(path=(*slot.path, ITEM)) for slot in origin.exact(array)]
    return []


def name_of(slot):
    """What the text calls it; None for an item of an array or a map."""
    return slot.path[-1] if slot.path else slot.column


def causes(error):
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def missing_column(error):
    """`(relation, name)` where Ibis found no such column; None where that is not what happened."""
    value, name = getattr(error, "obj", None), getattr(error, "name", None)
    if isinstance(error, AttributeError) and isinstance(name, str) and relation_of(value) is not None:
        return relation_of(value), name
    if isinstance(error, (AttributeError, Wanted)):
        return None
    if not isinstance(error, KeyError) and not ABSENT.match(str(error)):
        return None
    for function, local in frames(error):
        if function == "__init__" and isinstance(local.get("rel"), ops.Relation) and "name" in local:
            name = local["name"]
            return (local["rel"], name) if isinstance(name, str) and name not in local["rel"].schema else None
        rel = next((r for key in ("table", "self") if (r := relation_of(local.get(key))) is not None), None)
        if rel is not None:
            quoted = [n for n in QUOTED.findall(str(error).split(" in (")[0].split("Existing columns")[0])]
            absent = [n for n in quoted if n not in rel.schema]
            return (rel, absent[0]) if absent else None
    return None


def join_formats(tree):
    """The patterns by which the text's joins rename columns of either side."""
    return [
        k.value.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        for k in n.keywords
        if k.arg in ("lname", "rname") and isinstance(k.value, ast.Constant) and "{name}" in str(k.value.value)
    ]


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
    """`(expression, schema)` of a tree without a schema. A failure carries the last schema as `schema`."""
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
    if attempt.failure is not None:
        attempt.failure.schema = schema
        raise attempt.failure
    return attempt.expr, schema
