"""The standard's linear algebra extension, on stacks of matrices, with derivatives.

Matrices are the last two axes; leading axes are a stack. Where the backend's library raises
`LinAlgError`, for a singular matrix or one that is not positive definite, every backend does.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from numpy.linalg import LinAlgError as LinAlgError

from numpygrad._array import Array
from numpygrad._dispatch import (
    apply,
    apply_one,
    apply_several,
    as_array,
    promoted,
    require_broadcast,
)
from numpygrad._dtypes import floating
from numpygrad._linalg_rules import (
    adjugate_pull,
    adjugate_push,
    cholesky_pull,
    eig_pull,
    eigh_pull,
    eigh_push,
    eigvals_pull,
    eigvalsh_pull,
    inv_pull,
    norm_pull,
    pinv_pull,
    qr_pull,
    slogdet_pull,
    solve_pull_matrix,
    solve_pull_right,
    svd_pull,
    svd_push,
    svdvals_pull,
    trace_transpose,
)
from numpygrad._op import linear, nonlinear
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import copy, eye
from numpygrad.ops.data_types import astype, finfo
from numpygrad.ops.elementwise import abs, positive
from numpygrad.ops.indexing import diagonal as _diagonal
from numpygrad.ops.linear_algebra import matmul as matmul
from numpygrad.ops.linear_algebra import matrix_transpose as matrix_transpose
from numpygrad.ops.linear_algebra import tensordot as tensordot
from numpygrad.ops.linear_algebra import vecdot as vecdot
from numpygrad.ops.manipulation import (
    broadcast_to,
    expand_dims,
    moveaxis,
    normalized_axes,
    squeeze,
)
from numpygrad.ops.searching import count_nonzero
from numpygrad.ops.statistical import max, min, sum
from numpygrad.typing import Axis, DTypeLike

Norm: TypeAlias = Literal["fro", "nuc"] | float
Tolerance: TypeAlias = "float | Array | None"
"""A parameter, not an operand: nothing is differentiated with respect to it."""


def __getattr__(name: str) -> Any:
    from numpygrad._foreign_names import hint

    told = hint(f"linalg.{name}")
    raise AttributeError(f"module 'numpygrad.linalg' has no attribute {name!r}{told}")


class EigResult(NamedTuple):
    """Eigenvalues (..., n) and eigenvectors (..., n, n), both complex; a column for each."""

    eigenvalues: Array
    eigenvectors: Array


class EighResult(NamedTuple):
    """Eigenvalues (..., n), real and ascending, and eigenvectors (..., n, n), a column for each."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """Orthonormal columns `Q`, and `R`, upper triangular."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """The sign (complex: the phase) of a determinant, and the logarithm of its magnitude."""

    sign: Array
    logabsdet: Array


class SVDResult(NamedTuple):
    """Left singular vectors `U` in columns, singular values `S`, descending, right ones in rows."""

    U: Array
    S: Array
    Vh: Array


def _matrices(name: str, x: Any, *, square: bool = False) -> Array:
    """`x` as an array of matrices; `ShapeError` if it is none."""
    matrices = as_array(name, x)
    shape = matrices.shape
    if len(shape) < 2:
        raise ShapeError(f"{name}() needs matrices, two dimensions or more, got shape {shape}")
    if square and shape[-1] != shape[-2]:
        raise ShapeError(f"{name}() needs square matrices, got shape {shape}")
    return matrices


def adjugate(x: Array, /) -> Array:
    """The adjugate of square matrices, (..., n, n): `det(x) * inv(x)` where that exists.

    It is finite and exact for singular matrices too: the transpose of the derivative of `det`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.round(npg.linalg.adjugate(npg.array([[1.0, 2.0], [2.0, 4.0]]))))
    [[ 4. -2.]
     [-2.  1.]]
    """
    return apply(adjugate, _matrices("adjugate", x, square=True))


def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """The Cholesky factor of Hermitian positive definite matrices: lower L, `x = L @ L.mT.conj()`.

    (..., n, n) -> (..., n, n). With `upper`, U of `x = U.mT.conj() @ U`. Only one triangle of `x`
    is read; the gradient is Hermitian all the same.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    """
    return apply_one(cholesky, _matrices("cholesky", x, square=True), upper=upper)


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The cross product of 3-element vectors along `axis`; the other axes broadcast."""
    x1, x2 = promoted("cross", x1, x2)
    if not -_smaller(x1.ndim, x2.ndim) <= axis < _smaller(x1.ndim, x2.ndim):
        raise IndexError(f"cross(): axis {axis} is not an axis of both {x1.shape} and {x2.shape}")
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(
            f"cross() needs 3 elements along axis {axis}, got shapes {x1.shape} and {x2.shape}"
        )
    if axis != -1:
        product = cross(moveaxis(x1, axis, -1), moveaxis(x2, axis, -1))
        return moveaxis(product, -1, axis)
    require_broadcast("cross", x1.shape, x2.shape)
    return apply(cross, x1, x2)


