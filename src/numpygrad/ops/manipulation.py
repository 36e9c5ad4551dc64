"""Manipulation functions of the standard: shapes, axes, joining and repeating."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import apply, apply_one, as_array, promoted
from numpygrad._kernels import sum_to
from numpygrad._op import linear
from numpygrad._storage import reshapes_in_place
from numpygrad.errors import ShapeError
from numpygrad.typing import Axis, Shape


def normalized_axis(name: str, axis: int, ndim: int) -> int:
    """`axis` counted from the front; `IndexError` if there is none such."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}(): axis {axis} is out of bounds for {ndim} dimensions")
    return axis % ndim


def normalized_axes(name: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """All of the axes meant, counted from the front, each once."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    given = (axis,) if isinstance(axis, (int, np.integer)) else axis
    axes = tuple(normalized_axis(name, a, ndim) for a in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}(): an axis is repeated in {axis}")
    return axes


def nonempty_axes(name: str, x: Array, axis: Axis) -> tuple[int, ...]:
    """As `normalized_axes`; `ShapeError` if there is nothing along one of them."""
    shape = x._data.shape
    axes = normalized_axes(name, axis, len(shape))
    if 0 in shape and any(shape[a] == 0 for a in axes):
        raise ShapeError(f"{name}() over no elements: axis {axis} of shape {shape}")
    return axes


def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """The arrays broadcast to their common shape: read-only views; as they are if they have it."""
    shapes = [x.shape for x in arrays]
    shape = broadcast_shapes(*shapes)
    if shapes.count(shape) == len(shapes):
        return tuple(as_array("broadcast_arrays", x) for x in arrays)
    return tuple(broadcast_to(x, shape) for x in arrays)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that arrays of these shapes broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        given = " and ".join(map(str, shapes))
        raise ShapeError(f"shapes {given} cannot be broadcast together") from error


def broadcast_to(x: Array, /, shape: Shape) -> Array:
    """`x` repeated along axes it lacks or has at length 1; a read-only view."""
    x = as_array("broadcast_to", x)
    shape = tuple(shape)
    extra = len(shape) - x.ndim
    if (
        extra < 0
        or any(n < 0 for n in shape)
        or any(n not in (1, m) for n, m in zip(x.shape, shape[extra:], strict=True))
    ):
        raise ShapeError(f"broadcast_to() of shape {x.shape} to {shape} does not fit")
    return apply_one(broadcast_to, x, shape=shape)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    """The arrays joined along an axis they have; flattened first if `axis` is None."""
    if not arrays:
        raise ShapeError("concat() needs at least one array")
    joined = promoted("concat", *arrays)
    if axis is None:
        joined, axis = [reshape(x, (-1,)) for x in joined], 0
    axis = normalized_axis("concat", axis, joined[0].ndim)
    rests = {x.shape[:axis] + x.shape[axis + 1 :] for x in joined}
    if len(rests) > 1 or len({x.ndim for x in joined}) > 1:
        raise ShapeError(
            f"concat() along axis {axis} needs shapes that agree elsewhere, got "
            f"{' and '.join(str(x.shape) for x in joined)}"
        )
    return apply(concat, *joined, axis=axis)


def expand_dims(x: Array, /, axis: int | tuple[int, ...]) -> Array:
    """`x` with new axes of length 1 at the positions `axis` of the result; a view."""
    x = as_array("expand_dims", x)
    given = axis if isinstance(axis, tuple) else (axis,)
    axes = normalized_axes("expand_dims", given, x.ndim + len(given))
    return apply_one(expand_dims, x, axis=axes)


def flip(x: Array, /, *, axis: int | tuple[int, ...] | None = None) -> Array:
    """`x` in reverse order along `axis`, all axes by default; a view."""
    x = as_array("flip", x)
    return apply_one(flip, x, axis=normalized_axes("flip", axis, x.ndim))


def moveaxis(
    x: Array, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Array:
    """`x` with axes moved to new positions, the others in their order; a view."""
    x = as_array("moveaxis", x)
    froms = normalized_axes("moveaxis", source, x.ndim)
    tos = normalized_axes("moveaxis", destination, x.ndim)
    if len(froms) != len(tos):
        raise ValueError(
            f"moveaxis() needs as many sources as destinations: {source}, {destination}"
        )
    order = [axis for axis in range(x.ndim) if axis not in froms]
    for to, axis in sorted(zip(tos, froms, strict=True)):
        order.insert(to, axis)
    return permute_dims(x, tuple(order))


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    """`x` with its axes in the order `axes`; a view."""
    x = as_array("permute_dims", x)
    order = normalized_axes("permute_dims", tuple(axes), x.ndim)
    if len(order) != x.ndim:
        raise ValueError(f"permute_dims() needs all {x.ndim} axes, got {axes}")
    return apply_one(permute_dims, x, axes=order)


def repeat(x: Array, repeats: int | Array, /, *, axis: int | None = None) -> Array:
    """Each element of `x` repeated along `axis`; of the flattened array by default.

    `repeats` is a number for all elements, or an integer array with one for each.
    """
    x = as_array("repeat", x)
    from numpygrad.ops.indexing import take

    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalized_axis("repeat", axis, x.ndim)
    if isinstance(repeats, (int, np.integer)):
        if repeats < 0:
            raise ValueError(f"repeat() needs repeats >= 0, got {repeats}")
        shape = x.shape
        wide = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
        spread = broadcast_to(expand_dims(x, axis=axis + 1), wide)
        return reshape(
            spread, (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]), copy=True
        )
    counts = np.broadcast_to(
        np.asarray(repeats.numpy() if isinstance(repeats, Array) else repeats), (x.shape[axis],)
    )
    where = np.repeat(np.arange(x.shape[axis]), counts)
    return take(x, cast("Array", where), axis=axis)


def reshape(x: Array, /, shape: Shape, *, copy: bool | None = None) -> Array:
    """The elements of `x`, in row-major order, in another shape; one length may be -1.

    A view where the elements can take that shape where they lie in memory, unless `copy`.

    Raises
    ------
    ShapeError
        If the number of elements differs.
    """
    x = as_array("reshape", x)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    size, known = x.size, math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known and size % known == 0:
        shape = tuple(size // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape) or math.prod(shape) != size:
        raise ShapeError(f"reshape() of {size} elements in shape {x.shape} to {shape} does not fit")
    if not copy and not reshapes_in_place(x, shape):
        if copy is False:
            raise ValueError("reshape() of elements in another order needs a copy; pass copy=None")
        copy = True
    return apply_one(reshape, x, shape=shape, copy=True if copy else None)


def roll(
    x: Array, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None
) -> Array:
    """`x` with elements moved on by `shift`, those beyond the end coming in at the start."""
    x = as_array("roll", x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, axis=0), x.shape)
    given = (axis,) if isinstance(axis, (int, np.integer)) else axis
    axes = tuple(normalized_axis("roll", a, x.ndim) for a in given)
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll() needs as many shifts as axes: {shift}, {axis}")
    return apply_one(roll, x, shift=shifts, axis=axes)


def squeeze(x: Array, /, axis: int | tuple[int, ...]) -> Array:
    """`x` without the axes `axis`, which have length 1; a view."""
    x = as_array("squeeze", x)
    axes = normalized_axes("squeeze", axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze() of axes {axis} of shape {x.shape}: their length is not 1")
    return apply_one(squeeze, x, axis=axes)


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """The arrays, of one shape, joined along a new axis."""
    if not arrays:
        raise ShapeError("stack() needs at least one array")
    if [type(x) for x in arrays].count(Array) != len(arrays):
        arrays = promoted("stack", *arrays)
    shape = arrays[0].shape
    if [x.shape for x in arrays].count(shape) != len(arrays):
        shapes = " and ".join(str(s) for s in {x.shape for x in arrays})
        raise ShapeError(f"stack() needs arrays of one shape, got {shapes}")
    return apply(stack, *arrays, axis=normalized_axis("stack", axis, len(shape) + 1))


def tile(x: Array, repetitions: tuple[int, ...], /) -> Array:
    """`x` as a whole repeated `repetitions` times along each axis."""
    x = as_array("tile", x)
    ndim = max(x.ndim, len(repetitions))
    shape = (1,) * (ndim - x.ndim) + x.shape
    times = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    narrow = tuple(n for length in shape for n in (1, length))
    wide = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    spread = broadcast_to(reshape(x, narrow), wide)
    return reshape(spread, tuple(t * n for t, n in zip(times, shape, strict=True)), copy=True)


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices of `x` along `axis`; views."""
    x = as_array("unstack", x)
    axis = normalized_axis("unstack", axis, x.ndim)
    before = (slice(None),) * axis
    return tuple(x[(*before, i)] for i in range(x.shape[axis]))


def undo(function: Callable[..., Any], value: Array, shape: Shape, params: dict[str, Any]) -> Array:
    """The array of `shape` of which `value` is the view `function(array, **params)`."""
    if function is permute_dims:
        return permute_dims(value, inverse_order(params["axes"]))
    if function is flip:
        return flip(value, axis=params["axis"])
    return reshape(value, shape)


def inverse_order(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order of axes that undoes the order `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _nth_slice(xp: Any, g: Any, arrays_shape: list[Shape], axis: int, index: int) -> Any:
    """The part of the cotangent of a concatenation that belongs to array `index`."""
    start = sum(shape[axis] for shape in arrays_shape[:index])
    stop = start + arrays_shape[index][axis]
    return xp.gather(g, key=(slice(None),) * axis + (slice(start, stop),))


linear(broadcast_to, lambda xp, g, x_shape: sum_to(xp, g, x_shape), view=True)
linear(concat, _nth_slice)
linear(expand_dims, lambda xp, g, x_shape: xp.reshape(g, x_shape), view=True)
linear(flip, lambda xp, g, axis: xp.flip(g, axis=axis), view=True)
linear(permute_dims, lambda xp, g, axes: xp.permute_dims(g, inverse_order(axes)), view=True)
linear(reshape, lambda xp, g, x_shape: xp.reshape(g, x_shape), view=True)
linear(roll, lambda xp, g, shift, axis: xp.roll(g, tuple(-s for s in shift), axis=axis))
linear(squeeze, lambda xp, g, x_shape: xp.reshape(g, x_shape), view=True)
linear(stack, lambda xp, g, axis, index: xp.gather(g, key=(slice(None),) * axis + (index,)))
