"""A schema that is being guessed, and the schemas that may mend what an exception of Ibis says is wrong with it."""

import ast

import ibis.common.exceptions as exc
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from failures import causes, frames, items_of_array, missing_column, struct_and_field, suspects
from limits import Refused
from provenance import Provenance, Slot, added, name_of, part, replaced
from tables import table_name
from usage import ANY_METHOD, CANDIDATES, METHODS, MODULES, PROPERTIES, Usage
from wants import PLACEHOLDER, Wanted


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

    def is_certain(self, failure):
        """Whether `failure` stands under every schema: no guess is at fault."""
        error = failure.error
        name = getattr(error, "name", None)
        if isinstance(error, (exc.IntegrityError, exc.TableNotFound, NameError, Refused)) or failure.stage not in ("names", "build"):
            return True
        if isinstance(error, AttributeError) and self.is_method(name, failure) and name not in ANY_METHOD:
            return True
        if any(missing_column(seen) for seen in causes(error)):
            return True  # it was given wherever it could have come from
        slots = next(suspects(Provenance(failure.tables), error), ())
        return len(slots) < 2  # of a single one every type was tried

    def proposals(self, failure):
        """Schemas that may mend `failure`, the likeliest first."""
        error = failure.error
        origin = Provenance(failure.tables)
        if isinstance(error, exc.TableNotFound):
            yield {**self.schema, table_name(error.name): {}}
            return
        if isinstance(error, NameError):
            if error.name not in MODULES and not self.usage.is_called_name(error.name):
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
        yield from self.of_listed_tables(error)
        yield from self.of_selection(error)
        if isinstance(error, exc.IntegrityError):
            return  # columns of a table that has no part in the operation, whatever their types
        if isinstance(error, AttributeError) and self.is_method(error.name, failure) and error.name not in ANY_METHOD:
            return  # a method that no value has
        yield from self.of_set_operation(origin, error)
        yield from self.of_attribute(origin, failure)
        yield from self.of_types(origin, error)
        yield from self.of_empty_tables(error, origin)
        yield from self.wider(self.usage.equal_names)

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
        """Whether `name`, which an object lacks, is called as a method of it."""
        return isinstance(failure.error, AttributeError) and self.usage.is_only_called(name, failure.node)

    def of_listed_tables(self, error):
        """A connection lists the tables that the text looks for by name in what it makes of the list."""
        name = error.args[0] if isinstance(error, KeyError) and error.args else None
        if isinstance(name, str) and self.usage.lists_tables and name not in self.schema:
            yield {**self.schema, name: {}}

    def of_selection(self, error):
        """A table may hold more than the columns that the text names: those that it looks for among `columns` by a part
        of their names, and others at its ends."""
        yield from self.wider(self.usage.name_parts)
        if str(error).startswith("Duplicate column name"):
            for table, columns in self.schema.items():
                last = f"{PLACEHOLDER}_last"
                if last not in columns:
                    yield {**self.schema, table: {PLACEHOLDER: dt.string, **columns, last: dt.string}}

    def wider(self, names):
        """Each table with the columns `names`, where no table has them."""
        named = [n for n in names if all(n not in columns for columns in self.schema.values())]
        if named:
            for table, columns in self.schema.items():
                # One beside them, for a text that leaves out what it finds.
                yield {**self.schema, table: {**columns, **{n: self.dtype(n) for n in named}, PLACEHOLDER: dt.string}}

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


def join_formats(tree):
    """The patterns by which the text's joins rename columns of either side."""
    return [
        k.value.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        for k in n.keywords
        if k.arg in ("lname", "rname") and isinstance(k.value, ast.Constant) and "{name}" in str(k.value.value)
    ]
