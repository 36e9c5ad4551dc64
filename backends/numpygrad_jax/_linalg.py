"""JAX's kernels for linear algebra, with NumPy's errors where JAX gives NaN."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from numpy.linalg import LinAlgError

from numpygrad_jax._compiled import Function, compiled, holds

Raw = Any


_all_finite: Callable[[Raw], Raw] = jax.jit(lambda x: jnp.isfinite(x).all())


def checked(message: str, *static: str) -> Callable[[Function], Function]:
    """Compile a function, of arrays and `static` parameters, with a look at what it gives.

    `LinAlgError` if that is not finite though the arrays are, unless they are traced. Where a
    method fails, all of JAX's result is NaN, or a row of it, as a pivot is 0: so a look at the
    first column is enough.
    """

    def decorate(function: Function) -> Function:
        @functools.partial(jax.jit, static_argnames=static)
        def program(*arrays: Raw, **params: Any) -> tuple[Any, Raw]:
            out = function(*arrays, **params)
            return out, jnp.isfinite(jax.tree.leaves(out)[0][..., :1]).all()

        @functools.wraps(function)
        def kernel(*arrays: Raw, **params: Any) -> Any:
            if any(isinstance(x, jax.core.Tracer) for x in arrays):
                return function(*arrays, **params)
            out, is_finite = program(*arrays, **params)
            if not holds(is_finite) and all(holds(_all_finite(x)) for x in arrays):
                raise LinAlgError(message)
            return out

        return kernel

    return decorate


def spread(x: Raw, y: Raw) -> tuple[Raw, Raw]:
    """Stacks of matrices, broadcast."""
    stack = jnp.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return tuple(jnp.broadcast_to(z, (*stack, *z.shape[-2:])) for z in (x, y))


@checked("Matrix is not positive definite", "upper")
def cholesky(x: Raw, *, upper: bool = False) -> Raw:
    """Of the lower triangle, where JAX takes the mean of both."""
    return jnp.linalg.cholesky(x, upper=upper, symmetrize_input=False)


@checked("Eigenvalues did not converge")
def eigh(x: Raw) -> Any:
    """Of the lower triangle, where JAX takes the mean of both."""
    return jnp.linalg.eigh(x, UPLO="L", symmetrize_input=False)


@checked("Eigenvalues did not converge")
def eigvalsh(x: Raw) -> Raw:
    """As `eigh`."""
    return jnp.linalg.eigvalsh(x, UPLO="L", symmetrize_input=False)


@checked("Singular matrix")
def inv(x: Raw) -> Raw:
    """With an error for singular matrices."""
    return jnp.linalg.inv(x)


@checked("Singular matrix")
def solve(x1: Raw, x2: Raw) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    return jnp.linalg.solve(*spread(x1, x2))


KERNELS: dict[str, Function] = {
    "cholesky": cholesky,
    "eigh": eigh,
    "eigvalsh": eigvalsh,
    "inv": inv,
    "solve": solve,
    "vector_norm": compiled(jnp.linalg.vector_norm, "axis", "keepdims", "ord"),
}
