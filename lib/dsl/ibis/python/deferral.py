"""Attributes of deferred values (`_.price.round`), asked for when Ibis knows what the value is."""

from ibis.common.deferred import Attr, Deferred
from limits import Refused, refusal
from values import RECEIVERS


class GuardedAttr(Attr):
    """Reads an attribute as the text itself would: by the policy, and with the real exception where there is none."""

    __slots__ = ("name", "obj")  # what Ibis compares
    attribute = None  # Policy.attribute
    refused = frozenset()

    def resolve(self, context):
        obj, name = self.obj.resolve(context), self.name.resolve(context)
        guard = type(self)
        if isinstance(obj, RECEIVERS) and name in guard.refused and name != "pipe" and hasattr(type(obj), name):
            raise Refused(refusal(name))
        return guard.attribute(obj, name)


def attribute_of(deferred, name):
    return Deferred(GuardedAttr(deferred, name))