def _smaller(a: int, b: int) -> int:
    return a if a < b else b


def det(x: Array, /) -> Array:
    """The determinant of square matrices: (..., n, n) -> (...).

    The derivative is the adjugate, finite and exact where the matrix is singular.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> npg.linalg.det(x).backward()
    >>> print(npg.round(x.grad))
    [[ 4. -2.]
     [-2.  1.]]
    """
    return apply(det, _matrices("det", x, square=True))


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices, (..., m, n) -> (..., k); `offset` counts to the upper right."""
    return _diagonal(_matrices("diagonal", x), offset, -2, -1)


def eig(x: Array, /) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices, both complex.

    (..., n, n) -> (..., n), (..., n, n). Eigenvectors are of length 1; their phase is arbitrary.

    Raises
    ------
    DerivativeError
        In backward, if a result depends on that phase, or on eigenvectors of equal eigenvalues, or
        if the matrix has too few eigenvectors.
    """
    result: EigResult = apply_several(eig, _matrices("eig", x, square=True))
    return result


def eigh(x: Array, /) -> EighResult:
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices.

    (..., n, n) -> (..., n), (..., n, n). Only one triangle of `x` is read; the gradient is
    Hermitian all the same.

    Where eigenvalues are equal, the gradient is right for what does not depend on the choice of
    basis: functions symmetric in the eigenvalues, projectors on whole eigenspaces, a function of
    the matrix. What cannot be told from the eigenvectors' cotangent is refused.

    Raises
    ------
    LinAlgError
        If the iteration does not converge.
    DerivativeError
        In backward, if a result depends on the phase of complex eigenvectors, or on the choice of
        basis where eigenvalues are equal.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([[2.0, 1.0], [1.0, 2.0]], requires_grad=True)
    >>> w, v = npg.linalg.eigh(x)
    >>> ((v * npg.sqrt(w)) @ v.mT).sum().backward()  # of the square root of x
    >>> print(x.grad)
    [[0.28867513 0.28867513]
     [0.28867513 0.28867513]]
    """
    result: EighResult = apply_several(eigh, _matrices("eigh", x, square=True))
    return result


def eigvals(x: Array, /) -> Array:
    """Eigenvalues of square matrices, complex, in no certain order: (..., n, n) -> (..., n)."""
    return apply_one(eigvals, _matrices("eigvals", x, square=True))


def eigvalsh(x: Array, /) -> Array:
    """Eigenvalues of Hermitian matrices, ascending: (..., n, n) -> (..., n).

    The gradient of functions symmetric in equal eigenvalues is exact; of others it is that of the
    eigenvalue selected.
    """
    return apply_one(eigvalsh, _matrices("eigvalsh", x, square=True))


def inv(x: Array, /) -> Array:
    """The inverse of square matrices, (..., n, n).

    Raises
    ------
    LinAlgError
        If a matrix is exactly singular.
    """
    return apply_one(inv, _matrices("inv", x, square=True))


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Norm | None = "fro") -> Array:
    """The norm of matrices: (..., m, n) -> (...).

    `ord` is `"fro"`, `"nuc"` (the sum of the singular values), 1 or inf (the largest sum of a
    column or row of absolute values), -1 or -inf (the smallest), 2 or -2 (the largest or smallest
    singular value). The derivative where a norm is 0 is taken as 0.
    """
    x = _matrices("matrix_norm", x)
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in (1, -1):
        totals = sum(abs(x), axis=-2, keepdims=True)
    elif ord in (float("inf"), float("-inf")):
        totals = sum(abs(x), axis=-1, keepdims=True)
    elif ord in ("nuc", 2, -2):
        totals = expand_dims(svdvals(x), axis=-1)
    else:
        raise ValueError(
            f"matrix_norm(): ord is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {ord!r}"
        )
    if ord == "nuc":
        return sum(totals, axis=(-2, -1), keepdims=keepdims)
    reduction = max if ord > 0 else min
    return reduction(totals, axis=(-2, -1), keepdims=keepdims)


def matrix_power(x: Array, n: int, /) -> Array:
    """Square matrices to the integer power `n`, the inverse's if it is negative."""
    x = _matrices("matrix_power", x, square=True)
    if n < 0:
        x, n = inv(x), -n
    if n == 1:
        return positive(x)
    if n == 0:
        identity = eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return copy(broadcast_to(identity, x.shape))
    result: Array | None = None
    while True:
        if n % 2:
            result = x if result is None else matmul(result, x)
        n //= 2
        if not n:
            assert result is not None  # noqa: S101 (the highest bit is set)
            return result
        x = matmul(x, x)


