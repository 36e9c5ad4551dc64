"""What holds of every function of `numpygrad.scipy`, apart from `special`.

A case is a call, written against a namespace that is SciPy's or ours, and its operands. Values are
SciPy's; derivatives are those of differences; float32 stays; recorded and compiled calls agree.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.signal

import numpygrad as npg
import numpygrad.scipy as ours
from numpygrad.testing import check_grads

Values = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A function, called as SciPy's and as ours."""

    label: str
    call: Callable[..., Any]
    operands: tuple[Values, ...]
    order: int = 2
    complex: bool = True
    """Whether it is of complex arrays too."""

    def __str__(self) -> str:
        return self.label


def draw(*shapes: tuple[int, ...], low: float = -1.0, seed: int = 3) -> tuple[Values, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(low, 1.0, shape) for shape in shapes)


def spread(*shape: int) -> Values:
    """Places that increase unevenly."""
    places = np.cumsum(draw(shape, low=0.3)[0], axis=-1)
    return np.asarray(places)


def square(x: Any) -> Any:
    """A matrix far from singular, with distinct eigenvalues in the right half of the plane."""
    return x + np.diag(3.0 + np.arange(x.shape[-1])).astype(x.dtype)


def definite(x: Any) -> Any:
    return x @ x.conj().T + np.eye(x.shape[-1], dtype=x.dtype)


X7, K3 = draw((7,), (3,))
IMAGE, WEIGHTS = draw((4, 5), (2, 3))
KNOTS, HEIGHTS = spread(6), draw((6, 2))[0]
POINTS = draw((4,), low=0.2)[0] * KNOTS[-1]
(MATRIX,) = draw((3, 3), seed=4)

LINALG = [
    Case("expm", lambda s, a: s.linalg.expm(a), draw((3, 3))),
    Case(
        "solve_triangular",
        lambda s, a, b: s.linalg.solve_triangular(a, b, lower=True),
        (square(MATRIX), *draw((3, 2))),
    ),
    Case(
        "solve_triangular-conjugate",
        lambda s, a, b: s.linalg.solve_triangular(a, b, trans=2, unit_diagonal=True),
        (square(MATRIX), *draw((3,))),
    ),
    Case(
        "cho_solve",
        lambda s, a, b: s.linalg.cho_solve(s.linalg.cho_factor(a + a.T, lower=True), b),
        (definite(MATRIX), *draw((3, 2))),
        complex=False,
    ),
    Case(
        "solve_banded",
        lambda s, ab, b: s.linalg.solve_banded((1, 2), ab, b),
        (draw((4, 5))[0] + 5.0 * np.eye(4)[:, 2:3], *draw((5, 2))),
    ),
    Case(
        "solve_sylvester",
        lambda s, a, b, q: s.linalg.solve_sylvester(a, b, q),
        (square(MATRIX), square(draw((2, 2))[0]), *draw((3, 2))),
    ),
    Case("block_diag", lambda s, a, b: s.linalg.block_diag(a, b), draw((2, 1), (3,)), order=1),
    Case("toeplitz", lambda s, c, r: s.linalg.toeplitz(c, r), draw((3,), (2,)), order=1),
    Case("circulant", lambda s, c: s.linalg.circulant(c), draw((3,)), order=1),
]

TRANSFORMS = [
    Case(
        f"{name}-{kind}-{norm}",
        lambda s, x, name=name, kind=kind, norm=norm: getattr(s.fft, name)(x, kind, norm=norm),
        draw((2, 5)),
        order=1,
    )
    for name, kind, norm in (
        *(("dct", 1, "ortho"), ("dct", 2, None), ("dct", 3, "ortho"), ("dct", 4, "forward")),
        *(("dst", 1, "ortho"), ("dst", 2, "ortho"), ("dst", 3, "ortho"), ("dst", 4, None)),
        *(("idct", 1, None), ("idct", 2, "ortho"), ("idst", 3, "forward"), ("dctn", 2, "ortho")),
    )
]

