"""NumPy's kernels for linear algebra where the library's differ from the standard, or are slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad_numpy._kernels import are_all

Raw = Any


def _complex(x: Raw) -> Raw:
    """In the complex dtype of the same precision."""
    return x.astype(np.result_type(x.dtype, np.complex64), copy=False)


def eig(x: Raw) -> tuple[Raw, Raw]:
    """Complex, also where NumPy finds all eigenvalues real."""
    values, vectors = np.linalg.eig(x)
    return _complex(values), _complex(vectors)


def eigvals(x: Raw) -> Raw:
    """As `eig`."""
    return _complex(np.linalg.eigvals(x))


def vector_norm(x: Raw, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Raw:
    """As the library's, which has no axes in no dimensions; of all elements by one product.

    In single precision that would lose digits.
    """
    if axis == ():
        return np.abs(x) if ord != 0 else (x != 0).astype(np.abs(x).dtype)
    if ord == 2 and x.dtype in DOUBLE and are_all(axis, x.ndim):
        norm = np.sqrt(np.vdot(x, x).real)
        return norm.reshape((1,) * x.ndim) if keepdims else norm
    return np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


DOUBLE = (np.dtype("f8"), np.dtype("c16"))

KERNELS: dict[str, Callable[..., Any]] = {
    "cholesky": np.linalg.cholesky,
    "cross": np.linalg.cross,
    "det": np.linalg.det,
    "eig": eig,
    "eigh": np.linalg.eigh,
    "eigvals": eigvals,
    "eigvalsh": np.linalg.eigvalsh,
    "inv": np.linalg.inv,
    "qr": np.linalg.qr,
    "slogdet": np.linalg.slogdet,
    "solve": np.linalg.solve,
    "svd": np.linalg.svd,
    "svdvals": np.linalg.svdvals,
    "vector_norm": vector_norm,
}
