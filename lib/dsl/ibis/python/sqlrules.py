"""Mistakes in a query that are certain without a binder. Where a dialect may have a meaning for it, it passes."""

import sqltypes
from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.scope import Scope, traverse_scope

# Sources whose columns nothing here tells.
OPEN = (exp.UDTF, exp.Pivot, exp.Lateral, exp.Unnest, exp.TableFromRows, exp.JSONTable, exp.MatchRecognize)
# Aggregates in every dialect, in this form.
AGGREGATES = (exp.Sum, exp.Avg, exp.Count, exp.Min, exp.Max, exp.CountIf, exp.Variance, exp.Stddev, exp.StddevSamp)
# Grammars that give a column that is neither grouped nor aggregated a value.
LOOSE_GROUPING = frozenset("sqlite mysql singlestore".split())
# Where HAVING makes no aggregate of a query.
LOOSE_HAVING = LOOSE_GROUPING | {"clickhouse", "databricks", "pyspark", "impala", "flink"}
# Grammars that let a key stand for the columns of its table.
KEYED_GROUPING = frozenset("postgres risingwave materialize".split())
# What looks like a column and is none.
PSEUDO_COLUMNS = frozenset(
    """
    rowid rownum level sysdate systimestamp user uid ctid oid xmin xmax tableoid current_date current_time
    current_timestamp localtime localtimestamp current_user session_user _partitiontime _partitiondate _table_suffix
    default connect_by_isleaf connect_by_iscycle ora_rowscn __time filename file_row_number excluded value null
    """.split()
)
SYSTEM_TABLES = frozenset("dual sqlite_master sqlite_schema".split())
SYSTEM_SCHEMAS = frozenset("information_schema pg_catalog sys system mysql sysibm performance_schema".split())


class Mistake(Exception):
    def __init__(self, stage, message, node=None):
        super().__init__(message)
        self.stage, self.error, self.place = stage, OptimizeError(message), place_of(node)


def place_of(node):
    """Offsets of the first and last character of the identifier or name at fault."""
    candidates = [] if node is None else [node, node.this, *node.find_all(exp.Identifier)]
    for part in candidates:
        if isinstance(part, exp.Expression) and "start" in part.meta:
            return part.meta["start"], part.meta["end"]
    return None


def judge(query, qualified, failure, tables, dialect):
    """Raises the first Mistake. `qualified` is None where sqlglot could not resolve the query, for the reason `failure`."""
    check_tables(query, tables)
    name = dialect_name(dialect)
    check_form(query, name)
    if is_closed(query):
        check_stars(query, tables, name)
    if qualified is None:
        if isinstance(failure, OptimizeError) and is_closed(query):
            message = str(failure).split("\n")[0]
            stage = "build" if message.startswith("Unknown output column") else "names"
            raise Mistake(stage, message, mentioned(query, message))
        return
    scopes = traverse_scope(qualified)
    if is_closed(query):
        aliases = {alias.alias.casefold() for alias in query.find_all(exp.Alias, exp.TableAlias) if alias.alias}
        for scope in scopes:
            check_columns(scope, tables, aliases)
    for scope in scopes:
        if isinstance(scope.expression, exp.Select):
            check_aggregates(scope.expression)
            check_grouping(scope.expression, name)
            columns = columns_in(scope, tables)
            for stage, message, node in sqltypes.mistakes(scope.expression, columns, name, inside):
                raise Mistake(stage, message, node)
    for operation in qualified.find_all(exp.SetOperation):
        check_arity(operation)


# Functions that only a window gives a value.
WINDOWED = (exp.Lag, exp.Lead, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)
WRAPPERS = (exp.IgnoreNulls, exp.RespectNulls, exp.Filter, exp.WithinGroup)


def inside(node, *kinds):
    """Nodes of `kinds` below `node` that belong to no inner query."""
    return within(node, (), *kinds)


def check_form(query, dialect):
    """What is wrong whatever the tables hold."""
    for values in query.find_all(exp.Values):
        widths = {len(row.expressions) for row in values.expressions if isinstance(row, exp.Tuple)}
        if len(widths) > 1:
            raise Mistake("parse", "VALUES lists must all be the same length", values)
    for limit in query.find_all(exp.Limit, exp.Offset):
        count = limit.expression
        if isinstance(count, exp.Literal) and count.is_string and not count.name.strip().isdecimal():
            raise Mistake("build", f"LIMIT takes a number, not {count.name!r}", count)
    for select in query.find_all(exp.Select):
        check_windows(select)
        if dialect != "clickhouse":  # has tuples for several columns
            check_single(select)


