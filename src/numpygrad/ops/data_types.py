"""Data type functions of the standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import apply_one
from numpygrad._dtypes import KINDS, DType, as_dtype, is_kind, promote, promote_scalar
from numpygrad._op import linear
from numpygrad.errors import DTypeError
from numpygrad.ops.creation import asarray
from numpygrad.typing import DTypeLike, Scalar


def astype(x: Array, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None) -> Array:
    """`x` in another dtype. Float to float keeps the gradient, to integer drops it.

    `copy=False` gives `x` itself where nothing changes.

    Raises
    ------
    DTypeError
        From complex to real, which would drop the imaginary part: use `real` or `abs`.
    """
    return asarray(x, dtype=dtype, device=device, copy=True if copy else None)


def cast(x: Array, /, *, dtype: Any) -> Array:
    """`x` in the backend's own `dtype`: the op behind `astype`, and behind promotion."""
    return apply_one(cast, x, dtype=dtype)


def can_cast(from_: DTypeLike | Array, to: DTypeLike, /) -> bool:
    """Whether promotion may take the dtype `from_`, or an array's, to `to`.

    From int32 to float64, but not to float32, which does not have all of its values.
    """
    return bool(np.can_cast(_dtype_of(from_), as_dtype(to)))


def _dtype_of(item: DTypeLike | Array | np.ndarray[Any, Any] | np.generic) -> DType:
    """The dtype of an array, or what is meant as a dtype."""
    if isinstance(item, Array):
        return item.dtype
    return as_dtype(item.dtype if isinstance(item, (np.ndarray, np.generic)) else item)


@dataclass(frozen=True, slots=True)
class finfo_object:
    """Limits of a floating dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True, slots=True)
class iinfo_object:
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: DTypeLike | Array, /) -> finfo_object:
    """Limits of a floating dtype, as Python floats; of the parts of a complex one."""
    found = _dtype_of(type)
    if found.kind not in "fc":
        raise DTypeError(f"finfo() is of floating dtypes, not {found}; use npg.iinfo")
    info = np.finfo(found)
    return finfo_object(
        bits=int(info.bits),
        eps=float(info.eps),
        max=float(info.max),
        min=float(info.min),
        smallest_normal=float(info.smallest_normal),
        dtype=np.dtype(info.dtype),
    )


def iinfo(type: DTypeLike | Array, /) -> iinfo_object:
    """Limits of an integer dtype."""
    dtype = _dtype_of(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo() is of integer dtypes, not {dtype}; use npg.finfo")
    info = np.iinfo(dtype)
    return iinfo_object(bits=int(info.bits), max=int(info.max), min=int(info.min), dtype=dtype)


def isdtype(dtype: DTypeLike, kind: DTypeLike | tuple[DTypeLike, ...]) -> bool:
    """Whether `dtype` is of a kind, or of any of a tuple of them.

    Kinds are `"bool"`, `"signed integer"`, `"unsigned integer"`, `"integral"`, `"real floating"`,
    `"complex floating"`, `"numeric"`, and dtypes.
    """
    found = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(found, k) for k in kind)
    if isinstance(kind, str) and kind in KINDS:
        return is_kind(found, kind)
    return found == as_dtype(kind)


def result_type(*arrays_and_dtypes: Array | Scalar | DTypeLike) -> DType:
    """The dtype that arrays, dtypes and Python scalars promote to together."""
    dtypes: list[DType] = []
    scalars: list[Any] = []
    for item in arrays_and_dtypes:
        if isinstance(item, (bool, int, float, complex)) and not isinstance(item, np.generic):
            scalars.append(item)
        else:
            dtypes.append(_dtype_of(item))
    if not dtypes:
        raise ValueError("result_type() needs at least one array or dtype")
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = promote(result, dtype)
    for scalar in scalars:
        result = promote_scalar(result, type(scalar))  # type: ignore[arg-type]  # it is hashable
    return result


def _cast_back(xp: Any, g: Any, x_dtype: Any) -> Any:
    """A cotangent in the dtype of what was cast: the real part, where that was real."""
    complex_ = "complex floating"
    if xp.isdtype(g.dtype, complex_) and not xp.isdtype(x_dtype, complex_):
        g = xp.real(g)
    return xp.astype(g, x_dtype)


linear(cast, _cast_back, dtype="own")
