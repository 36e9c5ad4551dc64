"""`root` and `fixed_point`: solutions, and their derivatives by the implicit function theorem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._equations.iterations import anderson, gmres, newton
from numpygrad.errors import CaptureError, ConvergenceError, DerivativeError
from numpygrad.testing import check_grads

LINEAR = ("dense", "iterative")


def power(x: Any, a: Any, exponent: int = 2) -> Any:
    """Zero at a root of `a`."""
    return x**exponent - a


def coupled(x: Any, a: Any, b: Any) -> Any:
    """Three equations with one solution near 0."""
    return x + npg.tanh(npg.matmul(a, x)) * 0.5 - npg.sin(b)


def contraction(x: Any, a: Any, b: Any) -> Any:
    """A map that brings points nearer to each other."""
    return 0.5 * npg.tanh(npg.matmul(a, x)) + b


@pytest.fixture
def matrix(rng: np.random.Generator) -> Any:
    return rng.standard_normal((3, 3)) * 0.7


@pytest.fixture
def vector(rng: np.random.Generator) -> Any:
    return rng.standard_normal(3) * 0.7


class TestRoot:
    @pytest.mark.parametrize("linear", LINEAR)
    def test_value_and_derivatives_of_a_square_root(self, device: str, linear: Any) -> None:
        def of(a: Any) -> Any:
            return npg.root(power, npg.ones(()), a, linear=linear)

        a = npg.array(2.0)
        first, second = npg.grad(of), npg.grad(npg.grad(of))
        tangent = npg.jvp(first, (a,), (npg.array(1.0),))[1]

        assert np.isclose(of(a).numpy(), 2**0.5, rtol=1e-15)
        assert np.isclose(first(a).numpy(), 0.5 * 2**-0.5, rtol=1e-12)
        assert np.isclose(second(a).numpy(), -0.25 * 2**-1.5, rtol=1e-12)
        assert np.isclose(tangent.numpy(), -0.25 * 2**-1.5, rtol=1e-12)
        assert np.isclose(npg.grad(second)(a).numpy(), 0.375 * 2**-2.5, rtol=1e-11)

    @pytest.mark.parametrize("linear", LINEAR)
    def test_derivatives_agree_with_differences(
        self, quick_device: str, linear: Any, matrix: Any, vector: Any
    ) -> None:
        check_grads(
            lambda a, b: npg.root(coupled, npg.zeros(3), a, b, linear=linear),
            [matrix, vector],
            device=quick_device,
        )

    def test_the_third_derivative_does_too(self, vector: Any) -> None:
        check_grads(
            lambda b: npg.root(coupled, npg.zeros(3), 0.5 * npg.eye(3), b), [vector], order=3
        )

    def test_structures_of_unknowns_and_arguments(self, quick_device: str) -> None:
        def equations(x: Any, given: Any) -> Any:
            return {
                "u": x["u"] ** 2 - given["a"] * x["v"][0],
                "v": (x["v"][0] - given["a"] - given["b"],),
            }

        def of(given: Any) -> Any:
            x = npg.root(equations, {"u": npg.ones(2), "v": (npg.ones(()),)}, given)
            return npg.sum(x["u"]) + x["v"][0]

        given = {"a": npg.array(2.0), "b": npg.array(6.0)}
        gradient = npg.grad(of)(given)

        assert np.isclose(of(given).numpy(), 2 * 4 + 8)
        assert np.isclose(gradient["a"].numpy(), 2 * 10 / 8 + 1)  # of 2 sqrt(a (a + b)) + a + b
        assert np.isclose(gradient["b"].numpy(), 2 * 2 / 8 + 1)

    def test_float32_stays_float32(self, quick_device: str) -> None:
        a = npg.array([2.0, 3.0], dtype=npg.float32)

        x, pullback = npg.vjp(lambda a: npg.root(power, npg.ones_like(a), a), a)
        (gradient,) = pullback(npg.ones_like(a))

        assert x.dtype == gradient.dtype == npg.float32
        assert np.allclose(x.numpy(), [2**0.5, 3**0.5], rtol=1e-6)
        assert np.allclose(gradient.numpy(), [0.5 * 2**-0.5, 0.5 * 3**-0.5], rtol=1e-6)

    @pytest.mark.parametrize("linear", LINEAR)
    def test_complex_unknowns(self, quick_device: str, linear: Any) -> None:
        """Also where the function is not holomorphic."""

        def equations(x: Any, a: Any) -> Any:
            return x**2 + 0.1 * npg.conj(x) * a - a

        start, a = npg.array([1 + 1j, 2 - 1j]), npg.array([1 + 2j, 3 - 1j])
        found = npg.root(equations, start, a)
        assert found.dtype == npg.complex128
        assert np.allclose(equations(found, a).numpy(), 0, atol=1e-12)
        check_grads(
            lambda a: npg.root(equations, start, a, linear=linear),
            [np.array([1 + 2j, 3 - 1j])],
            device=quick_device,
        )

    def test_real_unknowns_of_a_complex_argument(self) -> None:
        check_grads(
            lambda a: npg.root(lambda x, a: x**2 - npg.abs(a) ** 2, npg.ones(1), a),
            [np.array([1 + 2j])],
        )

    def test_the_start_has_no_part_in_the_derivative(self) -> None:
        slope = npg.grad(lambda x0: npg.root(power, x0, npg.array(4.0)))(npg.array(1.0))

        assert slope.item() == 0

    def test_arguments_that_are_no_arrays_pass(self) -> None:
        a = npg.array(8.0)

        assert np.isclose(npg.root(power, npg.array(1.0), a, 3).numpy(), 2)
        assert np.isclose(npg.root(power, npg.array(1.0), 8.0, 3).numpy(), 2)
        gradient = npg.grad(lambda a: npg.root(power, npg.array(1.0), a, 3))(a)
        assert np.isclose(gradient.numpy(), 1 / 12)

    def test_backward_reaches_leaves(self) -> None:
        a = npg.array(4.0, requires_grad=True)

        npg.root(power, npg.array(1.0), a).backward()

        assert np.isclose(a.grad.numpy(), 0.25)

    def test_an_argument_overwritten_before_backward_is_an_error(self) -> None:
        a = npg.array([4.0], requires_grad=True)
        b = a * 1
        x = npg.root(power, npg.ones(1), b).sum()
        b[0] = 9.0

        with pytest.raises(npg.errors.VersionError, match="root"):
            x.backward()

    def test_the_minimum_of_a_function_is_the_root_of_its_gradient(self) -> None:
        def energy(x: Any, k: Any) -> Any:
            return npg.sum(npg.cosh(x) - k * x)

        check_grads(lambda k: npg.root(npg.grad(energy), npg.zeros(2), k), [np.array([0.3, -0.4])])

    def test_a_function_may_take_derivatives_inside(self) -> None:
        """One that makes nodes for arrays that are not tracked."""

        def equations(x: Any, a: Any) -> Any:
            return npg.vjp(lambda y: npg.sin(y) * a, npg.array([0.5, 0.3]))[1](x)[0] - 1.0

        check_grads(lambda a: npg.root(equations, npg.ones(2), a), [np.array([2.0, 3.0])])

    @pytest.mark.parametrize("linear", LINEAR)
    def test_lazily(self, linear: Any, matrix: Any, vector: Any) -> None:
        expected = npg.root(coupled, npg.zeros(3), npg.array(matrix), npg.array(vector))
        with npg.lazy():
            check_grads(
                lambda a, b: npg.root(coupled, npg.zeros(3), a, b, linear=linear),
                [matrix, vector],
                order=1,
            )
            found = npg.root(coupled, npg.zeros(3), npg.array(matrix), npg.array(vector))
        assert np.allclose(found.numpy(), expected.numpy(), rtol=1e-12)

    def test_the_function_may_write_to_what_it_is_given(self, device: str) -> None:
        def doubled(x: Any, a: Any) -> Any:
            x *= 2
            return x - a

        def averaged(x: Any, a: Any) -> Any:
            x += a
            return x / 2

        for function, find in ((doubled, npg.root), (averaged, npg.fixed_point)):
            x, pullback = npg.vjp(
                lambda a, f=function, find=find: find(f, npg.ones(1), a), npg.array([6.0])
            )
            slope = pullback(npg.ones(1))[0]
            assert np.isclose(x.item(), 3 if find is npg.root else 6)
            assert np.isclose(slope.item(), 0.5 if find is npg.root else 1)

    def test_a_steep_function_needs_shortened_steps(self) -> None:
        found = npg.root(lambda x: npg.tanh(5 * x) - 0.5, npg.array(1.0))

        assert np.isclose(found.numpy(), np.arctanh(0.5) / 5)


class TestFixedPoint:
    @pytest.mark.parametrize("linear", LINEAR)
    def test_derivatives_agree_with_differences(
        self, quick_device: str, linear: Any, matrix: Any, vector: Any
    ) -> None:
        check_grads(
            lambda a, b: npg.fixed_point(contraction, npg.zeros(3), a, b, linear=linear),
            [matrix, vector],
            device=quick_device,
        )

    def test_a_linear_map_has_a_closed_form(self, device: str, matrix: Any, vector: Any) -> None:
        shrunk = 0.3 * matrix
        a, b = npg.array(shrunk), npg.array(vector)

        def of(a: Any, b: Any) -> Any:
            return npg.fixed_point(lambda x, a, b: npg.matmul(a, x) + b, npg.zeros(3), a, b)

        inverse = np.linalg.inv(np.eye(3) - shrunk)
        slope_a, slope_b = npg.grad(lambda a, b: npg.sum(of(a, b)), (0, 1))(a, b)

        assert np.allclose(of(a, b).numpy(), inverse @ vector, rtol=1e-11)
        assert np.allclose(slope_b.numpy(), inverse.sum(axis=0), rtol=1e-11)
        expected = np.outer(inverse.sum(axis=0), inverse @ vector)
        assert np.allclose(slope_a.numpy(), expected, rtol=1e-10)

    @pytest.mark.parametrize("acceleration", [0, 1, 5])
    def test_acceleration_changes_the_way_but_not_the_result(self, acceleration: int) -> None:
        found = npg.fixed_point(npg.cos, npg.array(1.0), acceleration=acceleration)

        assert np.isclose(found.numpy(), 0.7390851332151607, rtol=1e-11)

    def test_acceleration_takes_fewer_evaluations(self) -> None:
        counts = []
        for acceleration in (0, 5):
            calls: list[int] = []

            def counted(x: Any, calls: list[int] = calls) -> Any:
                calls.append(1)
                return npg.cos(x) * npg.array([0.99, 0.8])

            npg.fixed_point(counted, npg.zeros(2), acceleration=acceleration)
            counts.append(len(calls))

        assert counts[1] < counts[0] / 3

    def test_acceleration_finds_a_point_that_repels(self) -> None:
        found = npg.fixed_point(lambda x: 3 - 2 * x, npg.array([0.0]))

        assert np.isclose(found.item(), 1)

    def test_many_unknowns_take_no_matrix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("a Jacobian was formed")

        monkeypatch.setattr("numpygrad._equations.equation.jacobian", refuse)
        count = 3000

        def diffusion(x: Any, source: Any) -> Any:
            return 0.3 * (npg.roll(x, 1) + npg.roll(x, -1)) + npg.sin(source)

        source = npg.linspace(0.0, 1.0, count)

        def of(s: Any) -> Any:
            return npg.fixed_point(diffusion, npg.zeros(count), s)

        gradient = npg.grad(lambda s: npg.sum(of(s)))(source)
        tangent = npg.jvp(of, (source,), (npg.ones(count),))[1]
        second = npg.grad(lambda s: npg.sum(npg.grad(lambda s: npg.sum(of(s) ** 2))(s)))(source)

        # Constants are multiplied by 1 / (1 - 0.6).
        assert np.allclose(gradient.numpy(), np.cos(source.numpy()) * 2.5)
        inverse = np.linalg.inv(
            np.eye(50) - 0.3 * (np.roll(np.eye(50), 1, axis=0) + np.roll(np.eye(50), -1, axis=0))
        )
        assert np.isclose(tangent.numpy().sum(), np.cos(source.numpy()).sum() * 2.5)
        assert inverse.sum(axis=0)[0] == pytest.approx(2.5)
        assert second.shape == (count,)

    def test_complex_unknowns(self, quick_device: str) -> None:
        a = npg.array([0.3 + 0.2j, -0.4j])
        found = npg.fixed_point(lambda z, a: 0.3 * npg.conj(z) ** 2 + a, npg.zeros(2) * 1j, a)
        assert np.allclose((0.3 * npg.conj(found) ** 2 + a).numpy(), found.numpy(), rtol=1e-10)
        check_grads(
            lambda a: npg.fixed_point(
                lambda z, a: 0.3 * npg.conj(z) ** 2 + a, npg.zeros(2) * 1j, a
            ),
            [np.array([0.3 + 0.2j, -0.4j])],
            device=quick_device,
        )

    def test_structures_and_float32(self, quick_device: str) -> None:
        a = npg.array(0.5, dtype=npg.float32)

        def of(a: Any) -> Any:
            x = npg.fixed_point(lambda x, a: (a * x[1], npg.cos(x[0])), (a, a), a)
            return x[0]

        value, slope = npg.value_and_grad(of)(a)

        exact = value.numpy().astype(float)
        assert value.dtype == slope.dtype == npg.float32
        assert np.isclose(exact, 0.5 * np.cos(exact), rtol=1e-5)
        assert np.isclose(slope.numpy(), np.cos(exact) / (1 + 0.5 * np.sin(exact)), rtol=1e-4)


class TestSolvers:
    def test_a_solver_is_given_the_function_of_x_alone(self, quick_device: str) -> None:
        def bisection(f: Any, x0: Any) -> Any:
            low, high = x0, x0 + 4
            for _ in range(60):
                middle = (low + high) / 2
                right = npg.where(f(middle) > 0, 1.0, 0.0)
                low, high = low * right + middle * (1 - right), middle * right + high * (1 - right)
            return (low + high) / 2

        def of(a: Any) -> Any:
            return npg.root(power, npg.zeros(2), a, solver=bisection)

        check_grads(of, [np.array([2.0, 9.0])], device=quick_device)
        assert np.allclose(of(npg.array([2.0, 9.0])).numpy(), [2**0.5, 3])

    def test_nothing_of_it_is_recorded(self) -> None:
        def solver(f: Any, x0: Any) -> Any:
            assert not npg.is_grad_enabled()
            return x0

        found = npg.grad(lambda a: npg.root(power, npg.array(2.0), a, solver=solver))(
            npg.array(4.0)
        )

        assert np.isclose(found.numpy(), 0.25)

    def test_what_is_no_solution_is_an_error(self) -> None:
        with pytest.raises(ConvergenceError, match="off by about"):
            npg.root(power, npg.array(1.0), npg.array(4.0), solver=lambda f, x: x)
        with pytest.raises(ConvergenceError, match="off by about"):
            npg.fixed_point(npg.cos, npg.array(1.0), solver=lambda f, x: f(x))

    def test_unless_the_tolerance_allows_it(self) -> None:
        found = npg.root(power, npg.array(1.9), npg.array(4.0), solver=lambda f, x: x, tol=0.1)

        assert found.item() == 1.9

    def test_another_structure_is_an_error(self) -> None:
        with pytest.raises(npg.errors.ShapeError, match="what the solver gave"):
            npg.root(power, npg.array(1.0), npg.array(4.0), solver=lambda f, x: (x,))


def few_steps(f: Any, x: Any) -> Any:
    """Newton's method for `power`, a fixed number of steps."""
    for _ in range(8):
        x = x - f(x) / (2 * x)
    return x


