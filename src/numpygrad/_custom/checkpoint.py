"""Memory for time: a function whose steps are not kept for backward, but made again in it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import default_device
from numpygrad._custom.joint import Maybe, attached, is_output, saved_input, untracked
from numpygrad._custom.replay import Effects, refuse_leaks, run_again
from numpygrad._custom.transposition import swept
from numpygrad._dispatch import record
from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad._forward import nodes_behind, tangents_of
from numpygrad._kernels import holds
from numpygrad._node import Node, leaf, tick
from numpygrad._op import BY_NAME
from numpygrad._tree import Tree, leaves_of, rebuilt, structure_of
from numpygrad.errors import DerivativeError
from numpygrad.ops.data_types import finfo
from numpygrad.ops.elementwise import abs as absolute
from numpygrad.ops.elementwise import isfinite, isnan
from numpygrad.ops.searching import where
from numpygrad.ops.statistical import max as max_of
from numpygrad.ops.utility import all as all_of

if TYPE_CHECKING:
    from numpygrad._generator import Generator

F = TypeVar("F", bound=Callable[..., Any])


def checkpoint(function: F) -> F:
    """`function`, which keeps its arguments for backward and none of its intermediate results.

    Backward runs it a second time, to have them for as long as that one function needs them. So a
    chain of n steps, each a checkpoint, needs memory for n arguments and one step's results, and
    takes about a third longer. Gradients flow to arguments and to tracked arrays that the function
    closes over. Nests; to any order, in both modes. Random numbers of `numpygrad.random` are the
    same at the second run.

    Inside `lazy()` and `compile` it is `function` itself: there the program decides how long an
    intermediate result is kept.

    Parameters
    ----------
    function
        Takes and gives Arrays, or nested structures of them and of anything else that holds none.
        It must give the same when it is run again.

    Raises
    ------
    DerivativeError
        If it writes in place to an argument or to an array it closes over, or if a tracked array
        it was given or made leaves it other than in its result, as in a list outside or in an
        iterator. In backward, if it gives other values when run again, as when an array it closes
        over was written since.

    Source: Griewank and Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical
    Software 26 (2000); Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory
    cost" (2016).

    Examples
    --------
    >>> import numpygrad as npg
    >>> step = npg.checkpoint(lambda x: npg.sin(npg.exp(x)))
    >>> print(npg.grad(lambda x: step(step(x)).sum())(npg.array([0.0, 1.0])))
    [-0.8534175  -0.23455378]
    """
    name = getattr(function, "__name__", type(function).__name__)

    @functools.wraps(function)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not _modes.is_grad_enabled() or _modes.is_lazy():
            return function(*args, **kwargs)
        return _recorded(name, function, args, kwargs)

    return checkpointed  # type: ignore[return-value]  # of the same signature


def _recorded(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The result of a call, whose graph is one node."""
    leaves = leaves_of((args, kwargs))
    start = tick()
    inputs = [_own(x, recorded=False) if _is_tracked(x) else x for x in leaves]
    own: list[weakref.ref[Any]] = [weakref.ref(x._node) for x in inputs if _is_tracked(x)]
    effects = Effects()
    with effects:
        args, kwargs = rebuilt((args, kwargs), inputs)
        result = function(*args, **kwargs)
    closures = _nodes_from_outside(result, inputs, start)
    nodes = [x._node if isinstance(x, Array) else None for x in leaves]
    outputs = sum(map(is_output, leaves_of(result)))
    if not outputs or not (closures or any(nodes)):
        del args, kwargs, inputs
        refuse_leaks(name, own)
        return result
    call = _Call(
        name=name,
        function=function,
        arguments=rebuilt((args, kwargs), range(len(leaves))),
        leaves=[None if isinstance(x, Array) else x for x in leaves],
        result=structure_of(result),
        states=effects.states,
    )
    saved = [x if isinstance(x, Array) else None for x in leaves]
    result = attached(call, [*nodes, *closures], saved, result, range(outputs))
    del args, kwargs, inputs  # of what the function made, only what others hold is left
    refuse_leaks(name, own)
    effects.refuse_writes(name)
    return result


def _is_tracked(x: Any) -> bool:
    return isinstance(x, Array) and x._node is not None


def _own(x: Array, *, recorded: bool) -> Array:
    """An argument with a node of its own, joined to that of the caller's array if `recorded`."""
    own = untracked(x)
    if recorded:
        record(BY_NAME["positive"], own, (x,), {})
    else:
        own._node = leaf(x._type, x.shape)
    return own


