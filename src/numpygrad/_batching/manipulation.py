"""Shapes: the axis of examples stays in front."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpygrad._batching.fitting import aligned, shifted, shifted_all, size_of, with_ndim
from numpygrad._batching.mapped import Mapped, data_of, spread_out
from numpygrad.typing import Shape

Rule = Callable[..., Any]


def _broadcast_to(xp: Any, x: Mapped, /, shape: Shape) -> Any:
    return xp.broadcast_to(with_ndim(xp, x, len(shape)), (x.array.shape[0], *shape))


def _broadcast_arrays(xp: Any, *arrays: Any) -> Any:
    return xp.broadcast_arrays(*aligned(xp, *arrays))


def _concat(xp: Any, arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    size = size_of(arrays)
    if axis is None:
        arrays = [
            Mapped(xp.reshape(spread_out(xp, x, size), (size, math.prod(x.shape)))) for x in arrays
        ]
        axis = 0
    axis = shifted(axis, arrays[0].ndim)
    return xp.concat([spread_out(xp, x, size) for x in arrays], axis=axis)


def _stack(xp: Any, arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    size = size_of(arrays)
    axis = shifted(axis, arrays[0].ndim + 1)
    return xp.stack([spread_out(xp, x, size) for x in arrays], axis=axis)


def _unstack(xp: Any, x: Mapped, /, *, axis: int = 0) -> Any:
    return xp.unstack(x.array, axis=shifted(axis, x.ndim))


def _expand_dims(xp: Any, x: Mapped, /, axis: Any) -> Any:
    ndim = x.ndim + (1 if isinstance(axis, int) else len(axis))
    axes = sorted(shifted_all(axis, ndim))
    rest = iter(x.shape)
    shape = (1 if i in axes else next(rest) for i in range(1, ndim + 1))
    return xp.reshape(x.array, (x.array.shape[0], *shape))


def _squeeze(xp: Any, x: Mapped, /, axis: Any) -> Any:
    return xp.squeeze(x.array, axis=shifted_all(axis, x.ndim))


def _flip(xp: Any, x: Mapped, /, *, axis: Any = None) -> Any:
    return xp.flip(x.array, axis=shifted_all(axis, x.ndim))


def _roll(xp: Any, x: Mapped, /, shift: Any, *, axis: Any = None) -> Any:
    if axis is not None:
        axes = tuple(shifted(a, x.ndim) for a in ((axis,) if isinstance(axis, int) else axis))
        shifts = (shift,) * len(axes) if isinstance(shift, int) else shift
        return xp.roll(x.array, shifts, axis=axes)
    size = x.array.shape[0]
    flat = xp.reshape(x.array, (size, math.prod(x.shape)))
    return xp.reshape(xp.roll(flat, shift, axis=1), x.array.shape)


def _moveaxis(xp: Any, x: Mapped, source: Any, destination: Any, /) -> Any:
    return xp.moveaxis(x.array, shifted_all(source, x.ndim), shifted_all(destination, x.ndim))


def _permute_dims(xp: Any, x: Mapped, /, axes: Sequence[int]) -> Any:
    return xp.permute_dims(x.array, (0, *(shifted(a, x.ndim) for a in axes)))


def _matrix_transpose(xp: Any, x: Mapped, /) -> Any:
    return xp.matrix_transpose(x.array)


def _repeat(xp: Any, x: Mapped, repeats: Any, /, *, axis: int | None = None) -> Any:
    if axis is None:
        flat = xp.reshape(x.array, (x.array.shape[0], math.prod(x.shape)))
        return xp.repeat(flat, repeats, axis=1)
    return xp.repeat(x.array, repeats, axis=shifted(axis, x.ndim))


def _reshape(xp: Any, x: Mapped, /, shape: Shape, *, copy: bool | None = None) -> Any:
    size = x.array.shape[0]
    known = math.prod(n for n in shape if n != -1)
    whole = tuple(math.prod(x.shape) // known if n == -1 else n for n in shape)
    return xp.reshape(x.array, (size, *whole), copy=copy)


def _tile(xp: Any, x: Mapped, repetitions: Sequence[int], /) -> Any:
    ndim = max(len(repetitions), x.ndim)
    ones = (1,) * (ndim - len(repetitions))
    return xp.tile(with_ndim(xp, x, ndim), (1, *ones, *repetitions))


def _diff(
    xp: Any, x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Any:
    given = [part for part in (x, prepend, append) if part is not None]
    size = size_of(given)
    axis = shifted(axis, x.ndim)
    ends = {
        name: spread_out(xp, part, size)
        for name, part in (("prepend", prepend), ("append", append))
        if part is not None
    }
    return xp.diff(spread_out(xp, x, size), axis=axis, n=n, **ends)


def _like(name: str) -> Rule:
    def rule(xp: Any, x: Any, /, *args: Any, **params: Any) -> Any:
        return getattr(xp, name)(data_of(x), *args, **params)

    return rule


def _full(xp: Any, shape: Any, fill_value: Mapped, **params: Any) -> Any:
    shape = (shape,) if isinstance(shape, int) else shape
    dtype = params.get("dtype")
    value = fill_value.array if dtype is None else xp.astype(fill_value.array, dtype)
    return _broadcast_to(xp, Mapped(value), shape)


def _full_like(xp: Any, x: Any, /, fill_value: Any, **params: Any) -> Any:
    if type(fill_value) is not Mapped:
        return xp.full_like(data_of(x), fill_value, **params)
    return _full(xp, x.shape, fill_value, dtype=params.get("dtype") or data_of(x).dtype)


def _meshgrid(xp: Any, *arrays: Any, indexing: str = "xy") -> Any:
    ndim = len(arrays)
    order = list(range(ndim))
    if indexing == "xy" and ndim > 1:
        order[:2] = [1, 0]
    parts = []
    for i, x in enumerate(arrays):
        place = [1] * ndim
        place[order[i]] = x.shape[0] if x.ndim else 1
        parts.append(
            Mapped(xp.reshape(x.array, (x.array.shape[0], *place)))
            if type(x) is Mapped
            else xp.reshape(x, tuple(place))
        )
    return _broadcast_arrays(xp, *parts)


RULES: dict[str, Rule] = {
    "broadcast_arrays": _broadcast_arrays,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "diff": _diff,
    "empty_like": _like("empty_like"),
    "expand_dims": _expand_dims,
    "flip": _flip,
    "full": _full,
    "full_like": _full_like,
    "matrix_transpose": _matrix_transpose,
    "meshgrid": _meshgrid,
    "moveaxis": _moveaxis,
    "ones_like": _like("ones_like"),
    "permute_dims": _permute_dims,
    "repeat": _repeat,
    "reshape": _reshape,
    "roll": _roll,
    "spread": _broadcast_to,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "tril": _like("tril"),
    "triu": _like("triu"),
    "unstack": _unstack,
    "zeros_like": _like("zeros_like"),
}
