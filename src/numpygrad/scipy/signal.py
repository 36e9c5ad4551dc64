"""Convolution and correlation of signals of any number of dimensions, after `scipy.signal`.

Arrays of two dtypes are promoted; float32 stays float32. Gradients are with respect to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from numpygrad._array import Array, Operand
from numpygrad._dispatch import promoted
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import zeros
from numpygrad.ops.elementwise import conj
from numpygrad.ops.manipulation import flip, normalized_axes
from numpygrad.scipy._sliding import convolved, extended, multiplied
from numpygrad.typing import Shape

Mode: TypeAlias = Literal["full", "valid", "same"]
Method: TypeAlias = Literal["auto", "direct", "fft"]


def convolve(in1: Operand, in2: Operand, mode: Mode = "full", method: Method = "auto") -> Array:
    """The convolution of two arrays of as many dimensions.

    Parameters
    ----------
    in1, in2
        Real or complex arrays; integers stay integers.
    mode
        `"full"` is all of it, of length n1 + n2 - 1 along each axis; `"same"` its centre, of the
        shape of `in1`; `"valid"` where one array lies inside of the other.
    method
        `"direct"` sums products. `"fft"` multiplies Fourier transforms: its error is relative to
        the largest element, and one NaN makes all NaN. `"auto"` is `"fft"` for floating arrays,
        which is the faster one at most sizes, and `"direct"` for integers.

    Raises
    ------
    ShapeError
        If the numbers of dimensions differ, or for `"valid"` neither array fits into the other.
    ValueError
        If `mode` or `method` is unknown.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import signal
    >>> kernel = npg.array([1.0, 2.0], requires_grad=True)
    >>> y = signal.convolve(npg.array([1.0, 0.0, 3.0]), kernel)
    >>> y[3].backward()
    >>> print(y, kernel.grad)
    [1. 2. 3. 6.] [0. 3.]
    """
    x, y = promoted("convolve", in1, in2)
    first, shape = _part("convolve", x.shape, y.shape, mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"convolve(): method is 'auto', 'direct' or 'fft', not {method!r}")
    if x.ndim == 0:
        return x * y
    if 0 in x.shape or 0 in y.shape:
        return zeros(shape, dtype=x.dtype, device=x.device)
    direct = method == "direct" or (method == "auto" and x.dtype.kind not in "fc")
    return convolved(x, y, first, shape, direct=direct)


def correlate(in1: Operand, in2: Operand, mode: Mode = "full", method: Method = "auto") -> Array:
    """The correlation of two arrays: the convolution of `in1` with `in2` reversed and conjugated.

    For everything else see `convolve`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import signal
    >>> x = npg.array([1.0, 2.0, 3.0])
    >>> print(signal.correlate(x, npg.array([0.0, 1.0]), mode="valid"))
    [2. 3.]
    """
    x, y = promoted("correlate", in1, in2)
    y = flip(conj(y) if y.dtype.kind == "c" else y)
    return convolve(x, y, mode, method)


def fftconvolve(
    in1: Operand, in2: Operand, mode: Mode = "full", axes: int | Sequence[int] | None = None
) -> Array:
    """The convolution of two arrays over `axes`, all by default, by Fourier transforms; floating.

    Along the other axes lengths are equal or 1, and broadcast. For `mode` see `convolve`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import signal
    >>> print(npg.round(signal.fftconvolve(npg.array([1.0, 0.0, 3.0]), npg.array([1.0, 2.0]))))
    [1. 2. 3. 6.]
    """
    x, y = promoted("fftconvolve", in1, in2)
    if x.ndim != y.ndim:
        raise ShapeError(
            f"fftconvolve() needs arrays of as many dimensions, got {x.shape} and {y.shape}"
        )
    over = normalized_axes("fftconvolve", axes, x.ndim)
    apart = [a for a in range(x.ndim) if a not in over]
    if any(x.shape[a] != y.shape[a] and 1 not in (x.shape[a], y.shape[a]) for a in apart):
        raise ShapeError(
            f"fftconvolve() over axes {over} needs shapes that broadcast along the others, got "
            f"{x.shape} and {y.shape}"
        )
    if x.ndim == 0:
        return x * y
    pairs = [(x.shape[a], y.shape[a]) for a in over]
    first, shape = _part(
        "fftconvolve", tuple(m for m, _ in pairs), tuple(n for _, n in pairs), mode
    )
    if 0 in x.shape or 0 in y.shape:
        whole = dict(zip(over, shape, strict=True))
        lengths = (whole.get(a, max(x.shape[a], y.shape[a])) for a in range(x.ndim))
        return zeros(tuple(lengths), dtype=(x * 1.0).dtype, device=x.device)
    found = multiplied(x, y, over)
    for axis, start, n in zip(over, first, shape, strict=True):
        found = extended(found, axis, start, n)
    return found


def _part(name: str, shape1: Shape, shape2: Shape, mode: str) -> tuple[Shape, Shape]:
    """Where in the full convolution the part begins that is asked for, and its shape."""
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}(): mode is 'full', 'same' or 'valid', not {mode!r}")
    if len(shape1) != len(shape2):
        raise ShapeError(f"{name}() needs arrays of as many dimensions, got {shape1} and {shape2}")
    pairs = list(zip(shape1, shape2, strict=True))
    if any(0 in pair for pair in pairs):
        return (0,) * len(pairs), (0,) * len(pairs)
    if mode == "full":
        return (0,) * len(pairs), tuple(m + n - 1 for m, n in pairs)
    if mode == "same":
        return tuple((n - 1) // 2 for _, n in pairs), shape1
    if not (all(m >= n for m, n in pairs) or all(m <= n for m, n in pairs)):
        raise ShapeError(
            f"{name}(mode='valid') needs one array to be at least as long as the other along every "
            f"axis, got {shape1} and {shape2}"
        )
    return tuple(min(p) - 1 for p in pairs), tuple(abs(m - n) + 1 for m, n in pairs)
