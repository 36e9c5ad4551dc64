"""Searching functions of the standard."""

from __future__ import annotations

from numpygrad._array import Array, Operand, wrap
from numpygrad._dispatch import apply, apply_one, as_array, promoted, require_broadcast
from numpygrad._op import REAL_KINDS, discrete, linear
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import nonempty_axes, normalized_axes
from numpygrad.typing import Axis


def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first maximum along `axis`; in the flattened array by default."""
    nonempty_axes("argmax", x, axis)
    return apply_one(argmax, x, axis=axis, keepdims=keepdims)


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first minimum along `axis`; in the flattened array by default."""
    nonempty_axes("argmin", x, axis)
    return apply_one(argmin, x, axis=axis, keepdims=keepdims)


def count_nonzero(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Number of elements over `axis` that are not zero."""
    x = as_array("count_nonzero", x)
    axes = normalized_axes("count_nonzero", axis, x.ndim)
    return apply_one(count_nonzero, x, axis=axes, keepdims=keepdims)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Indices of the elements that are not zero, in row-major order: an array for each axis."""
    x = as_array("nonzero", x)
    if not x.ndim:
        raise ShapeError("nonzero() of a 0-d array; reshape it to one dimension")
    found = x._type.xp.nonzero(x._data)
    return tuple(wrap(indices, x._type.of(indices)) for indices in found)


def searchsorted(
    x1: Array, x2: Operand, /, *, side: str = "left", sorter: Array | None = None
) -> Array:
    """Where elements of `x2` would go in the sorted `x1` to keep it sorted.

    `side` says on which side of equal elements; `sorter` is the order that sorts an unsorted `x1`.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right', not {side!r}")
    if x1.ndim != 1:
        raise ShapeError(f"searchsorted() needs x1 of one dimension, got shape {x1.shape}")
    if sorter is not None:
        x1 = take(x1, sorter)
    x1, x2 = promoted("searchsorted", x1, x2)
    return apply(searchsorted, x1, x2, side=side)


def where(condition: Operand, x1: Operand, x2: Operand, /) -> Array:
    """`x1` where `condition` is true, else `x2`.

    The branch not taken gets a gradient of exactly 0, even where its own derivative is inf or NaN.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([0.0, 4.0], requires_grad=True)
    >>> npg.where(x > 0, npg.sqrt(x), 0.0).sum().backward()
    >>> print(x.grad)
    [0.   0.25]
    """
    if isinstance(condition, Array):
        if not isinstance(x1, Array) and not isinstance(x2, Array):
            x1 = asarray(x1, device=condition.device)
    else:
        like = x1 if isinstance(x1, Array) else x2
        condition = asarray(condition, device=like.device if isinstance(like, Array) else None)
    if condition.dtype.kind != "b":
        raise DTypeError(f"where() needs a boolean condition, got {condition.dtype}")
    chosen = promoted("where", x1, x2)
    try:
        return apply(where, condition, *chosen)
    except (ValueError, TypeError):
        require_broadcast("where", condition.shape, *(x.shape for x in chosen))
        raise


discrete(argmax, kinds=REAL_KINDS)
discrete(argmin, kinds=REAL_KINDS)
discrete(count_nonzero)
discrete(searchsorted, kinds=REAL_KINDS)
linear(
    where,
    None,
    lambda xp, g, condition: xp.where(condition, g, 0.0),
    lambda xp, g, condition: xp.where(condition, 0.0, g),
    dtype="own",
    masks=True,
)
