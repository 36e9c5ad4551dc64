"""`odeint`: solutions of differential equations, and gradients through steps and by the adjoint."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import numpygrad as npg
from numpygrad._equations import runge_kutta
from numpygrad.errors import CaptureError, ConvergenceError, DerivativeError
from numpygrad.testing import check_grads

TIMES = np.array([0.0, 0.3, 1.0, 1.7])
START = np.array([1.0, 0.5])
RATES = np.array([1.0, 0.8, 0.6, 0.9])
TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}
WAYS: dict[str, dict[str, Any]] = {
    "dopri5": {},
    "dopri5-adjoint": {"adjoint": True, **TIGHT},
    "rk4": {"method": "rk4", "steps_between": 3},
    "rk4-adjoint": {"method": "rk4", "steps_between": 40, "adjoint": True},
}


def hunt(y: Any, t: Any, p: Any) -> Any:
    """Two species in the course of the seasons."""
    u, v = y[0], y[1]
    return npg.stack([p[0] * u - p[1] * u * v, -p[2] * v + p[3] * u * v * npg.cos(t)])


def hunt_numpy(t: float, y: Any) -> Any:
    p = RATES
    return np.array(
        [p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1] * np.cos(t)]
    )


def decay(y: Any, t: Any, rate: Any = 1.0) -> Any:
    return -rate * y


class TestValues:
    @pytest.mark.parametrize("adjoint", [False, True])
    def test_scipy_agrees(self, quick_device: str, adjoint: bool) -> None:
        expected = scipy.integrate.solve_ivp(
            hunt_numpy, (0, 1.7), START, t_eval=TIMES, rtol=1e-11, atol=1e-13
        ).y.T

        found = npg.odeint(
            hunt, npg.array(START), npg.array(TIMES), npg.array(RATES), adjoint=adjoint
        )

        assert found.shape == (4, 2)
        assert np.allclose(found.numpy(), expected, rtol=1e-5)

    @pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
    def test_the_error_is_about_the_tolerance(self, tolerance: float) -> None:
        t = npg.linspace(0.0, 5.0, 300)

        y = npg.odeint(
            lambda y, t: npg.stack([y[1], -y[0]]),
            npg.array([0.0, 1.0]),
            t,
            rtol=tolerance,
            atol=tolerance,
        )

        error = np.abs(y.numpy()[:, 0] - np.sin(t.numpy())).max()
        assert tolerance / 1000 < error < 20 * tolerance

    def test_steps_that_turn_out_too_long_are_taken_again(self) -> None:
        """Nothing happens until t = 1, so that steps are long by then."""

        def late(y: Any, t: Any) -> Any:
            return npg.where(t < 1, 0.0, 100 * npg.cos(100 * (t - 1))) * npg.ones(1)

        found = npg.odeint(late, npg.array([1.0]), [0.0, 2.0])[-1]

        assert np.isclose(found.item(), 1 + np.sin(100), rtol=1e-4)

    def test_as_many_evaluations_as_scipy_takes(self) -> None:
        """Of the same pair of methods: within a third."""
        calls = []

        def counted(y: Any, t: Any) -> Any:
            calls.append(1)
            return hunt(y, t, npg.array(RATES))

        npg.odeint(counted, npg.array(START), npg.array([0.0, 20.0]), rtol=1e-8, atol=1e-10)
        expected = scipy.integrate.solve_ivp(
            hunt_numpy, (0, 20), START, rtol=1e-8, atol=1e-10, method="RK45"
        ).nfev

        assert len(calls) < 1.33 * expected

    def test_times_within_steps_cost_no_evaluations(self) -> None:
        counts = []
        for times in (2, 500):
            calls: list[int] = []

            def counted(y: Any, t: Any, calls: list[int] = calls) -> Any:
                calls.append(1)
                return -y

            npg.odeint(counted, npg.array([1.0]), npg.linspace(0.0, 3.0, times))
            counts.append(len(calls))

        assert counts[0] == counts[1]

    def test_f_is_never_evaluated_beyond_the_last_time(self) -> None:
        seen = []

        def noted(y: Any, t: Any) -> Any:
            seen.append(t.item())
            return -y

        npg.odeint(noted, npg.array([1.0]), npg.array([0.0, 1.0]))
        assert max(seen) <= 1
        npg.odeint(noted, npg.array([1.0]), npg.array([0.0, -1.0]))
        assert min(seen) >= -1

    @pytest.mark.parametrize("way", WAYS)
    def test_times_may_decrease(self, quick_device: str, way: str) -> None:
        t = npg.array([1.0, 0.5, -1.0])

        y = npg.odeint(decay, npg.array([2.0]), t, **WAYS[way])

        assert np.allclose(y.numpy()[:, 0], 2 * np.exp(1 - t.numpy()), rtol=1e-2)

    @pytest.mark.parametrize("way", WAYS)
    def test_f_may_write_to_the_state_it_is_given(self, quick_device: str, way: str) -> None:
        def f(y: Any, t: Any) -> Any:
            y *= -1
            return y

        y, pullback = npg.vjp(
            lambda y0: npg.odeint(f, y0, [0.0, 1.0], **WAYS[way])[-1], npg.array([2.0])
        )

        assert np.isclose(y.item(), 2 * np.exp(-1), rtol=1e-3)
        assert np.isclose(pullback(npg.ones(1))[0].item(), np.exp(-1), rtol=1e-3)

    def test_equal_times_give_equal_states(self) -> None:
        y = npg.odeint(decay, npg.array([2.0]), npg.array([0.0, 0.0, 1.0, 1.0]))

        assert y[0].item() == y[1].item() == 2
        assert y[2].item() == y[3].item() == pytest.approx(2 * np.exp(-1), rel=1e-6)
        assert npg.odeint(decay, npg.array([2.0]), npg.array([3.0])).tolist() == [[2.0]]
        assert npg.odeint(decay, npg.array([2.0]), npg.array([3.0, 3.0])).tolist() == [[2.0]] * 2

    @pytest.mark.parametrize("adjoint", [False, True])
    def test_structures_and_numbers(self, quick_device: str, adjoint: bool) -> None:
        def swing(state: Any, t: Any, given: Any) -> Any:
            return {"x": state["v"], "v": -given["k"] * state["x"]}

        def end(given: Any) -> Any:
            start = {"x": npg.zeros(2), "v": npg.array([1.0, 2.0])}
            found = npg.odeint(swing, start, [0.0, 1.0, 2.0], given, adjoint=adjoint)
            assert found["x"].shape == (3, 2)
            return found["x"][-1, 1]

        value, gradient = npg.value_and_grad(end)({"k": npg.array(4.0)})

        assert np.isclose(value.numpy(), np.sin(4.0), rtol=1e-4)
        # Of 2 sin(w t) / w, w being the root of k.
        slope = (np.cos(4.0) * 2 - np.sin(4.0) / 2) / 2 * 2 / 4
        assert np.isclose(gradient["k"].numpy(), slope, rtol=1e-4)

    @pytest.mark.parametrize("adjoint", [False, True])
    def test_complex_states(self, quick_device: str, adjoint: bool) -> None:
        """z = z0 exp(rate t), whose gradients are in the convention of `grad`."""
        weight, z0, rate = 1 - 2j, 1 + 2j, -0.3 + 1j

        def end(z: Any, rate: Any) -> Any:
            y = npg.odeint(lambda z, t, rate: rate * z, z, [0.0, 1.0], rate, adjoint=adjoint)
            return npg.real(npg.sum(weight * y[-1]))

        value, slopes = npg.value_and_grad(end, (0, 1))(npg.array([z0]), npg.array(rate))

        assert np.isclose(value.numpy(), (weight * z0 * np.exp(rate)).real, rtol=1e-5)
        assert np.allclose(slopes[0].numpy(), np.conj(weight * np.exp(rate)), rtol=1e-5)
        assert np.allclose(slopes[1].numpy(), np.conj(weight * z0 * np.exp(rate)), rtol=1e-5)

    @pytest.mark.parametrize("adjoint", [False, True])
    def test_complex_states_of_a_function_that_is_not_holomorphic(self, adjoint: bool) -> None:
        check_grads(
            lambda z, rate: npg.odeint(
                lambda z, t, rate: rate * z - 0.1 * npg.conj(z),
                z,
                [0.0, 0.5],
                rate,
                adjoint=adjoint,
                **TIGHT,
            )[-1],
            [np.array([1 + 2j]), np.array(0.1 + 1j)],
            order=1,
        )

    @pytest.mark.parametrize("way", ["dopri5", "rk4", "rk4-adjoint"])
    def test_float32_stays_float32(self, quick_device: str, way: str) -> None:
        y0 = npg.array([2.0], dtype=npg.float32)
        t = npg.array([0.0, 1.0], dtype=npg.float32)
        options = {"rtol": 1e-5, "atol": 1e-7} if way == "dopri5" else WAYS[way]

        y, pullback = npg.vjp(lambda y, t: npg.odeint(decay, y, t, **options), y0, t)
        slopes = pullback(npg.ones_like(y))

        assert y.dtype == npg.float32
        assert {slope.dtype for slope in slopes} == {np.dtype("float32")}
        assert np.allclose(y.numpy()[-1], 2 * np.exp(-1), rtol=1e-3)
        assert np.allclose(slopes[0].numpy(), 1 + np.exp(-1), rtol=1e-3)

    def test_lazily(self) -> None:
        expected = npg.odeint(hunt, npg.array(START), npg.array(TIMES), npg.array(RATES))
        with npg.lazy():
            found = npg.odeint(hunt, npg.array(START), npg.array(TIMES), npg.array(RATES))
        assert np.allclose(found.numpy(), expected.numpy(), rtol=1e-12)


class TestGradients:
    @pytest.mark.parametrize("way", WAYS)
    def test_they_agree_with_differences(self, way: str) -> None:
        """Of the start, the times and the arguments, in both modes."""
        tight = {**TIGHT, **WAYS[way]} if way == "dopri5" else WAYS[way]
        check_grads(
            lambda y, t, p: npg.odeint(hunt, y, t, p, **tight),
            [START, TIMES, RATES],
            order=1,
            rtol=1e-5 if way == "rk4-adjoint" else 1e-6,
        )

    @pytest.mark.parametrize("way", WAYS)
    def test_the_second_derivatives_too(self, way: str) -> None:
        options = {**WAYS[way]}
        if way == "dopri5":
            options = TIGHT
        if way == "rk4-adjoint":
            options["steps_between"] = 12
        if way == "dopri5-adjoint":
            options["rtol"] = 1e-8
        check_grads(
            lambda p: npg.odeint(hunt, npg.array(START), npg.array([0.0, 0.6]), p, **options)[-1],
            [RATES],
            order=2,
            rtol=1e-4 if way == "dopri5-adjoint" else 1e-5,
        )

    @pytest.mark.parametrize("way", WAYS)
    def test_of_a_closed_form_on_every_backend(self, device: str, way: str) -> None:
        """y = y0 exp(-rate (t - t0)), of which all derivatives are known."""
        options = {**WAYS[way]}
        if "adjoint" in way:
            options |= {"steps_between": 12} if "rk4" in way else {"rtol": 1e-8}

        def end(y0: Any, t: Any, rate: Any) -> Any:
            return npg.odeint(decay, y0, t, rate, **options)[-1, 0]

        given = (npg.array([2.0]), npg.array([0.5, 1.0, 1.5]), npg.array(0.7))
        slopes = npg.grad(end, (0, 1, 2))(*given)
        tangent = npg.jvp(end, given, tuple(map(npg.ones_like, given)))[1]

        factor = np.exp(-0.7)
        expected = [[factor], [1.4 * factor, 0, -1.4 * factor], -2 * factor]
        for slope, exact in zip(slopes, expected, strict=True):
            assert np.allclose(slope.numpy(), exact, rtol=1e-3, atol=1e-6)
        assert np.isclose(tangent.numpy(), factor - 2 * factor, rtol=1e-3)

    def test_both_gradients_agree_to_the_tolerance(self) -> None:
        def end(p: Any, adjoint: bool) -> Any:
            y = npg.odeint(
                hunt, npg.array(START), npg.array(TIMES), p, adjoint=adjoint, rtol=1e-9, atol=1e-11
            )
            return npg.sum(y**2)

        recorded, adjoint = (
            npg.grad(lambda p, way=way: end(p, way))(npg.array(RATES)) for way in (False, True)
        )

        assert np.allclose(recorded.numpy(), adjoint.numpy(), rtol=1e-7)

    def test_the_adjoint_starts_anew_from_each_state(self) -> None:
        """Of what decays so fast that going back from the end, nothing would be left of it."""

        def follow(y: Any, t: Any, rate: Any) -> Any:
            return -rate * (y - npg.cos(t))

        def total(rate: Any, *, adjoint: bool) -> Any:
            t = npg.linspace(0.0, 4.0, 33)
            return npg.sum(npg.odeint(follow, npg.array([0.0]), t, rate, adjoint=adjoint))

        rate = npg.array(12.0)
        recorded = npg.grad(lambda r: total(r, adjoint=False))(rate)
        adjoint = npg.grad(lambda r: total(r, adjoint=True))(rate)

        assert np.isclose(adjoint.numpy(), recorded.numpy(), rtol=1e-4)

    def test_arguments_of_other_kinds_pass(self) -> None:
        def f(y: Any, t: Any, given: Any, power: int, name: str) -> Any:
            assert name == "rate"
            return -given[name] * y**power

        for adjoint in (False, True):
            slope = npg.grad(
                lambda rate, adjoint=adjoint: npg.odeint(
                    f, npg.array([1.0]), [0, 1], {"rate": rate}, 2, "rate", adjoint=adjoint
                )[-1, 0]
            )(npg.array(1.0))
            assert np.isclose(slope.numpy(), -0.25, rtol=1e-5)  # of 1 / (1 + rate t)

    def test_backward_reaches_leaves_that_f_closes_over(self) -> None:
        rate = npg.array(1.0, requires_grad=True)

        npg.odeint(lambda y, t: -rate * y, npg.array([1.0]), [0.0, 1.0])[-1].sum().backward()

        assert np.isclose(rate.grad.numpy(), -np.exp(-1), rtol=1e-5)

    @pytest.mark.parametrize("derivative", ["reverse", "forward"])
    def test_the_adjoint_refuses_them(self, derivative: str) -> None:
        def end(rate: Any) -> Any:
            return npg.odeint(lambda y, t: -rate * y, npg.array([1.0]), [0.0, 1.0], adjoint=True)[
                -1, 0
            ]

        one = npg.array(1.0)
        take = {"reverse": npg.grad(end), "forward": lambda r: npg.jvp(end, (r,), (one,))}

        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            take[derivative](one)

    def test_and_those_that_f_turns_to_later(self) -> None:
        rate = npg.array(1.0, requires_grad=True)

        def f(y: Any, t: Any, other: Any) -> Any:
            return -other * y if t.item() < 0.5 else -rate * other * y

        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            npg.odeint(
                f, npg.array([1.0]), [0.0, 1.0], npg.array(1.0, requires_grad=True), adjoint=True
            )

    @pytest.mark.parametrize("way", ["dopri5-adjoint", "rk4-adjoint"])
    @pytest.mark.parametrize("derivative", ["reverse", "forward", "second"])
    def test_and_those_of_times_between_only(
        self, quick_device: str, way: str, derivative: str
    ) -> None:
        """Nothing else is tracked, and at both ends f is another function."""

        def end(rate: Any) -> Any:
            return npg.odeint(
                lambda y, t: -y * rate if 0.2 < float(t) < 0.8 else -y,
                npg.array([1.0]),
                [0.0, 1.0],
                **WAYS[way],
            )[-1, 0]

        one = npg.array(1.0)
        take = {
            "reverse": npg.grad(end),
            "forward": lambda r: npg.jvp(end, (r,), (one,)),
            "second": npg.grad(npg.grad(end)),
        }
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            take[derivative](one)
        with npg.no_grad():
            assert np.isclose(end(one).item(), np.exp(-1), rtol=1e-3)

    @pytest.mark.parametrize("derivative", ["reverse", "forward", "second"])
    def test_and_those_that_only_the_equation_of_a_derivative_meets(self, derivative: str) -> None:
        rate = npg.array(1.0, requires_grad=True)
        is_solved = False

        def end(y0: Any) -> Any:
            nonlocal is_solved
            is_solved = False
            found = npg.odeint(
                lambda y, t: -y * rate if is_solved and 0.2 < float(t) < 0.8 else -y,
                y0,
                [0.0, 1.0],
                adjoint=True,
            )[-1, 0]
            is_solved = True
            return found

        y0 = npg.array([1.0])
        take = {
            "reverse": npg.grad(end),
            "forward": lambda y: npg.jvp(end, (y,), (y,)),
            "second": npg.grad(lambda y: npg.sum(npg.grad(end)(y))),
        }
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            take[derivative](y0)

    @pytest.mark.parametrize("way", ["dopri5-adjoint", "rk4-adjoint"])
    def test_what_f_tracks_itself_is_no_closure(self, way: str) -> None:
        def f(y: Any, t: Any, rate: Any) -> Any:
            own = npg.array(1.0, requires_grad=True)
            return npg.vjp(lambda v: npg.cos(v) * own, npg.array([np.pi / 2]))[1](y)[0] * rate

        slope = npg.grad(
            lambda rate: npg.odeint(f, npg.array([1.0]), [0.0, 1.0], rate, **WAYS[way])[-1, 0]
        )(npg.array(1.0))

        assert np.isclose(slope.item(), -np.exp(-1), rtol=1e-4)

    def test_an_argument_overwritten_before_backward_is_an_error(self) -> None:
        rate = npg.array([1.0], requires_grad=True) * 1
        y = npg.odeint(decay, npg.array([1.0]), [0.0, 1.0], rate, adjoint=True).sum()
        rate[0] = 2.0

        with pytest.raises(npg.errors.VersionError, match="odeint"):
            y.backward()


def peak_of_gradient(steps: int, *, adjoint: bool) -> float:
    """The most memory that a gradient through so many steps takes, in megabytes."""
    y0, t = npg.ones(1000), npg.array([0.0, 1.0])

    def end(rate: Any) -> Any:
        return npg.sum(
            npg.odeint(decay, y0, t, rate, method="rk4", steps_between=steps, adjoint=adjoint)[-1]
        )

    rate = npg.array(1.0)
    npg.grad(end)(rate)
    tracemalloc.start()
    npg.grad(end)(rate)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def test_memory_of_the_adjoint_does_not_grow_with_the_steps() -> None:
    few, many = (peak_of_gradient(steps, adjoint=True) for steps in (10, 100))
    few_recorded, many_recorded = (peak_of_gradient(steps, adjoint=False) for steps in (10, 100))

    assert many < 1.2 * few
    assert many_recorded > 5 * few_recorded
    assert many < many_recorded / 10


class TestCompiled:
    @pytest.mark.parametrize("adjoint", [False, True])
    def test_fixed_steps_are_captured_with_their_gradients(
        self, promised_device: str, adjoint: bool
    ) -> None:
        def end(y: Any, t: Any, p: Any) -> Any:
            return npg.sum(
                npg.odeint(hunt, y, t, p, method="rk4", steps_between=2, adjoint=adjoint) ** 2
            )

        given = (npg.array(START), npg.array(TIMES[:2]), npg.array(RATES))
        others = (npg.array(START * 1.5), npg.array(TIMES[1:3]), npg.array(RATES * 0.9))
        for function in (end, npg.grad(end, (0, 1, 2))):
            captured = npg.compile(function)
            for arguments in (given, others):
                expected = npg._tree.leaves_of(function(*arguments))
                found = npg._tree.leaves_of(captured(*arguments))
                for x, exact in zip(found, expected, strict=True):
                    assert np.allclose(x.numpy(), exact.numpy(), rtol=1e-10)

    def test_steps_that_depend_on_values_are_refused(self) -> None:
        captured = npg.compile(lambda y: npg.odeint(decay, y, [0.0, 1.0]))

        with pytest.raises(CaptureError, match=r"method='rk4' with steps_between="):
            captured(npg.array([1.0]))


class TestMapped:
    """Inside `vmap`, which `jacobian` and `hessian` use."""

    def end(self, way: str) -> Any:
        options = {**WAYS[way], **({"steps_between": 8} if "rk4" in way else {"rtol": 1e-6})}
        return lambda p: npg.odeint(hunt, npg.array(START), [0.0, 0.6], p, **options)[-1]

    @pytest.mark.parametrize("way", WAYS)
    def test_jacobians_and_hessians(self, way: str) -> None:
        of, p = self.end(way), npg.array(RATES)
        slope = npg.grad(lambda p: npg.sum(of(p) ** 2))
        columns = [npg.jvp(of, (p,), (e,))[1].numpy() for e in npg.eye(4)]
        second = [npg.jvp(slope, (p,), (e,))[1].numpy() for e in npg.eye(4)]

        tolerance = 1e-4 if "adjoint" in way else 1e-9  # of both modes' agreement
        for mode in ("reverse", "forward"):
            found = npg.jacobian(of, mode=mode)(p).numpy()
            assert np.allclose(found, np.transpose(columns), rtol=tolerance, atol=tolerance)
        found = npg.hessian(lambda p: npg.sum(of(p) ** 2))(p).numpy()
        assert np.allclose(found, second, rtol=tolerance, atol=10 * tolerance)

    @pytest.mark.parametrize("way", ["dopri5-adjoint", "rk4", "rk4-adjoint"])
    def test_each_example_is_solved(self, promised_device: str, way: str) -> None:
        options = {"rtol": 1e-7} if way == "dopri5-adjoint" else {"steps_between": 8}

        def of(rate: Any) -> Any:
            return npg.odeint(
                decay, npg.array([2.0]), [0.0, 1.0], rate, **{**WAYS[way], **options}
            )[-1, 0]

        rates = npg.array([0.5, 1.0])
        exact = 2 * np.exp(-rates.numpy())
        assert np.allclose(npg.vmap(of)(rates).numpy(), exact, rtol=1e-4)
        assert np.allclose(npg.vmap(npg.grad(of))(rates).numpy(), -exact, rtol=1e-4)
        outside = npg.grad(lambda rates: npg.sum(npg.vmap(of)(rates)))(rates)
        assert np.allclose(outside.numpy(), -exact, rtol=1e-4)

    def test_adaptive_steps_to_be_recorded_are_refused(self) -> None:
        with pytest.raises(CaptureError, match="adjoint=True"):
            npg.vmap(self.end("dopri5"))(npg.array([RATES, RATES]))

    def test_one_that_closes_over_what_is_tracked_inside_is_refused(self) -> None:
        def end(p: Any, factor: Any) -> Any:
            y = npg.odeint(
                lambda y, t, p: factor * hunt(y, t, p),
                npg.array(START),
                [0.0, 1.0],
                p,
                adjoint=True,
            )
            return npg.sum(y)

        slopes = npg.vmap(lambda p: npg.grad(lambda factor: end(p, factor))(npg.array(1.0)))
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            slopes(npg.array([RATES, RATES]))

    def test_so_is_a_function_that_closes_over_an_example(self) -> None:
        with pytest.raises(CaptureError, match="Pass it as an argument"):
            npg.vmap(
                lambda p: npg.odeint(
                    lambda y, t: hunt(y, t, p), npg.array(START), [0.0, 1.0], adjoint=True
                )
            )(npg.array([RATES, RATES]))


class TestErrors:
    def test_a_singularity_says_where_it_is(self) -> None:
        with pytest.raises(ConvergenceError, match=r"from t = 1\.0000.*changes too fast"):
            npg.odeint(lambda y, t: y * y, npg.array([1.0]), [0.0, 2.0])

    @pytest.mark.parametrize("end", [2.0, -2.0])
    def test_so_does_a_nan(self, end: float) -> None:
        def f(y: Any, t: Any) -> Any:
            return npg.where(npg.abs(t) > 0.5, npg.nan, 1.0) * y

        with pytest.raises(ConvergenceError, match=r"from t = -?0\.5 .*is not finite"):
            npg.odeint(f, npg.array([1.0]), [0.0, end])

    def test_a_nan_at_the_start(self) -> None:
        with pytest.raises(ConvergenceError, match=r"not finite at the start, t = 3"):
            npg.odeint(lambda y, t: y * npg.nan, npg.array([1.0]), [3.0, 4.0])

    def test_too_many_steps_say_how_far_they_led(self) -> None:
        with pytest.raises(ConvergenceError, match=r"took 50 steps and is at t = 0\.00.* of 10"):
            npg.odeint(
                lambda y, t: -1e6 * (y - npg.cos(t)), npg.array([1.0]), [0.0, 10.0], max_steps=50
            )

    def test_times_that_go_back_and_forth(self) -> None:
        for times in ([0.0, 1.0, 0.5], [0.0, npg.nan]):
            with pytest.raises(ValueError, match="increase, or decrease"):
                npg.odeint(decay, npg.array([1.0]), times)

    def test_times_of_another_shape_dtype_or_device(self, other_device: str) -> None:
        y0 = npg.array([1.0])
        with pytest.raises(npg.errors.ShapeError, match=r"shape \(times,\), got \(\)"):
            npg.odeint(decay, y0, 1.0)
        with pytest.raises(npg.errors.DTypeError, match="real times"):
            npg.odeint(decay, y0, npg.array([0, 1j]))
        with pytest.raises(npg.errors.DeviceError, match=r"t\.to"):
            npg.odeint(decay, y0, npg.array([0.0, 1.0], device=other_device))

    def test_slopes_of_another_shape_or_structure(self) -> None:
        with pytest.raises(npg.errors.ShapeError, match=r"array 0 of f\(y, t\) has shape"):
            npg.odeint(lambda y, t: y[:1], npg.ones(2), [0.0, 1.0])
        with pytest.raises(npg.errors.ShapeError, match=r"f\(y, t\) has the structure"):
            npg.odeint(lambda y, t: [y, y], (npg.ones(2), npg.ones(2)), [0.0, 1.0])

    @pytest.mark.parametrize(
        "options",
        [
            {"method": "euler"},
            {"method": "rk4"},
            {"steps_between": 3},
            {"method": "rk4", "steps_between": 0},
            {"rtol": -1.0},
            {"rtol": 0.0, "atol": 0.0},
            {"atol": npg.nan},
            {"rtol": npg.inf},
            {"max_steps": 0},
        ],
    )
    def test_options_that_make_no_sense(self, options: Any) -> None:
        with pytest.raises(ValueError, match=r"method|steps_between|rtol|max_steps"):
            npg.odeint(decay, npg.array([1.0]), [0.0, 1.0], **options)


def test_progress_shows_the_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)

    npg.odeint(decay, npg.array([1.0]), [0.0, 2.0], progress=True)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("\rodeint: ")
    assert "\rodeint: 100%" in err
    assert "t = 2" in err


class TestMethod:
    """The conditions that make a Runge-Kutta method one of its order."""

    matrix = np.zeros((7, 7))
    for row, weights in enumerate(runge_kutta.STAGES, 1):
        matrix[row, : len(weights)] = weights
    c = np.array(runge_kutta.NODES)

    def moments(self, weights: Any) -> list[float]:
        """The sums over trees of up to order 4."""
        a, c = self.matrix, self.c
        return [weights @ x for x in (c**0, c, c**2, a @ c, c**3, c * (a @ c), a @ c**2, a @ a @ c)]

    def test_a_stage_is_taken_where_its_weights_say(self) -> None:
        assert np.allclose(self.matrix.sum(axis=1), self.c, atol=1e-15)

    def test_order_4_of_both_and_order_5_of_the_step(self) -> None:
        exact = [1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24]
        assert np.allclose(self.moments(runge_kutta.FIFTH), exact, atol=1e-15)
        assert np.allclose(self.moments(np.array(runge_kutta.FOURTH)), exact, atol=1e-15)
        assert np.isclose(runge_kutta.FIFTH @ self.c**4, 1 / 5)
        assert not np.isclose(np.array(runge_kutta.FOURTH) @ self.c**4, 1 / 5)

    @pytest.mark.parametrize("s", [0.0, 0.2, 0.5, 0.9, 1.0])
    def test_order_4_at_any_place_within_a_step(self, s: float) -> None:
        weights = runge_kutta.EXTENSION @ s ** np.arange(1, 6)

        powers = [s, s**2, s**3, s**3, s**4, s**4, s**4, s**4]
        exact = [1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 8, 1 / 12, 1 / 24]
        assert np.allclose(self.moments(weights), np.multiply(powers, exact), atol=1e-14)

    def test_steps_join_smoothly(self) -> None:
        slopes = runge_kutta.EXTENSION * np.arange(1, 6)
        assert np.allclose(runge_kutta.EXTENSION.sum(axis=1), runge_kutta.FIFTH, atol=1e-14)
        assert np.allclose(slopes[:, 0], np.eye(7)[0])
        assert np.allclose(slopes.sum(axis=1), np.eye(7)[-1], atol=1e-13)