FILTERS = [
    *(
        Case(
            f"{name}-{mode}-{method}",
            lambda s, x, y, name=name, mode=mode, method=method: getattr(s.signal, name)(
                x, y, mode, method
            ),
            operands,
        )
        for name, mode, method, operands in (
            ("convolve", "full", "direct", (X7, K3)),
            ("convolve", "same", "fft", (IMAGE, WEIGHTS)),
            ("convolve", "valid", "direct", (WEIGHTS, IMAGE)),
            ("correlate", "same", "direct", (IMAGE, WEIGHTS)),
            ("correlate", "full", "auto", (X7, K3)),
        )
    ),
    Case(
        "convolve-long",  # of several blocks
        lambda s, x, y: s.signal.convolve(x, y, "same", "direct"),
        draw((70,), (3,)),
        order=1,
    ),
    Case(
        "fftconvolve",
        lambda s, x, y: s.signal.fftconvolve(x, y, "same", axes=1),
        draw((2, 5), (1, 3)),
    ),
    *(
        Case(
            f"convolve1d-{mode}",
            lambda s, x, w, mode=mode: s.ndimage.convolve1d(
                x, w, 0, mode=mode, cval=0.5, origin=-1
            ),
            (X7, draw((4,))[0]),
        )
        for mode in ("reflect", "constant", "nearest", "mirror", "wrap")
    ),
    Case(
        "correlate1d",
        lambda s, x, w: s.ndimage.correlate1d(x, w, axis=1, origin=1),
        draw((2, 70, 2), (3,)),
        order=1,
    ),
    Case(
        "ndimage.convolve",
        lambda s, x, w: s.ndimage.convolve(x, w, mode="mirror", origin=(-1, 0)),
        (IMAGE, WEIGHTS),
    ),
    Case("gaussian_filter", lambda s, x: s.ndimage.gaussian_filter(x, (0.6, 1.0)), (IMAGE,)),
    Case(
        "gaussian_filter1d",
        lambda s, x: s.ndimage.gaussian_filter1d(x, 0.8, order=2, mode="wrap"),
        (X7,),
    ),
    Case(
        "uniform_filter", lambda s, x: s.ndimage.uniform_filter(x, (2, 3), mode="nearest"), (IMAGE,)
    ),
]

SAMPLED = [
    Case(
        f"{name}-{label}",
        lambda s, y, *x, name=name: getattr(s.integrate, name)(y, *x),
        operands,
        complex=False,
    )
    for name in ("trapezoid", "cumulative_trapezoid", "simpson")
    for label, operands in (
        ("even", draw((2, 6))),
        ("places", (*draw((2, 5)), spread(5))),
        ("stack", (*draw((2, 4)), spread(2, 4))),
    )
]

CURVES = [
    *(
        Case(
            f"spline-{label}",
            lambda s, x, y, t, bc=bc: s.interpolate.CubicSpline(x, y, bc_type=bc)(t),
            (KNOTS, HEIGHTS, POINTS),
            complex=False,
        )
        for label, bc in (
            ("not-a-knot", "not-a-knot"),
            ("natural", ("natural", "clamped")),
            ("values", ((1, np.ones(2)), (2, np.ones(2)))),
        )
    ),
    Case(
        "spline-parabola",
        lambda s, x, y, t: s.interpolate.CubicSpline(x, y)(t, 1),
        (KNOTS[:3], HEIGHTS[:3, 0], POINTS[:2]),
        complex=False,
    ),
    Case(
        "pchip",
        lambda s, x, y, t: s.interpolate.PchipInterpolator(x, y)(t),
        (KNOTS, np.asarray([0.0, 1.0, 1.5, 0.5, -1.0, -3.0]), POINTS),
        complex=False,
    ),
    Case(
        "pchip-integral",
        lambda s, x, y: s.interpolate.PchipInterpolator(x, y).integrate(0.4, 1.7),
        (KNOTS, np.asarray([0.0, 1.0, 1.5, 0.5, -1.0, -3.0])),
        complex=False,
    ),
    Case(
        "grid",
        lambda s, x, y, v, t: s.interpolate.RegularGridInterpolator((x, y), v)(t),
        (spread(3), spread(4), *draw((3, 4)), 0.5 + 0.1 * np.arange(6.0).reshape(3, 2)),
        complex=False,
    ),
]

