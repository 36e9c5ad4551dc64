"""Sums of products along rows, in one pass and without an array of the products."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad_numpy import _kernels

Raw = Any

SUMMED_PRODUCTS = "summed_products"
"""The name of the call in a program."""

LONGEST_ROW = 4096
"""Longer rows are better added up in pairs: a dot product would round more."""


def summed_products(
    x1: Raw, x2: Raw, *, shape: tuple[int, ...], divisor: int, guarded: bool
) -> Raw:
    """The sums of `x1 * x2` over the last axis, divided, in that shape.

    Guarded products are looked through only if there is a NaN in a sum.
    """
    total = np.vecdot(x1, x2)
    if guarded and _kernels.has_nan(total):
        total = _kernels.guarded_multiply(x1, x2).sum(axis=-1)
    total = total.reshape(shape)
    return total if divisor == 1 else total / divisor
