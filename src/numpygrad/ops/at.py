"""Updates of parts of an array that leave the array itself as it is: `at(x)[key].add(v)`."""

from __future__ import annotations

from collections.abc import Callable

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, as_arrays, promoted
from numpygrad.errors import DTypeError
from numpygrad.ops import elementwise
from numpygrad.ops.data_types import astype
from numpygrad.ops.indexing import add_at, as_raw_key, getitem, put, region_shape
from numpygrad.ops.manipulation import broadcast_to
from numpygrad.typing import Key


class at:
    """Updates of `x` at a key, as new arrays: `at(x)[key].set(v)`, `at(x, key).add(v)`, ...

    The key is any that `x[key]` takes. `x` stays as it is; gradients flow to it and to the value.
    Where a key names a place more than once, `add` and `subtract` accumulate; of `set` the last
    value stays; of the others the place is updated once, from its old value.

    The names are those of array-api-extra's `at`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.zeros(3)
    >>> print(npg.at(x)[[0, 2, 2]].add(1.0))
    [1. 0. 2.]
    """

    __slots__ = ("_key", "_x")

    _key: Key

    def __init__(self, x: Array, key: Key = ..., /) -> None:
        self._x = as_array("at", x)
        self._key = key

    def __getitem__(self, key: Key, /) -> at:
        return at(self._x, key)

    def set(self, value: Operand, /) -> Array:
        """`x` with `value` at the key."""
        operand = self._operand("set", value)
        return put(self._x, operand, key=as_raw_key(self._x, self._key))

    def add(self, value: Operand, /) -> Array:
        """`x` with `value` added at the key, as often as a place is named."""
        operand = self._operand("add", value)
        return add_at(self._x, operand, key=as_raw_key(self._x, self._key))

    def subtract(self, value: Operand, /) -> Array:
        """`x` with `value` subtracted at the key, as often as a place is named."""
        return self.add(elementwise.negative(self._operand("subtract", value)))

    def multiply(self, value: Operand, /) -> Array:
        """`x` with what is at the key multiplied by `value`."""
        return self._by(elementwise.multiply, value)

    def divide(self, value: Operand, /) -> Array:
        """`x` with what is at the key divided by `value`."""
        return self._by(elementwise.divide, value)

    def power(self, value: Operand, /) -> Array:
        """`x` with what is at the key raised to the power of `value`."""
        return self._by(elementwise.pow, value)

    def min(self, value: Operand, /) -> Array:
        """`x` with the smaller of `value` and what is at the key."""
        return self._by(elementwise.minimum, value)

    def max(self, value: Operand, /) -> Array:
        """`x` with the larger of `value` and what is at the key."""
        return self._by(elementwise.maximum, value)

    def _by(self, function: Callable[[Operand, Operand], Array], value: Operand) -> Array:
        operand = self._operand(function.__name__, value)
        return self.set(function(getitem(self._x, self._key), operand))

    def _operand(self, name: str, value: Operand) -> Array:
        """`value` as an array of the dtype of `x`, which an update does not change."""
        x = self._x
        (operand,) = as_arrays(f"at.{name}", (x, value))[1:]
        if promoted(f"at.{name}", x, operand)[0].dtype != x.dtype:
            raise DTypeError(
                f"at(x).{name}() of {operand.dtype} values into an array of {x.dtype}: an update "
                f"keeps the dtype; convert x with x.astype({str(operand.dtype)!r}) first"
            )
        region = region_shape(x, as_raw_key(x, self._key))
        if operand.shape != region:
            operand = broadcast_to(operand, region)
        return operand if operand.dtype == x.dtype else astype(operand, x.dtype)
