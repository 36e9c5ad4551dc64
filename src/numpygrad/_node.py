"""Nodes of the recorded graph, and the one clock that numbers nodes and writes alike."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._backend import ArrayType
    from numpygrad._op import Op
    from numpygrad._storage import Alias
    from numpygrad.typing import RawArray, Shape

tick = itertools.count(1).__next__
"""The next reading of the clock. A saved value is stale iff its storage was written after the node was made."""


class Node:
    """One recorded op: what backward needs of it, and the nodes its inputs came from.

    The fast path sets the slots one by one, which is 60 ns cheaper than an `__init__`.
    """

    __slots__ = (
        "__weakref__",
        "alias",
        "avals",
        "grad",
        "inputs",
        "op",
        "output",
        "params",
        "parents",
        "sequence",
        "shape",
        "type",
    )

    sequence: int
    op: Op | None
    """`None` for a leaf: a node that only accumulates."""
    type: ArrayType
    """Device and dtype of the output."""
    shape: Shape
    """Shape of the output; taken over from a parent where it is the same, as NumPy takes 45 ns to tell."""
    parents: tuple[Node | None, ...] | None
    """A node per operand, `None` where untracked; `None` as a whole once released."""
    inputs: tuple[Array | None, ...]
    """The operands a rule reads, `None` for the others."""
    output: RawArray | None
    """The output's value, if a rule reads it."""
    alias: Alias | None
    """The storage of the output, known once the output has a view or was written to."""
    avals: tuple[tuple[Shape, ArrayType] | None, ...] | None
    """Shape and type per operand; `None` where every operand has the output's shape."""
    params: dict[str, Any]
    grad: Array | None

    def __repr__(self) -> str:
        return f"<{self.op.name if self.op else 'leaf'} node {self.sequence}>"


NO_PARAMS: dict[str, Any] = {}


def leaf(type_: ArrayType, shape: Shape) -> Node:
    """A node for an array that requires grad and was not computed."""
    node = Node()
    node.sequence = tick()
    node.op = None
    node.type = type_
    node.shape = shape
    node.parents = ()
    node.inputs = ()
    node.output = None
    node.alias = None
    node.avals = None
    node.params = NO_PARAMS
    node.grad = None
    return node
