"""Results of products of matrices, and of the kernels of `linalg`."""

from __future__ import annotations

from typing import Any

from numpygrad._dtypes import DEFAULT_INT
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import (
    Rule,
    aval,
    axes_of,
    broadcast,
    common,
    complex_of,
    floating,
    given,
    matrix_shape,
    real_of,
    summed,
)
from numpygrad._lazy.shapes._indexing import diagonal_length
from numpygrad._lazy.shapes._manipulation import RULES as MANIPULATION
from numpygrad._lazy.shapes._reductions import reduced
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape


def _matmul(x1: Any, x2: Any, /) -> Aval:
    shape1, shape2 = x1.shape, x2.shape
    if len(shape1) == 2 == len(shape2) and shape1[1] == shape2[0]:
        return aval((shape1[0], shape2[1]), common(x1, x2))
    if not shape1 or not shape2 or shape1[-1] != shape2[-2 if len(shape2) > 1 else -1]:
        inner = f"x1.shape[-1] == x2.shape[{-2 if len(shape2) > 1 else -1}]"
        raise ShapeError(f"matmul() needs {inner}, got {shape1} and {shape2}")
    stack = broadcast("matmul", shape1[:-2], shape2[:-2], of=(shape1, shape2))
    rows = shape1[-2:-1] if len(shape1) > 1 else ()
    columns = shape2[-1:] if len(shape2) > 1 else ()
    return aval((*stack, *rows, *columns), common(x1, x2))


def _vecdot(x1: Any, x2: Any, /, axis: int = -1) -> Aval:
    shape1, shape2 = x1.shape, x2.shape
    if not -min(len(shape1), len(shape2)) <= axis < 0:
        raise IndexError(
            f"vecdot(): axis {axis} is not a negative axis of both {shape1} and {shape2}"
        )
    if shape1[axis] != shape2[axis]:
        raise ShapeError(
            f"vecdot() over axis {axis} of shapes {shape1} and {shape2}: lengths differ"
        )
    rest1, rest2 = (reduced("vecdot", shape, axis, False) for shape in (shape1, shape2))
    return aval(broadcast("vecdot", rest1, rest2, of=(shape1, shape2)), common(x1, x2))


def _tensordot(x1: Any, x2: Any, /, axes: Any = 2) -> Aval:
    shape1, shape2 = x1.shape, x2.shape
    if isinstance(axes, int):
        if axes < 0 or axes > min(len(shape1), len(shape2)):
            raise ShapeError(f"tensordot() over {axes} axes of shapes {shape1} and {shape2}")
        over1, over2 = tuple(range(len(shape1) - axes, len(shape1))), tuple(range(axes))
    else:
        over1 = axes_of("tensordot", tuple(axes[0]), len(shape1))
        over2 = axes_of("tensordot", tuple(axes[1]), len(shape2))
    if [shape1[a] for a in over1] != [shape2[a] for a in over2]:
        raise ShapeError(
            f"tensordot() over axes {axes} of shapes {shape1} and {shape2}: lengths differ"
        )
    rest1 = reduced("tensordot", shape1, over1, False)
    return aval(rest1 + reduced("tensordot", shape2, over2, False), common(x1, x2))


def _square(name: str) -> Rule:
    """Of kernels that give matrices of the same shape."""

    def rule(x: Any, /, *args: Any, **options: Any) -> Aval:
        return aval(matrix_shape(name, x.shape, square=True), floating(x.dtype))

    return rule


def _det(x: Any, /) -> Aval:
    return aval(matrix_shape("det", x.shape, square=True)[:-2], floating(x.dtype))


def _slogdet(x: Any, /) -> tuple[Aval, ...]:
    shape, dtype = matrix_shape("slogdet", x.shape, square=True)[:-2], floating(x.dtype)
    return aval(shape, dtype), aval(shape, real_of(dtype))


def _eig(x: Any, /) -> tuple[Aval, ...]:
    shape, dtype = matrix_shape("eig", x.shape, square=True), complex_of(floating(x.dtype))
    return aval(shape[:-1], dtype), aval(shape, dtype)


def _eigh(x: Any, /) -> tuple[Aval, ...]:
    shape, dtype = matrix_shape("eigh", x.shape, square=True), floating(x.dtype)
    return aval(shape[:-1], real_of(dtype)), aval(shape, dtype)


def _eigvals(x: Any, /) -> Aval:
    shape = matrix_shape("eigvals", x.shape, square=True)
    return aval(shape[:-1], complex_of(floating(x.dtype)))


def _eigvalsh(x: Any, /) -> Aval:
    shape = matrix_shape("eigvalsh", x.shape, square=True)
    return aval(shape[:-1], real_of(floating(x.dtype)))


def _parts(name: str, shape: Shape) -> tuple[Shape, int, int, int]:
    """The stack, the rows, the columns, and the smaller of the two."""
    *stack, m, n = matrix_shape(name, shape)
    return tuple(stack), m, n, min(m, n)


def _qr(x: Any, /, mode: str = "reduced") -> tuple[Aval, ...]:
    stack, m, n, k = _parts("qr", x.shape)
    k = m if mode == "complete" else k
    dtype = floating(x.dtype)
    return aval((*stack, m, k), dtype), aval((*stack, k, n), dtype)


