"""The backward pass: cotangents through recorded nodes, latest first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import Backend
from numpygrad._dispatch import apply, from_numpy
from numpygrad._kernels import sum_to
from numpygrad._node import Node
from numpygrad._op import BY_NAME, Mode
from numpygrad.errors import GraphError, ShapeError
from numpygrad.typing import RawArray


class Cotangents(NamedTuple):
    """What a pass found."""

    totals: dict[Node, tuple[Any, bool]]
    """For each leaf or target reached its cotangent, and whether the engine alone holds it."""
    escaped: bool
    """Whether tracked arrays from before the oldest target were met: the result depends on them too."""


def propagate(
    root: Node,
    seed: Any,
    *,
    recorded: bool,
    retain_graph: bool,
    enter_scope: Callable[[Backend], None],
    targets: Collection[Node] | None = None,
) -> Cotangents:
    """Cotangents of the leaves behind `root`, or of `targets`, given that of `root`.

    Raw arrays go through the rules, and no Array is made, unless `recorded`: then they are Arrays
    and every step is an op. A chain is followed without any bookkeeping; where nodes branch, a heap
    on the sequence number keeps the latest first, so that a node is visited once, its cotangent complete.
    """
    held_by: dict[int, list[Any]] = {}
    if root.op is None or (targets and root in targets):
        return _found({0: [root, seed, False]}, targets, escaped=False)
    floor = min(target.sequence for target in targets) if targets else 0
    escaped = careful = False
    heap: list[int] = []
    backend = root.type.backend
    add = _add_arrays if recorded else backend.accumulate
    node, g = root, seed
    while True:
        op: Any = node.op
        parents: Any = node.parents
        if node.inputs is None:
            raise GraphError(
                f"backward through {op.name} a second time, but what it saved was released by the "
                "first; pass retain_graph=True to the first backward()"
            )
        if recorded or op.variadic:
            pulls = op.pulls(Mode(recorded, careful), len(parents))
        else:
            pulls = op.raw_careful if careful else op.raw
        avals: Any = node.avals
        ahead: Node | None = None
        ahead_g: Any = None
        for i, parent in enumerate(parents):
            if parent is None:
                continue
            sequence = parent.sequence
            if sequence < floor:
                escaped = True
                continue
            held = held_by.get(sequence)
            if op.sparse and held is not None and held[2] and not recorded and backend.add_at:
                backend.add_at(held[1], node.params["key"], g)
                continue
            contribution = pulls[i](node, g)
            if avals is not None and contribution.shape != avals[i][0]:
                xp = g._rule_namespace() if recorded else node.type.xp
                contribution = sum_to(xp, contribution, avals[i][0])
            if held is not None:
                held[1] = add(held[1], contribution, held[2])
                held[2] = True
            elif parent is ahead:
                held_by[sequence] = [parent, add(ahead_g, contribution, False), True]
                heappush(heap, -sequence)
                ahead = None
            elif parent.op is None or (targets and parent in targets):
                owned = op.sparse and not recorded and backend.owned(contribution)
                held_by[sequence] = [parent, contribution, owned]
            elif ahead is None and not op.sparse:
                ahead, ahead_g = parent, contribution
            else:
                owned = op.sparse and not recorded and backend.owned(contribution)
                held_by[sequence] = [parent, contribution, owned]
                heappush(heap, -sequence)
        if not retain_graph:
            node.inputs = node.output = None  # type: ignore[assignment]  # None marks a released node
        if not op.is_plain:
            careful = careful or op.masks
            if op.name == "transfer" and not recorded:
                backend = parents[0].type.backend
                add = backend.accumulate
                enter_scope(backend)
        if ahead is not None:
            if not heap or ahead.sequence > -heap[0]:
                node, g = ahead, ahead_g
                continue
            held_by[ahead.sequence] = [ahead, ahead_g, False]
            heappush(heap, -ahead.sequence)
        elif not heap:
            return _found(held_by, targets, escaped)
        node, g, _ = held_by.pop(-heappop(heap))


def _found(
    held_by: dict[int, list[Any]], targets: Collection[Node] | None, escaped: bool
) -> Cotangents:
    """What is left when no node is: the leaves, or the targets and leaves that are none."""
    ends = held_by.values()
    totals = {node: (g, owned) for node, g, owned in ends if targets is None or node in targets}
    return Cotangents(totals, escaped or len(totals) < len(ends))


def _add_arrays(total: Array, g: Array, owned: bool) -> Array:
    return total + g


def seed_for(y: Array, grad: Any) -> Array:
    """The cotangent to start from: ones for one element, else what was given, checked and converted."""
    type_ = y._type
    if grad is None:
        if y.size != 1:
            raise ShapeError(
                f"backward() of an array of shape {y.shape} needs grad=, a cotangent of that shape; "
                "for the gradient of a scalar, reduce first, as in y.sum().backward()"
            )
        return wrap(type_.xp.ones(y.shape, dtype=type_.raw_dtype, device=type_.device.raw), type_)
    if not isinstance(grad, Array):
        if isinstance(grad, (np.ndarray, np.generic, int, float, complex, list)):
            grad = wrap(from_numpy(np.asarray(grad), type_), type_)
        elif type_.backend.is_raw(grad):
            grad = wrap(grad, type_.of(grad))
        else:
            raise TypeError(f"grad is an Array or an array, not {type(grad).__name__}")
    if grad.shape != y.shape:
        raise ShapeError(f"grad has the shape of the output, {y.shape}, not {grad.shape}")
    if grad._type is not type_:
        grad = apply(BY_NAME["transfer"].function, grad, device=str(type_.device)) if (
            grad.device is not type_.device
        ) else grad
        grad = apply(BY_NAME["cast"].function, grad, dtype=type_.raw_dtype)
    return grad


def cotangents(
    y: Array,
    seed: Array,
    *,
    recorded: bool,
    retain_graph: bool,
    targets: Collection[Node] | None = None,
) -> Cotangents:
    """`propagate` from an array, in the mode and scope that it needs."""
    if y._node is None:
        raise GraphError(
            "backward() of an array that was not computed from any that requires grad; create the "
            "inputs with requires_grad=True, and not under no_grad()"
        )
    if recorded:
        with _modes.enable_grad():
            return propagate(
                y._node,
                seed,
                recorded=True,
                retain_graph=retain_graph,
                enter_scope=_stay,
                targets=targets,
            )
    with contextlib.ExitStack() as scopes:

        def enter_scope(backend: Backend) -> None:
            if backend.scope is not None:
                scopes.enter_context(backend.scope())

        enter_scope(y._type.backend)
        return propagate(
            y._node,
            seed._data,
            recorded=False,
            retain_graph=retain_graph,
            enter_scope=enter_scope,
            targets=targets,
        )


def _stay(backend: Backend) -> None:
    """Arithmetic on Arrays finds its backend by itself."""


def backward(y: Array, grad: Any, *, retain_graph: bool, create_graph: bool) -> None:
    """Add the gradient of `y` to every leaf behind it; all of them or, after an error, none."""
    if y._node is None:
        cotangents(y, y, recorded=False, retain_graph=True)
    seed = seed_for(y, grad)
    totals, _ = cotangents(y, seed, recorded=create_graph, retain_graph=retain_graph)
    handed_out = {id(seed._data)}
    for node, (g, owned) in totals.items():
        gradient = g if create_graph else _as_gradient(node, g, owned, handed_out)
        node.grad = gradient if node.grad is None else _sum(node.grad, gradient, create_graph)


def _as_gradient(node: Node, g: RawArray, owned: bool, handed_out: set[int]) -> Array:
    """A gradient that shares memory with nothing else."""
    type_ = node.type
    if id(g) in handed_out or not (owned or type_.backend.owned(g)):
        g = type_.xp.asarray(g, copy=True)
    handed_out.add(id(g))
    return wrap(g, type_)


def _sum(total: Array, g: Array, create_graph: bool) -> Array:
    if create_graph:
        return total + g
    with _modes.no_grad():
        return total + g


def zero_grad(y: Array) -> None:
    """Set the gradient of every leaf behind `y` to zeros."""
    seen: set[int] = set()
    todo = [y._node] if y._node is not None else []
    while todo:
        node = todo.pop()
        if node.sequence in seen:
            continue
        seen.add(node.sequence)
        if node.op is None and node.grad is not None:
            node.grad = _zeros_like(node.grad)
        todo.extend(parent for parent in node.parents or () if parent is not None)


def _zeros_like(x: Array) -> Array:
    type_ = x._type
    return wrap(type_.xp.zeros(x.shape, dtype=type_.raw_dtype, device=type_.device.raw), type_)
