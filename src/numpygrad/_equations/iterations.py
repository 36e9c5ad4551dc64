"""Iterations on vectors: Newton's and Anderson's for equations, GMRES for linear systems.

None is differentiated: `equation` differentiates what they find. Sizes of Hessenberg and Gram
matrices are those of the iteration, a few dozen, so these are worked on in NumPy on the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from numpygrad._array import Array
from numpygrad._dtypes import DType
from numpygrad.errors import ConvergenceError
from numpygrad.linalg import vector_norm
from numpygrad.ops.creation import asarray, zeros, zeros_like
from numpygrad.ops.data_types import finfo
from numpygrad.ops.linear_algebra import matmul
from numpygrad.ops.manipulation import concat, expand_dims, stack

Function: TypeAlias = Callable[[Array], Array]

RESTART = 50
"""How many vectors GMRES keeps."""
FIRST_ROWS = 8
"""How many it makes room for at first; as often as that is not enough, for twice as many."""


def precision(dtype: DType, power: float) -> float:
    """A tolerance for a dtype: a power of the distance from 1 to the next number."""
    found: float = float(finfo(dtype).eps) ** power
    return found


def length(x: Array) -> float:
    """The Euclidean norm, as a number."""
    return float(vector_norm(x))


def is_small(step: float, x: Array, tol: float) -> bool:
    """Whether a step is small beside `x`, or beside `tol` where `x` is about 0."""
    return step <= tol * (tol + length(x))


def newton(
    function: Function,
    step_of: Callable[[Array, Array], Array],
    x: Array,
    *,
    tol: float,
    maxiter: int,
) -> Array:
    """A zero of `function` by Newton's method, steps halved until they make the values smaller.

    `step_of(x, y)` gives the step from `x`, where the value is `y`. The last step is taken and not
    looked at again: it leaves an error of about the square of the tolerance.

    Source: Dennis and Schnabel, Numerical Methods for Unconstrained Optimization and Nonlinear
    Equations (1983), section 6.3, on the norm of the values.
    """
    y = function(x)
    size = length(y)
    if not math.isfinite(size):
        raise ConvergenceError(
            f"root(): the function has values that are not finite at the start (their norm is "
            f"{size}); start where it is defined"
        )
    for iteration in range(maxiter):
        if size == 0:
            return x
        step = step_of(x, y)
        if is_small(length(step), x, tol):
            return x - step
        scale = 1.0
        while True:
            near = x - scale * step
            y_near = function(near)
            size_near = length(y_near)
            if size_near <= (1 - 1e-4 * scale) * size:  # no NaN is
                break
            scale /= 2
            if scale < 2.0**-30:
                raise ConvergenceError(
                    f"root(): after {iteration} iterations the norm of the values is {size:.3g} "
                    "and no step along Newton's direction makes it smaller: a minimum that is no "
                    "root, or a tolerance beyond what rounding allows. Start elsewhere, or ask for "
                    f"less than tol={tol:.2g}"
                )
        x, y, size = near, y_near, size_near
    raise ConvergenceError(
        f"root(): no convergence in {maxiter} iterations; the norm of the values is {size:.3g}. A "
        "singular Jacobian at the root makes Newton's method slow. Start nearer, allow more with "
        f"maxiter=, or ask for less than tol={tol:.2g}"
    )


def anderson(function: Function, x: Array, *, depth: int, tol: float, maxiter: int) -> Array:
    """A fixed point of `function`, by iteration that extrapolates from the last `depth` steps.

    Where the distance from `x` to its image grows, the iteration starts anew from the best `x`
    with a plain step.

    Source: Walker and Ni, Anderson Acceleration for Fixed-Point Iterations (2011), problem (1.1) in
    its unconstrained form.
    """
    images: list[Array] = []
    residuals: list[Array] = []
    best, best_size = x, math.inf
    size = math.inf
    for _ in range(maxiter):
        image = function(x)
        residual = image - x
        size = length(residual)
        if is_small(size, image, tol):
            return image
        if size < best_size:
            best, best_size = image, size
        elif not size <= 10 * best_size and images:
            images, residuals, x = [], [], best
            continue
        if not math.isfinite(size):
            raise ConvergenceError(
                "fixed_point(): the function has values that are not finite, from "
                f"{'the start' if best_size == math.inf else 'finite ones'} on. Start where it is "
                "defined, and see that it maps what it gives into that region"
            )
        images.append(image)
        residuals.append(residual)
        del images[: -depth - 1], residuals[: -depth - 1]
        x = _extrapolated(images, residuals)
    raise ConvergenceError(
        f"fixed_point(): no convergence in {maxiter} iterations; the function moves the last x by "
        f"{size:.3g}. Start nearer, allow more with maxiter=, or ask for less than tol={tol:.2g}"
    )


def _extrapolated(images: list[Array], residuals: list[Array]) -> Array:
    """The combination of images whose residual, were all linear, would be the least."""
    if len(images) == 1:
        return images[0]
    last = residuals[-1]
    changes = stack([last - r for r in residuals[:-1]])
    gram = np.asarray(matmul(changes, changes.mT).numpy(), dtype=np.float64)
    right = np.asarray(matmul(changes, last).numpy(), dtype=np.float64)
    rcond = 10 * len(images) * float(finfo(last.dtype).eps)
    weights = np.linalg.lstsq(gram, right, rcond=rcond)[0]
    moves = stack([images[-1] - image for image in images[:-1]])
    return images[-1] - matmul(_like(weights, last), moves)


def gmres(product: Function, right: Array, *, tol: float, maxiter: int, what: str) -> Array:
    """The solution of `product(x) = right` for a linear function, by restarted GMRES.

    The residual is brought to `tol` times the right side; at most `maxiter` products are taken.

    Source: Saad and Schultz, GMRES (1986); orthogonalised twice by classical Gram and Schmidt.
    """
    size = length(right)
    x = zeros_like(right)
    if size == 0:
        return x
    residual, left = right, size
    products = 0
    while products < maxiter:
        vectors = _with_rows(expand_dims(residual / left, axis=0), FIRST_ROWS - 1)
        columns: list[Any] = []
        weights: Any = None
        while len(columns) < min(RESTART, right.size) and products < maxiter:
            k = len(columns)
            w = product(vectors[k])
            products += 1
            # Rows that are not used yet are 0, so that there are few shapes for JAX to compile.
            h = matmul(vectors, w)
            w = w - matmul(h, vectors)
            again = matmul(vectors, w)
            w = w - matmul(again, vectors)
            norm = length(w)
            known = np.asarray((h + again).numpy(), dtype=np.float64)[: k + 1]
            columns.append([*known, norm])
            if not np.isfinite(columns[-1]).all():
                raise ConvergenceError(f"{what}: its linear system has entries that are not finite")
            weights, estimate = _least(columns, left)
            if estimate <= tol * size or norm <= tol * tol * size:
                break
            if k + 1 == vectors.shape[0]:
                vectors = _with_rows(vectors, k + 1)
            vectors[k + 1] = w / norm
        padded = np.zeros(vectors.shape[0])
        padded[: len(weights)] = weights
        x = x + matmul(_like(padded, right), vectors)
        residual = right - product(x)
        products += 1
        before, left = left, length(residual)
        if left <= 10 * tol * size:
            return x
        if not left < 0.9 * before:
            break
    raise ConvergenceError(
        f"{what}: GMRES left {left / size:.2g} of the right side of its linear system after "
        f"{products} products, asked for {tol:.2g}. The Jacobian may be singular at the solution; "
        "or pass linear='dense'"
    )


def _with_rows(vectors: Array, count: int) -> Array:
    """The vectors, in memory of their own, and so many rows of zeros."""
    like = zeros((count, vectors.shape[1]), dtype=vectors.dtype, device=vectors.device)
    return concat([vectors, like])


def _least(columns: list[Any], right: float) -> tuple[Any, float]:
    """The weights of the basis that leave the least, and how much that is."""
    count = len(columns)
    hessenberg = np.zeros((count + 1, count))
    for j, column in enumerate(columns):
        hessenberg[: len(column), j] = column
    target = np.zeros(count + 1)
    target[0] = right
    weights = np.linalg.lstsq(hessenberg, target, rcond=None)[0]
    return weights, float(np.linalg.norm(hessenberg @ weights - target))


def _like(values: Any, x: Array) -> Array:
    return asarray(values, dtype=x.dtype, device=x.device, copy=True)
