"""`match` statements (The Python Language Reference, 8.6)."""

import ast

from guarded import Constructor, is_instance_of
from ibis.common.collections import FrozenDict, FrozenOrderedDict
from limits import Refused
from values import is_class

SEQUENCES = (list, tuple, range)
MAPPINGS = (dict, FrozenDict, FrozenOrderedDict)
# Classes whose one positional pattern stands for the value itself.
ITSELF = (bool, bytes, float, int, str, list, tuple, dict, set, frozenset)


class Patterns:
    """Part of the interpreter. `match_X(pattern, value, scope)` says whether `value` matches and binds names."""

    def do_Match(self, node, scope):
        self.block(self.chosen(node, scope), scope)

    def chosen(self, node, scope):
        """The statements of the first case that matches."""
        value = self.evaluate(node.subject, scope)
        for case in node.cases:
            if self.matches(case.pattern, value, scope) and (
                case.guard is None or self.evaluate(case.guard, scope)
            ):
                return case.body
        return []

    def matches(self, pattern, value, scope):
        self.step(pattern)
        return self.guarded(
            lambda node, scope: getattr(self, "match_" + type(node).__name__[5:])(node, value, scope), pattern, scope
        )

    def match_Value(self, pattern, value, scope):
        return bool(value == self.evaluate(pattern.value, scope))

    def match_Singleton(self, pattern, value, scope):
        return value is pattern.value

    def match_As(self, pattern, value, scope):
        if pattern.pattern is not None and not self.matches(pattern.pattern, value, scope):
            return False
        if pattern.name is not None:
            scope.bind(pattern.name, value)
        return True

    def match_Or(self, pattern, value, scope):
        return any(self.matches(p, value, scope) for p in pattern.patterns)

    def match_Sequence(self, pattern, value, scope):
        if not isinstance(value, SEQUENCES):
            return False
        parts, items = pattern.patterns, list(value)
        starred = next((i for i, p in enumerate(parts) if isinstance(p, ast.MatchStar)), None)
        if starred is None:
            return len(items) == len(parts) and self.all_match(parts, items, scope)
        after = len(parts) - starred - 1
        if len(items) < len(parts) - 1:
            return False
        if not self.all_match(parts[:starred], items[:starred], scope):
            return False
        if not self.all_match(parts[starred + 1 :], items[len(items) - after :], scope):
            return False
        if parts[starred].name is not None:
            scope.bind(parts[starred].name, items[starred : len(items) - after])
        return True

    def all_match(self, patterns, values, scope):
        return all(self.matches(p, v, scope) for p, v in zip(patterns, values))

    def match_Mapping(self, pattern, value, scope):
        if not isinstance(value, MAPPINGS):
            return False
        keys = [self.evaluate(key, scope) for key in pattern.keys]
        if not all(key in value for key in keys):
            return False
        if not self.all_match(pattern.patterns, [value[key] for key in keys], scope):
            return False
        if pattern.rest is not None:
            scope.bind(pattern.rest, {k: v for k, v in value.items() if k not in keys})
        return True

    def match_Class(self, pattern, value, scope):
        kind = self.evaluate(pattern.cls, scope)
        if not isinstance(kind, Constructor) and not is_class(kind):
            if isinstance(kind, type) or callable(kind):
                raise Refused("a class pattern takes a class of plain values or of Ibis here", "build")
            raise TypeError("called match pattern must be a class")
        if not is_instance_of(value, kind):
            return False
        real = kind.kind if isinstance(kind, Constructor) else kind
        if pattern.patterns:
            if real not in ITSELF:
                raise Refused(f"positional patterns of `{real.__name__}` are not available", "build")
            if len(pattern.patterns) > 1:
                raise TypeError(
                    f"{real.__name__}() accepts 1 positional sub-pattern ({len(pattern.patterns)} given)"
                )
            if not self.matches(pattern.patterns[0], value, scope):
                return False
        for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns):
            try:
                found = self.policy.attribute(value, name)
            except AttributeError:
                return False
            if not self.matches(part, found, scope):
                return False
        return True
