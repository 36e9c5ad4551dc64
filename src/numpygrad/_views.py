"""Writes in place, and what they mean for views and for the recorded graph.

A write is checked whole before the first element changes. Then the values go into memory (on an
immutable backend, the root's array is replaced), and if the write is recorded, the root gets the
node of the op that says how its new value came about. Other views lose what is no longer true of
them, and have it derived again when they are next used: see `refresh`.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array, Operand, wrap
from numpygrad._dispatch import (
    as_arrays,
    convert,
    in_mode,
    is_deferred,
    lifting,
    record,
    settle,
)
from numpygrad._kernels import device_of, diagonal_key, is_basic
from numpygrad._node import Node, tick
from numpygrad._op import BY_NAME, TABLE
from numpygrad._storage import (
    Detached,
    View,
    Write,
    attach_view,
    extended,
    lay_out,
    region_of,
    storage_of,
)
from numpygrad.errors import CaptureError, DerivativeError, DTypeError, ShapeError, VersionError
from numpygrad.ops.creation import asarray
from numpygrad.ops.elementwise import negative
from numpygrad.ops.indexing import add_at, as_raw_key, diagonals, put, region_shape, select
from numpygrad.ops.manipulation import broadcast_to, reshape, undo
from numpygrad.typing import Key, RawArray

VIEW_FROM_OUTSIDE = (
    "a compiled function writes to an array, or differentiates with respect to it, and is given or "
    "uses it, or a view of it that was made outside, a second time: pass the array alone, and make "
    "the view inside"
)


def detach(x: Array) -> Array:
    """The same values and memory, without history."""
    if x._alias is None:
        lay_out(x)
    data, type_ = x._data, x._type
    if _modes.tracing() is not None:
        data = lifting().lift(x)
        type_ = data.type
        if _modes.mapping() is not None:
            data = type_.xp.stop_gradient(data)
    out = wrap(data, type_)
    if type_.backend.mutable:
        # Memory is shared as it is; a reference to `x` would keep its whole history alive.
        out._alias = Detached(storage_of(x), region_of(x))
    else:
        attach_view(out, x, detach, {})
    storage_of(x).add_independent(out)
    return out


def refresh(x: Array) -> None:
    """Derive again what a write has taken from a view: its data, its node, or both."""
    alias = x._alias
    assert isinstance(alias, View)  # noqa: S101 (writes take from views alone)
    parent, function = alias.parent, alias.function
    op = TABLE.get(function)
    reference = weakref.ref(x)
    if not _has(x, "_data"):
        data = parent._data  # which may derive the parent again
        if x._type.eager is None and parent._type.eager is not None:
            raise CaptureError(VIEW_FROM_OUTSIDE)
        x._data = data
        if parent._type.eager is None:
            x._type = x._type.eager or x._type
        if op is not None:
            x._data = getattr(x._type.xp, op.name)(parent._data, **alias.params)
        elif _modes.mapping() is not None:
            x._data = x._type.xp.stop_gradient(x._data)
        alias.storage.valued = extended(alias.storage.valued, reference)
    if not _has(x, "_node"):
        _derive_node(x, parent, alias)
        alias.storage.views.append(reference)
    x.__class__ = Array


def _derive_node(x: Array, parent: Array, alias: View) -> None:
    """Give a view the node that its parent's gives it."""
    op = TABLE.get(alias.function)
    x._node = None
    if op is not None and parent._node is not None:
        record(op, x, (parent,), alias.params)


def _has(x: Array, slot: str) -> bool:
    try:
        object.__getattribute__(x, slot)
    except AttributeError:
        return False
    return True


def increment_version(x: Array) -> None:
    """Say that `x` was written to where numpygrad cannot see it, through `x.numpy()` or `x.data`.

    What backward had saved of it is then known to be overwritten, and raises instead of giving a
    wrong gradient.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0], requires_grad=True)
    >>> y = npg.sin(x).sum()
    >>> x.numpy()[0] = 5.0
    >>> npg.increment_version(x)
    >>> try:
    ...     y.backward()
    ... except npg.errors.VersionError as error:
    ...     print(str(error).partition(" (")[0])
    sin: its saved x
    """
    storage_of(x).note(Write(tick(), "increment_version", region_of(x)))


