"""Kernels of linear algebra the standard lacks, written in it; each takes the namespace first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._kernels import device_of
from numpygrad.typing import RawArray


def is_complex(xp: Any, x: RawArray) -> bool:
    """Whether an array is complex."""
    return bool(xp.isdtype(x.dtype, "complex floating"))


def adjoint(xp: Any, x: RawArray) -> RawArray:
    """The conjugate transpose of matrices."""
    x = xp.matrix_transpose(x)
    return xp.conj(x) if is_complex(xp, x) else x


def diagonal_mask(xp: Any, x: RawArray) -> RawArray:
    """The mask of the diagonal of square matrices."""
    steps = xp.arange(x.shape[-1], device=device_of(x))
    return steps[:, None] == steps[None, :]


def phase(xp: Any, u: RawArray, vh: RawArray) -> RawArray:
    """The determinant of a product of unitary matrices, a number for each as a 1 by 1 matrix."""
    return xp.linalg.det(u @ vh)[..., None, None]


def adjugate(xp: Any, x: RawArray) -> RawArray:
    """By the singular values, whose products without one of them are exact where some are 0."""
    u, s, vh = xp.linalg.svd(x)
    one = xp.ones((), dtype=s.dtype, device=device_of(s))
    others = xp.where(diagonal_mask(xp, x), one, s[..., None, :])
    products = xp.astype(xp.prod(others, axis=-1), x.dtype)
    return phase(xp, u, vh) * (adjoint(xp, vh) @ adjoint(xp, u * products[..., None, :]))


DEFAULTS: dict[str, Callable[..., Any]] = {"adjugate": adjugate}
