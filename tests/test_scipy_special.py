"""SciPy's special functions: their values on every backend, and derivatives where they are hard."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._op import BY_NAME, TABLE
from numpygrad.errors import BackendError, DerivativeError, DTypeError
from numpygrad.testing import check_grads

reference = pytest.importorskip("scipy.special", reason="its functions are compared with SciPy's")
special = npg.scipy.special

INF, NAN = np.inf, np.nan
ROWS = {op.name: op for op in TABLE.values() if op.extension == "scipy.special"}
SYMMETRIC = [
    -INF,
    -30.5,
    -7.25,
    -1.5,
    -0.3,
    -1e-8,
    0.0,
    1e-8,
    0.25,
    0.9,
    3.75,
    17.5,
    25.5,
    INF,
    NAN,
]
RATIOS = [[0.0, 0.0, 1.0, 2.5, 1e-3, 3.0, -1.0], [0.0, 2.0, 0.0, 2.4, 1e3, 3.0, 1.0]]
POSITIVE = [-1.5, 0.0, 1e-8, 0.25, 0.9, 3.75, 8.5, 17.5, 30.5, 1e4, NAN]
LARGE = [1e-300, 1e8, 1e300]
NORMAL = [-INF, -37.0, -8.0, -1.5, -0.5, 0.0, 0.3, 2.0, 7.5, 9.5, INF, NAN]
UNIT = [-0.5, 0.0, 1e-100, 1e-5, 0.2, 0.43, 0.5, 0.55, 0.61, 0.97, 1.0, 1.5, NAN]
AROUND = [-1.5, -1.0, -0.99, -0.4, 0.0, 1e-9, 0.499, 0.6, 1 - 1e-12, 1.0, NAN]

ARGUMENTS: dict[str, list[list[float]]] = {
    "beta": [[0.1, 2.5, 7.5, 40.0, 1e-3, -0.5, -1.5], [0.2, 11.0, 2.0, 41.0, 3.0, 2.75, 0.25]],
    "betainc": [[0.5, 3.0, 40.0, 2.0, 2.0], [0.5, 0.2, 50.0, 1.0, 3.0], [0.3, 0.9, 0.45, 0.0, 1.0]],
    "betaln": [[0.1, 2.5, 40.0, 1e-3, 1e8, 2.0, 1e5], [0.2, 11.0, 41.0, 3.0, 2.0, 1e8, 3e5]],
    "digamma": [POSITIVE + LARGE],
    "entr": [POSITIVE + LARGE],
    "erfc": [[*SYMMETRIC, 20.0]],
    "erfcinv": [[*UNIT, 1.99, 2.0]],
    "erfcx": [[*SYMMETRIC, 0.46, 0.48, 3.99, 4.01, 1e9]],
    "erfinv": [AROUND],
    "expit": [[*SYMMETRIC, -700.0]],
    "gamma": [[*POSITIVE, 150.0, 171.6, 172.5, -4.5, 1e-300]],
    "gammainc": [[0.5, 2.0, 30.0, 100.0, 3.0, 3.0], [0.2, 3.0, 20.0, 110.0, 0.0, INF]],
    "gammaincc": [[0.5, 2.0, 30.0, 100.0, 3.0, 3.0], [0.2, 3.0, 20.0, 110.0, 0.0, INF]],
    "gammaln": [POSITIVE + LARGE],
    "i0": [[*SYMMETRIC, 700.0]],
    "i0e": [[*SYMMETRIC, 1e5]],
    "i1": [[*SYMMETRIC, 700.0]],
    "i1e": [[*SYMMETRIC, 1e5]],
    "j0": [[*SYMMETRIC, 500.0]],
    "j1": [[*SYMMETRIC, 500.0]],
    "kl_div": [
        [0.0, 0.0, 1.0, 2.5, 1e-3, 3.0, -1.0, 1.0],
        [0.0, 2.0, 0.0, 2.4, 1e3, 3.0, 1.0, -1.0],
    ],
    "log_expit": [[*SYMMETRIC, -800.0]],
    "log_ndtr": [[*NORMAL, -1e3, -1e9]],
    "loggamma": [POSITIVE + LARGE],
    "logit": [UNIT],
    "ndtr": [NORMAL],
    "ndtri": [UNIT],
    "rel_entr": [
        [0.0, 0.0, 1.0, 2.5, 1e-3, 3.0, -1.0, 1.0],
        [0.0, 2.0, 0.0, 2.4, 1e3, 3.0, 1.0, -1.0],
    ],
    "xlog1py": [[0.0, 0.0, 2.0, 2.0, -3.0, 1.0], [-1.0, 3.0, -1.0, 1e-12, 1e9, NAN]],
    "xlogy": [[0.0, 0.0, 2.0, 2.0, -3.0, 1.0], [0.0, 3.0, 0.0, 1e-12, 1e9, NAN]],
    "y0": [[*POSITIVE, 500.0]],
    "y1": [[*POSITIVE, 500.0]],
    "zeta": [[2.0, 1.5, 3.0, 20.0, 2.0, 1.0], [0.25, 3.0, 1e3, 5.0, 1e200, 2.0]],
}
"""What each row's function is called with: ordinary arguments, edges, and beyond them."""

