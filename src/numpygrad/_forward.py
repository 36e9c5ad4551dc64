"""Forward mode: tangents pushed through the nodes that reverse mode recorded, earliest first.

The same row gives both: an elementwise op's tangent is the sum of partials times tangents, a linear op
is applied to the tangent itself, a nonlinear one has a rule of its own or is the pullback of its pullback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._dispatch import apply
from numpygrad._engine import propagate
from numpygrad._kernels import guarded_multiply
from numpygrad._node import Node, leaf
from numpygrad._op import RECORDED, RECORDED_CAREFUL, Op, _bind, _readers


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
            _fitted(tangents[y._node], y) if y._node in tangents else _zeros(y)
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


def _like(t: Array, node: Node) -> Array:
    """The array that rule readers take the place of a cotangent from: it is only asked for its namespace."""
    return t


def _elementwise(op: Op, node: Node, given: Sequence[Array | None]) -> Array:
    total: Array | None = None
    for i, t in enumerate(given):
        if t is None:
            continue
        slope = op.partial(i, RECORDED)(node, t)
        if not isinstance(slope, Array):
            term = t * slope
        else:
            term = guarded_multiply(t._rule_namespace(), t, slope)
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 (one of them is given)
    if total._type.is_complex and not node.type.is_complex:
        from numpygrad.ops.elementwise import real

        total = real(total)
    return total


def _linear(op: Op, node: Node, given: Sequence[Array | None]) -> Array:
    if op.name == "transfer":
        from numpygrad.ops.creation import transfer

        return transfer(next(t for t in given if t is not None), node.type.device)
    if op.variadic:
        shapes = node.avals or ()
        like = next(t for t in given if t is not None)
        full = [
            t if t is not None else _zeros_of(like, shapes[i][0] if i < len(shapes) and shapes[i] else like.shape)  # type: ignore[index]
            for i, t in enumerate(given)
        ]
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
    return _zeros_of(t, aval[0] if aval is not None else t.shape)


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
    readers = _readers(op, 0, RECORDED)
    result: Array = _bind(op.jvp, readers)(node, t)  # type: ignore[arg-type]  # asked before
    return result


def _pulled_twice(op: Op, node: Node, i: int, t: Array) -> Array:
    """The pullback is linear in the cotangent; its adjoint is the tangent map."""
    with _modes.enable_grad():
        g = wrap(_output_zeros(node, t)._data, node.type)
        g._node = leaf(node.type)
        pull = op.pulls(RECORDED_CAREFUL, len(given_parents(node)))[i]
        pulled: Array = pull(node, g)  # type: ignore[misc]  # tracked operands have a rule
        found = propagate(
            pulled._node,  # type: ignore[arg-type]  # it depends on g
            t,
            recorded=True,
            retain_graph=True,
            targets={g._node},
        )
    total: Array = found.totals[g._node][0]
    return total


def given_parents(node: Node) -> Sequence[Node | None]:
    """The parents, none if released."""
    return node.parents or ()


def _output_zeros(node: Node, t: Array) -> Array:
    """Zeros of the shape of a node's output: what the op gives for the saved input."""
    if node.output is not None:
        return _zeros_of(t, node.output.shape, node)
    x = next(x for x in node.inputs if x is not None)
    with _modes.no_grad():
        out: Array = apply(node.op.function, x, **node.params)  # type: ignore[union-attr]
    return _zeros_of(out, out.shape, node)


def _zeros_of(like: Array, shape: tuple[int, ...], node: Node | None = None) -> Array:
    type_ = like._type if node is None else node.type
    return wrap(type_.xp.zeros(shape, dtype=type_.raw_dtype, device=type_.device.raw), type_)


def _zeros(y: Array) -> Array:
    return _zeros_of(y, y.shape)


def _fitted(t: Array, y: Array) -> Array:
    """The tangent in the shape of its output: a sum may have left broadcasting to the end."""
    if t.shape == y.shape:
        return t
    from numpygrad.ops.manipulation import broadcast_to

    return broadcast_to(t, y.shape)
