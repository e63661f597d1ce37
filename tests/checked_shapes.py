"""What jaxtyping's import hook puts around every function of reseed: the types and shapes of its calls are checked.

jaxtyping's own decorator binds the arguments of each call and checks them twice, which was more than half of the time
of the suite. Here they are checked once, and only functions whose annotations have axes remember how long these are.
jaxtyping copies what it remembers before it looks at an array: one whose axes are names is looked at without. beartype
writes the code of the checks anew for each function: it is written once for those of the same code.
"""

from functools import cache, update_wrapper, wraps
from inspect import isclass, isgeneratorfunction
from types import FunctionType
from typing import Any, Self, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, TypeCheckError, install_import_hook, jaxtyped
from jaxtyping._storage import _shape_storage, pop_shape_memo, push_shape_memo

_beartype = beartype(conf=BeartypeConf(violation_type=TypeCheckError))
_judged = type(AbstractArray).__instancecheck__


def check_calls_of(package):
    """From their import on, the functions and data classes of a package check what they are called with and return."""
    jaxtyping.jaxtyped = lambda **_: _function_or_class  # where the hook's decorators look it up
    type(AbstractArray).__instancecheck__ = _is_one
    install_import_hook(package, "checked_shapes.checked")


def checked(function):
    """beartype, but for `Self`, which it cannot read on a bare function."""
    hints = function.__annotations__
    function.__annotations__ = {name: Any if Self in (hint, *get_args(hint)) else hint for name, hint in hints.items()}
    return _beartype(function)


def _function_or_class(thing):
    if not isclass(thing):
        return _function(thing)
    constructor = vars(thing).get("__init__")
    if hasattr(thing, "__dataclass_fields__") and constructor and not hasattr(constructor, "__wrapped__"):
        thing.__init__ = _function(constructor)
    return thing


def _function(function):
    if isgeneratorfunction(function):  # beartype would check it when it is first asked, not when it is called
        return jaxtyped(function, typechecker=checked)
    code = function.__code__
    if id(code) not in _checks:
        _checks[id(code)] = code, *_checks_of(function)
    _, checking, has_axes = _checks[id(code)]
    if checking is None:
        return function
    checking = _around(function, checking)
    if not has_axes:
        return update_wrapper(checking, function)

    @wraps(function)
    def with_axes(*args, **kwargs):
        push_shape_memo({})
        try:
            return checking(*args, **kwargs)
        finally:
            pop_shape_memo()

    return with_axes


# By the very code of a function: one inside another function is defined again at every call of that. Codes of two data
# classes may be equal, and what is annotated is not.
_checks = {}


def _checks_of(function):
    """The checks of a function, around nothing yet, or None where there are none; and whether they need axes."""
    plain = function.__annotations__
    function.__annotations__ = hints = {name: _hint(hint, function.__globals__) for name, hint in plain.items()}
    checking = checked(function)
    function.__annotations__ = plain
    return (None if checking is function else _around(None, checking)), any(map(_has_axes, hints.values()))


def _around(function, checking):
    """The same checks around this function."""
    made = FunctionType(checking.__code__, checking.__globals__, checking.__name__, checking.__defaults__)
    made.__kwdefaults__ = checking.__kwdefaults__ | {"__beartype_func": function}
    return made


def _hint(hint, names):
    """What an annotation stands for; anything where that is a name that only type checkers import."""

    def holder():
        """Hold the annotation."""

    holder.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(holder, names, include_extras=True)["hint"]
    except (NameError, AttributeError):
        return Any


def _has_axes(hint):
    if isinstance(hint, list):
        return any(map(_has_axes, hint))
    return (isclass(hint) and issubclass(hint, AbstractArray)) or any(map(_has_axes, get_args(hint)))


def _is_one(hint, value):
    """Whether a value is what an array annotation says; jaxtyping judges whatever is not plainly right."""
    axes, many, place, dtypes = _known(hint)
    if type(value) is not hint.array_type or axes is None:
        return _judged(hint, value)
    shape = value.shape
    more = len(shape) - len(axes)
    if value.dtype in dtypes and (more == 0 if many is None else more >= 0):
        try:
            sizes, stretches, *_ = _shape_storage.memo_stack[-1]
        except (AttributeError, IndexError):  # outside any call that is checked
            return _judged(hint, value)
        before = len(sizes)
        for axis, size in zip(axes, shape if many is None else shape[:place] + shape[place + more :]):  # noqa: B905 (as long as each other; half a microsecond, a million times)
            if sizes.setdefault(axis, size) != size:
                break
        else:
            known = (False, shape[place : place + more])  # False: jaxtyping may not broadcast it
            if many is None or stretches.setdefault(many, known) == known:
                return True
        while len(sizes) > before:
            sizes.popitem()
    right = _judged(hint, value)
    if right:
        dtypes.add(value.dtype)
    return right


@cache
def _known(hint):
    """Of an annotation of plain names: those of its axes, that of any number of axes, and where these stand.

    And the dtypes that were right so far.
    """
    axes = hint.dim_str.split()
    many = [axis for axis in axes if axis.startswith("*")]
    plain = len(many) < 2 and all(axis.removeprefix("*").isidentifier() and axis[0] != "_" for axis in axes)
    if not plain:
        return None, None, 0, set()
    named = [axis for axis in axes if axis not in many]
    return (named, many[0][1:], axes.index(many[0]), set()) if many else (named, None, 0, set())
