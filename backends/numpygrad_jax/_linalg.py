"""JAX's kernels for linear algebra, with NumPy's errors where JAX gives NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from numpy.linalg import LinAlgError

Raw = Any


_all_finite: Callable[[Raw], Raw] = jax.jit(lambda x: jnp.isfinite(x).all())


def _require_finite(out: Raw, x: Raw, message: str) -> Raw:
    """`out`; `LinAlgError` if it is not finite though `x` is, unless both are being traced."""
    if isinstance(out, jax.core.Tracer):
        return out
    if not bool(_all_finite(out)) and bool(_all_finite(x)):
        raise LinAlgError(message)
    return out


def cholesky(x: Raw, *, upper: bool = False) -> Raw:
    """Of the lower triangle, where JAX takes the mean of both."""
    factor = jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False)
    return _require_finite(factor, x, "Matrix is not positive definite")


def eigh(x: Raw) -> Any:
    """Of the lower triangle, where JAX takes the mean of both."""
    result = jnp.linalg.eigh(x, UPLO="L", symmetrize_input=False)
    _require_finite(result.eigenvalues, x, "Eigenvalues did not converge")
    return result


def eigvalsh(x: Raw) -> Raw:
    """As `eigh`."""
    values = jnp.linalg.eigvalsh(x, UPLO="L", symmetrize_input=False)
    return _require_finite(values, x, "Eigenvalues did not converge")


def inv(x: Raw) -> Raw:
    """With an error for singular matrices."""
    return _require_finite(jnp.linalg.inv(x), x, "Singular matrix")


def solve(x1: Raw, x2: Raw) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    stack = jnp.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    x1 = jnp.broadcast_to(x1, (*stack, *x1.shape[-2:]))
    x2 = jnp.broadcast_to(x2, (*stack, *x2.shape[-2:]))
    out = jnp.linalg.solve(x1, x2)
    if isinstance(out, jax.core.Tracer) or bool(_all_finite(out)) or not bool(_all_finite(x2)):
        return out
    return _require_finite(out, x1, "Singular matrix")


KERNELS: dict[str, Callable[..., Any]] = {
    "cholesky": cholesky,
    "eigh": eigh,
    "eigvalsh": eigvalsh,
    "inv": inv,
    "solve": solve,
    "vector_norm": jax.jit(jnp.linalg.vector_norm, static_argnames=("axis", "keepdims", "ord")),
}