BESSEL = ("j0", "j1", "y0", "y1")


@pytest.fixture(autouse=True)
def quietly() -> Iterator[None]:
    """At poles NumPy warns of what is asked for here."""
    with np.errstate(all="ignore"):
        yield


def arrays(values: list[Any], dtype: str = "float64", **options: Any) -> list[npg.Array]:
    return [npg.array(np.asarray(v, dtype), **options) for v in values]


def test_every_row_has_arguments() -> None:
    assert set(ARGUMENTS) == set(ROWS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_are_scipys(name: str, device: str) -> None:
    assert_values_are_scipys(name, "float64")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_values_in_float32_are_scipys(name: str, quick_device: str) -> None:
    assert_values_are_scipys(name, "float32")


@pytest.mark.parametrize("name", ["gammaln", "i0", "rel_entr", "zeta"])
def test_jax_computes_in_float64_for_float32(name: str) -> None:
    if "jax" not in npg.installed_backends():
        pytest.skip("it is about JAX")
    with npg.device("jax:cpu"):
        assert_values_are_scipys(name, "float32")


def assert_values_are_scipys(name: str, dtype: str) -> None:
    values = [np.asarray(v, dtype) for v in ARGUMENTS[name]]
    # In float64, as for float32 SciPy's betainc keeps 5 digits.
    expected = getattr(reference, name)(*(v.astype("float64") for v in values)).astype(dtype)

    found = getattr(special, name)(*arrays(values, dtype))

    assert found.dtype == dtype
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    # Where oscillations cross zero, of the envelope.
    floor = tolerance / 4 if name in BESSEL else 0.0
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=floor)


def test_jax_differs_only_where_the_documentation_says_so() -> None:
    if "jax" not in npg.installed_backends():
        pytest.skip("it is about JAX")
    q = npg.array([-1.5, 0.5], device="jax:cpu")

    assert np.isnan(special.zeta(2.0, q).numpy()).tolist() == [True, False]
    assert np.isfinite(reference.zeta(2.0, -1.5))


class Line(NamedTuple):
    """Derivatives of a function with respect to one argument, of the first order and up."""

    name: str
    arguments: list[float]
    position: int
    expected: list[float]


