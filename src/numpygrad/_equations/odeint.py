"""Solutions of ordinary differential equations, and their derivatives: `odeint`.

With `adjoint=True` nothing of the steps is recorded. The cotangent a of the state then obeys the
adjoint equation a' = -(df/dy)^T a, solved backwards from time to time together with y itself and
the integral of (df/dargs)^T a; forward mode solves the equation of first variation beside y. Both
are solved by `odeint` with its adjoint, of which derivatives can be taken in turn, to any order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._custom.joint import Maybe, attached, saved_input, saved_output, untracked
from numpygrad._dispatch import convert
from numpygrad._equations.equation import alone, arrays_in, replaced, with_arrays
from numpygrad._equations.one_by_one import OneByOne, refuse_examples
from numpygrad._equations.runge_kutta import Control, solution
from numpygrad._flat import Layout
from numpygrad._forward import stopped
from numpygrad._node import Node
from numpygrad._transforms import jvp, vjp
from numpygrad._tree import Tree, leaves_of, rebuilt
from numpygrad.errors import DeviceError, DTypeError, ShapeError
from numpygrad.ops.creation import asarray, zeros, zeros_like
from numpygrad.ops.elementwise import positive
from numpygrad.ops.manipulation import concat, stack
from numpygrad.ops.statistical import sum as sum_of

Field = Callable[[Array, Array, Sequence[Any]], Array]
"""f of the state's vector, the time, and the leaves of the arguments."""
METHODS = ("dopri5", "rk4")


def odeint(
    f: Callable[..., Tree],
    y0: Tree,
    t: Any,
    *args: Any,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    method: Literal["dopri5", "rk4"] = "dopri5",
    steps_between: int | None = None,
    adjoint: bool = False,
    max_steps: int = 100_000,
    progress: bool = False,
) -> Tree:
    """The solution of `y' = f(y, t, *args)` at the times `t`, from y0 at the first of them.

    It can be differentiated with respect to `y0`, `t` and `args`, in both modes and to any order.

    Parameters
    ----------
    f
        `f(y, t, *args)` gives the slopes, in the structure of y. It may write to y.
    y0
        The first state: a floating Array, or a nested structure of them. Complex is two real ones.
    t
        Times, (times,), that increase or decrease.
    args
        Anything; derivatives are with respect to the floating Arrays in nested structures.
    rtol, atol
        A step's error, element by element, is to be less than `atol + rtol * abs(y)`, in the root
        mean square over the elements. With float32, ask for no more than 1e-5 and 1e-7.
    method
        `"dopri5"`, Dormand and Prince's of order 5, chooses its steps, and interpolates in order 4
        for times within them. `"rk4"`, the classical one of order 4, takes as many equal steps from
        each time to the next as `steps_between` says; it can be compiled.
    adjoint
        Record nothing but the states at `t`, and solve the adjoint equation backwards for a
        gradient: memory does not grow with the number of steps. The gradient is exact for the
        equation, so that it differs from that of the computed solution by about the tolerance; it
        takes an equation that can be solved backwards, which decays less than `atol` can tell from
        0 between two times. Without it, gradients go back through the steps as they were taken,
        and are exact for the computed solution, the sizes of its steps taken as constants. Then
        tracked arrays that `f` closes over are differentiated too.
    max_steps
        The most steps of `"dopri5"`.
    progress
        Show a line with the time reached: tqdm's if that is installed.

    Returns
    -------
    y
        The structure of `y0`; each array has a first axis for the times.

    Raises
    ------
    ConvergenceError
        If `f` is not finite, steps get too short or too many; the message says at which time.
    CaptureError
        Inside `compile`, of `"dopri5"`, and inside `vmap` unless `adjoint` is true.
    DerivativeError
        If `f` closes over tracked arrays, with `adjoint=True`.
    ValueError
        If the times go back and forth, or an option is out of its range.

    Source: Chen, Rubanova, Bettencourt and Duvenaud, Neural Ordinary Differential Equations (2018),
    for the adjoint; Dormand and Prince, A family of embedded Runge-Kutta formulae (1980), for the
    method; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), sections
    II.4 to II.6, for its first step and interpolant.

    Examples
    --------
    >>> import numpygrad as npg
    >>> def decay(y, t, rate):
    ...     return -rate * y
    >>> t = npg.array([0.0, 0.5, 1.0])
    >>> y = npg.odeint(decay, npg.array([2.0]), t, npg.array(1.0))
    >>> print(npg.abs(y[:, 0] - 2 * npg.exp(-t)) < 1e-6)
    [ True  True  True]
    >>> def end(rate):
    ...     return npg.odeint(decay, npg.array([2.0]), t, rate, adjoint=True)[-1, 0]
    >>> abs(npg.grad(end)(npg.array(1.0)) + 2 * npg.exp(-1)) < 1e-6
    Array(True)
    """
    layout = Layout(y0, "y0")
    times = _times(t, layout)
    control = _control(method, rtol, atol, max_steps, steps_between, progress=progress)
    leaves = leaves_of(args)
    tree = rebuilt(args, range(len(leaves)))

    def field(y: Array, time: Array, those: Sequence[Any]) -> Array:
        return layout.vector(f(layout.tree(positive(y)), time, *rebuilt(tree, those)), "f(y, t)")

    start = layout.vector(y0)
    if adjoint:
        states = _with_adjoint(field, start, times, leaves, control)
    else:
        states = solution(lambda y, time: field(y, time, leaves), start, times, control)
    return layout.tree(states)