def write(x: Array, key: Key, value: Operand) -> None:
    """`x[key] = value`."""
    if _modes.capturing and (trace := _modes.tracing()) is not None:
        value = trace.operand(x, value)
    with _mode_for_writing(x, value):
        _write(x, key, value)


def _write(x: Array, key: Key, value: Operand) -> None:
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
    node = None
    if _is_recorded(x, operand):
        _require_recordable(x, "setitem")
        node = _node_of(put, x, (_snapshot(x), operand), {"key": raw_key})
    _refuse_read_only(x)
    _write_memory(x, raw_key, operand)
    _complete(x, raw_key, "setitem", stamp, node)


def update(x: Array, name: str, other: Operand) -> Array:
    """`x op= other`: the op's result, written into `x`."""
    if _modes.capturing and (trace := _modes.tracing()) is not None:
        other = trace.operand(x, other)
    with _mode_for_writing(x, other):
        return _update(x, name, other)


def _update(x: Array, name: str, other: Operand) -> Array:
    (operand,) = as_arrays(f"in-place {name}", (x, other))[1:]
    recorded = _is_recorded(x, operand)
    if recorded:
        _require_recordable(x, name)
    _refuse_read_only(x)
    stamp = tick()
    if recorded and name in _TERMS and isinstance(x._alias, View) and x._alias.function is select:
        # `y[k] += v` takes one node: that of `y`. The view gets its own when it is next used.
        parent, key = x._alias.parent, x._alias.params["key"]
        term = _TERMS[name](operand)
        node: Node | None = _node_of(add_at, parent, (_snapshot(parent), term), {"key": key})
        _write_result(x, name, operand)
        _complete(x, ..., f"i{name}", stamp, node, owner=parent)
        return x
    if _fits_kernel(x, name, operand):
        node = _updated_node(x, name, operand) if recorded else None
        _write_result(x, name, operand)
        if node is not None and node.output is not None:
            node.output = x._type.xp.asarray(x._data, copy=True)  # what may be overwritten later
        _complete(x, ..., f"i{name}", stamp, node)
        return x
    with _modes.enable_grad() if recorded else _modes.unrecorded():
        # What the op saves must stay as it is now.
        shared = operand is x or _shares(x, operand)
        result = _result(
            x, name, private(x) if recorded else x, private(operand) if shared else operand
        )
    _write_memory(x, ..., result)
    _complete(x, ..., f"i{name}", stamp, result._node if recorded else None)
    return x


def _mode_for_writing(x: Array, value: Operand) -> AbstractContextManager[None]:
    """The context in which a write is made: at once where `x` has its values, outside a program.

    So memory that others know is written when the line runs, also in lazy mode; a deferred array
    takes the write as part of its program.
    """
    if not _modes.deferring:
        return _UNCHANGED
    tracing = _modes.tracing()
    if tracing is not None:
        tracing.adopt(x, _chain(x)[-1])
        return _UNCHANGED
    is_lazy = _modes.is_lazy()
    if is_lazy and _chain(x)[-1]._type.eager is not None:
        return _UNCHANGED
    settle([x, value] if isinstance(value, Array) else [x])
    return _modes.eager() if is_lazy else _UNCHANGED


_UNCHANGED = contextlib.nullcontext()


def _result(x: Array, name: str, old: Array, operand: Array) -> Array:
    """The value that `x op= operand` writes into `x`."""
    result = BY_NAME[name].function(old, operand)
    if result.shape != x.shape:
        raise ShapeError(
            f"in-place {name} of shape {x.shape} with {operand.shape} would give {result.shape}, "
            "and a write cannot change the shape; write the result to a new name"
        )
    return _fitted(f"in-place {name}", x, result)


def _write_result(x: Array, name: str, operand: Array) -> None:
    """Compute `x op= operand` and write it, unrecorded: in the memory of `x` where NumPy can."""
    if _fits_kernel(x, name, operand):
        kernel = x._type.fast[name]  # type: ignore[index]  # it fits
        keep_outputs(x)
        protect_readers(x)
        kernel(x.data, operand._data, x.data)
        return
    with _modes.unrecorded():
        _write_memory(x, ..., _result(x, name, x, operand))


