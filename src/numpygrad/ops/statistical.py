"""Statistical functions of the standard: reductions and cumulative ones."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_one, as_array, convert
from numpygrad._dtypes import DEFAULT_INT, DType, as_dtype, floating, uint64
from numpygrad._kernels import device_of, guarded_multiply, holds, unreduce
from numpygrad._op import POSITIVE, REAL_KINDS, linear, nonlinear
from numpygrad.errors import DTypeError
from numpygrad.ops.data_types import astype
from numpygrad.ops.manipulation import (
    inverse_order,
    nonempty_axes,
    normalized_axes,
    normalized_axis,
)
from numpygrad.typing import Axis, DTypeLike, Shape


def _accumulated(x: Array, dtype: DTypeLike | None) -> Array:
    """`x` in the dtype its elements are added up in: the default integer for smaller ones."""
    if dtype is not None:
        wanted: DType = as_dtype(dtype)
    elif x._type.is_floating:
        return x
    else:
        wanted = uint64 if x.dtype.kind == "u" else DEFAULT_INT
    return x if wanted == x.dtype else astype(x, wanted)


def _kept(x: Array, total: Array) -> Array:
    """A total in the dtype of what was added up, where the backend widened it again."""
    return total if total._type is x._type else convert(total, x.dtype)


def _as_floating(x: Array) -> Array:
    return x if x._type.is_floating else convert(x, floating(x.dtype))


def cumulative_prod(
    x: Array,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """Products of the elements so far along `axis`, with a leading 1 if `include_initial`.

    The derivative is exact where elements are zero.
    """
    x = as_array("cumulative_prod", x)
    x = _accumulated(x, dtype)
    axis = _only_axis("cumulative_prod", axis, x.ndim)
    return _kept(x, apply_one(cumulative_prod, x, axis=axis, include_initial=include_initial))


def cumulative_sum(
    x: Array,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """Sums of the elements so far along `axis`, with a leading 0 if `include_initial`."""
    x = as_array("cumulative_sum", x)
    x = _accumulated(x, dtype)
    axis = _only_axis("cumulative_sum", axis, x.ndim)
    return _kept(x, apply_one(cumulative_sum, x, axis=axis, include_initial=include_initial))


def _only_axis(name: str, axis: int | None, ndim: int) -> int:
    if axis is None:
        if ndim != 1:
            raise ValueError(f"{name}() needs axis= for an array of {ndim} dimensions")
        return 0
    return normalized_axis(name, axis, ndim)


def max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The maximum over `axis`; NaN if any element is. Ties share the derivative equally."""
    x = as_array("max", x)
    return apply_one(max, x, axis=nonempty_axes("max", x, axis), keepdims=keepdims)


def min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The minimum over `axis`; NaN if any element is. Ties share the derivative equally."""
    x = as_array("min", x)
    return apply_one(min, x, axis=nonempty_axes("min", x, axis), keepdims=keepdims)


def mean(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean over `axis`; NaN of no elements."""
    x = as_array("mean", x)
    if not x._type.is_floating:
        x = _as_floating(x)
    axes = normalized_axes("mean", axis, x.ndim)
    return apply_one(mean, x, axis=axes, keepdims=keepdims)


def _count(shape: Shape, axes: tuple[int, ...]) -> int:
    return math.prod(shape[a] for a in axes)


def prod(
    x: Array, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False
) -> Array:
    """The product over `axis`. The derivative is exact where elements are zero."""
    x = as_array("prod", x)
    x = _accumulated(x, dtype)
    axes = normalized_axes("prod", axis, x.ndim)
    return _kept(x, apply_one(prod, x, axis=axes, keepdims=keepdims))


