"""What an array and its views share: when they were written, where, and by which op."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from numpygrad._kernels import with_ellipsis
from numpygrad.errors import VersionError

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._lazy.deferred import Deferred
    from numpygrad._node import Node


class Region(NamedTuple):
    """A part of a storage: the shape of the whole, and the views that lead to the part."""

    shape: tuple[int, ...]
    views: tuple[tuple[str, dict[str, Any]], ...]

    def layout(self) -> Layout:
        """An array that lies where the part would, with no memory behind it."""
        steps = [math.prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        layout = np.lib.stride_tricks.as_strided(_NOWHERE, self.shape, steps)
        for name, params in self.views:
            layout = LAYOUTS.get(name, _same)(layout, **params)
        return layout

    def overlaps(self, other: Region) -> bool:
        """Whether an element may belong to both; yes, if it takes long to tell."""
        if 0 in self.shape or 0 in other.shape:
            return False
        if not self.views or not other.views:
            return True
        try:
            return np.shares_memory(self.layout(), other.layout(), max_work=_WORK)  # type: ignore[arg-type]  # any number, says NumPy
        except np.exceptions.TooHardError:
            return True


_NOWHERE = np.empty(1, np.int8)
_WORK = 10_000


class Write(NamedTuple):
    """A completed write."""

    stamp: int
    """What the clock said when it began."""
    name: str
    region: Region | None
    """What was written; `None` if that is not known, and may be anything."""


T = TypeVar("T")

NOTHING: Any = ()
"""Stands for an empty list that nobody adds to."""


def extended(known: list[T], item: T) -> list[T]:
    """The list with one more item: a new one if it was `NOTHING`."""
    if not known:
        return [item]
    known.append(item)
    return known


class Storage:
    """One memory region: the clock of its last write, its version, log of writes and live aliases.

    `views` are those whose node is up to date and `valued`, on an immutable backend, those whose
    data is; a write takes from the others what is no longer true, and it is derived again when that
    is asked for. So a write costs nothing for views that nobody looks at. `independent` are aliases
    with a history of their own: detached ones, and leaves. `readers` are what will read the memory
    when a recorded program runs.
    """

    __slots__ = (
        "forgotten",
        "independent",
        "log",
        "prune_at",
        "readers",
        "root",
        "valued",
        "version",
        "views",
        "written",
    )

    LOG_LENGTH = 1000

    def __init__(self, root: Array) -> None:
        self.written = 0
        self.forgotten = 0
        self.version = 0
        self.root = weakref.ref(root)
        self.views: list[weakref.ref[Array]] = []
        # The others only once there is something in them: each is one more to make and to collect.
        self.log: list[Write] = NOTHING
        self.valued: list[weakref.ref[Array]] = NOTHING
        self.independent: list[weakref.ref[Array]] = NOTHING
        self.readers: list[weakref.ref[Deferred]] = NOTHING
        self.prune_at = 64

    @property
    def storage(self) -> Storage:
        """Itself: an `Alias` is a storage or a view of one."""
        return self

    def add_view(self, view: Array) -> None:
        """Remember a view that is up to date."""
        reference = weakref.ref(view)
        self.views.append(reference)
        if not view._type.backend.mutable:
            self.valued = extended(self.valued, reference)
        if len(self.views) > self.prune_at:
            self.prune()

    def prune(self) -> None:
        """Forget aliases that are gone; so often that it costs a constant for each one made."""
        self.views = [ref for ref in self.views if ref() is not None]
        self.valued = [ref for ref in self.valued if ref() is not None]
        self.independent = [ref for ref in self.independent if ref() is not None]
        self.prune_at = 2 * max(len(self.views), len(self.independent)) + 64

    def add_independent(self, alias: Array) -> None:
        """Remember an alias with a history of its own."""
        self.independent = extended(self.independent, weakref.ref(alias))
        if len(self.independent) > self.prune_at:
            self.prune()

    def live_aliases(self) -> list[Array]:
        """The root, and the aliases with a history of their own."""
        return [x for ref in (self.root, *self.independent) if (x := ref()) is not None]

    def outdate_data(self, kept: list[Array]) -> None:
        """Take the data of all views but those `kept`."""
        self.valued = _outdated(self.valued, "_data", kept)

    def outdate_nodes(self, kept: list[Array]) -> None:
        """Take the nodes of all views but those `kept`."""
        self.views = _outdated(self.views, "_node", kept)

    def note(self, write: Write) -> None:
        """Log a completed write.

        Values saved before it began are stale; those of its own node, made after that, are not.
        """
        self.written = write.stamp
        self.version += 1
        self.log = extended(self.log, write)
        if len(self.log) > self.LOG_LENGTH:
            half = self.LOG_LENGTH // 2
            self.forgotten = self.log[half - 1].stamp
            del self.log[:half]

    def version_at(self, sequence: int) -> int:
        """The version the storage had when the clock stood at `sequence`, as far as is known."""
        return self.version - sum(1 for write in self.log if write.stamp > sequence)

    def write_since(self, sequence: int, region: Region | None) -> Write | None:
        """The first write into a region after `sequence`, if there was any."""
        if self.forgotten > sequence:
            return Write(self.forgotten, "a write", None)
        for write in self.log:
            if write.stamp > sequence and (
                region is None or write.region is None or region.overlaps(write.region)
            ):
                return write
        return None


def _outdated(
    known: list[weakref.ref[Array]], slot: str, kept: list[Array]
) -> list[weakref.ref[Array]]:
    """Take what is in a slot of all known views but those `kept`; the references to these."""
    still = []
    for ref in known:
        view = ref()
        if view is not None and any(view is x for x in kept):
            still.append(ref)
        elif view is not None:
            delattr(view, slot)
            view.__class__ = view._outdated
    return still


class View:
    """How a view is derived: `function(parent, **params)`, and the storage it shares."""

    __slots__ = ("function", "params", "parent", "storage")

    storage: Storage
    parent: Array
    function: Callable[..., Array]
    params: dict[str, Any]


class Detached(NamedTuple):
    """How an array without history shares memory: the storage, and what of it."""

    storage: Storage
    region: Region | None


Alias: TypeAlias = "Storage | View | Detached"


def lay_out(x: Array) -> None:
    """Give `x` memory of its own in row-major order, before the first view is taken of it.

    NumPy's 0-d results are scalars, and the result of an op on `x.T` is in the order of `x.T`,
    which no other backend knows of.
    """
    if x._type.eager is not None:
        return
    x._data = x._type.xp.contiguous(
        np.asarray(x._data) if isinstance(x._data, np.generic) else x._data
    )


def storage_of(x: Array) -> Storage:
    """The storage of `x`, made on demand: an array never viewed nor written has none."""
    if x._alias is None:
        x._alias = Storage(x)
        # A node that saved its output learns here where to look whether it was overwritten: in the
        # storage of the array itself, which is the first, not in that of a snapshot of it.
        if x._node is not None and getattr(x._node, "alias", None) is None:
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
    storage.add_view(view)


def region_of(x: Array, *more: tuple[str, dict[str, Any]]) -> Region | None:
    """What an array, or a further view of it, covers of its storage; `None` if not known."""
    views = list(more)
    while isinstance(x._alias, View):
        views.insert(0, (x._alias.function.__name__, x._alias.params))
        x = x._alias.parent
    if not isinstance(x._alias, Detached):
        return Region(x.shape, tuple(views))
    whole = x._alias.region
    return None if whole is None else Region(whole.shape, (*whole.views, *views))


def reshapes_in_place(x: Array, shape: tuple[int, ...]) -> bool:
    """Whether the elements can take a shape where they lie: of a view, by its would-be strides.

    So `reshape` gives a view or a copy on every backend alike, whether views are memory or not, and
    a view wherever NumPy gives one.
    """
    if not isinstance(x._alias, (View, Detached)):
        return True
    region = region_of(x)
    if region is None:
        return True
    layout = region.layout()
    if layout.flags.c_contiguous:
        return True
    try:
        np.reshape(layout, shape, copy=False)
    except ValueError:
        return False
    return True


def _same(layout: Layout) -> Layout:
    return layout


Layout: TypeAlias = "np.ndarray[Any, Any]"

LAYOUTS: dict[str, Callable[..., Layout]] = {
    "broadcast_to": np.broadcast_to,
    "diagonals": lambda layout, offset: np.diagonal(layout, offset, -2, -1),
    "expand_dims": np.expand_dims,
    "flip": np.flip,
    "permute_dims": np.transpose,
    "reshape": lambda layout, shape, copy: layout.reshape(shape),
    "select": lambda layout, key: layout[with_ellipsis(key)],
    "squeeze": np.squeeze,
}
"""What each view does to strides."""


def check_not_stale(node: Node, name: str, x: Array) -> None:
    """Raise if an operand that `node` saved was overwritten after it was saved."""
    storage = x._alias.storage  # type: ignore[union-attr]  # callers have looked
    if storage.written > node.sequence:
        _require_untouched(node, name, storage, region_of(x), x.shape)


def check_output(node: Node, name: str, storage: Storage, shape: tuple[int, ...]) -> None:
    """Raise if an output that `node` saved was overwritten after it was saved."""
    if storage.written > node.sequence:
        _require_untouched(node, name, storage, None, shape)


def _require_untouched(
    node: Node, name: str, storage: Storage, region: Region | None, shape: tuple[int, ...]
) -> None:
    write = storage.write_since(node.sequence, region)
    if write is None:
        return
    op = node.op.name if node.op else "backward"
    error = VersionError(
        f"{op}: its saved {name} (shape {shape}) was mutated by an in-place operation "
        f"({write.name}): saved at version {storage.version_at(node.sequence)}, now at version "
        f"{storage.version}. Copy the array before writing to it, or write after backward."
    )
    error.stamp = write.stamp
    raise error
