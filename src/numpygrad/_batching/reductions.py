"""Reductions, running sums, sorting: the same along axes that are counted one further."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numpygrad._batching.fitting import named, shifted, shifted_all
from numpygrad._batching.mapped import Mapped

Rule = Callable[..., Any]


def reduction(name: str) -> Rule:
    """The rule of a reduction, over all axes of an example by default."""

    def rule(
        xp: Any, x: Mapped, /, axis: Any = None, *, keepdims: bool = False, **params: Any
    ) -> Any:
        axes = shifted_all(axis, x.ndim)
        if not axes:  # of a single number, or over no axes: each element for itself
            whole = xp.reshape(x.array, (*x.array.shape, 1))
            return named(xp, name)(whole, axis=-1, **params)
        return named(xp, name)(x.array, axis=axes, keepdims=keepdims, **params)

    return rule


def _position(name: str) -> Rule:
    def rule(xp: Any, x: Mapped, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
        function = getattr(xp, name)
        if axis is not None:
            return function(x.array, axis=shifted(axis, x.ndim), keepdims=keepdims)
        size = x.array.shape[0]
        found = function(xp.reshape(x.array, (size, math.prod(x.shape))), axis=1)
        return xp.reshape(found, (size, *(1,) * x.ndim)) if keepdims else found

    return rule


def _along(name: str, default: int | None) -> Rule:
    def rule(xp: Any, x: Mapped, /, *, axis: Any = default, **params: Any) -> Any:
        if isinstance(axis, tuple):
            return getattr(xp, name)(x.array, axis=shifted_all(axis, x.ndim), **params)
        return getattr(xp, name)(x.array, axis=shifted(axis or 0, x.ndim), **params)

    return rule


REDUCTIONS = (
    *("all", "any", "count_nonzero", "logsumexp", "max", "mean", "min", "prod", "std", "sum"),
    "var",
)

RULES: dict[str, Rule] = {
    **{name: reduction(name) for name in REDUCTIONS},
    **{name: _position(name) for name in ("argmax", "argmin")},
    **{name: _along(name, -1) for name in ("argsort", "sort", "softmax", "log_softmax")},
    **{name: _along(name, None) for name in ("cumulative_prod", "cumulative_sum")},
}
