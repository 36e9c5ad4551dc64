"""Joint ops: one node for a whole function, whose rules are functions of Arrays made at its call.

`custom_vjp`, `custom_jvp` and `checkpoint` record such a node. It has any number of operands and of
outputs, and a `Call` that gives the cotangents, or the tangents, of all of them together.
"""

from __future__ import annotations

import contextlib
import functools
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._dispatch import is_deferred as is_deferred_data
from numpygrad._dispatch import lifting, parts_of, record, settle
from numpygrad._engine import zeros_of
from numpygrad._forward import nodes_behind
from numpygrad._kernels import DEFAULTS
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes import MORE_RULES
from numpygrad._node import Node, Parts, tick
from numpygrad._op import BY_NAME, PART, Mode, Op, Pull
from numpygrad._storage import (
    Detached,
    check_not_stale,
    check_output,
    lay_out,
    region_of,
    storage_of,
)
from numpygrad._tree import Tree, leaves_of, rebuilt
from numpygrad._views import private
from numpygrad.errors import DerivativeError, DeviceError
from numpygrad.ops import RULE_NAMESPACE

Maybe = Array | None


class Call(Protocol):
    """One call of a joint op: what its node keeps as `params["call"]`."""

    @property
    def name(self) -> str:
        """The function's, for messages."""

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> Sequence[Maybe]:
        """The cotangent of each parent of `node`, given those of its outputs.

        `None` stands for zeros. If `recorded`, what the node saved is joined to the graph.
        """

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> Sequence[Array]:
        """The tangent of each output of `node`, given those of its parents."""

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Whether the function is known to be linear in those of its operands."""


def joint(arrays: Sequence[Array]) -> Any:
    """What joint ops are made of, for their row; it is never applied."""
    raise NotImplementedError("a joint op is recorded by the function it stands for")


class Joint(Op):
    """The op of such nodes; what it does depends on the node's `Call`."""

    __slots__ = ()
    is_joint = True

    def pulls(self, mode: Mode, count: int) -> tuple[Pull | None, ...]:
        """The pullbacks to so many operands, which work out all cotangents at once."""
        known = self._pulls.get(mode, ())
        if len(known) < count:
            pulls = (functools.partial(_pull, mode, i) for i in range(2 * count))
            known = self._pulls[mode] = tuple(pulls)
        return known

    def pushed(self, node: Node, tangents: Sequence[Maybe]) -> Parts:
        """The tangents of all outputs."""
        call: Call = node.params["call"]
        return Parts(call.pushed(node, tangents, recorded=_modes.is_grad_enabled()))


@functools.cache
def joint_op(name: str, count: int) -> Joint:
    """The op of a function of that name with so many outputs."""
    outputs: Any = namedtuple("Outputs", tuple(f"output_{i}" for i in range(count)))  # type: ignore[misc]  # counted
    op = Joint("nonlinear", joint, (lambda g: g,), dtype="own", outputs=outputs, holomorphic=False)
    op.name = name if name not in BY_NAME else f"{name}_"  # by which the engine knows ops
    return op


def _pull(mode: Mode, index: int, node: Node, g: Any) -> Any:
    if g.pulled is None:
        g.pulled = _pulled(mode, node, g)
    return g.pulled[index]


def _pulled(mode: Mode, node: Node, g: Parts) -> list[Any]:
    """The cotangents of all operands, as the sweep takes them: Arrays, raw or deferred."""
    call: Call = node.params["call"]
    if mode.recorded:
        found = call.pulled(node, list(g), recorded=True)
        return [_or_zeros(c, p) for c, p in zip(found, node.parents, strict=True)]
    if (tracing := _modes.tracing()) is not None:
        tracing.require_own(node)
    is_deferred = mode.deferred or any(is_deferred_data(y) for y in g)
    scope: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if is_deferred is not _modes.is_lazy():
        scope = _modes.lazy() if is_deferred else _modes.eager()
    with scope:
        given = [None if y is None else wrap(y, _type_of(node, y)) for y in g]
        found = call.pulled(node, given, recorded=False)
        refuse_closure(call.name, found)
        pairs = zip(found, node.parents, strict=True)
        arrays = [_or_zeros(c, p) for c, p in pairs]
        if is_deferred:
            return [None if x is None else lifting().lift(x) for x in arrays]
        settle([x for x in arrays if x is not None])
        return [None if x is None else x._data for x in arrays]


def _type_of(node: Node, data: Any) -> Any:
    return data.type if is_deferred_data(data) else node.type.of(data)


def _or_zeros(c: Maybe, parent: Node | None) -> Maybe:
    if parent is None:
        return None
    return zeros_of(parent.type, parent.shape) if c is None else c


def refuse_closure(name: str, found: Sequence[Any]) -> None:
    """Raise if an array is tracked although no argument of the function was."""
    if any(isinstance(x, Array) and x._node is not None for x in found):
        raise DerivativeError(
            f"{name}() or one of its rules uses a tracked array that is not among its arguments, "
            "whose gradient would be lost. Pass it as an argument"
        )