LINES = [
    # Computed with 60 digits.
    Line("gamma", [-2.5], 0, [-1.0428235924606154, -10.167930811390321]),
    Line("gamma", [30.5], 0, [1.640316741235677e32, 5.5951910997562796e32]),
    Line("gammaln", [-3.25], 0, [4.46627587235028, 19.474085068082155]),
    Line("digamma", [-1.75], 0, [19.301637544529786, -124.21382135423058]),
    Line("digamma", [40.0], 0, [0.025315103841291028, -6.4082027183529859e-4]),
    Line("beta", [2.5, 0.75], 0, [-0.2005426487640585, 0.14636571532454812]),
    Line("betaln", [1e8, 2.0], 0, [-1.9999999900000001e-8, 1.9999999800000003e-16]),
    Line("betaln", [1e8, 2.0], 1, [-17.997896423853898, 0.64493405684822659]),
    Line("betaln", [2.0, 1e-6], 0, [-6.4493386479140557e-7, 4.0411355934963513e-7]),
    Line("betaln", [0.3, 0.2], 0, [-1.5390141961787096, 7.310562345563052]),
    Line("zeta", [3.0, 0.5], 1, [-48.704545517001219, 385.73712491333361]),
    Line("erfcx", [-2.5], 0, [-5180.2025940302101, 27972.642656096296]),
    Line("erfcx", [20.0], 0, [-1.4052174534598012e-3, 1.3999934371059263e-4]),
    Line("erfcx", [1e6], 0, [-5.6418958354691e-13, 1.1283791670921274e-18]),
    Line("erfinv", [0.9], 0, [3.4280428114518408, 27.335985073827034]),
    Line("erfcinv", [0.6], 0, [-1.0168562004306123, 0.76682663231569199]),
    Line("erfcinv", [2e-100], 0, [-1.6582981310712164e98, 8.2732894711622373e197]),
    Line("ndtri", [0.3], 0, [2.8761036592642924, -4.3378264936389532]),
    Line("ndtri", [1e-100], 0, [4.6903754148377414e98, -4.6800792702224669e198]),
    Line("log_ndtr", [-1e3], 0, [1000.000999998, -0.99999900000599995]),
    Line("log_ndtr", [-1e6], 0, [1000000.000001, -0.999999999999]),
    Line("log_ndtr", [2.0], 0, [0.055247862678989959, -0.11354805168857645]),
    Line("log_ndtr", [60.0], 0, [0.0, 0.0, 0.0]),
    Line("j1", [0.0], 0, [0.5, 0.0, -0.375]),
    Line("j1", [7.5], 0, [0.24830653420308433, -0.16595154898314421]),
    Line("y1", [0.25], 0, [9.8848478923310711, -80.100970009053521]),
    Line("i1", [0.0], 0, [0.5, 0.0, 0.375]),
    Line("i1", [12.0], 0, [17437.14628415974, 16814.234846720234]),
    Line("i0e", [50.0], 0, [-5.6850275455879289e-4, 1.7143031259677779e-5]),
    Line("i0e", [1e6], 0, [-1.9947121500246404e-10, 2.9920689730551389e-16]),
    Line("i1e", [-3.0], 0, [-0.019435263567909073, -0.0016096787034987585]),
    Line("expit", [40.0], 0, [4.248354255291589e-18, -4.2483542552915889e-18]),
    Line("log_expit", [-40.0], 0, [1.0, -4.248354255291589e-18]),
    Line("gammainc", [2000.0, 2010.0], 1, [0.0086574422772875024, -4.7379037338389317e-5]),
    Line("gammainc", [0.5, 3.0], 1, [0.016217391109880487, -0.018920289628193901]),
    Line("gammainc", [2.0, 0.0], 1, [0.0, 1.0, -2.0]),
    Line("gammaincc", [30.0, 1e4], 1, [0.0, 0.0]),
    Line("gammaincc", [15.0, 1e30], 1, [0.0, 0.0]),
    Line("betainc", [500.0, 700.0, 0.41], 2, [25.224656468935412, 815.44776183164805]),
    Line("betainc", [3.0, 1e3, 0.002], 2, [271.48293816246202, -272.0269921467612]),
    Line("betainc", [3.0, 1e8, 2e-8], 2, [27067057.459334241]),
    Line("betainc", [2.0, 3.0, 0.25], 2, [1.6875, 2.25]),
    Line("betainc", [2.0, 3.0, 0.0], 2, [0.0, 12.0, -48.0]),
    # At the edges, by their limits; where there is none, by convention.
    Line("betainc", [0.5, 0.5, 0.0], 2, [INF]),
    Line("betainc", [1.0, 2.0, 1.0], 2, [0.0]),
    Line("gammainc", [1.0, 0.0], 1, [1.0]),
    Line("gammainc", [0.5, 0.0], 1, [INF]),
    Line("gammaln", [1e300], 0, [np.log(1e300), 1e-300]),
    Line("gamma", [200.0], 0, [INF]),
    Line("betaln", [1e300, 2.0], 0, [-2e-300]),
    Line("entr", [0.0], 0, [INF]),
    Line("logit", [0.0], 0, [INF, -INF]),
    Line("logit", [1.0], 0, [INF, INF]),
    Line("ndtri", [0.0], 0, [INF]),
    Line("ndtri", [1.0], 0, [INF]),
    Line("erfinv", [1.0], 0, [INF]),
    Line("erfcinv", [2.0], 0, [-INF]),
    Line("log_ndtr", [-INF], 0, [INF]),
    Line("xlogy", [0.0, 0.0], 0, [-INF]),
    Line("xlogy", [0.0, 0.0], 1, [0.0]),
    Line("xlogy", [0.0, 2.0], 1, [0.0, 0.0]),
    Line("xlog1py", [0.0, -1.0], 1, [0.0]),
    Line("rel_entr", [0.0, 0.0], 0, [0.0]),
    Line("rel_entr", [0.0, 0.0], 1, [0.0]),
    Line("rel_entr", [0.0, 2.0], 0, [-INF]),
    Line("rel_entr", [2.0, 2.0], 0, [1.0, 0.5]),
    Line("kl_div", [0.0, 0.0], 0, [0.0]),
    Line("kl_div", [0.0, 0.0], 1, [1.0]),
    Line("kl_div", [3.3, 3.3000000033], 0, [-np.log1p((3.3000000033 - 3.3) / 3.3), 1 / 3.3]),
    Line("kl_div", [1e300, 1e-300], 0, [600 * np.log(10.0)]),
    Line("i0e", [0.0], 0, [0.0]),
    Line("i1e", [0.0], 0, [0.5]),
    Line("y0", [0.0], 0, [INF]),
    Line("y1", [0.0], 0, [INF]),
    Line("i1", [800.0], 0, [INF]),
    Line("gammainc", [20.0, INF], 1, [0.0, 0.0]),
    Line("gammaincc", [20.0, INF], 1, [0.0, 0.0]),
    Line("erf", [INF], 0, [0.0, 0.0, 0.0]),
    Line("erf", [-INF], 0, [0.0, 0.0]),
    Line("erfc", [-INF], 0, [0.0, 0.0, 0.0]),
    Line("ndtr", [INF], 0, [0.0, 0.0, 0.0]),
    Line("log_ndtr", [INF], 0, [0.0, 0.0]),
    Line("log_ndtr", [-INF], 0, [INF, -1.0, 0.0]),
    Line("log_ndtr", [-1e200], 0, [1e200, -1.0, 0.0]),
    Line("beta", [INF, 1.0], 0, [0.0, 0.0]),
    Line("beta", [INF, 1.0], 1, [0.0, 0.0]),
    Line("betaln", [INF, 1.0], 0, [0.0, 0.0]),
    Line("beta", [0.0, 1.0], 0, [-INF, INF]),
    Line("betaln", [0.0, 2.5], 0, [-INF, INF]),
    Line("y0", [0.0], 0, [INF, -INF, INF]),
    Line("y1", [0.0], 0, [INF, -INF, INF]),
    Line("i1", [INF], 0, [INF, INF]),
    Line("i1", [-INF], 0, [INF, -INF]),
]


