"""What a service offers, read off its Python signatures; and arguments checked against it.

An `Interface` is built from an object's public methods (or a mapping of names to functions), each
with its parameters, their types, defaults and docstring. Its `describe` is the answer to
`introspect`; its `bind` turns the body of a call into arguments or an `InvalidArguments` that says
which argument is wrong and what was expected.
"""

import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from pybus.errors import InvalidArguments, UnknownMethod, UsageError
from pybus.names import check_method

INTROSPECT = "introspect"
"""The method that every service has without writing it."""

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "plain",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "plain",
    inspect.Parameter.KEYWORD_ONLY: "named",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.VAR_KEYWORD: "named rest",
}
_TYPES: dict[object, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    list: "list",
    dict: "dict",
    datetime: "datetime",
    type(None): "none",
    None: "none",
}
_CLASSES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bytes": (bytes,),
    "list": (list,),
    "dict": (dict,),
    "datetime": (datetime,),
    "none": (type(None),),
}


class Arguments(typing.NamedTuple):
    """What a method's function is called with."""

    args: tuple[object, ...]
    kwargs: Mapping[str, object]


class Method:
    """One method: `function` to call, and what it takes."""

    __slots__ = ("_checks", "_exact", "_least", "_plain", "_signature", "function", "name", "returns")

    def __init__(self, name: str, function: Callable[..., object]) -> None:
        self.name = check_method(name)
        self.function = function
        try:
            self._signature = inspect.signature(function)
        except ValueError:  # some built-in functions
            raise UsageError(f"Python can't tell what {name}() takes; wrap it in a function of your own") from None
        try:
            hints = typing.get_type_hints(function)
        except Exception:  # a hint that names something not imported at run time tells us nothing
            hints = {}
        self._checks = {key: type_text(hints.get(key, typing.Any)) for key in self._signature.parameters}
        self.returns = type_text(hints.get("return", typing.Any))
        parameters = self._signature.parameters.values()
        self._plain = [self._checks[one.name] for one in parameters if _KINDS[one.kind] == "plain"]
        self._exact = [_exact(one) for one in self._plain]
        self._least = sum(_KINDS[one.kind] in ("plain", "named") and one.default is one.empty for one in parameters)

    def bind(self, args: Sequence[object], named: Mapping[str, object]) -> Arguments:
        """The arguments, each of its declared type. Raises `InvalidArguments`.

        Most calls have plain arguments only, which need no signature: it takes twenty times as long.
        """
        if not named and self._least <= len(args) <= len(self._plain):
            for types, value in zip(self._exact, args, strict=False):
                if types is not None and type(value) not in types:
                    break
            else:
                return Arguments(tuple(args), named)
        try:
            bound = self._signature.bind(*args, **named)
        except TypeError as error:
            raise InvalidArguments(f"{self.name}(): {error}; it is {self.name}{self.usage()}") from None
        for key, value in bound.arguments.items():
            kind = self._signature.parameters[key].kind
            values = value if kind is kind.VAR_POSITIONAL else value.values() if kind is kind.VAR_KEYWORD else (value,)
            for one in values:
                if not fits(self._checks[key], one):
                    raise InvalidArguments(
                        f"{self.name}(): argument {key!r} must be {self._checks[key]}, not {type_text(type(one))}"
                    )
        return Arguments(bound.args, bound.kwargs)

    def usage(self) -> str:
        """The parameters as text, such as `(uri: str, volume: float = 1.0) -> bool`."""
        shown = []
        for key, parameter in self._signature.parameters.items():
            stars = {"rest": "*", "named rest": "**"}.get(_KINDS[parameter.kind], "")
            text = f"{stars}{key}: {self._checks[key]}"
            shown.append(text if parameter.default is parameter.empty else f"{text} = {parameter.default!r}")
        return f"({', '.join(shown)}) -> {self.returns}"

    def describe(self) -> dict[str, object]:
        """The method in the form of the protocol's section 7."""
        parameters = []
        for key, parameter in self._signature.parameters.items():
            entry: dict[str, object] = {"name": key, "type": self._checks[key], "kind": _KINDS[parameter.kind]}
            if parameter.default is not parameter.empty:
                entry["default"] = _sendable(parameter.default)
            parameters.append(entry)
        doc = inspect.getdoc(self.function) or ""
        return {"name": self.name, "doc": doc, "parameters": parameters, "returns": self.returns}


