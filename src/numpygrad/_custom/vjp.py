"""Functions whose rule for reverse mode the user gives: `custom_vjp`.

A call of one records a single node. Inside of it nothing is recorded: the function runs on the same
arrays without their history, so that what is tracked there nevertheless was not passed to it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MethodType
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._custom.joint import (
    Maybe,
    Whole,
    attached,
    is_output,
    refuse_closure,
    saved_input,
    saved_output,
    untracked,
)
from numpygrad._custom.mapped import whole_of_vjp
from numpygrad._custom.replay import Traced, run_again
from numpygrad._custom.rules import (
    Arguments,
    Place,
    arguments_of,
    cotangents_given,
    filled,
    irregular,
    is_zero,
    outputs_of,
    place_of,
    refuse_outside,
    signature_of,
    skeleton,
    unrecorded,
    untraced,
    without_writes,
)
from numpygrad._custom.transposition import Linearity, swept, tracked_copy
from numpygrad._forward import tracked_zeros
from numpygrad._node import Node
from numpygrad._transforms import chosen_of
from numpygrad._tree import Tree, leaves_of, rebuilt, structure_of
from numpygrad.errors import DerivativeError
from numpygrad.ops.manipulation import broadcast_to


class custom_vjp:
    """A function with a rule of its own for reverse mode, given by `defvjp`.

    The contract is that of JAX. Forward mode transposes the rule, which must then be linear in the
    cotangent; higher derivatives differentiate it. A zero in the cotangent that meets an infinite
    derivative is NaN, as in NumPy: the rule guards against it, with `npg.where`. Where a derivative
    depends on residuals that are neither arguments nor results, `forward` is run again for that,
    and should draw no random numbers.

    Parameters
    ----------
    function
        Takes positional arguments and gives a result, each an Array or a nested structure.
        Integer and boolean arrays, and whatever is no Array, get no cotangent.
    nondiff_argnums
        Arguments that are passed on as they are: to `forward` in their place, to `backward` before
        all others. They may be anything, but not tracked.

    Raises
    ------
    DerivativeError
        If the function or a rule uses tracked arrays that are not among its arguments, writes to
        one, or cannot be differentiated in the way that is asked for: where a rule is itself
        differentiated or transposed, it may read no values by `x.numpy()` or the like.
    TypeError
        If the result of tracked arguments holds no Array, or hides some, as an iterator does.
    ShapeError, DTypeError
        If `backward` gives a cotangent that does not fit its argument.

    Examples
    --------
    >>> import numpygrad as npg
    >>> @npg.custom_vjp
    ... def log1pexp(x):
    ...     return npg.log(1.0 + npg.exp(x))
    >>> def forward(x):
    ...     return log1pexp(x), x
    >>> def backward(x, g):
    ...     return (g * (1.0 - 1.0 / (1.0 + npg.exp(x))),)
    >>> log1pexp.defvjp(forward, backward)
    >>> print(npg.grad(log1pexp)(npg.array(100.0)))
    1.0
    """

    def __init__(
        self, function: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self._signature = signature_of(function)
        self._fixed = chosen_of(nondiff_argnums)
        self._forward: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Set the rule.

        Parameters
        ----------
        forward
            Takes the arguments of the function; gives its result, and residuals: whatever
            `backward` needs, in any structure. Arguments and results among them cost no memory.
        backward
            Takes the residuals, and the cotangent of the result with its structure: zeros where
            nothing depends on a part of it, `None` for parts without a derivative. Gives a tuple
            with a cotangent for each argument; `None`, there or inside of it, is zeros. Cotangents
            of complex arrays are in the convention of `vjp`. What it is given it may not write to.
        """
        self._forward, self._backward = forward, backward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        forward = self._forward
        if forward is None:
            raise TypeError(
                f"{self._name}() has no rule yet: call {self._name}.defvjp(forward, backward)"
            )
        found = arguments_of(self._name, self._signature, self._fixed, args, kwargs)
        nodes = found.nodes
        if not _modes.is_grad_enabled() or not any(nodes):
            return unrecorded(self._name, self._function, found)
        given = [x if n is None else untracked(x) for x, n in zip(found.leaves, nodes, strict=True)]
        made = without_writes(self._name, forward, found, given)
        if not isinstance(made, tuple) or len(made) != 2:
            raise TypeError(
                f"the forward rule of {self._name}() gives a pair of its result and residuals, "
                f"not {type(made).__name__}"
            )
        result, residuals = made
        outputs = outputs_of(self._name, result)
        kept = leaves_of(residuals)
        refuse_closure(self._name, [*outputs, *kept])
        if not outputs:
            return result
        entries, saved = _sorted(kept, given, outputs)
        call = _VjpCall(
            name=self._name,
            rule=self,
            arguments=found.without_arrays(),
            count=len(given),
            residuals=rebuilt(residuals, range(len(kept))),
            entries=entries,
            is_computed=any(kind == "kept" and is_output(saved[i]) for kind, i in entries),
            result=skeleton(result),
            places=[place_of(y) for y in outputs],
        )
        used = {i for kind, i in entries if kind == "input"}
        arrays = [
            x if isinstance(x, Array) and (call.is_computed or i in used) else None
            for i, x in enumerate(found.leaves)
        ]
        keeps = [i for kind, i in entries if kind == "output"]

        def whole() -> tuple[Whole, list[Array]]:
            leaves = [x for x in found.leaves if isinstance(x, Array)]
            return whole_of_vjp(self, found, result), leaves

        return attached(call, nodes, [*arrays, *saved], result, keeps, whole)


