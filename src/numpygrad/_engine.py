"""The backward pass: cotangents through recorded nodes, latest first."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import ArrayType
from numpygrad._dispatch import apply, from_numpy
from numpygrad._kernels import sum_to
from numpygrad._node import Node
from numpygrad._op import BY_NAME, Mode
from numpygrad.errors import GraphError, ShapeError
from numpygrad.typing import RawArray


class Cotangents(NamedTuple):
    """What a pass found."""

    totals: dict[Node, tuple[Any, bool]]
    """The cotangent of each leaf or target reached, and whether the engine alone holds it."""
    escaped: bool
    """Whether tracked arrays from before the oldest target were met: the result depends on them too."""


def propagate(
    root: Node,
    seed: Any,
    *,
    recorded: bool,
    retain_graph: bool,
    targets: Collection[Node] | None = None,
) -> Cotangents:
    """Cotangents of the leaves behind `root`, or of `targets`, given that of `root`.

    Raw arrays go through the rules, and no Array is made, unless `recorded`: then they are Arrays
    and every step is an op. A chain is followed without any bookkeeping; where nodes branch, a heap
    on the sequence number keeps the latest first, so that a node is visited once, its cotangent complete.
    """
    totals: dict[Node, tuple[Any, bool]] = {}
    if root.op is None or (targets is not None and root in targets):
        return Cotangents({root: (seed, False)} if targets is None or root in targets else {}, False)
    floor = min((target.sequence for target in targets), default=0) if targets is not None else 0
    escaped = False
    careful = False
    pending: dict[int, tuple[Node, Any, bool]] = {}
    heap: list[int] = []
    node, g = root, seed
    with contextlib.ExitStack() as scopes:
        while True:
            op = node.op
            parents = node.parents
            if node.inputs is None:
                raise GraphError(
                    f"backward through {op.name} a second time, but what it saved was released by the "  # type: ignore[union-attr]  # leaves are not expanded
                    "first; pass retain_graph=True to the first backward()"
                )
            if recorded or careful or op.variadic:  # type: ignore[union-attr]  # leaves are not expanded
                pulls = op.pulls(Mode(recorded, careful), len(parents))  # type: ignore[union-attr, arg-type]
            else:
                pulls = op.raw  # type: ignore[union-attr]
            avals = node.avals
            ahead: Node | None = None
            ahead_g: Any = None
            ahead_owned = False
            for i, parent in enumerate(parents):  # type: ignore[arg-type]  # leaves are not expanded
                if parent is None:
                    continue
                sequence = parent.sequence
                if sequence < floor:
                    escaped = True
                    continue
                is_end = parent.op is None if targets is None else parent in targets
                if not is_end and parent.op is None:
                    escaped = True
                    continue
                owned = False
                if op.sparse and not recorded:  # type: ignore[union-attr]
                    held = totals.get(parent) if is_end else pending.get(sequence)
                    if held is not None and held[-1] and node.type.backend.add_at is not None:
                        node.type.backend.add_at(held[-2], node.params["key"], g)
                        continue
                    contribution = pulls[i](node, g)  # type: ignore[misc]
                    owned = node.type.backend.owned(contribution)
                else:
                    contribution = pulls[i](node, g)  # type: ignore[misc]  # tracked operands have a rule
                    if avals is not None and contribution.shape != avals[i][0]:  # type: ignore[index]
                        xp = g._rule_namespace() if recorded else node.type.xp
                        contribution = sum_to(xp, contribution, avals[i][0])  # type: ignore[index]
                if is_end:
                    held_end = totals.get(parent)
                    totals[parent] = (
                        (contribution, owned)
                        if held_end is None
                        else (_add(parent.type, *held_end, contribution, recorded), True)
                    )
                elif ahead is parent:
                    ahead_g = _add(parent.type, ahead_g, ahead_owned, contribution, recorded)
                    ahead_owned = True
                elif (held := pending.get(sequence)) is not None:
                    total = _add(parent.type, held[1], held[2], contribution, recorded)
                    pending[sequence] = (parent, total, True)
                elif ahead is None:
                    ahead, ahead_g, ahead_owned = parent, contribution, owned
                else:
                    pending[sequence] = (parent, contribution, owned)
                    heapq.heappush(heap, -sequence)
            careful = careful or op.masks  # type: ignore[union-attr]
            if not retain_graph:
                node.inputs = node.output = None  # type: ignore[assignment]  # None marks a released node
            if op.name == "transfer" and not recorded:  # type: ignore[union-attr]
                _enter_scope(scopes, parents[0].type)  # type: ignore[index, union-attr]
            if ahead is not None:
                if not heap or ahead.sequence > -heap[0]:
                    node, g = ahead, ahead_g
                    continue
                pending[ahead.sequence] = (ahead, ahead_g, ahead_owned)
                heapq.heappush(heap, -ahead.sequence)
            elif not heap:
                return Cotangents(totals, escaped)
            node, g, _ = pending.pop(-heapq.heappop(heap))


def _enter_scope(scopes: contextlib.ExitStack, type_: ArrayType) -> None:
    """From here on, raw arithmetic is that of another backend."""
    if type_.backend.scope is not None:
        scopes.enter_context(type_.backend.scope())


def _add(type_: ArrayType, total: Any, owned: bool, g: Any, recorded: bool) -> Any:
    return total + g if recorded else type_.backend.accumulate(total, g, owned)


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
    arguments = {"retain_graph": retain_graph, "targets": targets}
    if recorded:
        with _modes.enable_grad():
            return propagate(y._node, seed, recorded=True, **arguments)  # type: ignore[arg-type]
    scope = y._type.backend.scope
    with scope() if scope is not None else contextlib.nullcontext():
        return propagate(y._node, seed._data, recorded=False, **arguments)  # type: ignore[arg-type]


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