def derivative(line: Line, order: int) -> npg.Array:
    """That of an order, by reverse mode over reverse mode."""

    def f(*args: npg.Array) -> npg.Array:
        return getattr(special, line.name)(*args)  # type: ignore[no-any-return]  # an Array

    for _ in range(order):
        f = npg.grad(f, argnums=line.position)
    return f(*arrays(line.arguments))


def tolerance(line: Line, order: int) -> float:
    # exp(-x**2) of a rounded square loses digits, and each order of an asymptotic series some.
    return 3e-13 if order == 1 else 2e-12


def test_zeta_of_one_argument_is_riemanns() -> None:
    assert special.zeta(npg.array(2.0)).item() == pytest.approx(np.pi**2 / 6, rel=1e-15)


@pytest.mark.parametrize("line", LINES, ids=lambda s: f"{s.name}{s.arguments}-{s.position}")
def test_derivatives_are_the_exact_ones(line: Line) -> None:
    found = [derivative(line, order + 1).item() for order in range(len(line.expected))]

    for order, (ours, exact) in enumerate(zip(found, line.expected, strict=True), start=1):
        assert ours == pytest.approx(exact, rel=tolerance(line, order), abs=1e-300)


def test_first_derivatives_are_the_exact_ones_on_every_backend(device: str) -> None:
    """Of as many lines at once for each function: JAX compiles for each shape."""
    size = max(Counter((s.name, s.position) for s in LINES).values())
    wrong = []
    for name, position in sorted({(s.name, s.position) for s in LINES}):
        lines = [s for s in LINES if (s.name, s.position) == (name, position)]
        columns = zip(*[s.arguments for s in lines], strict=True)
        x = arrays([np.resize(column, size) for column in columns])
        x[position].requires_grad_()
        getattr(special, name)(*x).sum().backward()
        found = x[position].grad.numpy()
        wrong += [
            f"{line.name}{line.arguments}: {ours}"
            for line, ours in zip(lines, found, strict=False)
            if ours != pytest.approx(line.expected[0], rel=3e-13, abs=1e-300)
        ]
    assert not wrong


