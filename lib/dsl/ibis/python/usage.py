"""What a syntax tree tells of columns by the way it uses their names, whichever tables they belong to: of what types
they can be, the likeliest first. And which names it reads but never binds: its tables."""

import ast
import re

import ibis
import ibis.expr.datatypes as dt
from examples import example_of
from guarded import BUILTINS
from policy import is_builtin

# What other packages go by in programs: a text that imports none of them has forgotten to, it names no table.
MODULES = frozenset("np numpy pd pandas pl polars pa pyarrow plt sa sqlalchemy duckdb func F spark os sys re".split())
PLACEHOLDER_FIELD = "field"  # of a struct of which no field is known
NUMERIC = (dt.float64, dt.int64)
TEMPORAL = (dt.timestamp, dt.date)
ARRAY = dt.Array(dt.string)
MAP = dt.Map(dt.string, dt.string)
# In order of preference where the uses leave a choice.
CANDIDATES = (
    dt.string, *NUMERIC, *TEMPORAL, dt.boolean, ARRAY, MAP, dt.json, dt.Struct({PLACEHOLDER_FIELD: dt.string}),
    dt.Array(dt.float64), dt.Array(dt.int64), dt.Array(dt.Array(dt.string)), dt.time, dt.Interval("s"), dt.binary, dt.uuid, dt.inet, dt.Decimal(18, 3),
)  # fmt: skip
METHODS = {
    t: frozenset(n for n in dir(type(ibis.table({"c": t}, name="t")["c"])) if not n.startswith("_"))
    for t in CANDIDATES
}
# A field of a struct is told from a method that somebody forgot to call by its name.
ANY_METHOD = frozenset().union(*METHODS.values())
# Those that are read, not called.
PROPERTIES = {
    t: frozenset(n for n in names if isinstance(getattr(type(ibis.table({"c": t}, name="t")["c"]), n), property))
    for t, names in METHODS.items()
}
# What these return is of the type that they are called on.
PRESERVING = frozenset("""
    abs arbitrary asc clip coalesce desc fill_null first ffill bfill lag last lead max min mode name nullif over quantile
    substitute topk truncate
    """.split())
# Arguments of these are of the type that they are called on.
ALIKE = frozenset("isin notin between fill_null nullif coalesce clip identical_to max min".split())
COLUMN_OF = {"unpack": dt.Struct({PLACEHOLDER_FIELD: dt.string}), "unnest": ARRAY, "window_by": dt.timestamp}
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}")
# What a name alone suggests, where nothing else tells.
HINTS = [
    (re.compile(pattern, re.IGNORECASE), dtype)
    for pattern, dtype in [
        (r"(^|_)(is|has|was|can|should)_|^(active|enabled|deleted|flag|valid)$", dt.boolean),
        (r"(_at|(^|_)(ts|timestamp|datetime|time))$", dt.timestamp),
        (r"(^|_)(date|day|dob|birthday)$|^date_", dt.date),
        (r"(^|_)(id|key|n|num|count|qty|quantity|age|year|month|rank|number|size)$|^(n|num)_", dt.int64),
        (
            r"(^|_)(price|amount|total|value|score|rate|cost|revenue|salary|balance|weight|height|width|length|"
            r"lat|lon|latitude|longitude|temperature|ratio|pct|percent|discount|tax|sales|profit|x|y|z)$",
            dt.float64,
        ),
    ]
]


class Column:
    """What the uses of one name allow it to be."""

    def __init__(self, name):
        self.types = list(CANDIDATES)
        self.fields = {}  # of a struct, in order of their mention
        self.certain = False  # a use has told something
        self.hint = next((t for pattern, t in HINTS if pattern.search(name)), None)

    def restrict(self, allowed, preferred=None):
        kept = [t for t in self.types if t in allowed]
        if not kept:
            return
        self.certain = True
        self.types = kept
        if preferred in kept:
            kept.remove(preferred)
            kept.insert(0, preferred)


