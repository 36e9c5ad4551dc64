"""Views whose layout is known before there is memory, and outputs in memory of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import BROADCASTS, RESHAPES
from numpygrad._lazy.program import Instruction

Raw = Any


def view_of(call: Instruction, shape: tuple[int, ...]) -> Callable[[Raw], Raw]:
    """What makes a view of an array that is large."""
    if call.name in RESHAPES:
        return lambda x: x.reshape(shape)
    if call.name in BROADCASTS:
        return lambda x: np.broadcast_to(x, shape)
    if "key" in call.params:
        key = call.params["key"]
        parts = key if type(key) is tuple else (key,)
        # A single element is a view too; that of a stand-in must not be read.
        whole = parts if shape or ... in parts else (*parts, ...)
        return lambda x: x[whole]
    args, params, kernel = call.args[1:], call.params, call.kernel
    return lambda x: kernel(x, *args, **params)


def is_view(layout: Raw, shape: tuple[int, ...]) -> bool:
    """Whether an array of a layout has a view of a shape."""
    try:
        np.reshape(layout, shape, copy=False)
    except ValueError:
        return False
    return True


def stand_in(aval: Any) -> Raw:
    """An array of a shape and row-major strides without memory; not to be read."""
    strides = [aval.dtype.itemsize * math.prod(aval.shape[a + 1 :]) for a in range(len(aval.shape))]
    one = np.empty(1, aval.dtype)
    return np.lib.stride_tricks.as_strided(one, aval.shape, strides)


def copied(x: Raw) -> Raw:
    """A copy in row-major order."""
    return np.array(x, order="C")


def ordered(x: Raw) -> Raw:
    """An array of nobody else's, in row-major order; scalars as they are."""
    return x if isinstance(x, np.generic) or x.flags.c_contiguous else np.array(x, order="C")
