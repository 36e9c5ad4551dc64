"""Results of the kernels of `fft`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import (
    Rule,
    aval,
    axes_of,
    axis_of,
    complex_of,
    floating,
    given,
    real_of,
)
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape

TO_HALF = frozenset({"rfft", "ihfft", "rfftn"})
"""Transforms of real signals, which give the first half of a spectrum along the last axis."""

OF_HALF = frozenset({"irfft", "hfft", "irfftn"})
"""Transforms of such a half, whose results are real."""


def points_along(name: str, n: int | None, shape: Shape, axis: int, *, half: bool) -> int:
    """The number of points along an axis: as given, or as many as there are."""
    length = shape[axis]
    points = operator.index(n) if n is not None else 2 * (length - 1) if half else length
    if points < 1:
        raise ShapeError(
            f"{name}() needs one point or more along each axis, got {points} along axis {axis} of "
            f"shape {shape}; say how many with {'s' if name.endswith('n') else 'n'}="
        )
    return points


def _transformed(name: str, x: Any, lengths: Sequence[int | None], axes: Sequence[int]) -> Aval:
    last = axes[-1] if axes else None
    found = list(x.shape)
    for n, axis in zip(lengths, axes, strict=True):
        half = axis == last and name in OF_HALF
        points = points_along(name, n, x.shape, axis, half=half)
        found[axis] = points // 2 + 1 if axis == last and name in TO_HALF else points
    dtype = floating(x.dtype)
    return aval(tuple(found), real_of(dtype) if name in OF_HALF else complex_of(dtype))


def _along(name: str) -> Rule:
    def rule(x: Any, /, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Aval:
        return _transformed(name, x, (n,), (axis_of(name, axis, len(x.shape)),))

    return rule


def _over(name: str) -> Rule:
    def rule(x: Any, /, s: Any = None, axes: Any = None, norm: Any = "backward") -> Aval:
        if axes is None and s is not None:
            axes = range(-len(s), 0)
        over = axes_of(name, None if axes is None else tuple(axes), len(x.shape))
        if s is not None and len(s) != len(over):
            raise ValueError(f"{name}() needs as many lengths as axes, got s={s} and axes={axes}")
        if not over and (name in TO_HALF or name in OF_HALF):
            raise ShapeError(f"{name}() needs one axis or more, got shape {x.shape}, axes={axes}")
        return _transformed(name, x, (None,) * len(over) if s is None else s, over)

    return rule


def _shifted(name: str) -> Rule:
    def rule(x: Any, /, axes: Any = None) -> Aval:
        axes_of(name, axes, len(x.shape))
        return aval(x.shape, x.dtype)

    return rule


def _fftfreq(n: int, /, d: float = 1.0, dtype: Any = None, device: Any = None) -> Aval:
    return aval((n,), given(dtype, DEFAULT_FLOAT))


def _rfftfreq(n: int, /, d: float = 1.0, dtype: Any = None, device: Any = None) -> Aval:
    return aval((n // 2 + 1,), given(dtype, DEFAULT_FLOAT))


RULES: dict[str, Rule] = {
    **{f"fft.{name}": _along(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": _over(name) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{f"fft.{name}": _shifted(name) for name in ("fftshift", "ifftshift")},
    "fft.fftfreq": _fftfreq,
    "fft.rfftfreq": _rfftfreq,
}
