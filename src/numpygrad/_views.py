"""Writes in place, and what they mean for views and for the recorded graph.

A write is checked whole before the first element changes. What nobody records is written into
memory (on an immutable backend, the root's array is replaced and its live views are derived again).
What is recorded is computed as an op of new memory, and root and views are pointed at it, so that
no value saved earlier changes under a node.
"""

from __future__ import annotations

import contextlib
from typing import Any, cast

from numpygrad import _modes
from numpygrad._array import Array, Operand, wrap
from numpygrad._dispatch import apply, as_arrays, convert
from numpygrad._kernels import is_basic
from numpygrad._node import tick
from numpygrad._op import BY_NAME
from numpygrad._storage import View, attach_view, storage_of
from numpygrad.errors import DerivativeError, DTypeError, ShapeError, VersionError
from numpygrad.ops.creation import asarray
from numpygrad.ops.indexing import as_raw_key, put, region_shape, select
from numpygrad.ops.manipulation import broadcast_to, reshape, undo
from numpygrad.typing import Key


def detach(x: Array) -> Array:
    """The same values and memory, without history."""
    x._data = x.data  # a 0-d result of NumPy is given memory to be shared
    out = wrap(x._data, x._type)
    if x._type.backend.mutable:
        # Memory is shared as it is; a reference to `x` would keep its whole history alive.
        out._alias = storage_of(x)
        storage_of(x).add_view(out)
    else:
        attach_view(out, x, detach, {})
    return out


def write(x: Array, key: Key, value: Operand) -> None:
    """`x[key] = value`."""
    if isinstance(value, Array) and _is_own_view(x, key, value):
        return  # `x[key] += v`: the view was written to, and comes back
    if not isinstance(value, (Array, bool, int, float, complex)):
        value = asarray(value, device=x.device)
    (operand,) = as_arrays("setitem", (x, value))[1:]
    operand = _fitted("setitem", x, operand)
    raw_key = as_raw_key(x, key)
    region = region_shape(x, raw_key)
    _require_broadcast("setitem", operand, region)
    if operand.ndim > len(region):  # leading axes of length 1, which JAX refuses
        operand = reshape(operand, operand.shape[operand.ndim - len(region) :])
    stamp = tick()
    if not _is_recorded(x, operand):
        _write_memory(x, raw_key, operand, "setitem", stamp)
        return
    _require_recordable(x, "setitem")
    result = apply(put, _snapshot(x), operand, key=raw_key)
    _record_write(x, result, "setitem", stamp)


def update(x: Array, name: str, other: Operand) -> Array:
    """`x op= other`: the op's result, written into `x`."""
    (operand,) = as_arrays(f"in-place {name}", (x, other))[1:]
    recorded = _is_recorded(x, operand)
    if not recorded and _write_directly(x, name, operand):
        return x
    if recorded:
        _require_recordable(x, name)
    stamp = tick()
    with contextlib.nullcontext() if recorded else _modes.no_grad():
        # What shares the memory that is written to may be saved only as it is now.
        other_alias, shared = operand._alias, operand is x
        if other_alias is not None and other_alias.storage is storage_of(x):
            shared = True
        result = BY_NAME[name].function(_snapshot(x), _snapshot(operand) if shared else operand)
        result = _fitted(f"in-place {name}", x, result)
    if x._node is not None and x._alias is not None:
        x._node.watch(x._alias.storage)  # a view taken of the snapshot made it look elsewhere
    if result.shape != x.shape:
        raise ShapeError(
            f"in-place {name} of shape {x.shape} with {operand.shape} would give {result.shape}, "
            "and a write cannot change the shape; write the result to a new name"
        )
    if recorded:
        _record_write(x, result, f"i{name}", stamp)
    else:
        _write_memory(x, ..., result, f"i{name}", stamp)
    return x


def _write_directly(x: Array, name: str, operand: Array) -> bool:
    """Let NumPy write an optimiser's step into memory itself; whether it could."""
    type_ = x._type
    kernel = type_.fast.get(name) if type_.fast is not None else None
    if kernel is None or operand._type is not type_ or operand.shape not in ((), x.shape):
        return False
    _refuse_read_only(x)
    stamp = tick()
    kernel(x.data, operand._data, x.data)
    storage_of(x).log_write(f"i{name}", stamp)
    return True


def _is_own_view(x: Array, key: Key, value: Array) -> bool:
    """Whether `value` is the view that `x[key]` gave: `x[key] += v` ends with `x[key] = view`."""
    alias = value._alias
    if not isinstance(alias, View) or alias.parent is not x:
        return False
    key = as_raw_key(x, key)
    return alias.function is select and is_basic(key) and bool(alias.params["key"] == key)


