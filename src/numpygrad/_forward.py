"""Forward mode: tangents pushed through the nodes that reverse mode recorded, earliest first.

The same row gives both: an elementwise op's tangent is the sum of partials times tangents, a linear
op is applied to the tangent itself, a nonlinear one has a rule of its own or is the pullback of its
pullback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import ArrayType
from numpygrad._dispatch import apply
from numpygrad._engine import cotangents, zeros_of
from numpygrad._node import Node, Parts, leaf
from numpygrad._op import TABLE, Mode, Op
from numpygrad._storage import check_not_stale
from numpygrad.errors import DerivativeError
from numpygrad.ops.creation import transfer
from numpygrad.ops.elementwise import positive, real
from numpygrad.ops.manipulation import broadcast_to
from numpygrad.typing import Shape


def tangents_of(
    outputs: Sequence[Any], seeds: dict[Node, Array], *, nested: bool
) -> tuple[list[Array], bool]:
    """The tangent of each output, given those of some nodes; and whether outer derivatives flow in.

    The arithmetic is that of Arrays, so that it is recorded where an outer derivative is taken.
    """
    nodes, outside = nodes_behind([y._node for y in outputs if isinstance(y, Array)], seeds)
    nested = (nested or bool(outside)) and _modes.is_grad_enabled()
    ordered = sorted(nodes, key=lambda node: node.sequence)
    with contextlib.ExitStack() as scopes:
        scopes.enter_context(_modes.enable_grad() if nested else _modes.unrecorded())
        for backend in {node.type.backend for node in nodes}:
            if backend.scope is not None:
                scopes.enter_context(backend.scope())
        found = _pushed(outputs, seeds, ordered, Mode.RECORDED)
        if any(t._type.xp.has_nan(t._data) for t in found):
            # A zero may have met an infinite derivative: once more, with guarded products.
            found = _pushed(outputs, seeds, ordered, Mode.RECORDED_CAREFUL)
        found = _own(found, seeds)
    return stopped(found), nested


def _own(found: Sequence[Array], seeds: dict[Node, Array]) -> list[Array]:
    """Tangents that share memory neither with each other nor with the ones that were given."""
    handed_out = {id(t._data) for t in seeds.values()}
    own = []
    for t in found:
        shares = id(t._data) in handed_out or t._alias is not None
        own.append(positive(t) if shares else t)
        handed_out.add(id(own[-1]._data))
    return own


def stopped(arrays: list[Array]) -> list[Array]:
    """What a derivative under `no_grad` gives, so that no derivative outside a map flows in.

    The derivative is itself computed with a history; that what it gives has none, the program of a
    map would not know.
    """
    trace = _modes.mapping() if _modes.is_stopped() else None
    if trace is None:
        return arrays
    found = [wrap(x._data, x._type) for x in arrays]
    for x in found:
        trace.stopped(x)
    return found


def _pushed(
    outputs: Sequence[Any], seeds: dict[Node, Array], nodes: Sequence[Node], mode: Mode
) -> list[Array]:
    """The tangents of the outputs, those of `seeds` pushed through `nodes`."""
    tangents = dict(seeds)
    for node in nodes:
        t = _tangent(node, tangents, mode)
        if t is not None:
            tangents[node] = t
    return [
        tangents[y._node] if y._node in tangents else zeros_of(y._type, y.shape) for y in outputs
    ]


class Behind(NamedTuple):
    """The nodes that a result was computed through."""

    inside: set[Node]
    """Those between the seeds and the result."""
    outside: set[Node]
    """Where the search ended elsewhere: nodes older than the seeds, or if there are none leaves.

    A newer leaf was made on the way, by a derivative inside, and is nobody's else.
    """


def nodes_behind(roots: Sequence[Node | None], seeds: Collection[Node]) -> Behind:
    """The nodes behind `roots`, the search ending at `seeds`."""
    floor = min((node.sequence for node in seeds), default=0)
    inside: set[Node] = set()
    outside: set[Node] = set()
    todo = [node for node in roots if node is not None and node not in seeds]
    while todo:
        node = todo.pop()
        if node in inside:
            continue
        if node.sequence < floor or (node.op is None and not seeds):
            outside.add(node)
            continue
        inside.add(node)
        if node.op is not None:
            todo.extend(p for p in node.parents if p is not None and p not in seeds)
    return Behind(inside, outside)


def _tangent(node: Node, tangents: dict[Node, Array], mode: Mode) -> Array | None:
    """The tangent of a node's output, or `None` if nothing reaches it."""
    op, parents = node.op, node.parents
    if op is not None and op.is_part:
        parts = tangents.get(node.parent1)
        t = None if parts is None else parts[node.params["position"]]
        if isinstance(t, DerivativeError):
            raise t
        return t
    given = [None if p is None else tangents.get(p) for p in parents]
    if op is None or all(t is None for t in given):
        return None
    if op.is_joint:
        return op.pushed(node, given)  # type: ignore[attr-defined,no-any-return]  # what joint ops have
    if op.kind == "elementwise":
        return _elementwise(op, node, given, mode)
    return _linear(op, node, given) if op.kind == "linear" else _nonlinear(op, node, given)