def untracked(x: Array) -> Array:
    """The same memory and version without history, for a rule to use in place of `x`."""
    if x._alias is None:
        lay_out(x)
    data, type_ = x._data, x._type
    if _modes.tracing() is not None and _modes.is_lazy():
        data = lifting().lift(x)
        type_ = data.type
    out = wrap(data, type_)
    # No detached alias that the storage knows of: later writes into `x` shall be recorded as ever.
    out._alias = Detached(storage_of(x), region_of(x))
    return out


def version_of(x: Array) -> int:
    """How often the memory of an array was written."""
    return 0 if x._alias is None else x._alias.storage.version


def saved_input(node: Node, index: int, name: str, *, recorded: bool) -> Array:
    """An array that `node` saved, still what it was; without its history unless `recorded`."""
    x: Array = node.input1[index]
    if x._alias is not None:
        check_not_stale(node, name, x)
    return x if recorded or x._node is None else untracked(x)


def saved_output(node: Node, index: int, *, recorded: bool) -> Array:
    """An output that `node` saved, still what it was."""
    data = node.output[index]
    for position, storage in node.alias:
        if position == index:
            check_output(node, f"output {index}", storage, data.shape)
    out = wrap(data, _type_of(node, data))
    if recorded:
        whole = wrap(None, node.type)
        whole._node = node
        record(PART, out, (whole,), {"position": index})
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A call as `vmap` has to know it: its outputs as a function of the arrays it was given."""

    alone: Callable[..., tuple[Array, ...]]
    mapped: Callable[[tuple[int | None, ...]], Callable[..., tuple[Array, ...]]]
    """The function for many examples, which are along these axes of the arrays."""
    avals: tuple[Aval, ...]
    """Of the outputs."""


def attached(
    call: Call,
    parents: Sequence[Node | None],
    saved: Sequence[Maybe],
    result: Tree,
    kept: Sequence[int],
    whole: Callable[[], tuple[Whole, Sequence[Array]]] | None = None,
) -> Tree:
    """The result of a call, its floating arrays replaced by outputs of the call's node.

    `saved` are the arrays that the node keeps, and `kept` says which outputs it keeps. `whole`
    gives what `vmap` has to know, and the arrays that the function was given.
    """
    leaves = leaves_of(result)
    places = [i for i, y in enumerate(leaves) if is_output(y)]
    # Copied: it may be an argument, a view of one, or an array that others hold.
    results = [private(leaves[i]) for i in places]
    _require_one_device(call.name, parents, results)
    if (trace := _modes.mapping()) is not None and _flows_in(trace, parents):
        results = _in_program(call.name, whole)
    type_ = results[0]._type
    op = joint_op(call.name, len(results))
    node = Node()
    node.sequence = tick()
    node.op = op if type_.eager is None else op.deferred
    node.type = type_
    node.shape = results[0].shape
    node.parent1 = tuple(parents)
    node.input1 = tuple(saved)
    node.shapes = tuple(() if p is None else p.shape for p in parents)
    data = [y._data for y in results]
    node.output = tuple(y if i in kept else None for i, y in enumerate(data))
    node.alias = ()
    node.fits = True
    node.params = {"call": call}
    for watcher in _modes.watching() if _modes.unusual else ():
        watcher.recorded(node)
    for i, y in zip(places, parts_of(node, data), strict=True):
        leaves[i] = y
    return rebuilt(result, leaves)


def _flows_in(trace: _modes.Tracing, parents: Sequence[Node | None]) -> bool:
    """Whether a derivative from outside of `vmap` flows through a call."""
    found = nodes_behind(parents, ())
    return any(map(trace.flows_in, found.inside | found.outside))


def _in_program(
    name: str, whole: Callable[[], tuple[Whole, Sequence[Array]]] | None
) -> list[Array]:
    """The outputs of one call in the program that `vmap` captures, which knows its rules."""
    if whole is None:
        raise DerivativeError(
            f"{name}() inside a function that vmap() maps has no derivative outside of it; take "
            "the derivative inside, as in npg.vmap(npg.grad(f))"
        )
    return called(*whole())


def called(whole: Whole, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a call as one call in the program that is being captured."""
    raw = [lifting().lift(x) for x in arrays]
    return [wrap(y, y.type) for y in getattr(raw[0].type.xp, IN_PROGRAMS)(*raw, call=whole)]


def _alone(*arrays: Array, call: Whole) -> tuple[Array, ...]:
    return call.alone(*arrays)


IN_PROGRAMS = "joint"
"""By this name programs know such a call, as they do kernels; `vmap` alone runs it, over Arrays."""

DEFAULTS[IN_PROGRAMS] = joint
MORE_RULES[IN_PROGRAMS] = lambda *arrays, call: call.avals
RULE_NAMESPACE._kernels[IN_PROGRAMS] = _alone  # type: ignore[index]  # a dict


def is_output(y: Any) -> bool:
    """Whether a leaf of a result has a derivative."""
    return isinstance(y, Array) and y._type.is_floating


def _require_one_device(
    name: str, parents: Sequence[Node | None], results: Sequence[Array]
) -> None:
    devices = {y.device for y in results} | {p.type.device for p in parents if p is not None}
    if len(devices) > 1:
        raise DeviceError(
            f"{name}() takes and gives tracked arrays of one device, not of "
            f"{' and '.join(sorted(map(repr, devices)))}; move them before, with x.to(...)"
        )
