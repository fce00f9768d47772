"""Names of tables as schemas have them, read as `lib/dsl/table-name.ts` reads them: a dot parts catalog, database and
table, and a part in double quotes may hold a dot itself."""

import re

QUOTED = re.compile(r'"((?:[^"]|"")+)"(?=\.|$)')


def table_parts(name):
    """The parts of a schema's table name, the table last."""
    parts, rest = [], name
    while True:
        quoted = QUOTED.match(rest)
        part = quoted[0] if quoted else rest.partition(".")[0]
        if not part:
            return [name]  # `a..b` is no path: it is what it is called
        parts.append(quoted[1].replace('""', '"') if quoted else part)
        if len(part) == len(rest):
            return parts
        rest = rest[len(part) + 1 :]


def namespace(name):
    """What `ibis.table` takes for a schema's table name: its name, and the database and catalog that it stands in."""
    *outer, table = table_parts(name)
    if len(outer) > 2:
        return {"name": name}
    return dict(zip(("name", "database", "catalog"), (table, *reversed(outer))))


def variables(tables):
    """`tables` by the names that a text has for them: also a table in a database by its own, where one has it."""
    last = [table_parts(name)[-1] for name in tables]
    own = {p: t for p, t in zip(last, tables.values()) if last.count(p) == 1}
    return {**own, **tables}
