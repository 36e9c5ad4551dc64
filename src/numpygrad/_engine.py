"""The backward pass: cotangents through recorded nodes, latest first."""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, scalar, wrap
from numpygrad._backend import ArrayType
from numpygrad._dispatch import convert, from_numpy, is_deferred, lifting, settle
from numpygrad._kernels import device_of, sum_to
from numpygrad._node import RELEASED, Node, Parts
from numpygrad._op import BY_NAME, Mode
from numpygrad.errors import DTypeError, GraphError, ShapeError
from numpygrad.typing import RawArray, Shape


class Cotangents(NamedTuple):
    """What a pass found."""

    totals: dict[Node, tuple[Any, bool]]
    """For each leaf or target reached its cotangent, and whether the engine alone holds it."""
    escaped: bool
    """Whether tracked arrays older than every target were met: the result depends on them too."""


class State(NamedTuple):
    """Where a sweep stands: the node in hand, its cotangent, those held for others, their order."""

    node: Node
    g: Any
    held_by: dict[int, list[Any]]
    """By sequence number: a node, its cotangent so far, whether the engine alone holds that."""
    heap: list[int]

    def copy(self) -> State:
        """The same state, its cotangents safe from being added to in place."""
        for entry in self.held_by.values():
            entry[2] = False
        held_by = {
            sequence: [node, Parts(g) if type(g) is Parts else g, owned]
            for sequence, (node, g, owned) in self.held_by.items()
        }
        return State(self.node, self.g, held_by, list(self.heap))


