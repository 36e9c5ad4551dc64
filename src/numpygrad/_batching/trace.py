"""A function of one example while it is captured: its arguments' stand-ins, and what it reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._lazy.deferred import Deferred, constant, deferred_type, next_order, reads_any
from numpygrad._node import Node, leaf, tick
from numpygrad._storage import View
from numpygrad.errors import CaptureError, DerivativeError
from numpygrad.typing import Shape


class Trace(_modes.Tracing):
    """What a mapped function reads: stand-ins for one example, and arrays made outside.

    Its program is run again over Arrays, and it is these runs that an outer derivative flows
    through. So what the recorded graph alone would know has to be in the program: where a
    derivative is stopped by `detach` or `no_grad`.
    """

    maps = True

    def __init__(self) -> None:
        self.inputs: dict[int, Array | None] = {}
        """By identity of what stands for them: arrays made outside; `None` for the examples."""
        self._known: dict[int, Deferred] = {}
        self._kept: list[Any] = []
        self._sequence = tick()
        self._order = next_order()
        self._examples: list[tuple[Array, Deferred]] = []
        self._gradients: dict[Node, Any] = {}
        self._stops: list[str] = []
        self.outer = _modes.tracing()

    @property
    def first_order(self) -> int:
        """The number of the first array that can have been recorded inside."""
        return self._order

    def example(self, x: Array, shape: Shape) -> Array:
        """What stands for one example of `x`."""
        made = self._stand_in(x, shape)
        out = wrap(made, made.type)
        if x._node is not None and _modes.is_grad_enabled():
            out._node = leaf(made.type, shape)
        self._examples.append((out, made))
        return out

    def _stand_in(self, x: Array, shape: Shape, known: Array | None = None) -> Deferred:
        made = constant(np.broadcast_to(_NOTHING, shape), deferred_type(x._type))
        self.inputs[id(made)] = known
        self._kept += (made, x)
        return made

    def captured(self, x: Array) -> Deferred:
        """What stands for an array: its own deferred value, or if it was made outside an input."""
        data = x._data  # first: an outdated view learns here whether it is deferred
        if x._type.eager is not None and data.order >= self._order:
            return data  # type: ignore[no-any-return]  # it is deferred, as its type is
        found = self._known.get(id(x))
        if found is None and x._type.eager is None and not x._type.is_floating:
            # No derivative flows through it, so its values may be known: those of a mask, in a key.
            found = self._known[id(x)] = constant(x._data, deferred_type(x._type))
            self._kept.append(x)
        elif found is None:
            found = self._known[id(x)] = self._stand_in(x, x.shape, x)
        return found

    def is_outside(self, node: Node) -> bool:
        """Whether a node was recorded outside."""
        return node.sequence < self._sequence

    def is_from_outside(self, x: Deferred) -> bool:
        """Whether an input that no Array stands for has no value before those outside have."""
        outer = self.outer
        while outer is not None:
            if id(x) in outer.inputs:
                return True
            outer = outer.outer
        return x.value is None

    def flows_in(self, node: Node) -> bool:
        """Whether a derivative taken outside flows through what has this node."""
        return self.is_outside(node) or any(x._node is node for x, _ in self._examples)

    def saved_outside(self, node: Node, output: Any) -> Any:
        """What stands for an output that a node recorded outside saved."""
        out = wrap(output, node.type.of(output))
        out._node = node
        return self.captured(out)

    def made(self, x: Array) -> None:
        """Make an array that was just made of host data one of the program's."""
        x._data = constant(x._data, deferred_type(x._type))
        x._type = x._data.type

    def saw(self, node: Node) -> None:
        """Note the gradient of a leaf from outside, which must stay what it is."""
        if self.is_outside(node):
            self._gradients.setdefault(node, getattr(node, "grad", None))

    def adopt(self, x: Array, root: Array) -> None:
        """Refuse a write into an array made outside: there is one of it, and many examples."""
        if x._type.eager is None or root._data.order < self._order:
            raise CaptureError(
                f"a write into an array that was made outside of the function that vmap() maps, at "
                f"{_modes.callers_line()}: it would be written for each example. Write into a "
                "copy made inside, and return it"
            )
        if _modes.is_stopped() and root._node is not None:
            self._stops.append(_modes.callers_line())

    def operand(self, x: Array, value: Any) -> Any:
        """What is written into `x`: without its history under `no_grad`."""
        if not isinstance(value, Array) or not _modes.is_stopped() or value._node is None:
            return value
        if value is x or isinstance(value._alias, View):
            self._stops.append(_modes.callers_line())
            return value
        return value.detach()

    def stopped(self, x: Array) -> None:
        """Let no outer derivative flow through an array whose history was not recorded."""
        x._data = x._type.xp.stop_gradient(x._data)

    def refuse_hook(self) -> None:
        """Refuse a hook: the gradient it would be shown is never computed for one example."""
        raise CaptureError(
            f"register_hook() inside a function that vmap() maps, at {_modes.callers_line()}: it "
            "would not be called. Register it on the arrays given to vmap(), or on its results"
        )

    def require_values(self, arrays: Any, why: str) -> None:
        """Refuse to give values that differ between examples."""
        if not any(map(self._depends, arrays)):
            return
        raise CaptureError(
            f"{why or 'a value'} asked for at {_modes.callers_line()}, inside a function that "
            "vmap() maps, where it would be another one in each example. For a branch that "
            "depends on values use npg.where; print or convert what vmap() returns"
        )

    def _depends(self, x: Any) -> bool:
        """Whether a value is recorded in the program, and does not come from constants alone."""
        deferred = isinstance(x, Array) and x._type.eager is not None
        return reads_any(x._data if deferred else x, self.inputs)

    def check(self) -> None:
        """Refuse, once the function has returned, what running its program would not repeat."""
        for node, before in self._gradients.items():
            if getattr(node, "grad", None) is not before:
                node.grad = before
                raise CaptureError(
                    "backward() inside a function that vmap() maps, into the gradient of an array "
                    "made outside: it would be that of one example. Use npg.grad inside, or "
                    "backward() of what vmap() returns"
                )
        for x, made in self._examples:
            if x._data is not made:
                raise CaptureError(
                    "a function that vmap() maps writes into its argument, and would write into "
                    "what the caller holds; begin with a copy, as in x = x.copy()"
                )
        if self._stops:
            raise DerivativeError(
                f"a write under no_grad() at {self._stops[0]}, inside a function that vmap() maps "
                "and that is differentiated: values and history would part. Compute a new array "
                "instead, or call vmap() under no_grad()"
            )


_NOTHING = np.empty((), np.int8)
"""What inputs hold while a function is captured: nobody may look."""
