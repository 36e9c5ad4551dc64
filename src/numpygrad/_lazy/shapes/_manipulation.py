"""Results of kernels that arrange, join and repeat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import (
    Rule,
    aval,
    axes_of,
    axis_of,
    broadcast,
    common,
    fits,
)
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape


def _reshape(x: Any, /, shape: Any, copy: bool | None = None) -> Aval:
    wanted: Shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = math.prod(x.shape)
    if -1 in wanted:
        known = math.prod([n for n in wanted if n != -1])
        if wanted.count(-1) == 1 and known and size % known == 0:
            wanted = tuple([size // known if n == -1 else n for n in wanted])
    if math.prod(wanted) != size or (wanted and min(wanted) < 0):
        raise ShapeError(
            f"reshape() of {size} elements in shape {x.shape} to {wanted} does not fit"
        )
    return aval(wanted, x.dtype)


def _permute_dims(x: Any, /, axes: Sequence[int]) -> Aval:
    shape = x.shape
    order = axes_of("permute_dims", tuple(axes), len(shape))
    if len(order) != len(shape):
        raise ValueError(f"permute_dims() needs all {len(shape)} axes, got {axes}")
    return aval(tuple([shape[a] for a in order]), x.dtype)


def _matrix_transpose(x: Any, /) -> Aval:
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"matrix_transpose() needs two dimensions or more, got {shape}")
    return aval((*shape[:-2], shape[-1], shape[-2]), x.dtype)


def _moveaxis(x: Any, source: Any, destination: Any, /) -> Aval:
    shape = x.shape
    froms = axes_of("moveaxis", source, len(shape))
    tos = axes_of("moveaxis", destination, len(shape))
    if len(froms) != len(tos):
        raise ValueError(
            f"moveaxis() needs as many sources as destinations: {source}, {destination}"
        )
    order = [axis for axis in range(len(shape)) if axis not in froms]
    for to, axis in sorted(zip(tos, froms, strict=True)):
        order.insert(to, axis)
    return aval(tuple([shape[a] for a in order]), x.dtype)


def _expand_dims(x: Any, /, axis: Any) -> Aval:
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(x.shape) + len(given)
    axes = axes_of("expand_dims", given, ndim)
    rest = iter(x.shape)
    return aval(tuple([1 if i in axes else next(rest) for i in range(ndim)]), x.dtype)


def _squeeze(x: Any, /, axis: Any) -> Aval:
    shape = x.shape
    axes = axes_of("squeeze", axis, len(shape))
    for a in axes:
        if shape[a] != 1:
            raise ShapeError(f"squeeze() of axes {axis} of shape {shape}: their length is not 1")
    return aval(tuple([n for i, n in enumerate(shape) if i not in axes]), x.dtype)


def _flip(x: Any, /, axis: Any = None) -> Aval:
    axes_of("flip", axis, len(x.shape))
    return aval(x.shape, x.dtype)


def _roll(x: Any, /, shift: Any, axis: Any = None) -> Aval:
    if axis is not None:
        axes = axis if isinstance(axis, (tuple, list)) else (axis,)
        for a in axes:
            axis_of("roll", a, len(x.shape))
    return aval(x.shape, x.dtype)


def _broadcast_to(x: Any, /, shape: Any) -> Aval:
    wanted = tuple(shape)
    if not fits(x.shape, wanted) or (wanted and min(wanted) < 0):
        raise ShapeError(f"broadcast_to() of shape {x.shape} to {wanted} does not fit")
    return aval(wanted, x.dtype)


def _broadcast_arrays(*arrays: Any) -> tuple[Aval, ...]:
    shape = broadcast("broadcast_arrays", *[x.shape for x in arrays]) if arrays else ()
    return tuple([aval(shape, x.dtype) for x in arrays])


def _concat(arrays: Sequence[Any], /, axis: int | None = 0) -> Aval:
    if not arrays:
        raise ShapeError("concat() needs at least one array")
    dtype = common(*arrays)
    if axis is None:
        return aval((sum([math.prod(x.shape) for x in arrays]),), dtype)
    shape = arrays[0].shape
    axis = axis_of("concat", axis, len(shape))
    before, after = shape[:axis], shape[axis + 1 :]
    length = 0
    for x in arrays:
        other = x.shape
        if len(other) != len(shape) or other[:axis] != before or other[axis + 1 :] != after:
            raise ShapeError(
                f"concat() along axis {axis} needs shapes that agree elsewhere, got "
                f"{' and '.join(str(x.shape) for x in arrays)}"
            )
        length += other[axis]
    return aval((*before, length, *after), dtype)


def _stack(arrays: Sequence[Any], /, axis: int = 0) -> Aval:
    if not arrays:
        raise ShapeError("stack() needs at least one array")
    shape = arrays[0].shape
    for x in arrays:
        if x.shape != shape:
            shapes = " and ".join(str(s) for s in {x.shape for x in arrays})
            raise ShapeError(f"stack() needs arrays of one shape, got {shapes}")
    axis = axis_of("stack", axis, len(shape) + 1)
    return aval((*shape[:axis], len(arrays), *shape[axis:]), common(*arrays))


def _unstack(x: Any, /, axis: int = 0) -> tuple[Aval, ...]:
    shape: Shape = x.shape
    axis = axis_of("unstack", axis, len(shape))
    return (aval(shape[:axis] + shape[axis + 1 :], x.dtype),) * shape[axis]


def _repeat(x: Any, repeats: Any, /, axis: int | None = None) -> Aval | None:
    """Nothing, if each element has a number of its own."""
    if not isinstance(repeats, int):
        return None
    if repeats < 0:
        raise ValueError(f"repeat() needs repeats >= 0, got {repeats}")
    if axis is None:
        return aval((math.prod(x.shape) * repeats,), x.dtype)
    axis = axis_of("repeat", axis, len(x.shape))
    return aval((*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :]), x.dtype)


def _tile(x: Any, repetitions: tuple[int, ...], /) -> Aval:
    ndim = max(len(x.shape), len(repetitions))
    shape = (1,) * (ndim - len(x.shape)) + x.shape
    times = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    return aval(tuple([t * n for t, n in zip(times, shape, strict=True)]), x.dtype)


def _diff(x: Any, /, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Aval:
    axis = axis_of("diff", axis, len(x.shape))
    parts = [part for part in (prepend, x, append) if part is not None]
    found = _concat(parts, axis=axis) if n else x
    length = max(found.shape[axis] - n, 0)
    return aval((*found.shape[:axis], length, *found.shape[axis + 1 :]), found.dtype)


RULES: dict[str, Rule] = {
    "broadcast_arrays": _broadcast_arrays,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "diff": _diff,
    "expand_dims": _expand_dims,
    "flip": _flip,
    "matrix_transpose": _matrix_transpose,
    "moveaxis": _moveaxis,
    "permute_dims": _permute_dims,
    "repeat": _repeat,
    "reshape": _reshape,
    "roll": _roll,
    "spread": _broadcast_to,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "unstack": _unstack,
}
