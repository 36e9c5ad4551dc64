"""Pullbacks of matrix decompositions, and what is refused of them.

Notation: `g` is a cotangent, `E` a tangent seen in the basis of a decomposition, for example
V^H dA V. Rules of ops that are not holomorphic are adjoints: <g, dy> = <pullback(g), dx> with
<a, b> = Re sum(conj(a) b).
"""

from __future__ import annotations

import math
from typing import Any

from numpy.linalg import LinAlgError

from numpygrad._array import Array
from numpygrad._kernels import device_of, diagonal_key, holds, unreduce
from numpygrad._linalg_kernels import adjoint, diagonal_mask, is_complex, phase
from numpygrad.errors import DerivativeError


def _real(xp: Any, x: Any) -> Any:
    return xp.real(x) if is_complex(xp, x) else x


def _like(xp: Any, g: Any, dtype: Any) -> Any:
    """A gradient in its input's dtype: the real part for a real input."""
    if is_complex(xp, g) and not xp.isdtype(dtype, "complex floating"):
        return xp.real(g)
    return g if g.dtype == dtype else xp.astype(g, dtype)


def _diagonal_of(xp: Any, x: Any) -> Any:
    """The diagonals of square matrices."""
    zero = xp.zeros((), dtype=x.dtype, device=device_of(x))
    return xp.sum(xp.where(diagonal_mask(xp, x), x, zero), axis=-1)


def _column(values: Any) -> Any:
    return values[..., :, None]


def _row(values: Any) -> Any:
    return values[..., None, :]


def _precision(xp: Any, x: Any) -> float:
    return float(xp.finfo(x.dtype).eps)


def _roundoff(xp: Any, x: Any) -> float:
    """The relative error to expect of a decomposition of matrices of this size."""
    size: int = max(x.shape[-2:])
    return 4 * size * _precision(xp, x)


def _limit(xp: Any, x: Any) -> Any:
    """What of matrices is too small to count, half the digits below the largest element."""
    return math.sqrt(_precision(xp, x)) * xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)


def _unless(xp: Any, wrong: Any, message: str, x: Any) -> Any:
    """`x`, matrices, if nothing is wrong; those that are wrong are NaN where nothing can be raised.

    In a program that is captured, for JAX or by `compile`, values are not known yet.
    """
    if holds(xp.any(wrong)):
        raise DerivativeError(message)
    return _nan_where(xp, wrong, x)


def _nan_where(xp: Any, wrong: Any, x: Any) -> Any:
    """`x`, matrices, NaN where any of `wrong` is of the same matrix, if that is not known yet."""
    if not holds(xp.any(wrong), unknown=True):
        return x
    axes = tuple(range(x.ndim - 2, wrong.ndim))
    return xp.where(xp.any(wrong, axis=axes)[..., None, None], math.nan, x)


def _inverse(xp: Any, x: Any, what: str) -> Any:
    try:
        inverse = xp.linalg.inv(x)
    except LinAlgError as error:
        raise DerivativeError(f"{what} has no derivative at a singular matrix") from error
    return inverse


# Inverse, determinant, equations


def inv_pull(xp: Any, g: Any, y: Any) -> Any:
    """dy = -y dx y."""
    transposed = xp.matrix_transpose(y)
    return -(transposed @ g @ transposed)


def solve_pull_matrix(xp: Any, g: Any, x1: Any, y: Any) -> Any:
    """dy = -x1^-1 dx1 y."""
    return -(xp.linalg.solve(xp.matrix_transpose(x1), g) @ xp.matrix_transpose(y))


def solve_pull_right(xp: Any, g: Any, x1: Any) -> Any:
    """dy = x1^-1 dx2."""
    return xp.linalg.solve(xp.matrix_transpose(x1), g)