def _fits_kernel(x: Array, name: str, operand: Array) -> bool:
    """Whether NumPy can compute `x op= operand` in the memory of `x`, without a temporary."""
    type_ = x._type
    return (
        type_.fast is not None
        and name in type_.fast
        and operand._type is type_
        and operand.shape in ((), x.shape)
    )


def _updated_node(x: Array, name: str, operand: Array) -> Node:
    """The node of an in-place arithmetic op; of what will be overwritten, its rules get copies."""
    op = BY_NAME[name]
    plan = op.plan((x._node is not None, operand._node is not None))
    old = private(x) if plan.inputs[0] else _snapshot(x)
    if plan.inputs[1] and (operand is x or _shares(x, operand)):
        operand = private(operand)
    return _node_of(op.function, x, (old, operand), {})


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
    chain = _chain(x)
    detached = [i for i, a in enumerate(chain) if _is_detached(a)]
    own = chain[: detached[0] + 1] if detached else chain  # what is beyond is another history
    return any(a._node is not None for a in own) and not any(map(_is_leaf, own))


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
    return isinstance(x._alias, Detached)


def _shares(x: Array, operand: Array) -> bool:
    """Whether `operand` is an alias of what `x` is an alias of."""
    alias = operand._alias
    return alias is not None and x._alias is not None and alias.storage is x._alias.storage


def _snapshot(x: Array) -> Array:
    """The array as it stands in the graph now: an operand of the op that replaces its value."""
    out = wrap(x._data, x._type)
    out._node = x._node
    return out


def private(x: Array) -> Array:
    """A snapshot in memory of its own, for an op to save."""
    out = _snapshot(in_mode(x))
    if out._type.backend.mutable:
        out._data = x._type.xp.asarray(x._data, copy=True)
    return out


def _require_recordable(x: Array, name: str) -> None:
    """Refuse a write that cannot be part of the graph, before anything changes."""
    chain = _chain(x)
    aliases = [*chain, *storage_of(x).live_aliases()]
    if any(map(_is_detached, aliases)):
        raise DerivativeError(
            f"in-place {name} under recording into an array with a detached alias is not "
            "supported; write under no_grad(), or into a copy"
        )
    if any(map(_is_leaf, aliases)):
        raise VersionError(
            f"in-place {name} of a tracked value into a leaf that requires grad: the leaf's own "
            "value would be lost. Write into a copy, as in x = x + 0, or under no_grad()"
        )
    _refuse_read_only(x)
    for view, parent in zip(chain[-2::-1], chain[:0:-1], strict=True):
        if view._node is None and isinstance(view._alias, View):  # it was made under no_grad()
            _derive_node(view, parent, view._alias)


def _refuse_read_only(x: Array) -> None:
    if any(isinstance(a._alias, View) and a._alias.function is broadcast_to for a in _chain(x)):
        raise ValueError("the array is a read-only view made by broadcast_to(); copy it to write")


def _node_of(function: Any, x: Array, operands: tuple[Array, ...], params: dict[str, Any]) -> Node:
    """The node of an op whose result will be the value of `x`, without computing it."""
    out = wrap(x._data, x._type)
    record(TABLE[function], out, operands, params)
    assert out._node is not None  # noqa: S101 (one of the operands is tracked)
    return out._node


def _write_memory(x: Array, key: Any, value: Array) -> None:
    """Write values where they belong; what they are a part of follows, on an immutable backend."""
    backend, data = x._type.backend, value._data
    keep_outputs(x)
    if x._type.eager is not None:
        data = in_mode(value)._data
    if backend.mutable:
        protect_readers(x)
        if value._alias is not None and value._alias.storage is storage_of(x):
            data = x._type.xp.asarray(data, copy=True)  # an overlap is read before it is written
        x._data = backend.assign(x._data, key, data)
        return
    whole = key is ... and data.shape == x.shape
    x._data = data if whole else backend.assign(x._data, key, data)
    while isinstance(x._alias, View):
        view, parent = x._alias, x._alias.parent
        if view.function is detach:
            parent._data = x._data
        elif view.function in _PARTS:
            parent._data = backend.assign(parent._data, _key_of(view, parent), x._data)
        else:
            with _modes.unrecorded():
                value = undo(view.function, wrap(x._data, x._type), parent.shape, view.params)
            parent._data = value._data
        x = parent


