"""Nodes of the recorded graph, and the one clock that numbers nodes and writes alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._backend import ArrayType
    from numpygrad._op import Op
    from numpygrad._storage import Storage
    from numpygrad.typing import RawArray, Shape

tick = itertools.count(1).__next__
"""The next reading of the clock: a saved value is stale iff written after its node was made."""


class Node:
    """One recorded op: what backward needs of it, and the nodes its inputs came from.

    The slots are set one by one and hold no tuples where an op has one or two operands: Array and
    node are then the only objects a recorded op leaves to the garbage collector, which otherwise
    takes 40 % of the time of a long graph. Nothing is set that the op's rules do not read.
    """

    __slots__ = (
        "__weakref__",
        "alias",
        "fits",
        "grad",
        "input1",
        "input2",
        "label",
        "op",
        "output",
        "params",
        "parent1",
        "parent2",
        "sequence",
        "shape",
        "shapes",
        "type",
    )

    sequence: int
    op: Op | None
    """`None` for a leaf: a node that only accumulates."""
    type: ArrayType
    """Device and dtype of the output."""
    shape: Shape
    """Shape of the output; a parent's where it is the same, as NumPy takes 45 ns to tell."""
    parent1: Any
    """The node of the first operand, `None` if it is untracked; of a wide op, a tuple for all."""
    parent2: Node | None
    input1: Any
    """The first operand if a rule reads it; of a wide op, a tuple; `RELEASED` after backward."""
    input2: Array | None
    output: Any
    """The output's value, if a rule reads it; of an op with several outputs, always all of them."""
    alias: Any
    """The storage of an output that was saved, known once that has a view or was written to; of an
    op with several outputs, pairs of an index and a storage."""
    fits: bool
    """Whether every tracked operand has the shape its cotangent comes in: nothing was broadcast."""
    shapes: tuple[Shape, ...]
    """Of an op on a sequence of arrays, the shape of each."""
    params: dict[str, Any]
    grad: Array | None
    label: str
    """Of a leaf whose array has one."""

    def watch(self, storage: Storage) -> None:
        """Learn where to look whether the output was overwritten, if it was saved.

        If not, the storage is let go with its array.
        """
        if getattr(self, "output", None) is not None:
            self.alias = storage
        if self.op is not None and self.op.is_part:
            self.parent1.alias = (*self.parent1.alias, (self.params["position"], storage))

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """A node per operand, `None` where it is untracked."""
        width = 0 if self.op is None else self.op.width
        if width == 1:
            return (self.parent1,)
        if width == 2:
            return (self.parent1, self.parent2)
        return () if width == 0 else self.parent1

    @property
    def inputs(self) -> tuple[Array | None, ...]:
        """The operands that were saved, `None` for the others; empty once released."""
        if self.op is None or self.input1 is RELEASED:
            return ()
        if self.op.width == 1:
            return (self.input1,)
        return (self.input1, self.input2) if self.op.width == 2 else self.input1

    def __repr__(self) -> str:
        if self.op is None:
            return f"<leaf node {self.sequence}>"
        if self.op.is_part:
            joint = self.parent1.op
            output = joint.outputs._fields[self.params["position"]]
            return f"<{joint.name} node {self.sequence}, {output}>"
        return f"<{self.op.name} node {self.sequence}>"


RELEASED: Any = object()
"""What stands for the first saved operand of a node that backward has been through."""


class Parts(list[Any]):
    """What belongs to the outputs of an op that has several, such as their cotangents.

    `None` stands for the cotangent of an output that nothing depends on.
    """

    pulled: Any = None
    """What rules that give the cotangents of all operands at once made of these."""

    def _rule_namespace(self) -> Any:
        return self._first()._rule_namespace()

    def _parts_of(self, node: Node, outputs: Sequence[RawArray]) -> Any:
        return self._first()._parts_of(node, outputs)

    def _first(self) -> Any:
        return next(part for part in self if part is not None)


WIDE = 3
"""The width of ops whose nodes keep tuples: of three operands or more, or a sequence of arrays."""


def leaf(type_: ArrayType, shape: Shape) -> Node:
    """A node for an array that requires grad and was not computed."""
    node = Node()
    node.sequence = tick()
    node.op = None
    node.type = type_
    node.shape = shape
    node.grad = None
    return node
