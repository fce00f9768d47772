"""The tables that a sliced program begins with: those that the file gives a schema, and those that it only names."""

import ast
import copy
import io
import keyword
import re
import tokenize

import ibis.expr.operations as ops
from ibis.expr.types import Table
from sites import NoSite, is_ibis, root
from slices import TABLE, names_bound, names_read

READERS = frozenset("read_csv read_delta read_geo read_json read_parquet read_xlsx".split())
MADE = re.compile(r"^ibis_(pandas|pyarrow|polars)?_?memtable|_memtable_|^unbound_table_\d+$")
FRAME = re.compile(r"^(p|pl|pd|pandas|polars)?_?df\d*$|_p?df$|^(data)?frames?$|^(expected|actual|result|res)\d*$")
KNOWN_IMPORTS = frozenset(["import ibis", "from ibis import _"])


def is_identifier(name):
    return name.isidentifier() and not keyword.iskeyword(name)


def named(name, node):
    return ast.copy_location(ast.Name(TABLE + name, ast.Load()), node)


class Named(ast.NodeTransformer):
    """Puts names in place of tables that a connection, a file or Ibis's examples hold: `con.table("x")` becomes x."""

    def __init__(self, imports):
        self.imports = imports
        self.target = None  # what the value of the statement at hand is bound to

    def is_ibis(self, node):
        return isinstance(node, ast.Name) and is_ibis(self.imports.get(node.id))

    def visit_Assign(self, node):
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.target = (node.value, node.targets[0].id)
        self.generic_visit(node)
        return node

    def visit_Call(self, node):
        target = self.target[1] if self.target is not None and self.target[0] is node else None
        self.generic_visit(node)
        function = node.func
        if not isinstance(function, ast.Attribute):
            return node
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        if function.attr == "table" and not self.is_ibis(function.value) and len(node.args) == 1:
            return named(first, node) if isinstance(first, str) and is_identifier(first) else node
        if function.attr == "create_table" and isinstance(first, str) and is_identifier(first):
            return named(first, node)
        if function.attr in READERS:
            stem = re.sub(r"\W", "_", first.rpartition("/")[2].partition(".")[0]) if isinstance(first, str) else ""
            name = target or stem
            return named(name, node) if is_identifier(name) else node
        if function.attr == "fetch" and isinstance(function.value, ast.Attribute):
            base = function.value.value
            module = self.imports.get(base.id) if isinstance(base, ast.Name) else None
            within = isinstance(base, ast.Attribute) and base.attr == "examples" and self.is_ibis(base.value)
            if within or module == "ibis.examples":
                return named(function.value.attr, node)
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        inner = node.value
        if isinstance(inner, ast.Attribute) and inner.attr == "tables" and isinstance(root(inner), ast.Name):
            return named(node.attr, node)
        return node

    def visit_Subscript(self, node):
        self.generic_visit(node)
        inner = node.value
        if isinstance(inner, ast.Attribute) and inner.attr == "tables" and isinstance(node.slice, ast.Constant):
            name = node.slice.value
            return named(name, node) if isinstance(name, str) and is_identifier(name) else node
        return node


def used(statements, final):
    """The statements without those whose names nothing reads any more: a connection, once its tables have names."""
    needed, kept = set(names_read(final)), []
    for statement in reversed(statements):
        bound = binds(statement)
        if bound is None or bound & needed:
            kept.append(statement)
            needed |= set(names_read(statement))
    return kept[::-1]


