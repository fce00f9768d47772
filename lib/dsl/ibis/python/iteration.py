"""`itertools` as a text may import it: its iterators over the text's own, within bounds."""

import itertools
import math
import operator

from guarded import keyed
from iterators import iterator
from limits import MAX_ITEMS, Refused, bound_items
from values import Function, admit, call, callee, items_of, iter_of


def named(name, make):
    """`make`, whose items an iterator gives that calls itself as the one of `itertools` does."""
    return lambda *args, **kwargs: iterator(f"itertools.{name}", make(*args, **kwargs))


def called(function):
    callee(function)
    return lambda *args: call(function, *args)


def islice(values, /, *bounds):
    return itertools.islice(iter_of(values), *bounds)


def repeat(value, times=None):
    return itertools.repeat(value) if times is None else itertools.repeat(value, operator.index(times))


def count(start=0, step=1):
    for value in (start, step):
        if not isinstance(value, (int, float)):
            raise TypeError("a number is required")
    return itertools.count(start, step)


def accumulate(values, func=None, *, initial=None):
    step = (lambda a, b: admit(a + b)) if func is None else called(func)
    return itertools.accumulate(iter_of(values), step, initial=initial)


def groupby(iterable, key=None):
    groups = itertools.groupby(iter_of(iterable), keyed(key))
    return ((k, iterator("itertools._grouper", group)) for k, group in groups)


def product(*values, repeat=1):
    values = [items_of(v) for v in values]
    bound_items(len(values) * repeat)
    size = 1
    for value in values * repeat:
        size *= len(value)
        bound_items(size)
    return itertools.product(*values, repeat=repeat)


def chosen(function, ways):
    def choose(iterable, r=None):
        items = items_of(iterable)
        r = len(items) if r is None else r
        bound_items(max(len(items), r))
        # Each step multiplies: stopped before it has grown over the limit.
        bound_items(ways(len(items), r) * max(r, 1) if len(items) < 1_000 else MAX_ITEMS + (r > 1))
        return function(items, r)

    return choose


def batched(iterable, n, *, strict=False):
    if operator.index(n) < 1:
        raise ValueError("n must be at least one")
    bound_items(n)
    source = iter_of(iterable)

    def batches():
        while batch := tuple(itertools.islice(source, n)):
            if strict and len(batch) < n:
                raise ValueError("batched(): incomplete batch")
            yield batch

    return batches()


def tee(iterable, n=2, /):
    bound_items(n)
    items = items_of(iterable)
    return tuple(iterator("itertools._tee", items) for _ in range(n))


def flattened(iterable, /):
    source = iter_of(iterable)
    return (item for values in source for item in iter_of(values))


def tested(function):
    def make(predicate, iterable, /):
        test = called(predicate) if predicate is not None or function is not itertools.filterfalse else None
        return function(test, iter_of(iterable))

    return make


ITERATORS = {
    "count": count,
    "repeat": repeat,
    "cycle": lambda iterable, /: itertools.cycle(items_of(iterable)),
    "islice": islice,
    "accumulate": accumulate,
    "groupby": groupby,
    "product": product,
    "combinations": chosen(itertools.combinations, math.comb),
    "permutations": chosen(itertools.permutations, math.perm),
    "combinations_with_replacement": chosen(
        itertools.combinations_with_replacement, lambda n, r: math.comb(max(n + r - 1, 0), r)
    ),
    "starmap": lambda function, iterable, /: map(lambda args: call(function, *items_of(args)), iter_of(iterable)),
    "takewhile": tested(itertools.takewhile),
    "dropwhile": tested(itertools.dropwhile),
    "filterfalse": tested(itertools.filterfalse),
    "compress": lambda data, selectors: itertools.compress(iter_of(data), iter_of(selectors)),
    "zip_longest": lambda *values, fillvalue=None: itertools.zip_longest(*map(iter_of, values), fillvalue=fillvalue),
    "pairwise": lambda iterable, /: itertools.pairwise(iter_of(iterable)),
    "batched": batched,
}


class Chain(Function):
    """`itertools.chain`, which has a method of its own."""

    members = ("from_iterable",)

    def __init__(self):
        super().__init__(named("chain", lambda *values: flattened(values)), "chain")
        self.from_iterable = Function(named("chain", flattened), "from_iterable")


MEMBERS = {name: named(name, make) for name, make in ITERATORS.items()} | {"tee": tee}
