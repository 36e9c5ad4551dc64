"""Whether numpygrad's result is array-api-strict's: kind, dtype, shape, values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from conformance.values import HostArray

TOLERANCES = {"float32": 2e-5, "complex64": 4e-5, "float64": 1e-12, "complex128": 2e-12}
"""Relative, and for results below 1 absolute: functions differ by a few last bits."""


def difference(found: Any, expected: Any, *, values: bool = True, zeros: bool = False) -> str:
    """What differs, in a few words; empty if nothing does.

    `values=False` compares dtype and shape alone; `zeros` compares the signs of real zeros too.
    """
    if isinstance(expected, np.ndarray):
        return _array_difference(found, expected, values=values, zeros=zeros)
    if isinstance(expected, (list, tuple)):
        return _sequence_difference(found, expected, values=values, zeros=zeros)
    if type(found) is not type(expected):
        return f"gives {found!r} ({type(found).__name__}), strict {expected!r}"
    same = found == expected or (found != found and expected != expected)  # noqa: PLR0124 (NaN)
    return "" if same else f"gives {found!r}, strict {expected!r}"


def _sequence_difference(found: Any, expected: Any, *, values: bool, zeros: bool) -> str:
    if type(found) is not type(expected) or len(found) != len(expected):
        return f"gives {_summary(found)}, strict {_summary(expected)}"
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        differs = difference(one, other, values=values, zeros=zeros)
        if differs:
            return f"[{i}] {differs}"
    return ""


def _summary(result: Any) -> str:
    if isinstance(result, np.ndarray):
        return f"an array {result.dtype}{result.shape}"
    if isinstance(result, (list, tuple)):
        return f"a {type(result).__name__} of {len(result)}"
    return repr(result)


def _array_difference(found: Any, expected: HostArray, *, values: bool, zeros: bool) -> str:
    if not isinstance(found, np.ndarray):
        return f"gives {found!r}, strict {_summary(expected)}"
    if found.dtype != expected.dtype:
        return f"dtype {found.dtype}, strict {expected.dtype}"
    if found.shape != expected.shape:
        return f"shape {found.shape}, strict {expected.shape}"
    wrong = ~_close(found, expected, zeros=zeros) if values else np.zeros((), dtype=bool)
    if not wrong.any():
        return ""
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"at {place} gives {found[place]}, strict {expected[place]}"


def _close(found: HostArray, expected: HostArray, *, zeros: bool) -> HostArray:
    kind = expected.dtype.kind
    if kind == "c":
        scale = np.where(np.isfinite(expected), np.abs(expected), 0.0)
        limit = TOLERANCES[expected.dtype.name] * np.maximum(scale, 1.0)
        return _near(found.real, expected.real, limit) & _near(found.imag, expected.imag, limit)
    if kind != "f":
        return np.asarray(found == expected)
    scale = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    close = _near(found, expected, TOLERANCES[expected.dtype.name] * np.maximum(scale, 1.0))
    if zeros:
        both_zero = (found == 0) & (expected == 0)
        close &= ~both_zero | (np.signbit(found) == np.signbit(expected))
    return close


def _near(found: HostArray, expected: HostArray, limit: HostArray) -> HostArray:
    with np.errstate(invalid="ignore"):
        near = np.abs(found - expected) <= limit
    return np.asarray(near | (found == expected) | (np.isnan(found) & np.isnan(expected)))
