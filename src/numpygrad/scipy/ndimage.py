"""Filters of images of any number of dimensions, after `scipy.ndimage`.

A filter sees beyond the edges of an array, of length n along an axis, as `mode` says:

=============================== ====================================
`"reflect"`, `"grid-mirror"`    d c b a | a b c d | d c b a
`"constant"`, `"grid-constant"` k k k k | a b c d | k k k k (`cval`)
`"nearest"`                     a a a a | a b c d | d d d d
`"mirror"`                      d c b | a b c d | c b a
`"wrap"`, `"grid-wrap"`         a b c d | a b c d | a b c d
=============================== ====================================

Gradients are with respect to the array, the weights, and the width of a Gaussian. Results are
floating: an integer array is converted, where SciPy rounds towards zero. Sums are products of
matrices: a NaN or an infinity makes more elements NaN than those whose window it is in.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, as_arrays, promoted
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import full
from numpygrad.ops.elementwise import conj
from numpygrad.ops.manipulation import flip, normalized_axes, normalized_axis
from numpygrad.scipy._filters import beyond, gaussian
from numpygrad.scipy._floats import floated
from numpygrad.scipy._sliding import along, convolved, correlated

Mode: TypeAlias = Literal[
    "reflect", "constant", "nearest", "mirror", "wrap",
    "grid-mirror", "grid-constant", "grid-wrap",
]  # fmt: skip
ROWS = 32
"""The most rows of weights that are summed one by one; more are a product of Fourier transforms."""


def correlate1d(
    input: Array,  # noqa: A002 (SciPy's name)
    weights: Operand,
    axis: int = -1,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Sums of `input` around each element along `axis`, times `weights`, of the same shape.

    Complex weights are conjugated, as SciPy does; `convolve1d` does not.

    Parameters
    ----------
    input
        The array.
    weights
        A vector, centred at its element `len(weights) // 2`.
    mode, cval
        What lies beyond the edges, and its value for `"constant"`.
    origin
        By how much the centre is moved to the right.

    Raises
    ------
    ShapeError
        If `weights` is no vector, or empty.
    ValueError
        If `mode` is unknown, or the centre lies outside of the weights.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.correlate1d(npg.array([1.0, 2.0, 4.0]), npg.array([-1.0, 0.0, 1.0])))
    [1. 3. 2.]
    """
    x, w = _floats("correlate1d", input, weights)
    axis = normalized_axis("correlate1d", axis, x.ndim)
    if w.ndim != 1 or not w.shape[0]:
        raise ShapeError(f"correlate1d() needs a vector of weights, got shape {w.shape}")
    padded = beyond("correlate1d", x, axis, w.shape[0], mode, cval, origin)
    if 0 in x.shape:
        return x
    w = conj(w) if w.dtype.kind == "c" else w
    return along(padded, w, axis)


