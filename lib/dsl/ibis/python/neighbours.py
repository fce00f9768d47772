"""A query's neighbours: the queries that a slip away from it gives, and what tables that tell them apart must hold."""

import datetime
import itertools

import sqlglot
from checker import make_tables
from moments import DATE, moments, whole
from sqlcheck import Tables, compiler_of, parse_query, resolve
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.qualify_tables import qualify_tables

MOST = 96
KEY = "ibert_key_{}"
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
OTHER_COMPARISONS = {
    exp.EQ: (exp.NEQ, exp.LTE, exp.GTE),
    exp.NEQ: (exp.EQ, exp.LT, exp.GT),
    exp.LT: (exp.LTE, exp.GT, exp.EQ),
    exp.LTE: (exp.LT, exp.GTE, exp.EQ),
    exp.GT: (exp.GTE, exp.LT, exp.EQ),
    exp.GTE: (exp.GT, exp.LTE, exp.EQ),
}
OTHER_AGGREGATES = {
    exp.Sum: (exp.Avg, exp.Max, exp.Count),
    exp.Avg: (exp.Sum, exp.Max, exp.Median),
    exp.Min: (exp.Max, exp.Avg),
    exp.Max: (exp.Min, exp.Sum),
    exp.Median: (exp.Avg, exp.Max),
    exp.Stddev: (exp.StddevPop, exp.Variance),
    exp.StddevSamp: (exp.StddevPop, exp.Variance),
    exp.Variance: (exp.VariancePop, exp.Stddev),
    exp.LogicalAnd: (exp.LogicalOr,),
    exp.LogicalOr: (exp.LogicalAnd,),
}
OTHER_ARITHMETIC = {
    exp.Add: (exp.Sub, exp.Mul),
    exp.Sub: (exp.Add,),
    exp.Mul: (exp.Add, exp.Div),
    exp.Div: (exp.Mul,),
}
OTHER_FUNCTIONS = {
    exp.Upper: (exp.Lower,),
    exp.Lower: (exp.Upper,),
    exp.Ceil: (exp.Floor,),
    exp.Floor: (exp.Ceil,),
    exp.Lag: (exp.Lead,),
    exp.Lead: (exp.Lag,),
    exp.StartsWith: (exp.EndsWith, exp.Contains),
    exp.EndsWith: (exp.StartsWith, exp.Contains),
    exp.Contains: (exp.StartsWith, exp.EndsWith),
    exp.RowNumber: (exp.Rank,),
    exp.Rank: (exp.RowNumber, exp.DenseRank),
    exp.DenseRank: (exp.Rank, exp.RowNumber),
    exp.Union: (exp.Except,),
    exp.Intersect: (exp.Except,),
    exp.Except: (exp.Intersect,),
    exp.Year: (exp.Month,),
    exp.Month: (exp.Day,),
    exp.Day: (exp.Month,),
    exp.Quarter: (exp.Month,),
}
PREDICATES = (*COMPARISONS, exp.Between, exp.In, exp.Like, exp.ILike, exp.StartsWith, exp.EndsWith, exp.Contains)
# Where a constant is compared with, or stands in for, a value of a column.
MEETINGS = (*PREDICATES, exp.Coalesce, exp.Nullif)


def neighbours(sql, schema, dialect="duckdb", slips=True):
    """
    What execution needs of a query that is known to be right: `sql` for DuckDB; `ordered`, the query without its limit and
    with `keys` columns behind its own, by which it sorts; the window `limit` and `offset`; `neighbours`, each with its kind;
    and of the tables the constants that columns meet, columns that are equated or grouped by, and the sizes that groups should have. None for
    a text that is no query. Without `slips` it has no neighbours, which are most of the work.
    """
    make_tables(schema)
    compiler = compiler_of(dialect)
    try:
        query = parse_query(sql, compiler.dialect)
    except (ParseError, TokenError, ValueError, TypeError, RecursionError):
        return None
    tables = Tables(schema, compiler, query)
    qualified, _ = resolve(query, tables, compiler.dialect)
    tree = parse_query(sql, compiler.dialect) if qualified is None else settle(qualified, compiler.dialect)
    answer = {"sql": sql if dialect == "duckdb" else tree.sql(dialect="duckdb", identify=True, comments=False)}
    answer |= ordering(tree)
    lineage = Lineage(tree, tables.columns)
    answer |= lineage.hints()
    answer["neighbours"] = spread(written(tree, edits(tree, lineage))) if slips else []
    return answer


def settle(qualified, dialect):
    """With an alias of its own for every table and subquery."""
    try:
        return qualify_tables(qualified, dialect=dialect, canonicalize_table_aliases=True)
    except Exception:
        return qualified


