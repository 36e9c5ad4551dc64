"""Indexing: `x[key]`, `take`, `take_along_axis`, and their transposes."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, new
from numpygrad._dispatch import apply, apply_one, as_array, in_mode, is_deferred, promoted
from numpygrad._kernels import device_of, diagonal_key, is_basic
from numpygrad._node import Node, tick
from numpygrad._op import TABLE, linear
from numpygrad._storage import View, lay_out, storage_of
from numpygrad.errors import DeviceError, DTypeError, ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.manipulation import moveaxis, normalized_axis
from numpygrad.typing import Key, Shape


def getitem(x: Array, key: Key) -> Array:
    """`x[key]` as NumPy means it: a view for basic keys, a copy for integer arrays and masks.

    The way where views are memory is written out: by `apply_one` it takes 2.5 us, so 1.1.
    """
    type_ = x._type
    basic = type(key) is slice or type(key) is int or is_basic(key)
    if not basic or type_.fast is None or _modes.unusual:
        return _getitem_by_op(x, key)
    if x._alias is None:
        lay_out(x)
    data = x._data[key]
    if type(data) is not np.ndarray:  # a single element: a view of it all the same
        data = x._data[(*key, ...) if type(key) is tuple else (key, ...)]
    params = {"key": key}
    storage = storage_of(x) if x._alias is None else x._alias.storage
    alias = View()
    alias.storage = storage
    alias.parent = x
    alias.function = select
    alias.params = params
    out = new()
    out._data = data
    out._type = type_
    out._alias = alias
    parent = x._node
    if parent is None:
        out._node = None
    else:
        node = Node()
        node.sequence = tick()
        node.op = TABLE[select]
        node.type = type_
        node.shape = data.shape
        node.parent1 = parent
        node.input1 = None
        node.fits = True
        node.params = params
        out._node = node
    views = storage.views
    views.append(weakref.ref(out))
    if len(views) > storage.prune_at:
        storage.prune()
    return out


def _getitem_by_op(x: Array, key: Key) -> Array:
    """`x[key]` by the ops `select` and `gather`."""
    if not is_basic(key):
        key = as_raw_key(x, key)
    _require_axes(x, key)
    return apply_one(select if is_basic(key) else gather, x, key=key)


def item_at(x: Array, /, *, key: Any) -> Array:
    """`x[key]`, spelled as the kernels spell it."""
    return getitem(x, key)


def select(x: Array, /, *, key: Any) -> Array:
    """`x[key]` for a key of ints, slices, `...` and `None`; a view."""
    return apply_one(select, x, key=key)


def gather(x: Array, /, *, key: Any) -> Array:
    """`x[key]` for a key with integer arrays or a mask; a copy. Gradients of repeats add up."""
    return apply_one(gather, x, key=as_raw_key(x, key))


def scatter(x: Array, /, *, key: Any, shape: Shape) -> Array:
    """Zeros of `shape` with `x` added at `key`, repeats accumulating: the transpose of `z[key]`."""
    return apply_one(scatter, x, key=as_raw_key(x, key), shape=shape)


def put(x: Array, value: Array, /, *, key: Any) -> Array:
    """A copy of `x` with `value` at `key`."""
    x, value = promoted("put", x, value)
    return apply(put, x, value, key=_without_arrays(x, key))


def add_at(x: Array, value: Array, /, *, key: Any) -> Array:
    """A copy of `x` with `value` added at `key`, repeats accumulating."""
    x, value = promoted("add_at", x, value)
    return apply(add_at, x, value, key=_without_arrays(x, key))


def _without_arrays(x: Array, key: Any) -> Any:
    """A key that rules and batching rules give: raw already, or with Arrays in it."""
    parts = key if isinstance(key, tuple) else (key,)
    return as_raw_key(x, key) if any(isinstance(k, Array) for k in parts) else key


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The elements of `x` at `indices` along `axis`, which may be left out for one dimension.

    Repeated indices accumulate in the gradient.

    Raises
    ------
    IndexError
        If an index is out of bounds, on every backend.
    """
    x = as_array("take", x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take() needs axis= for an array of {x.ndim} dimensions")
        axis = 0
    axis = normalized_axis("take", axis, x.ndim)
    return apply(take, x, _integer_array("take", x, indices), axis=axis)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """`x` at `indices` along `axis`, matched elsewhere: what `argsort` gives sorts.

    `indices` has the dimensions of `x`; the other axes broadcast.
    """
    x = as_array("take_along_axis", x)
    axis = normalized_axis("take_along_axis", axis, x.ndim)
    indices = _integer_array("take_along_axis", x, indices)
    if indices.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis() needs as many dimensions in indices as in x, got {indices.shape} "
            f"and {x.shape}"
        )
    return apply(take_along_axis, x, indices, axis=axis)


