"""What the derivatives of special functions share: a logarithm without cancellation, refusals."""

from __future__ import annotations

from typing import Any, NoReturn

from numpygrad.errors import DerivativeError


def log1p_less(xp: Any, t: Any, ratio: Any) -> Any:
    """`log(ratio) - t`, where `t` is `ratio - 1` without the rounding."""
    near = xp.abs(t) < 0.25
    away = xp.log(xp.where(near, 1.0, ratio))
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), away) - t


def refuse(name: str, parameter: str, other: str) -> NoReturn:
    """Raises that an op has no derivative with respect to one of its arrays."""
    raise DerivativeError(
        f"{name}() has a derivative with respect to {other}, none with respect to {parameter}. "
        f"Pass {parameter}.detach(), if it is to count as a constant"
    )