def check_windows(select):
    for clause in ("where", "group"):
        found = next(inside(select.args[clause], exp.Window), None) if select.args.get(clause) else None
        if found is not None:
            raise Mistake("build", f"{clause.upper()} clause cannot contain window functions", named(found))
    windows = {w.name.casefold() for w in select.args.get("windows") or []}
    for window in inside(select, exp.Window):
        alias = window.args.get("alias")
        if isinstance(alias, exp.Identifier) and alias.name.casefold() not in windows:
            raise Mistake("parse", f"window {alias.name!r} does not exist", alias)
    for function in inside(select, *WINDOWED):
        holder = function.parent
        while isinstance(holder, WRAPPERS):
            if isinstance(holder, exp.WithinGroup):
                break
            holder = holder.parent
        if not isinstance(holder, (exp.Window, exp.WithinGroup)):
            raise Mistake("names", f"{function.sql_name()} is a window function: it needs OVER", named(function))


def check_single(select):
    """A query in the place of a value, or behind IN, gives one column."""
    inner = [p.unalias() for p in select.expressions]
    inner = [p.this for p in inner if isinstance(p, exp.Subquery)]
    for test in inside(select, exp.In):
        asked = test.args.get("query")
        if asked is not None and isinstance(test.this, (exp.Column, exp.Literal)):
            inner.append(asked.unnest())
    for asked in inner:
        if not isinstance(asked, exp.Select) or asked.args.get("kind"):
            continue
        if len(asked.expressions) > 1 and all(map(is_single, asked.expressions)):
            raise Mistake("build", f"the subquery gives {len(asked.expressions)} columns, not one", asked.expressions[1])


def check_stars(query, tables, dialect):
    """Names that a star leaves out or replaces are those of its tables. ClickHouse passes over others."""
    if dialect == "clickhouse":
        return
    for select in query.find_all(exp.Select):
        sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
        sources = [s.this for s in sources if s is not None]
        if not sources or not all(isinstance(s, exp.Table) and s.name in tables.columns for s in sources):
            continue
        if {cte.alias for cte in query.find_all(exp.CTE)} & {s.name for s in sources}:
            continue
        known = {c.casefold() for s in sources for c in tables.columns[s.name]}
        for projection in select.expressions:
            star = projection.this if isinstance(projection, exp.Column) else projection
            if not isinstance(star, exp.Star):
                continue
            listed = [(n, n.name) for n in star.args.get("except_") or star.args.get("except") or []]
            listed += [(n, n.alias) for n in star.args.get("replace") or [] if isinstance(n, exp.Alias)]
            for node, name in listed:
                if name and name.casefold() not in known:
                    raise Mistake("names", f"Column {name!r} is not among those of the star", node)


def columns_in(scope, tables):
    """The types of a scope's columns, by the table of the schema that they are of."""

    def type_of(column):
        source = scope.sources.get(column.table)
        if not isinstance(source, exp.Table):
            return None
        return (tables.columns.get(source.name) or {}).get(column.name)

    return type_of


def dialect_name(dialect):
    return dialect if isinstance(dialect, str) else getattr(dialect, "__name__", str(dialect)).lower()


def mentioned(query, message):
    return next((c for c in query.find_all(exp.Column) if c.name and c.name in message), None)


def is_closed(query):
    """Whether every source of the query is a table or a query, so that all columns in sight are known."""
    if any(True for _ in query.find_all(*OPEN)) or isinstance(query, exp.Pivot):
        return False
    return not any(
        not isinstance(t.this, exp.Identifier) or t.args.get("pivots") for t in query.find_all(exp.Table)
    )


def check_tables(query, tables):
    ctes = {c.alias.casefold() for c in query.find_all(exp.CTE)}
    aliases = {t.alias_or_name.casefold() for t in query.find_all(exp.Table)}
    known = {name.casefold() for name in tables.columns}
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue
        name = table.name.casefold()
        schema = table.db.casefold()
        if not schema:
            if name in ctes or name in known or name in SYSTEM_TABLES:
                continue
        elif schema in SYSTEM_SCHEMAS or schema in aliases or table.catalog:
            continue  # a path into an array of another source, or what no schema lists
        elif name in known or f"{schema}.{name}" in known:
            continue
        raise Mistake("names", f"Unknown table: {table.db + '.' if schema else ''}{table.name}", table)


def check_columns(scope: Scope, tables, aliases):
    if not isinstance(scope.expression, exp.Select):
        return
    outer, parent = {}, scope
    while parent is not None:
        outer = {**parent.sources, **outer}
        parent = parent.parent
    for column in scope.columns:
        name = column.name.casefold()
        if name in PSEUDO_COLUMNS or isinstance(column.this, exp.Star) or not is_plain(column):
            continue
        if not column.table:
            if name in aliases:
                continue
            raise Mistake("names", f"Column {column.name!r} could not be resolved", column)
        source = outer.get(column.table)
        if source is None:
            raise Mistake("names", f"Unknown table: {column.table}", column)
        listed = columns_of(source, tables)
        if listed is not None and name not in listed:
            raise Mistake("names", f"Column {column.name!r} could not be resolved for table {column.table!r}", column)


