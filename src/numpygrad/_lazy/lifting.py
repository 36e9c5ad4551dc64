"""Between eager arrays and deferred ones: lifted, to be recorded; settled, once values are there.

On a backend whose memory can be written, a deferred array may read memory that is about to change.
The storage knows who reads it, and a write first gives them a copy.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from numpygrad import _modes
from numpygrad._lazy.deferred import Deferred, constant, deferred_type
from numpygrad._lazy.realize import compute, values_of
from numpygrad._op import TABLE
from numpygrad._storage import NOTHING, Storage, View, extended, lay_out, storage_of

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._node import Node


def lift(x: Array) -> Deferred:
    """What stands for an array in a program: its own deferred value, or a constant."""
    tracing = _modes.tracing()
    if tracing is not None:
        return tracing.captured(x)  # type: ignore[no-any-return]  # by contract
    data = x._data  # first: an outdated view learns here whether it is deferred
    if x._type.eager is not None:
        return data  # type: ignore[no-any-return]  # it is, as its type is
    type_ = deferred_type(x._type)
    if not x._type.backend.mutable:
        return constant(x._data, type_)
    if x._alias is None:
        lay_out(x)
    storage = storage_of(x)
    for ref in storage.readers:
        known = ref()
        if known is not None and known.value is x._data:
            return known
    made = constant(x._data, type_)
    reading = [ref for ref in storage.readers if ref() is not None]
    storage.readers = [*reading, weakref.ref(made)]
    return made


def lift_saved(node: Node, x: Array) -> Deferred:
    """What stands for an operand that a node saved."""
    if (tracing := _modes.tracing()) is not None:
        tracing.require_own(node)
    return lift(x)


def lift_output(node: Node, data: Any) -> Deferred:
    """What stands for an output that a node saved; of an eager one, for a copy of it."""
    tracing = _modes.tracing()
    if tracing is not None and tracing.is_outside(node):
        return tracing.saved_outside(node, data)  # type: ignore[no-any-return]  # by contract
    if type(data) is Deferred:
        return data
    type_ = node.type.of(data)
    return constant(type_.xp.asarray(data, copy=True), deferred_type(type_))


def refuse_saved_outside(root: Node, targets: Collection[Node] | None) -> None:
    """Raise if a recorded sweep from `root`, in a function being captured, reads what was saved."""
    floor = min((target.sequence for target in targets), default=0) if targets else 0
    seen: set[Node] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if node in seen or node.sequence < floor:
            continue
        seen.add(node)
        saved = [*node.inputs, getattr(node, "output", None)]
        if any(x is not None for x in saved) and (tracing := _modes.tracing()) is not None:
            tracing.require_own(node)
        todo += [parent for parent in node.parents if parent is not None]


def protect(storage: Storage) -> None:
    """Give those who have yet to read the memory of a storage a copy, before it is written."""
    for ref in storage.readers:
        reader = ref()
        if reader is not None:
            reader.value = reader.type.device.backend.xp.asarray(reader.value, copy=True)
    storage.readers = NOTHING


def settle(*arrays: Array) -> None:
    """Make deferred arrays eager ones, computed by one program.

    Views get the memory of what they are views of.
    """
    pending = [x for x in arrays if x._type.eager is not None]
    if not pending:
        return
    roots = [_root(x) for x in pending]
    values_of([x._data for x in roots if x._type.eager is not None], why="the values of an array")
    for x in pending:
        _settle(x)


def _root(x: Array) -> Array:
    while isinstance(x._alias, View):
        x = x._alias.parent
    return x


def _settle(x: Array) -> None:
    x._data  # noqa: B018 (a view that is outdated is derived again, deferred or not)
    type_ = x._type.eager
    if type_ is None:
        return
    alias = x._alias
    if isinstance(alias, View):
        parent = alias.parent
        _settle(parent)
        op = TABLE.get(alias.function)
        data = parent._data
        if op is not None:
            data = getattr(type_.xp, op.name)(data, **alias.params)
        x._data = data
    else:
        deferred = x._data
        data = _taken(deferred, type_)
        x._data = np.asarray(data) if isinstance(data, np.generic) else data
        if type_.backend.mutable and sys.getrefcount(deferred) > _ALONE:
            storage = storage_of(x)
            storage.readers = extended(storage.readers, weakref.ref(deferred))
    x._type = type_
    if x._node is not None and x._node.op is None:
        x._node.type = type_


_ALONE = 2
"""References to an object that only a local variable and a call hold."""


def _taken(deferred: Deferred, type_: Any) -> Any:
    """The value of a deferred array, in memory that belongs to no other Array."""
    compute([deferred])
    if not deferred.taken:
        deferred.taken = True
        return deferred.value
    return type_.xp.asarray(deferred.value, copy=True) if type_.backend.mutable else deferred.value


def settled_key(key: Any) -> Any:
    """A key that a node kept, its deferred arrays computed."""
    if type(key) is tuple:
        return tuple(map(settled_key, key))
    return values_of([key], why="a key")[0] if type(key) is Deferred else key


def any_deferred(arrays: Iterable[Array]) -> bool:
    """Whether one of the arrays has yet to be computed."""
    return any(x._type.eager is not None for x in arrays)