def _fitted(name: str, x: Array, value: Array) -> Array:
    """`value` in the dtype of `x`, if the standard lets it be written there."""
    if value.dtype == x.dtype:
        return value
    order = "biufc"
    kinds = (value.dtype.kind.replace("u", "i"), x.dtype.kind.replace("u", "i"))
    if order.index(kinds[0]) > order.index(kinds[1]):
        raise DTypeError(
            f"{name} of {value.dtype} values into an array of {x.dtype}: a write cannot change the "
            f"dtype; convert the values with .astype({str(x.dtype)!r}) or the array first"
        )
    return convert(value, x.dtype)


def _require_broadcast(name: str, value: Array, region: tuple[int, ...]) -> None:
    extra = len(value.shape) - len(region)
    fits = all(n == 1 for n in value.shape[: max(extra, 0)]) and all(
        n in (1, m) for n, m in zip(value.shape[::-1], region[::-1], strict=False)
    )
    if not fits:
        raise ShapeError(f"{name} of values of shape {value.shape} into a region of shape {region}")


def _is_recorded(x: Array, value: Array) -> bool:
    """Whether a write is part of the graph: something is tracked, and no optimiser's step."""
    if not _modes.is_grad_enabled():
        return False
    if value._node is not None:
        return True
    return x._node is not None and not any(map(_is_leaf, _chain(x)))


def _chain(x: Array) -> list[Array]:
    """`x`, what it is a view of, and so on to the root."""
    chain = [x]
    while isinstance(chain[-1]._alias, View):
        chain.append(chain[-1]._alias.parent)
    return chain


def _is_leaf(x: Array) -> bool:
    return x._node is not None and x._node.op is None


def _is_detached(x: Array) -> bool:
    """Whether `x` is the detached alias of another array."""
    if isinstance(x._alias, View):
        return x._alias.function is detach
    return x._alias is not None and x._alias.storage.root() is not x


def _snapshot(x: Array) -> Array:
    """The value as it is now: what an op that replaces it may save."""
    out = wrap(x._data, x._type)
    out._node = x._node
    return out


def _write_memory(x: Array, key: Any, value: Array, name: str, stamp: int) -> None:
    """Write unrecorded values where they belong, for every alias to see."""
    _refuse_read_only(x)
    storage = storage_of(x)
    backend = x._type.backend
    data = value._data
    if backend.mutable:
        if value._alias is not None and value._alias.storage is storage:
            data = x._type.xp.asarray(data, copy=True)  # an overlap is read before it is written
        x._data = backend.assign(x._data, key, data)
    else:
        with _modes.no_grad():
            _replace(x, wrap(backend.assign(x._data, key, data), x._type), keep_nodes=True)
    storage.log_write(name, stamp)


def _require_recordable(x: Array, name: str) -> None:
    """Refuse a write that cannot be part of the graph, before anything changes."""
    aliases = [*_chain(x), *storage_of(x).live_views()]
    if any(map(_is_leaf, aliases)):
        raise VersionError(
            f"in-place {name} of a tracked value into a leaf that requires grad: the leaf's own "
            "value would be lost. Write into a copy, as in x = x + 0, or under no_grad()"
        )
    _refuse_read_only(x)
    if any(map(_is_detached, aliases)):
        raise DerivativeError(
            f"in-place {name} under recording into an array with a detached alias is not "
            "supported; write under no_grad(), or into a copy"
        )


def _record_write(x: Array, result: Array, name: str, stamp: int) -> None:
    """Make a write part of the graph: the root gets a new value and node, its views follow."""
    _replace(x, result, keep_nodes=False)
    storage_of(x).log_write(name, stamp)


def _refuse_read_only(x: Array) -> None:
    if any(isinstance(a._alias, View) and a._alias.function is broadcast_to for a in _chain(x)):
        raise ValueError("the array is a read-only view made by broadcast_to(); copy it to write")


def _replace(x: Array, value: Array, *, keep_nodes: bool) -> None:
    """Give `x` a new value; the arrays it is a view of follow outwards, then all views inwards."""
    storage = storage_of(x)
    root = x
    while isinstance(root._alias, View):
        value = _outward(root._alias, value)
        root = root._alias.parent
    _become(root, value, keep_nodes)
    for view_array in storage.live_views():
        alias = cast("View", view_array._alias)
        parent = _snapshot(alias.parent)
        parent._alias = alias.parent._alias  # so that its node goes on looking at this storage
        derived = alias.function(parent, **alias.params)
        _become(view_array, derived, keep_nodes)


def _outward(view: View, value: Array) -> Array:
    """The parent's value once its view has a new one."""
    parent = _snapshot(view.parent)
    if view.function is detach:
        return value
    if view.function is select:
        return apply(put, parent, value, key=view.params["key"])
    return undo(view.function, value, parent.shape, view.params)


def _become(x: Array, value: Array, keep_nodes: bool) -> None:
    x._data = value._data
    if keep_nodes:
        return
    x._node = value._node
    if x._node is not None and x._alias is not None:
        x._node.alias = x._alias.storage
