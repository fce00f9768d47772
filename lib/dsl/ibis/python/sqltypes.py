"""Mistakes of a query that the types of its tables' columns show, where they are the same in every dialect or in those that
convert nothing by themselves."""

from sqlglot import exp

# Dialects that neither add texts to numbers nor sum them.
STRICT = frozenset("duckdb postgres trino bigquery risingwave materialize".split())
KIND = exp.DataType.Type
NUMBERS = exp.DataType.NUMERIC_TYPES
TEXTS = exp.DataType.TEXT_TYPES
TIMES = frozenset({KIND.DATE, KIND.TIMESTAMP, KIND.TIMESTAMPTZ, KIND.DATETIME})
NESTED = frozenset({KIND.ARRAY, KIND.LIST, KIND.MAP, KIND.STRUCT, KIND.OBJECT})
LISTS = frozenset({KIND.ARRAY, KIND.LIST})
SCALARS = NUMBERS | TEXTS | TIMES | {KIND.BOOLEAN}
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div)


def type_of(node, columns):
    """The data type of a column, of a field of one, or of a literal; None for anything else. `columns` knows columns."""
    if isinstance(node, exp.Paren):
        return type_of(node.this, columns)
    if isinstance(node, exp.Column):
        return columns(node)
    if isinstance(node, exp.Literal) and not node.is_string:
        return exp.DataType.build("double")
    if isinstance(node, exp.Dot):
        return field(type_of(node.this, columns), node.name)
    if isinstance(node, exp.Bracket) and len(node.expressions) == 1 and not isinstance(node.expressions[0], exp.Slice):
        holder = type_of(node.this, columns)
        if holder is not None and holder.this in LISTS and len(holder.expressions) == 1:
            element = holder.expressions[0]
            return element if isinstance(element, exp.DataType) else None
    return None


def fields(struct):
    """Name → type of a struct, or None where it is none or says nothing."""
    if struct is None or struct.this != KIND.STRUCT or not struct.expressions:
        return None
    found = {}
    for part in struct.expressions:
        if not isinstance(part, exp.ColumnDef):
            return None
        found[part.name.casefold()] = part.args.get("kind")
    return found


def field(struct, name):
    known = fields(struct)
    return None if known is None else known.get(name.casefold())


def mistakes(select, columns, dialect, inside):
    """`(stage, message, node)` of what is wrong for certain. `inside`: walks nodes that are not of an inner query's."""
    for node in inside(select, exp.Dot):
        known = fields(type_of(node.this, columns))
        if known is not None and isinstance(node.expression, exp.Identifier) and node.name.casefold() not in known:
            yield "names", f"Struct has no field {node.name!r}", node.expression
    if dialect not in STRICT:
        return
    for node in inside(select, *ARITHMETIC):
        kinds = [type_of(side, columns) for side in (node.left, node.right)]
        if None in kinds:
            continue
        left, right = (kind.this for kind in kinds)
        mixed = {left, right}
        if (
            (mixed & TEXTS and mixed & NUMBERS)
            or (mixed & {KIND.STRUCT, KIND.MAP} and mixed & (NUMBERS | TEXTS))
            or (mixed & LISTS and mixed & NUMBERS)
            or (isinstance(node, (exp.Add, exp.Mul, exp.Div)) and left in TIMES and right in TIMES)
        ):
            yield "build", f"no operator {node.key} takes {kinds[0].sql()} and {kinds[1].sql()}", column_in(node)
    for node in inside(select, exp.Sum, exp.Avg):
        kind = type_of(node.this, columns)
        if kind is not None and kind.this in TEXTS | TIMES | NESTED:
            yield "build", f"{node.key} takes no {kind.sql()}", column_in(node)
    for node in inside(select, exp.TimestampTrunc, exp.DateTrunc):
        kind = type_of(node.this, columns)
        if kind is not None and kind.this in TEXTS | NUMBERS | NESTED:
            yield "build", f"a part of a date is taken of no {kind.sql()}", column_in(node.this)
    for node in inside(select, exp.Substring, exp.Upper, exp.Lower):
        kind = type_of(node.this, columns)
        if kind is not None and kind.this in NESTED:
            yield "build", f"{node.key} takes no {kind.sql()}", column_in(node)
    for node in inside(select, exp.Unnest, exp.Explode):
        given = node.expressions[0] if isinstance(node, exp.Unnest) and node.expressions else node.this
        kind = type_of(given, columns)
        if kind is not None and kind.this in SCALARS:
            yield "build", f"a {kind.sql()} has no items to unnest", column_in(given)


def column_in(node):
    return node if isinstance(node, exp.Column) else next(iter(node.find_all(exp.Column)), node)