def convolve1d(
    input: Array,  # noqa: A002 (SciPy's name)
    weights: Operand,
    axis: int = -1,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """As `correlate1d`, of the weights reversed.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.convolve1d(npg.array([1.0, 2.0, 4.0]), npg.array([1.0, 0.0, -1.0])))
    [1. 3. 2.]
    """
    w = as_array("convolve1d", weights)
    even = 1 - w.shape[0] % 2 if w.ndim else 0
    return correlate1d(input, _turned(w), axis, mode, cval, -origin - even)


def correlate(
    input: Array,  # noqa: A002 (SciPy's name)
    weights: Operand,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
) -> Array:
    """Sums of `input` around each element along all axes, times `weights` of as many dimensions.

    `mode` and `origin` may be given for each axis. For everything else see `correlate1d`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.correlate(npg.eye(3), npg.ones((3, 3)), mode="constant"))
    [[2. 2. 1.]
     [2. 3. 2.]
     [1. 2. 2.]]
    """
    x, w = _floats("correlate", input, weights)
    if x.ndim != w.ndim or 0 in w.shape:
        raise ShapeError(
            f"correlate() of {x.ndim} dimensions needs weights of as many, none of length 0, got "
            f"shape {w.shape}"
        )
    modes, origins = _each("correlate", mode, x.ndim), _each("correlate", origin, x.ndim)
    padded = x
    for axis in range(x.ndim):
        size = w.shape[axis]
        padded = beyond("correlate", padded, axis, size, modes[axis], cval, origins[axis])
    w = conj(w) if w.dtype.kind == "c" else w
    if 0 in x.shape or not x.ndim:
        return x * w if not x.ndim else x
    if w.size // w.shape[-1] <= ROWS:
        return correlated(padded, w)
    first = tuple(k - 1 for k in w.shape)
    return convolved(padded, flip(w), first, x.shape, direct=False)


def convolve(
    input: Array,  # noqa: A002 (SciPy's name)
    weights: Operand,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
) -> Array:
    """As `correlate`, of the weights reversed along all axes.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.convolve(npg.array([1.0, 2.0, 4.0]), npg.array([1.0, 0.0, -1.0])))
    [1. 3. 2.]
    """
    w = as_array("convolve", weights)
    origins = _each("convolve", origin, w.ndim)
    moved = [-o - (1 - k % 2) for o, k in zip(origins, w.shape, strict=True)]
    return correlate(input, _turned(w), mode, cval, moved)


def gaussian_filter1d(
    input: Array,  # noqa: A002 (SciPy's name)
    sigma: Operand,
    axis: int = -1,
    order: int = 0,
    mode: Mode = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Array:
    """`input` smoothed along `axis` by a Gaussian of width `sigma`, or by a derivative of one.

    Parameters
    ----------
    sigma
        The standard deviation, a number or a 0-d Array, which may be tracked.
    order
        0 smooths; 1, 2, ... give that derivative of the smoothed array.
    truncate, radius
        Where the Gaussian is cut: after so many standard deviations, or elements. Where that is
        is taken as constant by derivatives. Where `sigma` has no value yet, as in `compile`,
        give `radius`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> sigma = npg.array(1.0, requires_grad=True)
    >>> y = ndimage.gaussian_filter1d(npg.array([0.0, 0.0, 1.0, 0.0, 0.0]), sigma)
    >>> y[2].backward()
    >>> print(npg.round(1000 * y[2]), sigma.grad < 0)
    399.0 True
    """
    if order < 0:
        raise ValueError(f"gaussian_filter1d(): order is 0 or more, not {order}")
    x, width = _floats("gaussian_filter1d", input, sigma)
    if width.shape:
        raise ShapeError(f"gaussian_filter1d(): sigma is a number, not of shape {width.shape}")
    if radius is None:
        radius = int(truncate * _number(sigma) + 0.5)
    elif radius < 0 or operator.index(radius) != radius:
        raise ValueError(f"gaussian_filter1d(): radius is an integer of 0 or more, not {radius!r}")
    return correlate1d(x, gaussian(width, order, radius), axis, mode, cval)


def gaussian_filter(
    input: Array,  # noqa: A002 (SciPy's name)
    sigma: Operand | Sequence[Operand],
    order: int | Sequence[int] = 0,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
) -> Array:
    """`input` smoothed along each of `axes`, all by default, by Gaussians of width `sigma`.

    Options may be given for each axis; for what they mean see `gaussian_filter1d`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> y = ndimage.gaussian_filter(npg.eye(9), sigma=(1.0, 2.0))
    >>> print(y.shape, npg.round(npg.sum(y)))
    (9, 9) 9.0
    """
    x = as_array("gaussian_filter", input)
    x = floated(x)
    over = normalized_axes("gaussian_filter", axes, x.ndim)
    count = len(over)
    options = zip(
        over,
        _each("gaussian_filter", sigma, count),
        _each("gaussian_filter", order, count),
        _each("gaussian_filter", mode, count),
        _each("gaussian_filter", radius, count),
        strict=True,
    )
    for axis, width, derivative, edge, reach in options:
        if isinstance(width, Array) or width > 1e-15:
            x = gaussian_filter1d(x, width, axis, derivative, edge, cval, truncate, radius=reach)
    return x


def uniform_filter1d(
    input: Array,  # noqa: A002 (SciPy's name)
    size: int,
    axis: int = -1,
    mode: Mode = "reflect",
    cval: float = 0.0,
    origin: int = 0,
) -> Array:
    """Means of `input` over `size` elements along `axis`; options are those of `correlate1d`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.uniform_filter1d(npg.array([0.0, 3.0, 0.0, 0.0]), 3))
    [1. 1. 1. 0.]
    """
    if size < 1:
        raise ValueError(f"uniform_filter1d(): size is 1 or more, not {size}")
    x = as_array("uniform_filter1d", input)
    x = floated(x)
    weights = full((size,), 1.0 / size, dtype=x.dtype, device=x.device)
    return correlate1d(x, weights, axis, mode, cval, origin)


def uniform_filter(
    input: Array,  # noqa: A002 (SciPy's name)
    size: int | Sequence[int] = 3,
    mode: Mode | Sequence[Mode] = "reflect",
    cval: float = 0.0,
    origin: int | Sequence[int] = 0,
    *,
    axes: Sequence[int] | None = None,
) -> Array:
    """Means of `input` over `size` elements along each of `axes`, all by default.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import ndimage
    >>> print(ndimage.uniform_filter(9 * npg.eye(3), mode="constant"))
    [[2. 2. 1.]
     [2. 3. 2.]
     [1. 2. 2.]]
    """
    x = as_array("uniform_filter", input)
    x = floated(x)
    over = normalized_axes("uniform_filter", axes, x.ndim)
    count = len(over)
    options = zip(
        over,
        _each("uniform_filter", size, count),
        _each("uniform_filter", mode, count),
        _each("uniform_filter", origin, count),
        strict=True,
    )
    for axis, width, edge, moved in options:
        x = uniform_filter1d(x, width, axis, edge, cval, moved) if width > 1 else x
    return x


def _floats(name: str, *operands: Operand) -> tuple[Array, Array]:
    """Both as floating arrays of one dtype; a width or weights follow the array's precision."""
    x, y = as_arrays(name, operands)
    x, y = promoted(name, floated(x), y)
    return x, y


def _number(x: Any) -> float:
    """The value of a number, whatever it is held in."""
    return float(x.detach() if isinstance(x, Array) else x)


def _turned(weights: Array) -> Array:
    """Weights of a convolution as those of a correlation, which conjugates them."""
    return flip(conj(weights) if weights.dtype.kind == "c" else weights)


def _each(name: str, option: Any, count: int) -> list[Any]:
    """An option for each axis."""
    if isinstance(option, (list, tuple)) or len(getattr(option, "shape", ())) == 1:
        if len(option) != count:
            raise ValueError(f"{name}(): {len(option)} values for {count} axes: {option!r}")
        return list(option)
    return [option] * count
