"""Kernels the standard lacks, written in it, for backends that bring no better ones of their own.

Rules may call these on `xp` beside the standard's functions, on every backend and on numpygrad
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numpygrad._series import horner
from numpygrad.typing import RawArray, Shape


def guarded_multiply(xp: Any, g: RawArray, partial: RawArray) -> RawArray:
    """`g * partial`, but 0 where one of them is 0 and the other is not finite.

    Example: `where(x > 0, sqrt(x), 0)` at 0. The branch not taken hands `sqrt` a cotangent of
    exactly 0, its derivative there is inf, and 0 * inf would be NaN. Likewise `sqrt(relu(x))` below
    0. Only the non-finite factor is replaced, so that the product's own derivatives stay what they
    are.
    """
    silent = (g == 0) & ~xp.isfinite(partial)
    flat = (partial == 0) & ~xp.isfinite(g)
    return xp.where(flat, 0.0, g) * xp.where(silent, 0.0, partial)


def device_of(x: RawArray) -> Any:
    """The library's device of an array; none, its default, of one that is being traced."""
    return getattr(x, "device", None)


def holds(condition: RawArray, *, unknown: bool = False) -> bool:
    """Whether a condition holds; `unknown` if an array that is being traced has no values."""
    try:
        return bool(getattr(condition, "_data", condition))  # of an Array, what it wraps
    except TypeError:
        return unknown


def _positions(xp: Any, key: Any, shape: Shape, device: Any) -> RawArray:
    """The places in row-major order that `key` selects from an array of `shape`."""
    numbers = xp.reshape(xp.arange(math.prod(shape), device=device), shape)
    return xp.gather(numbers, key=key)


def _occurrences(xp: Any, positions: RawArray, size: int) -> tuple[RawArray, RawArray, RawArray]:
    """An order that sorts `positions`, and where in it each of `size` places starts and ends."""
    order = xp.argsort(positions, stable=True)
    ordered = xp.take(positions, order)
    places = xp.arange(size, device=device_of(positions))
    first = xp.searchsorted(ordered, places)
    return order, first, xp.searchsorted(ordered, places, side="right")


def scatter(xp: Any, g: RawArray, *, key: Any, shape: Shape) -> RawArray:
    """Zeros of `shape` with `g` added at `key`: the transpose of `x[key]`.

    The standard has no accumulating write: the first, second, ... occurrences of each place are
    added in turn, which is exact, where differences of running sums would not be.
    """
    size = math.prod(shape)
    out = xp.zeros(size, dtype=g.dtype, device=device_of(g))
    positions = xp.reshape(_positions(xp, key, shape, device_of(g)), (-1,))
    count = positions.shape[0]
    if count == 0:
        return xp.reshape(out, shape)
    order, first, end = _occurrences(xp, positions, size)
    values = xp.take(xp.reshape(g, (-1,)), order)
    for occurrence in range(int(xp.max(end - first))):
        place = first + occurrence
        chosen = xp.take(values, xp.clip(place, 0, count - 1))
        out = out + xp.where(place < end, chosen, xp.zeros_like(chosen))
    return xp.reshape(out, shape)


def put(xp: Any, x: RawArray, value: RawArray, *, key: Any) -> RawArray:
    """A copy of `x` with `value` written at `key`; of repeated places, the last write stays.

    The standard writes at ints and slices only; what other keys select is chosen by `where`.
    """
    if is_basic(key) and None not in (key if type(key) is tuple else (key,)):
        out = xp.asarray(x, copy=True)
        out[with_ellipsis(key)] = value
        return out
    positions = _positions(xp, key, x.shape, device_of(x))
    values = xp.reshape(xp.broadcast_to(value, positions.shape), (-1,))
    positions = xp.reshape(positions, (-1,))
    count = positions.shape[0]
    if count == 0:
        return xp.asarray(x, copy=True)
    order, first, end = _occurrences(xp, positions, math.prod(x.shape))
    last = xp.take(xp.take(values, order), xp.clip(end - 1, 0, count - 1))
    return xp.reshape(xp.where(first < end, last, xp.reshape(x, (-1,))), x.shape)


def add_at(xp: Any, x: RawArray, value: RawArray, *, key: Any) -> RawArray:
    """A copy of `x` with `value` added at `key`, repeats accumulating."""
    region = _positions(xp, key, x.shape, device_of(x)).shape
    return x + xp.scatter(xp.broadcast_to(value, region), key=key, shape=x.shape)


def diagonal_key(xp: Any, shape: Shape, offset: int, device: Any) -> tuple[Any, ...]:
    """The key of the diagonals of matrices."""
    rows, columns = shape[-2:]
    first_row, first_column = max(-offset, 0), max(offset, 0)
    length = max(min(rows - first_row, columns - first_column), 0)
    starts = (first_row, first_column)
    return (..., *(xp.arange(start, start + length, device=device) for start in starts))


