"""The standard's dtypes as `numpy.dtype`s, on every backend, and how they promote."""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np

from numpygrad.errors import DTypeError
from numpygrad.typing import DTypeLike

DType: TypeAlias = "np.dtype[Any]"

bool_ = np.dtype("bool")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
uint16 = np.dtype("uint16")
uint32 = np.dtype("uint32")
uint64 = np.dtype("uint64")
float32 = np.dtype("float32")
float64 = np.dtype("float64")
complex64 = np.dtype("complex64")
complex128 = np.dtype("complex128")

DEFAULT_FLOAT = float64
DEFAULT_INT = int64
DEFAULT_COMPLEX = complex128

STANDARD: frozenset[DType] = frozenset(
    {bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64}
    | {float32, float64, complex64, complex128}
)

KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


_STANDARD = {dtype: dtype for dtype in STANDARD}
"""Each by itself: NumPy makes equal ones that are not identical, which is how types compare."""


def as_dtype(dtype: DTypeLike) -> DType:
    """The `numpy.dtype` meant by `dtype`, in the machine's byte order.

    Raises
    ------
    DTypeError
        If the standard has no such dtype.
    """
    try:
        if dtype is None:  # which NumPy takes for float64
            raise TypeError
        found = np.dtype(dtype).newbyteorder("=")
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is not a dtype; use npg.float64, 'float64', ...") from error
    standard = _STANDARD.get(found)
    if standard is None:
        raise DTypeError(
            f"dtype {found} is not one of the standard's: {sorted(map(str, STANDARD))}"
        )
    return standard


@functools.cache
def promote(dtype1: DType, dtype2: DType) -> DType:
    """The dtype that two arrays' dtypes promote to.

    The standard's table where it has an entry; NumPy's where it leaves mixed kinds open
    (int64 with float32 is float64).
    """
    return np.promote_types(dtype1, dtype2)


@functools.cache
def promote_scalar(dtype: DType, scalar_type: type) -> DType:
    """The dtype of an array of `dtype` combined with a Python scalar, which is weakly typed."""
    kind = dtype.kind
    if scalar_type is bool or (scalar_type is int and kind != "b"):
        return dtype
    if scalar_type is int:
        return DEFAULT_INT
    if scalar_type is float:
        return dtype if kind in "fc" else DEFAULT_FLOAT
    if scalar_type is complex:
        if kind == "c":
            return dtype
        return complex64 if dtype == float32 else DEFAULT_COMPLEX
    raise DTypeError(f"{scalar_type.__name__} is not a Python scalar numpygrad computes with")


@functools.cache
def floating(dtype: DType) -> DType:
    """`dtype` if it is floating, else the default: what `exp` of such an array has."""
    return dtype if dtype.kind in "fc" else DEFAULT_FLOAT


def is_kind(dtype: DType, kind: str) -> bool:
    """Whether `dtype` is of a kind in the standard's sense, e.g. `"real floating"`."""
    return dtype.kind in KINDS[kind]