def _times(t: Any, layout: Layout) -> Array:
    times = t if isinstance(t, Array) else asarray(t, device=layout.device)
    if times.ndim != 1 or times.shape[0] == 0:
        raise ShapeError(f"odeint() needs times of shape (times,), got {times.shape}")
    if times.device is not layout.device:
        raise DeviceError(
            f"odeint() of y0 on {layout.device!r} and t on {times.device!r}; move one of them, for "
            f"example with t.to({str(layout.device)!r})"
        )
    if times.dtype.kind in "iu":
        times = convert(times, layout.dtype)
    if times.dtype.kind != "f":
        raise DTypeError(f"odeint() needs real times, not {times.dtype}")
    return times


def _control(
    method: str,
    rtol: float,
    atol: float,
    max_steps: int,
    steps_between: int | None,
    *,
    progress: bool,
) -> Control:
    if method not in METHODS:
        raise ValueError(f"odeint() has no method {method!r}; it has {' and '.join(METHODS)}")
    if (method == "rk4") is not (steps_between is not None):
        raise ValueError(
            "steps_between= says how many steps method='rk4' takes from each time to the next; "
            "'dopri5' finds that out itself"
        )
    if steps_between is not None and steps_between < 1:
        raise ValueError(f"steps_between is 1 or more, not {steps_between}")
    if not (0 <= rtol < math.inf and 0 <= atol < math.inf and rtol + atol > 0):
        raise ValueError(
            f"rtol and atol are finite, not negative, and not both 0; got {rtol} and {atol}"
        )
    if max_steps < 1:
        raise ValueError(f"max_steps is 1 or more, not {max_steps}")
    return Control(method, rtol, atol, max_steps, steps_between or 1, progress)


def _with_adjoint(
    field: Field, y: Array, t: Array, leaves: Sequence[Any], control: Control
) -> Array:
    """The states at the times, with a node whose rules solve equations of their own."""
    inputs = [y, t, *leaves]
    start, times, *those = [untracked(x) if isinstance(x, Array) else x for x in inputs]
    each = _each(field, y, t, leaves, control)
    if each is not None and control.method == "dopri5":
        if _modes.is_grad_enabled():
            alone("odeint", lambda: field(start, times[0], those))
        with _modes.no_grad():
            states = each.captured()
    else:
        states = _alone(field, start, times, those, control)
    if not _modes.is_grad_enabled():
        return stopped([states])[0]
    nodes = [x._node if isinstance(x, Array) and x._type.is_floating else None for x in inputs]
    if not any(nodes):
        return states
    call = _Adjoint("odeint", field, [None if isinstance(x, Array) else x for x in leaves], control)
    arrays = [x if isinstance(x, Array) else None for x in inputs]
    whole = None if each is None else each.whole
    made: Array = attached(call, nodes, arrays, states, [0], whole)
    return made


def _alone(field: Field, y: Array, t: Array, leaves: Sequence[Any], control: Control) -> Array:
    """The states from what is untracked, if no slope depends on tracked arrays.

    Each is looked at, as f may turn to such arrays anywhere: where none is tracked, recording is on
    but has nothing to record.
    """
    return solution(
        lambda y, time: alone("odeint", functools.partial(field, y, time, leaves)), y, t, control
    )