def diagonals(xp: Any, x: RawArray, *, offset: int) -> RawArray:
    """The diagonals of matrices."""
    return xp.gather(x, key=diagonal_key(xp, x.shape, offset, device_of(x)))


def is_basic(key: Any) -> bool:
    """Whether a key has no arrays, so that indexing with it gives a view."""
    if type(key) is tuple:
        return all(type(k) is int or type(k) is slice or k is None or k is ... for k in key)
    return type(key) is int or type(key) is slice or key is None or key is ...


def select(xp: Any, x: RawArray, *, key: Any) -> RawArray:
    """`x[key]` for a basic key."""
    return x[with_ellipsis(key)]


def gather(xp: Any, x: RawArray, *, key: Any) -> RawArray:
    """`x[key]`, whatever the key."""
    return x[with_ellipsis(key) if is_basic(key) else key]


def with_ellipsis(key: Any) -> tuple[Any, ...]:
    """The key with `...` at its end: the standard does not supply what is left out."""
    parts = key if type(key) is tuple else (key,)
    return parts if any(part is ... for part in parts) else (*parts, ...)


def stop_gradient(xp: Any, x: RawArray) -> RawArray:
    """`x`, in programs that are going to be differentiated: no derivative flows through."""
    return x


def cast(xp: Any, x: RawArray, *, dtype: Any) -> RawArray:
    """`x` in another dtype."""
    return xp.astype(x, dtype)


def expand_dims(xp: Any, x: RawArray, *, axis: tuple[int, ...]) -> RawArray:
    """`x` with new axes; a reshape, as before 2025.12 the standard's function takes one axis."""
    ndim = len(x.shape) + len(axis)
    rest = iter(x.shape)
    return xp.reshape(x, tuple(1 if i in axis else next(rest) for i in range(ndim)))


def spread(xp: Any, x: RawArray, shape: Shape) -> RawArray:
    """`x` broadcast to `shape`, to be read only; a backend may give a copy where that is faster."""
    return xp.broadcast_to(x, shape)


def has_nan(xp: Any, x: RawArray) -> bool:
    """Whether an element is NaN; yes, if that cannot be known yet."""
    return holds(xp.any(xp.isnan(x)), unknown=True)


def contiguous(xp: Any, x: RawArray) -> RawArray:
    """`x` in row-major order; as it is, where order cannot be seen."""
    return x


def sum_to(xp: Any, g: RawArray, shape: Shape) -> RawArray:
    """`g` summed over axes that `shape` lacks or has at length 1: the transpose of broadcasting."""
    extra = len(g.shape) - len(shape)
    kept = (i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    axes = (*range(extra), *kept)
    if axes:
        g = xp.sum(g, axis=axes, keepdims=True)
    return xp.reshape(g, shape) if g.shape != shape else g


def unreduce(xp: Any, g: RawArray, shape: Shape, axis: Any, keepdims: bool) -> RawArray:
    """`g`, the cotangent of a reduction over `axis` of an array of `shape`, in that shape."""
    if not keepdims and g.shape != ():
        g = xp.reshape(g, kept_shape(shape, axis))
    return xp.spread(g, shape)


def kept_shape(shape: Shape, axis: Any) -> Shape:
    """The shape of a reduction with `keepdims=True`."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    reduced = {a % len(shape) for a in axes} if shape else set()
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def clip_low(xp: Any, x: RawArray, bound: RawArray) -> RawArray:
    """The larger one."""
    return xp.maximum(x, bound)


def clip_high(xp: Any, x: RawArray, bound: RawArray) -> RawArray:
    """The smaller one."""
    return xp.minimum(x, bound)


def clip_both(xp: Any, x: RawArray, low: RawArray, high: RawArray) -> RawArray:
    """`x` limited from below, then from above."""
    return xp.minimum(xp.maximum(x, low), high)


# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
# Mathematics of Computation 23 (1969); relative error below 1.2e-16.
_SMALL_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
            3.77485237685302021e2, 3.20937758913846947e3)  # fmt: skip
_SMALL_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2,
            1.28261652607737228e3, 2.84423683343917062e3)  # fmt: skip
_MIDDLE_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
             6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
             1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)  # fmt: skip
_MIDDLE_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
             1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
             3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip
_LARGE_P = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
            1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
_LARGE_Q = (1.0, 2.56852019228982242, 1.87295284992346047, 5.27905102951428412e-1,
            6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip


def _erf_near(xp: Any, x: RawArray) -> RawArray:
    """The error function below 0.5 in size; anything beyond."""
    small = xp.where(xp.abs(x) < 0.5, x, 0.0)
    square = small * small
    return small * horner(_SMALL_P, square) / horner(_SMALL_Q, square)


def _erfcx_middle(middle: RawArray) -> RawArray:
    """`exp(x**2) * erfc(x)` between 0.46875 and 4."""
    return horner(_MIDDLE_P, middle) / horner(_MIDDLE_Q, middle)


def _erfcx_large(large: RawArray) -> RawArray:
    """`exp(x**2) * erfc(x)` from 4 on."""
    inverse = 1.0 / large / large
    tail = inverse * horner(_LARGE_P, inverse) / horner(_LARGE_Q, inverse)
    return (1.0 / math.sqrt(math.pi) - tail) / large


def erf(xp: Any, x: RawArray) -> RawArray:
    """The error function, to the last bit or two in float64."""
    size = xp.abs(x)
    middle = xp.clip(size, 0.46875, 4.0)
    complement = xp.exp(-middle * middle) * _erfcx_middle(middle)
    large = xp.clip(size, 4.0, 28.0)
    beyond = xp.exp(-large * large) * _erfcx_large(large)
    away = 1.0 - xp.where(size < 4.0, complement, beyond)
    result = xp.where(size < 0.46875, _erf_near(xp, x), xp.where(x < 0.0, -away, away))
    return xp.where(xp.isnan(x), x, result)


def erfcx(xp: Any, x: RawArray) -> RawArray:
    """`exp(x**2) * erfc(x)`, without overflow for positive `x`."""
    size = xp.abs(x)
    small = xp.where(size < 0.5, x, 0.0)
    near = xp.exp(small * small) * (1.0 - _erf_near(xp, x))
    large = xp.where(size < 4.0, 4.0, size)
    beyond = xp.where(size < 4.0, _erfcx_middle(xp.clip(size, 0.46875, 4.0)), _erfcx_large(large))
    mirrored = xp.where(x < 0.0, x, 0.0)
    away = xp.where(x < 0.0, 2.0 * xp.exp(mirrored * mirrored) - beyond, beyond)
    result = xp.where(size < 0.46875, near, away)
    return xp.where(xp.isnan(x), x, result)


def sigmoid(xp: Any, x: RawArray) -> RawArray:
    """The logistic function, without overflow: `exp` sees only what is not positive."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1.0, small) / (1.0 + small)


def softplus(xp: Any, x: RawArray) -> RawArray:
    """`log(1 + exp(x))`, without overflow."""
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))