def number(limit):
    """The whole number of a LIMIT or OFFSET; None where there is none or it is computed."""
    value = None if limit is None else limit.expression or limit.args.get("count")
    return int(value.this) if isinstance(value, exp.Literal) and value.is_int else None


def ordering(tree):
    whole = tree.copy()
    order, limit, offset = (whole.args.get(name) for name in ("order", "limit", "offset"))
    found = {"keys": 0, "limit": number(limit), "offset": number(offset) or 0}
    whole.set("limit", None)
    whole.set("offset", None)
    keys = [ordered.this.copy() for ordered in order.expressions] if order else []
    if isinstance(whole, exp.Select):
        for index, key in enumerate(keys):
            whole.append("expressions", exp.alias_(key, KEY.format(index), quoted=True))
    elif keys:
        names = [exp.column(key.name, quoted=True) for key in keys]
        whole.set("order", None)
        outer = exp.select("*", *(exp.alias_(n, KEY.format(i)) for i, n in enumerate(names)))
        whole = outer.from_(whole.subquery("ibert_whole"))
        whole.set("order", order.copy())
        for ordered, name in zip(whole.args["order"].expressions, names):
            ordered.set("this", name.copy())
    found["keys"] = len(keys)
    return {**found, "ordered": whole.sql(dialect="duckdb", identify=True, comments=False)}


class Lineage:
    """From which columns of which tables the columns of a query come."""

    def __init__(self, tree, columns):
        self.tree, self.columns, self.sources = tree, columns, {}
        ctes = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            self.sources[table.alias_or_name] = ctes.get(table.name, table.name)
        for subquery in tree.find_all(exp.Subquery):
            self.sources[subquery.alias] = subquery.this

    def projection(self, column):
        source = self.sources.get(column.table)
        select = source if isinstance(source, exp.Query) else None
        if select is None and not column.table:
            select = column.find_ancestor(exp.Select)
        if select is None:
            return None
        named = (one for one in select.selects if one.alias_or_name == column.name)
        found = next(named, None)
        return None if found is None or found is column or found.find(exp.Column) is column else found

    def base(self, node, depth=0):
        """`(columns, counts)`: the (table, column) pairs beneath an expression, and whether rows or values are counted."""
        pairs, counts = set(), node.find(exp.Count) is not None
        for column in node.find_all(exp.Column):
            source = self.sources.get(column.table)
            if isinstance(source, str):
                if column.name in self.columns.get(source, {}):
                    pairs.add((source, column.name))
                continue
            projection = self.projection(column) if depth < 20 else None
            if projection is not None:
                inner, counted = self.base(projection, depth + 1)
                pairs |= inner
                counts = counts or counted
        return pairs, counts

    def siblings(self, column):
        """Other columns that may stand in the place of this one, of its type."""
        source = self.sources.get(column.table)
        if isinstance(source, str):
            types = self.columns.get(source, {})
            own = types.get(column.name)
            names = [name for name, kind in types.items() if name != column.name and kind == own]
        elif isinstance(source, exp.Query):
            names = [name for name in source.named_selects if name and name != column.name]
        else:
            names = []
        return [exp.column(name, table=column.table, quoted=True) for name in names]

    def hints(self):
        constants, sizes, links, loose = {}, set(), [], []
        for node in self.tree.find_all(*MEETINGS):
            literals = [(("text" if one.is_string else "number"), one.this) for one in node.find_all(exp.Literal)]
            literals += [("text", moment) for moment in moments(node)]
            pairs, counts = self.base(node)
            if counts:
                sizes |= {int(float(value)) for kind, value in literals if kind == "number"}
            else:
                for pair in pairs:
                    constants.setdefault(pair, []).extend(literals)
            if isinstance(node, exp.EQ):
                sides = [self.base(side)[0] for side in (node.left, node.right)]
                links += [[*a, *b] for a, b in itertools.product(*map(sorted, sides)) if a != b]
        for literal in self.tree.find_all(exp.Literal):
            loose.append(["text" if literal.is_string else "number", literal.this])
        for key in self.tree.find_all(exp.JSONPathKey):
            if isinstance(key.this, str):
                loose.append(["text", key.this])
        keys = [key for node in self.tree.find_all(exp.Group) for key in node.expressions]
        windows = [number(node) or 0 for node in self.tree.find_all(exp.Limit, exp.Offset)]
        return {
            "constants": [[*pair, *constant] for pair, found in sorted(constants.items()) for constant in found],
            "loose": loose,
            "links": links,
            "groups": sorted({pair for key in keys for pair in self.base(key)[0]}),
            "sizes": sorted(size for size in sizes if 0 < size <= 2000),
            "window": min(sum(windows), 2000),
        }


