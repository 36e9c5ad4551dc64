"""The intervals of adaptive quadrature, all of them at once, on the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Values = np.ndarray[Any, Any]

# Kronrod's extension of Gauss's rule with 10 points, on (-1, 1): from the outermost point to 0.
_NODES = np.asarray([0.995657163025808080735527280689003, 0.973906528517171720077964012084452,
                     0.930157491355708226001207180059508, 0.865063366688984510732096688423493,
                     0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
                     0.562757134668604683339000099272694, 0.433395394129247190799265943165784,
                     0.294392862701460198131126603103866, 0.148874338981631210884826001129720,
                     0.0])  # fmt: skip
_WEIGHTS = np.asarray([0.011694638867371874278064396062192, 0.032558162307964727478818972459390,
                       0.054755896574351996031381300244580, 0.075039674810919952767043140916190,
                       0.093125454583697605535465083366, 0.109387158802297641899210590325805,
                       0.123491976262065851077958109585166, 0.134709217311473325928054001771707,
                       0.142775938577060080797094273138717, 0.147739104901338491374841515972068,
                       0.149445554002916905664936468389821])  # fmt: skip
NODES = np.concatenate([-_NODES, _NODES[-2::-1]])
WEIGHTS = np.concatenate([_WEIGHTS, _WEIGHTS[-2::-1]])
_, _GAUSS = np.polynomial.legendre.leggauss(10)
ACROSS = np.zeros(21)
ACROSS[1::2] = _GAUSS
"""The weights of Gauss's rule at every other point."""


class Change:
    """A change of variable, from (0, 1) to the interval of integration.

    Its density has zeros at both ends: an integrand that is infinite there, as `1 / sqrt(x)` at 0,
    or decays slowly to infinity, as `x**-1.5`, becomes smooth.
    """

    def __init__(self, a: float, b: float) -> None:
        if math.isnan(a) or math.isnan(b):
            raise ValueError(f"the limits of an integral are numbers, got {a} and {b}")
        self.sign = 0.0 if a == b else 1.0
        if a > b:
            a, b, self.sign = b, a, -1.0
        self.a, self.b = a, b

    def edges(self, points: Sequence[float]) -> Values:
        """The edges of the first intervals of the variable."""
        inside = sorted({float(p) for p in points if self.a < p < self.b})
        if inside and not (math.isfinite(self.a) and math.isfinite(self.b)):
            raise ValueError("points between infinite limits: split the integral there")
        parts = ((p - self.a) / (self.b - self.a) for p in inside)
        # The roots of t**2 * (3 - 2 * t) == part.
        places = (0.5 - math.sin(math.asin(1.0 - 2.0 * part) / 3.0) for part in parts)
        return np.asarray([0.0, *places, 1.0])

    def points(self, t: Values) -> tuple[Values, Values]:
        """Points of integration and their densities, of each of `t` in a last axis.

        Between two infinite limits each stands for one point and its mirror image.
        """
        slope = self.sign * 6.0 * t * (1.0 - t)
        from_a, from_b = t**2 * (3.0 - 2.0 * t), (1.0 - t) ** 2 * (1.0 + 2.0 * t)
        if math.isfinite(self.a) and math.isfinite(self.b):
            length = self.b - self.a
            x = np.where(t < 0.5, self.a + length * from_a, self.b - length * from_b)
            return x[..., None], (length * slope)[..., None]
        away, density = from_b / from_a, slope / from_a**2
        if math.isfinite(self.a):
            return (self.a + away)[..., None], density[..., None]
        if math.isfinite(self.b):
            return (self.b - away)[..., None], density[..., None]
        return np.stack([away, -away], axis=-1), np.stack([density, density], axis=-1)


