"""Replaces what is refused on the live classes of Ibis, for the paths that the interpreter does not see."""

import ibis
import ibis.expr.api as api
import ibis.expr.types as ir
from ibis.expr.types.core import Expr
from limits import Refused, refusal

# Execution, files, connections, plots, SQL strings (which would make `sql_to_ibis` a copy of its own question), raw
# operation nodes, and callbacks into arbitrary callables.
REFUSED_METHODS = frozenset("""
    execute preview cache compile visualize pipe sql raw_sql alias get_backend unbind op bind to_csv to_delta to_json
    to_pandas to_pandas_batches to_parquet to_parquet_dir to_polars to_pyarrow to_pyarrow_batches to_sql to_torch
    to_xlsx to_list to_numpy to_sqlglot to_sqlglot_column_defs from_numpy from_pandas from_polars from_pyarrow
    from_sqlglot from_typehint resolve expand expand_names
    """.split())

ORIGINALS = {}


def disarm():
    """Replaces refused methods on the live classes and functions of `ibis`; `ORIGINALS` keeps them for the API's docs."""
    # Ibis itself calls these while it builds and compiles; they reach nothing outside.
    internal = {
        "op",
        "bind",
        "unbind",
        "compile",
        "get_backend",
        "resolve",
        "expand",
        "expand_names",
        "pipe",
        "alias",
        "to_sqlglot",
        "to_sqlglot_column_defs",
        "from_sqlglot",
        "from_typehint",
        "cache",
    }

    def refuse(name):
        def method(*_args, **_kwargs):
            raise Refused(refusal(name))

        return method

    for cls in {Expr, *(c for c in vars(ir).values() if isinstance(c, type) and issubclass(c, Expr))}:
        for name in REFUSED_METHODS - internal:
            if name in vars(cls):
                ORIGINALS[cls, name] = vars(cls)[name]
                setattr(cls, name, refuse(name))
    for name in ("connect", "set_backend", "memtable", "read_csv", "read_delta", "read_json", "read_parquet"):
        for module in (ibis, api):
            ORIGINALS[module.__name__, name] = getattr(module, name)
            setattr(module, name, refuse(name))
