"""Runge-Kutta methods for y' = f(y, t) on vectors, in operations that can be recorded.

What controls the steps, errors and sizes, is worked out on numbers and not recorded: derivatives
are those of the steps that were taken, as if their sizes had been given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._progress import Progress
from numpygrad.errors import CaptureError, ConvergenceError
from numpygrad.ops.creation import asarray
from numpygrad.ops.elementwise import isfinite, maximum
from numpygrad.ops.linear_algebra import matmul
from numpygrad.ops.manipulation import broadcast_to, concat, expand_dims, stack
from numpygrad.ops.statistical import mean
from numpygrad.ops.utility import all as all_of

Field: TypeAlias = Callable[[Array, Array], Array]
"""f(y, t), of a vector and a number."""


@dataclass(frozen=True)
class Control:
    """How to step."""

    method: str
    rtol: float
    atol: float
    max_steps: int
    steps_between: int
    progress: bool


NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
"""The last row is the step of order 5: its end is where the seventh slope is taken."""
FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
BETWEEN = (
    (-5 * 2558722523 / 11282082432, 5 * 31403016 / 11282082432),
    (0.0, 0.0),
    (100 * 882725551 / 32700410799, -100 * 15701508 / 32700410799),
    (-25 * 443332067 / 1880347072, 25 * 31403016 / 1880347072),
    (32805 * 23143187 / 199316789632, -32805 * 3489224 / 199316789632),
    (-55 * 29972135 / 822651844, 55 * 7076736 / 822651844),
    (10 * 7414447 / 29380423, -10 * 829305 / 29380423),
)
"""The p and q of weights b(s) = b s^2 (3 - 2 s) + s^2 (1 - s)^2 (p + q s) within a step."""

FIFTH = np.array([*STAGES[-1], 0.0])
ERROR = FIFTH - np.array(FOURTH)


def _extension() -> np.ndarray[Any, Any]:
    """The weight of each slope as a polynomial of the part s of a step: (slopes, s to s^5)."""
    rows = [
        (0.0, 3 * b + p, -2 * b - 2 * p + q, p - 2 * q, q)
        for b, (p, q) in zip(FIFTH, BETWEEN, strict=True)
    ]
    table = np.array(rows)
    table[0, :3] += (1, -2, 1)  # s (1 - s)^2: the first slope is that at the start
    table[-1, 1:3] += (-1, 1)  # s^2 (s - 1): the last one is that at the end
    return table


EXTENSION = _extension()
POWERS = EXTENSION.shape[1]


def solution(field: Field, y: Array, t: Array, control: Control) -> Array:
    """The states at the times `t`, (times, n), from `y` at the first of them."""
    if control.method == "rk4":
        return _fixed_steps(field, y, t, control)
    if _modes.tracing() is not None:
        raise CaptureError(
            "odeint() chooses its steps by the error it finds, which depends on values, while "
            "compile() or vmap() captures the function. Pass method='rk4' with steps_between=, the "
            "number of steps from each time to the next; call it outside; or, for vmap(), pass "
            "adjoint=True or all examples in y0"
        )
    return _Adaptive(field, y, t, control).states()


def _fixed_steps(field: Field, y: Array, t: Array, control: Control) -> Array:
    """By the classical method of order 4, in equal steps from each time to the next."""
    states = [y]
    count = t.shape[0]
    with Progress("odeint", total=count - 1, shown=control.progress) as line:
        for i in range(count - 1):
            h = (t[i + 1] - t[i]) / control.steps_between
            for k in range(control.steps_between):
                start = t[i] + h * k
                k1 = field(y, start)
                k2 = field(y + h / 2 * k1, start + h / 2)
                k3 = field(y + h / 2 * k2, start + h / 2)
                k4 = field(y + h * k3, start + h)
                y = y + h / 6 * (k1 + 2 * (k2 + k3) + k4)
            states.append(y)
            line.advance()
    return stack(states)


class _Adaptive:
    """Dormand and Prince's pair of orders 5 and 4, with states between steps by interpolation.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993): the pair
    in II.5, the interpolant in II.6, the first step in II.4, the control of steps in IV.2 of
    volume II, with its beta of 0.04.
    """

    def __init__(self, field: Field, y: Array, t: Array, control: Control) -> None:
        self._field = field
        self._control = control
        self._t = t
        times = np.asarray(t.numpy() if t._node is None else t.detach().numpy(), dtype=np.float64)
        changes = np.diff(times)
        if not np.isfinite(times).all() or not ((changes >= 0).all() or (changes <= 0).all()):
            raise ValueError(
                f"odeint() needs times that increase, or decrease, from first to last, not {times}"
            )
        self._start = float(times[0])
        self._offsets = times - times[0]
        self._span = float(np.abs(self._offsets[-1]))
        self._sign = -1.0 if self._offsets[-1] < 0 else 1.0
        self._y = y
        self._steps = 0

    def states(self) -> Array:
        """The states at all times."""
        found = [expand_dims(self._y, axis=0)]
        done = 1
        while done < len(self._offsets) and self._offsets[done] == 0:
            found.append(found[0])
            done += 1
        if done == len(self._offsets):
            return found[0] if len(found) == 1 else concat(found)
        slope = self._slope(self._y, 0.0)
        if not _is_finite(slope):
            raise ConvergenceError(
                f"odeint(): f is not finite at the start, t = {self._start:g}; start where it is "
                "defined, and see that y0 is finite"
            )
        h = self._first_step(slope)
        position, before, rejected = 0.0, 1e-4, False
        with Progress("odeint", total=100, shown=self._control.progress) as line:
            while position < self._span:
                left = self._span - position
                h = left if h > 0.99 * left else h
                self._require_progress(position, h, slope)
                slopes, end, error = self._step(position, h, slope)
                if not error <= 1:
                    rejected = True
                    h *= 0.2 if not math.isfinite(error) else max(0.2, 0.9 * error**-0.17)
                    continue
                reached = self._span if h == left else position + h
                upto = int(np.searchsorted(np.abs(self._offsets), reached, side="right"))
                if upto > done:
                    found.append(self._between(slopes, position, h, done, upto))
                    done = upto
                line.advance(100 * h / self._span, f"t = {self._start + self._sign * reached:.4g}")
                position, self._y, slope = reached, end, slopes[-1]
                factor = 0.9 * max(error, 1e-10) ** -0.17 * before**0.04
                h *= min(1.0 if rejected else 10.0, max(0.2, factor))
                before, rejected = max(error, 1e-4), False
        return concat(found)

    def _time(self, position: float) -> Array:
        """The time at a distance from the start; tracked if the first time is."""
        return self._t[0] + self._sign * position

    def _slope(self, y: Array, position: float) -> Array:
        return self._field(y, self._time(position))

    def _first_step(self, slope: Array) -> float:
        with _modes.no_grad():
            y = self._y.detach()
            slope = slope.detach()
            size, speed = self._scaled(y, y, y), self._scaled(slope, y, y)
            guess = 0.01 * size / speed if size > 1e-5 and speed > 1e-5 else 1e-6
            guess = min(guess, self._span)
            near = self._slope(y + self._sign * guess * slope, guess)
            bend = self._scaled(near - slope, y, y) / guess
        steepest = max(speed, bend)
        if not math.isfinite(steepest):
            return guess
        wanted = max(1e-6, guess * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** 0.2
        return min(100 * guess, wanted, self._span)

    def _step(self, position: float, h: float, slope: Array) -> tuple[list[Array], Array, float]:
        """The seven slopes of a step, its end, and its error in units of the tolerance."""
        y = self._y
        step = self._sign * h
        slopes = [slope]
        for node, weights in zip(NODES[1:], STAGES, strict=True):
            near = y + self._combined(np.array(weights) * step, slopes)
            slopes.append(self._slope(near, position + node * h))
        self._steps += 1
        with _modes.no_grad():
            detached = [k.detach() for k in slopes]
            error = self._scaled(self._combined(ERROR * step, detached), y.detach(), near.detach())
        return slopes, near, error

    def _combined(self, weights: Any, slopes: Sequence[Array]) -> Array:
        like = slopes[0]
        return matmul(asarray(weights, dtype=like.dtype, device=like.device), stack(slopes))

    def _scaled(self, x: Array, y1: Array, y2: Array) -> float:
        """The root mean square of `x` in units of what is tolerated at `y1` and `y2`."""
        scale = self._control.atol + self._control.rtol * maximum(abs(y1), abs(y2))
        return math.sqrt(float(mean((x / scale) ** 2)))

    def _between(
        self, slopes: Sequence[Array], position: float, h: float, start: int, end: int
    ) -> Array:
        """The states at some of the times, all within a step: (times, n)."""
        y = self._y
        parts = np.minimum(1.0, (np.abs(self._offsets[start:end]) - position) / h)
        s = asarray(parts, dtype=y.dtype, device=y.device)
        if self._t._node is not None:
            # What moves a time moves its place in the step, and the first time moves all steps.
            times = self._t[start:end]
            moved = (times - times.detach()) - (self._t[0] - self._t[0].detach())
            s = s + moved.astype(y.dtype) / (self._sign * h)
        powers = stack([s**k for k in range(1, POWERS + 1)], axis=1)
        table = asarray(EXTENSION.T * (self._sign * h), dtype=y.dtype, device=y.device)
        change = matmul(matmul(powers, table), stack(slopes))
        return broadcast_to(y, change.shape) + change

    def _require_progress(self, position: float, h: float, slope: Array) -> None:
        """Raise where there is none to be made."""
        now = self._start + self._sign * position
        if self._steps >= self._control.max_steps:
            raise ConvergenceError(
                f"odeint() took {self._steps} steps and is at t = {now:.6g} of "
                f"{self._start + self._sign * self._span:.6g}, with steps of {h:.2g}. Allow more "
                "with max_steps=, or ask for less with rtol= and atol=. A stiff equation, whose "
                "solution changes slowly while steps stay short, needs an implicit method, which "
                "odeint() has none of"
            )
        smallest = 16 * np.finfo(np.float64).eps * max(self._span, np.abs(now))
        if h < smallest and h < self._span - position:
            raise ConvergenceError(
                f"odeint(): the step from t = {now:.10g} went down to {h:.2g}, where f "
                f"{self._why(position)}; see what it does there, or end before"
            )

    def _why(self, position: float) -> str:
        """What a step that cannot be made short enough says of f."""
        with _modes.no_grad():
            y = self._y.detach()
            beyond = self._slope(y, position + 1e-6 * self._span)
        return (
            "changes too fast: the solution may end in a singularity"
            if _is_finite(beyond)
            else "is not finite"
        )


def _is_finite(x: Array) -> bool:
    with _modes.no_grad():
        return bool(all_of(isfinite(x.detach())).item())
