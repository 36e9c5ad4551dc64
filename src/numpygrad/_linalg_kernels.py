"""Kernels of linear algebra the standard lacks, written in it; each takes the namespace first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._kernels import device_of
from numpygrad.typing import RawArray


def adjugate(xp: Any, x: RawArray) -> RawArray:
    """By the singular values, whose products without one of them are exact where some are 0."""
    u, s, vh = xp.linalg.svd(x)
    steps = xp.arange(s.shape[-1], device=device_of(s))
    one = xp.ones((), dtype=s.dtype, device=device_of(s))
    others = xp.where(steps[:, None] == steps[None, :], one, s[..., None, :])
    products = xp.astype(xp.prod(others, axis=-1), x.dtype)
    phase = xp.linalg.det(u @ vh)[..., None, None]
    inner = xp.matrix_transpose(u * products[..., None, :])
    inner, vh = (xp.conj(a) if _is_complex(xp, a) else a for a in (inner, vh))
    return phase * (xp.matrix_transpose(vh) @ inner)


def _is_complex(xp: Any, x: RawArray) -> bool:
    return bool(xp.isdtype(x.dtype, "complex floating"))


DEFAULTS: dict[str, Callable[..., Any]] = {"adjugate": adjugate}
