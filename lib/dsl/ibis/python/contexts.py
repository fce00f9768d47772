"""Context managers as a text may enter them; none of them reaches out."""

import contextlib

from exceptions import is_exception
from limits import Refused
from values import Stub, is_class


class Manager(Stub):
    """What a `with` enters. `suppressed`: the kinds of exceptions that end with its block."""

    kind = "AbstractContextManager"

    def __init__(self, value=None, suppressed=()):
        self.value, self.suppressed = value, suppressed


def suppress(*kinds):
    for kind in kinds:
        if not is_exception(kind):
            raise TypeError("issubclass() arg 2 must be a class, a tuple of classes, or a union")
    return Manager(None, kinds)


def nullcontext(enter_result=None):
    return Manager(enter_result)


class Contexts:
    """Part of the interpreter."""

    def do_With(self, node, scope):
        with self.entered(node, scope):
            self.block(node.body, scope)

    @contextlib.contextmanager
    def entered(self, node, scope):
        kinds = []
        try:
            for item in node.items:
                manager = self.evaluate(item.context_expr, scope)
                if not isinstance(manager, Manager):
                    name = manager.__name__ if is_class(manager) else type(manager).__name__
                    raise TypeError(f"'{name}' object does not support the context manager protocol")
                kinds.extend(manager.suppressed)
                if item.optional_vars is not None:
                    self.assign(item.optional_vars, manager.value, scope)
            yield
        except Refused:
            raise
        except Exception as error:
            if not isinstance(error, tuple(kinds)):
                raise
            self.failure = None