class Sweep:
    """One backward pass: raw arrays through the rules, or Arrays where it is itself `recorded`.

    With `batched`, a cotangent stands for many, which go through the rules at once.

    A chain is followed without any bookkeeping; where nodes branch, a heap on the sequence number
    keeps the latest first, so that a node is visited once, its cotangent complete.
    """

    def __init__(
        self,
        *,
        recorded: bool,
        retain_graph: bool,
        targets: Collection[Node] | None = None,
        batched: bool = False,
    ) -> None:
        self.recorded = recorded
        self.batched = batched
        self.retain_graph = retain_graph
        self.targets = targets
        self.checkpoint: State | None = None
        """Where the first op stood that hands zeros to elements that were not used."""
        self.guards_poles = False
        """Whether zeros of the cotangent may meet derivatives that are infinite."""
        self.visited: list[Node] = []
        """The nodes since then, to be released at the end."""
        self.scopes: contextlib.ExitStack | None = None
        """The scopes of further backends, if gradients cross from one to another."""

    def cotangents(self, root: Node, seed: Any) -> Cotangents:
        """Cotangents of the leaves behind `root`, or of the targets, given that of `root`.

        A zero that meets an infinite derivative is a NaN that should be 0: at 0, that of
        `where(x > 0, sqrt(x), 0)`. To look for it at every product costs 0.7 us each, so it is
        looked for at the end; if there is one, the sweep is repeated from where it can have come
        from, with guarded products. Where values are not known yet, what would be repeated is
        guarded at once; of a cotangent that was given, whose zeros are few, only the products with
        derivatives that have poles.
        """
        if root.op is None or (self.targets and root in self.targets):
            return self._found({0: [root, seed, False]}, escaped=False)
        try:
            return self._swept(root, seed)
        finally:
            if self.scopes is not None:
                self.scopes.close()

    def _swept(self, root: Node, seed: Any) -> Cotangents:
        start = State(root, seed, {}, [])
        if math.prod(root.shape) != 1:
            if _modes.tracing() is None and root.op is not None and not root.op.is_deferred:
                self.checkpoint = start.copy()
            else:
                self.guards_poles = True
        found = self._sweep(start, careful=False)
        if self.checkpoint is not None and any(
            g._type.xp.has_nan(g._data)
            if self.recorded
            else node.type.xp.has_nan(g.array if self.batched else g)
            for node, (g, _) in found.totals.items()
        ):
            found = self._sweep(self.checkpoint, careful=True)
        for node in self.visited:
            _release(node)
        return found

    def _sweep(self, state: State, *, careful: bool) -> Cotangents:
        node, g, held_by, heap = state
        recorded, targets = self.recorded, self.targets
        by_cotangent = recorded or self.batched
        mode = (Mode.BATCHED if self.batched else Mode.RECORDED if recorded else Mode.RAW) + careful
        deferred = False
        floor = min(target.sequence for target in targets) if targets else 0
        escaped = False
        release = not self.retain_graph and not careful and self.checkpoint is None
        guards_poles = self.guards_poles
        backend = node.type.backend
        add = _add_arrays if by_cotangent else backend.accumulate
        in_memory = not by_cotangent
        popped, owned = None, False
        while True:
            op: Any = node.op
            if node.input1 is RELEASED:
                raise GraphError(
                    f"backward through {op.name} a second time, but what it saved was released by "
                    "the first; pass retain_graph=True to the first backward()"
                )
            sparse = False
            if op.is_plain and not guards_poles:
                pulls = op.pull_sets[mode] or op.fill(mode)
            elif op.is_part:
                if op.hooked:
                    g = _by_hooks(node, g, recorded=recorded)
                escaped |= self._collect(node, g, held_by, heap, floor, add)
                if not heap:
                    return self._found(held_by, escaped)
                node, g, owned = held_by.pop(-heappop(heap))
                popped = node
                continue
            else:
                if op.hooked:
                    g, owned = _by_hooks(node, g, recorded=recorded), False
                if op.is_deferred and not by_cotangent:
                    # From here on the pass is recorded as a program. Where a zero meets an infinite
                    # derivative can only be known when that runs, so products are guarded at once.
                    by_cotangent = deferred = True
                    backend = node.type.backend
                    add = backend.accumulate
                    mode = Mode.DEFERRED + (self.checkpoint is not None)
                    self.checkpoint = None
                    g = _lifted(node.type, g)
                    for entry in held_by.values():
                        entry[1], entry[2] = _lifted(entry[0].type, entry[1]), False
                if op.masks and deferred:
                    mode = Mode.DEFERRED_CAREFUL
                    release = False  # as in a sweep that may be repeated
                sparse = op.sparse and in_memory
                guarded = mode | (guards_poles and op.has_poles)
                pulls = (
                    op.pulls(Mode(guarded), len(node.parents))
                    if op.variadic
                    else op.pull_sets[guarded] or op.fill(guarded)
                )
                if op.masks and self.checkpoint is None and not deferred:
                    self.checkpoint = State(node, g, held_by, heap).copy()
                    release = owned = False
                if op.overwrites and in_memory:
                    # No name is left to the cotangent here, so that JAX may reuse its buffer.
                    handed, g = [g], None
                    owned = owned and node is popped
                    escaped |= self._hand_out(
                        self._split(node, handed, pulls, owned=owned), held_by, heap, floor, add
                    )
                    if release:
                        _release(node)
                    elif not self.retain_graph:
                        self.visited.append(node)
                    if not heap:
                        return self._found(held_by, escaped)
                    node, g, owned = held_by.pop(-heappop(heap))
                    popped = node
                    continue
                if op.name == "transfer" and in_memory:
                    place = node.parent1.type
                    backend = (lifting().deferred_type(place) if deferred else place).backend
                    add = backend.accumulate
                    if backend.scope is not None:
                        self.scopes = self.scopes or contextlib.ExitStack()
                        self.scopes.enter_context(backend.scope())
            width = op.width
            only = None
            index = 0
            if width == 1:
                only = node.parent1
            elif width == 2:
                if node.parent2 is None:
                    only = node.parent1
                elif node.parent1 is None:
                    only, index = node.parent2, 1
            if (
                only is not None
                and only.op is not None
                and not targets
                and not sparse
                and only.sequence not in held_by
            ):
                # The commonest case written out: one tracked operand, met for the first time.
                contribution = pulls[index](node, g)
                if not node.fits and contribution.shape != only.shape:
                    xp = g._rule_namespace() if by_cotangent else node.type.xp
                    contribution = sum_to(xp, contribution, only.shape)
                if release:
                    node.input1 = RELEASED
                    node.input2 = node.output = None
                elif not self.retain_graph:
                    self.visited.append(node)
                if not heap or only.sequence > -heap[0]:
                    node, g = only, contribution
                    continue
                held_by[only.sequence] = [only, contribution, False]
                heappush(heap, -only.sequence)
                node, g, owned = held_by.pop(-heappop(heap))
                popped = node
                continue
            parents = (
                (node.parent1,)
                if width == 1
                else (node.parent1, node.parent2)
                if width == 2
                else node.parent1
            )
            fits = node.fits
            ahead: Any = None
            ahead_g: Any = None
            for i, parent in enumerate(parents):
                if parent is None:
                    continue
                sequence = parent.sequence
                if sequence < floor:
                    escaped = True
                    continue
                held = held_by.get(sequence)
                if sparse and held is not None and held[2] and backend.add_at:
                    held[1] = backend.add_at(held[1], node.params["key"], g)
                    continue
                contribution = pulls[i](node, g)
                if not fits and contribution.shape != parent.shape:
                    xp = g._rule_namespace() if by_cotangent else node.type.xp
                    contribution = sum_to(xp, contribution, parent.shape)
                if held is not None:
                    held[1] = add(held[1], contribution, held[2])
                    held[2] = True
                elif parent is ahead:
                    held_by[sequence] = [parent, add(ahead_g, contribution, False), True]
                    heappush(heap, -sequence)
                    ahead = None
                elif parent.op is None or (targets and parent in targets):
                    alone = sparse and backend.owned(contribution)
                    held_by[sequence] = [parent, contribution, alone]
                elif ahead is None and not sparse:
                    ahead, ahead_g = parent, contribution
                else:
                    alone = sparse and backend.owned(contribution)
                    held_by[sequence] = [parent, contribution, alone]
                    heappush(heap, -sequence)
            if release:
                node.input1 = RELEASED
                node.input2 = node.output = None
            elif not self.retain_graph:
                self.visited.append(node)
            if ahead is not None:
                sequence = ahead.sequence
                if not heap or sequence > -heap[0]:
                    node, g = ahead, ahead_g
                    continue
                held_by[sequence] = [ahead, ahead_g, False]
                heappush(heap, -sequence)
            elif not heap:
                return self._found(held_by, escaped)
            node, g, owned = held_by.pop(-heappop(heap))
            popped = node

    @staticmethod
    def _split(
        node: Node, handed: list[Any], pulls: Sequence[Any], *, owned: bool
    ) -> list[tuple[Node, Any]]:
        """What a write hands to the value written, and to what was written into.

        The second is the cotangent with zeros where the first was: zeroed in place if nobody else
        holds it, so that a loop of writes takes time in proportion to what is written. `handed` is
        a list of the cotangent alone, which is taken out of it.
        """
        g = handed.pop()
        type_ = _type_in(node, g)
        xp, backend = type_.xp, type_.backend
        shares = []
        if node.parent2 is not None:
            picked = pulls[1](node, g)
            if picked.shape != node.parent2.shape:
                picked = sum_to(xp, picked, node.parent2.shape)
            shares.append((node.parent2, xp.asarray(picked, copy=True)))
        if node.parent1 is not None:
            zero: Any = 0.0
            if not backend.mutable:
                zero = xp.zeros((), dtype=g.dtype, device=device_of(g))
            elif not owned:
                g = xp.asarray(g, copy=True)
            shares.append((node.parent1, backend.assign(g, node.params["key"], zero)))
        return shares

    def _hand_out(
        self,
        shares: list[tuple[Node, Any]],
        held_by: dict[int, list[Any]],
        heap: list[int],
        floor: int,
        add: Callable[[Any, Any, bool], Any],
    ) -> bool:
        """Hold cotangents of nobody else's for their nodes; whether a node is older than asked."""
        escaped = False
        for parent, g in shares:
            sequence = parent.sequence
            held = held_by.get(sequence)
            if sequence < floor:
                escaped = True
            elif held is not None:
                held[1] = add(held[1], g, held[2])
                held[2] = True
            else:
                held_by[sequence] = [parent, g, True]
                if parent.op is not None and not (self.targets and parent in self.targets):
                    heappush(heap, -sequence)
        return escaped

    @staticmethod
    def _collect(
        node: Node,
        g: Any,
        held_by: dict[int, list[Any]],
        heap: list[int],
        floor: int,
        add: Callable[[Any, Any, bool], Any],
    ) -> bool:
        """Add the cotangent of one of several outputs to the others'; whether their op is older."""
        joint = node.parent1
        sequence = joint.sequence
        if sequence < floor:
            return True
        if sequence not in held_by:
            held_by[sequence] = [joint, Parts([None] * len(joint.op.outputs._fields)), True]
            heappush(heap, -sequence)
        parts, index = held_by[sequence][1], node.params["position"]
        parts[index] = g if parts[index] is None else add(parts[index], g, False)
        return False

    def _found(self, held_by: dict[int, list[Any]], escaped: bool) -> Cotangents:
        """What is left when no node is: the leaves, or the targets and leaves that are none."""
        ends, targets = held_by.values(), self.targets
        totals = {node: (g, owned) for node, g, owned in ends if targets is None or node in targets}
        return Cotangents(totals, escaped)


