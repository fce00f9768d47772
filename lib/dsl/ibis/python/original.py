"""Ibis's own way, where a faster one in its place does not lead to the end."""

within = 0


def original(function, *args, **kwargs):
    """`function(*args, **kwargs)`, within which nothing takes a faster way: else each of many calls would be tried twice."""
    global within
    within += 1
    try:
        return function(*args, **kwargs)
    finally:
        within -= 1