def test_mixed_derivatives_at_zero_are_not_lost() -> None:
    def f(x1: npg.Array, x2: npg.Array) -> npg.Array:
        return npg.grad(special.xlogy, argnums=1)(x1, x2)

    assert npg.grad(f)(*arrays([0.0, 4.0])).item() == 0.25


def test_beta_functions_at_infinity(device: str) -> None:
    a, b = arrays([[INF, 2.0], [2.0, INF]])

    assert special.betaln(a, b).tolist() == [-INF, -INF]
    assert special.beta(a, b).tolist() == [0.0, 0.0]


def test_mixed_derivatives_of_betaln_at_its_pole() -> None:
    def f(a: npg.Array, b: npg.Array) -> npg.Array:
        return npg.grad(special.betaln)(a, b)

    # By b, of digamma(a) - digamma(a + b).
    assert npg.grad(f, argnums=1)(*arrays([0.0, 1.0])).item() == pytest.approx(-(np.pi**2) / 6)


def test_every_order_of_digamma_is_a_polygamma(quick_device: str) -> None:
    x = np.asarray([0.25, 3.5, 40.0])

    for n in range(5):
        expected = reference.polygamma(n, x)
        np.testing.assert_allclose(special.polygamma(n, *arrays([x])).numpy(), expected, rtol=1e-13)
    orders = npg.asarray(np.asarray([0, 2, 3]))
    expected = reference.polygamma([0, 2, 3], x)
    np.testing.assert_allclose(
        special.polygamma(orders, *arrays([x])).numpy(), expected, rtol=1e-13
    )

    (y,) = arrays([x], requires_grad=True)
    special.polygamma(npg.asarray(np.asarray([0, 2, 3])), y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), reference.polygamma([1, 3, 4], x), rtol=1e-13)
    below = special.polygamma(1, *arrays([[-1.25]]))
    assert below.item() == pytest.approx(float(reference.polygamma(1, -1.25)), rel=1e-14)


def test_polygamma_refuses_what_is_no_order() -> None:
    with pytest.raises(ValueError, match="n >= 0, got -1"):
        special.polygamma(-1, *arrays([1.0]))
    with pytest.raises(DTypeError, match="integers n, got float64"):
        special.polygamma(*arrays([1.0, 1.0]))


@pytest.mark.parametrize(
    ("name", "position"),
    [("gammainc", 0), ("gammaincc", 0), ("betainc", 0), ("betainc", 1), ("zeta", 0)],
)
def test_a_derivative_that_is_not_known_is_refused(name: str, position: int) -> None:
    x = arrays([1.5, 2.5, 0.5][: len(ROWS[name].arrays)])
    function = getattr(special, name)
    operand = ROWS[name].arrays[position]

    with pytest.raises(DerivativeError, match=rf"none with respect to {operand}.*detach"):
        npg.grad(function, argnums=position)(*x)

    def of_one(v: npg.Array) -> npg.Array:
        return function(*x[:position], v, *x[position + 1 :])  # type: ignore[no-any-return]

    with pytest.raises(DerivativeError, match=f"none with respect to {operand}"):
        npg.jvp(of_one, [x[position]], [npg.ones_like(x[position])])
    x[position].requires_grad_()
    assert function(*[v.detach() for v in x]).requires_grad is False


@pytest.mark.parametrize("name", ROWS)
def test_complex_arrays_are_refused(name: str) -> None:
    x = [npg.array([0.5 + 1j])] * len(ROWS[name].arrays)

    with pytest.raises(DTypeError, match=rf"{name}\(\) takes arrays of kind"):
        getattr(special, name)(*x)


def program(x: npg.Array) -> npg.Array:
    """Functions of one array and of two, among others."""
    return npg.sum(special.gammaln(2.0 * x) * special.xlogy(x, 1.0 + x) + special.log_ndtr(-x))


