"""Exceptions as a text may raise, catch and read them."""

import builtins
import re

from limits import Refused, bound_text
from values import CLASSES, Stub, admit, is_class

NAMES = """
    ArithmeticError AssertionError AttributeError BaseException Exception FileNotFoundError FloatingPointError ImportError
    IndexError IOError KeyError LookupError MemoryError ModuleNotFoundError NameError NotImplementedError OSError
    OverflowError PermissionError RecursionError RuntimeError StopIteration SyntaxError TimeoutError TypeError
    UnboundLocalError UnicodeError ValueError ZeroDivisionError Warning UserWarning DeprecationWarning FutureWarning
    RuntimeWarning
    """.split()
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
PLAIN = (str, int, float, bool, type(None))


class Caught(Stub):
    """An exception as a text holds it: its kind, its text and its plain arguments, never its frames."""

    def __init__(self, error):
        self.error, self.kind = error, type(error).__name__

    def members(self):
        args = tuple(a if isinstance(a, PLAIN) else str(Described(a)) for a in self.error.args)
        found = {"args": admit(args)}
        for name in ("name", "msg"):
            if isinstance(getattr(self.error, name, None), str):
                found[name] = getattr(self.error, name)
        return found

    def __str__(self):
        return shown(str(self.error))

    def __repr__(self):
        return shown(repr(self.error))


class Described:
    """An argument of an exception that is no plain value, by its text."""

    def __init__(self, value):
        self.value = value

    def __str__(self):
        return shown(str(self.value))


def shown(text):
    text = ADDRESS.sub("", text)
    bound_text(len(text))
    return text


def is_exception(value):
    return is_class(value) and issubclass(value, BaseException)


def maker(kind):
    def make(*args):
        if not all(isinstance(a, PLAIN) for a in args):
            args = tuple(a if isinstance(a, PLAIN) else str(a) if isinstance(a, Caught) else refuse(a) for a in args)
        return Caught(kind(*args))

    return make


def refuse(value):
    raise Refused(f"an exception takes plain values here, not {type(value).__name__}", "build")


def raised(value):
    """The exception that `raise value` raises."""
    if isinstance(value, Caught):
        return value.error
    if is_exception(value):
        return CLASSES[value]().error
    return TypeError("exceptions must derive from BaseException")


def allow(kinds):
    CLASSES.update((kind, maker(kind)) for kind in kinds)


EXCEPTIONS = {name: getattr(builtins, name) for name in NAMES}
allow(EXCEPTIONS.values())
