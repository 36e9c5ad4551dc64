"""Finding the op and the line whose backward made the first NaN."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._kernels import sum_to
from numpygrad._node import RELEASED, Node, Parts
from numpygrad._op import Mode
from numpygrad.errors import AnomalyError, VersionError

if TYPE_CHECKING:
    from numpygrad._storage import Storage

OUTSIDE = "code outside of detect_anomaly()"


class detect_anomaly(_modes.Watching):
    """A context in which backward names the op, and the line of code, that made the first NaN.

    Both the ops and `backward()` must run inside it. Each backward pass is first made step by step,
    so it takes more than twice as long: for looking for errors only. Lazy mode is off inside. A
    `VersionError` names the lines of both ops.

    Raises
    ------
    AnomalyError
        In `backward()`, if a derivative is NaN where its cotangent is not.

    Examples
    --------
    >>> import numpygrad as npg
    >>> exponent = npg.array(3.0, requires_grad=True)
    >>> with npg.detect_anomaly():
    ...     y = (-2.0) ** exponent  # a power of a negative number, at integer exponents alone
    ...     try:
    ...         y.backward()
    ...     except npg.errors.AnomalyError as error:
    ...         print(str(error).partition(";")[0])
    backward of pow made the first NaN
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: WeakKeyDictionary[Node, str] = WeakKeyDictionary()
        self._writes: dict[int | None, str] = {}
        self._eager = _modes.eager()

    def __enter__(self) -> None:
        super().__enter__()
        self._eager.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._eager.__exit__(*error)
        super().__exit__(*error)

    def recorded(self, node: Node) -> None:
        """Note where in the caller's code an op was recorded."""
        self._places[node] = _modes.callers_line()

    def written(self, stamp: int, storage: Storage) -> None:
        """Note where in the caller's code a write was made."""
        self._writes[stamp] = _modes.callers_line()

    def before_sweep(self, root: Node, seed: Array) -> None:
        """Make the backward pass one op at a time, looking at each contribution."""
        held: dict[int, list[Any]] = {root.sequence: [root, seed._data]}
        heap = [-root.sequence]
        while heap:
            node, g = held.pop(-heappop(heap))
            op = node.op
            if op is None or node.input1 is RELEASED:
                continue
            for parent, contribution in self._contributions(node, g):
                entry = held.get(parent.sequence)
                if entry is None:
                    held[parent.sequence] = [parent, contribution]
                    heappush(heap, -parent.sequence)
                elif op.is_part:
                    parts, index = entry[1], node.params["position"]
                    parts[index] = g if parts[index] is None else parts[index] + g
                else:
                    entry[1] = entry[1] + contribution

    def _contributions(self, node: Node, g: Any) -> list[tuple[Node, Any]]:
        """What an op hands to each parent; an error if it is NaN and the cotangent is not."""
        op: Any = node.op
        if op.is_part:
            parts = Parts([None] * len(node.parent1.op.outputs._fields))
            parts[node.params["position"]] = g
            return [(node.parent1, parts)]
        xp = node.type.xp
        clean = not any(xp.has_nan(part) for part in _each(g))
        found = []
        for parent, pull in zip(
            node.parents, op.pulls(Mode.RAW_CAREFUL, len(node.parents)), strict=False
        ):
            if parent is None:
                continue
            try:
                contribution = pull(node, g)
            except VersionError as error:
                raise VersionError(
                    f"{error} It was saved by {self._place(node)}, and overwritten by "
                    f"{self._writes.get(error.stamp, OUTSIDE)}"
                ) from error
            if clean and xp.has_nan(contribution):
                raise AnomalyError(
                    f"backward of {op.name} made the first NaN; the op was recorded by "
                    f"{self._place(node)}"
                )
            found.append((parent, sum_to(xp, contribution, parent.shape)))
        return found

    def _place(self, node: Node) -> str:
        return self._places.get(node, OUTSIDE)


def _each(g: Any) -> list[Any]:
    return [part for part in g if part is not None] if isinstance(g, Parts) else [g]
