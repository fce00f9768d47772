"""Iterators as a text may hold them: generators, `map`, `zip`, `itertools.count` and their kind, one item at a time."""

import functools

from limits import MAX_ITEMS, Refused

# Of iterators that draw on one another: each of them takes a piece of the process's own stack, when it gives an item and
# when it is thrown away.
MAX_NESTED = 60
MAX_OPEN = 300


class Iterator:
    """What `next` and loops take from. It counts what it gives, so that nobody walks one without end, Ibis included."""

    __slots__ = ("_items", "_taken", "__weakref__")
    drawing = 0  # iterators that are at work on an item now
    open = 0  # iterators of this text that have items left

    def __init__(self, items):
        if Iterator.open >= MAX_OPEN:
            raise Refused(f"over {MAX_OPEN} iterators have items left", "build")
        Iterator.open += 1
        self._items, self._taken = iter(items), 0

    def __iter__(self):
        return self

    def __next__(self):
        self._taken += 1
        if self._taken > MAX_ITEMS:
            raise Refused(f"an iterator gives over {MAX_ITEMS} items", "build")
        if Iterator.drawing >= MAX_NESTED:
            raise RecursionError("maximum recursion depth exceeded")
        Iterator.drawing += 1
        try:
            return next(self._items)
        except Exception:
            if self._items is not DONE:
                self._items = DONE
                Iterator.open -= 1
            raise
        finally:
            Iterator.drawing -= 1


DONE = iter(())


def begin():
    """Before a text: what another one left open is none of its affair."""
    Iterator.drawing = Iterator.open = 0


@functools.cache
def kind(name):
    return type(name, (Iterator,), {"__slots__": ()})


def iterator(name, items):
    """An iterator over `items` that calls itself `name`, as Python's own would in its messages."""
    return kind(name)(items)
