"""What an expression in a file needs of it: the statements that bind its names, backwards from where it stands (a static
backward slice after Weiser, 1981, over straight lines alone)."""

import ast
import builtins
import copy

from scopes import COMPREHENSIONS
from sites import OTHERS, NoSite, is_ibis

MUTATORS = frozenset("append add clear discard extend insert pop popitem remove reverse setdefault sort update".split())
MAX_STATEMENTS = 30
# Before a name that is certainly a table's: no name of Python's has a colon.
TABLE = "table:"
FIXTURE = "fixture"
PARAMETERS = "parametrize"
BLOCKS = ("body", "orelse", "finalbody", "handlers")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def names_read(node):
    """Names that `node` reads of the scope in which it stands, in the order of their mention."""
    found = {}
    read_in(node, frozenset(), found)
    return list(found)


def read_in(node, bound, found):
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in bound:
            found[node.id] = None
        return
    if isinstance(node, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)):
        own = parameters(node)
        for child in [*getattr(node, "decorator_list", ()), *node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
            read_in(child, bound, found)
        body = node.body if isinstance(node.body, list) else [node.body]
        for statement in node.body if isinstance(node.body, list) else ():
            own |= names_bound(statement)
        for child in body:
            read_in(child, bound | own, found)
        return
    if isinstance(node, COMPREHENSIONS):
        own = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        read_in(node.generators[0].iter, bound, found)
        for child in ast.iter_child_nodes(node):
            read_in(child, bound | own, found)
        return
    for child in ast.iter_child_nodes(node):
        read_in(child, bound, found)


def names_bound(statement):
    """Names that a statement binds in the scope in which it stands."""
    found, stack = set(), [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, DEFINITIONS):
            found.add(node.name)
            continue
        if isinstance(node, (ast.Lambda, *COMPREHENSIONS)):
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {a.asname or a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        stack.extend(ast.iter_child_nodes(node))
    return found


def changed_names(statement):
    """Names whose values a statement changes in place: `x.append(…)`, `x[…] = …`, `x.y = …`."""
    found = set()
    for node in ast.walk(statement):
        base = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            base = node.func.value
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            base = node.value
        if isinstance(base, ast.Name):
            found.add(base.id)
    # A method of tables is no change: what it gives is used.
    return found if isinstance(statement, (ast.Expr, ast.Assign, ast.AugAssign, ast.Delete)) else set()


def literal(node):
    """Whether `node` is a literal: a constant, or a list, tuple or dictionary of such."""
    try:
        ast.literal_eval(node)
        return True
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def called(node):
    """The last part of a decorator's name."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def parametrized(function, name):
    """The first value with which a test is run for its parameter `name`; None where it has none."""
    for decorator in function.decorator_list:
        if called(decorator) != PARAMETERS or len(decorator.args) < 2:
            continue
        names, values = decorator.args[:2]
        if isinstance(names, ast.Constant) and isinstance(names.value, str):
            listed = [n.strip() for n in names.value.split(",")]
        elif isinstance(names, (ast.List, ast.Tuple)):
            listed = [getattr(n, "value", None) for n in names.elts]
        else:
            continue
        if name not in listed:
            continue
        if not isinstance(values, (ast.List, ast.Tuple)) or not values.elts:
            raise NoSite("a parameter's values are no literals", name)
        first = values.elts[0]
        if isinstance(first, ast.Call) and called(first) == "param":
            own = first.args
        elif len(listed) > 1:
            own = getattr(first, "elts", [])
        else:
            own = [first]
        at = listed.index(name)
        if at >= len(own) or not literal(own[at]):
            raise NoSite("a parameter's values are no literals", name)
        return own[at]
    return None


def default_of(function, name):
    """The default of a parameter, where it is a literal other than None."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]
    for argument, default in pairs:
        if argument.arg == name and default is not None and literal(default):
            return default
    return None


def parameters(function):
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {argument.arg for argument in every if argument is not None}


class Slice:
    """The statements that one expression needs, in the order in which they run, and the names that nothing binds."""

    def __init__(self, file, has_module):
        self.file, self.has_module = file, has_module
        self.statements = []  # (origin, statement): what needs another stands before it
        self.origins = {}  # name → the statement that binds it, so that no two values have one name
        self.literals = {}  # parameters → the values that they have in the program
        self.tables = {}  # free names, of parameters and the like, in order
        self.entered = set()  # fixtures

    def of(self, node):
        """Adds what `node`, an expression of the file, needs. Raises NoSite."""
        needed = set(names_read(node))
        self.inner(node, needed)
        self.backwards(self.file.statement(node), needed)

    def inner(self, node, needed):
        """Names that a lambda or comprehension around `node` binds: a lambda's parameter is a table."""
        for above in self.file.above(node):
            if isinstance(above, ast.stmt):
                return
            if isinstance(above, ast.Lambda):
                for name in sorted(parameters(above) & needed):
                    needed.discard(name)
                    self.free(name)
            elif isinstance(above, COMPREHENSIONS):
                bound = {n.id for g in above.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
                if bound & needed:
                    raise NoSite("a name is bound by a loop", min(bound & needed))

    def backwards(self, statement, needed):
        """From a statement to the beginning of the module, through the blocks that it stands in."""
        here = statement
        while needed:
            above = self.file.parents.get(here)
            if above is None:
                break
            for field in BLOCKS:
                block = getattr(above, field, None)
                if isinstance(block, list) and here in block:
                    self.block(block[: block.index(here)], needed)
            self.leave(above, needed)
            if isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.parameters(above, needed)
                here = self.outside(above, needed)
                if here is None:
                    break
                continue
            here = above
        self.unbound(needed)

    def outside(self, function, needed):
        """Where the names of a function go on: the module's are looked for from its end, and a class has none."""
        above = self.file.parents.get(function)
        while above is not None and not isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            function, above = above, self.file.parents.get(above)
        if isinstance(above, ast.Module):
            self.block(above.body, needed)
            return None
        return function

    def leave(self, above, needed):
        """What a compound statement binds in its head."""
        if isinstance(above, (ast.For, ast.AsyncFor)):
            bound = {n.id for n in ast.walk(above.target) if isinstance(n, ast.Name)} & needed
            if bound:
                raise NoSite("a name is bound by a loop", min(bound))
        elif isinstance(above, (ast.With, ast.AsyncWith)):
            self.with_head(above, needed)
        elif isinstance(above, ast.ExceptHandler) and above.name in needed:
            raise NoSite("a name is bound by a loop", above.name)

    def with_head(self, statement, needed):
        for item in statement.items:
            bound = item.optional_vars and {n.id for n in ast.walk(item.optional_vars) if isinstance(n, ast.Name)} & needed
            if bound:
                raise NoSite("a name is bound by a with statement", min(bound))

    def block(self, statements, needed):
        """Straight lines, backwards."""
        for statement in reversed(statements):
            if not needed:
                return
            if isinstance(statement, (ast.With, ast.AsyncWith)) and self.file.once(names_bound, statement) & needed:
                self.block(statement.body, needed)
                self.with_head(statement, needed)
                continue
            changed = self.file.once(changed_names, statement) & needed
            if changed:
                raise NoSite("a value is changed in place", min(changed))
            bound = self.file.once(names_bound, statement) & needed
            if bound:
                self.bind(statement, bound, needed)

    def bind(self, statement, bound, needed):
        """Takes a statement in that binds names which are needed."""
        name = min(bound)
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self.load(statement, bound)
            needed -= bound
            return
        if isinstance(statement, ast.If) and not names_bound_outside_imports(statement) & bound:
            for child in ast.walk(statement):
                if isinstance(child, (ast.Import, ast.ImportFrom)) and names_bound(child) & bound:
                    self.load(child, names_bound(child) & bound)
            needed -= bound
            return
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.function(statement, needed)
            return
        if isinstance(statement, ast.ClassDef):
            raise NoSite("it needs a class of the file", name)
        if isinstance(statement, ast.AugAssign):
            self.add(statement, name)
            needed |= set(names_read(statement.value)) | {name}
            return
        value = getattr(statement, "value", None)
        simple = isinstance(statement, (ast.Assign, ast.AnnAssign)) and value is not None
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if not simple or not all(is_plain(t) for t in targets):
            raise NoSite("a name is bound in a branch or a loop", name)
        self.inert(value, name)
        # An annotation is for readers of the file.
        own = statement if isinstance(statement, ast.Assign) else ast.Assign(targets, value, lineno=statement.lineno, col_offset=statement.col_offset)
        self.add(own, name, statement)
        needed -= bound
        needed |= set(names_read(value))

    def inert(self, value, name):
        """A result is no query, and neither is a data frame."""
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                base = node.func.value
                if node.func.attr in ("execute", "to_pandas", "to_polars", "to_pyarrow"):
                    raise NoSite("it needs the result of a query", name)
                if isinstance(base, ast.Name) and self.file.imports.get(base.id) in ("pandas", "numpy", "polars", "pyarrow"):
                    raise NoSite("it needs a module that programs do not have", self.file.imports[base.id])

    def function(self, statement, needed):
        """A function of the file that the expression calls, whole; of a fixture the value."""
        name = statement.name
        decorators = [called(d) for d in statement.decorator_list]
        needed.discard(name)
        if FIXTURE in decorators:
            self.fixture(statement)
        elif isinstance(statement, ast.AsyncFunctionDef) or any(d not in ("udf", "scalar", "builtin", "python") for d in decorators):
            raise NoSite("it calls a function with decorators", name)
        else:
            self.add(statement, name)
            own = set(names_read(statement)) - {name}
            if self.file.parents[statement] is not self.file.tree:
                needed |= own
            elif statement not in self.entered:
                # What it reads is bound when it is called: by then all of the module is.
                self.entered.add(statement)
                self.block(self.file.tree.body, own)
                self.unbound(own)

    def fixture(self, function):
        """A fixture's value under the fixture's own name."""
        if function in self.entered:
            raise NoSite("a name is bound by itself", function.name)
        self.entered.add(function)
        last = function.body[-1]
        value = last.value if isinstance(last, (ast.Return, ast.Expr)) else None
        value = value.value if isinstance(value, ast.Yield) else value
        returns = [n for n in ast.walk(function) if isinstance(n, (ast.Return, ast.Yield))]
        if value is None or len(returns) != 1:
            raise NoSite("a fixture has no one value", function.name)
        self.inert(value, function.name)
        needed = set(names_read(value))
        if not (isinstance(value, ast.Name) and value.id == function.name):
            target = ast.Name(function.name, ast.Store())
            self.add(ast.Assign([target], value, lineno=last.lineno, col_offset=last.col_offset), function.name, last)
        self.backwards(last, needed)

    def parameters(self, function, needed):
        decorators = [called(d) for d in function.decorator_list]
        for name in sorted(parameters(function) & needed):
            needed.discard(name)
            if name in ("self", "cls"):
                raise NoSite("it needs an object of a class", name)
            value = parametrized(function, name) if PARAMETERS in decorators else None
            value = value or default_of(function, name)
            if value is not None:
                if ast.dump(self.literals.setdefault(name, value)) != ast.dump(value):
                    raise NoSite("two different things have one name", name)
                continue
            fixture = next((s for s in self.file.tree.body if isinstance(s, ast.FunctionDef) and s.name == name and s is not function), None)
            if fixture is not None and FIXTURE in [called(d) for d in fixture.decorator_list]:
                self.fixture(fixture)
            else:
                self.free(name)

    def load(self, statement, bound):
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name not in bound:
                continue
            module = alias.name if isinstance(statement, ast.Import) else statement.module or ""
            if getattr(statement, "level", 0) or not (is_ibis(module) or self.has_module(module)):
                raise NoSite("it needs a module that programs do not have", "." * getattr(statement, "level", 0) + module)
            own = copy.copy(statement)
            own.names = [alias]
            self.add(own, name)

    def add(self, statement, name, origin=None):
        origin = origin or statement
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            origin = ast.unparse(statement)  # one import, wherever the file repeats it
        before = self.origins.setdefault(name, origin)
        if before != origin and not isinstance(statement, (ast.Assign, ast.AugAssign)):
            raise NoSite("two different things have one name", name)
        # What is needed again is needed before what needs it now, too.
        self.statements = [entry for entry in self.statements if entry[0] != origin]
        self.statements.append((origin, statement))
        if len(self.statements) > MAX_STATEMENTS:
            raise NoSite("it needs too many statements", f"over {MAX_STATEMENTS}")

    def free(self, name):
        if name in OTHERS:
            raise NoSite("it needs a connection, or a tool of its test", name)
        self.tables[name] = None

    def unbound(self, needed):
        """Names that no statement binds: those of Python, and else a fault."""
        self.tables |= dict.fromkeys(sorted(n for n in needed if n.startswith(TABLE)))
        known = {n for n in ("ibis", "_") if is_ibis(self.file.imports.get(n))}
        rest = sorted(n for n in needed - known if not n.startswith(TABLE) and not hasattr(builtins, n))
        needed.clear()
        if not rest:
            return
        name = rest[0]
        if name in self.file.imports or name in OTHERS:
            raise NoSite("it needs a name that its function does not bind", name)
        if "*" in self.file.imports:
            raise NoSite("a name may be of a star import", name)
        raise NoSite("a name is bound nowhere in the file", name)

    def ordered(self):
        """The statements in the order in which they run, imports first."""
        found = [statement for _, statement in reversed(self.statements)]
        return sorted(found, key=lambda statement: not isinstance(statement, (ast.Import, ast.ImportFrom)))


def is_plain(target):
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(isinstance(item, ast.Name) for item in target.elts)
    return isinstance(target, ast.Name)


def names_bound_outside_imports(statement):
    return {
        name
        for child in ast.walk(statement)
        if isinstance(child, ast.stmt) and not isinstance(child, (ast.Import, ast.ImportFrom, ast.If))
        for name in names_bound(child)
    }
