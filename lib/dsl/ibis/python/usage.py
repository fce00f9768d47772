"""Reads from a syntax tree which tables and columns a text speaks of, and what it does with each column."""

import ast
import re

import ibis
import ibis.expr.types as ir
from policy import BUILTINS, is_builtin

# In order of preference where the uses leave a choice.
CANDIDATES = [
    "string",
    "float64",
    "int64",
    "timestamp",
    "boolean",
    "date",
    "array<string>",
    "struct<field: string>",
]
NUMERIC = {"float64", "int64"}
METHODS = {
    t: frozenset(n for n in dir(type(ibis.table({"c": t}, name="t")["c"])) if not n.startswith("_"))
    for t in CANDIDATES
}
TABLE_API = frozenset(n for n in dir(ir.Table) if not n.startswith("_"))
JOINS = frozenset(n for n in TABLE_API if n.endswith("join"))
SET_OPERATIONS = frozenset(["union", "intersect", "difference"])
# Methods whose plain string arguments name columns of the receiver.
BY_NAME = frozenset(
    "select group_by order_by drop distinct relocate aggregate agg nunique value_counts topk "
    "drop_null dropna unnest unpack pivot_longer over rename".split()
)
NAMING_KEYWORDS = frozenset(
    ["names_from", "values_from", "on", "by", "group_by", "order_by", "subset", "id_cols"]
)
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}")


class Column:
    """What the uses allow a column to be."""

    def __init__(self):
        self.types = list(CANDIDATES)

    def restrict(self, allowed, preferred=None):
        kept = [t for t in self.types if t in allowed]
        if kept:
            self.types = kept
        if preferred in self.types:
            self.types.remove(preferred)
            self.types.insert(0, preferred)


