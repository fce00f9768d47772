"""`ibis.memtable` of plain values, without pandas: the schema that Ibis reads from the data frame pandas makes of them."""

import datetime
import decimal
from collections import Counter

import ibis
import ibis.common.exceptions as exc
import ibis.expr.datatypes as dt
import ibis.util
from guarded import require_plain
from limits import Refused
from values import CONTAINERS

MAX_CELLS = 20_000


def memtable(data, /, *, columns=None, schema=None):
    if columns is not None and schema is not None:
        raise NotImplementedError(
            "passing `columns` and schema` is ambiguous; pass one or the other but not both"
        )
    if not isinstance(data, (*CONTAINERS, range)):
        raise Refused(f"`memtable` takes plain lists and dictionaries here, not {type(data).__name__}", "build")
    require_plain(data if not isinstance(data, range) else (), "memtable", [MAX_CELLS])
    schema = None if schema is None else ibis.schema(schema)
    given = columns if columns is not None else schema.names if schema is not None else None
    if given is not None and not all(isinstance(name, str) for name in given):
        raise TypeError("`columns` must be names of columns")
    frame = table_of(data, None if given is None else list(given))
    repeated = [name for name, count in Counter(name for name, _ in frame).items() if count > 1]
    if repeated:
        raise exc.IbisInputError(
            f"Duplicate column names found in DataFrame when constructing memtable: {repeated}"
        )
    found = schema if schema is not None else {name: column_type(values) for name, values in frame}
    return ibis.table(found, name=ibis.util.gen_name("pandas_memtable"))


def table_of(data, given):
    """`(name, values)` of each column, as pandas reads them from rows or columns."""
    if isinstance(data, dict):
        cells = {n: list(v) if isinstance(v, (list, tuple, range)) else v for n, v in data.items()}
        sizes = {len(v) for v in cells.values() if isinstance(v, list)}
        if len(sizes) > 1:
            raise ValueError("All arrays must be of the same length")
        if cells and not sizes:
            raise ValueError("If using all scalar values, you must pass an index")
        size = sizes.pop() if sizes else 0
        frame = [(n, v if isinstance(v, list) else [v] * size) for n, v in cells.items()]
        if given is not None:
            chosen = dict(frame)
            frame = [(n, chosen.get(n, [None] * size)) for n in given]
    else:
        rows = list(data)
        if rows and all(isinstance(row, dict) for row in rows):
            names = given or list(dict.fromkeys(n for row in rows for n in row))
            frame = [(n, [row.get(n) for row in rows]) for n in names]
        else:
            lists = any(isinstance(row, (list, tuple)) for row in rows)
            rows = [list(row) if lists and isinstance(row, (list, tuple)) else [row] for row in rows]
            width = max(map(len, rows), default=0 if given is None else len(given))
            if given is not None and len(given) != width:
                raise ValueError(f"{len(given)} columns passed, passed data had {width} columns")
            names = given or [f"col{i}" for i in range(width)]
            frame = [(n, [row[i] if i < len(row) else None for row in rows]) for i, n in enumerate(names)]
    if not all(isinstance(name, str) for name, _ in frame):
        frame = [(f"col{i}", values) for i, (_, values) in enumerate(frame)]
    return frame


def column_type(values):
    """The type that Ibis reads from a column of a data frame: a column of integers with a gap is one of floats."""
    dtype = common_type(values, "column")
    gap = any(v is None for v in values)
    if not values or gap and dtype == dt.int64:
        return dt.float64
    return dtype


def common_type(values, place):
    present = [v for v in values if v is not None]
    if not present:
        return dt.null
    if all(type(v) is bool for v in present):
        return dt.boolean
    if any(type(v) is bool for v in present):
        return dt.unknown if place == "column" else mixed()
    if all(isinstance(v, int) for v in present):
        if any(not -(2**63) <= v < 2**63 for v in present):
            raise OverflowError("Python int too large to convert to C long")
        return dt.int64
    if all(isinstance(v, (int, float)) for v in present):
        return dt.float64
    if all(isinstance(v, datetime.datetime) for v in present):
        zones = {str(v.tzinfo) for v in present if v.tzinfo is not None}
        return dt.Timestamp(timezone=zones.pop() if len(zones) == 1 else None)
    if all(isinstance(v, decimal.Decimal) for v in present):
        scale = max(max(-v.as_tuple().exponent, 0) for v in present)
        whole = max(max(v.adjusted() + 1, 0) for v in present)
        return dt.Decimal(max(whole + scale, 1), scale)
    if all(isinstance(v, (list, tuple)) for v in present):
        return dt.Array(common_type([item for v in present for item in v], "item"))
    if all(isinstance(v, dict) for v in present):
        names = dict.fromkeys(name for v in present for name in v)
        return dt.Struct({str(n): common_type([v.get(n) for v in present], "field") for n in names})
    for kind, dtype in SCALARS.items():
        if all(isinstance(v, kind) for v in present):
            return dtype
    return dt.unknown if place == "column" else mixed()


def mixed():
    raise Refused("`memtable` takes nested values of one type here: give the table a schema", "build")


SCALARS = {
    str: dt.string,
    bytes: dt.binary,
    datetime.date: dt.date,
    datetime.time: dt.time,
    datetime.timedelta: dt.Interval("us"),
}
