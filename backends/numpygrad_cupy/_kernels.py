"""CuPy kernels where the library's are missing or not what the standard says.

Written against CuPy's documentation and sources; `testing.check_backend("cupy")` runs them where a
GPU is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import array_api_compat.cupy as library
import cupy
import numpy as np

from numpygrad import _special_values

Raw = Any


def asarray(x: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Raw:
    """As the standard's; a 0-d array is made from one element: `fill` loses the sign of -0.0."""
    if isinstance(x, (bool, int, float, complex, np.generic)) or (
        isinstance(x, np.ndarray) and x.ndim == 0
    ):
        host = np.asarray(x, dtype=dtype).reshape(1)
        return library.asarray(host, device=device).reshape(())
    return library.asarray(x, dtype=dtype, device=device, copy=copy)


def astype(x: Raw, dtype: Any) -> Raw:
    """The method."""
    return x.astype(dtype)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Raw:
    """As `asarray`, broadcast, where `fill` would lose the sign of -0.0."""
    parts = np.asarray([np.real(fill_value), np.imag(fill_value)])
    if not np.any((parts == 0) & np.signbit(parts)):
        return library.full(shape, fill_value, dtype=dtype, device=device)
    value = cupy.broadcast_to(asarray(fill_value, dtype=dtype, device=device), shape)
    return library.asarray(value, device=device, copy=True, order="C")


def remainder(x1: Raw, x2: Raw) -> Raw:
    """With the sign of the divisor at zeros and infinities, where CuPy's gives NaN."""
    if cupy.result_type(x1, x2).kind != "f":
        return cupy.remainder(x1, x2)
    r = cupy.fmod(x1, x2)
    r = cupy.where((r != 0) & ((r < 0) != (x2 < 0)), r + x2, r)
    return cupy.where(r == 0, cupy.copysign(cupy.zeros_like(r), x2), r)


def repeat(x: Raw, repeats: Any, *, axis: int | None = None) -> Raw:
    """As the standard's; older releases refuse an array of repeats."""
    if not isinstance(repeats, cupy.ndarray):
        return cupy.repeat(x, repeats, axis=axis)
    if axis is None:
        x, axis = x.reshape(-1), 0
    ends = cupy.cumsum(cupy.broadcast_to(repeats, (x.shape[axis],)))
    total = int(ends[-1]) if ends.size else 0
    return cupy.take(x, cupy.searchsorted(ends, cupy.arange(total), side="right"), axis=axis)


def add_at(x: Raw, value: Raw, *, key: Any) -> Raw:
    """A copy of `x` with `value` added at `key`."""
    out = x.copy()
    cupy.add.at(out, key, value)
    return out


def scatter(g: Raw, *, key: Any, shape: tuple[int, ...]) -> Raw:
    """Zeros with `g` added at `key`."""
    out = cupy.zeros(shape, dtype=g.dtype)
    cupy.add.at(out, key, g)
    return out


def take(x: Raw, indices: Raw, *, axis: int = 0) -> Raw:
    """As the standard's; out of bounds is an `IndexError`, where CuPy wraps around."""
    length = x.shape[axis]
    if indices.size and (int(indices.min()) < -length or int(indices.max()) >= length):
        raise IndexError(f"take(): an index is out of bounds for axis {axis} with size {length}")
    return cupy.take(x, indices, axis=axis)


def erf(x: Raw) -> Raw:
    """The error function."""
    from cupyx.scipy.special import erf as kernel

    return kernel(x)


def _joined(real: Raw, imag: Raw) -> Raw:
    """The complex array of two parts."""
    out = cupy.empty(real.shape, dtype=np.result_type(real.dtype, np.complex64))
    out.real, out.imag = real, imag
    return out


def _of_complex(name: str, x: Raw) -> Raw:
    """A function that Thrust gives other special values for complex numbers.

    All elements pass the repair: to look first whether one needs it would wait for the device.
    """
    y = getattr(library, name)(x)
    return y if x.dtype.kind != "c" else _special_values.repaired(cupy, name, x, y, _joined)


KERNELS: dict[str, Callable[..., Raw]] = {
    "add_at": add_at,
    "asarray": asarray,
    "astype": astype,
    "erf": erf,
    "full": full,
    "remainder": remainder,
    "repeat": repeat,
    "scatter": scatter,
    "take": take,
}

COMPLEX_KERNELS: dict[str, Callable[..., Raw]] = {
    name: functools.partial(_of_complex, name)
    for name in ("acosh", "log", "log10", "log1p", "log2", "sqrt", "tan", "tanh")
}