def relu(xp: Any, x: RawArray) -> RawArray:
    """`max(x, 0)`."""
    return xp.maximum(x, xp.zeros_like(x))


def _finite_shift(xp: Any, x: RawArray, axis: Any) -> RawArray:
    """The maximum to subtract before `exp`: 0 where it is infinite, as inf - inf is NaN."""
    top = xp.max(x, axis=axis, keepdims=True)
    return xp.where(xp.isfinite(top), top, 0.0)


def logsumexp(xp: Any, x: RawArray, *, axis: Any = None, keepdims: bool = False) -> RawArray:
    """`log(sum(exp(x)))`, without overflow; -inf where all of `x` is, without a warning."""
    top = _finite_shift(xp, x, axis)
    total = xp.sum(xp.exp(x - top), axis=axis, keepdims=True)
    y = xp.where(total == 0, -math.inf, xp.log(xp.where(total == 0, 1.0, total)) + top)
    if keepdims:
        return y
    axes = tuple(range(x.ndim)) if axis is None else axis
    return xp.squeeze(y, axes) if axes != () else y


def excess(xp: Any, x: RawArray, top: RawArray) -> RawArray:
    """`x - top`, but 0 where both are the same infinity."""
    here = (x == top) & xp.isinf(x)
    return xp.where(here, 0.0, x) - xp.where(here, 0.0, top)


def softmax(xp: Any, x: RawArray, *, axis: Any = -1) -> RawArray:
    """`exp(x) / sum(exp(x))`; uniform where all of `x` is -inf, as the limit is."""
    e = xp.exp(xp.excess(x, xp.max(x, axis=axis, keepdims=True)))
    return e / xp.sum(e, axis=axis, keepdims=True)


def log_softmax(xp: Any, x: RawArray, *, axis: Any = -1) -> RawArray:
    """`log(softmax(x))`, without underflow."""
    shifted = xp.excess(x, xp.max(x, axis=axis, keepdims=True))
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


DEFAULTS: dict[str, Callable[..., Any]] = {
    "add_at": add_at,
    "cast": cast,
    "clip_both": clip_both,
    "clip_high": clip_high,
    "clip_low": clip_low,
    "contiguous": contiguous,
    "diagonals": diagonals,
    "erf": erf,
    "excess": excess,
    "expand_dims": expand_dims,
    "gather": gather,
    "has_nan": has_nan,
    "guarded_multiply": guarded_multiply,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "put": put,
    "relu": relu,
    "scatter": scatter,
    "select": select,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "softplus": softplus,
    "spread": spread,
    "stop_gradient": stop_gradient,
}
"""The extra kernels by name; each takes the namespace first."""
