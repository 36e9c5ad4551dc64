"""JAX's kernels for linear algebra, with NumPy's errors where JAX gives NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from numpy.linalg import LinAlgError

Raw = Any


_all_finite: Callable[[Raw], Raw] = jax.jit(lambda x: jnp.isfinite(x).all())
_column_finite: Callable[[Raw], Raw] = jax.jit(lambda x: jnp.isfinite(x[..., :1]).all())


def require_finite(out: Raw, message: str, *operands: Raw) -> Raw:
    """`out`; `LinAlgError` if it is not finite though the operands are, unless they are traced.

    Where a method fails, all of JAX's result is NaN, or a row of it, as a pivot is 0: so a look at
    the first column is enough.
    """
    if isinstance(out, jax.core.Tracer) or bool(_column_finite(out)):
        return out
    if all(bool(_all_finite(operand)) for operand in operands):
        raise LinAlgError(message)
    return out


def cholesky(x: Raw, *, upper: bool = False) -> Raw:
    """Of the lower triangle, where JAX takes the mean of both."""
    factor = jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False)
    return require_finite(factor, "Matrix is not positive definite", x)


def eigh(x: Raw) -> Any:
    """Of the lower triangle, where JAX takes the mean of both."""
    result = jnp.linalg.eigh(x, UPLO="L", symmetrize_input=False)
    require_finite(result.eigenvalues, "Eigenvalues did not converge", x)
    return result


def eigvalsh(x: Raw) -> Raw:
    """As `eigh`."""
    values = jnp.linalg.eigvalsh(x, UPLO="L", symmetrize_input=False)
    return require_finite(values, "Eigenvalues did not converge", x)


def inv(x: Raw) -> Raw:
    """With an error for singular matrices."""
    return require_finite(jnp.linalg.inv(x), "Singular matrix", x)


def solve(x1: Raw, x2: Raw) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    stack = jnp.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    x1 = jnp.broadcast_to(x1, (*stack, *x1.shape[-2:]))
    x2 = jnp.broadcast_to(x2, (*stack, *x2.shape[-2:]))
    return require_finite(jnp.linalg.solve(x1, x2), "Singular matrix", x1, x2)


KERNELS: dict[str, Callable[..., Any]] = {
    "cholesky": cholesky,
    "eigh": eigh,
    "eigvalsh": eigvalsh,
    "inv": inv,
    "solve": solve,
    "vector_norm": jax.jit(jnp.linalg.vector_norm, static_argnames=("axis", "keepdims", "ord")),
}
