"""Samples of every op: how the laws, and a backend's contract, call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import numpygrad as npg
import numpygrad.fft  # whose rows are in the table once it is imported
import numpygrad.scipy.linalg  # the same
import numpygrad.scipy.special  # the same
from numpygrad._array import Array
from numpygrad._op import BY_NAME, REAL, TABLE, Domain, Op
from numpygrad.typing import Shape

Values = np.ndarray[Any, Any]

REAL_ONLY = frozenset(
    {"atan2", "clip_both", "clip_high", "clip_low", "copysign", "erf", "hypot", "log_softmax"}
    | {"logaddexp", "logsumexp", "max", "maximum", "min", "minimum", "relu", "remainder"}
    | {"ihfft", "rfft", "rfftn", "sigmoid", "softmax", "softplus", "sort", "std", "var"}
) | frozenset(op.name for op in TABLE.values() if op.extension == "scipy.special")
"""Differentiable ops that the standard, or mathematics, defines for real arrays alone."""


@dataclass(frozen=True)
class Sample:
    """One way to call an op: the call, and the operands it is called with."""

    op: Op
    label: str
    call: Callable[..., Array]
    shapes: tuple[Shape, ...]
    domains: tuple[Domain, ...]

    def __str__(self) -> str:
        return f"{self.op.name}-{self.label}"

    def operands(self, dtype: str = "float64", seed: int = 0) -> list[Values]:
        """Random operands inside the domain; distinct, so that no two elements tie."""
        rng = np.random.default_rng(seed)
        return [
            draw(shape, d, dtype, rng) for shape, d in zip(self.shapes, self.domains, strict=True)
        ]


def draw(shape: Shape, domain: Domain, dtype: str, rng: np.random.Generator) -> Values:
    """Values inside `domain`, away from its kink; complex ones with an imaginary part as well."""
    margin = 0.05 * (domain.high - domain.low)
    values = rng.uniform(domain.low + margin, domain.high - margin, size=shape)
    if domain.avoid is not None:
        away = values - domain.avoid
        values = domain.avoid + np.where(away < 0, away - margin, away + margin)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.uniform(-0.4, 0.4, size=shape)
    return np.asarray(values, dtype=dtype)


ELEMENTWISE_SHAPES: dict[int, tuple[tuple[Shape, ...], ...]] = {
    1: (((2, 3),), ((),), ((0, 2),)),
    2: (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((0, 2), (2,))),
    3: (((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), ()), ((0, 2), (2,), ())),
}


def _index(values: Any, like: Array) -> Array:
    """Indices, a mask, or factors, on the device of `like`; factors in its dtype."""
    host = np.asarray(values)
    return npg.asarray(
        host.astype(like.dtype) if host.dtype.kind == "f" else host, device=like.device
    )


def _where(x1: Array, x2: Array) -> Array:
    return npg.where(_index([True, False, True], x1), x1, x2)


def _calls() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """The calls of ops that are not elementwise: a label, the call, the shapes of its operands."""
    matrix, vector = (2, 3), (3,)
    ops = npg.ops
    return {
        "add_at": [
            ("slice", lambda x, v: ops.indexing.add_at(x, v, key=slice(1, None)), (matrix, (3,))),
            (
                "repeats",
                lambda x, v: ops.indexing.add_at(x, v, key=ops.indexing.as_raw_key(x, [0, 2, 0])),
                (vector, vector),
            ),
        ],
        "cast": [("same", lambda x: ops.data_types.cast(x, dtype=x._type.raw_dtype), (matrix,))],
        "broadcast_to": [
            ("new-axis", lambda x: npg.broadcast_to(x, (2, 3)), (vector,)),
            ("length-1", lambda x: npg.broadcast_to(x, (4, 2, 3)), ((2, 1),)),
        ],
        "concat": [
            ("axis-0", lambda a, b: npg.concat([a, b]), (matrix, (1, 3))),
            ("axis-1", lambda a, b: npg.concat([a, b, a], axis=-1), (matrix, (2, 2))),
            ("flat", lambda a, b: npg.concat([a, b], axis=None), (matrix, vector)),
        ],
        "conj": [("matrix", npg.conj, (matrix,))],
        "cumulative_prod": [
            ("axis-1", lambda x: npg.cumulative_prod(x, axis=1), (matrix,)),
            ("initial", lambda x: npg.cumulative_prod(x, include_initial=True), (vector,)),
            ("zero", lambda x: npg.cumulative_prod(x * _index([1.0, 0.0, 1.0], x)), (vector,)),
        ],
        "cumulative_sum": [
            ("axis-0", lambda x: npg.cumulative_sum(x, axis=0), (matrix,)),
            ("initial", lambda x: npg.cumulative_sum(x, axis=1, include_initial=True), (matrix,)),
        ],
        "diagonals": [
            ("above", lambda x: npg.linalg.diagonal(x, offset=1), ((2, 3, 4),)),
            ("below", lambda x: x.diagonal(-1), ((3, 2),)),
        ],
        "expand_dims": [("middle", lambda x: npg.expand_dims(x, axis=1), (matrix,))],
        "flip": [
            ("all", lambda x: npg.flip(x), (matrix,)),
            ("axis-1", lambda x: npg.flip(x, axis=1), (matrix,)),
        ],
        "gather": [
            ("repeats", lambda x: x[_index([0, 1, 1, -1], x)], ((3, 2),)),
            ("mask", lambda x: x[_index([[True, False, True], [False, True, True]], x)], (matrix,)),
            ("mixed", lambda x: x[1:, _index([0, 0, 2], x)], (matrix,)),
            ("pairs", lambda x: x[_index([0, 1, 0], x), _index([2, 1, 2], x)], (matrix,)),
        ],
        "imag": [("matrix", npg.imag, (matrix,))],
        **_linalg_calls(),
        **_special_calls(),
        "log_softmax": [
            ("last", lambda x: npg.log_softmax(x), (matrix,)),
            ("axis-0", lambda x: npg.log_softmax(x, axis=0), (matrix,)),
        ],
        "logsumexp": [
            ("all", lambda x: npg.logsumexp(x), (matrix,)),
            ("axis-1", lambda x: npg.logsumexp(x, axis=1), (matrix,)),
            ("kept", lambda x: npg.logsumexp(x, axis=(0, 1), keepdims=True), (matrix,)),
        ],
        "matmul": [
            ("matrices", npg.matmul, (matrix, (3, 4))),
            ("stacks", npg.matmul, ((2, 1, 2, 3), (4, 3, 2))),
            ("stack-matrix", npg.matmul, ((2, 2, 3), (3, 2))),
            ("vectors", npg.matmul, (vector, vector)),
            ("row", npg.matmul, (vector, (3, 2))),
            ("matrix-vector", npg.matmul, (matrix, vector)),
            ("column", npg.matmul, ((2, 2, 3), vector)),
        ],
        "max": _reductions(npg.max),
        "mean": _reductions(npg.mean),
        "min": _reductions(npg.min),
        "permute_dims": [("three", lambda x: npg.permute_dims(x, (2, 0, 1)), ((2, 3, 4),))],
        "prod": [
            *_reductions(npg.prod),
            ("zero", lambda x: npg.prod(x * _index([1.0, 0.0, 1.0], x), axis=-1), (matrix,)),
            ("zeros", lambda x: npg.prod(x * _index([0.0, 0.0, 1.0], x), axis=-1), (matrix,)),
        ],
        "put": [
            ("slice", lambda x, v: ops.indexing.put(x, v, key=(slice(None), 1)), (matrix, (2,))),
            ("row", lambda x, v: ops.indexing.put(x, v, key=0), (matrix, vector)),
            ("broadcast", lambda x, v: ops.indexing.put(x, v, key=slice(1, None)), (vector, (1,))),
            (
                "repeats",
                lambda x, v: ops.indexing.put(x, v, key=ops.indexing.as_raw_key(x, [0, 2, 0])),
                (vector, vector),
            ),
        ],
        "real": [("matrix", npg.real, (matrix,))],
        "reshape": [
            ("flat", lambda x: npg.reshape(x, (-1,)), (matrix,)),
            ("copy", lambda x: npg.reshape(x.mT, (2, 3), copy=True), (matrix,)),
        ],
        "roll": [
            ("axis-1", lambda x: npg.roll(x, 1, axis=1), (matrix,)),
            ("both", lambda x: npg.roll(x, (1, -2), axis=(0, 1)), (matrix,)),
            ("flat", lambda x: npg.roll(x, 2), (matrix,)),
        ],
        "scatter": [
            (
                "repeats",
                lambda g: ops.indexing.scatter(g, key=_index([0, 2, 0], g), shape=(4,)),
                (vector,),
            ),
            ("slice", lambda g: ops.indexing.scatter(g, key=slice(1, 4), shape=(5,)), (vector,)),
        ],
        "select": [
            ("int", lambda x: x[1], (matrix,)),
            ("slices", lambda x: x[::-1, 1:], (matrix,)),
            ("new-axis", lambda x: x[None, ..., 0], (matrix,)),
            ("element", lambda x: x[0, 1], (matrix,)),
        ],
        "sort": [
            ("last", lambda x: npg.sort(x), (matrix,)),
            ("descending", lambda x: npg.sort(x, axis=0, descending=True), ((3, 2),)),
        ],
        "softmax": [
            ("last", lambda x: npg.softmax(x), (matrix,)),
            ("both", lambda x: npg.softmax(x, axis=(0, 1)), (matrix,)),
        ],
        "squeeze": [("two", lambda x: npg.squeeze(x, axis=(0, 2)), ((1, 3, 1),))],
        "stack": [
            ("axis-0", lambda a, b: npg.stack([a, b]), (vector, vector)),
            ("axis-1", lambda a, b: npg.stack([a, b, a], axis=1), (vector, vector)),
        ],
        "std": [
            *_reductions(npg.std),
            ("correction", lambda x: npg.std(x, axis=1, correction=1), (matrix,)),
        ],
        "sum": [*_reductions(npg.sum), ("none", lambda x: npg.sum(x, axis=()), (matrix,))],
        "take": [
            ("repeats", lambda x: npg.take(x, _index([2, 0, 2], x), axis=1), (matrix,)),
            ("matrix", lambda x: npg.take(x, _index([[1, 0], [1, 1]], x)), (vector,)),
        ],
        "take_along_axis": [
            (
                "axis-1",
                lambda x: npg.take_along_axis(x, _index([[2, 0], [1, 1]], x), axis=1),
                (matrix,),
            ),
        ],
        "tensordot": [
            ("all", lambda a, b: npg.tensordot(a, b, axes=2), (matrix, matrix)),
            ("product", lambda a, b: npg.tensordot(a, b, axes=0), (vector, matrix)),
            ("pairs", _paired, ((2, 3, 4), (4, 5, 2))),
            ("cycle", _paired_in_cycles, ((2, 3, 4), (4, 2, 3))),
        ],
        "transfer": [("copy", npg.copy, (matrix,))],
        "tril": [("below", lambda x: npg.tril(x, k=-1), ((2, 3, 3),))],
        "triu": [("above", lambda x: npg.triu(x, k=1), ((3, 3),))],
        "var": [
            *_reductions(npg.var),
            ("correction", lambda x: npg.var(x, axis=1, correction=1), (matrix,)),
        ],
        "vecdot": [
            ("vectors", npg.vecdot, (vector, vector)),
            ("stacks", npg.vecdot, ((2, 1, 3), (4, 3))),
            ("axis", lambda a, b: npg.vecdot(a, b, axis=-2), ((3, 2), (3, 2))),
        ],
        "where": [("broadcast", _where, (matrix, vector))],
        **_transforms(),
    }


def _paired(x1: Array, x2: Array) -> Array:
    return npg.tensordot(x1, x2, axes=((2, 0), (0, 2)))


def _paired_in_cycles(x1: Array, x2: Array) -> Array:
    return npg.tensordot(x1, x2, axes=((1, 2, 0), (2, 0, 1)))


def _adjoint(x: Array) -> Array:
    return npg.conj(x.mT)


def _hermitian(x: Array) -> Array:
    """A Hermitian matrix made of any, its eigenvalues apart."""
    return x + _adjoint(x) + _spread(x)


def _spread(x: Array) -> Array:
    """A diagonal matrix that sets eigenvalues or singular values of a small sum apart."""
    m, n = x.shape[-2:]
    steps = np.zeros((m, n))
    np.fill_diagonal(steps, [3.0, -5.0, 9.0, -14.0][: min(m, n)])
    return npg.asarray(steps.astype(x.dtype), device=x.device)


def _positive(x: Array) -> Array:
    """A Hermitian positive definite matrix made of any of elements below 2."""
    return x + _adjoint(x) + 16.0 * npg.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _singular(x: Array) -> Array:
    """A square matrix made of one that lacks a column."""
    return npg.concat([x, npg.sum(x, axis=-1, keepdims=True)], axis=-1)


def _norms(
    name: str, orders: list[Any]
) -> list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]:
    return [
        (
            f"order-{order}",
            lambda x, order=order: getattr(npg.linalg, name)(x, ord=order),
            ((2, 3),),
        )
        for order in orders
    ]


def _linalg_calls() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """The calls of linear algebra: results that a choice of phase or basis does not change."""
    la = npg.linalg
    matrix, square, stack = (2, 3), (3, 3), (2, 3, 3)

    def by_eigh(x: Array) -> Array:
        w, v = la.eigh(_hermitian(x))
        return (v * npg.expand_dims(npg.sin(w), axis=-2)) @ _adjoint(v)

    def by_eig(x: Array) -> Array:
        w, v = la.eig(x + _spread(x))
        return npg.abs(v) ** 2 * npg.expand_dims(w * w, axis=-2)

    def by_svd(x: Array, *, full: bool) -> Array:
        u, s, vh = la.svd(x + _spread(x), full_matrices=full)
        k = s.shape[-1]
        first = (u[..., :k] * npg.expand_dims(npg.sin(s), axis=-2)) @ vh[..., :k, :]
        if not full:
            return first
        rest = u[..., k:] @ _adjoint(u[..., k:]), _adjoint(vh[..., k:, :]) @ vh[..., k:, :]
        return npg.concat([npg.reshape(part, (-1,)) for part in (first, *rest)])

    def by_qr(x: Array, *, mode: Literal["reduced", "complete"]) -> Array:
        q, r = la.qr(x + _spread(x), mode=mode)
        k = min(x.shape[-2:])
        rest = q[..., k:] @ _adjoint(q[..., k:])
        parts = (q[..., :k], r[..., :k, :], rest)
        return npg.concat([npg.reshape(part, (-1,)) for part in parts])

    def by_slogdet(x: Array) -> Array:
        sign, logabsdet = la.slogdet(x + _spread(x))
        return sign * logabsdet

    return {
        **_scipy_calls(),
        "adjugate": [
            ("matrix", la.adjugate, (square,)),
            ("stack", la.adjugate, (stack,)),
            ("singular", lambda x: la.adjugate(_singular(x)), ((3, 2),)),
        ],
        "cholesky": [
            ("lower", lambda x: la.cholesky(_positive(x)), (stack,)),
            ("upper", lambda x: la.cholesky(_positive(x), upper=True), (square,)),
        ],
        "cross": [
            ("vectors", la.cross, ((3,), (3,))),
            ("stacks", la.cross, ((2, 1, 3), (4, 3))),
            ("axis", lambda a, b: la.cross(a, b, axis=0), ((3, 2), (3, 2))),
        ],
        "det": [
            ("matrix", la.det, (square,)),
            ("stack", la.det, (stack,)),
            ("singular", lambda x: la.det(_singular(x)), ((3, 2),)),
        ],
        "eig": [("matrix", by_eig, (square,)), ("stack", by_eig, (stack,))],
        "eigh": [("function", by_eigh, (square,)), ("stack", by_eigh, (stack,))],
        "eigvals": [("sorted", lambda x: _sorted(la.eigvals(x + _spread(x))), (square,))],
        "eigvalsh": [("stack", lambda x: la.eigvalsh(_hermitian(x)), (stack,))],
        "inv": [("stack", lambda x: la.inv(x + _spread(x)), (stack,))],
        "pinv": [
            ("wide", la.pinv, (matrix,)),
            ("tall", la.pinv, ((2, 3, 2),)),
            ("rank-1", lambda x: la.pinv(npg.concat([x, 2.0 * x], axis=1)), ((3, 1),)),
        ],
        "qr": [
            ("square", lambda x: by_qr(x, mode="reduced"), (square,)),
            ("tall", lambda x: by_qr(x, mode="reduced"), ((2, 4, 3),)),
            ("wide", lambda x: by_qr(x, mode="reduced"), (matrix,)),
            ("complete", lambda x: by_qr(x, mode="complete"), ((4, 2),)),
        ],
        "slogdet": [("matrix", by_slogdet, (square,)), ("stack", by_slogdet, (stack,))],
        "solve": [
            ("matrices", lambda a, b: la.solve(a + _spread(a), b), (square, (3, 2))),
            ("vector", lambda a, b: la.solve(a + _spread(a), b), (square, (3,))),
            ("stacks", lambda a, b: la.solve(a + _spread(a), b), ((2, 1, 3, 3), (4, 3, 2))),
        ],
        "svd": [
            ("square", lambda x: by_svd(x, full=False), (square,)),
            ("tall", lambda x: by_svd(x, full=False), ((2, 4, 3),)),
            ("wide", lambda x: by_svd(x, full=False), (matrix,)),
            ("full", lambda x: by_svd(x, full=True), ((4, 2),)),
        ],
        "svdvals": [("stack", lambda x: la.svdvals(x + _spread(x)), ((2, 2, 3),))],
        "trace": [
            ("stack", la.trace, ((2, 3, 4),)),
            ("below", lambda x: la.trace(x, offset=-1), (square,)),
        ],
        "vector_norm": [
            *_reductions(la.vector_norm),
            *_norms("vector_norm", [1, 3, 1.5, -2, float("inf"), float("-inf"), 0]),
        ],
    }


def _scipy_calls() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """The calls of `numpygrad.scipy.linalg`."""
    la = numpygrad.scipy.linalg

    def triangular(a: Array, b: Array, **options: Any) -> Array:
        return la.solve_triangular(a + _spread(a), b, **options)

    def banded(ab: Array, b: Array, lower: int, upper: int) -> Array:
        main = npg.eye(lower + upper + 1, dtype=ab.dtype, device=ab.device)[:, upper : upper + 1]
        return la.solve_banded((lower, upper), ab + 12.0 * main, b)

    return {
        "expm": [("stack", la.expm, ((2, 3, 3),))],
        "solve_triangular": [
            ("upper", triangular, ((3, 3), (3, 2))),
            (
                "unit",
                lambda a, b: triangular(a, b, lower=True, unit_diagonal=True),
                ((2, 1, 3, 3), (2, 3, 1)),
            ),
            ("conjugate", lambda a, b: triangular(a, b, trans=2), ((3, 3), (3,))),
        ],
        "banded_solution": [
            ("three", lambda ab, b: banded(ab, b, 1, 1), ((3, 4), (2, 4, 2))),
            ("many", lambda ab, b: banded(ab, b, 0, 3), ((2, 4, 3), (3,))),
        ],
        "solve_sylvester": [
            (
                "stack",
                lambda a, b, q: la.solve_sylvester(a + _spread(a), b, q),
                ((2, 3, 3), (2, 2), (3, 2)),
            )
        ],
    }


def _special_calls() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """Of functions that are differentiable with respect to their last argument alone."""
    special = npg.scipy.special
    matrix = (2, 3)
    small: dict[str, tuple[float, ...]] = {"gammainc": (2.5,), "gammaincc": (0.5,)}
    small |= {"betainc": (2.5, 1.5), "zeta": (2.5,)}
    large: dict[str, tuple[float, ...]] = {"gammainc": (17.0,), "gammaincc": (17.0,)}
    large |= {"betainc": (17.0, 20.0)}

    def call(name: str, shape: tuple[float, ...]) -> Callable[..., Array]:
        return lambda x: getattr(special, name)(*shape, x)

    return {
        name: [
            (label, call(name, shapes[name]), (matrix,))
            for label, shapes in (("small", small), ("large", large))
            if name in shapes
        ]
        for name in small
    }


def _sorted(w: Array) -> Array:
    """Complex values in the order of their real parts."""
    return npg.take_along_axis(w, npg.argsort(npg.real(w), axis=-1), axis=-1)


def _reductions(
    function: Callable[..., Array],
) -> list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]:
    return [
        ("all", lambda x: function(x), ((2, 3),)),
        ("axis-0", lambda x: function(x, axis=0), ((2, 3),)),
        ("kept", lambda x: function(x, axis=(0, -1), keepdims=True), ((2, 3, 2),)),
    ]


def _transforms() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """Of Fourier transforms: whole, cut and padded, to even and odd numbers of points."""
    along: dict[str, tuple[Shape, dict[str, Any]]] = {
        "last": ((2, 4), {}),
        "padded": ((3, 2), {"n": 7, "axis": 0, "norm": "ortho"}),
        "cut": ((5, 2), {"n": 2, "axis": 0, "norm": "forward"}),
        "point": ((3,), {"n": 1}),
    }
    over: dict[str, tuple[Shape, dict[str, Any]]] = {
        "all": ((2, 3, 3), {}),
        "two": ((2, 2, 3), {"axes": (2, 0), "norm": "forward"}),
        "resized": ((3, 2, 4), {"s": (2, 5), "axes": (0, 2), "norm": "ortho"}),
    }

    def call(name: str, options: dict[str, Any]) -> Callable[..., Array]:
        return lambda x: _parts(x, getattr(npg.fft, name)(x, **options))

    return {
        name: [(label, call(name, options), (shape,)) for label, (shape, options) in cases.items()]
        for names, cases in (
            (("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"), along),
            (("fftn", "ifftn", "rfftn", "irfftn"), over),
        )
        for name in names
    }


def _parts(x: Array, y: Array) -> Array:
    """`y`; its real and imaginary parts joined if `x` is real: laws compare the two dtypes."""
    if y.dtype.kind != "c" or x.dtype.kind == "c":
        return y
    return npg.concat([npg.real(y), npg.imag(y)])


def samples(name: str | None = None) -> Iterator[Sample]:
    """Samples of the differentiable op `name`, of all of them by default.

    Elementwise ops get theirs from their row: shapes that broadcast, 0-d and empty ones, inside the
    domain.

    Raises
    ------
    KeyError
        If a row that is not elementwise has no sample here.
    """
    calls = _calls()
    for op in [BY_NAME[name]] if name is not None else list(BY_NAME.values()):
        if op.kind == "elementwise" and op.name not in calls:
            # Broadcasting is the same for all: of SciPy's functions two cases do.
            for shapes in ELEMENTWISE_SHAPES[len(op.arrays)][: 2 if op.extension else None]:
                label = "x".join(str(s).replace(" ", "") for s in shapes)
                yield Sample(op, label, op.function, shapes, op.domain)
        elif op.differentiable:
            for label, call, shapes in calls[op.name]:
                domain = op.domain[-1 if op.kind == "elementwise" else 0] if op.domain else REAL
                yield Sample(op, label, call, shapes, (domain,) * len(shapes))