def binds(statement):
    if isinstance(statement, ast.Assign):
        return {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {a.asname or a.name.partition(".")[0] for a in statement.names}
    return {statement.name} if isinstance(statement, ast.FunctionDef) else None


class Given(ast.NodeTransformer):
    """Takes tables out of a program that it makes itself, of literals: their schemas are what they are made with."""

    def __init__(self, imports, evaluate):
        self.imports, self.evaluate = imports, evaluate
        self.before = []  # statements of the program, this far, as the file has them
        self.schemas = {}
        self.target = None

    def visit_Call(self, node):
        target = self.target
        self.target = None
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Attribute):
            base = function.value
            makes = function.attr in ("table", "memtable") and isinstance(base, ast.Name) and is_ibis(self.imports.get(base.id))
        else:
            makes = isinstance(function, ast.Name) and self.imports.get(function.id) in ("ibis.table", "ibis.memtable")
        if not makes:
            return node
        call = ast.Expr(copy.deepcopy(node), lineno=node.lineno, col_offset=0)
        table = self.evaluate([*used(self.before, call), call])
        op = table.op() if isinstance(table, Table) else None
        if not isinstance(op, (ops.UnboundTable, ops.InMemoryTable)):
            raise NoSite("a table's schema cannot be read", ast.unparse(node)[:200])
        own = op.name if is_identifier(op.name) and not MADE.search(op.name) else None
        name = own or target or "t"
        schema = {column: str(dtype) for column, dtype in table.schema().items()}
        if self.schemas.setdefault(name, schema) != schema:
            raise NoSite("two tables have one name", name)
        return named(name, node)

    def statement(self, statement):
        alone = isinstance(statement, ast.Assign) and len(statement.targets) == 1
        self.target = statement.targets[0].id if alone and isinstance(statement.targets[0], ast.Name) else None
        if not isinstance(getattr(statement, "value", None), ast.Call):
            self.target = None
        self.before.append(copy.deepcopy(statement))
        return self.visit(statement)


class Inlined(ast.NodeTransformer):
    """Puts values of parameters in their places."""

    def __init__(self, literals):
        self.literals = literals

    def visit_Name(self, node):
        value = self.literals.get(node.id)
        return node if value is None else ast.copy_location(value, node)


def inlined(statements, literals):
    """Statements without the parameters that have literals. Raises NoSite where another thing has their name."""
    if not literals:
        return statements
    bound = {n.arg for s in statements for n in ast.walk(s) if isinstance(n, ast.arg)}
    bound |= {n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    if bound & literals.keys():
        raise NoSite("two different things have one name", min(bound & literals.keys()))
    return [Inlined(literals).visit(s) for s in statements]


class Renamed(ast.NodeTransformer):
    def __init__(self, names):
        self.names = names

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node


def without_aliases(statements, final, tables):
    """The program with tables under their own names: `t = con.table("orders")` goes, and t is orders."""
    bound = [name for statement in statements for name in names_bound(statement)]
    inner = {n.arg for s in [*statements, final] for n in ast.walk(s) if isinstance(n, ast.arg)}
    names = {}
    for table in dict.fromkeys([*tables, *(n for s in [*statements, final] for n in names_read(s) if n.startswith(TABLE))]):
        if table.startswith(TABLE):
            own = table.removeprefix(TABLE)
            aliases = [s.targets[0].id for s in statements if is_alias(s, tables) and s.value.id == table]
            if bound.count(own) > aliases.count(own) or own in inner or own in tables:
                raise NoSite("two different things have one name", own)
            names[table] = own
        else:
            names[table] = table
    kept = []
    for statement in statements:
        if is_alias(statement, tables) and statement.value.id in names:
            alias = statement.targets[0].id
            if bound.count(alias) == 1 and alias not in inner and names[statement.value.id] not in bound:
                names[alias] = names[statement.value.id]
                continue
            if alias == names[statement.value.id]:
                continue
        kept.append(statement)
    rename = Renamed(names)
    return [rename.visit(s) for s in kept], rename.visit(final), list(dict.fromkeys(names.values()))


def is_alias(statement, tables):
    return (
        isinstance(statement, ast.Assign)
        and len(statement.targets) == 1
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Name)
        and (statement.value.id.startswith(TABLE) or statement.value.id in tables)
    )


def written(nodes):
    """Statements as text, their strings in double quotes where these need no escape."""
    lines = [ast.unparse(ast.fix_missing_locations(node)) for node in nodes]
    text = "\n".join(line for line in lines if line not in KNOWN_IMPORTS)
    out, offsets = [], [0]
    for row in text.split("\n"):
        offsets.append(offsets[-1] + len(row) + 1)
    done = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start, end = (offsets[line - 1] + column for line, column in (token.start, token.end))
        single = token.type == tokenize.STRING and token.string[0] == "'" and not token.string.startswith("'''")
        if single and '"' not in token.string and "\\" not in token.string:
            out.append(text[done:start] + '"' + token.string[1:-1] + '"')
            done = end
    return "".join(out) + text[done:]
