"""Cosine and sine transforms, after `scipy.fft`; `numpygrad.fft` has the others.

Each is one complex Fourier transform of about twice the length, between two multiplications by
constants: so they run on every backend and are differentiable to any order. Names and defaults are
SciPy's. float32 stays float32; a complex array is transformed in its two parts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import as_array
from numpygrad.errors import ShapeError
from numpygrad.fft import fft, rfft
from numpygrad.ops.creation import zeros
from numpygrad.ops.elementwise import imag, real
from numpygrad.ops.manipulation import concat, moveaxis, normalized_axes, normalized_axis
from numpygrad.scipy._floats import constant, floated

Norm: TypeAlias = Literal["backward", "ortho", "forward"] | None
Type: TypeAlias = Literal[1, 2, 3, 4]

INVERSE: dict[int, Type] = {1: 1, 2: 3, 3: 2, 4: 4}
"""The type of the transform that undoes one, but for a factor."""


class _Kind(NamedTuple):
    """`y[k] = sum(w[n] * x[n] * cos_or_sin(pi * (2 * k * n + a * k + b * n + c) / m))`."""

    more: int
    """`m` is twice the number of points and this."""
    a: float
    b: float
    c: float
    once: tuple[int, ...] = ()
    """The points whose weight `w` is 1; the others' is 2."""
    enlarged: tuple[int, ...] = ()
    """The points that are multiplied by the root of 2 before an orthogonal transform ..."""
    reduced: tuple[int, ...] = ()
    """... and those that are divided by it afterwards."""


COSINES = {
    1: _Kind(-2, 0, 0, 0, once=(0, -1), enlarged=(0, -1), reduced=(0, -1)),
    2: _Kind(0, 1, 0, 0, reduced=(0,)),
    3: _Kind(0, 0, 1, 0, once=(0,), enlarged=(0,)),
    4: _Kind(0, 1, 1, 0.5),
}
SINES = {
    1: _Kind(2, 2, 2, 2),
    2: _Kind(0, 1, 2, 1, reduced=(-1,)),
    3: _Kind(0, 2, 1, 1, once=(-1,), enlarged=(-1,)),
    4: _Kind(0, 1, 1, 0.5),
}


