"""Puts `operator.methodcaller`, of which Ibis makes some, into Python.

CPython's own one ends Pyodide's process once the cycle collector meets it: the function that clears it returns nothing,
and WebAssembly refuses to call it as one that does.
"""

import operator


class MethodCaller:
    """As `operator.methodcaller`: called with an object, calls its method `name`."""

    __slots__ = ("_name", "_args", "_kwargs")

    def __init__(self, name, /, *args, **kwargs):
        if not isinstance(name, str):
            raise TypeError("method name must be a string")
        self._name, self._args, self._kwargs = name, args, kwargs

    def __call__(self, obj, /):
        return getattr(obj, self._name)(*self._args, **self._kwargs)


operator.methodcaller = MethodCaller
