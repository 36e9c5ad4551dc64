"""`numpygrad.optimize`: SciPy's optimisers with exact derivatives, over structures of arrays."""

from __future__ import annotations

import sys
import types
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import numpygrad as npg
from numpygrad._flat import Layout
from numpygrad._objective import placed
from numpygrad.optimize import GRADIENTS, MATRICES, PRODUCTS, VALUES, least_squares, minimize

METHODS = (*VALUES, *GRADIENTS, *PRODUCTS, *MATRICES)
START = [0.9, 1.2, 1.1]


def rosenbrock(x: Any) -> Any:
    """The same text for Arrays and for NumPy."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def misfit(line: Any) -> Any:
    """Least at slope 2 and offset (1, -1), where it is 0."""
    x = npg.arange(3.0)
    signs = npg.array([1.0, -1.0])
    return npg.sum((line["slope"] * x[:, None] + line["offset"] - 2 * x[:, None] - signs) ** 2)


@dataclass
class Line:
    slope: Any
    offset: Any


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_minimum(method: str) -> None:
    options = {"maxiter": 5000} if method == "cobyla" else {}

    found = minimize(rosenbrock, npg.array(START), method=method, options=options)

    assert found.success
    assert np.allclose(found.x.numpy(), 1, atol=0.2 if method == "cobyla" else 2e-3)


@pytest.mark.parametrize("method", GRADIENTS)
def test_the_result_is_that_of_scipy_with_the_gradient_given(method: str) -> None:
    found = minimize(rosenbrock, npg.array(START), method=method)
    expected = scipy.optimize.minimize(
        rosenbrock, np.array(START), jac=scipy.optimize.rosen_der, method=method
    )

    assert np.allclose(found.x.numpy(), expected.x, rtol=1e-6)
    assert (found.nit, found.nfev, found.status) == (expected.nit, expected.nfev, expected.status)


@pytest.mark.parametrize("method", ["newton-cg", "trust-ncg", "trust-krylov"])
@pytest.mark.parametrize("compiled", [False, True])
def test_hessian_products_are_exact(method: str, compiled: bool) -> None:
    found = minimize(rosenbrock, npg.array(START), method=method, compiled=compiled)
    expected = scipy.optimize.minimize(
        rosenbrock,
        np.array(START),
        jac=scipy.optimize.rosen_der,
        hessp=scipy.optimize.rosen_hess_prod,
        method=method,
    )

    assert found.raw.nhev == expected.nhev
    assert found.nhev > 0
    assert found.nit == expected.nit
    assert np.allclose(found.x.numpy(), expected.x, rtol=1e-6)


@pytest.mark.parametrize("method", MATRICES)
def test_hessians_are_exact(method: str) -> None:
    found = minimize(rosenbrock, npg.array(START), method=method)
    expected = scipy.optimize.minimize(
        rosenbrock,
        np.array(START),
        jac=scipy.optimize.rosen_der,
        hess=scipy.optimize.rosen_hess,
        method=method,
    )

    assert found.nit == expected.nit
    assert np.allclose(found.x.numpy(), expected.x, rtol=1e-6)


@pytest.mark.parametrize("method", PRODUCTS)
def test_no_method_of_products_makes_a_matrix(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a Hessian was asked for")

    monkeypatch.setattr("numpygrad._objective.Objective.matrix", refuse)

    assert minimize(rosenbrock, npg.array(START), method=method).success


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact", "Nelder-Mead"])
def test_every_backend_gives_its_own_arrays(device: str, method: str) -> None:
    start = npg.array(START)

    found = minimize(rosenbrock, start, method=method)

    assert found.x.device == start.device
    assert found.x.dtype == npg.float64
    assert np.allclose(found.x.numpy(), 1, atol=1e-3)
    assert found.jac is None or np.allclose(found.jac.numpy(), 0, atol=1e-3)


@pytest.mark.parametrize("method", ["bfgs", "newton-cg", "nelder-mead"])
def test_a_structure_comes_back(quick_device: str, method: str) -> None:
    start = {"slope": npg.array(0.0), "offset": npg.zeros(2)}

    found = minimize(misfit, start, method=method)

    assert list(found.x) == ["slope", "offset"]
    assert found.x["slope"].shape == ()
    assert np.allclose(found.x["slope"].numpy(), 2, atol=1e-3)
    assert np.allclose(found.x["offset"].numpy(), [1, -1], atol=1e-3)
    if found.jac is not None:
        assert found.jac["offset"].shape == (2,)


def test_dataclasses_and_numbers_are_structures_too() -> None:
    found = minimize(lambda p: (p.slope - 1) ** 2 + (p.offset - 2) ** 2, Line(0.0, 0.0))

    assert isinstance(found.x, Line)
    assert round(found.x.slope.item(), 5) == 1
    assert round(found.x.offset.item(), 5) == 2


def test_a_matrix_is_its_elements() -> None:
    target = npg.array([[1.0, 2.0], [3.0, 4.0]])

    found = minimize(lambda x: npg.sum((x - target) ** 2), npg.zeros((2, 2)))

    assert np.allclose(found.x.numpy(), target.numpy())


def test_float32_is_computed_and_given_in_float32(quick_device: str) -> None:
    seen = []

    def value(x: Any) -> Any:
        seen.append(x.dtype)
        return npg.sum((x - 2) ** 2)

    found = minimize(value, npg.zeros(3, dtype=npg.float32), tol=1e-3)

    assert set(seen) == {np.dtype(npg.float32)}
    assert found.x.dtype == found.jac.dtype == npg.float32
    assert found.success
    assert np.allclose(found.x.numpy(), 2, atol=1e-4)


def test_arrays_of_two_dtypes_keep_theirs() -> None:
    start = {"slope": npg.zeros((), dtype=npg.float32), "offset": npg.zeros(2)}

    found = minimize(lambda x: misfit(x), start, tol=1e-3)

    assert found.x["slope"].dtype == npg.float32
    assert found.x["offset"].dtype == npg.float64


@pytest.mark.parametrize("method", ["bfgs", "newton-cg", "trust-exact", "nelder-mead"])
def test_complex_parameters_are_two_real_ones(quick_device: str, method: str) -> None:
    target = npg.array([1 + 2j, -1j])

    found = minimize(
        lambda x: npg.sum(npg.abs(x - target) ** 2) + npg.real(x[0]),
        npg.zeros_like(target),
        method=method,
    )

    assert found.x.dtype == npg.complex128
    assert np.allclose(found.x.numpy(), [0.5 + 2j, -1j], atol=1e-4)


def test_arguments_are_passed_on(quick_device: str) -> None:
    target = npg.array([3.0, 4.0])

    found = minimize(lambda x, t, k: npg.sum((x - k * t) ** 2), npg.zeros(2), (target, 2))

    assert np.allclose(found.x.numpy(), [6, 8])


@pytest.mark.parametrize("method", ["bfgs", "newton-cg", "trust-exact", "powell"])
def test_compiled_gives_the_same(promised_device: str, method: str) -> None:
    def of(x: Any, scale: Any) -> Any:
        return npg.sum(scale * (x - 1) ** 4 + (x - 1) ** 2)

    scale = npg.array([1.0, 2.0])
    eager = minimize(of, npg.zeros(2), (scale,), method=method)

    found = minimize(of, npg.zeros(2), (scale,), method=method, compiled=True)

    assert np.allclose(found.x.numpy(), eager.x.numpy(), atol=1e-7)
    assert (found.nit, found.nhev) == (eager.nit, eager.nhev)


def test_compiled_runs_the_body_once() -> None:
    calls = []

    def of(x: Any) -> Any:
        calls.append(1)
        return rosenbrock(x)

    found = minimize(of, npg.array(START), compiled=True)

    assert found.nfev > len(calls) == 1


def test_a_function_that_cannot_be_captured_says_where() -> None:
    with pytest.raises(npg.errors.CaptureError, match=r"if x\[0\] > 0"):
        minimize(lambda x: x[0] ** 2 if x[0] > 0 else x[0], npg.ones(1), compiled=True)


def test_lazily_it_finds_the_same() -> None:
    with npg.lazy():
        found = minimize(rosenbrock, npg.array(START), method="newton-cg")
    assert np.allclose(found.x.numpy(), 1, atol=1e-3)


@pytest.mark.parametrize(
    "bounds",
    [
        [(None, 0.5), (None, None), (1.5, 2)],
        (npg.array([-npg.inf, -npg.inf, 1.5]), npg.array([0.5, npg.inf, 2])),
        (np.array([-np.inf, -np.inf, 1.5]), [0.5, None, 2]),
        np.array([(-np.inf, 0.5), (-np.inf, np.inf), (1.5, 2)]),
        scipy.optimize.Bounds([-np.inf, -np.inf, 1.5], [0.5, np.inf, 2]),
    ],
    ids=["pairs", "arrays", "lists", "array", "scipy"],
)
def test_bounds_hold(bounds: Any) -> None:
    expected = scipy.optimize.minimize(
        rosenbrock,
        np.array([0.1, 0.2, 1.6]),
        bounds=[(None, 0.5), (None, None), (1.5, 2)],
        jac=scipy.optimize.rosen_der,
    )

    found = minimize(rosenbrock, npg.array([0.1, 0.2, 1.6]), bounds=bounds)

    assert np.allclose(found.x.numpy(), expected.x)
    assert found.x[0].item() == 0.5


def test_bounds_of_a_structure_are_structures_or_numbers(quick_device: str) -> None:
    start = {"slope": npg.array(0.0), "offset": npg.zeros(2)}

    found = minimize(misfit, start, bounds=({"slope": 0, "offset": npg.zeros(2)}, 1.5))
    free = minimize(misfit, start, bounds=(None, None))

    assert found.x["slope"].item() == 1.5
    assert found.x["offset"][1].item() == 0
    assert round(free.x["slope"].item(), 4) == 2


def test_two_lists_in_a_tuple_are_lower_and_upper_bounds_of_two_elements_too() -> None:
    target = npg.array([9.0, -1.0])

    found = minimize(
        lambda x: npg.sum((x - target) ** 2), npg.array([0.5, 2.0]), bounds=([0.0, 1.0], [2.0, 3.0])
    )
    pairs = minimize(
        lambda x: npg.sum((x - target) ** 2), npg.array([0.5, 2.0]), bounds=[(0.0, 1.0), (2.0, 3.0)]
    )

    assert found.x.tolist() == [2, 1]
    assert pairs.x.tolist() == [1, 2]


def test_a_list_has_a_pair_for_each_element_of_a_structure() -> None:
    start = [npg.array(0.5), npg.array([0.5, 0.5])]

    found = minimize(
        lambda p: (p[0] - 3) ** 2 + npg.sum((p[1] - 3) ** 2),
        start,
        bounds=[(None, 1.0), (0, 2), (0, None)],
    )

    assert found.x[0].item() == 1
    assert np.allclose(found.x[1].numpy(), [2, 3])


@pytest.mark.parametrize("bounds", [{"slope": (None, 1.0), "offset": (0, 1)}, 1.0, "low"])
def test_a_structure_of_pairs_is_refused(bounds: Any) -> None:
    with pytest.raises(TypeError, match=r"tuple \(lower, upper\).*or a list with a pair for each"):
        minimize(misfit, {"slope": 0.0, "offset": npg.ones(2)}, bounds=bounds)


def test_a_tuple_of_pairs_is_refused() -> None:
    """SciPy would take them as pairs, and two of them might as well be lower and upper bounds."""
    with pytest.raises(TypeError, match="Pairs, one for each element, are a list"):
        minimize(lambda x: npg.sum(x**2), npg.ones(2), bounds=((0, 1), (2, 3)))


@pytest.mark.parametrize(
    "bounds",
    [[(0, 1)], [(0,), (1,)], [0.0, 1.0], ({"a": 0.0}, None), ([0.0, 1.0, 2.0], None)],
)
def test_bounds_of_another_structure_are_refused(bounds: Any) -> None:
    with pytest.raises(npg.errors.ShapeError, match="bound"):
        minimize(lambda x: npg.sum(x**2), npg.ones(2), bounds=bounds)


def test_bounds_that_are_no_pair_are_refused() -> None:
    with pytest.raises(TypeError, match="pair"):
        minimize(misfit, {"slope": 0.0, "offset": npg.ones(2)}, bounds=(0.0, 1.0, 2.0))


CONSTRAINED = ("slsqp", "trust-constr", "cobyla", "cobyqa")


@pytest.mark.parametrize("method", [None, *CONSTRAINED])
@pytest.mark.parametrize("kind", ["dict", "scipy", "linear"])
def test_constraints_hold(method: str | None, kind: str) -> None:
    """The point of the line x + y = 2 nearest to the origin, and not left of 1.2."""

    def total(p: Any) -> Any:
        return p["x"] + p["y"]

    constraints: Any = {
        "dict": {"type": "eq", "fun": lambda p: total(p) - 2},
        "scipy": scipy.optimize.NonlinearConstraint(total, 2, 2),
        "linear": scipy.optimize.LinearConstraint(np.ones((1, 2)), 2, 2),
    }[kind]
    beyond = {"type": "ineq", "fun": lambda p, low: p["x"] - low, "args": (1.2,)}

    found = minimize(
        lambda p: p["x"] ** 2 + p["y"] ** 2,
        {"x": 1.0, "y": 3.0},
        method=method,
        constraints=[constraints, beyond],
        options={"maxiter": 500},
    )

    assert abs(found.x["x"].item() - 1.2) < 1e-3
    assert abs(found.x["y"].item() - 0.8) < 1e-3


def test_the_curvature_of_a_constraint_is_exact() -> None:
    """On a circle, what trust-constr needs to converge fast."""
    expected = scipy.optimize.minimize(
        lambda x: -x[0] - 2 * x[1],
        np.array([0.5, 0.5]),
        jac=lambda x: np.array([-1.0, -2.0]),
        hess=lambda x: np.zeros((2, 2)),
        method="trust-constr",
        constraints=scipy.optimize.NonlinearConstraint(
            lambda x: x @ x, 1, 1, jac=lambda x: 2 * x, hess=lambda x, v: 2 * v[0] * np.eye(2)
        ),
    )

    found = minimize(
        lambda x: -x[0] - 2 * x[1],
        npg.array([0.5, 0.5]),
        method="trust-constr",
        constraints=scipy.optimize.NonlinearConstraint(lambda x: npg.sum(x * x), 1, 1),
    )

    assert found.nit == expected.nit
    assert np.allclose(found.x.numpy(), np.array([1, 2]) / np.sqrt(5))


@pytest.mark.parametrize(
    "constraint",
    [{"type": "eq"}, {"type": "less", "fun": abs}, {"type": "eq", "fun": abs, "jac": 1}],
)
def test_a_constraint_that_makes_no_sense_is_refused(constraint: Any) -> None:
    with pytest.raises(ValueError, match="a constraint has 'type'"):
        minimize(misfit, {"slope": 0.0, "offset": npg.ones(2)}, constraints=constraint)


def test_something_else_is_no_constraint() -> None:
    with pytest.raises(TypeError, match="not function"):
        minimize(rosenbrock, npg.array(START), constraints=rosenbrock)


def test_the_callback_sees_the_structure_and_may_stop() -> None:
    seen = []

    def callback(x: Any) -> None:
        seen.append(x)
        if len(seen) == 2:
            raise StopIteration

    found = minimize(misfit, {"slope": 0.0, "offset": npg.ones(2)}, callback=callback)

    assert len(seen) == 2
    assert seen[0]["offset"].shape == (2,)
    assert not found.success


def test_what_scipy_writes_to_is_not_shared() -> None:
    values = np.zeros(2)
    x = placed(Layout(npg.zeros(2), "x"), values)
    values[0] = 1
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_what_the_callback_is_given_stays_what_it_was(method: str) -> None:
    seen = []
    minimize(
        rosenbrock,
        npg.array(START),
        method=method,
        callback=lambda x: seen.append((x, x.tolist())),
    )

    assert len(seen) > 1
    assert all(x.tolist() == values for x, values in seen)


def test_progress_is_a_line_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)

    found = minimize(rosenbrock, npg.array(START), progress=True)
    least_squares(lambda x: x - 1, npg.zeros(2), progress=True)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("\rminimize bfgs: 1, ")
    assert "fun = " in err
    assert "\n\rleast_squares: 1, " in err
    assert err.endswith("\n")
    assert found.success


def test_progress_is_that_of_tqdm_where_it_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Any] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.options, self.done, self.closed, self.note = options, 0, False, ""
            bars.append(self)

        def set_postfix_str(self, note: str, *, refresh: bool) -> None:
            assert not refresh
            self.note = note

        def update(self, amount: float) -> None:
            self.done += amount

        def close(self) -> None:
            self.closed = True

    module = types.ModuleType("tqdm")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", module)

    found = minimize(rosenbrock, npg.array(START), progress=True, options={"maxiter": 100})

    (bar,) = bars
    assert bar.options["desc"] == "minimize bfgs"
    assert bar.options["total"] == 100
    assert bar.done == found.nit
    assert bar.closed
    assert bar.note.startswith("fun = ")
    assert capsys.readouterr() == ("", "")


def test_without_progress_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    minimize(rosenbrock, npg.array(START))

    assert capsys.readouterr() == ("", "")


class TestUndefined:
    @pytest.mark.parametrize("method", METHODS)
    def test_a_start_that_is_nan_is_refused(self, method: str) -> None:
        with pytest.raises(ValueError, match="start"):
            minimize(lambda x: npg.sum(x * npg.nan), npg.array([-1.0, 1.0]), method=method)

    def test_so_is_a_gradient_that_is_infinite(self) -> None:
        with pytest.raises(ValueError, match="gradient of fun is"):
            minimize(lambda x: npg.sum(npg.abs(x) ** 0.5), npg.array([0.0, 1.0]))

    @pytest.mark.parametrize("method", ["bfgs", "cg", "l-bfgs-b", "slsqp", "powell", "nelder-mead"])
    def test_a_nan_at_the_end_is_no_success(self, method: str) -> None:
        def of(x: Any) -> Any:
            return npg.sum(npg.where(npg.abs(x) > 0.4, x * x, npg.nan * x))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy's own
            found = minimize(of, npg.array([1.0, 1.0]), method=method, options={"maxiter": 50})

        assert not np.isnan(found.fun) or not found.success
        if np.isnan(found.fun):
            assert "NaN" in found.message

    @pytest.mark.parametrize("part", ["fun", "jac"])
    def test_not_even_where_scipy_says_so(self, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
        result = scipy.optimize.OptimizeResult(
            x=np.ones(1), fun=1.0, jac=np.ones(1), nfev=1, status=0, success=True, message="done"
        )
        result[part] = result[part] * np.nan
        monkeypatch.setattr(scipy.optimize, "minimize", lambda **_: result)

        found = minimize(rosenbrock, npg.ones(1))

        assert not found.success
        assert "NaN" in found.message


class TestRefused:
    def test_an_unknown_method(self) -> None:
        with pytest.raises(ValueError, match=r"no method 'newton'; it has nelder-mead"):
            minimize(rosenbrock, npg.array(START), method="newton")

    def test_values_that_are_no_scalar(self) -> None:
        for method in ("bfgs", "powell"):
            with pytest.raises(npg.errors.ShapeError, match="least_squares"):
                minimize(lambda x: x**2, npg.array(START), method=method)

    def test_values_that_are_no_array(self) -> None:
        for method in ("bfgs", "powell"):
            with pytest.raises(TypeError, match="not float"):
                minimize(lambda x: 1.0, npg.array(START), method=method)

    def test_complex_values(self) -> None:
        for method in ("bfgs", "powell"):
            with pytest.raises(npg.errors.DTypeError, match="complex128"):
                minimize(lambda x: npg.sum(x) * 1j, npg.array(START), method=method)

    def test_bounds_of_complex_parameters(self) -> None:
        with pytest.raises(npg.errors.DTypeError, match="two arrays"):
            minimize(lambda x: npg.sum(npg.abs(x)), npg.array([1j]), bounds=(0, 1))

    def test_integer_parameters(self) -> None:
        with pytest.raises(npg.errors.DTypeError, match="floating"):
            minimize(rosenbrock, npg.array([1, 2]))

    def test_no_parameters(self) -> None:
        with pytest.raises(npg.errors.ShapeError, match="no array"):
            minimize(rosenbrock, {})

    @pytest.mark.parametrize("function", [minimize, least_squares])
    def test_parameters_without_elements(self, function: Any) -> None:
        with pytest.raises(ValueError, match="x0 of one element or more"):
            function(lambda x: npg.sum(x**2), npg.zeros(0))

    @pytest.mark.parametrize("function", [minimize, least_squares])
    def test_arguments_that_are_no_tuple(self, function: Any) -> None:
        with pytest.raises(TypeError, match=r"args=\(a,\), not Array"):
            function(lambda x, a: npg.sum(a * x**2), npg.ones(1), npg.array(2.0))
        rule = {"type": "eq", "fun": lambda x, a: x - a, "args": npg.array(2.0)}
        with pytest.raises(TypeError, match=r"args are a tuple, \(a,\), not Array"):
            minimize(lambda x: npg.sum(x**2), npg.ones(1), constraints=rule)

    @pytest.mark.parametrize("method", ["bfgs", "powell", "newton-cg"])
    def test_a_derivative_through_the_result(self, method: str) -> None:
        def minimum(a: Any) -> Any:
            return npg.sum(minimize(lambda x: npg.sum((x - a) ** 2), npg.ones(1), method=method).x)

        with pytest.raises(npg.errors.DerivativeError, match=r"npg\.root"):
            npg.grad(minimum)(npg.array(2.0))

    def test_but_not_under_no_grad(self) -> None:
        a = npg.array(2.0, requires_grad=True)

        with npg.no_grad():
            found = minimize(lambda x: npg.sum((x - a) ** 2), npg.ones(1))

        assert round(found.x.item(), 5) == 2

    def test_a_tracked_start_is_a_start(self) -> None:
        start = npg.ones(1)
        start.requires_grad = True

        assert not minimize(lambda x: npg.sum(x**2), start).x.requires_grad

    def test_scipy_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "scipy.optimize", None)
        for function in (minimize, least_squares):
            with pytest.raises(npg.errors.BackendError, match=r"pip install 'numpygrad\[opt"):
                function(rosenbrock, npg.array(START))


class TestLeastSquares:
    def residuals(self, p: Any) -> Any:
        return {"line": p["a"] * npg.arange(4.0) + p["b"] - 1, "prior": p["a"] - 1}

    @pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_solution_of_the_normal_equations(self, method: str, compiled: bool) -> None:
        start = {"a": npg.array(0.0), "b": npg.array(0.5)}
        matrix = np.array([[0, 1], [1, 1], [2, 1], [3, 1], [1, 0.0]])
        expected = np.linalg.lstsq(matrix, np.ones(5))[0]

        found = least_squares(self.residuals, start, method=method, compiled=compiled)

        assert found.success
        assert np.allclose([found.x["a"].item(), found.x["b"].item()], expected)
        assert np.allclose(found.jac.numpy(), matrix)
        assert np.allclose(found.fun["line"].numpy(), (matrix @ expected - 1)[:4])
        assert np.isclose(found.cost, np.sum((matrix @ expected - 1) ** 2) / 2)
        assert abs(found.grad["a"].item()) < 1e-6

    def test_scipy_with_differences_agrees(self) -> None:
        rng = np.random.default_rng(1)
        x = rng.random(30)
        y = 2 * np.exp(-3 * x) + 0.01 * rng.standard_normal(30)
        xs, ys = npg.asarray(x), npg.asarray(y)

        found = least_squares(
            lambda p: p[0] * npg.exp(-p[1] * xs) - ys, npg.ones(2), loss="soft_l1", f_scale=0.1
        )
        expected = scipy.optimize.least_squares(
            lambda p: p[0] * np.exp(-p[1] * x) - y, np.ones(2), loss="soft_l1", f_scale=0.1
        )

        assert np.allclose(found.x.numpy(), expected.x, rtol=1e-5)

    def test_more_parameters_than_residuals(self) -> None:
        found = least_squares(lambda x: npg.sum(x**2) - 1, npg.array([0.5, 0.5, 0.1]))

        assert found.jac.shape == (1, 3)
        assert np.isclose(np.sum(found.x.numpy() ** 2), 1)

    def test_bounds_hold_and_float32_stays(self, device: str) -> None:
        start = npg.array([0.5, 0.5], dtype=npg.float32)

        found = least_squares(lambda x: x - 2, start, bounds=(None, 1.0), ftol=1e-4, xtol=1e-4)

        assert found.x.dtype == npg.float32
        assert np.allclose(found.x.numpy(), 1, atol=1e-2)

    def test_complex_residuals_are_two_real_ones(self) -> None:
        found = least_squares(lambda x: x * (1 + 1j) - 2j, npg.ones(1, dtype=npg.complex64))

        assert found.x.dtype == npg.complex64
        assert np.allclose(found.x.numpy(), 1 + 1j)
        assert np.allclose(found.jac.numpy(), [[1, -1], [1, 1]])

    @pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
    def test_residuals_may_write_to_their_argument(self, method: str) -> None:
        def residuals(x: Any) -> Any:
            x *= 2
            return x - 2

        found = least_squares(residuals, npg.zeros(2), method=method)

        assert np.allclose(found.x.numpy(), 1)
        assert np.allclose(found.jac.numpy(), 2 * np.eye(2))

    def test_tracked_residuals_are_refused(self) -> None:
        a = npg.array(2.0, requires_grad=True)
        with pytest.raises(npg.errors.DerivativeError, match="residuals depends on tracked"):
            least_squares(lambda x: x - a, npg.ones(2))