class Usage:
    def __init__(self, tree, known):
        self.columns, self.equal = {}, []
        self.nodes = list(ast.walk(tree))
        self.called = {id(n.func) for n in self.nodes if isinstance(n, ast.Call)}
        self.known = set(known)
        for node in self.nodes:
            visit = getattr(self, "on_" + type(node).__name__, None)
            if visit is not None:
                visit(node)
        for left, right in self.equal:
            self.unify(self.column(left), self.column(right))
        self.tables = self.free_names()
        self.name_parts = self.parts_of_names()
        self.equal_names = self.names_compared()
        self.lists_tables = any(isinstance(n, ast.Attribute) and n.attr in ("list_tables", "tables") for n in self.nodes)

    def parts_of_names(self):
        """What a text that looks through `columns` looks for in their names: `"sales" in c`, `c.startswith("x_")`,
        `re.match("x_", c)`."""
        if not any(isinstance(n, ast.Attribute) and n.attr in ("columns", "schema", "get_name") for n in self.nodes):
            return []
        found, patterns = [], []
        for node in self.nodes:
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
                found.append(node.left)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix"):
                    found += node.args[:1]
                elif node.func.attr in ("compile", "match", "search", "fullmatch"):
                    patterns += node.args[:1]
        found = [item for n in found for item in (n.elts if isinstance(n, ast.Tuple) else [n])]
        texts = [n.value for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        patterns = [n.value for n in patterns if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        return list(dict.fromkeys(text for text in [*texts, *map(example_of, patterns)] if text))

    def names_compared(self):
        """What a text that looks through `columns` compares their names with, which may be anything else: `c == "x"`."""
        if not any(isinstance(n, ast.Attribute) and n.attr == "columns" for n in self.nodes):
            return []
        compared = [n.comparators[0] for n in self.nodes if isinstance(n, ast.Compare) and isinstance(n.ops[0], (ast.Eq, ast.NotEq))]
        return list(dict.fromkeys(n.value for n in compared if isinstance(n, ast.Constant) and isinstance(n.value, str)))

    def free_names(self):
        """Names that the text reads and nowhere binds, in the order of their first mention."""
        bound, read = set(self.known), []
        for node in self.nodes:
            if isinstance(node, ast.Name):
                if isinstance(node.ctx, ast.Load):
                    read += [node] if id(node) not in self.called else []
                else:
                    bound.add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                bound |= {a.asname or a.name.split(".")[0] for a in node.names}
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                bound.add(node.name)
        read.sort(key=lambda n: (n.lineno, n.col_offset))
        return list(
            dict.fromkeys(
                n.id
                for n in read
                if n.id not in bound | MODULES and n.id not in BUILTINS and not is_builtin(n.id)
            )
        )

    def column(self, name):
        if name not in self.columns:
            self.columns[name] = Column(name)
        return self.columns[name]

    def candidates(self, name):
        """The types that `name` may have, the likeliest first; never empty."""
        column = self.columns.get(name) or Column(name)
        types = list(column.types)
        hint = column.hint
        if hint in types and (
            not column.certain or any(hint in kin and types[0] in kin for kin in (NUMERIC, TEMPORAL))
        ):
            types.remove(hint)
            types.insert(0, hint)
        return [self.struct(name) if isinstance(t, dt.Struct) else t for t in types]

    def struct(self, name):
        fields = self.columns[name].fields if name in self.columns else {}
        return dt.Struct({f: self.candidates(f)[0] for f in fields if f != name} or {PLACEHOLDER_FIELD: dt.string})

    def is_called_name(self, name):
        return any(isinstance(n, ast.Name) and n.id == name and id(n) in self.called for n in self.nodes)

    def is_only_called(self, name, within=None):
        """Whether `name` stands in the text, and first in the node `within`, as a method that is called and no other way."""
        for nodes in (list(ast.walk(within)) if within is not None else [], self.nodes):
            uses = [n for n in nodes if isinstance(n, ast.Attribute) and n.attr == name]
            if uses:
                return all(id(n) in self.called for n in uses)
        return False

    # What a node says of the columns in it.

    def name_of(self, node):
        """The column that `node` denotes, itself or through methods that keep its type."""
        while True:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr not in PRESERVING:
                    return None
                node = node.func.value
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                node = node.operand
            else:
                break
        if isinstance(node, ast.Attribute) and id(node) not in self.called:
            return node.attr
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return node.slice.value if isinstance(node.slice.value, str) else None
        return None

    def learn(self, node, allowed, preferred=None):
        name = self.name_of(node)
        if name is not None:
            self.column(name).restrict(allowed, preferred)

    def alike(self, nodes):
        """These nodes are of one type."""
        for left, right in zip(nodes, nodes[1:]):
            for a, b in ((left, right), (right, left)):
                allowed = self.kind(b)
                if allowed:
                    self.learn(a, allowed, allowed[0])
            a, b = self.name_of(left), self.name_of(right)
            if a is not None and b is not None and a != b:
                self.equal.append((a, b))

    def kind(self, node):
        """What may be compared with a constant, the likeliest first."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node = node.operand
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bool):
                return (dt.boolean,)
            if isinstance(value, int):
                return (dt.int64, dt.float64)
            if isinstance(value, float):
                return NUMERIC
            if isinstance(value, bytes):
                return (dt.binary,)
            if isinstance(value, str):
                return (dt.timestamp, dt.date, dt.string) if DATE.match(value) else (dt.string, *TEMPORAL)
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
            if name in ("now", "timestamp", "datetime"):
                return TEMPORAL
            if name in ("date", "today") and not self.name_of(getattr(function, "value", function)):
                return (dt.date, dt.timestamp)
            if name == "Decimal":
                return (dt.Decimal(18, 3), *NUMERIC)
            if name == "literal" and node.args:
                return self.kind(node.args[0])
        return ()

    def on_Attribute(self, node):
        inner = self.name_of(node.value)
        if id(node) in self.called or isinstance(node.value, ast.Name) or inner is None:
            return
        having = [t for t in CANDIDATES if node.attr in PROPERTIES[t]]
        if having == [dt.json]:
            self.learn_item(node.value, having)
        elif having:
            self.column(inner).restrict(having)
        elif node.attr in ANY_METHOD:
            self.learn(node.value, [t for t in CANDIDATES if node.attr in METHODS[t]])
        else:
            self.column(inner).fields.setdefault(node.attr)
            self.column(inner).restrict([t for t in CANDIDATES if isinstance(t, dt.Struct)])

    def on_Subscript(self, node):
        inner = node.value
        if isinstance(inner, ast.Name) or self.name_of(inner) is None:
            return
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            column = self.column(self.name_of(inner))
            column.fields.setdefault(node.slice.value)
            column.restrict([t for t in CANDIDATES if t == dt.json or isinstance(t, (dt.Map, dt.Struct))], MAP)
        elif isinstance(node.slice, ast.Constant):
            self.learn(inner, [t for t in CANDIDATES if isinstance(t, dt.Array) or t in (dt.json, dt.string)], ARRAY)
        elif isinstance(node.slice, ast.Slice):
            self.learn(inner, [t for t in CANDIDATES if isinstance(t, dt.Array) or t == dt.string], dt.string)

    def learn_item(self, node, allowed):
        """`node` reads an item of a column (an item of an item, …) that is one of `allowed`."""
        while isinstance(node, ast.Subscript) and not isinstance(node.value, ast.Name):
            node = node.value
        self.learn(node, allowed)

    def on_Call(self, node):
        function, args = node.func, node.args
        method = function.attr if isinstance(function, ast.Attribute) else None
        if method is None:
            return
        if self.name_of(function.value) is not None and not isinstance(function.value, ast.Call):
            fitting = [t for t in CANDIDATES if method in METHODS[t]]
            is_number = method in METHODS[dt.int64] and method not in METHODS[dt.string]
            self.learn(function.value, fitting, dt.float64 if is_number else None)
        if method in ALIKE:
            items = [e for a in args for e in (a.elts if isinstance(a, (ast.List, ast.Tuple)) else [a])]
            for item in items:
                self.alike([function.value, item])
        if method in ("coalesce", "greatest", "least"):
            self.alike(args)
        if method in ("filter", "having", "and_", "or_"):
            for argument in args:
                self.learn(argument, (dt.boolean,))
        if method == "ifelse" and len(args) == 3:
            self.learn(args[0], (dt.boolean,))
        if method == "ifelse" and len(args) == 2:
            self.learn(function.value, (dt.boolean,))
        if method == "fill_null" and args and isinstance(args[0], ast.Dict):
            for key, value in zip(args[0].keys, args[0].values):
                if isinstance(key, ast.Constant) and self.kind(value):
                    self.column(key.value).restrict(self.kind(value), self.kind(value)[0])
        if method in COLUMN_OF and args and isinstance(args[0], ast.Constant):
            self.column(args[0].value).restrict(
                [t for t in CANDIDATES if isinstance(t, type(COLUMN_OF[method]))], COLUMN_OF[method]
            )
        if method.endswith("join"):
            self.keys(node)

    def keys(self, node):
        positional = node.args[1:2]
        by_keyword = {k.arg: k.value for k in node.keywords}
        if node.func.attr == "asof_join":
            on = by_keyword.get("on", positional[0] if positional else None)
            for name in self.constants(on):
                self.column(name).restrict((*TEMPORAL, *NUMERIC), dt.timestamp)
        for keys in (*positional, by_keyword.get("predicates")):
            for item in keys.elts if isinstance(keys, ast.List) else [keys]:
                names = self.constants(item)
                if isinstance(item, ast.Tuple) and len(names) == 2:
                    self.equal.append((names[0], names[1]))

    def constants(self, node):
        items = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
        return [i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str)]

    def on_Compare(self, node):
        self.alike([node.left, *node.comparators])

    def on_BinOp(self, node):
        left, right = node.left, node.right
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            for side in (left, right):
                self.learn(side, (dt.boolean, dt.int64), dt.boolean)
        elif isinstance(node.op, (ast.Add, ast.Sub)):
            if self.is_interval(left) or self.is_interval(right):
                for side in (left, right):
                    self.learn(side, (*TEMPORAL, dt.time, dt.Interval("s")), dt.timestamp)
                return
            self.alike([left, right])
            for side in (left, right):
                texts = (dt.string,) if isinstance(node.op, ast.Add) else ()
                self.learn(side, (*NUMERIC, *TEMPORAL, *texts, dt.Decimal(18, 3), ARRAY), dt.float64)
        elif isinstance(node.op, (ast.Mult, ast.Div, ast.Mod, ast.Pow, ast.FloorDiv)):
            for side in (left, right):
                self.learn(side, (*NUMERIC, dt.Decimal(18, 3), dt.Interval("s")), dt.float64)

    def is_interval(self, node):
        function = node.func if isinstance(node, ast.Call) else None
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
        return name in ("interval", "timedelta", "as_interval")

    def on_UnaryOp(self, node):
        if isinstance(node.op, ast.Invert):
            self.learn(node.operand, (dt.boolean, dt.int64), dt.boolean)

    def unify(self, one, other):
        """Two columns that are compared or joined take one type."""
        shared = [t for t in one.types if t in other.types]
        if not shared:
            return
        if other.certain and not one.certain:
            shared = [t for t in other.types if t in shared]
        if not one.certain and not other.certain:
            first = one.hint or other.hint
            shared.sort(key=lambda t: t is not first)
        one.types, other.types = list(shared), list(shared)
        one.certain = other.certain = True