def _each(
    field: Field, y: Array, t: Array, leaves: Sequence[Any], control: Control
) -> OneByOne | None:
    """The same for an example, inside of `vmap`."""
    if _modes.mapping() is None:
        return None
    still = [zeros_like(x) if isinstance(x, Array) else x for x in leaves]
    refuse_examples("odeint", lambda: field(zeros_like(y), zeros_like(t)[0], still))

    def function(y: Array, t: Array, *arrays: Array) -> Array:
        return _with_adjoint(field, y, t, with_arrays(leaves, arrays), control)

    return OneByOne(function, [y, t, *arrays_in(leaves)], (t.shape[0], y.shape[0]), y.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class _Adjoint:
    """A solution without its steps: the call that its node keeps."""

    name: str
    field: Field
    others: list[Any]
    """The leaves of the arguments that are no Arrays; those that are, the node keeps."""
    control: Control

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Nothing is known of how the solution depends on the arguments."""
        return False

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> list[Maybe]:
        """The cotangents of y0, t and the arguments, by the adjoint equation."""
        with _modes.enable_grad() if recorded else _modes.no_grad():
            t, leaves, states = self._saved(node, recorded=recorded)
            (cotangent,) = g
            assert cotangent is not None  # noqa: S101 (it is the only output's)
            moving = [i for i, parent in enumerate(node.parents[2:]) if parent is not None]
            moves = [leaves[i] for i in moving]
            layout = Layout(moves, "args") if moving else None
            size = states.shape[1]

            def backwards(z: Array, time: Array, those: Sequence[Any]) -> Array:
                value, pullback = vjp(
                    lambda y, *some: self.field(y, time, replaced(those, moving, some)),
                    z[:size],
                    *[those[i] for i in moving],
                )
                found = pullback(z[size : 2 * size])
                parts = [value, -found[0]]
                if layout is not None:
                    parts.append(-layout.vector([*found[1:]]))
                return concat(parts)

            by_time: list[Array] = []
            a = cotangent[-1]
            count = 0 if layout is None else layout.size
            total = zeros(count, dtype=a.dtype, device=a.device)
            for i in range(states.shape[0] - 1, 0, -1):
                if node.parents[1] is not None:
                    by_time.append(sum_of(cotangent[i] * self.field(states[i], t[i], leaves)))
                z = concat([states[i], a, total])
                pair = stack([t[i], t[i - 1]])
                z = self._solved(backwards, z, pair, leaves, recorded=recorded)[-1]
                before, total = z[size : 2 * size], z[2 * size :]
                a = before + cotangent[i - 1]
            found: list[Maybe] = [a, None, *[None] * len(leaves)]
            if node.parents[1] is not None:
                first = zeros_like(t[0])
                if by_time:
                    first = -sum_of(before * self.field(states[0], t[0], leaves))
                found[1] = convert(stack([first, *reversed(by_time)]), t.dtype)
            if layout is not None:
                for i, c in zip(moving, layout.tree(total), strict=True):
                    found[2 + i] = c
            return found

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> list[Array]:
        """The tangent of the states, by the equation of first variation."""
        with _modes.enable_grad() if recorded else _modes.no_grad():
            times, leaves, states = self._saved(node, recorded=recorded)
            moving = [i for i, tangent in enumerate(t[2:]) if tangent is not None]
            count, size = len(leaves), states.shape[1]
            tangents = [tangent for tangent in t[2:] if tangent is not None]

            def beside(z: Array, time: Array, those: Sequence[Any]) -> Array:
                some = [those[i] for i in moving]
                value, pushed = jvp(
                    lambda y, *some: self.field(y, time, replaced(those[:count], moving, some)),
                    (z[:size], *some),
                    (z[size:], *those[count:]),
                )
                return concat([value, pushed])

            v = zeros_like(states[0]) if t[0] is None else t[0]
            start = v
            if t[1] is not None:
                start = v - self.field(states[0], times[0], leaves) * t[1][0]
            found = self._solved(
                beside, concat([states[0], start]), times, [*leaves, *tangents], recorded=recorded
            )[:, size:]
            if t[1] is None:
                return [found]
            moved = t[1]
            later = [
                found[i] + self.field(states[i], times[i], leaves) * moved[i]
                for i in range(1, states.shape[0])
            ]
            return [convert(stack([v, *later]), states.dtype)]

    def _saved(self, node: Node, *, recorded: bool) -> tuple[Array, list[Any], Array]:
        """The times, the leaves of the arguments, and the states."""
        names = ["y0", "t", *[f"array {i} of its arguments" for i in range(len(self.others))]]
        inputs = [
            other if node.input1[i] is None else saved_input(node, i, names[i], recorded=recorded)
            for i, other in enumerate([None, None, *self.others])
        ]
        return inputs[1], inputs[2:], saved_output(node, 0, recorded=recorded)

    def _solved(
        self, field: Field, z: Array, t: Array, leaves: Sequence[Any], *, recorded: bool
    ) -> Array:
        """The states at the end, or at all times, of an equation of a rule."""
        with _modes.enable_grad():  # or tracked arrays that f closes over would not be seen
            if recorded or _modes.mapping() is not None:
                return _with_adjoint(field, z, t, leaves, self.control)
            return _alone(field, z, t, leaves, self.control)