def _svd(x: Any, /, full_matrices: bool = True) -> tuple[Aval, ...]:
    stack, m, n, k = _parts("svd", x.shape)
    dtype = floating(x.dtype)
    return (
        aval((*stack, m, m if full_matrices else k), dtype),
        aval((*stack, k), real_of(dtype)),
        aval((*stack, n if full_matrices else k, n), dtype),
    )


def _svdvals(x: Any, /) -> Aval:
    stack, _, _, k = _parts("svdvals", x.shape)
    return aval((*stack, k), real_of(floating(x.dtype)))


def _pinv(x: Any, /, rtol: Any = None) -> Aval:
    stack, m, n, _ = _parts("pinv", x.shape)
    return aval((*stack, n, m), floating(x.dtype))


def _matrix_rank(x: Any, /, rtol: Any = None) -> Aval:
    return aval(matrix_shape("matrix_rank", x.shape)[:-2], DEFAULT_INT)


def _solve(x1: Any, x2: Any, /) -> Aval:
    shape1, shape2 = matrix_shape("solve", x1.shape, square=True), x2.shape
    dtype = floating(common(x1, x2))
    if not shape2 or shape1[-1] != shape2[-2 if len(shape2) > 1 else 0]:
        raise ShapeError(
            f"solve() needs x1.shape[-1] == x2.shape[-2] (or x2.shape[0] of a vector), got "
            f"{shape1} and {shape2}"
        )
    if len(shape2) == 1:
        return aval(shape1[:-1], dtype)
    stack = broadcast("solve", shape1[:-2], shape2[:-2], of=(shape1, shape2))
    return aval((*stack, *shape2[-2:]), dtype)


def _right_hand(name: str) -> Rule:
    """Of equations in stacks of matrices: a solution has the shape of the right-hand side."""

    def rule(*operands: Any, **options: Any) -> Aval:
        shapes = [matrix_shape(name, x.shape) for x in operands]
        stack = broadcast(name, *(shape[:-2] for shape in shapes), of=tuple(shapes))
        return aval((*stack, *shapes[-1][-2:]), floating(common(*operands)))

    return rule


def _cross(x1: Any, x2: Any, /, axis: int = -1) -> Aval:
    shape1, shape2 = x1.shape, x2.shape
    ndim = min(len(shape1), len(shape2))
    if not -ndim <= axis < ndim:
        raise IndexError(f"cross(): axis {axis} is not an axis of both {shape1} and {shape2}")
    if shape1[axis] != 3 or shape2[axis] != 3:
        raise ShapeError(
            f"cross() needs 3 elements along axis {axis}, got shapes {shape1} and {shape2}"
        )
    return aval(broadcast("cross", shape1, shape2), common(x1, x2))


def _outer(x1: Any, x2: Any, /) -> Aval:
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ShapeError(f"outer() needs vectors, got shapes {x1.shape} and {x2.shape}")
    return aval(x1.shape + x2.shape, common(x1, x2))


def _diagonal(x: Any, /, offset: int = 0) -> Aval:
    shape = matrix_shape("diagonal", x.shape)
    return aval((*shape[:-2], diagonal_length(shape, offset)), x.dtype)


def _trace(x: Any, /, offset: int = 0, dtype: Any = None) -> Aval:
    shape = matrix_shape("trace", x.shape)[:-2]
    return aval(shape, summed(x.dtype) if dtype is None else given(dtype, x.dtype))


def _vector_norm(x: Any, /, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Aval:
    return aval(reduced("vector_norm", x.shape, axis, keepdims), real_of(floating(x.dtype)))


def _matrix_norm(x: Any, /, keepdims: bool = False, ord: Any = "fro") -> Aval:
    shape = matrix_shape("matrix_norm", x.shape)
    return aval(reduced("matrix_norm", shape, (-2, -1), keepdims), real_of(floating(x.dtype)))


MAIN: dict[str, Rule] = {"matmul": _matmul, "tensordot": _tensordot, "vecdot": _vecdot}

LINALG: dict[str, Rule] = {
    **MAIN,
    **{name: _square(name) for name in ("adjugate", "cholesky", "inv", "matrix_power")},
    "cross": _cross,
    "det": _det,
    "diagonal": _diagonal,
    "eig": _eig,
    "eigh": _eigh,
    "eigvals": _eigvals,
    "eigvalsh": _eigvalsh,
    "matrix_norm": _matrix_norm,
    "matrix_rank": _matrix_rank,
    "matrix_transpose": MANIPULATION["matrix_transpose"],
    "outer": _outer,
    "pinv": _pinv,
    "qr": _qr,
    "slogdet": _slogdet,
    "solve": _solve,
    "svd": _svd,
    "svdvals": _svdvals,
    "trace": _trace,
    "vector_norm": _vector_norm,
}

RULES: dict[str, Rule] = {
    **MAIN,
    **{f"linalg.{name}": rule for name, rule in LINALG.items()},
    "scipy.linalg.expm": _square("expm"),
    **{
        f"scipy.linalg.{name}": _right_hand(name)
        for name in ("banded_solution", "solve_sylvester", "solve_triangular")
    },
}