class Usage(ast.NodeVisitor):
    """`tables`: table → column → Column. `references`: (table, column, node), one for each mention."""

    def __init__(self, tree, names):
        self.tables, self.references, self.equal = {}, [], []
        self.known = set(names)
        self.assigned, self.scope, self.derived = {}, [], {}
        self.collect_derived(tree)
        self.visit(tree)
        self.unify()

    def collect_derived(self, tree):
        """Names that the text itself gives to columns, with the end of the call that gives them."""
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            names = [k.arg for k in node.keywords if k.arg is not None]
            if node.func.attr in ("name", "names_to", "values_to"):
                names += [
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                ]
            for k in node.keywords:
                if k.arg in ("names_to", "values_to") and isinstance(k.value, ast.Constant):
                    names.append(k.value.value)
            for argument in node.args:
                if isinstance(argument, ast.Dict):
                    names += [k.value for k in argument.keys if isinstance(k, ast.Constant)]
            for name in names:
                end = (node.end_lineno, node.end_col_offset)
                self.derived[name] = min(self.derived.get(name, end), end)

    def mention(self, table, column, node):
        if table is None or not isinstance(column, str) or not column.isidentifier() and not column.strip():
            return None
        place = (node.end_lineno, node.end_col_offset)
        if (
            column in self.derived
            and self.derived[column] < place
            and column not in self.tables.get(table, ())
        ):
            return None
        found = self.tables.setdefault(table, {}).setdefault(column, Column())
        self.references.append((table, column, node))
        return found

    # Which table an expression is rooted in.

    def root(self, node):
        while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
        if not isinstance(node, ast.Name):
            return None
        if node.id == "_" or any(node.id in names for names, _ in self.scope):
            return self.row_table(node.id)
        if node.id in self.assigned:
            return self.assigned[node.id]
        return node.id if node.id in self.tables else None

    def row_table(self, name):
        for names, table in reversed(self.scope):
            if name in names:
                return table
        return None

    def is_table(self, node):
        """Whether `node` stands for a table: a table's name, `_`, a lambda's row, or a chain of table methods."""
        if isinstance(node, ast.Name):
            return (
                node.id in self.tables
                or node.id in self.assigned
                or any(node.id in names for names, _ in self.scope)
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in TABLE_API and self.is_table(node.func.value)
        return False

    # The walk.

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.assigned[target.id] = self.root(node.value)

    def visit_Import(self, node):
        self.known |= {a.asname or a.name for a in node.names}

    visit_ImportFrom = visit_Import

    def visit_Name(self, node):
        bound = any(node.id in names for names, _ in self.scope)
        if not (
            bound
            or node.id in self.known
            or node.id in self.assigned
            or node.id in BUILTINS
            or is_builtin(node.id)
        ):
            self.tables.setdefault(node.id, {})

    def visit_comprehensions(self, node):
        for generator in node.generators:
            self.known |= {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehensions

    def visit_Lambda(self, node):
        table = self.row_table("_")
        self.scope.append(({a.arg for a in node.args.args}, table))
        self.visit(node.body)
        self.scope.pop()

    def visit_Call(self, node):
        function = node.func
        if not isinstance(function, ast.Name):
            self.visit(function.value if isinstance(function, ast.Attribute) else function)
        is_method = isinstance(function, ast.Attribute)
        receiver = self.root(function.value) if is_method else None
        on_table = is_method and (self.is_table(function.value) or function.attr in BY_NAME)
        if on_table and receiver is not None:
            self.scope.append(({"_"}, receiver))
        if is_method and isinstance(function.value, (ast.Attribute, ast.Subscript)):
            self.learn_method(function.value, function.attr, node)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)
        if is_method:
            self.named_columns(node, function.attr, receiver)
        if on_table and receiver is not None:
            self.scope.pop()

    def named_columns(self, node, method, receiver):
        table = receiver or self.row_table("_")
        if method in JOINS and node.args:
            self.join(node, receiver)
        elif method in SET_OPERATIONS:
            for other in node.args:
                self.equal.append((receiver, None, self.root(other), None))
        elif method in BY_NAME:
            for argument in node.args:
                self.strings(argument, table, of_values=method == "rename")
        if method in ("desc", "asc", "cols", "c"):
            for argument in node.args:
                self.strings(argument, self.row_table("_"))
        for keyword in node.keywords:
            if keyword.arg in NAMING_KEYWORDS or method == "rename":
                self.strings(keyword.value, table)
        if method in ("filter", "ifelse"):
            for argument in node.args if method == "filter" else node.args[:1]:
                self.learn(argument, {"boolean"})

    def strings(self, node, table, of_values=False):
        if isinstance(node, ast.Constant):
            self.mention(table, node.value, node)
        elif isinstance(node, (ast.List, ast.Tuple)):
            for item in node.elts:
                self.strings(item, table)
        elif isinstance(node, ast.Dict) and of_values:
            for value in node.values:
                self.strings(value, table)

    def join(self, node, left):
        right = self.root(node.args[0])
        positional = node.args[1:] if node.func.attr == "asof_join" else node.args[1:2]
        keys = [*positional, *(k.value for k in node.keywords if k.arg == "predicates")]
        for key in keys:
            for item in key.elts if isinstance(key, (ast.List, ast.Tuple)) else [key]:
                pair = (
                    item.elts
                    if isinstance(item, (ast.Tuple, ast.List)) and len(item.elts) == 2
                    else [item, item]
                )
                names = [p.value for p in pair if isinstance(p, ast.Constant) and isinstance(p.value, str)]
                if len(names) == 2:
                    for table, name in ((left, names[0]), (right, names[1])):
                        self.mention(table, name, item)
                    self.equal.append((left, names[0], right, names[1]))

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if self.is_table(node.value) and node.attr not in TABLE_API:
            self.mention(self.root(node.value), node.attr, node)

    def visit_Subscript(self, node):
        self.generic_visit(node)
        if self.is_table(node.value):
            self.strings(node.slice, self.root(node.value))

    def visit_Compare(self, node):
        self.generic_visit(node)
        self.pairs([node.left, *node.comparators])

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            self.learn(node.left, {"boolean"})
            self.learn(node.right, {"boolean"})
        elif isinstance(node.op, (ast.Add, ast.Sub)):
            self.pairs([node.left, node.right])
            self.learn(node.left, NUMERIC | {"string", "timestamp", "date"}, "float64")
            self.learn(node.right, NUMERIC | {"string", "timestamp", "date"}, "float64")
        else:
            self.learn(node.left, NUMERIC)
            self.learn(node.right, NUMERIC)

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        self.learn(node.operand, {"boolean"} if isinstance(node.op, ast.Invert) else NUMERIC)

    # What the uses tell.

    def column(self, node):
        """The Column that `node` denotes by itself, if it does."""
        for table, name, place in reversed(self.references):
            if place is node or isinstance(node, ast.Subscript) and place is node.slice:
                return self.tables[table][name]
        return None

    def learn(self, node, allowed, preferred=None):
        column = self.column(node)
        if column is not None:
            column.restrict(allowed, preferred)

    def learn_method(self, node, method, call):
        self.learn(
            node,
            {t for t in CANDIDATES if method in METHODS[t]},
            "float64" if method in METHODS["int64"] and method not in METHODS["string"] else None,
        )
        for argument in call.args:
            for item in argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else [argument]:
                if method in ("isin", "notin", "between", "fill_null", "nullif", "coalesce"):
                    self.pairs([node, item])

    def pairs(self, nodes):
        for left, right in zip(nodes, nodes[1:]):
            for a, b in ((left, right), (right, left)):
                if isinstance(b, ast.Constant):
                    self.learn_constant(a, b.value)
            places = {id(place): (table, name) for table, name, place in self.references}
            if id(left) in places and id(right) in places:
                self.equal.append((*places[id(left)], *places[id(right)]))

    def learn_constant(self, node, value):
        if isinstance(value, bool):
            self.learn(node, {"boolean"})
        elif isinstance(value, (int, float)):
            self.learn(node, NUMERIC, "int64" if isinstance(value, int) else "float64")
        elif isinstance(value, str):
            self.learn(node, {"string", "timestamp", "date"}, "timestamp" if DATE.match(value) else "string")

    def unify(self):
        """Columns that are compared or joined take one type; tables of a set operation take one set of columns."""
        for left, a, right, b in self.equal:
            if left is None or right is None or left not in self.tables or right not in self.tables:
                continue
            if a is None:
                merged = {**self.tables[left], **self.tables[right]}
                self.tables[left], self.tables[right] = dict(merged), dict(merged)
            elif a in self.tables[left] and b in self.tables[right]:
                one, other = self.tables[left][a], self.tables[right][b]
                one.restrict(other.types, other.types[0] if len(other.types) < len(one.types) else None)
                self.tables[right][b] = one
