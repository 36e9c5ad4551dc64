"""Elementwise kernels batch by themselves, once the axes of examples are aligned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._batching.fitting import aligned, named
from numpygrad._batching.mapped import Mapped, data_of
from numpygrad._lazy.shapes import BINARY, COMPARISONS, PREDICATES, TERNARY, UNARY

Rule = Callable[..., Any]


def _elementwise(name: str) -> Rule:
    def rule(xp: Any, *args: Any, **params: Any) -> Any:
        if len(args) == 1:
            return named(xp, name)(args[0].array, **params)
        return named(xp, name)(*aligned(xp, *args), **params)

    return rule


def _itself(xp: Any, x: Mapped, **params: Any) -> Any:
    return x.array


def _clip(xp: Any, x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002 (the standard's)
    bounds = [bound for bound in (x, min, max) if bound is not None]
    found = iter(aligned(xp, *bounds))
    x, *rest = (None if bound is None else next(found) for bound in (x, min, max))
    return xp.clip(x, *rest)


def _cast(xp: Any, x: Mapped, dtype: Any = None, **params: Any) -> Any:
    return xp.astype(data_of(x), dtype)


RULES: dict[str, Rule] = {
    **{name: _elementwise(name) for name in UNARY | BINARY | TERNARY},
    **{name: _elementwise(name) for name in COMPARISONS | PREDICATES},
    **{name: _elementwise(name) for name in ("clip_both", "round", "where")},
    "asarray": _itself,
    "astype": _cast,
    "cast": _cast,
    "clip": _clip,
    "contiguous": _itself,
}