def matrix_rank(x: Array, /, *, rtol: Tolerance = None) -> Array:
    """Ranks of matrices, (..., m, n) -> (...), as integers.

    The number of singular values above `rtol` times the largest, by default the larger of m and n
    times the precision of the dtype.
    """
    x = _matrices("matrix_rank", x).detach()
    s = svdvals(x)
    limit = _relative_tolerance(x, rtol)
    if isinstance(limit, Array):
        limit = expand_dims(limit, axis=-1)
    if not s.shape[-1]:
        return count_nonzero(s, axis=-1)
    return count_nonzero(s > max(s, axis=-1, keepdims=True) * limit, axis=-1)


def _relative_tolerance(x: Array, rtol: Tolerance) -> float | Array:
    if rtol is not None:
        return rtol
    m, n = x.shape[-2:]
    return (m if m > n else n) * finfo(floating(x.dtype)).eps


def outer(x1: Array, x2: Array, /) -> Array:
    """The outer product of two vectors: (m,), (n,) -> (m, n)."""
    x1, x2 = promoted("outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer() needs vectors, got shapes {x1.shape} and {x2.shape}")
    return expand_dims(x1, axis=1) * x2


def pinv(x: Array, /, *, rtol: Tolerance = None) -> Array:
    """The pseudo-inverse of matrices (Moore and Penrose): (..., m, n) -> (..., n, m).

    Singular values below `rtol` times the largest count as 0; by default that is the larger of m
    and n times the precision of the dtype. The derivative is that for constant rank.

    Source: G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973), 413.
    """
    x = _matrices("pinv", x)
    limit = _relative_tolerance(x, rtol)
    if isinstance(limit, Array):
        limit = astype(limit, finfo(floating(x.dtype)).dtype)._data
    return apply_one(pinv, x, rtol=limit)