def _type_in(node: Node, g: Any) -> ArrayType:
    """The type of the node's array, deferred where its cotangent is."""
    return lifting().deferred_type(node.type) if is_deferred(g) else node.type


def _lifted(type_: ArrayType, g: Any) -> Any:
    """A cotangent, or those of several outputs, as deferred arrays."""
    xp = lifting().deferred_type(type_).xp
    if type(g) is Parts:
        return Parts(None if part is None else xp.lifted(part) for part in g)
    return xp.lifted(g)


def _release(node: Node) -> None:
    """Let go of what a node saved."""
    node.input1 = RELEASED
    node.input2 = node.output = None


def _add_arrays(total: Any, g: Any, owned: bool) -> Any:
    return total + g


def seed_for(y: Array, grad: Any) -> Array:
    """The cotangent to start from: 1 for one element, else what was given, checked, converted."""
    type_ = y._type
    if grad is None:
        if y._data.shape == () and type_.eager is None and not type_.is_complex:
            return scalar(type_, 1.0)
        if y.size != 1:
            raise ShapeError(
                f"backward() of an array of shape {y.shape} needs grad=, a cotangent of that "
                "shape; for the gradient of a scalar, reduce first, as in y.sum().backward()"
            )
        if type_.is_complex:
            raise DTypeError(
                f"backward() of a complex array, {type_.dtype}, needs grad=, a cotangent; for a "
                "real loss take npg.real or npg.abs of it first"
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
        if grad.device is not type_.device:
            grad = BY_NAME["transfer"].function(grad, type_.device)
        grad = convert(grad, type_.dtype)
    seed: Array = grad
    return seed


def cotangents(
    y: Array,
    seed: Array,
    *,
    recorded: bool,
    retain_graph: bool,
    targets: Collection[Node] | None = None,
) -> Cotangents:
    """What a sweep from an array finds, in the mode and scope that it needs."""
    if y._node is None:
        raise GraphError(
            "backward() of an array that was not computed from any that requires grad; create the "
            "inputs with requires_grad=True, and not under no_grad()"
        )
    sweep = Sweep(recorded=recorded, retain_graph=retain_graph, targets=targets)
    scope = y._type.backend.scope
    with scope() if scope is not None else contextlib.nullcontext():
        for watcher in _modes.watching() if _modes.unusual else ():
            watcher.before_sweep(y._node, seed)
        if recorded:
            if _modes.tracing() is not None:
                lifting().refuse_saved_outside(y._node, targets)
            with _modes.enable_grad():
                return sweep.cotangents(y._node, seed)
        return sweep.cotangents(y._node, seed._data)


def backward(y: Array, grad: Any, *, retain_graph: bool, create_graph: bool) -> None:
    """Add the gradient of `y` to every leaf behind it; all of them or, after an error, none."""
    if y._node is None:
        cotangents(y, y, recorded=False, retain_graph=True)
    seed = seed_for(y, grad)
    totals, _ = cotangents(y, seed, recorded=create_graph, retain_graph=retain_graph)
    owned = own_gradients(totals, seed, recorded=create_graph)
    if not create_graph and (trace := _modes.tracing()) is not None:
        for gradient in owned.values():
            trace.stopped(gradient)
    if _modes.deferring and not _modes.tracing():
        settle([y, *owned.values()])
    if hooks:
        owned = {node: _hooked(node, gradient) for node, gradient in owned.items()}
    with _accumulating:
        for node, gradient in owned.items():
            _modes.saw(node)
            node.grad = gradient if node.grad is None else _sum(node.grad, gradient, create_graph)


Hook: TypeAlias = "Callable[[Array], Array | None]"
hooks: WeakKeyDictionary[Node, dict[object, Hook]] = WeakKeyDictionary()
"""What is shown the gradient of a node."""


class HookHandle:
    """What `register_hook` returns: `remove()` takes the hook away again."""

    def __init__(self, node: Node) -> None:
        self._node = weakref.ref(node)

    def remove(self) -> None:
        """Take the hook away; once is enough, twice no error."""
        node = self._node()
        if node is not None:
            hooks.get(node, {}).pop(self, None)


def register_hook(x: Array, hook: Hook) -> HookHandle:
    """Have `hook` called with the gradient of `x`; what it returns, if anything, replaces it."""
    node = x._node
    if node is None:
        raise GraphError("register_hook() of an array that does not require grad")
    if (trace := _modes.tracing()) is not None:
        trace.refuse_hook()
    handle = HookHandle(node)
    hooks.setdefault(node, {})[handle] = hook
    if node.op is not None:
        node.op = node.op.with_hooks
    return handle


def retain_grad(x: Array) -> None:
    """Have backward keep the gradient of a computed array in `x.grad`, as it does for leaves."""
    node = x._node
    if node is None:
        raise GraphError("retain_grad() of an array that does not require grad")
    if node.op is None or hasattr(node, "grad"):
        return
    node.grad = None
    reference = weakref.ref(node)  # the hook must not keep its own node alive

    def keep(g: Array) -> None:
        node = reference()
        if node is not None:
            node.grad = g if node.grad is None else _sum(node.grad, g, g._node is not None)

    register_hook(x, keep)


def _by_hooks(node: Node, g: Any, *, recorded: bool) -> Any:
    """The cotangent of a node, as its hooks leave it."""
    if recorded:
        return _hooked(node, g)
    type_ = _type_in(node, g)
    shown = wrap(type_.xp.asarray(g, copy=True), type_)
    found = _hooked(node, shown)
    return g if found is shown else found._data


def _hooked(node: Node, g: Array) -> Array:
    for hook in list(hooks.get(node, {}).values()):
        found = hook(g)
        if found is None:
            continue
        if (
            not isinstance(found, Array)
            or found.shape != g.shape
            or (found.dtype, found.device) != (g.dtype, g.device)
        ):
            raise ShapeError(
                f"a hook returns None or an Array like the gradient it was given, {g.shape} "
                f"{g.dtype} on {g.device!r}, not {found!r}"
            )
        g = found
    return g


_accumulating = threading.Lock()
"""Threads may run backward over graphs that share leaves."""


def own_gradients(
    totals: dict[Node, tuple[Any, bool]], seed: Array, *, recorded: bool
) -> dict[Node, Array]:
    """Cotangents as Arrays that share memory neither with each other nor with anything else."""
    handed_out = {id(seed._data)}
    return {
        node: _own(g, handed_out) if recorded else _raw_own(node, g, owned, handed_out)
        for node, (g, owned) in totals.items()
    }


def _own(g: Array, handed_out: set[int]) -> Array:
    """A recorded gradient that shares memory with nothing else."""
    if id(g._data) in handed_out or g._alias is not None:
        with _modes.enable_grad():
            g = BY_NAME["positive"].function(g)
    handed_out.add(id(g._data))
    return g


def _raw_own(node: Node, g: RawArray, owned: bool, handed_out: set[int]) -> Array:
    """A gradient that shares memory with nothing else."""
    type_ = _type_in(node, g)
    if id(g) in handed_out or not (owned or type_.backend.owned(g)):
        g = type_.xp.asarray(g, copy=True)
    handed_out.add(id(g))
    return wrap(g, type_)


def _sum(total: Array, g: Array, create_graph: bool) -> Array:
    if create_graph:
        return total + g
    at_once = _modes.is_lazy() and not _modes.tracing()
    with _modes.unrecorded(), _modes.eager() if at_once else contextlib.nullcontext():
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
            _modes.saw(node)
            node.grad = zeros_of(node.type, node.shape)
        todo.extend(parent for parent in node.parents if parent is not None)


def zeros_of(type_: ArrayType, shape: Shape) -> Array:
    """Zeros of a type and shape."""
    return wrap(type_.xp.zeros(shape, dtype=type_.raw_dtype, device=type_.device.raw), type_)
