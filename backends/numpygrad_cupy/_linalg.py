"""CuPy's kernels for linear algebra where the library's differ from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy as cp
import numpy as np
from numpy.linalg import LinAlgError

Raw = Any


def _require_finite(out: Raw, x: Raw, message: str) -> Raw:
    """`out`; `LinAlgError` if it is not finite though `x` is, where cuSOLVER gives NaN or inf."""
    if not bool(cp.isfinite(out).all()) and bool(cp.isfinite(x).all()):
        raise LinAlgError(message)
    return out


def cholesky(x: Raw, *, upper: bool = False) -> Raw:
    """With an error for matrices that are not positive definite; `upper` as in the standard."""
    factor = _require_finite(cp.linalg.cholesky(x), x, "Matrix is not positive definite")
    return cp.conj(cp.swapaxes(factor, -1, -2)) if upper else factor


def eig(x: Raw) -> tuple[Raw, Raw]:
    """Complex; on the host where this CuPy, or its cuSOLVER, has none."""
    complex_dtype = np.result_type(x.dtype, np.complex64)
    try:
        values, vectors = cp.linalg.eig(x)
    except (AttributeError, RuntimeError):
        values, vectors = map(cp.asarray, np.linalg.eig(cp.asnumpy(x)))
    return values.astype(complex_dtype, copy=False), vectors.astype(complex_dtype, copy=False)


def eigvals(x: Raw) -> Raw:
    """As `eig`."""
    return eig(x)[0]


def inv(x: Raw) -> Raw:
    """With an error for singular matrices."""
    return _require_finite(cp.linalg.inv(x), x, "Singular matrix")


def solve(x1: Raw, x2: Raw) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    stack = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    x1 = cp.broadcast_to(x1, (*stack, *x1.shape[-2:]))
    x2 = cp.broadcast_to(x2, (*stack, *x2.shape[-2:]))
    out = cp.linalg.solve(x1, x2)
    return _require_finite(out, x1, "Singular matrix") if bool(cp.isfinite(x2).all()) else out


KERNELS: dict[str, Callable[..., Any]] = {
    "cholesky": cholesky,
    "eig": eig,
    "eigvals": eigvals,
    "inv": inv,
    "solve": solve,
}
