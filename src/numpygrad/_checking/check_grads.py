"""`check_grads`: derivatives of a function in every mode, compared with differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

import numpygrad as npg
from numpygrad._array import Array
from numpygrad._checking.differences import (
    Slope,
    Vector,
    central,
    joined,
    largest,
    name_of,
    slope_of,
    split,
)
from numpygrad._checking.mixed_modes import Chain, Derivative, mixed_derivatives
from numpygrad.errors import DerivativeError

TOLERANCES = {64: (1e-6, 1e-8), 32: (1e-3, 1e-4)}
"""Relative and absolute, by the bits of a real number."""
STEPS = {64: 1e-3, 32: 4e-2}
"""Where truncation and rounding of a difference of fourth order are about equal."""
SCANNED = 400
"""Up to so many coordinates, all entries of a wrong Jacobian are looked at."""


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    exhaustive: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    step: float | None = None,
    device: str | None = None,
) -> None:
    """Compare derivatives in every mode with central differences of fourth order.

    With f = Re <g, function> for a random cotangent g, and random tangents t1, t2, ..., the
    derivative of f along t1 is checked, then that along t1 and t2, and so on: by each mode over
    each, against differences of the derivative below. With `exhaustive`, instead, every entry of
    the Jacobian of the function, then of its gradient, and so on.

    Parameters
    ----------
    function
        Of Arrays and of nested lists, tuples, dicts and dataclasses of them; returns the like.
        What it returns of integers and booleans is not looked at.
    args
        Its arguments, of floating Arrays, NumPy arrays and numbers.
    order
        The highest derivative to check.
    modes
        `"reverse"`, `"forward"`, or both for all their mixes; or mixes by name, the outermost
        first: `"forward over reverse"` checks reverse mode, and forward mode over it.
    exhaustive
        Whether to check each entry: takes a pass for every element of arguments and results, and
        sees an error in a small entry beside large ones.
    rtol, atol
        Tolerances, relative to the larger side; ten times wider at each higher order. By default
        1e-6 and 1e-8; if any array is of single precision, 1e-3 and 1e-4.
    seed
        Of the random directions.
    step
        Of the differences, 1e-3 by default. Single precision is compared with differences in
        double, of the same function; if its results stay single all the same, the step is 4e-2.
    device
        Where to run; that of `args`, or the default device.

    Raises
    ------
    AssertionError
        That names the entry that is wrong: its order and mode, the argument, the place in the
        result, both numbers, the seed, and a call that shows the same again.
    DerivativeError
        If differences cannot tell: the function has a kink there, jumps, or is noisy.
    DTypeError
        If an argument is not floating.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.testing import check_grads
    >>> check_grads(lambda p: npg.sin(p["a"]) * p["b"], [{"a": npg.array([0.5, 1.0]), "b": 2.0}])
    >>> try:
    ...     check_grads(lambda x: x * x.detach(), [npg.array([1.0, 3.0])], order=1)
    ... except AssertionError as error:
    ...     print(str(error).splitlines()[0])
    wrong derivative of order 1, reverse mode: of result[1] with respect to args[0][1]
    """
    check: _Check | None = None
    asked = {"exhaustive": exhaustive or None, "rtol": rtol, "atol": atol, "step": step}
    given = {**asked, "device": device}
    options = "".join(f", {name}={x!r}" for name, x in given.items() if x is not None)
    name = getattr(function, "__name__", type(function).__name__)
    orders = mixed_derivatives(function, args, order=order, modes=modes, seed=seed, device=device)
    for t, below in orders:
        first = next(iter(below.values()))
        if check is None:
            points, bits = _points(first)
            check = _Check(
                points,
                TOLERANCES[bits][0] if rtol is None else rtol,
                TOLERANCES[bits][1] if atol is None else atol,
                STEPS[_bits(points)] if step is None else step,
                seed,
                f"check_grads({name}, args, order={{}}, modes={{}}, seed={seed}{options})",
            )
        if exhaustive:
            for chain, derivative in below.items():
                check.entries(derivative, chain)
        else:
            expected = first.weights @ check.differences(first, t)
            for chain, derivative in below.items():
                check.along(derivative, chain, t, float(expected))
        check = replace(check, rtol=10 * check.rtol, atol=10 * check.atol)


def _bits(arrays: Sequence[Array]) -> int:
    return min((int(npg.finfo(x.dtype).bits) for x in arrays), default=64)


def _points(start: Derivative) -> tuple[list[Array], int]:
    """The arguments for differences, in double if the function then computes in it; and the bits.

    The bits are those of the least precise of arguments and results.
    """
    bits = _bits([*start.primals, *start.results])
    if _bits(start.primals) == 64:
        return start.primals, bits
    wide = [x.astype("complex128" if x.dtype.kind == "c" else "float64") for x in start.primals]
    try:
        with npg.no_grad():
            results = start.function(*map(npg.copy, wide))
    except (TypeError, ValueError):
        return start.primals, bits
    return wide if _bits(results) == 64 else start.primals, bits


@dataclass(frozen=True)
class _Check:
    """What all comparisons share."""

    points: list[Array]
    rtol: float
    atol: float
    step: float
    seed: int
    again: str
    """The call that shows the same again, without order and modes."""

    def differences(self, below: Derivative, t: Vector) -> Vector:
        """The derivative along `t` of all results, by differences."""
        found: Vector = central(lambda scale: self.results(below, t, scale), self.step)
        return found

    def results(self, below: Derivative, t: Vector, scale: float) -> Vector:
        """All results, a little away from the arguments."""
        moved = split(joined(self.points) + scale * t, self.points)
        with npg.no_grad(), np.errstate(all="ignore"):
            return joined(below.function(*moved))

    def allowed(self, size: Any) -> Any:
        """By how much numbers of some size may differ."""
        return self.atol + self.rtol * np.abs(size)

    def excess(self, found: Any, expected: Any) -> Any:
        """By how many times a difference is more than what is allowed; of NaN, inf."""
        with np.errstate(all="ignore"):
            allowed = self.allowed(np.maximum(np.abs(found), np.abs(expected)))
            ratio = np.abs(found - expected) / allowed
        return np.where(np.isnan(ratio), np.inf, ratio)

    def along(self, below: Derivative, chain: Chain, t: Vector, expected: float) -> None:
        """Compare derivatives along random directions; if they differ, find out where."""
        found = below.along(chain[0], below.weights, t)
        if self.excess(found, expected) <= 1:
            return
        slope = self.slope(below, below.weights, t)
        if self.agrees(found, slope):  # the step was too wide or too narrow
            return
        i, j = self.worst(below, chain[0], t)
        self.entry(below, chain, i, j)
        self.fail(chain, "along random directions, no entry alone", found, slope)

    def entries(self, below: Derivative, chain: Chain) -> None:
        """Compare all entries of a Jacobian, the worst first."""
        excess = self.scan(below, chain[0])
        for k in np.argsort(-excess, axis=None):
            i, j = divmod(int(k), excess.shape[1])
            if excess[i, j] <= 1:
                break
            self.entry(below, chain, i, j)

    def scan(self, below: Derivative, mode: str) -> Vector:
        """By how much each entry differs from differences, in multiples of what is allowed."""
        units = np.eye(joined(below.primals).size)
        expected = [self.differences(below, t) for t in units]
        if not units.size or not below.weights.size:
            return np.zeros((below.weights.size, len(units)))
        excess: Vector = self.excess(below.jacobian(mode), np.stack(expected, axis=1))
        return excess

    def worst(self, below: Derivative, mode: str, t: Vector) -> tuple[int, int]:
        """The entry of the Jacobian that is most likely wrong."""
        rows, columns = below.weights.size, t.size
        if rows + columns <= SCANNED:
            row, column = divmod(int(np.argmax(self.scan(below, mode))), columns)
            return row, column

        def error(weights: Vector, t: Vector) -> float:
            found = below.along(mode, weights, t)
            return float(self.excess(found, weights @ self.differences(below, t)))

        j = largest(lambda part: error(below.weights, _part(t, part)), columns)
        unit = _unit(j, columns)
        return largest(lambda part: error(_part(below.weights, part), unit), rows), j

    def slope(self, below: Derivative, weights: Vector, t: Vector) -> Slope:
        """What differences of several steps say."""
        smallest = math.sqrt(max(npg.finfo(x.dtype).eps for x in self.points))

        def along(scale: float) -> float:
            return float(weights @ self.results(below, t, scale))

        return slope_of(along, self.step, smallest, self.allowed)

    def agrees(self, found: float, slope: Slope) -> bool:
        """Whether differences of some step are what was found."""
        return slope.settled and bool(self.excess(found, slope.value) <= 1)

    def entry(self, below: Derivative, chain: Chain, i: int, j: int) -> None:
        """Compare one entry; say what is wrong there."""
        weights, t = _unit(i, below.weights.size), _unit(j, joined(below.primals).size)
        slope = self.slope(below, weights, t)
        found = below.along(chain[0], weights, t)
        if not self.agrees(found, slope):
            result = name_of(i, below.results, below.names)
            argument = name_of(j, below.primals, below.inputs)
            self.fail(chain, f"of {result} with respect to {argument}", found, slope)

    def fail(self, chain: Chain, place: str, found: float, slope: Slope) -> NoReturn:
        """Say where and by how much a derivative is wrong; or why differences cannot tell."""
        mode = f"{chain[0]} mode" if len(chain) == 1 else " over ".join(chain)
        where = f"derivative of order {len(chain)}, {mode}: {place}"
        again = self.again.format(len(chain), [" over ".join(chain)])
        if unclear := self.unclear(slope):
            raise DerivativeError(
                f"check_grads() cannot judge the {where}, which is {found:.9g} by numpygrad: "
                f"{unclear}. Choose other arguments, or a step to suit; again: {again}"
            )
        size = max(abs(found), abs(slope.value))
        points = self.points[0]
        raise AssertionError(
            f"wrong {where}\n"
            f"  {found:.12g} by numpygrad, {slope.value:.12g} by differences: relative error "
            f"{abs(found - slope.value) / size if size else 0.0:.3g}\n"
            f"  differences in {points.dtype} on {str(points.device)!r}, step {self.step:g}; "
            f"rtol {self.rtol:g}, atol {self.atol:g}, seed {self.seed}\n"
            f"  again: {again}"
        )

    def unclear(self, slope: Slope) -> str:
        """Why there is no derivative to compare with, if there is none."""
        if not slope.repeats:
            return "the function gives other values each time: it is random, or keeps state"
        if slope.gap > self.allowed(max(abs(slope.left), abs(slope.right))):
            return (
                f"the function has a kink there, its differences are {slope.left:.9g} from the "
                f"left and {slope.right:.9g} from the right"
            )
        if not slope.settled:
            return (
                "the function jumps, is noisy or is not finite near there, differences of "
                f"smaller and smaller steps disagree by {slope.doubt:.3g} or more"
            )
        return ""


def _unit(k: int, size: int) -> Vector:
    found: Vector = np.zeros(size)
    found[k] = 1.0
    return found


def _part(vector: Vector, part: slice) -> Vector:
    found = np.zeros_like(vector)
    found[part] = vector[part]
    return found
