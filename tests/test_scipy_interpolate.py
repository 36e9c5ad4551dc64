"""Curves and grids of `numpygrad.scipy.interpolate`, beside what holds of all functions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate

import numpygrad as npg
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.scipy import interpolate
from numpygrad.testing import check_grads

RNG = np.random.default_rng(7)
PLACES = np.cumsum(RNG.uniform(0.3, 1.0, 6))
VALUES = RNG.standard_normal(6)
AROUND = np.concatenate([PLACES, RNG.uniform(-1.0, 7.0, 20)])


@pytest.mark.parametrize(
    "options", [{}, {"left": 3.0, "right": -1.0}, {"period": 1.7, "left": 9.0}]
)
def test_interp_is_that_of_numpy(options: dict[str, float], device: str) -> None:
    for n in (1, 6):
        found = interpolate.interp(
            npg.asarray(AROUND), npg.asarray(PLACES[:n]), npg.asarray(VALUES[:n]), **options
        )
        expected = np.interp(AROUND, PLACES[:n], VALUES[:n], **options)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)


def test_derivatives_of_interp_are_by_all_operands() -> None:
    check_grads(interpolate.interp, [AROUND[6:12], PLACES, VALUES])
    check_grads(
        lambda x, y: interpolate.interp(x, npg.asarray(PLACES), y, period=2.0),
        [AROUND[6:12], VALUES],
    )


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("bc_type", ["not-a-knot", "natural", "clamped", "periodic"])
def test_splines_of_few_places_are_those_of_scipy(count: int, bc_type: str) -> None:
    x, y = PLACES[:count], VALUES[:count].copy()
    if bc_type == "periodic":
        y[-1] = y[0]
    theirs = scipy.interpolate.CubicSpline(x, y, bc_type=bc_type)
    found = interpolate.CubicSpline(npg.asarray(x), npg.asarray(y), bc_type=bc_type)

    for nu in range(5):
        np.testing.assert_allclose(found(AROUND, nu).numpy(), theirs(AROUND, nu), atol=1e-9)
    for a, b in ((PLACES[0], 1.0), (-3.0, 9.0)):
        np.testing.assert_allclose(
            found.integrate(a, b).numpy(), theirs.integrate(a, b), rtol=1e-9, atol=1e-9
        )


def test_derivatives_of_a_periodic_spline() -> None:
    def around(x: npg.Array, y: npg.Array) -> npg.Array:
        ring = npg.concat([y, y[:1]])
        return interpolate.CubicSpline(x, ring, bc_type="periodic")(npg.asarray(AROUND[6:12]))

    check_grads(around, [PLACES, VALUES[:-1]])


def test_pieces_are_differentiated_and_integrated(quick_device: str) -> None:
    y = npg.asarray(VALUES)
    f = interpolate.CubicSpline(npg.asarray(PLACES), y, extrapolate=False)
    inside = npg.linspace(float(PLACES[0]), float(PLACES[-1]), 5)

    np.testing.assert_allclose(f.derivative()(inside).numpy(), f(inside, 1).numpy())
    np.testing.assert_allclose(
        f.antiderivative(2).derivative(2)(inside).numpy(), f(inside).numpy(), atol=1e-13
    )
    assert np.isnan(f(npg.asarray([-10.0, 10.0])).numpy()).all()


def test_where_values_turn_a_monotone_curve_is_flat() -> None:
    x, y = np.arange(6.0), np.asarray([0.0, 1.0, -9.0, -9.0, 0.0, 2.0])
    expected = scipy.interpolate.PchipInterpolator(x, y)(AROUND)

    f = interpolate.PchipInterpolator(npg.asarray(x), npg.array(y, requires_grad=True))

    np.testing.assert_allclose(f(AROUND).numpy(), expected, atol=1e-13)
    npg.sum(f(AROUND)).backward()  # no warning, no NaN


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("fill", [np.nan, None, 3.0])
def test_grids_are_those_of_scipy(method: str, fill: float | None, quick_device: str) -> None:
    axes = [PLACES, PLACES[:3], PLACES[:2]]
    values = RNG.standard_normal((6, 3, 2, 2))
    points = RNG.uniform(0.0, 4.0, (5, 2, 3))
    theirs = scipy.interpolate.RegularGridInterpolator(axes, values, method, False, fill)

    found = interpolate.RegularGridInterpolator(
        [*map(npg.asarray, axes)],
        npg.asarray(values),
        method,  # type: ignore[arg-type]  # one of the two
        bounds_error=False,
        fill_value=fill,
    )

    np.testing.assert_allclose(found(points).numpy(), theirs(points), rtol=1e-12, atol=1e-13)
    apart = tuple(npg.asarray(points[..., i]) for i in range(3))
    np.testing.assert_array_equal(found(apart).numpy(), found(points).numpy())


def test_what_does_not_fit_is_refused() -> None:
    x, y = npg.asarray(PLACES), npg.asarray(VALUES)
    for error, message, call in (
        (ValueError, "increase", lambda: interpolate.CubicSpline(x[::-1], y)),
        (ValueError, "increase", lambda: interpolate.interp(1.0, x[::-1], y)),
        (ShapeError, "two or more places", lambda: interpolate.CubicSpline(x, y[:3])),
        (ValueError, "bc_type is", lambda: interpolate.CubicSpline(x, y, bc_type="flat")),
        (ValueError, "bc_type is", lambda: interpolate.CubicSpline(x, y, bc_type=((3, 0.0),) * 2)),
        (ShapeError, "an end's", lambda: interpolate.CubicSpline(x, y, bc_type=((1, [0.0]),) * 2)),
        (ValueError, "equal", lambda: interpolate.CubicSpline(x, y, bc_type="periodic")),
        (DTypeError, "real values", lambda: interpolate.PchipInterpolator(x, y + 1j)),
        (DTypeError, "real places", lambda: interpolate.CubicSpline(x + 0j, y)),
        (ShapeError, "m . 1 places", lambda: interpolate.PPoly(npg.ones((2, 2)), x)),
        (ShapeError, "each axis", lambda: interpolate.RegularGridInterpolator((x, x), y)),
        (ValueError, "outside", lambda: interpolate.RegularGridInterpolator((x,), y)([[99.0]])),
        (ShapeError, r"\(..., 1\)", lambda: interpolate.RegularGridInterpolator((x,), y)([[1, 2]])),
        (ValueError, "period", lambda: interpolate.interp(1.0, x, y, period=0.0)),
    ):
        with pytest.raises(error, match=message):
            call()