def qr(x: Array, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """The QR decomposition of matrices, (..., m, n): `x = Q @ R`.

    With k = min(m, n), Q is (..., m, k) and R (..., k, n); in mode `"complete"` (..., m, m) and
    (..., m, n).

    Raises
    ------
    DerivativeError
        In backward, if the first k columns of `x` are linearly dependent; in mode `"complete"`, if
        a result depends on the choice of the last m - k columns of Q.
    """
    x = _matrices("qr", x)
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr(): mode is 'reduced' or 'complete', not {mode!r}")
    result: QRResult = apply_several(qr, x, mode=mode)
    return result


def slogdet(x: Array, /) -> SlogdetResult:
    """Sign and logarithm of the magnitude of determinants, without overflow.

    (..., n, n) -> (...), (...). Of a singular matrix the sign is 0 and the logarithm -inf.

    Raises
    ------
    DerivativeError
        In backward, for a singular matrix.
    """
    result: SlogdetResult = apply_several(slogdet, _matrices("slogdet", x, square=True))
    return result


def solve(x1: Array, x2: Array, /) -> Array:
    """The solution of `x1 @ x = x2`: (..., n, n), (..., n, k) -> (..., n, k); stacks broadcast.

    A one-dimensional `x2` is a column, and so is the result.

    Raises
    ------
    LinAlgError
        If a matrix is exactly singular.
    """
    x1, x2 = promoted("solve", _matrices("solve", x1, square=True), x2)
    if x2.ndim == 1:
        return squeeze(solve(x1, expand_dims(x2, axis=1)), -1)
    if x2.ndim == 0 or x1.shape[-1] != x2.shape[-2]:
        raise ShapeError(
            f"solve() needs x1.shape[-1] == x2.shape[-2] (or x2.shape[0] of a vector), got "
            f"{x1.shape} and {x2.shape}"
        )
    require_broadcast("solve", x1.shape[:-2], x2.shape[:-2], of=(x1.shape, x2.shape))
    return apply(solve, x1, x2)


def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition of matrices, (..., m, n): `x = (U * S) @ Vh`.

    With k = min(m, n), S is (..., k), U (..., m, m) and Vh (..., n, n); without `full_matrices`
    (..., m, k) and (..., k, n). On equal singular values as `eigh` on equal eigenvalues.

    Raises
    ------
    DerivativeError
        In backward, if a result depends on a choice of basis or phase, or on singular vectors of
        singular values that are 0.
    """
    x = _matrices("svd", x)
    result: SVDResult = apply_several(svd, x, full_matrices=full_matrices)
    return result


def svdvals(x: Array, /) -> Array:
    """The singular values of matrices, descending: (..., m, n) -> (..., k), k = min(m, n).

    The derivative of a singular value that is 0 is taken as 0.
    """
    return apply_one(svdvals, _matrices("svdvals", x))


def trace(x: Array, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Array:
    """The sum of the diagonal of matrices, (..., m, n) -> (...); small integers add up in int64."""
    x = _matrices("trace", x)
    if dtype is None and x._type.is_floating:
        return apply_one(trace, x, offset=offset)
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """The norm of the elements over `axis`, all by default: `sum(abs(x)**ord)**(1/ord)`.

    `ord` is any number; inf and -inf are the largest and smallest magnitude, 0 the number of
    elements that are not 0. The derivative where the norm, or an element whose magnitude has a kink
    there, is 0 is taken as 0; ties of the largest and smallest share it.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([3.0, 4.0], requires_grad=True)
    >>> npg.linalg.vector_norm(x).backward()
    >>> print(x.grad)
    [0.6 0.8]
    """
    x = as_array("vector_norm", x)
    if not isinstance(ord, (int, float)):
        raise ValueError(f"vector_norm(): ord is a real number, not {ord!r}")
    if axis is not None:
        axis = normalized_axes("vector_norm", axis, x.ndim)
    return apply_one(vector_norm, x, axis=axis, keepdims=keepdims, ord=ord)


def norm(
    x: Array,
    ord: Norm | None = None,
    axis: int | tuple[int, int] | None = None,
    *,
    keepdims: bool = False,
) -> Array:
    """NumPy's `linalg.norm`: of vectors along one `axis`, of matrices along two.

    Without `axis`, that of a vector or a matrix; of any array, flattened, without `ord` too. It is
    `vector_norm` or `matrix_norm`, whose derivatives it has.

    Raises
    ------
    ValueError
        If `ord` is given without `axis` for an array of another number of dimensions.
    """
    x = as_array("norm", x)
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    if axis is None and x.ndim not in (1, 2):
        raise ValueError(f"norm() of {x.ndim} dimensions by ord={ord!r} needs axis=")
    axes = normalized_axes("norm", axis, x.ndim)
    if len(axes) == 1:
        order: Any = 2 if ord is None else ord  # refused there if it is a matrix's
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=order)
    if len(axes) != 2:
        raise ValueError(f"norm() is along one axis, or two, not {axis}")
    moved = moveaxis(x, axes, (-2, -1))
    found = matrix_norm(moved, keepdims=keepdims, ord="fro" if ord is None else ord)
    return moveaxis(found, (-2, -1), axes) if keepdims else found


nonlinear(adjugate, adjugate_pull, jvp=adjugate_push)
nonlinear(cholesky, cholesky_pull, holomorphic=False)
linear(
    cross,
    lambda xp, g, x2: xp.linalg.cross(x2, g),
    lambda xp, g, x1: xp.linalg.cross(g, x1),
)
nonlinear(det, lambda xp, g, x: g[..., None, None] * xp.matrix_transpose(xp.linalg.adjugate(x)))
nonlinear(eig, eig_pull, outputs=EigResult, holomorphic=False)
nonlinear(eigh, eigh_pull, jvp=eigh_push, outputs=EighResult, holomorphic=False)
nonlinear(eigvals, eigvals_pull, holomorphic=False)
nonlinear(eigvalsh, eigvalsh_pull, holomorphic=False)
nonlinear(inv, inv_pull)
nonlinear(pinv, pinv_pull, holomorphic=False)
nonlinear(qr, qr_pull, outputs=QRResult, holomorphic=False)
nonlinear(slogdet, slogdet_pull, outputs=SlogdetResult, holomorphic=False)
nonlinear(solve, solve_pull_matrix, solve_pull_right)
nonlinear(svd, svd_pull, jvp=svd_push, outputs=SVDResult, holomorphic=False)
nonlinear(svdvals, svdvals_pull, holomorphic=False)
linear(trace, trace_transpose)
nonlinear(vector_norm, norm_pull, holomorphic=False)
