"""Kernels for linear algebra where array-api-strict differs from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as library

Raw = Any


def vector_norm(x: Raw, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Raw:
    """As the library's, which has no axes in no dimensions."""
    if axis == ():
        size = library.abs(x)
        return size if ord != 0 else library.astype(x != 0, size.dtype)
    return library.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


KERNELS: dict[str, Callable[..., Any]] = {"vector_norm": vector_norm}
