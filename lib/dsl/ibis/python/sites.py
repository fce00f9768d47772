"""Where in a file of Python a match stands, and how much of what is around it is one query."""

import ast
import io
import tokenize

MAX_FILE = 300_000
MAX_BRACKETS = 60
MAX_STATEMENT_TOKENS = 30_000
MAX_UNARY_RUN = 50

# What ends a query: it is run, shown, or asked what it is.
ENDS = frozenset("""
    cache columns compile create_table create_view dtypes equals execute explain get_backend get_name has_name head_count
    info insert ncolumns nrows op preview schema show_sql to_csv to_delta to_json to_list to_pandas
    to_pandas_batches to_parquet to_polars to_pyarrow to_pyarrow_batches to_sql to_torch type unbind visualize
    """.split())
# Names that stand for no table, whoever binds them.
OTHERS = frozenset("backend con conn connection client self cls np pd pa pl pytest tm testing".split())


class NoSite(Exception):
    """Why a match is made into no program: the reason, the same for all of its kind, and what it is here."""

    def __init__(self, reason, detail=""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def read(text):
    """The tree of a file. Raises NoSite, SyntaxError, ValueError or RecursionError."""
    if len(text) > MAX_FILE:
        raise NoSite("its file is too long", f"{len(text)} characters; the most is {MAX_FILE}")
    bound(text)
    return ast.parse(text)


def bound(text):
    """Refuses what would overflow the stack of CPython's parser, which in WebAssembly ends the process."""
    depth = count = run = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            count = 0 if token.type == tokenize.NEWLINE else count + 1
            run = run + 1 if token.string in ("-", "+", "~", "not") else 0
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
            if depth > MAX_BRACKETS or count > MAX_STATEMENT_TOKENS or run > MAX_UNARY_RUN:
                raise NoSite("its file nests too deep", f"line {token.start[0]}")
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser says it better


class File:
    """A file's tree, with the way back from each node."""

    def __init__(self, tree):
        self.tree = tree
        self.parents = {}
        self.nodes = []
        stack = [tree]
        while stack:
            node = stack.pop()
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                stack.append(child)
            if isinstance(node, (ast.expr, ast.stmt)):
                self.nodes.append(node)
        self.expressions = [node for node in self.nodes if isinstance(node, ast.expr)]
        self.imports = imports_of(tree)
        self.known = {}  # what was found out of statements, which many sites ask for

    def once(self, find, statement):
        """`find(statement)`, which is the same each time."""
        key = (find, statement)
        if key not in self.known:
            self.known[key] = frozenset(find(statement))
        return self.known[key]

    def above(self, node):
        """The nodes that hold `node`, the innermost first."""
        while (node := self.parents.get(node)) is not None:
            yield node

    def statement(self, node):
        return node if isinstance(node, ast.stmt) else next(n for n in self.above(node) if isinstance(n, ast.stmt))

    def at(self, line, column, end_line, end_column):
        """The expression of that span, else the smallest one that holds it; columns count characters from 1."""
        span = ((line, column - 1), (end_line, end_column - 1))
        exact, around, within = None, None, None
        for node in self.expressions:
            if node.end_lineno < line or node.lineno > end_line:
                continue
            own = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
            if own == span:
                exact = node
            if own[0] <= span[0] and own[1] >= span[1] and (around is None or size(own) <= size(around[0])):
                around = (own, node)
            if own[0] >= span[0] and own[1] <= span[1] and (within is None or size(own) > size(within[0])):
                within = (own, node)
        # A span may take in the brackets around an expression, which no node has.
        found = exact or (around and around[1]) or (within and within[1])
        if found is None:
            raise NoSite("no expression stands there")
        return found

    def definition(self, line, end_line, kind):
        """The function or class that stands on those lines."""
        for node in self.nodes:
            if isinstance(node, kind) and node.lineno >= line and node.end_lineno == end_line:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if first <= line <= node.lineno:
                    return node
        raise NoSite("no function stands there")


def size(span):
    (line, column), (end_line, end_column) = span
    return (end_line - line, end_column - column if end_line == line else end_column)


def imports_of(tree):
    """Name → what the module's imports bind to it, wherever they stand."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    return found


def is_ibis(module):
    return module is not None and (module == "ibis" or module.startswith("ibis."))


def root(node):
    """The innermost value of a chain of attributes, items and calls."""
    while True:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return node


class Climb:
    """From a match to all of the query that it is part of."""

    def __init__(self, file):
        self.file = file

    def of_ibis(self, call):
        """Whether a call makes a query of its arguments: a method of one, or a function of Ibis."""
        function = call.func
        if isinstance(function, ast.Name):
            return is_ibis(self.file.imports.get(function.id)) and function.id[:1].islower()
        if not isinstance(function, ast.Attribute) or function.attr in ENDS:
            return False
        base = root(function)
        if not isinstance(base, ast.Name):
            return True
        module = self.file.imports.get(base.id)
        return base.id not in OTHERS and (module is None or is_ibis(module))

    def whole(self, node):
        """The largest expression around `node` that is a query still."""
        best = here = node
        while True:
            above = self.file.parents.get(here)
            if isinstance(above, ast.Attribute):
                call = self.file.parents.get(above)
                if above.attr in ENDS:
                    return best
                if isinstance(call, ast.Call) and call.func is above:
                    if not self.of_ibis(call):
                        return best
                    here = best = call
                else:
                    here = best = above
            elif isinstance(above, ast.Subscript):
                here = best = above
            elif isinstance(above, (ast.BinOp, ast.UnaryOp, ast.Compare)):
                if isinstance(above, ast.Compare) and not isinstance(self.file.parents.get(above), (ast.expr, ast.keyword, ast.Assign, ast.Return)):
                    return best
                if isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not):
                    return best
                here = best = above
            elif isinstance(above, ast.Call):
                if not self.of_ibis(above):
                    return best
                here = best = above
            elif isinstance(above, (ast.keyword, ast.Starred, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Lambda)):
                here = above  # part of a query only where a call takes it
            else:
                return best


def ended(node):
    """A query without the calls that run or show it."""
    while True:
        call = node if isinstance(node, ast.Call) else None
        if call and isinstance(call.func, ast.Attribute) and call.func.attr in ENDS:
            base = call.func.value
            if isinstance(base, ast.Name) and base.id in OTHERS and call.args:
                node = call.args[0]  # con.execute(query)
            elif isinstance(base, ast.Name) and base.id == "ibis" and call.args:
                node = call.args[0]  # ibis.to_sql(query)
            else:
                node = base
        elif isinstance(node, ast.Attribute) and node.attr in ENDS:
            node = node.value
        else:
            return node


def does_something(node):
    """Whether an expression is more than a name, a constant, or a column of a table."""
    return any(
        isinstance(n, (ast.Call, ast.BinOp, ast.Compare, ast.UnaryOp)) or isinstance(n, ast.Subscript) and not isinstance(n.slice, ast.Constant)
        for n in ast.walk(node)
    )
