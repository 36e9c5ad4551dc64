"""Names for the types that appear in signatures."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from numpygrad._array import Array

RawArray: TypeAlias = Any
"""An array of a backend: `numpy.ndarray`, `jax.Array`, `cupy.ndarray`, ..."""

Scalar: TypeAlias = "bool | int | float | complex"
"""A Python scalar; weakly typed in promotion, as the standard says."""

DTypeLike: TypeAlias = "np.dtype[Any] | str | type[Any]"
"""Anything NumPy takes for a dtype: `npg.float32`, `"float32"`, `float`, ..."""

Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = "int | tuple[int, ...] | None"
NestedSequence: TypeAlias = Sequence[Any]

Key: TypeAlias = (
    "int | slice | EllipsisType | Array | Sequence[Any] | "
    "tuple[int | slice | EllipsisType | Array | Sequence[Any] | None, ...] | None"
)
"""What may stand between the brackets of `x[...]`."""