class TestCompiled:
    def test_a_solver_of_fixed_length_is_captured(self, promised_device: str) -> None:
        def of(a: Any) -> Any:
            return npg.sum(npg.root(power, npg.ones(2), a, solver=few_steps) ** 3)

        a = npg.array([2.0, 3.0])
        for function in (of, npg.grad(of), npg.grad(lambda a: npg.sum(npg.grad(of)(a) ** 2))):
            expected = function(a)
            captured = npg.compile(function)
            assert np.allclose(captured(a).numpy(), expected.numpy(), rtol=1e-12)
            assert np.allclose(captured(a * 1.5).numpy(), function(a * 1.5).numpy(), rtol=1e-12)

    def test_what_is_no_solution_becomes_nan(self) -> None:
        captured = npg.compile(lambda a: npg.root(power, npg.ones(2), a, solver=few_steps))

        found = captured(npg.array([4.0, 1e12]))

        assert np.isnan(found.numpy()).all()

    @pytest.mark.parametrize("function", [npg.root, npg.fixed_point])
    def test_the_solvers_that_look_at_values_are_refused(self, function: Any) -> None:
        captured = npg.compile(lambda a: function(power, npg.ones(2), a))

        with pytest.raises(CaptureError, match="solver="):
            captured(npg.array([2.0, 3.0]))

    def test_so_are_iterative_linear_systems(self) -> None:
        captured = npg.compile(
            npg.grad(
                lambda a: npg.sum(
                    npg.fixed_point(
                        lambda x, a: (x + a / x) / 2,
                        npg.ones(2),
                        a,
                        solver=lambda f, x: f(f(f(f(f(f(x)))))),
                        linear="iterative",
                    )
                )
            )
        )

        with pytest.raises(CaptureError, match="linear='dense'"):
            captured(npg.array([2.0, 3.0]))


