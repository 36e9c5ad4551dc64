"""Sums of exponentials as SciPy calls them: over all axes by default, with weights."""

from __future__ import annotations

import math
from typing import Literal, overload

import numpy as np

from numpygrad._array import Array, Operand
from numpygrad._dispatch import promoted
from numpygrad.ops import special
from numpygrad.ops.data_types import finfo
from numpygrad.ops.elementwise import abs as absolute
from numpygrad.ops.elementwise import exp, isfinite, isinf, isnan, log, minimum, sign
from numpygrad.ops.manipulation import normalized_axes, squeeze
from numpygrad.ops.searching import where
from numpygrad.ops.statistical import max as maximum
from numpygrad.ops.statistical import sum as total
from numpygrad.typing import Axis


@overload
def logsumexp(
    a: Array,
    axis: Axis = ...,
    b: Operand | None = ...,
    keepdims: bool = ...,
    return_sign: Literal[False] = ...,
) -> Array: ...
@overload
def logsumexp(
    a: Array,
    axis: Axis = ...,
    b: Operand | None = ...,
    keepdims: bool = ...,
    *,
    return_sign: Literal[True],
) -> tuple[Array, Array]: ...
def logsumexp(
    a: Array,
    axis: Axis = None,
    b: Operand | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Array | tuple[Array, Array]:
    """`log(sum(b * exp(a)))` over `axis`, real, without overflow; all of `b` is 1 by default.

    With `return_sign` the logarithm of the absolute value, and the sign of the sum; without, NaN
    where the sum is negative. Of nothing it is -inf.

    A weight of 0 silences its term, be that NaN: the derivative by such a weight is taken as 0.
    Where the largest of `a` are infinite, they share the derivative equally.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.scipy.special.logsumexp(npg.array([1000.0, 1000.0]), b=npg.array([3.0, -1.0]))
    Array(1000.69314718)
    """
    a, weights = promoted("logsumexp", a, 1.0 if b is None else b)
    shape = np.broadcast_shapes(a.shape, weights.shape)
    axes = normalized_axes("logsumexp", axis, len(shape))
    is_empty = not math.prod(shape[i] for i in axes)
    if b is None and not return_sign and not is_empty:
        return special.logsumexp(a, axis=axes, keepdims=keepdims)
    if is_empty:
        y = signs = total(weights * exp(a), axis=axes, keepdims=True)
        y = y - math.inf
    else:
        y, signs = _weighted(a, weights, axes, of_size=return_sign)
    if not keepdims:
        y, signs = squeeze(y, axes), squeeze(signs, axes)
    return (y, signs) if return_sign else y


def _weighted(
    a: Array, weights: Array, axes: tuple[int, ...], *, of_size: bool
) -> tuple[Array, Array]:
    """The logarithm of the sum, or of its size, and the sign of the sum, with the axes kept."""
    silent = weights == 0
    heard = where(silent, -math.inf, a)
    largest = maximum(heard, axis=axes, keepdims=True).detach()
    infinite = isinf(largest)
    top = where(isfinite(largest), largest, 0.0)
    # What is silent has a derivative by its weight that may overflow: exp(a) is made of two
    # factors, so that neither does and 0 times them is 0.
    half = math.log(finfo(a.dtype).max) - 1.0
    growth = exp(minimum(0.5 * where(silent & ~isnan(a), a - top, -math.inf), half))
    terms = weights * exp(heard - top) + where(silent, weights, 0.0) * growth * growth
    found = total(terms, axis=axes, keepdims=True)
    sizes = where(found < 0, -found, found) if of_size else found
    plain = log(where(infinite, 1.0, sizes)) + top
    # Between infinities, differences are NaN: the derivative is that of the sum of sizes.
    loud = where(infinite, heard, 0.0) + log(where(silent, 1.0, absolute(weights)))
    limit = special.logsumexp(loud, axis=axes, keepdims=True)
    is_number = (sizes >= 0).detach()
    return where(infinite, where(is_number, limit, math.nan), plain), sign(found)


def softmax(x: Array, axis: Axis = None) -> Array:
    """`exp(x) / sum(exp(x))` over `axis`, all of them by default, without overflow."""
    return special.softmax(x, axis=axis)


def log_softmax(x: Array, axis: Axis = None) -> Array:
    """`log(softmax(x))` over `axis`, all of them by default, without underflow."""
    return special.log_softmax(x, axis=axis)
