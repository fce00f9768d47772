"""Where names live: CPython's rules for the locals of functions, for closures, `global` and `nonlocal`."""

import ast

FUNCTIONS = (ast.FunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def parameters(arguments):
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [a.arg for a in (*named, arguments.vararg, arguments.kwarg) if a is not None]


def bindings(function):
    """`(locals, globals, nonlocals)`: the names that a function binds, and those that it declares otherwise."""
    bound, global_, nonlocal_ = set(parameters(function.args)), set(), set()
    pending = list(function.body) if isinstance(function, ast.FunctionDef) else [function.body]
    pending = [(node, False) for node in pending]
    while pending:
        node, nested = pending.pop()  # nested: inside a comprehension, whose targets are its own
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)) and not nested:
            bound.add(node.id)
        elif isinstance(node, ast.NamedExpr):
            bound.add(node.target.id)
            pending.append((node.value, nested))
            continue
        elif isinstance(node, ast.Global):
            global_.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            nonlocal_.update(node.names)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        if isinstance(node, FUNCTIONS):
            if isinstance(node, ast.FunctionDef):
                bound.add(node.name)
                pending += [(d, nested) for d in node.decorator_list]
            pending += [(d, nested) for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
            continue
        inner = nested or isinstance(node, COMPREHENSIONS)
        pending += [(child, inner) for child in ast.iter_child_nodes(node)]
    return frozenset(bound - global_ - nonlocal_), frozenset(global_), frozenset(nonlocal_)


def targets(comprehension):
    """The names that a comprehension's loops bind."""
    return frozenset(
        n.id
        for g in comprehension.generators
        for n in ast.walk(g.target)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    )


class Scope:
    """The names of one call. `own`: which names are its locals, set or not; None for the module's scope, which has any."""

    __slots__ = ("names", "own", "globals", "parent", "root", "path", "is_function")

    def __init__(self, names, own=None, parent=None, declared=frozenset(), path="", is_function=True):
        self.names, self.own, self.parent, self.globals, self.path = names, own, parent, declared, path
        self.root = self if parent is None else parent.root
        self.is_function = is_function

    def is_module(self):
        return self.parent is None

    def home(self, name):
        """The scope that `name` belongs to as seen from here; the module's when no function binds it."""
        scope = self
        while scope.parent is not None:
            if name in scope.globals:
                return scope.root
            if name in scope.own:
                return scope
            scope = scope.parent
        return scope

    def get(self, name):
        """`(found, value)`. Raises as CPython does for a local that is not set yet."""
        home = self.home(name)
        if name in home.names:
            return True, home.names[name]
        if home.parent is None:
            return False, None
        own = self
        while not own.is_function and own is not home:
            own = own.parent
        if own is home:
            raise UnboundLocalError(
                f"cannot access local variable '{name}' where it is not associated with a value"
            )
        raise NameError(
            f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope",
            name=name,
        )

    def set(self, name, value):
        self.home(name).names[name] = value

    def set_walrus(self, name, value):
        """As `set`, past the comprehension that an assignment expression stands in."""
        scope = self
        while not scope.is_function:
            scope = scope.parent
        scope.set(name, value)

    def delete(self, name):
        home = self.home(name)
        if name not in home.names:
            self.get(name)
            raise NameError(f"name '{name}' is not defined", name=name)
        del home.names[name]
