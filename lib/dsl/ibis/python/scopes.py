"""Where names live: modules, functions and comprehensions, by Python's rules (The Python Language Reference, 4.2.2)."""

import ast

FUNCTIONS = (ast.FunctionDef, ast.Lambda)
YIELDS = (ast.Yield, ast.YieldFrom)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope(dict):
    """Name → value. `local`: the names that a function binds, bound or not yet; None for a module or comprehension."""

    def __init__(self, outer=None, local=None, declared=None, name=""):
        super().__init__()
        self.outer, self.local, self.declared, self.name = outer, local, declared or {}, name

    def qualified(self, name):
        """What Python calls a function `name` that is defined here."""
        within = self.function.name
        return f"{within}.<locals>.{name}" if within else name

    @property
    def function(self):
        """The function's or module's scope that a comprehension's belongs to, or this one."""
        scope = self
        while scope.local is None and scope.outer is not None:
            scope = scope.outer
        return scope

    @property
    def module(self):
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def find(self, name):
        """The scope that holds `name`, or None. Raises where Python knows the name and finds it not bound yet."""
        scope, entered = self, 0
        while scope is not None:
            if isinstance(scope, ClassScope) and scope is not self:
                scope = scope.outer
                continue
            if name in scope:
                return scope
            if scope.declared.get(name) == "global":
                return scope.module if name in scope.module else None
            if scope.local is not None:
                if name in scope.local:
                    raise unbound(name, entered > 0)
                entered += 1
            scope = scope.outer
        return None

    def target(self, name):
        """The scope in which an assignment binds `name`."""
        scope = self.function
        how = scope.declared.get(name)
        if how == "global":
            return scope.module
        if how == "nonlocal":
            scope = scope.outer
            while scope is not None and name not in (scope.local or ()):
                scope = scope.outer
        return scope

    def bind(self, name, value):
        self.target(name)[name] = value

    def forget(self, name):
        self.target(name).pop(name, None)

    def unbind(self, name):
        scope = self.target(name)
        if name not in scope:
            raise unbound(name, False) if scope.local is not None else undefined(name)
        del scope[name]


class ClassScope(Scope):
    """Of a class's body: what is defined within it looks past it."""

    def __init__(self, outer):
        super().__init__(outer, frozenset(), None, outer.function.name)


def unbound(name, free):
    if free:
        return NameError(
            f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope",
            name=name,
        )
    return UnboundLocalError(
        f"cannot access local variable '{name}' where it is not associated with a value", name=name
    )


def undefined(name):
    return NameError(f"name '{name}' is not defined", name=name)


def names_of(function):
    """`(local, declared)` of a function: the names that it binds, and those that it declares global or nonlocal."""
    arguments = function.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parameters += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    local, declared = {a.arg for a in parameters}, {}
    body = function.body if isinstance(function.body, list) else [function.body]
    for statement in body:
        collect(statement, local, declared)
    return frozenset(local - declared.keys()), declared


def collect(node, local, declared, comprehended=False):
    if isinstance(node, ast.Name):
        if not comprehended and not isinstance(node.ctx, ast.Load):
            local.add(node.id)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        local.update(a.asname or a.name.split(".")[0] for a in node.names)
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        declared.update(dict.fromkeys(node.names, type(node).__name__.lower()))
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        local.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        local.add(node.rest)
    elif isinstance(node, ast.NamedExpr):
        local.add(node.target.id)
    if isinstance(node, ast.ClassDef):
        local.add(node.name)
        children = [*node.decorator_list, *node.bases]
    elif isinstance(node, FUNCTIONS):
        if isinstance(node, ast.FunctionDef):
            local.add(node.name)
        # Only what is evaluated outside of the inner function belongs to the outer one.
        outside = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        children = [*outside, *getattr(node, "decorator_list", ())]
    else:
        children = ast.iter_child_nodes(node)
    inside = comprehended or isinstance(node, COMPREHENSIONS)
    for child in children:
        collect(child, local, declared, inside)


def yields(node):
    """Whether a statement yields for the function that it stands in."""
    found = getattr(node, "ibert_yields", None)
    if found is None:
        found = node.ibert_yields = isinstance(node, YIELDS) or (
            not isinstance(node, FUNCTIONS) and any(yields(child) for child in ast.iter_child_nodes(node))
        )
    return found


def is_generator(function):
    return isinstance(function, ast.FunctionDef) and any(map(yields, function.body))
