"""Operands and constants in a floating dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import convert
from numpygrad._dtypes import floating
from numpygrad.ops.creation import asarray


def floated(x: Array) -> Array:
    """`x`, converted if it is not floating."""
    return x if x.dtype.kind in "fc" else convert(x, floating(x.dtype))


def constant(values: np.ndarray[Any, Any], like: Array) -> Array:
    """Numbers on the device of `like` and in its precision; integers stay what they are."""
    if values.dtype.kind in "fc":
        precision = 4 * (1 if values.dtype.kind == "f" else 2)
        single = like.dtype in ("float32", "complex64")
        values = values.astype(f"{values.dtype.kind}{precision if single else 2 * precision}")
    return asarray(values, device=like.device)
