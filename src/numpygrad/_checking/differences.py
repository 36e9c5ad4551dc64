"""Derivatives by differences, over the real coordinates of arrays; and where there are none.

A coordinate is an element, or the real or the imaginary part of a complex one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import numpygrad as npg
from numpygrad._array import Array

Vector = np.ndarray[Any, np.dtype[np.float64]]
Tolerance: TypeAlias = Callable[[float], float]
"""How much two numbers of some size may differ."""


def joined(arrays: Sequence[Array]) -> Vector:
    """All coordinates of some arrays, one after the other."""
    parts = [np.zeros(0)]
    for x in arrays:
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        values = np.ascontiguousarray(x.numpy(), dtype=wide)
        parts.append(values.reshape(-1).view(np.float64))
    return np.concatenate(parts)


def split(vector: Vector, like: Sequence[Array]) -> list[Array]:
    """Arrays like others, of these coordinates."""
    found, start = [], 0
    for x in like:
        complex_ = x.dtype.kind == "c"
        part = vector[start : start + x.size * (1 + complex_)]
        start += part.size
        values = np.ascontiguousarray(part).view(np.complex128 if complex_ else np.float64)
        found.append(npg.array(values.reshape(x.shape), dtype=x.dtype, device=x.device))
    return found


def name_of(coordinate: int, arrays: Sequence[Array], names: Sequence[str]) -> str:
    """A coordinate as one would write it: the array's name, the index, and which part."""
    for x, name in zip(arrays, names, strict=True):
        complex_ = x.dtype.kind == "c"
        count = x.size * (1 + complex_)
        if coordinate < count:
            index = np.unravel_index(coordinate // (1 + complex_), x.shape)
            where = f"[{', '.join(map(str, index))}]" if x.shape else ""
            part = f" ({('real', 'imaginary')[coordinate % 2]} part)" if complex_ else ""
            return f"{name}{where}{part}"
        coordinate -= count
    raise IndexError(f"coordinate {coordinate} is beyond those of the arrays")


def central(function: Callable[[float], Any], step: float) -> Any:
    """The derivative at 0 of a function of a number, by a central difference of fourth order."""
    near = function(step) - function(-step)
    far = function(2 * step) - function(-2 * step)
    return (8.0 * near - far) / (12.0 * step)


class Slope(NamedTuple):
    """What differences of several steps say of a function of a number, near 0."""

    value: float
    doubt: float
    """By how much differences of two neighbouring steps disagree on it."""
    settled: bool
    """Whether that is little."""
    left: float
    right: float
    gap: float
    """By how much the derivatives from both sides differ beyond what is in doubt of them."""
    repeats: bool
    """Whether the function gives the same value twice."""


STEP_RATIO = 8.0


def slope_of(
    function: Callable[[float], float], step: float, smallest: float, allowed: Tolerance
) -> Slope:
    """The derivative at 0 by differences of smaller and smaller steps, and of one side."""
    middle, again = function(0.0), function(0.0)

    def one_sided(h: float) -> float:
        return (4.0 * function(h) - function(2 * h) - 3.0 * middle) / (2 * h)

    left, right = one_sided(-step / 64), one_sided(step / 64)
    unsure = abs(left - one_sided(-step / 8)) + abs(right - one_sided(step / 8))
    gap = abs(right - left) - 4.0 * unsure
    value, doubt, settled = _limit(function, step, smallest, allowed)
    repeats = middle == again or (math.isnan(middle) and math.isnan(again))
    return Slope(
        value,
        doubt,
        settled,
        left + 0.0,  # of -0.0, 0.0
        right + 0.0,
        gap,
        repeats,
    )


def _limit(
    function: Callable[[float], float], step: float, smallest: float, allowed: Tolerance
) -> tuple[float, float, bool]:
    """The first of the differences of smaller and smaller steps that the next one confirms."""
    best = (math.nan, math.inf, False)
    h = step * STEP_RATIO**2
    wider = central(function, h)
    varies = wider != 0
    while h > smallest:
        h /= STEP_RATIO
        found = central(function, h)
        doubt = abs(found - wider)
        # Of values that are rounded to few digits the smallest steps see no difference at all.
        unseen = varies and found == 0 and wider == 0
        if doubt <= allowed(found) and not unseen:
            return found, doubt, True
        if doubt < best[1] and not unseen:
            best = found, doubt, False
        wider = found
    return best


def largest(error: Callable[[slice], float], size: int) -> int:
    """The coordinate that an error comes from, by halves: `error(part)` is that of a part alone."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        first, second = error(slice(low, middle)), error(slice(middle, high))
        low, high = (low, middle) if first >= second else (middle, high)
    return low