def overwrite(x: Array, data: RawArray | None, write: Write) -> None:
    """Give an array other values, or say that it has them already: a write, unrecorded."""
    storage = storage_of(x)
    if data is None and not storage.valued and not _modes.unusual:
        storage.note(write)  # the short way, for each parameter at each step
        return
    if data is not None:
        protect_readers(x)
        backend = x._type.backend
        x._data = backend.assign(x._data, ..., data) if backend.mutable else data
    _complete(x, ..., write.name, write.stamp, None)


def keep_outputs(x: Array) -> None:
    """Let the op that gave `x` its value keep what it saved of it, before a write changes it.

    Array code is written so: `scale = sqrt(v); scale[scale == 0] = 1`. The copy is made by the
    first write alone, as then the array has the node of the write.
    """
    tracing = _modes.tracing()
    for alias in storage_of(x).live_aliases():
        node = alias._node
        if node is None or node.op is None:
            continue
        if tracing is not None and tracing.is_outside(node):
            continue  # what is captured runs again, and writes to the memory again
        if node.op.is_part:
            joint, index = node.parent1, node.params["position"]
            if joint.output is not None and any(i == index for i, _ in joint.alias):
                kept = _kept(joint.output[index], x)
                joint.output = tuple(kept if i == index else y for i, y in enumerate(joint.output))
                joint.alias = tuple(pair for pair in joint.alias if pair[0] != index)
        elif getattr(node, "output", None) is not None and node.alias is not None:
            node.output = _kept(node.output, x)
            node.alias = None


def _kept(output: RawArray, x: Array) -> RawArray:
    """A saved output that a write to `x` leaves as it is."""
    type_ = x._type
    if type_.eager is not None or not type_.backend.mutable or output is None:
        return output
    if is_deferred(output):
        if output.value is not None:
            output.value = type_.xp.asarray(output.value, copy=True)
        return output
    return type_.xp.asarray(output, copy=True)


def protect_readers(x: Array) -> None:
    """Let programs that have yet to run keep what they are going to read of this memory."""
    if x._alias is not None and x._alias.storage.readers:
        lifting().protect(x._alias.storage)


def _complete(
    x: Array, key: Any, name: str, stamp: int, node: Node | None, owner: Array | None = None
) -> None:
    """Note a write to `x` in its storage, and outdate what it was not written through.

    `node` is what gives its new value to `x`, or to the `owner` that `x` is a view of.
    """
    storage = storage_of(x)
    owner = x if owner is None else owner
    if node is not None:
        _record_outwards(owner, node)
    if storage.valued:
        storage.outdate_data(_chain(x))
    if node is not None:
        storage.outdate_nodes(_chain(owner))
    region = None
    if key is ...:
        region = region_of(x)
    elif is_basic(key):
        region = region_of(x, ("select", {"key": key}))
    storage.note(Write(stamp, name, region))
    for watcher in _modes.watching() if _modes.unusual else ():
        watcher.written(stamp, storage)


def _record_outwards(x: Array, node: Node) -> None:
    """Give `x` its new node, and then each array it is a view of, out to the root."""
    x._node = node
    while isinstance(x._alias, View):
        view, parent = x._alias, x._alias.parent
        if view.function in _PARTS:
            operands = (_snapshot(parent), _snapshot(x))
            parent._node = _node_of(put, parent, operands, {"key": _key_of(view, parent)})
        else:
            with _modes.enable_grad():
                whole = undo(view.function, _snapshot(x), parent.shape, view.params)
            parent._node = whole._node
        x = parent


def _key_of(view: View, parent: Array) -> Any:
    """The key in `parent` of what a view of a part of it shows."""
    if view.function is select:
        return view.params["key"]
    xp = parent._type.xp
    return diagonal_key(xp, parent.shape, view.params["offset"], device_of(parent._data))


_PARTS = (select, diagonals)
"""Views that do not show all elements."""

_TERMS: dict[str, Callable[[Array], Array]] = {"add": lambda x: x, "subtract": negative}
"""In-place operators that add a term, and the term."""
