"""The text's own functions: their parameters bound to arguments with the errors that CPython raises."""

import inspect

MISSING = object()


def quoted(names):
    names = [repr(n) for n in names]
    if len(names) < 3:
        return " and ".join(names)
    return ", ".join(names[:-1]) + ", and " + names[-1]


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Parameters:
    """The parameters of a function with its defaults evaluated. `arguments`: the `ast.arguments`."""

    def __init__(self, arguments, defaults, kw_defaults):
        self.posonly = [a.arg for a in arguments.posonlyargs]
        self.positional = self.posonly + [a.arg for a in arguments.args]
        self.kwonly = [a.arg for a in arguments.kwonlyargs]
        self.vararg = arguments.vararg and arguments.vararg.arg
        self.kwarg = arguments.kwarg and arguments.kwarg.arg
        self.defaults = dict(zip(self.positional[len(self.positional) - len(defaults) :], defaults))
        self.kw_defaults = kw_defaults

    def bind(self, name, args, kwargs):
        """Parameter → value of one call."""
        bound, extra, misplaced = dict(zip(self.positional, args)), {}, []
        for key, value in kwargs.items():
            if key in self.positional and key not in self.posonly or key in self.kwonly:
                if key in bound:
                    raise TypeError(f"{name}() got multiple values for argument '{key}'")
                bound[key] = value
            elif self.kwarg:
                extra[key] = value
            elif key in self.posonly:
                misplaced.append(key)
            else:
                raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        if misplaced:
            raise TypeError(
                f"{name}() got some positional-only arguments passed as keyword arguments: '{', '.join(misplaced)}'"
            )
        if len(args) > len(self.positional) and not self.vararg:
            raise TypeError(self.too_many(name, len(args), bound))
        missing = [n for n in self.positional if n not in bound and n not in self.defaults]
        if missing:
            raise TypeError(
                f"{name}() missing {plural(len(missing), 'required positional argument')}: {quoted(missing)}"
            )
        missing = [n for n in self.kwonly if n not in bound and n not in self.kw_defaults]
        if missing:
            raise TypeError(
                f"{name}() missing {plural(len(missing), 'required keyword-only argument')}: {quoted(missing)}"
            )
        bound = {**self.defaults, **self.kw_defaults, **bound}
        if self.vararg:
            bound[self.vararg] = tuple(args[len(self.positional) :])
        if self.kwarg:
            bound[self.kwarg] = extra
        return bound

    def too_many(self, name, given, bound):
        most = len(self.positional)
        least = most - len(self.defaults)
        takes = plural(most, "positional argument")
        if self.defaults:
            takes = f"from {least} to {most} positional arguments"
        keyword = sum(n in bound for n in self.kwonly)
        if keyword:
            got = f"{plural(given, 'positional argument')} (and {plural(keyword, 'keyword-only argument')}) were given"
        else:
            got = f"{given} {'was' if given == 1 else 'were'} given"
        return f"{name}() takes {takes} but {got}"

    def signature(self):
        kinds, empty = inspect.Parameter, inspect.Parameter.empty
        found = []
        for name in self.positional:
            kind = kinds.POSITIONAL_ONLY if name in self.posonly else kinds.POSITIONAL_OR_KEYWORD
            found.append(kinds(name, kind, default=self.defaults.get(name, empty)))
        if self.vararg:
            found.append(kinds(self.vararg, kinds.VAR_POSITIONAL))
        for name in self.kwonly:
            found.append(kinds(name, kinds.KEYWORD_ONLY, default=self.kw_defaults.get(name, empty)))
        if self.kwarg:
            found.append(kinds(self.kwarg, kinds.VAR_KEYWORD))
        return inspect.Signature(found)