def slogdet_pull(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """d log(det x) = tr(x^-1 dx), whose imaginary part turns the sign."""
    inverse = _inverse(xp, x, "slogdet()")
    turn = g.logabsdet
    if is_complex(xp, x):
        if turn is None:
            turn = xp.zeros_like(y.logabsdet)
        if g.sign is not None:
            turn = turn + 1j * xp.imag(g.sign * xp.conj(y.sign))
    elif turn is None:  # the sign of a real determinant is constant
        return xp.zeros_like(x)
    return turn[..., None, None] * adjoint(xp, inverse)


def adjugate_pull(xp: Any, g: Any, x: Any) -> Any:
    """The transpose of `adjugate_push`."""
    u, s, vh = xp.linalg.svd(x)
    inner = adjoint(xp, u) @ xp.matrix_transpose(g) @ adjoint(xp, vh)
    moved = _adjugate_differential(xp, s, inner, transpose=True) * phase(xp, u, vh)
    if is_complex(xp, u):
        return xp.conj(u) @ moved @ xp.conj(vh)
    return u @ moved @ vh


def adjugate_push(xp: Any, g: Any, x: Any) -> Any:
    """adj(u s vh) = det(u vh) v adj(s) u^H for unitary u and vh; `g` is the tangent of x."""
    u, s, vh = xp.linalg.svd(x)
    inner = adjoint(xp, u) @ g @ adjoint(xp, vh)
    moved = _adjugate_differential(xp, s, inner, transpose=False) * phase(xp, u, vh)
    return adjoint(xp, vh) @ moved @ adjoint(xp, u)


def _adjugate_differential(xp: Any, s: Any, e: Any, *, transpose: bool) -> Any:
    """The derivative of the adjugate at diag(s), along `e`.

    It multiplies by products of all but two of the values, which are exact where some are 0: the
    sum of those with `e[j, j]` on the diagonal, minus that with `e[i, j]` elsewhere.
    """
    n = s.shape[-1]
    steps = xp.arange(n, device=device_of(s))
    i, j, k = steps[:, None, None], steps[None, :, None], steps[None, None, :]
    one = xp.ones((), dtype=s.dtype, device=device_of(s))
    others = xp.prod(xp.where((k == i) | (k == j), one, s[..., None, None, :]), axis=-1)
    others = xp.astype(xp.where(diagonal_mask(xp, others), 0 * one, others), e.dtype)
    sums = xp.sum(others * _row(_diagonal_of(xp, e)), axis=-1)
    off = -others * (xp.matrix_transpose(e) if transpose else e)
    return xp.where(diagonal_mask(xp, e), _row(sums), off)


def pinv_pull(xp: Any, g: Any, x: Any, y: Any) -> Any:
    """dy = -y dx y + y y^H dx^H (1 - x y) + (1 - y x) dx^H y^H y."""
    yh, gh = adjoint(xp, y), adjoint(xp, g)
    first = yh @ g @ yh
    left = gh @ y @ yh
    right = yh @ y @ gh
    return left - x @ (y @ left) + right - (right @ y) @ x - first


def trace_transpose(xp: Any, g: Any, x_shape: Any, offset: int) -> Any:
    """The cotangent on each element of the diagonals."""
    key = diagonal_key(xp, x_shape, offset, device_of(g))
    repeated = xp.broadcast_to(g[..., None], (*g.shape, key[-1].shape[0]))
    return xp.scatter(repeated, key=key, shape=x_shape)


# Cholesky and QR


def cholesky_pull(xp: Any, g: Any, y: Any, upper: bool) -> Any:
    """dL = L phi(L^-1 dx L^-H), where phi takes the lower triangle and half of the diagonal."""
    if upper:
        y, g = adjoint(xp, y), adjoint(xp, g)
    lh = adjoint(xp, y)
    inner = xp.tril(lh @ g)
    inner = xp.where(diagonal_mask(xp, inner), 0.5 * inner, inner)
    half = xp.linalg.solve(lh, inner)
    full = adjoint(xp, xp.linalg.solve(lh, adjoint(xp, half)))
    return 0.5 * (full + adjoint(xp, full))


def qr_pull(xp: Any, g: Any, x_shape: Any, y: Any) -> Any:
    """Of tall matrices by S. F. Walter, L. Lehmann (2010); wide ones have a tall first part."""
    m, n = x_shape[-2:]
    k = min(m, n)
    q, r = y.Q[..., :, :k], y.R[..., :k, :]
    gq = xp.zeros_like(q) if g.Q is None else g.Q[..., :, :k]
    gr = xp.zeros_like(r) if g.R is None else g.R[..., :k, :]
    if g.Q is not None and y.Q.shape[-1] > k:
        gq = gq - _pull_of_complement(xp, q, y.Q[..., :, k:], g.Q[..., :, k:], "qr() of its last")
    size = xp.abs(_diagonal_of(xp, r[..., :, :k]))
    if k:
        small = _roundoff(xp, r) * xp.max(size, axis=-1, keepdims=True)
        dependent = "qr() has no derivative where the first columns are linearly dependent"
        gq = _unless(xp, size <= small, dependent, gq)
    square = r[..., :, :k]
    rest = None
    if n > k:
        x2 = q @ r[..., :, k:]
        rest = q @ gr[..., :, k:]
        gq = gq + x2 @ adjoint(xp, gr[..., :, k:])
        gr = gr[..., :, :k]
    inner = square @ adjoint(xp, gr) - adjoint(xp, gq) @ q
    lower = xp.tril(inner, k=-1)
    diagonal = xp.where(diagonal_mask(xp, inner), _as(xp, _real(xp, inner), inner), 0 * inner)
    inner = lower + adjoint(xp, lower) + diagonal
    first = adjoint(xp, xp.linalg.solve(square, adjoint(xp, gq + q @ inner)))
    return first if rest is None else xp.concat([first, rest], axis=-1)


def _pull_of_complement(xp: Any, basis: Any, rest: Any, g: Any, what: str) -> Any:
    """What the cotangent of columns that complete a basis takes from that of the basis.

    They follow the basis by orthogonality alone; among themselves they are arbitrary.
    """
    inner = adjoint(xp, rest) @ g
    turned = inner - adjoint(xp, inner)
    free = f"{what} columns: the result depends on how they were chosen to complete the basis"
    return _unless(xp, xp.abs(turned) > _limit(xp, g), free, rest @ (adjoint(xp, g) @ basis))


def _as(xp: Any, x: Any, like: Any) -> Any:
    return x if x.dtype == like.dtype else xp.astype(x, like.dtype)


# Eigenvalues and singular values


def eigvalsh_pull(xp: Any, g: Any, x: Any) -> Any:
    """dw = the diagonal of V^H dx V."""
    _, v = xp.linalg.eigh(x)
    return (v * _row(_as(xp, g, v))) @ adjoint(xp, v)


def eigh_pull(xp: Any, g: Any, y: Any) -> Any:
    """dw = diag(E), dV = V (E / (w_j - w_i) off the diagonal), E = V^H dx V."""
    v = y.eigenvectors
    gw = xp.zeros_like(y.eigenvalues) if g.eigenvalues is None else g.eigenvalues
    if g.eigenvectors is None:
        return (v * _row(_as(xp, gw, v))) @ adjoint(xp, v)
    inner = _turned(xp, "eigh()", y.eigenvalues, gw, adjoint(xp, v) @ g.eigenvectors)
    return v @ inner @ adjoint(xp, v)


def eigh_push(xp: Any, g: Any, y: Any) -> Any:
    """As `eigh_pull` says; `g` is the tangent of x, of which only the Hermitian part counts."""
    v = y.eigenvectors
    e = adjoint(xp, v) @ (0.5 * (g + adjoint(xp, g))) @ v
    gap, near = _gaps(xp, y.eigenvalues, e)
    dw = _real(xp, _diagonal_of(xp, e))
    if not e.shape[-1]:
        return dw, v
    mixed = near & ~diagonal_mask(xp, e) & (xp.abs(e) > _limit(xp, e))
    if holds(xp.any(mixed)):
        return dw, DerivativeError(_MIXED.format("eigh()"))
    turn = v @ xp.where(near, xp.zeros_like(e), e / _as(xp, gap, e))
    return dw, _nan_where(xp, mixed, turn)


_BASIS = (
    "{}: the result depends on the phase of the vectors, or on the choice of basis where values "
    "are equal, so it has no derivative; use what does not, such as v * w @ v.mT.conj()"
)
_MIXED = (
    "{} at equal values: the vectors turn by any amount in this direction. Use the values alone, "
    "reverse mode, or move the values apart"
)
_UNKNOWN = (
    "{} at equal values: the derivative of the result cannot be told from those by values and "
    "vectors. Move the values apart, for example by adding a small diagonal"
)


def _gaps(xp: Any, values: Any, like: Any) -> tuple[Any, Any]:
    """`values[j] - values[i]`, with 1 where that is no more than roundoff; and where it is not."""
    gap = _row(values) - _column(values)
    if not values.shape[-1]:
        return gap, gap == 0
    scale = xp.max(xp.abs(values), axis=-1, keepdims=True)[..., None]
    near = xp.abs(gap) <= _roundoff(xp, like) * scale
    return xp.where(near, xp.ones_like(gap), gap), near


def _turned(xp: Any, what: str, values: Any, g_values: Any, x: Any) -> Any:
    """The cotangent of a Hermitian E, which shifts values and turns vectors.

    `x` is the cotangent of the turn: where values are equal, its skew part must be 0, as the turn
    is arbitrary there.
    """
    gap, near = _gaps(xp, values, x)
    identity = diagonal_mask(xp, x)
    skew = x - adjoint(xp, x)
    turned = xp.where(near, xp.zeros_like(x), 0.5 * skew / _as(xp, gap, x))
    inner = xp.where(identity, _row(_as(xp, g_values, x)), turned)
    if not x.shape[-1]:
        return inner
    inner = _unless(xp, near & (xp.abs(skew) > _limit(xp, x)), _BASIS.format(what), inner)
    if holds(xp.any(near & ~identity), unknown=True):
        inner = inner + _within(xp, what, near & ~identity, g_values, x)
    return inner


def _within(xp: Any, what: str, near: Any, g_values: Any, x: Any) -> Any:
    """The cotangent of E off its diagonal, between values that are equal.

    No linear rule knows it. Let H be the cotangent of a matrix in the basis of its vectors, and the
    matrix f(w) in that basis. Then `g_values` is f'(w) diag(H), `x` is 2 f(w) H, and what is wanted
    is f'(w) H. For a projector on all the vectors f' is 0; for the square root it is not. So it is
    told from the ratio of `g_values` to the diagonal of `x`, if that is the same throughout; and
    what has no such ratio is refused.
    """
    block = xp.astype(near | diagonal_mask(xp, x), g_values.dtype)
    even = xp.where(near, 0.5 * (x + adjoint(xp, x)), xp.zeros_like(x))
    weights = _real(xp, _diagonal_of(xp, x))
    limit = math.sqrt(_precision(xp, x)) * xp.max(xp.abs(g_values), axis=-1, keepdims=True)

    def total(values: Any) -> Any:
        return xp.sum(block * _row(values), axis=-1)

    squares = total(weights * weights)
    ratio = total(g_values * weights) / xp.where(squares == 0, xp.ones_like(squares), squares)
    mean = total(g_values) / xp.sum(block, axis=-1)
    uneven = total(xp.astype(xp.abs(g_values - mean) > limit, block.dtype)) > 0
    unfit = total(xp.astype(xp.abs(g_values - ratio * weights) > limit, block.dtype)) > 0
    coupled = xp.any(xp.abs(even) > _limit(xp, x), axis=-1)
    zero = total(xp.abs(g_values)) <= limit
    # Of an element off the diagonal of an identity both are 0: it may be a projector's, or not.
    blind = total(xp.abs(weights)) <= _limit(xp, x)[..., 0]
    unknown = xp.where(uneven, unfit, coupled & (blind | ~zero))
    if isinstance(x, Array):  # the ratio has no derivative of its own
        unknown = unknown | uneven | coupled
    return _unless(xp, unknown, _UNKNOWN.format(what), _as(xp, _column(ratio), even) * even)


def _vanishing(xp: Any, s: Any, like: Any) -> Any:
    """Where singular values are no more than roundoff."""
    if not s.shape[-1]:
        return s == 0
    return s <= _roundoff(xp, like) * xp.max(s, axis=-1, keepdims=True)


def svdvals_pull(xp: Any, g: Any, x: Any) -> Any:
    """dS = the diagonal of U^H dx V; a value that is 0 has a kink as `abs` does."""
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    g = xp.where(_vanishing(xp, s, x), xp.zeros_like(g), g)
    return (u * _row(_as(xp, g, u))) @ vh


def svd_pull(xp: Any, g: Any, y: Any) -> Any:
    """dU = U K + (1 - U U^H) dx V / S, and dV likewise with L.

    With E = U^H dx V, K + L is (E + E^H) / (s_j - s_i) off the diagonal, and K - L is
    (E - E^H) / (s_j + s_i).
    """
    s, k = y.S, y.S.shape[-1]
    u, v = y.U[..., :, :k], adjoint(xp, y.Vh[..., :k, :])
    gs = xp.zeros_like(s) if g.S is None else g.S
    zero = _vanishing(xp, s, u @ adjoint(xp, v))
    if g.U is None and g.Vh is None:
        gs = xp.where(zero, xp.zeros_like(gs), gs)
        return (u * _row(_as(xp, gs, u))) @ adjoint(xp, v)
    gu = _pull_of_columns(xp, y.U, g.U, k)
    gv = _pull_of_columns(xp, adjoint(xp, y.Vh), None if g.Vh is None else adjoint(xp, g.Vh), k)
    mu, mv = adjoint(xp, u) @ gu, adjoint(xp, v) @ gv
    skew = (mu - mv) - adjoint(xp, mu - mv)
    total, both = _totals(xp, s, zero)
    inner = _turned(xp, "svd()", s, gs, mu + mv)
    inner = inner + xp.where(both, xp.zeros_like(skew), 0.5 * skew / _as(xp, total, skew))
    across_u, across_v = gu - u @ mu, gv - v @ mv
    if k and holds(xp.any(zero), unknown=True):
        parts = (across_u, across_v, xp.where(both, skew, xp.zeros_like(skew)))
        lost = _lost_at_zero(xp, gs, zero, parts, _limit(xp, gu) + _limit(xp, gv))
        inner = _unless(xp, lost, _ZERO, inner)
    safe = _row(_as(xp, xp.where(zero, xp.ones_like(s), s), u))
    kept = _row(~zero)
    across_u = xp.where(kept, across_u / safe, xp.zeros_like(across_u))
    across_v = xp.where(kept, across_v / safe, xp.zeros_like(across_v))
    return (u @ inner + across_u) @ adjoint(xp, v) + u @ adjoint(xp, across_v)


def _pull_of_columns(xp: Any, basis: Any, g: Any, k: int) -> Any:
    """The cotangent of the first `k` columns, with what those that complete the basis hand on."""
    first = basis[..., :, :k]
    if g is None:
        return xp.zeros_like(first)
    if basis.shape[-1] == k:
        return g
    taken = _pull_of_complement(xp, first, basis[..., :, k:], g[..., :, k:], "svd() of its last")
    return g[..., :, :k] - taken


def _totals(xp: Any, s: Any, zero: Any) -> tuple[Any, Any]:
    """`s[i] + s[j]`, with 1 where both vanish; and where they do."""
    both = _column(zero) & _row(zero)
    total = _row(s) + _column(s)
    return xp.where(both, xp.ones_like(total), total), both


_ZERO = (
    "svd(): the result depends on singular vectors of singular values that are 0, which are "
    "arbitrary; leave them out, for example by x = u[:, :r] * s[:r] @ vh[:r, :] for rank r"
)


def _lost_at_zero(xp: Any, gs: Any, zero: Any, parts: Any, limit: Any) -> Any:
    """Where the result depends on vectors of values that vanish.

    Of a single such value of a square matrix the vectors are known up to sign or phase; of more,
    or of a matrix that is not square, a cotangent of the value may come with one of the vectors
    that has vanished, as of `(u * s) @ vh`.
    """
    alone = parts[0].shape[-2] == parts[1].shape[-2]
    count = xp.sum(xp.astype(zero, gs.dtype), axis=-1, keepdims=True)
    small = math.sqrt(_precision(xp, gs)) * xp.max(xp.abs(gs), axis=-1, keepdims=True)
    lost = xp.abs(gs) > small
    if alone:
        lost = lost & (count > 1)
    for part in parts:
        if part.shape[-2]:
            lost = lost | xp.any(xp.abs(part) > limit, axis=-2)
    return zero & lost


def svd_push(xp: Any, g: Any, y: Any) -> Any:
    """As `svd_pull` says; `g` is the tangent of x."""
    s, k = y.S, y.S.shape[-1]
    u, v = y.U[..., :, :k], adjoint(xp, y.Vh[..., :k, :])
    right, left = g @ v, adjoint(xp, g) @ u
    e = adjoint(xp, u) @ right
    even, odd = e + adjoint(xp, e), e - adjoint(xp, e)
    gap, near = _gaps(xp, s, e)
    zero = _vanishing(xp, s, e)
    total, both = _totals(xp, s, zero)
    mixed = near & ~diagonal_mask(xp, e) & (xp.abs(even) > _limit(xp, e)) if k else near
    lost = both & (xp.abs(odd) > _limit(xp, e)) if k else both
    across_u, across_v = right - u @ e, left - v @ adjoint(xp, e)
    if k:
        limit = _limit(xp, right) + _limit(xp, left)
        for part in (across_u, across_v):
            stray = zero & xp.any(xp.abs(part) > limit, axis=-2) if part.shape[-2] else zero & False
            lost = lost | _row(stray)
    ds = _real(xp, _diagonal_of(xp, e))
    if k and holds(xp.any(mixed | lost)):
        error = DerivativeError(_MIXED.format("svd()"))
        return error, ds, error
    even = xp.where(near, xp.zeros_like(even), even / _as(xp, gap, even))
    odd = xp.where(both, xp.zeros_like(odd), odd / _as(xp, total, odd))
    safe = _row(_as(xp, xp.where(zero, xp.ones_like(s), s), u))
    kept = _row(~zero)
    du = u @ (0.5 * (even + odd)) + xp.where(kept, across_u / safe, xp.zeros_like(across_u))
    dv = v @ (0.5 * (even - odd)) + xp.where(kept, across_v / safe, xp.zeros_like(across_v))
    if k:
        du, dv = _nan_where(xp, mixed | lost, du), _nan_where(xp, mixed | lost, dv)
    du = _with_complement(xp, y.U, du, k)
    dv = _with_complement(xp, adjoint(xp, y.Vh), dv, k)
    return du, ds, adjoint(xp, dv)


def _with_complement(xp: Any, basis: Any, tangent: Any, k: int) -> Any:
    """The tangent of a whole basis: what completes the first columns stays orthogonal to them."""
    if basis.shape[-1] == k:
        return tangent
    rest = -(basis[..., :, :k] @ (adjoint(xp, tangent) @ basis[..., :, k:]))
    return xp.concat([tangent, rest], axis=-1)


def eigvals_pull(xp: Any, g: Any, x: Any, x_dtype: Any) -> Any:
    """dw = the diagonal of V^-1 dx V."""
    _, v = xp.linalg.eig(x)
    return _like(xp, _by_eigenvectors(xp, v, _column(g) * adjoint(xp, v), "eigvals()"), x_dtype)


def _by_eigenvectors(xp: Any, v: Any, moved: Any, what: str) -> Any:
    """V^-H moved, where V can be inverted."""
    vh = adjoint(xp, v)
    try:
        pulled = xp.linalg.solve(vh, moved)
    except LinAlgError as error:
        raise DerivativeError(_DEFECTIVE.format(what)) from error
    if pulled.shape[-1]:
        limit = xp.max(xp.abs(moved), axis=(-2, -1), keepdims=True) / math.sqrt(_precision(xp, v))
        pulled = _unless(xp, xp.abs(pulled) > limit, _DEFECTIVE.format(what), pulled)
    return pulled


_DEFECTIVE = (
    "{}: the matrix has too few eigenvectors (it is defective, or nearly so), and its eigenvalues "
    "have no derivative"
)


def eig_pull(xp: Any, g: Any, x_dtype: Any, y: Any) -> Any:
    """dV = V (E / (w_j - w_i) off the diagonal, lengths kept), dw = diag(E), E = V^-1 dx V."""
    v, w = y.eigenvectors, y.eigenvalues
    gw = xp.zeros_like(w) if g.eigenvalues is None else g.eigenvalues
    vh = adjoint(xp, v)
    if g.eigenvectors is None:
        return _like(xp, _by_eigenvectors(xp, v, _column(gw) * vh, "eig()"), x_dtype)
    x = vh @ g.eigenvectors
    lengths = _as(xp, _real(xp, _diagonal_of(xp, x)), x)
    identity = diagonal_mask(xp, x)
    x_turned = x - (vh @ v) * _row(lengths)
    gap, near = _gaps(xp, w, x)
    unknown = near & (xp.abs(x_turned) > _limit(xp, x))
    if isinstance(x, Array):  # the pullback is differentiated: nothing is known of its cotangents
        unknown = unknown | (near & ~identity)
    inner = xp.where(near, xp.zeros_like(x), x_turned / xp.conj(gap))
    inner = xp.where(identity, _row(gw), inner)
    if x.shape[-1]:
        inner = _unless(xp, unknown, _BASIS.format("eig()"), inner)
    return _like(xp, _by_eigenvectors(xp, v, inner @ vh, "eig()"), x_dtype)


# Norms


def norm_pull(xp: Any, g: Any, x: Any, y: Any, axis: Any, keepdims: bool, ord: float) -> Any:
    """The subgradient of least norm where the norm has a kink: 0 at 0."""
    if ord == 0:
        return xp.zeros_like(x)
    length = unreduce(xp, y, x.shape, axis, keepdims)
    g = unreduce(xp, g, x.shape, axis, keepdims)
    zero = length == 0
    length = xp.where(zero, xp.ones_like(length), length)
    if ord == 2:
        return _as(xp, xp.where(zero, xp.zeros_like(g), g / length), x) * x
    size = xp.abs(x)
    flat = size == 0
    direction = x / _as(xp, xp.where(flat, xp.ones_like(size), size), x)
    if math.isinf(ord):
        share = xp.astype(size == length, g.dtype)
        share = share / xp.sum(share, axis=axis, keepdims=True)
    elif ord == 1:
        share = xp.ones_like(g)
    else:
        ratio = xp.where(flat, xp.ones_like(size), size / length)
        share = ratio ** (ord - 1)
    return _as(xp, xp.where(zero | flat, xp.zeros_like(g), g * share), x) * direction