def edits(tree, lineage):
    """`(kind, node, None, replacement)` or `(kind, node, argument, its new value)`, one slip each."""
    for node in list(tree.walk()):
        kind = type(node)
        if isinstance(node, exp.Query):
            yield from query_edits(node, tree, lineage)
        if kind in OTHER_COMPARISONS:
            for other in OTHER_COMPARISONS[kind]:
                yield "comparator", node, None, other(this=node.this.copy(), expression=node.expression.copy())
        elif isinstance(node, (exp.And, exp.Or)):
            other = exp.Or if isinstance(node, exp.And) else exp.And
            left, right = (side if isinstance(side, exp.Paren) else exp.paren(side, copy=True) for side in (node.left, node.right))
            yield "connective", node, None, exp.paren(other(this=left.copy(), expression=right.copy()))
            yield "filter", node, None, node.left.copy()
            yield "filter", node, None, node.right.copy()
        elif isinstance(node, exp.Not):
            yield "negation", node, None, node.this.copy()
        elif isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            for above, below in ((exp.GT, exp.LTE), (exp.GTE, exp.LT)):
                both = [above(this=node.this.copy(), expression=low.copy()), below(this=node.this.copy(), expression=high.copy())]
                yield "comparator", node, None, exp.paren(exp.and_(*both))
        elif isinstance(node, exp.In) and len(node.expressions) > 1:
            for item in node.expressions:
                yield "constant", node, "expressions", [one for one in node.expressions if one is not item]
        elif isinstance(node, exp.Join):
            yield from join_edits(node)
        elif isinstance(node, exp.Ordered) and isinstance(node.parent.parent, exp.Window):
            yield "window", node, "desc", not node.args.get("desc")
        elif isinstance(node, exp.Window) and node.args.get("partition_by"):
            yield "window", node, "partition_by", []
        elif isinstance(node, exp.Interval):
            count = whole(node.this)
            if count is not None:
                for other in (count + 1, count - 1):
                    yield "constant", node.this, None, exp.Literal.string(str(other))
        elif isinstance(node, exp.Literal):
            yield from literal_edits(node)
        elif isinstance(node, exp.Boolean):
            yield "constant", node, "this", not node.this
        elif isinstance(node, exp.Column):
            yield from column_edits(node, tree, lineage)
        if isinstance(node, (*PREDICATES[6:], exp.Is)) and not isinstance(node.parent, exp.Not):
            yield "negation", node, None, exp.paren(exp.not_(node.copy()))
        if kind is exp.Count:
            yield from count_edits(node, lineage)
        for others, name in (
            (OTHER_AGGREGATES, "aggregate"),
            (OTHER_ARITHMETIC, "arithmetic"),
            (OTHER_FUNCTIONS, "function"),
        ):
            for other in others.get(kind, ()):
                if node is not tree:
                    yield name, node, None, other(**{key: copied(value) for key, value in node.args.items()})
        if isinstance(node, exp.Filter):
            yield "filter", node, None, node.this.copy()
        elif isinstance(node, exp.If) and node.args.get("false") is not None:
            yield "function", node, None, exp.If(this=node.this.copy(), true=node.args["false"].copy(), false=node.args["true"].copy())
        elif (
            isinstance(node, exp.Func)
            and not isinstance(node, (exp.AggFunc, exp.Connector, exp.Case, exp.If, exp.Cast, exp.Exists))
            and isinstance(node.this, exp.Expression)
            and not isinstance(node.this, (exp.Literal, exp.Query))
        ):
            yield "function", node, None, node.this.copy()


def copied(value):
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value.copy() if isinstance(value, exp.Expression) else value


def grouped(select):
    """Whether its rows differ by themselves, as those of groups do and one row of totals."""
    if not isinstance(select, exp.Select):
        return False
    totals = (one for one in select.find_all(exp.AggFunc) if one.find_ancestor(exp.Select, exp.Window) is select)
    return bool(select.args.get("group")) or next(totals, None) is not None


def differ(select, lineage):
    """Whether DISTINCT could change nothing, as far as is easily seen."""
    if grouped(select) or select.args.get("joins"):
        return grouped(select)
    source = select.args.get("from_") or select.args.get("from")
    inner = lineage.sources.get(source.this.alias_or_name) if source else None
    return grouped(inner) and all(name in select.named_selects for name in inner.named_selects)


