"""Linear functions that were recorded, transposed: whether they are linear, and the sweep back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._custom.joint import Maybe, joint
from numpygrad._dispatch import is_deferred, lifting
from numpygrad._engine import cotangents
from numpygrad._forward import nodes_behind
from numpygrad._node import Node, leaf, tick
from numpygrad._op import Mode, Op, Pull
from numpygrad.errors import DerivativeError


class Fan(Op):
    """The op of a node that hands given cotangents to several arrays, for one sweep from all."""

    __slots__ = ()

    def pulls(self, mode: Mode, count: int) -> tuple[Pull | None, ...]:
        """The pullbacks, which know what to give."""
        return tuple(functools.partial(_given, i) for i in range(count))


def _given(index: int, node: Node, g: Any) -> Any:
    return node.params["seeds"][index]


_FAN = Fan("nonlinear", joint, (lambda g: g,), dtype="own")


def swept(
    arrays: Sequence[Array],
    seeds: Sequence[Maybe],
    targets: Sequence[Node],
    *,
    recorded: bool,
    retain_graph: bool = True,
) -> list[Maybe]:
    """The cotangents of `targets`, given those of several arrays, by one sweep."""
    joined = [
        (y._node, g)
        for y, g in zip(arrays, seeds, strict=True)
        if g is not None and y._node is not None
    ]
    if not joined:
        return [None] * len(targets)
    first = next((g for _, g in joined if g._type.eager is not None), joined[0][1])
    defers = first._type.eager is not None
    node = Node()
    node.sequence = tick()
    node.op = _FAN.deferred if defers else _FAN
    node.type = first._type
    node.shape = ()
    node.parent1 = tuple(parent for parent, _ in joined)
    node.input1 = (None,) * len(joined)
    node.output = None
    node.fits = True
    node.params = {
        "seeds": [g if recorded else lifting().lift(g) if defers else g._data for _, g in joined]
    }
    root = wrap(first._data, first._type)
    root._node = node
    found = cotangents(
        root, root, recorded=recorded, retain_graph=retain_graph, targets=set(targets)
    ).totals
    if recorded:
        return [found[n][0] if n in found else None for n in targets]
    return [
        wrap(g, g.type if is_deferred(g) else n.type.of(g))
        if (g := found.get(n, (None,))[0]) is not None
        else None
        for n in targets
    ]


def tracked_copy(x: Array) -> Array:
    """The same values, to take derivatives with respect to."""
    out = wrap(x._data, x._type)
    out._node = leaf(x._type, x.shape)
    return out


class Linearity(_modes.Watching):
    """A context that notes what would make a function of `seeds` nonlinear, for `require` to say.

    A function is linear if no derivative in it depends on what it is a function of: if no rule of
    an op reads one of the operands that do, nor the output. Comparisons and rounding have no rules.
    """

    def __init__(self, seeds: Sequence[Array]) -> None:
        super().__init__()
        self._seeds = {x._node for x in seeds if x._node is not None}
        self._first: str | None = None

    def unrecorded(self, op: Op, operands: Sequence[Array]) -> None:
        """Note a comparison."""
        roots = [x._node for x in operands]
        if self._first is None and self._dependent(roots) & {*roots}:
            self._first = op.name

    def require(self, roots: Sequence[Any], message: str) -> None:
        """Raise a `DerivativeError` unless what `roots` are computed by is linear in the seeds."""
        nodes = [x._node for x in roots if isinstance(x, Array)]
        dependent = self._dependent(nodes)
        for node in sorted(dependent - self._seeds, key=lambda n: n.sequence):
            if self._first is None and not _is_linear(node, [p in dependent for p in node.parents]):
                self._first = node.op.name if node.op else None
        if self._first is not None:
            raise DerivativeError(f"{message}; {self._first}() makes it nonlinear")

    def _dependent(self, roots: Sequence[Node | None]) -> set[Node]:
        """Those of the nodes behind `roots` that are computed from the seeds, and these."""
        found = {*self._seeds}
        inside = nodes_behind(roots, self._seeds).inside
        for node in sorted(inside, key=lambda n: n.sequence):
            if any(p in found for p in node.parents):
                found.add(node)
        return found


def _is_linear(node: Node, dependent: Sequence[bool]) -> bool:
    op = node.op
    if op is None or op.is_part:
        return True
    if op.is_joint:
        return bool(node.params["call"].is_linear(dependent))
    if op.variadic:
        return op.kind == "linear"
    moving = {name for name, depends in zip(op.arrays, dependent, strict=True) if depends}
    return not any(
        depends and {"y", *moving} & {*op.reads(i)} for i, depends in enumerate(dependent)
    )
