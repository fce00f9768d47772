"""The moments that a query speaks of: days and times written out, and those an interval away from them."""

import datetime
import re

from sqlglot import exp

DATE = re.compile(r"\d{4}-\d\d-\d\d")
PARTS = ("year", "month", "day", "hour", "min", "sec")
MADE = (exp.DateFromParts, exp.TimestampFromParts)
DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
SECONDS = {"hour": 3600, "minute": 60, "second": 1}


def whole(node):
    """The whole number that a literal is, in quotes or not; None where it is none."""
    negative = isinstance(node, exp.Neg)
    node = node.this if negative else node
    if not isinstance(node, exp.Literal) or not re.fullmatch(r"-?\d{1,6}", node.this.strip()):
        return None
    return -int(node.this) if negative else int(node.this)


def read(text):
    try:
        return datetime.datetime.fromisoformat(text[:19])
    except ValueError:
        return None


def made(node):
    """The moment of `make_date(2021, 3, 1)` and its like; None where a part is no constant."""
    parts = [node.args.get(name) for name in PARTS]
    numbers = [0 if part is None else int(float(part.this)) if isinstance(part, exp.Literal) and not part.is_string else None for part in parts]
    if None in numbers:
        return None
    try:
        return datetime.datetime(*numbers)
    except (ValueError, OverflowError):
        return None


def moved(moment, count, unit):
    """`moment` and so many units on, a day of a shorter month at most its last; None where there is no such year."""
    try:
        if unit in MONTHS:
            years, month = divmod(moment.month - 1 + count * MONTHS[unit], 12)
            first = moment.replace(year=moment.year + years, month=month + 1, day=1)
            last = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - datetime.timedelta(days=1)
            return first.replace(day=min(moment.day, last.day))
        return moment + datetime.timedelta(days=count * DAYS.get(unit, 0), seconds=count * SECONDS.get(unit, 0))
    except (ValueError, OverflowError):
        return None


def intervals(node):
    """`(count, unit)` of each interval of a constant length."""
    for one in node.find_all(exp.Interval):
        unit = one.args.get("unit")
        count, name = whole(one.this), unit.name.lower().removesuffix("s") if unit is not None else ""
        if count is not None and name in {**DAYS, **MONTHS, **SECONDS}:
            yield count, name


def moments(node):
    """What a column may meet in a predicate, beside the texts that stand there: a moment put together, one an interval away."""
    own = [read(one.this) for one in node.find_all(exp.Literal) if one.is_string and DATE.match(one.this)]
    built = [made(one) for one in node.find_all(*MADE)]
    known = [one for one in (*own, *built) if one is not None]
    away = [moved(moment, sign * count, unit) for moment in known for count, unit in intervals(node) for sign in (1, -1)]
    return [one.isoformat(sep=" ") for one in (*built, *away) if one is not None]
