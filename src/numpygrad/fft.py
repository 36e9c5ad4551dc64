"""Discrete Fourier transforms: the extension `fft` of the standard.

With `w = exp(-2j * pi / n)`, a forward transform of `n` points is `y[k] = sum(x[j] * w**(j * k))`
over `j`, and an inverse one has `w**(-j * k)`. Each undoes the other if one of them divides by `n`;
`norm` says which:

============== ================= =================
`norm`         factor forwards   factor backwards
============== ================= =================
`"backward"`   1                 `1 / n`
`"ortho"`      `1 / sqrt(n)`     `1 / sqrt(n)`
`"forward"`    `1 / n`           1
============== ================= =================

The functions come in three families: of complex arrays (`fft`, `ifft`, `fftn`, `ifftn`), of real
signals and half of their spectrum (`rfft`, `irfft`, `rfftn`, `irfftn`), and of real spectra and
half of their signal (`hfft`, `ihfft`). Results of float32 and complex64 keep single precision;
integers are converted to float64.

The functions that transform share these errors.

Raises
------
ShapeError
    If there is not at least one point along each transformed axis.
IndexError
    If the array has no such axis.
ValueError
    If `norm` is unknown, an axis is repeated, or `s` comes without as many `axes`.
DTypeError
    If `rfft`, `rfftn` or `ihfft`, which are of real arrays, is given a complex one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply_one, as_array
from numpygrad._dtypes import DEFAULT_FLOAT, as_dtype, complex64, floating, is_kind, promote
from numpygrad._lazy.shapes import points_along
from numpygrad._op import linear
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.creation import arange, copy, zeros
from numpygrad.ops.data_types import astype
from numpygrad.ops.manipulation import concat, normalized_axes, normalized_axis, roll
from numpygrad.typing import DTypeLike, Shape

Norm: TypeAlias = Literal["backward", "ortho", "forward"]

SWAPPED: dict[str, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The `norm` with which a forward transform divides as an inverse one does, and vice versa."""

OF_REAL = ("rfft", "rfftn", "ihfft")
"""The transforms that are defined for real arrays alone."""

OF_HALF = ("irfft", "irfftn", "hfft")
"""The transforms of half of what they stand for: of `n // 2 + 1` numbers along the last axis."""


def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Discrete Fourier transform of `x` along `axis`, complex.

    Parameters
    ----------
    x
        A real or complex array.
    n
        Points to transform, all by default: `x` is cut, or continued by zeros.
    norm
        Where to divide by `n`: in the inverse, in both by `sqrt(n)`, or here.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    >>> y = npg.fft.fft(x)
    >>> print(y)
    [10.+0.j -2.+2.j -2.+0.j -2.-2.j]
    >>> npg.sum(npg.abs(y) ** 2).backward()
    >>> print(x.grad)  # by Parseval's theorem, the gradient of 4 * sum(x**2)
    [ 8. 16. 24. 32.]
    """
    return _along(fft, x, n, axis, norm)


def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse discrete Fourier transform of `x` along `axis`, complex: it undoes `fft`.

    Parameters
    ----------
    x
        A real or complex array.
    n
        Points to transform, all by default: `x` is cut, or continued by zeros.
    norm
        Where to divide by `n`: here, in both by `sqrt(n)`, or in `fft`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> y = npg.fft.ifft(npg.array([10 + 0j, -2 + 2j, -2 + 0j, -2 - 2j]))
    >>> print(npg.real(y))
    [1. 2. 3. 4.]
    """
    return _along(ifft, x, n, axis, norm)


def fftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """Discrete Fourier transform of `x` along each of `axes`, all by default; complex.

    Parameters
    ----------
    x
        A real or complex array.
    s
        Points to transform along each of `axes`, all by default: `x` is cut, or continued by zeros.
        It needs `axes`, as in the standard.
    norm
        Where to divide by the product of the lengths, as in `fft`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.real(npg.fft.fftn(npg.array([[1.0, 2.0], [3.0, 4.0]]))))
    [[10. -2.]
     [-4.  0.]]
    """
    return _over(fftn, x, s, axes, norm)


def ifftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """Inverse discrete Fourier transform of `x` along each of `axes`, complex: it undoes `fftn`.

    `s`, `axes` and `norm` are as in `fftn`.
    """
    return _over(ifftn, x, s, axes, norm)


def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Discrete Fourier transform of a real `x` along `axis`, up to the highest frequency; complex.

    The first `n // 2 + 1` elements of what `fft` gives; the others are their conjugates.

    Parameters
    ----------
    x
        A real array.
    n
        Points to transform, all by default: `x` is cut, or continued by zeros.
    norm
        Where to divide by `n`, as in `fft`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.fft.rfft(npg.array([1.0, 2.0, 3.0, 4.0])))
    [10.+0.j -2.+2.j -2.+0.j]
    """
    return _along(rfft, x, n, axis, norm)


def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Real signal whose spectrum along `axis` begins with `x`: it undoes `rfft`.

    What cannot be in such a spectrum is ignored, and has derivative zero: the imaginary part of the
    first element, and of the last one if `n` is even.

    Parameters
    ----------
    x
        A complex array, or a real one, of `n // 2 + 1` elements along `axis`: it is cut, or
        continued by zeros.
    n
        Points of the signal, `2 * (x.shape[axis] - 1)` by default; say so if it was odd.
    norm
        Where to divide by `n`, as in `ifft`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> y = npg.fft.rfft(npg.array([1.0, 2.0, 4.0]))
    >>> print(npg.fft.irfft(y, n=3))
    [1. 2. 4.]
    """
    return _along(irfft, x, n, axis, norm)


def rfftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """Discrete Fourier transform of a real `x` along each of `axes`, complex.

    Of the last of `axes` only the first `n // 2 + 1` elements are there, as in `rfft`. `s`, `axes`
    and `norm` are as in `fftn`.
    """
    return _over(rfftn, x, s, axes, norm)


