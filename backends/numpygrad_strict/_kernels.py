"""What array-api-strict lacks because the standard does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as library
import numpy as np

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


KERNELS: dict[str, Callable[..., Raw]] = {"asarray": asarray, "gather": gather, "take": take}
