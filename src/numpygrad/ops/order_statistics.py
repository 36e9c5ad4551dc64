"""Medians and quantiles, averages, and sums that leave NaN out: NumPy's, made of the standard's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import as_array, promoted
from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad._kernels import holds
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.creation import zeros
from numpygrad.ops.data_types import astype
from numpygrad.ops.elementwise import isnan, maximum
from numpygrad.ops.manipulation import broadcast_to, normalized_axes, permute_dims, reshape, stack
from numpygrad.ops.searching import where
from numpygrad.ops.sorting import sort
from numpygrad.ops.statistical import mean, sum
from numpygrad.ops.utility import all
from numpygrad.typing import Axis

Fractions: TypeAlias = "float | Sequence[float] | np.ndarray[Any, Any]"
"""A parameter, not an operand: nothing is differentiated with respect to it."""


def average(
    x: Array, axis: Axis = None, weights: Array | None = None, *, keepdims: bool = False
) -> Array:
    """The mean over `axis`, each element counted with its weight: `sum(x * w) / sum(w)`.

    `weights` has the shape of `x`, or is a vector along the one `axis`. Gradients flow to both.

    Raises
    ------
    ShapeError
        If the weights have another shape.
    ZeroDivisionError
        If weights sum to 0. In `compile` and `vmap` sums are not known: there the result is not
        finite.
    """
    x = as_array("average", x)
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    x, w = promoted("average", x, weights)
    if w.shape != x.shape:
        axes = normalized_axes("average", axis, x.ndim)
        if len(axes) != 1 or w.shape != (x.shape[axes[0]],):
            raise ShapeError(
                f"average() over axis {axis} of shape {x.shape} takes weights of that shape, or a "
                f"vector along one axis, not {w.shape}"
            )
        w = reshape(w, tuple(n if a == axes[0] else 1 for a, n in enumerate(x.shape)))
        w = broadcast_to(w, x.shape)
    whole = sum(w, axis=axis, keepdims=keepdims)
    if not holds(all(whole.detach() != 0), unknown=True):
        raise ZeroDivisionError(
            "average(): the weights sum to 0 along the axis, and nothing can be divided by that; "
            "use sum(x * weights) if no mean is meant"
        )
    return sum(x * w, axis=axis, keepdims=keepdims) / whole


def median(x: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The element in the middle over `axis`, or the mean of the two there; NaN if any is NaN.

    The gradient goes to the elements that were selected, of equal ones to the first in order.

    Raises
    ------
    ShapeError
        If there are no elements, where NumPy warns and gives NaN.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([3.0, 9.0, 1.0, 5.0], requires_grad=True)
    >>> npg.median(x).backward()
    >>> print(x.grad)
    [0.5 0.  0.  0.5]
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)


def nanmean(x: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The mean over `axis` of the elements that are not NaN; NaN of none.

    The gradient with respect to NaN is 0.
    """
    x = as_array("nanmean", x)
    present = ~isnan(x)
    total = sum(where(present, x, 0), axis=axis, keepdims=keepdims)
    count = sum(present, axis=axis, keepdims=keepdims)
    return where(count == 0, math.nan, total / astype(maximum(count, 1), total.dtype))


def nansum(x: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The sum over `axis` of the elements that are not NaN, whose gradient is 0."""
    x = as_array("nansum", x)
    return sum(where(isnan(x), 0, x), axis=axis, keepdims=keepdims)


def percentile(x: Array, q: Fractions, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The value below which `q` per cent of the elements over `axis` lie; see `quantile`."""
    return quantile(x, np.asarray(q, dtype=float) / 100, axis, keepdims=keepdims)


def quantile(x: Array, q: Fractions, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The value below which the fraction `q` of the elements over `axis` lie; NaN if any is NaN.

    Between two elements it is interpolated, as by default in `numpy.quantile`. The gradient goes to
    those two, of equal elements to the first in order.

    Parameters
    ----------
    x
        A real array.
    q
        From 0 to 1: a number, or several, whose axes come first in the result. A constant: there is
        no gradient with respect to it.
    axis, keepdims
        As in other reductions.

    Raises
    ------
    ShapeError
        If there are no elements.
    ValueError
        If `q` is outside of 0 to 1.
    """
    x = as_array("quantile", x)
    if x._type.is_complex:
        raise DTypeError(f"quantile() takes real arrays, which have an order, not {x.dtype}")
    if not x._type.is_floating:
        x = astype(x, DEFAULT_FLOAT)
    fractions = np.asarray(q, dtype=float)
    if not bool(np.all((fractions >= 0) & (fractions <= 1))):
        raise ValueError(f"a quantile is of a fraction from 0 to 1, not {q!r}")
    axes = normalized_axes("quantile", axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes)
    if not count:
        raise ShapeError(f"quantile() over no elements: axis {axis} of shape {x.shape}")
    others = tuple(a for a in range(x.ndim) if a not in axes)
    rest = tuple(x.shape[a] for a in others)
    ordered = sort(reshape(permute_dims(x, (*others, *axes)), (*rest, count)), axis=-1)
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape)) if keepdims else rest
    # NaN sorts last; a sum with it is NaN, one with anything else it leaves as it is.
    last = ordered[..., -1]
    spoiled = where(isnan(last), last, 0.0)
    found = [
        reshape(_at(ordered, fraction * (count - 1)) + spoiled, shape)
        for fraction in fractions.ravel().tolist()
    ]
    if not fractions.ndim:
        return found[0]
    if not found:
        return zeros((*fractions.shape, *shape), dtype=x.dtype, device=x.device)
    return reshape(stack(found), (*fractions.shape, *shape))


def _at(ordered: Array, place: float) -> Array:
    """What is at a place along the last axis, between two elements their mean by distance."""
    low = math.floor(place)
    share = place - low
    below = ordered[..., low]
    return below if share == 0.0 else below * (1.0 - share) + ordered[..., low + 1] * share
