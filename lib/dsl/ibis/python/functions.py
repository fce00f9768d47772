"""The text's own functions: `def` and `lambda`, called by the text or by Ibis, with Python's own complaints."""

import ast
import inspect

from limits import Refused
from scopes import Scope, is_generator, names_of


class Return(BaseException):
    """Leaves a function; no handler of the text's sees it."""

    def __init__(self, value):
        self.value = value


def parameters_of(arguments, evaluate):
    """inspect's parameters of an `ast.arguments`; defaults are evaluated now."""
    kinds = inspect.Parameter
    positional = [
        *((a, kinds.POSITIONAL_ONLY) for a in arguments.posonlyargs),
        *((a, kinds.POSITIONAL_OR_KEYWORD) for a in arguments.args),
    ]
    absent = len(positional) - len(arguments.defaults)
    defaults = [kinds.empty] * absent + [evaluate(d) for d in arguments.defaults]
    found = [kinds(a.arg, kind, default=d) for (a, kind), d in zip(positional, defaults)]
    if arguments.vararg:
        found.append(kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        value = kinds.empty if default is None else evaluate(default)
        found.append(kinds(a.arg, kinds.KEYWORD_ONLY, default=value))
    if arguments.kwarg:
        found.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return found


def bind(name, parameters, args, kwargs):
    """Name → value of a call's arguments. TypeError in CPython's words."""
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    rest = next((p for p in parameters if p.kind is kinds.VAR_POSITIONAL), None)
    keywords = next((p for p in parameters if p.kind is kinds.VAR_KEYWORD), None)
    bound = {p.name: value for p, value in zip(positional, args)}
    extra = {}
    by_name = {p.name: p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)}
    for key, value in kwargs.items():
        if key in by_name:
            if key in bound:
                raise TypeError(f"{name}() got multiple values for argument '{key}'")
            bound[key] = value
        elif keywords is not None:
            extra[key] = value
        elif any(p.name == key for p in positional):
            raise TypeError(
                f"{name}() got some positional-only arguments passed as keyword arguments: '{key}'"
            )
        else:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    if len(args) > len(positional) and rest is None:
        raise TypeError(too_many(name, positional, len(args)))
    for group, kind in ((positional, "positional"), ([p for p in parameters if p.kind is kinds.KEYWORD_ONLY], "keyword-only")):
        missing = [p.name for p in group if p.name not in bound and p.default is kinds.empty]
        if missing:
            raise TypeError(lacking(name, missing, kind))
        bound.update({p.name: p.default for p in group if p.name not in bound})
    if rest is not None:
        bound[rest.name] = tuple(args[len(positional) :])
    if keywords is not None:
        bound[keywords.name] = extra
    return bound


def too_many(name, positional, given):
    most = len(positional)
    least = sum(p.default is inspect.Parameter.empty for p in positional)
    takes = f"{most}" if least == most else f"from {least} to {most}"
    plural = "" if most == 1 and least == most else "s"
    return f"{name}() takes {takes} positional argument{plural} but {given} {'was' if given == 1 else 'were'} given"


def lacking(name, missing, kind):
    quoted = [f"'{m}'" for m in missing]
    listed = quoted[0] if len(quoted) == 1 else " and ".join(quoted) if len(quoted) == 2 else (
        ", ".join(quoted[:-1]) + ", and " + quoted[-1]
    )
    return f"{name}() missing {len(missing)} required {kind} argument{'s' if len(missing) > 1 else ''}: {listed}"


class Functions:
    """Part of the interpreter."""

    def function(self, node, scope, name, around=None):
        """A function of the text's, from a `def` or a `lambda` met in `scope`, or in a class's scope `around` within it."""
        parameters = parameters_of(node.args, lambda default: self.evaluate(default, around or scope))
        local, declared = names_of(node)
        qualified, generates = scope.qualified(name), is_generator(node)

        def call(*args, **kwargs):
            inner = Scope(scope, local, declared, qualified)
            inner.update(bind(qualified, parameters, args, kwargs))
            if generates:
                return self.generator(node, inner)
            if isinstance(node, ast.Lambda):
                return self.evaluate(node.body, inner)
            try:
                self.block(node.body, inner)
            except Return as done:
                return done.value
            return None

        call.__signature__ = inspect.Signature(parameters)
        call.__name__, call.__qualname__ = name, qualified
        call.ibert_lambda = True
        return call

    def on_Lambda(self, node, scope):
        return self.function(node, scope, "<lambda>")

    def do_FunctionDef(self, node, scope):
        function = self.function(node, scope, node.name)
        function.__doc__ = ast.get_docstring(node)
        function.ibert_annotations = self.annotations(node, scope)
        for decorator in reversed(node.decorator_list):
            function = self.call(self.evaluate(decorator, scope), [function], {}, None)
        scope.bind(node.name, function)

    def annotations(self, node, scope):
        """What can be made of a function's annotations. A name that is not there is an error, as in Python."""
        found = {}
        annotated = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        named = [(a.arg, a.annotation) for a in annotated] + [("return", node.returns)]
        for name, annotation in named:
            if annotation is not None:
                found[name] = self.annotation(annotation, scope)
        return found

    def annotation(self, node, scope):
        """What an annotation is worth, or None."""
        kept = self.failure
        try:
            return self.evaluate(node, scope)
        except Exception as error:
            if isinstance(error, (NameError, Refused)) and not self.lazy_annotations:
                raise
            self.failure = kept
            return None
