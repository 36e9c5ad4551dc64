"""Indexing: the key with the examples before it, and the result with them in front again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numpygrad._backend import numpy_dtype
from numpygrad._batching.fitting import is_array, shifted, size_of, with_ndim
from numpygrad._batching.mapped import Mapped, data_of, spread_out
from numpygrad._kernels import device_of
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes import region
from numpygrad.typing import Shape

Rule = Callable[..., Any]


class Batched(NamedTuple):
    """A key for arrays of examples, and where what it selects has the examples' axis."""

    key: tuple[Any, ...]
    found: tuple[int, ...]
    """Axes of what it selects ..."""
    wanted: tuple[int, ...]
    """... and where they are to be, so that the examples are in front."""

    def to_front(self, xp: Any, selected: Any) -> Any:
        """What was selected, the examples in front."""
        return xp.moveaxis(selected, self.found, self.wanted) if self.found else selected

    def from_front(self, xp: Any, values: Any) -> Any:
        """Values for each example, laid out as the key selects them."""
        return xp.moveaxis(values, self.wanted, self.found) if self.found else values


def _spelled_out(key: Any, ndim: int) -> list[Any]:
    """The parts of a key, with slices for `...` and for what was left out."""
    parts = list(key) if type(key) is tuple else [key]
    used = sum(1 for k in parts if k is not None and k is not ...)
    rest = [slice(None)] * (ndim - used)
    for i, k in enumerate(parts):
        if k is ...:
            return [*parts[:i], *rest, *parts[i + 1 :]]
    return parts + rest


def batched(xp: Any, key: Any, ndim: int, *, mapped: bool, size: int) -> Batched:
    """The key into an array whose examples have `ndim` axes; of the same for all, if not `mapped`.

    NumPy puts the axes of index arrays where these stand, if they stand side by side, else in
    front; and takes an int beside them for one.
    """
    parts = _spelled_out(key, ndim)
    arrays = [k for k in parts if is_array(k)]
    if not arrays:
        return Batched((slice(None), *parts), (), ())
    places = [i for i, k in enumerate(parts) if is_array(k) or type(k) is int]
    beside = places[-1] - places[0] == len(places) - 1
    before = places[0] if beside else 0
    count = max(len(k.shape) for k in arrays)
    several = any(type(k) is Mapped for k in arrays)
    parts = [with_ndim(xp, k, count) for k in parts]
    if not several:
        if beside:
            return Batched((slice(None), *parts), (), ())
        return Batched((slice(None), *parts), (count,), (0,))
    if not mapped:
        return Batched(tuple(parts), (before,), (0,))
    examples = xp.reshape(
        xp.arange(size, device=device_of(data_of(arrays[0]))),
        (size, *(1,) * count),
    )
    found = tuple(range(1, 1 + count)) if before else ()
    return Batched((examples, *parts), found, tuple(a + before for a in found))


def _mask(key: Any) -> Any:
    """The mask that is the whole key, if one is."""
    return key if is_array(key) and numpy_dtype(key.dtype).kind == "b" else None


def _region(shape: Shape, key: Any) -> Shape:
    parts = key if type(key) is tuple else (key,)
    found = region(
        shape, tuple(Aval(k.shape, numpy_dtype(k.dtype)) if is_array(k) else k for k in parts)
    )
    assert found is not None  # noqa: S101 (a mask alone has been dealt with)
    return found


def _gather(xp: Any, x: Any, /, *, key: Any) -> Any:
    size = size_of(x, key)
    mapped = type(x) is Mapped
    placed = batched(xp, key, x.ndim, mapped=mapped, size=size)
    return placed.to_front(xp, xp.gather(x.array if mapped else x, key=placed.key))


def _scatter(xp: Any, g: Any, /, *, key: Any, shape: Shape) -> Any:
    mask = _mask(key)
    if mask is not None:
        if type(mask) is Mapped:
            return NotImplemented
        key = tuple(xp.nonzero(mask))
    size = size_of(g, key)
    placed = batched(xp, key, len(shape), mapped=True, size=size)
    values = placed.from_front(xp, spread_out(xp, g, size))
    return xp.scatter(values, key=placed.key, shape=(size, *shape))


def _writing(name: str) -> Rule:
    def rule(xp: Any, x: Any, value: Any, /, *, key: Any) -> Any:
        size = size_of(x, value, key)
        mask = _mask(key)
        if mask is not None:
            return _written_at_mask(xp, name, x, value, mask)
        within = _region(x.shape, key)
        placed = batched(xp, key, x.ndim, mapped=True, size=size)
        if type(value) is Mapped:
            value = with_ndim(xp, value, len(within))
        values = placed.from_front(xp, xp.broadcast_to(value, (size, *within)))
        return getattr(xp, name)(spread_out(xp, x, size), values, key=placed.key)

    return rule


def _written_at_mask(xp: Any, name: str, x: Any, value: Any, mask: Any) -> Any:
    """A write at a mask, which may select another number of elements in each example."""
    if value.ndim:
        return NotImplemented
    ndim = x.ndim
    if type(mask) is Mapped:
        mask = xp.reshape(mask.array, (*mask.array.shape, *(1,) * (ndim - mask.ndim)))
    else:
        mask = xp.reshape(mask, (*mask.shape, *(1,) * (ndim - mask.ndim)))
    base, value = with_ndim(xp, x, ndim), with_ndim(xp, value, ndim)
    return xp.where(mask, value if name == "put" else base + value, base)


def _take(xp: Any, x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    axis = 0 if axis is None else axis % x.ndim
    if type(indices) is Mapped:
        return _gather(xp, x, key=(*(slice(None),) * axis, indices))
    return xp.take(x.array, indices, axis=axis + 1)


def _take_along_axis(xp: Any, x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    axis = shifted(axis, x.ndim)
    size = size_of(x, indices)
    return xp.take_along_axis(spread_out(xp, x, size), spread_out(xp, indices, size), axis=axis)


def _diagonals(xp: Any, x: Mapped, /, *, offset: int) -> Any:
    return xp.diagonals(x.array, offset=offset)


RULES: dict[str, Rule] = {
    "add_at": _writing("add_at"),
    "diagonals": _diagonals,
    "gather": _gather,
    "put": _writing("put"),
    "scatter": _scatter,
    "select": _gather,
    "take": _take,
    "take_along_axis": _take_along_axis,
}