def test_programs_are_recorded_compiled_and_mapped(device: str) -> None:
    x = npg.asarray(np.linspace(0.5, 3.0, 6).reshape(2, 3))
    value, gradient = npg.value_and_grad(program)(x)

    with npg.lazy():
        lazily = npg.value_and_grad(program)(x)
        lazily[1].realize()
    compiled = npg.compile(npg.value_and_grad(program))(x)
    rows = npg.vmap(npg.grad(program))(x)

    for y, g in (lazily, compiled):
        np.testing.assert_allclose(y.numpy(), value.numpy(), rtol=1e-13)
        np.testing.assert_allclose(g.numpy(), gradient.numpy(), rtol=1e-13)
    np.testing.assert_allclose(rows.numpy(), gradient.numpy(), rtol=1e-13)


WEIGHTED: list[tuple[list[float], list[float]]] = [
    ([1000.0, 999.0], [3.0, -1.0]),
    ([0.0, 1.0], [1.0, -2.0]),
    ([1000.0, 0.0, 1.0], [0.0, 2.0, 1.0]),
    ([INF, 0.0], [0.0, 2.0]),
    ([-INF, -INF], [1.0, 2.0]),
    ([np.nan, 1.0], [0.0, 1.0]),
    ([np.nan, 1.0], [1.0, 0.0]),
    ([1.0, 1.0], [1.0, -1.0]),
    ([INF, INF], [1.0, -1.0]),
    ([INF, 1.0], [-1.0, 1.0]),
    ([1000.0, 0.0], [0.0, 1.0]),
    ([0.0, 0.0, 0.0], [3.0, -1.0, -2.0]),
]


@pytest.mark.parametrize(("a", "b"), WEIGHTED)
def test_logsumexp_takes_weights(a: list[float], b: list[float], quick_device: str) -> None:
    with np.errstate(all="ignore"):
        expected = reference.logsumexp(np.asarray(a), b=np.asarray(b))
        size, sign = reference.logsumexp(np.asarray(a), b=np.asarray(b), return_sign=True)

    x, weights = arrays([a, b])
    found = special.logsumexp(x, b=weights)
    with_sign = special.logsumexp(x, b=weights, return_sign=True)

    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose([y.item() for y in with_sign], [size, sign], rtol=1e-14)


def test_derivatives_of_weighted_sums_of_exponentials() -> None:
    x, weights = arrays([[1.0, 2.0, 0.5], [2.0, 0.0, -1.0]], requires_grad=True)

    special.logsumexp(x, b=weights).backward()

    terms = np.exp([1.0, 2.0, 0.5])
    total = terms @ [2.0, 0.0, -1.0]
    np.testing.assert_allclose(weights.grad.numpy(), terms / total, rtol=1e-14)
    np.testing.assert_allclose(x.grad.numpy(), terms * [2.0, 0.0, -1.0] / total, rtol=1e-14)
    check_grads(lambda a, b: special.logsumexp(a, b=b), [x.numpy(), np.asarray([2.0, 0.1, 1.0])])


EDGES: list[tuple[list[float], list[float], list[float], list[float]]] = [
    ([INF, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]),
    ([INF, INF], [1.0, 2.0], [0.5, 0.5], [0.5, 0.25]),
    ([-INF, -INF], [1.0, 1.0], [0.5, 0.5], [0.5, 0.5]),
    ([1.0, 1.0], [1.0, -1.0], [INF, -INF], [INF, INF]),
    ([1000.0, 0.0], [0.0, 1.0], [0.0, 1.0], [INF, 1.0]),
    ([INF, 0.0], [0.0, 2.0], [0.0, 1.0], [INF, 0.5]),
    ([np.nan, 0.0], [0.0, 2.0], [0.0, 1.0], [0.0, 0.5]),
]
"""Exponents, weights, and the derivatives by each."""


@pytest.mark.parametrize("return_sign", [False, True])
@pytest.mark.parametrize(("a", "b", "by_a", "by_b"), EDGES)
def test_derivatives_of_weighted_sums_at_the_edges(
    a: list[float], b: list[float], by_a: list[float], by_b: list[float], return_sign: bool
) -> None:
    x, weights = arrays([a, b], requires_grad=True)

    found = special.logsumexp(x, b=weights, return_sign=return_sign)  # type: ignore[call-overload]  # a bool
    (found[0] if return_sign else found).backward()

    np.testing.assert_allclose(x.grad.numpy(), by_a, rtol=1e-14)
    np.testing.assert_allclose(weights.grad.numpy(), by_b, rtol=1e-14)