def std(
    x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """The standard deviation over `axis`, of `n - correction` degrees of freedom.

    The derivative where it is 0 is taken as 0.
    """
    x = as_array("std", x)
    x = _real_floating("std", x)
    axes = normalized_axes("std", axis, x.ndim)
    return apply_one(std, x, axis=axes, correction=correction, keepdims=keepdims)


def sum(
    x: Array, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False
) -> Array:
    """The sum over `axis`; small integers add up in the default integer dtype.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.sum(npg.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Array([4., 6.])
    """
    x = _accumulated(as_array("sum", x), dtype)
    if axis is not None:
        axis = normalized_axes("sum", axis, len(x._data.shape))
    out = apply_one(sum, x, axis=axis, keepdims=keepdims)
    return out if out._type is x._type else _kept(x, out)


def var(
    x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Array:
    """The variance over `axis`, of `n - correction` degrees of freedom."""
    x = as_array("var", x)
    x = _real_floating("var", x)
    axes = normalized_axes("var", axis, x.ndim)
    return apply_one(var, x, axis=axes, correction=correction, keepdims=keepdims)


def _real_floating(name: str, x: Array) -> Array:
    if x._type.is_complex:
        raise DTypeError(f"{name}() takes real arrays, got {x.dtype}; use npg.abs(x - npg.mean(x))")
    return _as_floating(x)


def _reciprocal(count: int) -> float:
    """`1 / count`; of no elements there is no cotangent to multiply."""
    return 1 / count if count else 0.0


def _freedom(count: int, correction: float) -> float:
    return float(count - correction) if count > correction else 0.0


def _extreme_pull(xp: Any, g: Any, x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """The cotangent, split equally among the elements that are the extreme."""
    ties = x == unreduce(xp, y, x.shape, axis, keepdims)
    one = xp.ones((), dtype=g.dtype, device=device_of(g))
    share = xp.where(ties, one, 0.0)
    count = xp.sum(share, axis=axis, keepdims=True)
    spread = unreduce(xp, g, x.shape, axis, keepdims)
    return xp.where(ties, spread / xp.where(count == 0, one, count), 0.0)


def _extreme_jvp(xp: Any, g: Any, x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """The mean of the tangents of the elements that are the extreme."""
    ties = x == unreduce(xp, y, x.shape, axis, keepdims)
    one = xp.ones((), dtype=g.dtype, device=device_of(g))
    count = xp.sum(xp.where(ties, one, 0.0), axis=axis, keepdims=keepdims)
    return xp.sum(xp.where(ties, g, 0.0), axis=axis, keepdims=keepdims) / count


def _others_product(xp: Any, x: Any, axis: Any) -> Any:
    """For each element the product of the others over `axis`, without dividing."""
    axes = tuple(range(x.ndim)) if axis is None else axis
    if not axes:
        return xp.ones_like(x)
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    order = kept + axes
    moved = xp.permute_dims(x, order)
    shape = moved.shape
    count = math.prod(x.shape[a] for a in axes)
    flat = xp.reshape(moved, (math.prod(x.shape[a] for a in kept), count))
    before = xp.cumulative_prod(flat, axis=1, include_initial=True)
    after = xp.cumulative_prod(xp.flip(flat, axis=1), axis=1, include_initial=True)
    first = xp.select(before, key=(slice(None), slice(0, count)))
    second = xp.flip(xp.select(after, key=(slice(None), slice(0, count))), axis=1)
    return xp.permute_dims(xp.reshape(first * second, shape), inverse_order(order))


def _cumulative_prod_pull(xp: Any, g: Any, x: Any, y: Any, axis: int, include_initial: bool) -> Any:
    """Sum over i >= k of g[i] times the product of x[j] for j <= i, j != k."""
    if include_initial:
        rest = (slice(None),) * axis + (slice(1, None),)
        g, y = xp.select(g, key=rest), xp.select(y, key=rest)
    if holds(xp.all(x != 0)):
        return _reversed_sum(xp, g * y, axis) / x
    # Where an element is zero nothing can be divided by it. What comes after k obeys a recurrence,
    # sums[k] = g[k] + x[k + 1] * sums[k + 1], solved for windows of 1, 2, 4, ... elements.
    count = x.shape[axis]
    moved = xp.moveaxis(x, axis, -1)
    sums = xp.moveaxis(g, axis, -1)
    factors = _later(xp, moved, 1)
    window = 1
    while window < count:
        sums = sums + guarded_multiply(xp, factors, _later(xp, sums, window))
        factors = guarded_multiply(xp, factors, _later(xp, factors, window))
        window *= 2
    before = xp.cumulative_prod(moved, axis=moved.ndim - 1, include_initial=True)
    before = xp.select(before, key=(..., slice(0, count)))
    return xp.moveaxis(guarded_multiply(xp, before, sums), -1, axis)


def _later(xp: Any, x: Any, steps: int) -> Any:
    """What comes so many steps later along the last axis, zeros beyond the end."""
    nothing = xp.zeros_like(xp.select(x, key=(..., slice(0, steps))))
    return xp.concat([xp.select(x, key=(..., slice(steps, None))), nothing], axis=-1)


def _reversed_sum(xp: Any, g: Any, axis: int) -> Any:
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


def _cumulative_sum_transpose(xp: Any, g: Any, axis: int, include_initial: bool) -> Any:
    if include_initial:
        g = xp.select(g, key=(slice(None),) * axis + (slice(1, None),))
    return _reversed_sum(xp, g, axis)


def _var_pull(xp: Any, g: Any, x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    deviation = x - xp.mean(x, axis=axis, keepdims=True)
    freedom = _freedom(_count(x.shape, axis), correction)
    return unreduce(xp, g * (2.0 / freedom), x.shape, axis, keepdims) * deviation


def _var_push(xp: Any, g: Any, x: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    deviation = x - xp.mean(x, axis=axis, keepdims=True)
    freedom = _freedom(_count(x.shape, axis), correction)
    return xp.sum(deviation * g, axis=axis, keepdims=keepdims) * (2.0 / freedom)


def _std_pull(xp: Any, g: Any, x: Any, y: Any, axis: Any, correction: float, keepdims: bool) -> Any:
    count = _count(x.shape, axis)
    deviation = x - xp.mean(x, axis=axis, keepdims=True)
    scale = unreduce(xp, y * _freedom(count, correction), x.shape, axis, keepdims)
    slope = xp.where(scale == 0, 0.0, deviation / xp.where(scale == 0, 1.0, scale))
    return unreduce(xp, g, x.shape, axis, keepdims) * slope


nonlinear(
    cumulative_prod,
    _cumulative_prod_pull,
    dtype="promote",
)
linear(
    cumulative_sum,
    _cumulative_sum_transpose,
)
nonlinear(
    max,
    _extreme_pull,
    dtype="promote",
    jvp=_extreme_jvp,
    masks=True,
    kinds=REAL_KINDS,
)
nonlinear(
    min,
    _extreme_pull,
    dtype="promote",
    jvp=_extreme_jvp,
    masks=True,
    kinds=REAL_KINDS,
)
nonlinear(
    prod,
    lambda xp, g, x, axis, keepdims: (
        unreduce(xp, g, x.shape, axis, keepdims) * _others_product(xp, x, axis)
    ),
    dtype="promote",
    domain=POSITIVE,
)
linear(
    mean,
    lambda xp, g, x_shape, axis, keepdims: unreduce(
        xp, g * _reciprocal(_count(x_shape, axis)), x_shape, axis, keepdims
    ),
)
nonlinear(
    std,
    _std_pull,
)
linear(
    sum,
    lambda xp, g, x_shape, axis, keepdims: unreduce(xp, g, x_shape, axis, keepdims),
)
nonlinear(var, _var_pull, jvp=_var_push)