def query_edits(node, tree, lineage):
    order, limit = node.args.get("order"), node.args.get("limit")
    if isinstance(node, exp.Select):
        for clause in ("where", "having", "qualify"):
            if node.args.get(clause):
                yield "filter", node, clause, None
        if node.args.get("distinct"):
            yield "distinct", node, "distinct", None
        elif not differ(node, lineage):
            yield "distinct", node, "distinct", exp.Distinct()
    elif isinstance(node, exp.Union):
        yield "distinct", node, "distinct", not node.args.get("distinct")
    if order and (limit or node is tree):
        yield "order", node, "order", None
        for ordered in order.expressions:
            down = bool(ordered.args.get("desc"))
            yield "order", ordered, "desc", not down
            if not lineage.base(ordered.this)[1]:
                yield "order", ordered, "nulls_first", not ordered.args.get("nulls_first")
            if len(order.expressions) > 1:
                yield "order", order, "expressions", [one for one in order.expressions if one is not ordered]
    count = number(limit)
    if count is not None:
        for other in (count + 1, count - 1):
            yield "limit", limit, "expression", exp.Literal.number(other)
        yield "limit", node, "limit", None
    if node.args.get("offset"):
        yield "limit", node, "offset", None


def join_edits(node):
    kind, side = (node.args.get("kind") or "").upper(), (node.args.get("side") or "").upper()
    if kind in ("SEMI", "ANTI"):
        yield "join", node, "kind", "ANTI" if kind == "SEMI" else "SEMI"
    elif node.args.get("on") or node.args.get("using"):
        for other in ("", "LEFT", "RIGHT", "FULL"):
            if other != side:
                yield "join", node, "side", other or None


def literal_edits(node):
    if isinstance(node.parent, (exp.Limit, exp.Offset, exp.Group, exp.Ordered, exp.Interval)):
        return
    if not node.is_string:
        value = float(node.this) if not node.is_int else int(node.this)
        for other in (value + 1, value - 1):
            yield "constant", node, None, number_literal(other)
    elif DATE.match(node.this):
        try:
            day = datetime.date.fromisoformat(node.this[:10])
            for step in (1, -1):
                moved = (day + datetime.timedelta(days=step)).isoformat()
                yield "constant", node, None, exp.Literal.string(moved + node.this[10:])
        except (ValueError, OverflowError):
            return
    else:
        yield "constant", node, None, exp.Literal.string(node.this + "x")
        if node.this.swapcase() != node.this:
            yield "constant", node, None, exp.Literal.string(node.this.swapcase())


def number_literal(value):
    literal = exp.Literal.number(abs(value))
    return exp.paren(exp.Neg(this=literal)) if value < 0 else literal


def count_edits(node, lineage):
    if isinstance(node.this, exp.Star):
        select = node.find_ancestor(exp.Select)
        source = select and (select.args.get("from_") or select.args.get("from"))
        name = source and source.this.alias_or_name
        columns = lineage.siblings(exp.column("", table=name)) if name else []
        inner = lineage.sources.get(name)
        if isinstance(inner, str):
            columns = [exp.column(one, table=name, quoted=True) for one in lineage.columns.get(inner, {})]
        # Those that the query speaks of are likelier to be counted.
        named = {column.name for column in select.find_all(exp.Column)} if select else set()
        columns.sort(key=lambda column: column.name not in named)
        for column in columns[:3]:
            yield "aggregate", node, None, exp.Count(this=column, big_int=True)
    elif isinstance(node.this, exp.Distinct):
        yield "aggregate", node, None, exp.Count(this=node.this.expressions[0].copy(), big_int=True)
        yield "aggregate", node, None, exp.Count(this=exp.Star(), big_int=True)
    else:
        yield "aggregate", node, None, exp.Count(this=exp.Distinct(expressions=[node.this.copy()]), big_int=True)
        yield "aggregate", node, None, exp.Count(this=exp.Star(), big_int=True)


def column_edits(node, tree, lineage):
    passes = isinstance(node.parent, exp.Alias) and node.parent.parent is not tree
    if passes or isinstance(node.parent, exp.Group):
        return
    for other in lineage.siblings(node)[:1]:
        yield "column", node, None, other


def written(tree, slips):
    """`(kind, SQL)` of each slip made in the tree, which is as it was afterwards."""
    seen = {tree.sql(dialect="duckdb", identify=True, comments=False)}
    for kind, node, argument, value in slips:
        if argument is None:
            if node is tree or node.parent is None:
                continue
            node.replace(value)
            text = render(tree)
            value.replace(node)
        else:
            before = node.args.get(argument)
            node.set(argument, value)
            text = render(tree)
            node.set(argument, before)
        if text is not None and text not in seen:
            seen.add(text)
            yield kind, text


def render(tree):
    try:
        return tree.sql(dialect="duckdb", identify=True, comments=False, unsupported_level=sqlglot.ErrorLevel.IGNORE)
    except Exception:
        return None


def spread(found):
    """At most so many, of each kind in turn."""
    kinds = {}
    for kind, text in found:
        kinds.setdefault(kind, []).append({"kind": kind, "sql": text})
    turns = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    return list(itertools.islice((one for one in turns if one is not None), MOST))
