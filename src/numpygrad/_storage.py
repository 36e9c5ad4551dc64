"""What an array and its views share: when they were written, and by which op."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from numpygrad.errors import VersionError

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._node import Node


class Storage:
    """One memory region: the clock of its last write, its version, log of writes and live views."""

    __slots__ = ("log", "prune_at", "root", "version", "views", "written")

    LOG_LENGTH = 1000

    def __init__(self, root: Array) -> None:
        self.written = 0
        self.version = 0
        self.log: list[tuple[int, str]] = []
        self.root = weakref.ref(root)
        self.views: list[weakref.ref[Array]] = []
        self.prune_at = 64

    @property
    def storage(self) -> Storage:
        """Itself: an `Alias` is a storage or a view of one."""
        return self

    def add_view(self, view: Array) -> None:
        """Remember an array that shares the memory, in order of creation."""
        self.views.append(weakref.ref(view))
        if len(self.views) > self.prune_at:
            self.prune()

    def prune(self) -> None:
        """Forget views that are gone; so often that it costs a constant for each view made."""
        self.views = [ref for ref in self.views if ref() is not None]
        self.prune_at = 2 * len(self.views) + 64

    def live_views(self) -> list[Array]:
        """The views that still exist, each after the view it was taken from."""
        return [view for ref in self.views if (view := ref()) is not None]

    def log_write(self, op_name: str, stamp: int) -> None:
        """Note a completed write that began when the clock stood at `stamp`.

        Values saved before are stale; those of the write's own node, made after it, are not.
        """
        self.written = stamp
        self.version += 1
        self.log.append((self.written, op_name))
        del self.log[: -self.LOG_LENGTH]

    def version_at(self, sequence: int) -> int:
        """The version the storage had when the clock stood at `sequence`."""
        return self.version - sum(1 for written, _ in self.log if written > sequence)

    def first_write_after(self, sequence: int) -> str:
        """The name of the op that wrote first after `sequence`."""
        return next((name for written, name in self.log if written > sequence), "a write")


class View:
    """How a view is derived: `function(parent, **params)`, and the storage it shares."""

    __slots__ = ("function", "params", "parent", "storage")

    storage: Storage
    parent: Array
    function: Callable[..., Array]
    params: dict[str, Any]


Alias: TypeAlias = "Storage | View"


def storage_of(x: Array) -> Storage:
    """The storage of `x`, made on demand: an array never viewed nor written has none."""
    if x._alias is None:
        x._alias = Storage(x)
        # A node that saved its output learns here where to look whether it was overwritten.
        if x._node is not None:
            x._node.watch(x._alias.storage)
    return x._alias.storage


def attach_view(
    view: Array, parent: Array, function: Callable[..., Array], params: dict[str, Any]
) -> None:
    """Make `view` share the storage of `parent`."""
    alias = View()
    alias.storage = storage = storage_of(parent)
    alias.parent = parent
    alias.function = function
    alias.params = params
    view._alias = alias
    if view._node is not None:
        view._node.alias = storage
    storage.add_view(view)


def is_contiguous(x: Array) -> bool:
    """Whether the elements lie in row-major order: of a view, by the strides it would have.

    So `reshape` gives a view or a copy on every backend alike, whether views are memory or not.
    """
    chain = []
    while isinstance(x._alias, View):
        chain.append(x._alias)
        x = x._alias.parent
    if not chain:
        return True
    # An array of the root's shape and strides with no memory behind it: only these are asked for.
    strides = [math.prod(x.shape[i + 1 :]) for i in range(x.ndim)]
    layout = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), x.shape, strides)
    for view in reversed(chain):
        layout = LAYOUTS.get(view.function.__name__, _same)(layout, **view.params)
    return bool(layout.flags.c_contiguous)


def _same(layout: Layout) -> Layout:
    return layout


Layout: TypeAlias = "np.ndarray[Any, Any]"

LAYOUTS: dict[str, Callable[..., Layout]] = {
    "broadcast_to": np.broadcast_to,
    "expand_dims": np.expand_dims,
    "flip": np.flip,
    "permute_dims": np.transpose,
    "reshape": lambda layout, shape, copy: layout.reshape(shape),
    "select": lambda layout, key: layout[key],
    "squeeze": np.squeeze,
}
"""What each view does to strides."""


def check_not_stale(node: Node, name: str, storage: Storage, shape: tuple[int, ...]) -> None:
    """Raise if the value that `node` saved was overwritten after it was saved."""
    if storage.written <= node.sequence:
        return
    op = node.op.name if node.op else "backward"
    raise VersionError(
        f"{op}: its saved {name} (shape {shape}) was mutated by an in-place operation "
        f"({storage.first_write_after(node.sequence)}): saved at version "
        f"{storage.version_at(node.sequence)}, now at version {storage.version}. "
        "Copy the array before writing to it, or write after backward."
    )
