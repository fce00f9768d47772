"""What Ibis leaves to chance in its SQL, brought to what is the same each time: names that it makes up, and the order of
names that it keeps in a set.

Ibis draws them with 128 random bits, so a name that was handed out stands for itself wherever it is met in a text, and
a column of the user's that only looks like one is left as it is.
"""

import functools
import itertools
import re
import sys

import ibis.backends.sql.compilers as compilers
import ibis.expr.api
import ibis.util

handed = set()
RANDOM = re.compile(r"ibis_\w+?_[a-z2-7]{26}|[0-9a-f]{32}")

_gen_name, _guid = ibis.util.gen_name, ibis.util.guid


def gen_name(namespace):
    name = _gen_name(namespace)
    handed.add(name)
    return name


def guid():
    name = _guid()
    handed.add(name)
    return name


def install():
    """Puts the two functions in the place of Ibis's own, also where a module has imported them by name."""
    for module in [m for n, m in sys.modules.items() if n == "ibis" or n.startswith("ibis.")]:
        for name, original, ours in (("gen_name", _gen_name, gen_name), ("guid", _guid, guid)):
            if vars(module).get(name) is original:
                setattr(module, name, ours)


    for compiler in {type(m.compiler) for m in vars(compilers).values() if hasattr(m, "compiler")}:
        for cls in compiler.__mro__:
            if "visit_DropColumns" in vars(cls) and not hasattr(cls.visit_DropColumns, "__wrapped__"):
                cls.visit_DropColumns = ordered(cls.visit_DropColumns)


def ordered(visit):
    """`visit_DropColumns` with the columns to drop in the order of their table."""

    @functools.wraps(visit)
    def visit_ordered(self, op, *, parent, columns_to_drop):
        names = tuple(name for name in op.parent.schema.names if name in columns_to_drop)
        return visit(self, op, parent=parent, columns_to_drop=names)

    return visit_ordered


def forget():
    """Begins anew for a text: what another one was given has no part in it."""
    handed.clear()
    # Ibis numbers tables without a name over the life of the process.
    ibis.expr.api._table_names = (f"unbound_table_{i}" for i in itertools.count())


def settle(text):
    """`text` with the names that were handed out numbered in the order in which they appear in it."""
    if not handed:
        return text
    given, count = {}, 0
    words = set(re.findall(r"\w+", text))
    for match in RANDOM.finditer(text):
        name = match[0]
        if name not in handed or name in given:
            continue
        while True:
            count += 1
            stem = name[: -26 - 1] if name.startswith("ibis_") else None
            candidate = f"{count:032x}" if stem is None else f"{stem}_{count}"
            if candidate not in words:
                break
        given[name] = candidate
    return RANDOM.sub(lambda match: given.get(match[0], match[0]), text)