def irfftn(
    x: Array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Array:
    """Real signal whose spectrum along `axes` begins with `x`: it undoes `rfftn`.

    The inverse transform along all of `axes` but the last, then `irfft` along that one, which
    ignores what it ignores. `s` is the shape of the signal along `axes`: by default that of `x`,
    but along the last one `2 * (length - 1)`.
    """
    return _over(irfftn, x, s, axes, norm)


def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Real spectrum of the signal that begins with `x` along `axis` and has Hermitian symmetry.

    What cannot be in such a signal is ignored, and has derivative zero: the imaginary part of the
    first element, and of the last one if `n` is even.

    Parameters
    ----------
    x
        A complex array, or a real one, of `n // 2 + 1` elements along `axis`: it is cut, or
        continued by zeros.
    n
        Points of the spectrum, `2 * (x.shape[axis] - 1)` by default.
    norm
        Where to divide by `n`, as in `fft`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.fft.hfft(npg.array([1.0, 2 - 1j, 3.0])))
    [ 8. -4.  0.  0.]
    """
    return _along(hfft, x, n, axis, norm)


def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Signal whose spectrum along `axis` is the real `x`, its first `n // 2 + 1` elements; complex.

    It undoes `hfft`; `norm` is as in `ifft`.
    """
    return _along(ihfft, x, n, axis, norm)


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: str | None = None
) -> Array:
    """Frequencies of the `n` elements of `fft`, in cycles per unit of the sample spacing `d`.

    Those up to the highest come first, then the negative ones. float64 by default.

    Raises
    ------
    ShapeError
        If `n` is less than 1.
    DTypeError
        If `dtype` is not real and floating.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.fft.fftfreq(4, d=0.5))
    [ 0.   0.5 -1.  -0.5]
    """
    n = _count("fftfreq", n, d)
    return ifftshift(_frequencies("fftfreq", -(n // 2), n, d, dtype, device))


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: str | None = None
) -> Array:
    """Frequencies of the `n // 2 + 1` elements of `rfft`, in cycles per unit of the spacing `d`.

    Raises
    ------
    ShapeError
        If `n` is less than 1.
    DTypeError
        If `dtype` is not real and floating.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.fft.rfftfreq(4, d=0.5))
    [0.  0.5 1. ]
    """
    n = _count("rfftfreq", n, d)
    return _frequencies("rfftfreq", 0, n, d, dtype, device)


def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """`x` with zero frequency moved from the first place to the middle of `axes`, all by default.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.fft.fftshift(npg.fft.fftfreq(5, d=0.2)))
    [-2. -1.  0.  1.  2.]
    """
    x = as_array("fftshift", x)
    over = normalized_axes("fftshift", axes, x.ndim)
    return roll(x, tuple(x.shape[a] // 2 for a in over), axis=over) if over else copy(x)


def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """`x` with the middle of `axes` moved to the first place: it undoes `fftshift`."""
    x = as_array("ifftshift", x)
    over = normalized_axes("ifftshift", axes, x.ndim)
    return roll(x, tuple(-(x.shape[a] // 2) for a in over), axis=over) if over else copy(x)


def _along(
    function: Callable[..., Array], x: Operand, n: int | None, axis: int, norm: Norm
) -> Array:
    """A transform along one axis, its arguments checked and the number of points spelled out."""
    name = function.__name__
    x = _transformable(name, x, norm)
    axis = normalized_axis(name, axis, x.ndim)
    points = points_along(name, n, x.shape, axis, half=name in OF_HALF)
    return apply_one(function, _begun(x, (axis,)), n=points, axis=axis, norm=norm)


def _over(
    function: Callable[..., Array],
    x: Operand,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: Norm,
) -> Array:
    """A transform along several axes, as `_along`."""
    name = function.__name__
    x = _transformable(name, x, norm)
    if s is not None and axes is None:
        raise ValueError(
            f"{name}() needs axes= beside s={s}, one for each length; for the last ones pass "
            f"axes={tuple(range(-len(s), 0))}"
        )
    over = normalized_axes(name, axes, x.ndim)
    lengths: Sequence[int | None] = (None,) * len(over) if s is None else s
    if len(lengths) != len(over):
        raise ValueError(f"{name}() needs as many lengths as axes, got s={s} and axes={axes}")
    if not over:
        if name in OF_REAL or name in OF_HALF:
            raise ShapeError(f"{name}() needs one axis or more, got shape {x.shape}, axes={axes}")
        return astype(x, promote(floating(x.dtype), complex64))
    points = tuple(
        points_along(name, n, x.shape, axis, half=name in OF_HALF and axis == over[-1])
        for n, axis in zip(lengths, over, strict=True)
    )
    return apply_one(function, _begun(x, over), s=points, axes=over, norm=norm)


def _transformable(name: str, x: Operand, norm: Norm) -> Array:
    """`x` as an Array, if the transform takes its dtype and knows `norm`."""
    x = as_array(name, x)
    if norm not in SWAPPED:
        raise ValueError(f"{name}() knows norm 'backward', 'ortho' and 'forward', not {norm!r}")
    if x._type.is_complex and name in OF_REAL:
        raise DTypeError(
            f"{name}() takes real arrays, not {x.dtype}; use fft() or ifft() of complex arrays, or "
            "npg.real(x) for the real part"
        )
    return x


def _begun(x: Array, axes: Sequence[int]) -> Array:
    """`x`, with one zero along those of `axes` that have no elements: NumPy's `irfft` reads one."""
    for axis in axes:
        if x.shape[axis] == 0:
            first = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
            x = concat([x, zeros(first, dtype=x.dtype, device=x.device)], axis=axis)
    return x


def _count(name: str, n: int, d: float) -> int:
    n = operator.index(n)
    if n < 1:
        raise ShapeError(f"{name}() needs n >= 1, the number of points, got {n}")
    if d == 0:
        raise ValueError(f"{name}() needs a spacing d that is not 0, got {d}")
    return n


def _frequencies(
    name: str, start: int, n: int, d: float, dtype: DTypeLike | None, device: str | None
) -> Array:
    """Multiples of the lowest frequency of `n` points: from `start` to the highest."""
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    if not is_kind(wanted, "real floating"):
        raise DTypeError(f"{name}() gives float32 or float64, not {wanted}")
    stop = n // 2 + 1 if start == 0 else start + n
    return arange(start, stop, dtype=wanted, device=device) / (n * d)


def _fitted(xp: Any, g: Any, x_shape: Shape, x_dtype: Any) -> Any:
    """A cotangent as its input is: where that was cut, zeros; where real, the real part."""
    complex_ = "complex floating"
    if xp.isdtype(g.dtype, complex_) and not xp.isdtype(x_dtype, complex_):
        g = xp.real(g)
    if g.shape == x_shape:
        return g
    kept = tuple(slice(min(n, m)) for n, m in zip(g.shape, x_shape, strict=True))
    g = xp.gather(g, key=kept)
    return g if g.shape == x_shape else xp.scatter(g, key=kept, shape=x_shape)


def _mirrored(xp: Any, g: Any, n: int, axis: int, factor: float) -> Any:
    """`g` times `factor` where an element of half a spectrum stands for its mirror image as well.

    The first has none, nor has the last one of an even number of points.
    """
    if factor == 1.0:
        return g
    middle = (n + 1) // 2
    alone, paired, last = (
        xp.gather(g, key=(slice(None),) * axis + (part,))
        for part in (slice(1), slice(1, middle), slice(middle, None))
    )
    return xp.concat([alone, paired * factor, last], axis=axis)


def _conj(xp: Any, g: Any) -> Any:
    return xp.conj(g) if xp.isdtype(g.dtype, "complex floating") else g


def _row_along(
    transform: Callable[..., Array],
    transposed: Callable[..., Array],
    *,
    before: float = 1.0,
    after: float = 1.0,
) -> None:
    """Add the row of a transform along one axis, transposed by another one and two factors."""
    name = transposed.__name__

    def transpose(xp: Any, g: Any, x_shape: Any, x_dtype: Any, n: int, axis: int, norm: str) -> Any:
        g = _mirrored(xp, g, n, axis, before)
        g = getattr(xp.fft, name)(g, n=n, axis=axis, norm=norm)
        return _fitted(xp, _mirrored(xp, g, n, axis, after), x_shape, x_dtype)

    linear(transform, transpose, dtype="float")


def _row_over(
    transform: Callable[..., Array],
    transposed: Callable[..., Array],
    *,
    before: float = 1.0,
    after: float = 1.0,
) -> None:
    """Add the row of a transform along several axes, as `_row_along`.

    To half a transform belong `hfftn` and `ihfftn`, which nobody has: `transposed` is then what is
    made one of them by conjugates and the other division.
    """
    name, half = transposed.__name__, before != after

    def transpose(xp: Any, g: Any, x_shape: Any, x_dtype: Any, s: Any, axes: Any, norm: str) -> Any:
        g = _mirrored(xp, g, s[-1], axes[-1], before)
        function = getattr(xp.fft, name)
        if half:
            g = _conj(xp, function(_conj(xp, g), s=s, axes=axes, norm=SWAPPED[norm]))
        else:
            g = function(g, s=s, axes=axes, norm=norm)
        return _fitted(xp, _mirrored(xp, g, s[-1], axes[-1], after), x_shape, x_dtype)

    linear(transform, transpose, dtype="float")


# The matrix of a full transform is symmetric, so that it is its own transpose. To that of half a
# one belongs the other family's transform, which adds up an element and its mirror image: the
# factors take that into account, 1/2 before it or 2 after it.
_row_along(fft, fft)
_row_along(ifft, ifft)
_row_along(rfft, hfft, before=0.5)
_row_along(irfft, ihfft, after=2.0)
_row_along(hfft, rfft, after=2.0)
_row_along(ihfft, irfft, before=0.5)
_row_over(fftn, fftn)
_row_over(ifftn, ifftn)
_row_over(rfftn, irfftn, before=0.5)
_row_over(irfftn, rfftn, after=2.0)
