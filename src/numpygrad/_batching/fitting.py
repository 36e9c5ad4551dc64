"""How the axes of examples are aligned and counted, for batching rules."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from numpygrad._batching.mapped import Mapped


def is_array(x: Any) -> bool:
    """Whether an argument is an array, mapped or not."""
    return hasattr(x, "shape") and hasattr(x, "dtype")


def size_of(*args: Any) -> int:
    """The number of examples of arguments of which one is mapped, or a part of one."""
    todo = list(args)
    while todo:
        x = todo.pop()
        if type(x) is Mapped:
            return int(x.array.shape[0])
        todo += x if type(x) in (tuple, list) else ()
    raise ValueError("nothing is mapped")


def with_ndim(xp: Any, x: Any, ndim: int) -> Any:
    """A mapped argument's array, with axes of length 1 put in so that an example has `ndim`.

    Any other argument broadcasts as it is.
    """
    if type(x) is not Mapped:
        return x
    if x.ndim >= ndim:
        return x.array
    return xp.reshape(x.array, (x.array.shape[0], *(1,) * (ndim - x.ndim), *x.shape))


def aligned(xp: Any, *args: Any) -> list[Any]:
    """The arguments so that they broadcast as their examples would, the examples first."""
    ndim = max([len(getattr(x, "shape", ())) for x in args])
    return [
        x if type(x) is not Mapped else x.array if x.ndim == ndim else with_ndim(xp, x, ndim)
        for x in args
    ]


def shifted(axis: int, ndim: int) -> int:
    """An axis of an example, counted with the axis of examples before it."""
    return axis % ndim + 1 if ndim else axis + 1


def shifted_all(axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction over an example, all of them for `None`, counted likewise."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    axes = (axis,) if isinstance(axis, int) else axis
    return tuple(shifted(a, ndim) for a in axes)


def named(xp: Any, name: str) -> Callable[..., Any]:
    """The function that a kernel's name stands for."""
    found: Callable[..., Any] = attrgetter(name)(xp)
    return found
