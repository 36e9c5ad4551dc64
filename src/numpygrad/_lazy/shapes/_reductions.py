"""Results of reductions, cumulative functions, sorting and searching."""

from __future__ import annotations

from typing import Any

from numpygrad._dtypes import DEFAULT_INT, bool_
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import (
    Rule,
    aval,
    axes_of,
    axis_of,
    floating,
    given,
    real_of,
    shape_of,
    summed,
)
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape


def reduced(name: str, shape: Shape, axis: Any, keepdims: bool) -> Shape:
    """`shape` without the axes reduced over, or with length 1 there."""
    if axis is None:
        return (1,) * len(shape) if keepdims else ()
    if type(axis) is int:
        i = axis_of(name, axis, len(shape))
        return (*shape[:i], 1, *shape[i + 1 :]) if keepdims else shape[:i] + shape[i + 1 :]
    axes = axes_of(name, axis, len(shape))
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def _adding(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Aval:
        wanted = summed(x.dtype) if dtype is None else given(dtype, x.dtype)
        return aval(reduced(name, x.shape, axis, keepdims), wanted)

    return rule


def _averaging(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
        return aval(reduced(name, x.shape, axis, keepdims), floating(x.dtype))

    return rule


def _deviating(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Aval:
        return aval(reduced(name, x.shape, axis, keepdims), real_of(floating(x.dtype)))

    return rule


def _testing(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
        return aval(reduced(name, x.shape, axis, keepdims), bool_)

    return rule


def _require_elements(name: str, shape: Shape, axis: Any) -> None:
    if 0 in shape and any(shape[a] == 0 for a in axes_of(name, axis, len(shape))):
        raise ShapeError(f"{name}() over no elements: axis {axis} of shape {shape}")


def _extreme(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
        _require_elements(name, x.shape, axis)
        return aval(reduced(name, x.shape, axis, keepdims), x.dtype)

    return rule


def _position(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
        _require_elements(name, x.shape, axis)
        return aval(reduced(name, x.shape, axis, keepdims), DEFAULT_INT)

    return rule


def _logsumexp(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
    _require_elements("logsumexp", x.shape, axis)
    return aval(reduced("logsumexp", x.shape, axis, keepdims), floating(x.dtype))


def _softmax(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = -1) -> Aval:
        axes_of(name, axis, len(x.shape))
        _require_elements(name, x.shape, axis)
        return aval(x.shape, floating(x.dtype))

    return rule


def _count_nonzero(x: Any, /, axis: Any = None, keepdims: bool = False) -> Aval:
    return aval(reduced("count_nonzero", x.shape, axis, keepdims), DEFAULT_INT)


def _cumulative(name: str) -> Rule:
    def rule(x: Any, /, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Aval:
        shape = x.shape
        if axis is None and len(shape) != 1:
            raise ValueError(f"{name}() needs axis= for an array of {len(shape)} dimensions")
        axis = axis_of(name, 0 if axis is None else axis, len(shape))
        if include_initial:
            shape = (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :])
        return aval(shape, summed(x.dtype) if dtype is None else given(dtype, x.dtype))

    return rule


def _sort(x: Any, /, axis: int = -1, descending: bool = False, stable: bool = True) -> Aval:
    axis_of("sort", axis, len(x.shape))
    return aval(x.shape, x.dtype)


def _argsort(x: Any, /, axis: int = -1, descending: bool = False, stable: bool = True) -> Aval:
    axis_of("argsort", axis, len(x.shape))
    return aval(x.shape, DEFAULT_INT)


def _searchsorted(x1: Any, x2: Any, /, side: str = "left", sorter: Any = None) -> Aval:
    if len(x1.shape) != 1:
        raise ShapeError(f"searchsorted() needs x1 of one dimension, got shape {x1.shape}")
    return aval(shape_of(x2), DEFAULT_INT)


def _isin(x1: Any, x2: Any, /, invert: bool = False) -> Aval:
    return aval(shape_of(x1), bool_)


RULES: dict[str, Rule] = {
    **{name: _adding(name) for name in ("sum", "prod")},
    **{name: _deviating(name) for name in ("std", "var")},
    **{name: _testing(name) for name in ("all", "any")},
    **{name: _extreme(name) for name in ("max", "min")},
    **{name: _position(name) for name in ("argmax", "argmin")},
    **{name: _softmax(name) for name in ("softmax", "log_softmax")},
    **{name: _cumulative(name) for name in ("cumulative_sum", "cumulative_prod")},
    "argsort": _argsort,
    "count_nonzero": _count_nonzero,
    "isin": _isin,
    "logsumexp": _logsumexp,
    "mean": _averaging("mean"),
    "searchsorted": _searchsorted,
    "sort": _sort,
}
