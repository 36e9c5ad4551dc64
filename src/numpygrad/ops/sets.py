"""Set functions of the standard: the different elements of an array, and membership."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpygrad._array import Array, Operand, wrap
from numpygrad._dispatch import apply, as_array, promoted
from numpygrad._op import discrete
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import reshape


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Array
    """The different elements."""
    indices: Array
    """Where each of them first occurs in the flattened array."""
    inverse_indices: Array
    """Which of them stands at each place, in the shape of the array."""
    counts: Array
    """How often each of them occurs."""


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Array
    """The different elements."""
    counts: Array
    """How often each of them occurs."""


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Array
    """The different elements."""
    inverse_indices: Array
    """Which of them stands at each place, in the shape of the array."""


def isin(x1: Operand, x2: Operand, /, *, invert: bool = False) -> Array:
    """Whether each element of `x1` equals one of `x2`, or with `invert` none; of shape `x1.shape`.

    Elements are equal as by `equal`: NaN is in no array, and -0 is in one that has +0.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.isin(npg.asarray([1, 2, 3]), npg.asarray([[3, 1]])))
    [ True False  True]
    """
    x1, x2 = promoted("isin", x1, x2)
    return apply(isin, x1, x2, invert=invert)


def unique_all(x: Array, /) -> UniqueAllResult:
    """The different elements of `x`, in ascending order: where, in whose place, and how many.

    Each NaN differs from all others; -0 and +0 do not differ, and the first to occur is given. The
    derivative of the values goes to the elements that occur first.

    Examples
    --------
    >>> import numpygrad as npg
    >>> found = npg.unique_all(npg.asarray([3.0, 1.0, 3.0]))
    >>> print(found.values, found.indices, found.inverse_indices, found.counts)
    [1. 3.] [1 0] [1 0 1] [1 2]
    """
    x = as_array("unique_all", x)
    _, indices, inverse, counts = x._type.xp.unique_all(x._data)
    first = _index_array(x, indices)
    return UniqueAllResult(
        take(reshape(x, (-1,)), first, axis=0),
        first,
        reshape(_index_array(x, inverse), x.shape),
        _index_array(x, counts),
    )


def unique_counts(x: Array, /) -> UniqueCountsResult:
    """The different elements of `x`, and how often each occurs; see `unique_all`."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Array, /) -> UniqueInverseResult:
    """The different elements of `x`, and which of them stands at each place; see `unique_all`."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def unique_values(x: Array, /) -> Array:
    """The different elements of `x`, in ascending order; see `unique_all`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([3.0, 1.0, 3.0], requires_grad=True)
    >>> npg.unique_values(x).sum().backward()
    >>> print(x.grad)
    [1. 1. 0.]
    """
    return unique_all(x).values


def _index_array(x: Array, raw: Any) -> Array:
    """What a library found in `x`, as an Array of the same device."""
    return wrap(raw, x._type.of(raw))


discrete(isin)