def _sorted(
    kept: Sequence[Any], given: Sequence[Any], outputs: Sequence[Array]
) -> tuple[list[tuple[str, Any]], list[Array]]:
    """What each residual is, an input, an output, an array or a value; and those arrays."""
    entries: list[tuple[str, Any]] = []
    saved: list[Array] = []
    for r in kept:
        if not isinstance(r, Array):
            entries.append(("value", r))
        elif (i := _position(r, given)) is not None:
            entries.append(("input", i))
        elif (i := _position(r, outputs)) is not None:
            entries.append(("output", i))
        else:
            entries.append(("kept", len(saved)))
            saved.append(r)
    return entries, saved


def _position(x: Any, items: Sequence[Any]) -> int | None:
    return next((i for i, item in enumerate(items) if item is x), None)


@dataclass(frozen=True, slots=True, eq=False)
class _VjpCall:
    """What a node keeps of a call of a `custom_vjp`; the arrays are the node's."""

    name: str
    rule: custom_vjp
    arguments: Arguments
    """Without their arrays."""
    count: int
    """How many leaves they have; the arrays that the node saved begin with these."""
    residuals: Tree
    entries: list[tuple[str, Any]]
    is_computed: bool
    """Whether floating arrays among the residuals are neither arguments nor results."""
    result: Tree
    places: list[Place]

    def __repr__(self) -> str:
        return f"<call of {self.name}>"

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> list[Maybe]:
        """The cotangents that the user's rule gives."""
        residuals = self._residuals(node, recorded=recorded)
        follows = recorded or any(y is not None and y._node is not None for y in g)
        with self._traced() if follows else nullcontext():
            found = self._ruled(node, residuals, g)
        if follows and any(c is not None and c._node is None for c in found):
            self._require_traced(node, found)
        return found

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> list[Array]:
        """The tangents of the results, by transposing the rule."""
        with _modes.enable_grad():
            zeros = [tracked_zeros(place.type, place.shape) for place in self.places]
            watch = Linearity(zeros)
            with watch:
                residuals = self._residuals(node, recorded=recorded)
                with self._traced():
                    found = self._ruled(node, residuals, zeros)
            why = f"forward mode transposes the backward rule of {self.name}()"
            watch.require(found, f"{why}, which must be linear in the cotangent")
            seeds: list[Any] = [z._node for z in zeros]
            if not recorded:
                refuse_outside(self.name, found, seeds)
            if any(c is not None and c._node is None for c in found):
                self._require_traced(node, found)
            if not _modes.is_lazy() and not all(c is None or is_zero(c) for c in found):
                raise DerivativeError(f"{why}, which must give zeros for zeros")
            arrays = [zeros[0] if c is None else c for c in found]
            given = [None if c is None else s for c, s in zip(found, t, strict=True)]
            pushed = swept(arrays, given, seeds, recorded=recorded)
        return filled(pushed, self.places)

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Whether no residual depends on these operands."""
        used = [i for kind, i in self.entries if kind == "input"]
        outputs = any(kind == "output" for kind, _ in self.entries)
        return not (self.is_computed or outputs or any(dependent[i] for i in used))

    def _ruled(self, node: Node, residuals: Tree, g: Sequence[Maybe]) -> list[Maybe]:
        """What the rule gives, checked; an entry for each operand."""
        # Read-only: others may hold the same cotangent.
        leaves = [broadcast_to(y, y.shape) for y in filled(g, self.places)]
        cotangent = rebuilt(
            self.result, [leaves[i] if i >= 0 else None for i in leaves_of(self.result)]
        )
        backward: Any = self.rule._backward
        given = backward(*self.arguments.others, residuals, cotangent)
        places = {i: Place(p.type, p.shape) for i, p in enumerate(node.parents) if p is not None}
        found = iter(cotangents_given(self.name, given, self.arguments, places))
        return [None if p is None else next(found) for p in node.parents]

    def _residuals(self, node: Node, *, recorded: bool) -> Tree:
        """The residuals, with their history if `recorded`."""
        fresh = self._computed_again(node) if recorded and self.is_computed else None
        leaves: list[Any] = []
        for number, (kind, what) in enumerate(self.entries):
            if kind == "input":
                path = self.arguments.path(what)
                leaves.append(saved_input(node, what, path, recorded=recorded))
            elif kind == "output":
                leaves.append(saved_output(node, what, recorded=recorded))
            elif kind == "kept":
                x = saved_input(node, self.count + what, "residual", recorded=recorded)
                leaves.append(x if fresh is None else fresh[number])
            else:
                leaves.append(what)
        return rebuilt(self.residuals, leaves)

    def _computed_again(self, node: Node) -> list[Any]:
        """The residuals computed of tracked arguments, for their own derivative."""
        inputs = [
            x if node.input1[i] is None else self._saved(node, i)
            for i, x in enumerate(self.arguments.leaves)
        ]
        forward: Any = self.rule._forward
        with Traced(f"the forward rule of {self.name}(), run again for a derivative,"):
            made = run_again(self.name, lambda: forward(*self.arguments.all_with(inputs)), {})
        if structure_of(made[1]) != structure_of(self.residuals):
            raise DerivativeError(
                f"the forward rule of {self.name}(), run again for a derivative, gave residuals of "
                "another structure than before"
            )
        return leaves_of(made[1])

    def _saved(self, node: Node, index: int) -> Array:
        return saved_input(node, index, self.arguments.path(index), recorded=True)

    def _traced(self) -> Traced:
        return Traced(f"the backward rule of {self.name}()")

    def _require_traced(self, node: Node, found: Sequence[Maybe]) -> None:
        """Raise if a cotangent without history is one that depends on something nevertheless."""
        with _modes.enable_grad():
            probes = [tracked_copy(irregular(place)) for place in self.places]
            again = self._ruled(node, self._residuals(node, recorded=False), probes)
        for i, (c, other) in enumerate(zip(found, again, strict=True)):
            if c is None or c._node is not None or other is None or other._node is not None:
                continue
            if not is_zero(other):
                raise untraced(f"the backward rule of {self.name}()", self.arguments.path(i))