def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements whose indices in `axis1` and `axis2` differ by `offset`; a view.

    They are a new last axis.
    """
    axes = tuple(normalized_axis("diagonal", axis, x.ndim) for axis in (axis1, axis2))
    if axes != (x.ndim - 2, x.ndim - 1):
        x = moveaxis(x, axes, (-2, -1))
    return apply_one(diagonals, x, offset=offset)


def diagonals(x: Array, /, *, offset: int) -> Array:
    """The diagonals of matrices; a view."""
    return apply_one(diagonals, x, offset=offset)


def _integer_array(name: str, x: Array, indices: Any) -> Array:
    if not isinstance(indices, Array):
        indices = asarray(indices, device=x.device)
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"{name}() needs integer indices, got {indices.dtype}")
    return cast("Array", indices)


def _require_axes(x: Array, key: Any) -> None:
    """`IndexError` if a key names more axes than there are."""
    keys = key if isinstance(key, tuple) else (key,)
    taken = sum(_axes_taken(k) for k in keys)
    if taken > x.ndim:
        raise IndexError(f"too many indices: {taken} for an array of {x.ndim} dimensions")


def as_raw_key(x: Array, key: Any) -> Any:
    """`key` as the kernels take it: plain ints and slices, raw arrays of the device of `x`.

    Arrays are copied: a node keeps the key, and nobody would know of a later write into it.

    Raises
    ------
    IndexError
        If a part of the key is none.
    """
    if isinstance(key, tuple):
        return tuple(_as_raw_key(x, k) for k in key)
    return _as_raw_key(x, key)


def _as_raw_key(x: Array, key: Any) -> Any:
    if key is None or key is ... or type(key) is int:
        return key
    if isinstance(key, slice):
        return slice(
            *(None if k is None else operator.index(k) for k in (key.start, key.stop, key.step))
        )
    if isinstance(key, np.integer):
        return int(key)
    if isinstance(key, (bool, np.bool_)):
        return _raw_array(x, np.asarray(bool(key)))
    if isinstance(key, Array):
        if key.device is not x.device:
            raise DeviceError(
                f"an index on {key.device!r} of an array on {x.device!r}; move it with .to()"
            )
        _require_index_dtype(key.dtype)
        if key.ndim == 0 and key.dtype.kind in "iu" and _modes.tracing() is None:
            return int(key)
        key = in_mode(key)
        return key._type.xp.asarray(key._data, copy=True)
    if isinstance(key, (np.ndarray, Sequence)) and not isinstance(key, str):
        values = np.asarray(
            [k.numpy() if isinstance(k, Array) else k for k in key]
            if isinstance(key, Sequence)
            else key
        )
        if values.size == 0 and values.dtype.kind == "f":
            values = values.astype(np.int64)
        _require_index_dtype(values.dtype)
        return _raw_array(x, values)
    if hasattr(key, "dtype") and x._type.backend.is_raw(key):
        return x._type.xp.asarray(key, copy=True)
    try:
        return operator.index(key)
    except TypeError as error:
        raise IndexError(
            f"an index is made of ints, slices, '...', None, integer arrays and masks, not {key!r}"
        ) from error


def _require_index_dtype(dtype: Any) -> None:
    if dtype.kind not in "iub":
        raise IndexError(f"arrays used as indices are of integers or booleans, not {dtype}")


def _raw_array(x: Array, values: np.ndarray[Any, Any]) -> Any:
    type_ = x.device.type(values.dtype)
    return type_.xp.asarray(np.array(values), dtype=type_.raw_dtype, device=type_.device.raw)


def _axes_taken(key: Any) -> int:
    """How many axes one part of a key uses up."""
    if key is None or key is ...:
        return 0
    dtype = getattr(key, "dtype", None)
    return len(key.shape) if dtype is not None and str(dtype).endswith("bool") else 1


def region_shape(x: Array, key: Any) -> Shape:
    """The shape of `x[key]`, without reading any element."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(map(is_deferred, parts)):
        from numpygrad._lazy.deferred import aval_of
        from numpygrad._lazy.shapes import region

        found = region(x.shape, aval_of(parts, x._type))
        if found is not None:
            return found
    stand_in = np.broadcast_to(np.zeros((), dtype=bool), x.shape)
    backend = x._type.backend
    host = tuple(
        (k.type.backend if is_deferred(k) else backend).to_numpy(k) if hasattr(k, "dtype") else k
        for k in parts
    )
    shape: Shape = stand_in[host].shape
    return shape


