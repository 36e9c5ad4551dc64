"""Batching of functions that have rules of their own, which are mapped with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._batching.mapped import Mapped, data_of
from numpygrad._custom.joint import IN_PROGRAMS


def _joint(xp: Any, *args: Any, call: Any) -> Any:
    axes = tuple(0 if type(x) is Mapped else None for x in args)
    return call.mapped(axes)(*map(data_of, args))


RULES: dict[str, Callable[..., Any]] = {IN_PROGRAMS: _joint}
