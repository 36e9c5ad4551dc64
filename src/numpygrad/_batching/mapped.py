"""What differs from example to example, as rules, and an engine that runs them, take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._kernels import is_basic
from numpygrad.typing import RawArray, Shape


def _binary(name: str) -> Callable[[Mapped, Any], Any]:
    def operator(self: Mapped, other: Any) -> Any:
        return getattr(self.namespace, name)(self, other)

    return operator


def _reflected(name: str) -> Callable[[Mapped, Any], Any]:
    def operator(self: Mapped, other: Any) -> Any:
        return getattr(self.namespace, name)(other, self)

    return operator


class UnmappedError(Exception):
    """What cannot be done for all examples at once was met: each has to go its own way."""


class Mapped:
    """A value for each of many examples: an Array or a raw array with the examples along axis 0.

    Shape and axes are those of one example. With a `namespace`, of functions that take it, it acts
    as an array in the rules of ops.
    """

    __slots__ = ("array", "namespace")

    __array_ufunc__ = None
    """NumPy arrays leave operators to the Mapped beside them."""

    def __init__(self, array: Any, namespace: Any = None) -> None:
        self.array = array
        self.namespace = namespace

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.array.shape[1:]  # type: ignore[no-any-return]  # of any array

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return len(self.array.shape) - 1

    @property
    def dtype(self) -> Any:
        """The dtype, as the array has it."""
        return self.array.dtype

    @property
    def device(self) -> Any:
        """The device, as the array has it."""
        return self.array.device

    @property
    def mT(self) -> Any:  # noqa: N802 (the standard's name)
        """The last two axes exchanged."""
        return self.namespace.matrix_transpose(self)

    @property
    def T(self) -> Any:  # noqa: N802 (the standard's name)
        """The axes reversed."""
        return self.namespace.permute_dims(self, tuple(range(self.ndim))[::-1])

    def _rule_namespace(self) -> Any:
        return self.namespace

    def __getitem__(self, key: Any) -> Any:
        name = "select" if is_basic(key) else "gather"
        return getattr(self.namespace, name)(self, key=key)

    def __neg__(self) -> Any:
        return self.namespace.negative(self)

    def __abs__(self) -> Any:
        return self.namespace.abs(self)

    def __invert__(self) -> Any:
        return self.namespace.bitwise_invert(self)

    def __bool__(self) -> bool:
        """What holds for all examples; they cannot go different ways."""
        holds = {bool(x) for x in self.array}
        if len(holds) > 1:
            raise UnmappedError("a condition that holds for some examples alone")
        return holds.pop() if holds else False

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self.namespace.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return self.namespace.not_equal(self, other)

    __lt__ = _binary("less")
    __le__ = _binary("less_equal")
    __gt__ = _binary("greater")
    __ge__ = _binary("greater_equal")
    __add__ = _binary("add")
    __radd__ = _reflected("add")
    __sub__ = _binary("subtract")
    __rsub__ = _reflected("subtract")
    __mul__ = _binary("multiply")
    __rmul__ = _reflected("multiply")
    __truediv__ = _binary("divide")
    __rtruediv__ = _reflected("divide")
    __pow__ = _binary("pow")
    __rpow__ = _reflected("pow")
    __matmul__ = _binary("matmul")
    __rmatmul__ = _reflected("matmul")
    __and__ = _binary("bitwise_and")
    __rand__ = _reflected("bitwise_and")
    __or__ = _binary("bitwise_or")
    __ror__ = _reflected("bitwise_or")


def data_of(x: Any) -> Any:
    """The array of a mapped argument, examples first; any other argument as it is."""
    return x.array if type(x) is Mapped else x


def spread_out(xp: Any, x: Any, size: int) -> RawArray:
    """The array of an argument with an axis of examples, the same ones if it is not mapped."""
    if type(x) is Mapped:
        return x.array
    return xp.broadcast_to(x, (size, *x.shape))