class Panels:
    """Intervals of the variable, with the integral over each and an estimate of its error."""

    def __init__(self, edges: Values, precision: float, norm: str) -> None:
        self.low, self.high = edges[:-1], edges[1:]
        self.precision = precision
        self.norm = norm
        self.values: Values | None = None
        self.errors = np.zeros(self.count)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.low)

    @property
    def error(self) -> float:
        """The error of the whole integral."""
        return float(np.sum(self.errors))

    @property
    def size(self) -> float:
        """The norm of the whole integral."""
        assert self.values is not None  # noqa: S101 (they are evaluated first)
        return self.sized(np.sum(self.values, axis=0))

    def sized(self, x: Values) -> float:
        """The norm of an integral."""
        return float(self._size(x[None])[0])

    def _size(self, x: Values) -> Values:
        """The norms of what stands along the first axis."""
        flat = np.abs(x.reshape(len(x), -1))
        if self.norm == "max":
            found: Values = np.max(flat, axis=1, initial=0.0)
        else:
            found = np.sqrt(np.sum(flat * flat, axis=1))
        return found

    def rule(self, change: Change, chosen: Any = slice(None)) -> tuple[Values, Values]:
        """Points of integration and weights: of intervals, nodes, and mirror images."""
        half = ((self.high - self.low) / 2)[chosen, None]
        t = self.low[chosen, None] + half * (NODES + 1.0)
        x, density = change.points(t)
        return x, density * (half * WEIGHTS)[..., None]

    def evaluated(
        self, change: Change, evaluate: Callable[[Values], Values], chosen: Any
    ) -> tuple[Values, Values]:
        """Integrals over intervals, and the estimates of their errors."""
        x, weights = self.rule(change, chosen)
        integrals, errors, _ = self.estimated(evaluate(x), weights)
        return integrals, errors

    def estimated(self, y: Values, weights: Values) -> tuple[Values, Values, float]:
        """Integrals over intervals, their errors, and the sum of the sizes of all terms.

        `y` are the values at the points of `rule`, `weights` the weights of these.
        """
        outer = (1,) * (y.ndim - weights.ndim)
        products = np.sum(y * weights.reshape(*weights.shape, *outer), axis=2)
        integrals = np.sum(products, axis=1)
        share = (WEIGHTS / 2).reshape(1, -1, *outer)
        gauss = np.sum(products * (ACROSS / WEIGHTS).reshape(1, -1, *outer), axis=1)
        spread = self._size(np.sum(np.abs(products - integrals[:, None] * share), axis=1))
        total = self._size(np.sum(np.abs(products), axis=1))
        errors = self._size(integrals - gauss)
        # A difference of the two rules that is small beside the spread means a far smaller error.
        safe = np.where(spread > 0, spread, 1.0)
        errors = np.where(
            spread > 0, spread * np.minimum(1.0, (200.0 * errors / safe) ** 1.5), errors
        )
        errors = np.maximum(errors, 50.0 * self.precision * total)
        return integrals, errors, float(np.sum(total))

    def halved(self, worst: Values) -> Values:
        """Halve those of the given numbers; the numbers of their halves."""
        middle = (self.low[worst] + self.high[worst]) / 2
        first = self.count
        self.low = np.concatenate([self.low, middle])
        self.high = np.concatenate([self.high, self.high[worst]])
        self.high[worst] = middle
        return np.concatenate([worst, np.arange(first, self.count)])


def refined(
    panels: Panels,
    change: Change,
    evaluate: Callable[[Values], Values],
    epsabs: float,
    epsrel: float,
    limit: int,
) -> bool:
    """Halve intervals until the error is small enough; whether it became so.

    Each time those are halved that have to be, for the others' errors to be half of what is
    allowed.
    """
    panels.values, panels.errors = panels.evaluated(change, evaluate, slice(None))
    relative = max(epsrel, 50.0 * panels.precision)
    while True:
        allowed = max(epsabs, relative * panels.size)
        total = panels.error
        if total <= allowed:
            return True
        worst = _worst(panels.errors, allowed)[: limit - panels.count]
        if not worst.size:
            return False
        chosen = panels.halved(worst)
        values, errors = panels.evaluated(change, evaluate, chosen)
        panels.values = np.concatenate([panels.values, values[len(worst) :]])
        panels.errors = np.concatenate([panels.errors, errors[len(worst) :]])
        panels.values[worst], panels.errors[worst] = values[: len(worst)], errors[: len(worst)]


def settled(
    panels: Panels,
    change: Change,
    slopes: Callable[[Values], list[Values]],
    epsabs: float,
    epsrel: float,
    limit: int,
) -> float | None:
    """Halve intervals until the integrals of derivatives are as exact as that of the value is.

    `slopes` gives, at points, the derivatives along some directions: each has to converge.
    What does not suffices to refuse: then the error that was found, otherwise `None`.
    """
    relative = max(epsrel, 50.0 * panels.precision)
    while True:
        x, weights = panels.rule(change)
        worst: set[int] = set()
        found = 0.0
        for y in slopes(x):
            integrals, errors, size = panels.estimated(y, weights)
            total = float(np.sum(errors))
            whole = panels.sized(np.sum(integrals, axis=0))
            # A derivative may be 0 by symmetry: its rounding errors are no doubt.
            allowed = max(epsabs, relative * whole, 100.0 * panels.precision * size)
            if total > allowed:
                found = max(found, total)
                worst.update(_worst(errors, allowed).tolist())
        if not worst:
            return None
        if panels.count + len(worst) > limit:
            return found
        panels.halved(np.asarray(sorted(worst)))


def _worst(errors: Values, allowed: float) -> Values:
    """The intervals to be halved, for the errors of the others to be half of what is allowed."""
    order = np.argsort(-errors)
    left = np.sum(errors) - np.cumsum(errors[order])
    chosen: Values = order[: 1 + int(np.argmax(left <= allowed / 2))]
    return chosen