class TestMapped:
    """Inside `vmap`, which `jacobian` and `hessian` use."""

    @pytest.mark.parametrize("linear", LINEAR)
    def test_jacobians_and_hessians(self, linear: Any, matrix: Any, vector: Any) -> None:
        a, b = npg.array(matrix), npg.array(vector)

        def of(b: Any) -> Any:
            return npg.root(coupled, npg.zeros(3), a, b, linear=linear)

        x = of(b).numpy()
        inner = np.eye(3) + 0.5 * (1 / np.cosh(matrix @ x) ** 2)[:, None] * matrix
        exact = np.linalg.solve(inner, np.diag(np.cos(vector)))
        for mode in ("reverse", "forward"):
            assert np.allclose(npg.jacobian(of, mode=mode)(b).numpy(), exact, rtol=1e-9)
        slope = npg.grad(lambda b: npg.sum(of(b) ** 2))
        columns = [npg.jvp(slope, (b,), (e,))[1].numpy() for e in npg.eye(3)]
        hessian = npg.hessian(lambda b: npg.sum(of(b) ** 2))(b)
        assert np.allclose(hessian.numpy(), columns, rtol=1e-9)

    @pytest.mark.parametrize("linear", LINEAR)
    @pytest.mark.parametrize("function", [npg.root, npg.fixed_point])
    def test_each_example_is_solved(self, quick_device: str, function: Any, linear: Any) -> None:
        def of(a: Any) -> Any:
            step = power if function is npg.root else (lambda x, a: (x + a / x) / 2)
            return function(step, npg.ones(()), a, linear=linear)

        a = npg.array([2.0, 3.0, 4.0])
        exact = np.sqrt(a.numpy())

        assert np.allclose(npg.vmap(of)(a).numpy(), exact)
        assert np.allclose(npg.vmap(npg.grad(of))(a).numpy(), 0.5 / exact)
        outside = npg.grad(lambda a: npg.sum(npg.vmap(of)(a) ** 3))(a)
        assert np.allclose(outside.numpy(), 1.5 * exact)
        second = npg.grad(lambda a: npg.sum(npg.vmap(npg.grad(of))(a)))(a)
        assert np.allclose(second.numpy(), -0.25 / exact**3)
        nested = npg.vmap(npg.vmap(of))(npg.stack([a, 4 * a]))
        assert np.allclose(nested.numpy(), [exact, 2 * exact])

    def test_none_at_all(self) -> None:
        found = npg.vmap(lambda a: npg.root(power, npg.ones(2), a))(npg.zeros((0, 2)))
        assert found.shape == (0, 2)

    def test_a_function_that_closes_over_an_example_is_refused(self) -> None:
        with pytest.raises(CaptureError, match="Pass it as an argument"):
            npg.vmap(lambda a: npg.root(lambda x: x**2 - a, npg.ones(())))(npg.array([2.0, 3.0]))

    def test_one_that_closes_over_others_is_not(self) -> None:
        two = npg.array(2.0)
        found = npg.vmap(lambda a: npg.root(lambda x, a: x**two - a * two, npg.ones(()), a))(
            npg.array([2.0, 8.0])
        )
        assert np.allclose(found.numpy(), [2, 4])


