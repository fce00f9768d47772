"""The text's own classes, of the plain kinds that queries use: constants and methods, data classes, named tuples, typed
dictionaries and enumerations. None of them becomes a class of Python's with code of the text's: `classkinds.py` has what
stands for them.
"""

import ast

import classkinds
from classkinds import BASES
from scopes import ClassScope

MAX_CLASSES = 50
PLAIN_FIELDS = "a name, perhaps with a type and a value"


class Classes:
    """Part of the interpreter."""

    classes = 0

    def do_ClassDef(self, node, scope):
        self.classes += 1
        if self.classes > MAX_CLASSES:
            raise self.refuse(node, f"a text makes at most {MAX_CLASSES} classes")
        self.no_private_names(node)
        base = self.base(node, scope)
        decorators = [self.evaluate(d, scope) for d in node.decorator_list]
        inner = ClassScope(scope)
        fields = {}
        for statement in node.body:
            self.step(statement)
            self.member(statement, scope, inner, fields)
        made = classkinds.KINDS[base](node.name, fields, dict(inner))
        for decorator in reversed(decorators):
            made = self.call(decorator, [made], {}, None)
        scope.bind(node.name, made)

    def no_private_names(self, node):
        """Refuses what Python gives a meaning of its own in a class, or another name."""
        for part in ast.walk(node):
            names = [getattr(part, key, None) for key in ("id", "name", "arg", "attr")]
            if any(isinstance(name, str) and name.startswith("__") for name in names):
                raise self.refuse(part, "names that begin with two underscores are not available in a class")

    def base(self, node, scope):
        if node.keywords or len(node.bases) > 1 or getattr(node, "type_params", None):
            raise self.refuse(node, "a class has at most one base here, and neither arguments nor parameters")
        if not node.bases:
            return None
        base = self.evaluate(node.bases[0], scope)
        if not any(base is known for known in BASES.values()):
            raise self.refuse(node.bases[0], f"a class derives from nothing here, or from {', '.join(BASES)}")
        return base.__name__

    def member(self, node, scope, inner, fields):
        """Runs one statement of a class's body."""
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names = [getattr(node, "name", None), *(target.id for target in targets if isinstance(target, ast.Name))]
        if any(name in inner or name in fields for name in names if name is not None):
            raise self.refuse(node, "a class binds each name once here")
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            function = self.function(node, scope, node.name, inner)
            function.__doc__ = ast.get_docstring(node)
            function.ibert_annotations = self.annotations(node, inner)
            inner[node.name] = function
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.simple:
            fields[node.target.id] = self.annotation(node.annotation, inner)
            if node.value is not None:
                inner[node.target.id] = self.evaluate(node.value, inner)
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            value = self.evaluate(node.value, inner)
            for target in node.targets:
                inner[target.id] = value
        elif not isinstance(node, ast.Pass) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            raise self.refuse(node, f"a class holds methods without decorators here, and {PLAIN_FIELDS}")