def is_plain(column):
    """Not a parameter of a lambda, a part of a date, or the like: only where a function knows its arguments."""
    node = column.parent
    while node is not None and not isinstance(node, exp.Query):
        if isinstance(node, (exp.Lambda, exp.Comprehension, exp.Anonymous, exp.Interval, exp.Columns, exp.Window)):
            return False
        if isinstance(node, exp.Func) and not column.table and not isinstance(node, AGGREGATES):
            return False
        node = node.parent
    return True


def columns_of(source, tables):
    if isinstance(source, exp.Table):
        columns = tables.columns.get(source.name)
        return None if columns is None else {c.casefold() for c in columns}
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Query):
        return None
    if source.expression.is_star:
        return None
    outer = source.outer_columns or source.expression.named_selects
    return {c.casefold() for c in outer}


def within(node, stop, *kinds):
    """Nodes of `kinds` below `node`, without those of inner queries and below nodes of `stop`."""
    for child in node.walk(prune=lambda n: n is not node and isinstance(n, (exp.Query, *stop))):
        if child is not node and isinstance(child, kinds):
            yield child


def is_aggregate(node):
    return not node.args.get("expressions") or isinstance(node, exp.Count)


def aggregates(node):
    return (n for n in within(node, (exp.Window, exp.Filter), *AGGREGATES) if is_aggregate(n))


def check_aggregates(select):
    where = select.args.get("where")
    found = next(aggregates(where), None) if where is not None else None
    if found is not None:
        raise Mistake("build", "WHERE clause cannot contain aggregates", named(found))
    group = select.args.get("group")
    found = next(aggregates(group), None) if group is not None else None
    if found is not None:
        raise Mistake("build", "GROUP BY clause cannot contain aggregates", named(found))
    for outer in within(select, (exp.Window,), *AGGREGATES):
        inner = next(aggregates(outer), None)
        if inner is not None and is_aggregate(outer) and not isinstance(outer.parent, exp.Window):
            raise Mistake("build", "aggregate function calls cannot be nested", named(inner))


def named(node):
    return next(iter(node.find_all(exp.Column)), node)


def check_grouping(select, dialect):
    group = select.args.get("group")
    if dialect in LOOSE_GROUPING:
        return
    if group is not None:
        others = {key for key, value in group.args.items() if value} - {"expressions"}
        if others or group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None:
            return
    keys = [] if group is None else group.expressions
    having = select.args.get("having") is not None and dialect not in LOOSE_HAVING
    if group is None and not having and not any(True for p in select.expressions for _ in own_aggregates(p)):
        return
    if any(isinstance(k, (exp.Literal, exp.Var, exp.Tuple, exp.Func)) and not isinstance(k, exp.Column) for k in keys):
        if not all(isinstance(k, (exp.Column, exp.Func)) for k in keys):
            return
    keyed = {c.table for k in keys for c in k.find_all(exp.Column)} if dialect in KEYED_GROUPING else set()
    texts = {k.sql() for k in keys} | {k.this.sql() for k in keys if isinstance(k, exp.Alias)}
    names = {k.name for k in keys if isinstance(k, exp.Column) and not k.table}
    for projection in select.expressions:
        if projection.alias and projection.alias in names:
            continue
        body = projection.unalias()
        stop = (exp.AggFunc, exp.Anonymous, exp.AnonymousAggFunc, exp.Window, exp.Filter, exp.WithinGroup, exp.Lambda,
                exp.Star)  # fmt: skip
        stack = [body]
        while stack:
            node = stack.pop()
            if node.sql() in texts or isinstance(node, (exp.Query, *stop)):
                continue
            if isinstance(node, exp.Column):
                if node.table and node.table not in keyed and is_own(node, select):
                    raise Mistake(
                        "build", f"column {node.name!r} must appear in the GROUP BY clause or in an aggregate", node
                    )
                continue
            stack.extend(node.iter_expressions())


def own_aggregates(projection):
    return aggregates(exp.Paren(this=projection.copy()))


def is_own(column, select):
    """Whether the column is of this query's own sources: one of an outer query is a constant here."""
    sources = [select.args.get("from_"), *(select.args.get("joins") or [])]
    return column.table in {s.this.alias_or_name for s in sources if s is not None and s.this is not None}


def check_arity(operation):
    if operation.args.get("by_name") or operation.args.get("on"):
        return
    counts = []
    for side in (operation.left, operation.right):
        side = side.unnest()
        if not isinstance(side, exp.Select) or any(not is_single(p) for p in side.expressions):
            return
        counts.append(len(side.expressions))
    if counts[0] != counts[1]:
        message = f"set operations need the same number of columns, not {counts[0]} and {counts[1]}"
        raise Mistake("build", message, operation.right.unnest().expressions[0])


def is_single(projection):
    body = projection.unalias()
    return not isinstance(body, (exp.Star, exp.Columns, exp.Anonymous, exp.Unnest, exp.Explode)) and not body.is_star
