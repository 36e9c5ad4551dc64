"""Functions the standard lacks: activations, the error function, sums of exponentials."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_one, apply_unary, as_array
from numpygrad._kernels import unreduce
from numpygrad._op import NONZERO, elementwise, nonlinear
from numpygrad.ops.elementwise import tanh
from numpygrad.ops.manipulation import nonempty_axes
from numpygrad.typing import Axis


def erf(x: Array, /) -> Array:
    """The error function of `x`, real.

    Source: W. J. Cody, Mathematics of Computation 23 (1969), where the backend has none.
    """
    return apply_unary(erf, x)


def gelu(x: Array, /, *, approximate: bool = False) -> Array:
    """`x` times the normal distribution function of `x`; with tanh if `approximate`.

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016).
    """
    if approximate:
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


def logsumexp(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """`log(sum(exp(x)))` over `axis`, without overflow. The derivative of all -inf is uniform."""
    x = as_array("logsumexp", x)
    axes = nonempty_axes("logsumexp", x, axis)
    return apply_one(logsumexp, x, axis=axes, keepdims=keepdims)


def log_softmax(x: Array, /, *, axis: Axis = -1) -> Array:
    """`log(softmax(x))` over `axis`, without underflow."""
    x = as_array("log_softmax", x)
    return apply_one(log_softmax, x, axis=nonempty_axes("log_softmax", x, axis))


def relu(x: Array, /) -> Array:
    """`max(x, 0)`. The derivative at 0 is taken as 0."""
    return apply_unary(relu, x)


def sigmoid(x: Array, /) -> Array:
    """`1 / (1 + exp(-x))`, without overflow."""
    return apply_unary(sigmoid, x)


def softmax(x: Array, /, *, axis: Axis = -1) -> Array:
    """`exp(x) / sum(exp(x))` over `axis`, without overflow; uniform of all -inf."""
    x = as_array("softmax", x)
    return apply_one(softmax, x, axis=nonempty_axes("softmax", x, axis))


def softplus(x: Array, /) -> Array:
    """`log(1 + exp(x))`, without overflow."""
    return apply_unary(softplus, x)


def erf_slope(xp: Any, x: Any) -> Any:
    """The derivative of the error function."""
    if isinstance(x, Array):  # differentiated again it would be inf * 0 at infinity, not 0
        x = xp.clip(x, -30.0, 30.0)
    return (2.0 / math.sqrt(math.pi)) * xp.exp(-x * x)


def _softmax_of(xp: Any, x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """`exp(x - logsumexp(x))`; uniform where all are -inf."""
    total = unreduce(xp, y, x.shape, axis, keepdims)
    nothing = xp.isinf(total) & (x == total)
    count = xp.sum(xp.astype(nothing, x.dtype), axis=axis, keepdims=True)
    count = xp.where(count == 0, 1.0, count)
    return xp.where(nothing, 1.0 / count, xp.exp(xp.where(nothing, 0.0, x - total)))


def _softmax_pull(xp: Any, g: Any, y: Any, axis: Any) -> Any:
    if axis == (len(y.shape) - 1,):
        return y * (g - xp.expand_dims(xp.vecdot(g, y), axis=(len(y.shape) - 1,)))
    return y * (g - xp.sum(g * y, axis=axis, keepdims=True))


elementwise(erf, erf_slope, dtype="float")
nonlinear(
    logsumexp,
    lambda xp, g, x, y, axis, keepdims: (
        unreduce(xp, g, x.shape, axis, keepdims) * _softmax_of(xp, x, y, axis, keepdims)
    ),
    jvp=lambda xp, g, x, y, axis, keepdims: xp.sum(
        g * _softmax_of(xp, x, y, axis, keepdims), axis=axis, keepdims=keepdims
    ),
)
nonlinear(
    log_softmax,
    lambda xp, g, y, axis: g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True),
    jvp=lambda xp, g, y, axis: g - xp.sum(g * xp.exp(y), axis=axis, keepdims=True),
)
elementwise(relu, lambda xp, y: xp.astype(y > 0, y.dtype), masks=True, domain=NONZERO)
elementwise(sigmoid, lambda y: y * (1 - y), dtype="float")
nonlinear(
    softmax,
    _softmax_pull,
    jvp=_softmax_pull,
)
elementwise(softplus, lambda xp, x: xp.sigmoid(x), dtype="float")