def _elementwise(op: Op, node: Node, given: Sequence[Array | None], mode: Mode) -> Array:
    """The sum of partials times tangents: as the pullback of a cotangent, without the conjugate."""
    op = TABLE[op.function]
    total: Array | None = None
    for i, t in enumerate(given):
        if t is None:
            continue
        pull = op.pulls(mode, len(given))[i]
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
    return total if total.shape == node.shape else broadcast_to(total, node.shape)


def _other(node: Node, position: int, t: Array) -> Array:
    """What the op is applied to beside a tangent: the saved factor, or zeros where it adds up."""
    saved = node.inputs[position]
    if saved is not None:
        if saved._alias is not None:
            names = node.op.arrays if node.op else ()
            check_not_stale(node, names[min(position, len(names) - 1)], saved)
        return saved
    if node.op is not None and node.op.variadic:
        return zeros_of(t._type, node.shapes[position])
    return zeros_of(t._type, node.shape if position == 0 else ())


def _nonlinear(op: Op, node: Node, given: Sequence[Array | None]) -> Any:
    total: Any = None
    for i, t in enumerate(given):
        if t is None:
            continue
        term = _own_rule(op, node, t) if op.jvp is not None else _pulled_twice(op, node, i, t)
        total = term if total is None else _sum(total, term)
    return total


def _sum(total: Any, term: Any) -> Any:
    if isinstance(total, Parts):
        return Parts(a + b for a, b in zip(total, term, strict=True))
    return total + term


def _own_rule(op: Op, node: Node, t: Array) -> Any:
    pushed = op.forward(node, t)
    return Parts(pushed) if op.outputs is not None else pushed


def _pulled_twice(op: Op, node: Node, i: int, t: Array) -> Any:
    """The pullback is linear in the cotangent; its adjoint is the tangent map."""
    with _modes.enable_grad():
        several = op.outputs is not None
        types = [(node.type, node.shape)]
        if several:
            types = [(node.type.of(data), data.shape) for data in node.output]
        zeros = [tracked_zeros(type_, shape) for type_, shape in types]
        pull: Any = op.pulls(Mode.RECORDED_CAREFUL, len(node.parents))[i]
        pulled: Array = pull(node, Parts(zeros) if several else zeros[0])
        nodes = {z._node for z in zeros if z._node is not None}
        found = {}
        if pulled._node is not None:
            if t.shape != pulled.shape:  # the operand was broadcast: so is its tangent
                t = broadcast_to(t, pulled.shape)
            found = cotangents(pulled, t, recorded=True, retain_graph=True, targets=nodes).totals
    pushed = [found[z._node][0] if z._node in found else z.detach() for z in zeros]
    return Parts(pushed) if several else pushed[0]


def tracked_zeros(type_: ArrayType, shape: Shape) -> Array:
    """Zeros to take derivatives with respect to."""
    zeros = zeros_of(type_, shape)
    zeros._node = leaf(type_, shape)
    return zeros