def _take_key(axis: int, indices: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, indices)


def along_key(xp: Any, shape: Shape, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index arrays that pick what `take_along_axis` picks."""
    return tuple(
        indices
        if i == axis
        else xp.reshape(
            xp.arange(n, device=device_of(indices)), (1,) * i + (n,) + (1,) * (len(shape) - i - 1)
        )
        for i, n in enumerate(shape)
    )


def _cleared(xp: Any, g: Any, key: Any) -> Any:
    """`g` with zeros at `key`."""
    return xp.put(g, xp.zeros((), dtype=g.dtype, device=device_of(g)), key=key)


def _last_written(xp: Any, g: Any, key: Any) -> Any:
    """The cotangent of what was written at `key`: of places written to twice, to the last value."""
    picked = xp.gather(g, key=key)
    if is_basic(key):
        return picked
    order = xp.reshape(xp.arange(math.prod(picked.shape), device=device_of(picked)), picked.shape)
    nobody = xp.zeros(g.shape, dtype=order.dtype, device=device_of(picked))
    winner = xp.gather(xp.put(nobody, order, key=key), key=key)
    return xp.where(winner == order, picked, 0.0)


linear(
    select,
    lambda xp, g, x_shape, key: xp.scatter(g, key=key, shape=x_shape),
    dtype="own",
    view=True,
    masks=True,
    sparse=True,
)
linear(
    gather,
    lambda xp, g, x_shape, key: xp.scatter(g, key=key, shape=x_shape),
    dtype="own",
    masks=True,
    sparse=True,
)
linear(scatter, lambda xp, g, key: xp.gather(g, key=key), dtype="own")
linear(
    add_at,
    lambda g: g,
    lambda xp, g, key: xp.gather(g, key=key),
    dtype="own",
)
linear(
    diagonals,
    lambda xp, g, x_shape, offset: xp.scatter(
        g, key=diagonal_key(xp, x_shape, offset, device_of(g)), shape=x_shape
    ),
    dtype="own",
    view=True,
    masks=True,
)
linear(
    put,
    _cleared,
    _last_written,
    dtype="own",
    masks=True,
    overwrites=True,
)
linear(
    take,
    lambda xp, g, x_shape, indices, axis: xp.scatter(
        g, key=_take_key(axis, indices), shape=x_shape
    ),
    None,
    dtype="own",
    masks=True,
)
linear(
    take_along_axis,
    lambda xp, g, x_shape, indices, axis: xp.scatter(
        g, key=along_key(xp, x_shape, indices, axis), shape=x_shape
    ),
    None,
    dtype="own",
    masks=True,
)
