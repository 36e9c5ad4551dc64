"""Forward mode: tangents pushed through the nodes that reverse mode recorded, earliest first.

The same row gives both: an elementwise op's tangent is the sum of partials times tangents, a linear op
is applied to the tangent itself, a nonlinear one has a rule of its own or is the pullback of its pullback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import ArrayType
from numpygrad._dispatch import apply
from numpygrad._engine import cotangents
from numpygrad._node import Node, leaf
from numpygrad._op import BY_NAME, RECORDED, RECORDED_CAREFUL, Op
from numpygrad.ops.creation import transfer
from numpygrad.ops.elementwise import real
from numpygrad.ops.manipulation import broadcast_to
from numpygrad.typing import Shape


def tangents_of(
    outputs: Sequence[Any], seeds: dict[Node, Array], *, nested: bool
) -> tuple[list[Array], bool]:
    """The tangent of each output, given those of some nodes; and whether outer derivatives flow in.

    The arithmetic is that of Arrays, so that it is recorded where an outer derivative is taken.
    """
    floor = min(node.sequence for node in seeds)
    nodes, escaped = _behind([y._node for y in outputs if isinstance(y, Array)], seeds, floor)
    nested = (nested or escaped) and _modes.is_grad_enabled()
    tangents: dict[Node, Array] = dict(seeds)
    with _modes.enable_grad() if nested else _modes.no_grad():
        for node in sorted(nodes, key=lambda node: node.sequence):
            t = _tangent(node, tangents)
            if t is not None:
                tangents[node] = t
        found = [
            tangents[y._node] if y._node in tangents else _zeros(y)
            for y in outputs
        ]
    return found, nested


def _behind(
    roots: Sequence[Node | None], seeds: dict[Node, Array], floor: int
) -> tuple[set[Node], bool]:
    """The nodes between the seeds and the roots; and whether tracked arrays from elsewhere are met."""
    found: set[Node] = set()
    escaped = False
    todo = [node for node in roots if node is not None and node not in seeds]
    while todo:
        node = todo.pop()
        if node in found:
            continue
        if node.op is None or node.sequence < floor:
            escaped = True
            continue
        found.add(node)
        todo.extend(p for p in node.parents or () if p is not None and p not in seeds)
    return found, escaped


def _tangent(node: Node, tangents: dict[Node, Array]) -> Array | None:
    """The tangent of a node's output, or `None` if nothing reaches it."""
    op, parents = node.op, node.parents or ()
    given = [None if p is None else tangents.get(p) for p in parents]
    if op is None or all(t is None for t in given):
        return None
    rule = {"elementwise": _elementwise, "linear": _linear, "nonlinear": _nonlinear}[op.kind]
    return rule(op, node, given)


def _elementwise(op: Op, node: Node, given: Sequence[Array | None]) -> Array:
    """The sum of partials times tangents: what the pullback does to a cotangent, without the conjugate."""
    op = BY_NAME[op.name]
    total: Array | None = None
    for i, t in enumerate(given):
        if t is None:
            continue
        pull = op.pulls(RECORDED_CAREFUL, len(given))[i]
        term: Array = pull(node, t)  # type: ignore[misc]  # tracked operands have a rule
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 (one of them is given)
    if total._type.is_complex and not node.type.is_complex:
        total = real(total)
    return total if total.shape == node.shape else broadcast_to(total, node.shape)


def _linear(op: Op, node: Node, given: Sequence[Array | None]) -> Array:
    like = next(t for t in given if t is not None)
    if op.name == "transfer":
        return transfer(like, node.type.device)
    if op.variadic:
        full = [t if t is not None else _other(node, i, like) for i, t in enumerate(given)]
        return apply(op.function, *full, **node.params)
    total: Array | None = None
    for i, t in enumerate(given):
        if t is None:
            continue
        operands = [t if j == i else _other(node, j, t) for j in range(len(given))]
        term = apply(op.function, *operands, **node.params)
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 (one of them is given)
    return total


def _other(node: Node, position: int, t: Array) -> Array:
    """What the op is applied to beside a tangent: the saved factor, or zeros where it adds up."""
    saved = node.inputs[position]
    if saved is not None:
        return saved
    aval = node.avals[position] if node.avals is not None else None
    return _zeros_of(t._type, aval[0] if aval is not None else node.shape)


def _nonlinear(op: Op, node: Node, given: Sequence[Array | None]) -> Array:
    total: Array | None = None
    for i, t in enumerate(given):
        if t is None:
            continue
        term = _own_rule(op, node, t) if op.jvp is not None else _pulled_twice(op, node, i, t)
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 (one of them is given)
    return total


def _own_rule(op: Op, node: Node, t: Array) -> Array:
    result: Array = op.forward(RECORDED)(node, t)
    return result


def _pulled_twice(op: Op, node: Node, i: int, t: Array) -> Array:
    """The pullback is linear in the cotangent; its adjoint is the tangent map."""
    with _modes.enable_grad():
        g = _zeros_of(node.type, node.shape)
        g._node = leaf(node.type, node.shape)
        pull = op.pulls(RECORDED_CAREFUL, len(node.parents or ()))[i]
        pulled: Array = pull(node, g)  # type: ignore[misc]  # tracked operands have a rule
        found = cotangents(pulled, t, recorded=True, retain_graph=True, targets={g._node})
    total: Array = found.totals[g._node][0]
    return total


def _zeros_of(type_: ArrayType, shape: Shape) -> Array:
    return wrap(type_.xp.zeros(shape, dtype=type_.raw_dtype, device=type_.device.raw), type_)


def _zeros(y: Array) -> Array:
    return _zeros_of(y._type, y.shape)