class TestRefused:
    @pytest.mark.parametrize("function", [npg.root, npg.fixed_point])
    @pytest.mark.parametrize("linear", LINEAR)
    def test_closing_over_what_is_tracked(self, function: Any, linear: Any) -> None:
        def of(a: Any) -> Any:
            return function(lambda x: npg.cos(x) * a, npg.array(1.0), linear=linear)

        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            npg.grad(of)(npg.array(0.5))
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            npg.jvp(of, (npg.array(0.5),), (npg.array(1.0),))

    def test_closing_over_it_beside_a_tracked_argument(self) -> None:
        b = npg.array(1.0, requires_grad=True)
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            npg.grad(lambda a: npg.root(lambda x, a: x - a * b, npg.array(1.0), a))(npg.array(0.5))

    def test_but_not_under_no_grad(self) -> None:
        a = npg.array(4.0, requires_grad=True)

        with npg.no_grad():
            found = npg.root(lambda x: x**2 - a, npg.array(1.0))

        assert np.isclose(found.numpy(), 2)
        assert not found.requires_grad

    @pytest.mark.parametrize("start", [0.0, 1e-300])
    def test_a_singular_jacobian_has_no_derivative(self, quick_device: str, start: float) -> None:
        def of(a: Any) -> Any:
            return npg.root(
                lambda x, a: npg.stack([x[0] + x[1], 2 * x[0] + 2 * x[1] + a * x[0] ** 2]),
                npg.array([start, 0.0]),
                a,
                solver=lambda f, x: x * 0,
            )

        a = npg.array(1.0)
        with pytest.raises((DerivativeError, ConvergenceError), match="singular"):
            npg.grad(lambda a: npg.sum(of(a)))(a)
        with pytest.raises((DerivativeError, ConvergenceError), match="singular"):
            npg.jvp(of, (a,), (a,))

    def test_so_has_one_that_is_singular_but_for_rounding(self) -> None:
        matrix = npg.array([[0.1, 0.3], [0.3, 0.9]])
        assert np.linalg.det(matrix.numpy()) != 0

        def of(b: Any) -> Any:
            return npg.root(
                lambda x, b: npg.matmul(matrix, x) - b, npg.zeros(2), b, solver=lambda f, x: x
            )

        with pytest.raises(DerivativeError, match="singular at the solution"):
            npg.jvp(of, (npg.zeros(2),), (npg.ones(2),))

    def test_a_singular_linear_system_of_a_fixed_point(self) -> None:
        """x = x + a (x - x): every x is one."""
        for linear in LINEAR:
            with pytest.raises((DerivativeError, ConvergenceError), match="singular"):
                npg.grad(
                    lambda a, linear=linear: npg.fixed_point(
                        lambda x, a: x + a * 0, npg.array(1.0), a, linear=linear
                    )
                )(npg.array(0.0))

    def test_a_double_root(self) -> None:
        with pytest.raises(ConvergenceError, match="singular Jacobian"):
            npg.root(lambda x: x**2, npg.array(1.0))

    def test_no_root(self) -> None:
        with pytest.raises(ConvergenceError, match="root"):
            npg.root(lambda x: x**2 + 1, npg.array(1.0))

    def test_a_singular_jacobian_on_the_way(self) -> None:
        with pytest.raises(ConvergenceError, match="Jacobian is singular"):
            npg.root(lambda x: x**2 - 1, npg.array(0.0))

    def test_no_fixed_point(self) -> None:
        with pytest.raises(ConvergenceError, match="no convergence in 50 iterations"):
            npg.fixed_point(lambda x: x + 1, npg.array(1.0), maxiter=50)

    def test_values_that_are_not_finite(self) -> None:
        with pytest.raises(ConvergenceError, match="not finite at the start"):
            npg.root(lambda x: x * npg.nan, npg.array(1.0))
        with pytest.raises(ConvergenceError, match="not finite"):
            npg.fixed_point(lambda x: x * npg.nan, npg.array(1.0))

    def test_other_shapes_dtypes_and_structures(self) -> None:
        with pytest.raises(npg.errors.ShapeError, match=r"array 0 of function\(x\) has shape"):
            npg.root(lambda x: x[:1], npg.ones(2))
        with pytest.raises(npg.errors.ShapeError, match=r"function\(x\) has the structure"):
            npg.root(lambda x: (x,), npg.ones(2))
        with pytest.raises(npg.errors.DTypeError, match="is real, not complex128"):
            npg.root(lambda x: x * 1j, npg.ones(2))
        with pytest.raises(npg.errors.DTypeError, match="floating arrays"):
            npg.root(lambda x: x, npg.array([1]))
        with pytest.raises(TypeError, match="not str"):
            npg.root(lambda x: x, "start")

    @pytest.mark.parametrize("function", [npg.root, npg.fixed_point])
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tol": -1.0}, "finite and more than 0, not -1"),
            ({"tol": 0.0}, "more than 0"),
            ({"tol": npg.nan}, "not nan"),
            ({"tol": npg.inf}, "finite"),
            ({"maxiter": 0}, "maxiter=1 or more, not 0"),
        ],
    )
    def test_options_that_make_no_sense(self, function: Any, options: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            function(npg.cos, npg.array(1.0), **options)

    def test_an_acceleration_below_0(self) -> None:
        with pytest.raises(ValueError, match="acceleration=0 or more steps, not -1"):
            npg.fixed_point(npg.cos, npg.array(1.0), acceleration=-1)

    def test_an_unknown_linear_solver(self) -> None:
        with pytest.raises(ValueError, match="not 'cg'"):
            npg.root(power, npg.array(1.0), 2.0, linear="cg")


class TestIterations:
    @pytest.mark.parametrize(("size", "dtype"), [(1, "float64"), (8, "float32"), (60, "float64")])
    def test_gmres_solves_also_after_restarts(
        self, quick_device: str, size: int, dtype: str
    ) -> None:
        rng = np.random.default_rng(size)
        matrix = np.eye(size) + rng.standard_normal((size, size)) / (1.1 * size**0.5)
        right = rng.standard_normal(size)
        a, b = npg.array(matrix, dtype=dtype), npg.array(right, dtype=dtype)
        tol = 1e-11 if dtype == "float64" else 1e-5

        found = gmres(lambda v: npg.matmul(a, v), b, tol=tol, maxiter=1000, what="it")

        left = np.linalg.norm(matrix @ found.numpy() - right) / np.linalg.norm(right)
        assert left <= 20 * tol

    def test_gmres_keeps_its_vectors_orthogonal(self) -> None:
        """Of a matrix of condition 1e7, where they would not stay so by themselves."""
        rng = np.random.default_rng(0)
        basis = np.linalg.qr(rng.standard_normal((40, 40)))[0]
        matrix = npg.array(basis @ np.diag(np.logspace(0, 7, 40)))
        right = npg.array(rng.standard_normal(40))
        products = []

        def product(v: Any) -> Any:
            products.append(v)
            return npg.matmul(matrix, v)

        gmres(product, right, tol=1e-9, maxiter=1000, what="it")

        first = np.stack([v.numpy() for v in products[:40]])
        assert np.allclose(first @ first.T, np.eye(40), atol=1e-12)

    def test_gmres_of_zero_is_zero(self) -> None:
        assert gmres(lambda v: v, npg.zeros(3), tol=1e-9, maxiter=9, what="it").tolist() == [0] * 3

    @pytest.mark.parametrize(("maxiter", "taken"), [(3, 4), (10000, 51)])
    def test_gmres_says_when_it_does_not_converge(self, maxiter: int, taken: int) -> None:
        """A shift of 200 elements, whose residual does not move for as many products."""
        right = npg.zeros(200)
        right[0] = 1.0
        left = f"GMRES left 1 of the right side .* after {taken} products"
        with pytest.raises(ConvergenceError, match=left):
            gmres(lambda v: npg.roll(v, 1), right, tol=1e-9, maxiter=maxiter, what="it")

    def test_gmres_refuses_nan(self) -> None:
        with pytest.raises(ConvergenceError, match="not finite"):
            gmres(lambda v: v * npg.nan, npg.ones(3), tol=1e-9, maxiter=9, what="it")

    def test_newton_takes_its_last_step(self) -> None:
        """The square of the tolerance, not the tolerance, is what is left."""
        found = newton(
            lambda x: x**2 - 2, lambda x, y: y / (2 * x), npg.array([1.0]), tol=1e-5, maxiter=9
        )

        assert abs(found.item() - 2**0.5) < 1e-10

    def test_anderson_starts_anew_where_it_went_astray(self) -> None:
        """A function that is undefined where extrapolation leads."""
        seen = []

        def function(x: Any) -> Any:
            seen.append(x.item())
            return npg.where(x > 3.0, npg.nan, 0.9 * x + 0.05 * npg.sin(40 * x))

        found = anderson(function, npg.array([2.9]), depth=3, tol=1e-10, maxiter=2000)

        assert abs(found.item() - function(found).item()) < 1e-9
