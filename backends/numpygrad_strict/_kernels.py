"""What array-api-strict lacks because the standard does, or takes over from NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import array_api_strict as library
import numpy as np

from numpygrad import _special_values

Raw = Any


def asarray(x: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Raw:
    """As the library's; NumPy arrays of the other byte order and scalars too."""
    if isinstance(x, np.generic):
        x = np.asarray(x)
    return library.asarray(x, dtype=dtype, device=device, copy=copy)


def gather(x: Raw, *, key: Any) -> Raw:
    """`x[key]` for every key NumPy takes: the standard leaves out masks beside other keys."""
    parts = key if isinstance(key, tuple) else (key,)
    host = tuple(_host(k) if hasattr(k, "dtype") else k for k in parts)
    return library.asarray(np.asarray(_host(x)[host]), device=x.device)


def take(x: Raw, indices: Raw, *, axis: int = 0) -> Raw:
    """As the library's; indices of more than one dimension too, which the standard leaves out."""
    return gather(x, key=(*(slice(None),) * axis, indices))


def _host(x: Raw) -> np.ndarray[Any, Any]:
    return np.asarray(np.from_dlpack(x.to_device(library.Device("CPU_DEVICE"))))


def through_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy arrays as one of this library's, on the device of the first."""

    @functools.wraps(function)
    def kernel(*args: Any, **params: Any) -> Any:
        device = next(x.device for x in args if hasattr(x, "dtype"))
        found = function(*(_host(x) if hasattr(x, "dtype") else x for x in args), **params)
        results = found if isinstance(found, tuple) else (found,)
        made = tuple(library.asarray(np.asarray(y), device=device) for y in results)
        return made if isinstance(found, tuple) else made[0]

    return kernel


def floor_divide(x1: Raw, x2: Raw) -> Raw:
    """`floor(x1 / x2)` at infinities, where NumPy has NaN and -1."""
    if not library.isdtype(x1.dtype, "real floating"):
        return library.floor_divide(x1, x2)
    return _special_values.floor_divide(library, x1, x2, library.floor_divide)


def _joined(real: Raw, imag: Raw) -> Raw:
    """The complex array of two parts; the standard has no function for it."""
    host = np.empty(real.shape, np.complex64 if real.dtype == library.float32 else np.complex128)
    host.real, host.imag = _host(real), _host(imag)
    return library.asarray(host, device=real.device)


def _of_complex(name: str, x: Raw) -> Raw:
    """A function that NumPy gives other special values for complex numbers."""
    y = getattr(library, name)(x)
    if not library.isdtype(x.dtype, "complex floating"):
        return y
    return _special_values.repaired(library, name, x, y, _joined)


def sign(x: Raw) -> Raw:
    """Of complex numbers `x / abs(x)`, as for NumPy."""
    if library.isdtype(x.dtype, "complex floating"):
        return _special_values.complex_sign(library, x)
    return library.sign(x)


KERNELS: dict[str, Callable[..., Raw]] = {
    "asarray": asarray,
    "floor_divide": floor_divide,
    "gather": gather,
    "take": take,
}

COMPLEX_KERNELS: dict[str, Callable[..., Raw]] = {
    "sign": sign,
} | {name: functools.partial(_of_complex, name) for name in ("expm1", "tan", "tanh")}
