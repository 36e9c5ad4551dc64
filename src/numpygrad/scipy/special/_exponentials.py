"""Sums of exponentials as SciPy calls them: over all axes by default, with weights."""

from __future__ import annotations

import math
from typing import Literal, overload

from numpygrad._array import Array, Operand
from numpygrad._dispatch import promoted
from numpygrad.ops import special
from numpygrad.ops.data_types import finfo
from numpygrad.ops.elementwise import abs as absolute
from numpygrad.ops.elementwise import exp, isfinite, log, minimum, sign
from numpygrad.ops.manipulation import squeeze
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
    where the sum is negative.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.scipy.special.logsumexp(npg.array([1000.0, 1000.0]), b=npg.array([3.0, -1.0]))
    Array(1000.69314718)
    """
    if b is None and not return_sign:
        return special.logsumexp(a, axis=axis, keepdims=keepdims)
    a, weights = promoted("logsumexp", a, 1.0 if b is None else b)
    nothing = weights == 0
    top = maximum(where(nothing, -math.inf, a + 0.0 * weights), axis=axis, keepdims=True).detach()
    top = where(isfinite(top), top, 0.0)
    # What a weight of 0 silences must not overflow: 0 * inf is NaN.
    limit = math.log(finfo(a.dtype).max) - 1.0
    shifted = a - top
    shifted = where(nothing, minimum(shifted, limit), shifted)
    found = total(weights * exp(shifted), axis=axis, keepdims=True)
    sizes = absolute(found) if return_sign else found
    empty = found == 0
    y = where(empty, -math.inf, log(where(empty, 1.0, sizes)) + top)
    signs = sign(found)
    if not keepdims:
        axes = tuple(range(y.ndim)) if axis is None else axis
        y, signs = squeeze(y, axes), squeeze(signs, axes)
    return (y, signs) if return_sign else y


def softmax(x: Array, axis: Axis = None) -> Array:
    """`exp(x) / sum(exp(x))` over `axis`, all of them by default, without overflow."""
    return special.softmax(x, axis=axis)


def log_softmax(x: Array, axis: Axis = None) -> Array:
    """`log(softmax(x))` over `axis`, all of them by default, without underflow."""
    return special.log_softmax(x, axis=axis)