def test_the_logarithm_of_no_exponentials(quick_device: str) -> None:
    (nothing,) = arrays([[]])

    assert special.logsumexp(nothing).item() == -INF
    size, sign = special.logsumexp(nothing, return_sign=True)
    assert (size.item(), sign.item()) == (-INF, 0.0)
    assert special.logsumexp(npg.zeros((2, 0)), axis=1).tolist() == [-INF, -INF]


def test_weights_may_have_more_axes_than_exponents() -> None:
    x, weights = np.asarray([1.0, 2.0]), np.asarray([[1.0, 2.0], [0.5, 3.0]])

    for axis in (None, 1, -2):
        found = special.logsumexp(npg.array(x), axis=axis, b=npg.array(weights))
        expected = reference.logsumexp(x, axis=axis, b=weights)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_sums_of_exponentials_are_over_all_axes_by_default(name: str, quick_device: str) -> None:
    x = np.asarray([[0.5, 2.0, -1.0], [1.0, 0.0, 3.0]])
    for axis in (None, 0, 1, (0, 1)):
        expected = getattr(reference, name)(x, axis=axis)
        found = getattr(special, name)(*arrays([x]), axis=axis)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)
    kept = special.logsumexp(*arrays([x]), axis=1, b=1.0, keepdims=True)
    assert kept.shape == (2, 1)


def test_names_and_order_of_arguments_are_scipys() -> None:
    public = {name for name in vars(special) if not name.startswith("_")} - {"annotations"}

    assert public - set(dir(reference)) == set()
    assert set(ROWS) | {"erf", "expm1", "log1p", "polygamma", "psi"} <= public
    for name in ("logsumexp", "softmax", "log_softmax"):
        ours = list(inspect.signature(getattr(special, name)).parameters)
        assert ours == list(inspect.signature(getattr(reference, name)).parameters)


def test_scalars_and_integers_become_the_default_float(device: str) -> None:
    assert special.gamma(5).item() == pytest.approx(24.0, rel=1e-14)
    found = special.beta(npg.asarray(np.asarray([1, 2])), 2)
    assert found.dtype == "float64"
    np.testing.assert_allclose(found.numpy(), [0.5, 1 / 6], rtol=1e-14)


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("where", ["cpu", "strict:cpu"])
def test_missing_scipy_is_told_with_the_command_that_installs_it(where: str) -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; import numpygrad as npg\n"
        f"x = npg.array([1.0], device={where!r})\n"
        "try: npg.scipy.special.gamma(x)\n"
        "except npg.errors.BackendError as error: print(error)"
    )

    said = run_python(code)
    assert "numpygrad.scipy.special needs SciPy" in said
    assert said.endswith("pip install 'numpygrad[scipy]'")


def test_a_backend_without_a_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x = npg.array([1.0])
    row = BY_NAME["scipy.special.gamma"]
    monkeypatch.delitem(x._type.kernels, row, raising=False)
    monkeypatch.delitem(x._type.simple, row.function, raising=False)
    monkeypatch.setitem(x._type.xp.__dict__, "scipy", None)

    with pytest.raises(BackendError, match=r"scipy\.special\.gamma\(\) has no kernel on .*'numpy'"):
        special.gamma(x)


def test_an_op_of_the_users_may_have_the_name_of_one() -> None:
    code = (
        "import numpygrad as npg\n"
        "@npg.custom_op(kind='elementwise', rules=[lambda x: 3.0 * x**0])\n"
        "def gamma(x, /): return 3.0 * x\n"
        "x = npg.array([2.0]); one = npg.array([1.0])\n"
        "f = npg.scipy.special.gamma\n"
        "print([npg.jvp(g, [x], [one])[1].item() for g in (gamma, f)])"
    )
    ours, theirs = eval(run_python(code))  # noqa: S307 (what was printed just above)
    assert ours == 3.0
    assert theirs == pytest.approx(1 - np.euler_gamma)


def test_cupy_has_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names of its documentation, which are SciPy's; what it lacks would be listed."""
    for name in ("cupyx", "cupyx.scipy"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(sys.modules["cupyx"], "scipy", sys.modules["cupyx.scipy"], raising=False)
    monkeypatch.setattr(sys.modules["cupyx.scipy"], "special", reference, raising=False)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.special", reference)
    from numpygrad_cupy._special import load

    namespace = load()
    assert all(callable(getattr(namespace, name)) for name in ROWS)