def dct(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    n: int | None = None,
    axis: int = -1,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Discrete cosine transform of `x` along `axis`.

    Parameters
    ----------
    x
        A real array, or a complex one, whose parts are transformed.
    type
        1 to 4, as SciPy's documentation defines them.
    n
        Points to transform, all by default: `x` is cut, or continued by zeros.
    norm
        Where to divide: in the inverse (`"backward"`, also for `None`), by a square root in both
        (`"ortho"`), or here (`"forward"`).
    orthogonalize
        Whether the first and last points are scaled so that the matrix of the transform is
        orthogonal; by default if `norm` is `"ortho"`.

    Raises
    ------
    ShapeError
        If there are no points, or only one for type 1.
    ValueError
        If `type` or `norm` is unknown.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = fft.dct(x, norm="ortho")
    >>> npg.sum(y * y).backward()  # of an orthogonal transform, that of sum(x * x)
    >>> print(npg.round(x.grad))
    [2. 4. 6.]
    """
    return _along(COSINES, "dct", x, type, n, axis, norm, orthogonalize, inverse=False)


def idct(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    n: int | None = None,
    axis: int = -1,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Inverse discrete cosine transform of `x` along `axis`: it undoes `dct` of the same options.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> print(npg.round(fft.idct(fft.dct(npg.array([1.0, 2.0, 3.0])))))
    [1. 2. 3.]
    """
    return _along(COSINES, "idct", x, type, n, axis, norm, orthogonalize, inverse=True)


def dst(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    n: int | None = None,
    axis: int = -1,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Discrete sine transform of `x` along `axis`; its options are those of `dct`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> print(npg.round(fft.dst(npg.array([1.0, 1.0]), type=1) / 3**0.5))
    [2. 0.]
    """
    return _along(SINES, "dst", x, type, n, axis, norm, orthogonalize, inverse=False)


def idst(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    n: int | None = None,
    axis: int = -1,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Inverse discrete sine transform of `x` along `axis`: it undoes `dst` of the same options.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> print(npg.round(fft.idst(fft.dst(npg.array([1.0, 2.0, 3.0])))))
    [1. 2. 3.]
    """
    return _along(SINES, "idst", x, type, n, axis, norm, orthogonalize, inverse=True)


def dctn(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Discrete cosine transform of `x` along each of `axes`, all by default, or the last of `s`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> print(fft.dctn(npg.ones((2, 2)))[0, 0])
    16.0
    """
    return _over(dct, "dctn", x, type, s, axes, norm, orthogonalize)


def idctn(
    x: Array,
    type: Type = 2,  # noqa: A002 (SciPy's name)
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
    *,
    orthogonalize: bool | None = None,
) -> Array:
    """Inverse discrete cosine transform of `x` along each of `axes`: it undoes `dctn`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import fft
    >>> print(npg.round(fft.idctn(fft.dctn(npg.array([[1.0, 2.0], [3.0, 4.0]])))))
    [[1. 2.]
     [3. 4.]]
    """
    return _over(idct, "idctn", x, type, s, axes, norm, orthogonalize)


@functools.cache
def next_fast_len(target: int, real: bool = False) -> int:
    """The least length from `target` on that Fourier transforms are fast at.

    Its prime factors are at most 11, or 5 for transforms of real arrays.

    Examples
    --------
    >>> from numpygrad.scipy import fft
    >>> fft.next_fast_len(13), fft.next_fast_len(13, real=True)
    (14, 15)
    """
    if target < 0:
        raise ValueError(f"next_fast_len() needs a length of 0 or more, got {target}")
    length = target
    while length:
        rest = length
        for prime in (2, 3, 5) if real else (2, 3, 5, 7, 11):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            break
        length += 1
    return length


def _over(
    transform: Callable[..., Array],
    name: str,
    x: Array,
    type: Type,  # noqa: A002 (as above)
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: Norm,
    orthogonalize: bool | None,
) -> Array:
    """One transform along each axis."""
    x = as_array(name, x)
    if axes is None and s is not None:
        axes = range(x.ndim - len(s), x.ndim)
    over = normalized_axes(name, axes, x.ndim)
    lengths = [None] * len(over) if s is None else list(s)
    if len(lengths) != len(over):
        raise ShapeError(f"{name}() needs as many lengths as axes, got s={s} and axes={axes}")
    for axis, n in zip(over, lengths, strict=True):
        x = transform(x, type, n, axis, norm, orthogonalize=orthogonalize)
    return x


def _along(
    kinds: dict[int, _Kind],
    name: str,
    x: Array,
    type: Type,  # noqa: A002 (as above)
    n: int | None,
    axis: int,
    norm: Norm,
    orthogonalize: bool | None,
    *,
    inverse: bool,
) -> Array:
    if type not in kinds:
        raise ValueError(f"{name}(): type is 1, 2, 3 or 4, not {type!r}")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"{name}(): norm is 'backward', 'ortho' or 'forward', not {norm!r}")
    x = as_array(name, x)
    x = floated(x)
    if x.dtype.kind == "c":
        parts = (
            _along(kinds, name, part, type, n, axis, norm, orthogonalize, inverse=inverse)
            for part in (real(x), imag(x))
        )
        return next(parts) + 1j * next(parts)
    axis = normalized_axis(name, axis, x.ndim)
    x = _resized(moveaxis(x, axis, -1), n)
    kind = kinds[INVERSE[type] if inverse else type]
    count = x.shape[-1]
    m = 2 * count + kind.more
    if m <= 0 or not count:
        raise ShapeError(f"{name}() of type {type} needs more points than {count}")
    if norm == "ortho":
        scale = 1.0 / math.sqrt(m)
    else:
        scale = 1.0 / m if (norm == "forward") != inverse else 1.0
    if orthogonalize is None:
        orthogonalize = norm == "ortho"
    before, after = _factors(kind, count, m, scale, orthogonalize)
    product = x * constant(before, x)
    spectrum = fft(product, n=m) if np.iscomplexobj(before) else rfft(product, n=m)
    turned = spectrum[..., :count] * constant(after, x)
    return moveaxis(real(turned) if kinds is COSINES else -imag(turned), -1, axis)


def _resized(x: Array, n: int | None) -> Array:
    """`x` with `n` points along its last axis, cut or continued by zeros."""
    count = x.shape[-1]
    if n is None or n == count:
        return x
    if n < 1:
        raise ShapeError(f"a transform needs n of 1 or more, got {n}")
    if n < count:
        return x[..., :n]
    return concat([x, zeros((*x.shape[:-1], n - count), dtype=x.dtype, device=x.device)], axis=-1)


def _factors(
    kind: _Kind, count: int, m: int, scale: float, orthogonalize: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What to multiply the points by before the Fourier transform, and the result by after it."""
    steps = np.arange(count)
    weights = np.full(count, 2.0)
    weights[list(kind.once)] = 1.0
    scales = np.full(count, scale)
    if orthogonalize:
        for i in kind.enlarged:
            weights[i] *= math.sqrt(2.0)
        for i in kind.reduced:
            scales[i] /= math.sqrt(2.0)
    if kind.b:
        weights = weights * np.exp(-1j * np.pi * kind.b * steps / m)
    return weights, scales * np.exp(-1j * np.pi * (kind.a * steps + kind.c) / m)