def _nodes_from_outside(result: Tree, inputs: Sequence[Any], start: int) -> list[Node]:
    """The nodes of tracked arrays that a function closes over."""
    mark = leaf(default_device().type(DEFAULT_FLOAT), ())
    mark.sequence = start
    seeds = {mark, *(x._node for x in inputs if isinstance(x, Array) and x._node is not None)}
    roots = [y._node for y in leaves_of(result) if isinstance(y, Array)]
    outside = nodes_behind(roots, seeds).outside
    return sorted((n for n in outside if n.sequence < start), key=lambda n: n.sequence)


def _sources(node: Node, inputs: Sequence[Any]) -> list[Node | None]:
    """Where the second run's derivatives end, for each parent: at its arguments' own nodes."""
    return [
        None if p is None else inputs[i]._node if i < len(inputs) else p
        for i, p in enumerate(node.parents)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What a node keeps of a call; arguments and results are the node's own."""

    name: str
    function: Callable[..., Any]
    arguments: Tree
    """Positional and by name, with numbers in place of leaves."""
    leaves: list[Any]
    """Those that are no arrays."""
    result: Any
    """Its structure."""
    states: dict[Generator, Any]

    def __repr__(self) -> str:
        return f"<checkpoint of {self.name}>"

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> list[Maybe]:
        """The cotangents, of the function run again."""
        inputs, outputs = self._again(node, recorded=recorded)
        sources = _sources(node, inputs)
        targets = [source for source in sources if source is not None]
        found = swept(outputs, g, targets, recorded=recorded, retain_graph=recorded)
        rest = iter(found)
        return [None if p is None else next(rest) for p in node.parents]

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> list[Array]:
        """The tangents, of the function run again."""
        inputs, outputs = self._again(node, recorded=recorded)
        pairs = zip(_sources(node, inputs), t, strict=True)
        seeds = {n: s for n, s in pairs if n is not None and s is not None}
        return tangents_of(outputs, seeds, nested=recorded)[0]

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Nothing is known of the function."""
        return False

    def _again(self, node: Node, *, recorded: bool) -> tuple[list[Any], list[Array]]:
        """What the function is given and gives when it is run again, recorded.

        At once, as it was the first time: where `vmap` captures a pullback, none of it is mapped.
        """
        inputs = list(self.leaves)
        start = tick()
        with _modes.eager() if _modes.is_lazy() else nullcontext(), _modes.enable_grad():
            for i, p in enumerate(node.parents[: len(inputs)]):
                if node.input1[i] is not None:
                    x = saved_input(node, i, "argument", recorded=True)
                    inputs[i] = x if p is None else _own(x, recorded=recorded)
            args, kwargs = rebuilt(self.arguments, inputs)
            result = run_again(self.name, lambda: self.function(*args, **kwargs), self.states)
            self._compare(node, result)
        if _nodes_from_outside(result, inputs, start) != list(node.parents[len(inputs) :]):
            raise self._changed("it depends on other tracked arrays")
        return inputs, [y for y in leaves_of(result) if is_output(y)]

    def _compare(self, node: Node, result: Tree) -> None:
        """Raise if the result is not what it was."""
        outputs = [y for y in leaves_of(result) if is_output(y)]
        if structure_of(result) != self.result or len(outputs) != len(node.output):
            raise self._changed("it gave another structure")
        for i, (y, before) in enumerate(zip(outputs, node.output, strict=True)):
            self._compare_output(node, i, y, before)

    def _compare_output(self, node: Node, index: int, y: Array, before: Any) -> None:
        """Raise if an output is not what it was; its own bits may vary with how memory lies."""
        if y.shape != before.shape or y._type.of(before) is not y._type:
            raise self._changed(f"output {index} has another shape or dtype")
        if any(i == index and storage.written > node.sequence for i, storage in node.alias):
            return  # the caller has written to what it was
        with _modes.no_grad():
            old = wrap(before, y._type)
            same = (y == old) | (isnan(y) & isnan(old))
            if holds(all_of(same), unknown=True):
                return
            both = isfinite(y) & isfinite(old)
            limit = TOLERANCE * float(finfo(y.dtype).eps) * max_of(_size(old, isfinite(old)))
            if not holds(all_of(same | (both & (_size(y - old, both) <= limit)))):
                raise self._changed(f"output {index} has other values")

    def _changed(self, what: str) -> DerivativeError:
        return DerivativeError(
            f"{self.name}() is a checkpoint, run again for its derivative, and is not what it was: "
            f"{what}. An array that it closes over was written or replaced since, or it depends on "
            "something else that changes; pass that as an argument"
        )


TOLERANCE = 1e4
"""How many units in the last place two runs may differ by, of the largest element."""


def _size(x: Array, where_finite: Array) -> Array:
    """Sizes of some of the elements, 0 for the others."""
    return where(where_finite, absolute(x), 0.0)
