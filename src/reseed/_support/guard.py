"""What public functions refuse: arguments that are not what the signature says they are.

A signature says it already: `Float[Tensor, "atoms d_model"]`, `int`, a Literal, a class. `guarded` holds the arguments
against it, so that nonsense is one sentence and not an error from deep inside: another kind of thing is a TypeError,
another type of number, shape or range a ValueError.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from types import UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from reseed._support.mistakes import shown
from reseed._support.numbers import bound, size

__all__ = ["Between", "all_finite", "check_size", "guarded", "is_plain_matrix"]

P = ParamSpec("P")
R = TypeVar("R")

Numbers = Literal["finite", "nan", "any"]

Between = tuple[Any, Any]
"""The ends of a range of numbers, both allowed."""

_LARGEST = 2**63 - 1
_MOST = 2**38  # numbers: a terabyte
_NEVER_EMPTY = {"d_model", "steps"}  # axes without which there is nothing to say
_POSITIONAL = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_MANY = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
_NAMES = {
    "str": "text",
    "NoneType": "None",
    "bool": "True or False",
    "Tabled": "what reseed.compare, reseed.match or find_features returned",
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


def guarded(*, numbers: Numbers = "finite", **ranges: Between) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse arguments that are not what the signature says, before the function sees them.

    Args:
        numbers: what they may be, alone and in tensors: finite; or also nan, for what was not measured; or anything.
        ranges: for a number, by the name of its parameter, what it may be; never nan.
    """

    def guard(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        positional = [name for name, each in parameters.items() if each.kind in _POSITIONAL]
        defaults = {name: each.default for name, each in parameters.items() if each.kind not in _MANY}
        hints: dict[str, Any] = {}

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not hints:
                hints.update({name: hint for name, hint in _hints(function).items() if name in defaults})
            given = {**dict(zip(positional, args, strict=False)), **kwargs}  # what fits nowhere the function refuses
            sizes: dict[str, int] = {}
            for name, hint in hints.items():
                value = given.get(name, defaults[name])
                if value is not defaults[name]:
                    _Check(name, sizes, numbers=numbers, range=ranges.get(name)).holds(value, hint)
            return function(*args, **kwargs)

        return checked

    return guard


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Every annotation as far as it can be read: a name that only type checkers import stays a word."""
    space = {**vars(__import__("builtins")), **getattr(inspect.unwrap(function), "__globals__", {})}
    return {name: _read(each, space) for name, each in inspect.get_annotations(inspect.unwrap(function)).items()}


def _read(annotation: Any, space: dict[str, Any]) -> Any:  # noqa: ANN401 (an annotation, as it stands)
    """What it means; of a choice with such a name in it the members, in a tuple."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, space)  # noqa: S307 (our own annotation)
    except (NameError, TypeError):
        members = annotation.split(" | ")
        named = all(member.isidentifier() for member in members)
        return tuple(_read(member, space) for member in members) if named and len(members) > 1 else annotation


class _Check:
    """One argument against its annotation."""

    def __init__(self, name: str, sizes: dict[str, int], *, numbers: Numbers, range: Between | None) -> None:  # noqa: A002 (the word of the caller)
        self.name, self.sizes, self.numbers, self.range = name, sizes, numbers, range

    def holds(self, value: Any, hint: Any) -> None:  # noqa: ANN401 (whatever is given)
        """Raise TypeError or ValueError unless `value` is what `hint` says."""
        origin = get_origin(hint)
        if hasattr(hint, "dim_str"):
            self._tensor(value, hint)
        elif isinstance(hint, tuple):
            self._one_of(value, hint)
        elif origin in {Union, UnionType} or isinstance(hint, TypeVar):
            self._one_of(value, hint.__constraints__ if isinstance(hint, TypeVar) else get_args(hint))
        elif origin is Literal:
            self._word(value, get_args(hint))
        elif hint in {int, float}:
            self._number(value, hint)
        elif origin is not None:
            self._holder(value, origin, get_args(hint))
        else:
            self._class(value, hint)

    def _other(self, value: object, wanted: str) -> TypeError:
        return TypeError(f"{self.name} is {shown(value) if value is None else _kind(value)}; pass {wanted}")

    def _class(self, value: object, kind: Any) -> None:  # noqa: ANN401 (a class, or the name of one)
        """Of a class that is imported for type checkers only, the name has to do."""
        if isinstance(kind, str):
            if kind.isidentifier() and kind not in {base.__name__ for base in type(value).__mro__}:
                raise self._other(value, f"a {kind}")
        elif inspect.isclass(kind) and _can_tell(kind) and not isinstance(value, kind):
            raise self._other(value, _NAMES.get(kind.__name__, f"a {kind.__name__}"))

    def _one_of(self, value: object, members: tuple[Any, ...]) -> None:
        """Of the members' complaints, that about the value where the kind is right; else about the kind."""
        kinds: list[str] = []
        for member in members:
            try:
                self.holds(value, member)
            except ValueError:
                raise
            except TypeError as error:
                kinds.append(str(error).rpartition("; pass ")[2])
            else:
                return
        if members:
            raise self._other(value, " or ".join(dict.fromkeys(kinds)))

    def _word(self, value: object, words: tuple[Any, ...]) -> None:
        if not isinstance(value, type(words[0])):
            raise self._other(value, f"one of {', '.join(map(repr, words))}")
        if value not in words:
            raise ValueError(f"{self.name} is {shown(value)}; use one of {', '.join(map(repr, words))}")

    def _number(self, value: Any, kind: type) -> None:  # noqa: ANN401 (whatever is given)
        wanted = "a whole number" if kind is int else "a number"
        if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__index__" if kind is int else "__float__"):
            raise self._other(value, wanted)
        try:
            number = operator.index(value) if kind is int or isinstance(value, int) else float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise self._other(value, wanted) from error
        if isinstance(number, int) and abs(number) > _LARGEST:
            raise ValueError(f"{self.name} is {shown(number)}; it has to fit into 64 bits")
        if not (math.isfinite(number) or (self.numbers == "nan" and math.isnan(number)) or self.numbers == "any"):
            raise ValueError(f"{self.name} is {number}; it has to be finite")
        low, high = self.range or (-math.inf, math.inf)
        if self.range is not None and not low <= number <= high:
            ends = f"{bound(low)} to {bound(high)}" if math.isfinite(high) else f"at least {bound(low)}"
            raise ValueError(f"{self.name} is {shown(value)}; it is {wanted}, {ends}")

    def _holder(self, value: Any, origin: Any, inner: tuple[Any, ...]) -> None:  # noqa: ANN401 (whatever is given)
        if origin is Callable:
            if not callable(value):
                raise self._other(value, "a function")
        elif inspect.isclass(origin) and issubclass(origin, Iterable):
            fits = isinstance(value, origin) and not isinstance(value, (str, bytes))
            if not fits:
                raise self._other(value, "a mapping" if issubclass(origin, Mapping) else "a list of them")
            inner = tuple(each for each in inner if each is not Ellipsis)
            if isinstance(value, (list, tuple)) and len(set(inner)) == 1:
                for each in value:
                    self.holds(each, inner[0])

    def _tensor(self, value: Any, hint: Any) -> None:  # noqa: ANN401 (whatever is given)
        import torch  # noqa: PLC0415 (functions without tensors come without it)

        if not isinstance(value, torch.Tensor):
            raise self._other(value, "a torch.Tensor (torch.as_tensor)")
        axes = _axes(hint.dim_str)
        if not _dense(value) or str(value.dtype).removeprefix("torch.") not in _dtypes(hint):
            layout = "" if _dense(value) else " that is not dense or has no data"
            raise ValueError(
                f"{self.name} is a tensor of {value.dtype}{layout}, of shape {tuple(value.shape)}; pass a dense tensor "
                f"of {_words(hint)} with shape ({', '.join(axes)})"
            )
        self._shape(tuple(value.shape), axes)
        if self.numbers == "any" or not value.is_floating_point() or all_finite(value):
            return
        if self.numbers == "finite" or value.isinf().any():
            raise ValueError(f"{self.name} holds {'infinity' if self.numbers == 'nan' else 'NaN or infinity'}")

    def _shape(self, shape: tuple[int, ...], axes: tuple[str, ...]) -> None:
        """Raise ValueError unless a shape is that of the axes, with the sizes that these have in other arguments."""
        open_end = next((place for place, axis in enumerate(axes) if axis.startswith("*")), None)
        fits = len(shape) == len(axes) if open_end is None else len(shape) >= len(axes) - 1
        if fits and open_end is not None:
            missing = len(shape) - len(axes) + 1
            axes = (*axes[:open_end], *["_"] * missing, *axes[open_end + 1 :])
        told = []
        for axis, length in zip(axes, shape, strict=False):
            if axis in _NEVER_EMPTY and length == 0:
                told.append(f"{axis} is at least 1")
            known = int(axis) if axis.isdigit() else length if axis == "_" else self.sizes.setdefault(axis, length)
            if known != length:
                told.append(f"{axis} = {known}" if not axis.isdigit() else axis)
        if not fits or told:
            where = f" where {', '.join(told)}" if told else ""
            raise ValueError(f"{self.name} has shape {shape}; it is ({', '.join(axes)}){where}")


def _can_tell(kind: type) -> bool:
    """Whether it is known of any value if it is of this class: of a protocol only if it says so."""
    return not getattr(kind, "_is_protocol", False) or getattr(kind, "_is_runtime_protocol", False)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{shown(value)} ({name})" if isinstance(value, (bool, int, float, str, bytes)) else f"of type {name}"


@cache
def _axes(dim_str: str) -> tuple[str, ...]:
    axes = [axis.partition("=")[2] or axis for axis in dim_str.split()]
    return tuple("*" if axis == "..." else axis for axis in axes)


def check_size(rows: int, columns: int) -> None:
    """Raise ValueError for a matrix that no machine holds."""
    if rows * columns > _MOST:
        raise ValueError(
            f"{rows:,} times {columns:,} numbers would take {size(4 * rows * columns)} of memory: use fewer"
        )


def is_plain_matrix(value: Any) -> bool:  # noqa: ANN401 (a tensor)
    """Whether a tensor is a dense matrix of floats that arithmetic works on, with at least one column."""
    floats = str(value.dtype).removeprefix("torch.") in _FLOATS
    return _dense(value) and floats and value.ndim == 2 and value.shape[1] > 0  # noqa: PLR2004 (a matrix)


def all_finite(value: Any) -> bool:  # noqa: ANN401 (a tensor of floats)
    """Whether no number is NaN or infinite: a finite sum proves that, twenty times as fast as one look at each."""
    return math.isfinite(value.sum()) or bool(value.isfinite().all())


def _dense(value: Any) -> bool:  # noqa: ANN401 (a tensor)
    return str(value.layout) == "torch.strided" and not (value.is_meta or value.is_quantized or value.is_nested)


@cache
def _dtypes(hint: Any) -> tuple[str, ...]:  # noqa: ANN401 (a class of jaxtyping)
    kind = (
        "bool"
        if "bool" in hint.dtypes
        else "float"
        if any(str(each).startswith("float") for each in hint.dtypes)
        else ""
    )
    return {"bool": ("bool",), "float": _FLOATS}.get(kind, _INTEGERS)


def _words(hint: Any) -> str:  # noqa: ANN401 (a class of jaxtyping)
    dtypes = _dtypes(hint)
    return "floats" if dtypes == _FLOATS else "integers" if dtypes == _INTEGERS else "truths"
