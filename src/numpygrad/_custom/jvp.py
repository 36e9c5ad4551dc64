"""Functions whose rule for forward mode the user gives: `custom_jvp`; see `_custom`."""

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
    refuse_closure,
    saved_input,
    untracked,
)
from numpygrad._custom.mapped import whole_of_jvp
from numpygrad._custom.replay import Traced
from numpygrad._custom.rules import (
    Arguments,
    Place,
    arguments_of,
    filled,
    irregular,
    is_zero,
    outputs_of,
    place_of,
    refuse_outside,
    signature_of,
    skeleton,
    still,
    tangents_given,
    unrecorded,
    untraced,
    without_writes,
)
from numpygrad._custom.transposition import Linearity, swept, tracked_copy
from numpygrad._forward import tracked_zeros
from numpygrad._node import Node
from numpygrad._transforms import chosen_of
from numpygrad._tree import Tree
from numpygrad.errors import DerivativeError


class custom_jvp:
    """A function with a rule of its own for forward mode, given by `defjvp`.

    The contract is that of JAX. Reverse mode transposes the rule, which must be linear in the
    tangents; higher derivatives differentiate it.

    Parameters
    ----------
    function, nondiff_argnums
        As for `custom_vjp`; what is not differentiated the rule takes before all others.

    Raises
    ------
    DerivativeError, ShapeError, DTypeError, TypeError
        As for `custom_vjp`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> @npg.custom_jvp
    ... def sinc(x):
    ...     return npg.where(x == 0, 1.0, npg.sin(x) / npg.where(x == 0, 1.0, x))
    >>> @sinc.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     slope = npg.where(x == 0, 0.0, (npg.cos(x) - sinc(x)) / npg.where(x == 0, 1.0, x))
    ...     return sinc(x), slope * t
    >>> npg.jvp(sinc, (npg.array(0.0),), (npg.array(1.0),))
    (Array(1.), Array(0.))
    >>> npg.grad(sinc)(npg.array(0.0))
    Array(0.)
    """

    def __init__(
        self, function: Callable[..., Any], nondiff_argnums: int | Sequence[int] = ()
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self._signature = signature_of(function)
        self._fixed = chosen_of(nondiff_argnums)
        self._rule: Callable[..., Any] | None = None

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule, and give it back.

        Parameters
        ----------
        rule
            Takes tuples of the primals and of their tangents, of the same structure: zeros for
            floating arrays and floats that do not move, `None` for what has no derivative. Gives
            the result and its tangent, `None` in place of zeros. The first is not looked at: the
            function itself has computed it before.
        """
        self._rule = rule
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._rule is None:
            raise TypeError(f"{self._name}() has no rule yet: call {self._name}.defjvp(rule)")
        found = arguments_of(self._name, self._signature, self._fixed, args, kwargs)
        nodes = found.nodes
        if not _modes.is_grad_enabled() or not any(nodes):
            return unrecorded(self._name, self._function, found)
        given = [x if n is None else untracked(x) for x, n in zip(found.leaves, nodes, strict=True)]
        result = without_writes(self._name, self._function, found, given)
        outputs = outputs_of(self._name, result)
        refuse_closure(self._name, outputs)
        if not outputs:
            return result
        call = _JvpCall(
            name=self._name,
            rule=self,
            arguments=found.without_arrays(),
            result=skeleton(result),
            places=[place_of(y) for y in outputs],
        )
        arrays = [x if isinstance(x, Array) else None for x in found.leaves]

        def whole() -> tuple[Whole, list[Array]]:
            leaves = [x for x in found.leaves if isinstance(x, Array)]
            return whole_of_jvp(self, found, result), leaves

        return attached(call, nodes, arrays, result, (), whole)


@dataclass(frozen=True, slots=True, eq=False)
class _JvpCall:
    """What a node keeps of a call of a `custom_jvp`; the arrays are the node's."""

    name: str
    rule: custom_jvp
    arguments: Arguments
    result: Tree
    places: list[Place]

    def __repr__(self) -> str:
        return f"<call of {self.name}>"

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> list[Maybe]:
        """The cotangents, by transposing the user's rule."""
        with _modes.enable_grad():
            zeros = [None if p is None else tracked_zeros(p.type, p.shape) for p in node.parents]
            primals = self._primals(node, recorded=recorded)
            watch = Linearity([z for z in zeros if z is not None])
            with watch, Traced(f"the rule of {self.name}()"):
                found = self._ruled(primals, zeros)
            why = f"reverse mode transposes the rule of {self.name}(), which must"
            watch.require(found, f"{why} be linear in the tangents")
            targets: list[Any] = [z._node for z in zeros if z is not None]
            if not recorded:
                refuse_outside(self.name, found, targets)
            self._require_traced(node, found)
            if not _modes.is_lazy() and not all(y is None or is_zero(y) for y in found):
                raise DerivativeError(f"{why} give zeros for zeros")
            some = next(z for z in zeros if z is not None)
            arrays = [some if y is None else y for y in found]
            seeds = [None if y is None else s for y, s in zip(found, g, strict=True)]
            pulled = swept(arrays, seeds, targets, recorded=recorded)
        rest = iter(pulled)
        return [None if z is None else next(rest) for z in zeros]

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> list[Array]:
        """The tangents that the user's rule gives."""
        follows = recorded or any(x is not None and x._node is not None for x in t)
        with Traced(f"the rule of {self.name}()") if follows else nullcontext():
            found = self._ruled(self._primals(node, recorded=recorded), t)
        if follows:
            self._require_traced(node, found)
        return filled(found, self.places)

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Nothing is known of how the rule depends on the primals."""
        return False

    def _primals(self, node: Node, *, recorded: bool) -> list[Any]:
        return [
            x
            if node.input1[i] is None
            else saved_input(node, i, self.arguments.path(i), recorded=recorded)
            for i, x in enumerate(self.arguments.leaves)
        ]

    def _ruled(self, primals: Sequence[Any], t: Sequence[Maybe]) -> list[Maybe]:
        """What the rule gives, checked; an entry for each output."""
        rule: Any = self.rule._rule
        tangents = [s if s is not None else still(x) for x, s in zip(primals, t, strict=True)]
        chosen = self.arguments.chosen_with
        made = rule(*self.arguments.others, chosen(primals), chosen(tangents))
        return tangents_given(self.name, made, self.result, self.places)

    def _require_traced(self, node: Node, found: Sequence[Maybe]) -> None:
        """Raise if a tangent without history is one that depends on something nevertheless."""
        if all(y is None or y._node is not None for y in found):
            return
        with _modes.enable_grad():
            probes = [
                None if p is None else tracked_copy(irregular(Place(p.type, p.shape)))
                for p in node.parents
            ]
            again = self._ruled(self._primals(node, recorded=False), probes)
        for y, other in zip(found, again, strict=True):
            if y is None or y._node is not None or other is None or other._node is not None:
                continue
            if not is_zero(other):
                raise untraced(f"the rule of {self.name}()", "the tangent")
