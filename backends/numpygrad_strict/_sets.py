"""Set functions of dtypes that the standard leaves open, and array-api-strict refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as library

Raw = Any


def isin(x1: Raw, x2: Raw, *, invert: bool = False) -> Raw:
    """Whether elements of `x1` are in `x2`, of any dtype: each compared with each."""
    candidates = library.reshape(x2, (1,) * x1.ndim + (-1,))
    found = library.any(library.expand_dims(x1, axis=x1.ndim) == candidates, axis=-1)
    return ~found if invert else found


KERNELS: dict[str, Callable[..., Raw]] = {"isin": isin}
