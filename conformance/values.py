"""Arrays and scalars drawn for the differential run, special values among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from conformance.standard import dtypes

if TYPE_CHECKING:
    from collections.abc import Sequence

HostArray: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int, ...]
T = TypeVar("T")

SHAPES: tuple[Shape, ...] = ((), (3,), (1,), (0,), (2, 3), (3, 1), (0, 3), (2, 1, 3))
MATRICES: tuple[Shape, ...] = ((2, 3), (3, 3), (1, 2), (0, 3), (2, 3, 2), (2, 0, 2, 1))
_SPECIALS = (0.0, -0.0, math.inf, -math.inf, math.nan)
_SPECIAL_SHARE = 0.2
_LIMIT_SHARE = 0.1
_BOUND = 6


def choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with that probability."""
    return bool(rng.random() < probability)


def array(rng: np.random.Generator, dtype: str, shape: Shape, *, special: bool = True) -> HostArray:
    """An array of small numbers; with `special`, NaN, infinities, signed zeros and limits too."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return _integers(rng, dtype, shape, special)
    if kind == "c":
        out = np.empty(shape, dtype=dtype)
        out.real, out.imag = (_floats(rng, shape, special) for _ in range(2))
        return out
    return np.asarray(_floats(rng, shape, special), dtype=dtype)


def _integers(rng: np.random.Generator, dtype: str, shape: Shape, special: bool) -> HostArray:
    info = np.iinfo(dtype)
    low = 0 if info.min == 0 else -_BOUND
    out = np.asarray(rng.integers(low, _BOUND, shape)).astype(dtype)
    if special:
        limits = np.where(rng.random(shape) < 0.5, info.min, info.max)
        out = np.where(rng.random(shape) < _LIMIT_SHARE, limits.astype(dtype), out)
    return np.asarray(out)


def _floats(rng: np.random.Generator, shape: Shape, special: bool) -> HostArray:
    """Quarters, whose sums and products are exact, and some numbers that are not."""
    quarters = rng.integers(-12, 12, shape) / 4
    out = np.where(rng.random(shape) < 0.7, quarters, 3 * rng.standard_normal(shape))
    if special:
        out = np.where(rng.random(shape) < _SPECIAL_SHARE, rng.choice(_SPECIALS, shape), out)
    return np.asarray(out)


def scalar(rng: np.random.Generator, kind: str) -> bool | int | float | complex:
    """A Python scalar of a dtype's kind."""
    if kind == "b":
        return chance(rng, 0.5)
    if kind in "iu":
        return int(rng.integers(0 if kind == "u" else -4, 5))
    real = choose(rng, (0.5, -1.5, 2.0, 0.0, math.inf, math.nan))
    return real if kind == "f" else complex(real, choose(rng, (0.0, 1.0, -2.5)))


def related_dtype(rng: np.random.Generator, dtype: str) -> str:
    """The same dtype, or one that promotes with it by the standard."""
    groups = ("b", "iu", "fc")
    group = next(g for g in groups if np.dtype(dtype).kind in g)
    others = [name for name in dtypes() if np.dtype(name).kind in group]
    return dtype if chance(rng, 0.5) else choose(rng, others)


def partner_shape(rng: np.random.Generator, shape: Shape) -> Shape:
    """A shape that broadcasts with `shape`; rarely one that does not."""
    if chance(rng, 0.05):
        return (*shape, 7)
    lengths = tuple(1 if chance(rng, 0.3) else n for n in shape)
    return lengths[int(rng.integers(len(shape) + 1)) :] if chance(rng, 0.3) else lengths
