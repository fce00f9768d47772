"""What a text would have run: the value of `.execute()`, `print(…)` and their kind, which stands for its expression."""

import inspect

from guarded import Printed
from ibis.common.deferred import Deferred
from ibis.expr.types.core import Expr
from limits import Refused
from values import Function, Unknown, call, callee

# Methods that run or write an expression, or turn it to text. Nothing is run: their value stands for the expression.
TERMINAL = frozenset("""
    execute preview compile to_pandas to_polars to_pyarrow to_list to_sql to_csv to_parquet to_json to_delta
    to_pandas_batches to_pyarrow_batches to_torch
    """.split())


class Computed(Unknown):
    """The outcome of `what`, which no check has: only the expression that it is the outcome of."""

    def __init__(self, expr, what):
        self.expr, self.what = expr, what

    def refuse(self):
        return Refused(
            f"what is computed from the result of `{self.what}` is not checked: nothing is executed here", "build"
        )


def refuse(self, *_args, **_kwargs):
    raise self.refuse()


for operation in (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow and rand or ror xor rxor neg pos "
    "invert lt le gt ge getitem setitem delitem iter len contains call bool int float str format index abs round"
).split():
    setattr(Computed, f"__{operation}__", refuse)


def terminal(expr, name, original):
    """`expr.name`, a method that runs `expr`, as a text may call it. `original`: the real one, for its parameters."""
    signature = inspect.signature(original)

    def method(*args, **kwargs):
        try:
            signature.bind(expr, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(expr).__name__}.{name}() {error}") from None
        return Computed(expr, name)

    return Function(method, name)


def of_expression(name):
    """A function such as `ibis.to_sql`, which takes the expression first."""

    def function(expr, *_args, **_kwargs):
        if isinstance(expr, Computed):
            raise expr.refuse()
        if not isinstance(expr, Expr):
            raise TypeError(f"`{name}` takes an Ibis expression, not {type(expr).__name__}")
        return Computed(expr, name)

    return Function(function, name)


def print_(*values, sep=" ", end="\n", file=None, flush=False):
    return Printed(values)


def result(value):
    """The expression that the value of a text's last statement stands for."""
    if isinstance(value, Printed):
        shown = [v for v in map(result, value.values) if isinstance(v, Expr)]
        return shown[-1] if shown else None
    return value.expr if isinstance(value, Computed) else value


def pipe(value):
    """`value.pipe(f, …)`: calls `f` with it, or with it as the keyword that a pair names."""

    def method(f, /, *args, **kwargs):
        if isinstance(f, tuple):
            f, keyword = f
            if keyword in kwargs:
                raise ValueError(f"{keyword} is both the pipe target and a keyword argument")
            return call(f, *args, **kwargs, **{keyword: value})
        if isinstance(f, Deferred):
            raise TypeError("a deferred value is no function: `.pipe` takes one")
        callee(f)
        return call(f, value, *args, **kwargs)

    return Function(method, "pipe")