class Interface:
    """The methods of one service. A signature is read when it is needed, as 50 of them take 7 ms."""

    __slots__ = ("_functions", "_methods", "doc")

    def __init__(self, doc: str, functions: Mapping[str, Callable[..., object]]) -> None:
        """functions: whose names and signatures are fine."""
        self.doc = doc
        self._functions = functions
        self._methods: dict[str, Method] = {}

    @classmethod
    def of(cls, service: object) -> "Interface":
        """The interface of an object's public methods, or of a mapping from names to functions.

        Raises `InvalidName` for a name that can't be called, `UsageError` for a reserved one, and for a function that
        Python can't tell the parameters of.
        """
        doc, functions = cls._read(service)
        if INTROSPECT in functions:
            raise UsageError(f"a service can't have a method {INTROSPECT!r} of its own: the bus's clients answer it")
        interface = cls(doc, functions)
        for name in functions:
            interface.method(name)
        return interface

    @staticmethod
    def _read(service: object) -> tuple[str, Mapping[str, Callable[..., object]]]:
        if isinstance(service, Mapping):
            return "", dict(service)
        doc = inspect.getdoc(service) if type(service).__doc__ or inspect.ismodule(service) else None
        names = [name for name in dir(service) if not name.startswith("_")]
        found = {name: inspect.getattr_static(service, name) for name in names}
        # A property is not touched: reading it here could have effects.
        functions = {name: getattr(service, name) for name, what in found.items() if not isinstance(what, property)}
        functions = {name: what for name, what in functions.items() if inspect.isroutine(what)}
        if not functions:
            raise UsageError(f"{service!r} has no public methods to offer")
        return doc or "", functions

    @property
    def names(self) -> Collection[str]:
        """Of the methods."""
        return self._functions.keys()

    def method(self, name: str) -> Method:
        """The method of that name. Raises `UnknownMethod` listing those that there are."""
        found = self._methods.get(name)
        if found is None:
            if name not in self._functions:
                known = ", ".join([*sorted(self._functions), INTROSPECT])
                raise UnknownMethod(f"no method {name!r}; there are: {known}")
            found = self._methods[name] = Method(name, self._functions[name])
        return found

    def refuse_async(self) -> None:
        """Raises `UsageError` if a method is a coroutine function: the blocking face can't run it."""
        for name, function in self._functions.items():
            if inspect.iscoroutinefunction(function):
                raise UsageError(f"{name}() is async, which only pybus.aio can run")

    def describe(self) -> dict[str, object]:
        """The answer to `introspect`: {"doc", "methods"}, see the protocol's section 7."""
        return {"doc": self.doc, "methods": [self.method(name).describe() for name in sorted(self._functions)]}


def arguments(body: object) -> tuple[list[object], dict[str, object]]:
    """The positional and named arguments in a call's decoded body. Raises `InvalidArguments`."""
    match body:
        case [list() as args, dict() as named] if not named or all(isinstance(key, str) for key in named):
            return args, named
    raise InvalidArguments("a call's body must be an array of two: positional arguments and a map of named ones")


def type_text(hint: object) -> str:
    """A type hint as the wire's text; `any` for what has no counterpart there."""
    if hint in _TYPES:
        return _TYPES[hint]
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [type_text(part) for part in typing.get_args(hint)]
        return "any" if "any" in parts else " | ".join(dict.fromkeys(parts))
    if origin is typing.Literal:
        return " | ".join(dict.fromkeys(type_text(type(value)) for value in typing.get_args(hint)))
    if isinstance(origin, type):
        if issubclass(origin, dict) or origin is Mapping:
            return "dict"
        if issubclass(origin, (list, tuple)) or origin is Sequence:
            return "list"
    return "any"


def _exact(wanted: str) -> frozenset[type] | None:
    """The types that values over the wire have if they fit; None for any."""
    if wanted == "any":
        return None
    return frozenset(kind for name in wanted.split(" | ") for kind in _CLASSES[name])


def fits(wanted: str, value: object) -> bool:
    """Whether a value that came over the wire is of one of the types in the text."""
    if wanted == "any":
        return True
    for kind in wanted.split(" | "):
        if isinstance(value, _CLASSES[kind]) and (kind == "bool" or not isinstance(value, bool)):
            return True
    return False


def _sendable(default: object) -> object:
    """A default as it can be sent: itself if it is plain, else as Python writes it."""
    if isinstance(default, int) and not -(2**63) <= default < 2**64:
        return repr(default)
    if isinstance(default, str) and not default.isprintable():
        return ascii(default)
    return default if default is None or isinstance(default, (bool, int, float, str, bytes)) else repr(default)