CASES = [*LINALG, *TRANSFORMS, *FILTERS, *SAMPLED, *CURVES]
COMPLEX = [case for case in CASES if case.complex]
ON_JAX = {
    *("circulant", "convolve1d-wrap", "convolve-valid-direct", "correlate-full-auto", "expm"),
    *("fftconvolve", "grid", "idct-2-ortho", "pchip", "simpson-stack", "solve_banded"),
    *("solve_sylvester", "solve_triangular-conjugate", "spline-values"),
}
"""Those whose gradients are taken on JAX too, which compiles each operation for each shape."""
ONE_OF_A_KIND = list({case.label.partition("-")[0]: case for case in CASES}.values())

parametrised = pytest.mark.parametrize("case", CASES, ids=str)


def found(case: Case, *operands: Any) -> npg.Array:
    return case.call(ours, *operands)


def test_the_names_of_what_runs_on_jax_exist() -> None:
    assert {str(case) for case in CASES} > ON_JAX


@parametrised
def test_values_are_those_of_scipy(case: Case, quick_device: str) -> None:
    expected = np.asarray(case.call(scipy, *case.operands))

    y = found(case, *map(npg.asarray, case.operands))

    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", COMPLEX, ids=str)
def test_values_of_complex_arrays_are_those_of_scipy(case: Case, quick_device: str) -> None:
    operands = [x + 0.3j * x[..., ::-1] for x in case.operands]
    expected = case.call(scipy, *operands)

    y = found(case, *map(npg.asarray, operands))

    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-11, atol=1e-12)


@parametrised
def test_derivatives_are_those_of_differences(case: Case) -> None:
    check_grads(lambda *x: found(case, *x), case.operands, order=case.order)


@pytest.mark.parametrize("case", COMPLEX, ids=str)
def test_derivatives_of_complex_arrays_are_those_of_differences(case: Case) -> None:
    operands = [x + 0.3j * x[..., ::-1] for x in case.operands]
    check_grads(lambda *x: found(case, *x), operands, order=1)


@pytest.mark.parametrize("case", [case for case in CASES if str(case) in ON_JAX], ids=str)
def test_values_and_gradients_are_those_on_numpy(case: Case, device: str) -> None:
    def gradients(where: str) -> list[Values]:
        operands = [npg.array(x, device=where, requires_grad=True) for x in case.operands]
        y = found(case, *operands)
        npg.sum(y * y).backward()
        return [y.numpy(), *(x.grad.numpy() for x in operands)]  # type: ignore[union-attr]  # one

    for g, expected in zip(gradients(device), gradients("numpy:cpu"), strict=True):
        np.testing.assert_allclose(g, expected, rtol=1e-9, atol=1e-10)


@parametrised
def test_single_precision_stays(case: Case, quick_device: str) -> None:
    operands = [npg.array(x.astype("float32"), requires_grad=True) for x in case.operands]

    y = found(case, *operands)
    npg.sum(y).backward()

    assert y.dtype == npg.float32
    assert all(x.grad is not None and x.grad.dtype == npg.float32 for x in operands)
    expected = case.call(scipy, *case.operands)
    np.testing.assert_allclose(y.numpy(), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("case", ONE_OF_A_KIND, ids=str)
def test_recorded_and_compiled_calls_give_the_same(case: Case) -> None:
    def gradient(*operands: npg.Array) -> Any:
        places = tuple(range(len(operands)))
        return npg.grad(lambda *x: npg.sum(found(case, *x) ** 2), argnums=places)(*operands)

    operands = [npg.array(x) for x in case.operands]
    expected = [x.numpy() for x in gradient(*operands)]
    with npg.lazy():
        lazy = [x.numpy() for x in gradient(*operands)]
    compiled = npg.compile(gradient)
    for values in (lazy, [x.numpy() for x in compiled(*operands)]):
        for x, y in zip(values, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "module", ["fft", "integrate", "interpolate", "linalg", "ndimage", "signal"]
)
def test_names_and_parameters_are_those_of_scipy(module: str) -> None:
    own = getattr(ours, module)
    names = [
        n for n, f in vars(own).items() if callable(f) and f.__module__.startswith(own.__name__)
    ]
    public = [n for n in names if not n.startswith("_") and n not in ("interp", "banded_solution")]
    assert public
    for name in public:
        theirs = getattr(getattr(scipy, module), name)
        if inspect.isclass(theirs):
            continue
        expected = [*inspect.signature(theirs).parameters]
        given = [*inspect.signature(getattr(own, name)).parameters]
        assert [p for p in expected if p in given] == given, name
