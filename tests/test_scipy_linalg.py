"""Matrices and equations of `numpygrad.scipy.linalg`, beside what holds of all functions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import numpygrad as npg
from numpygrad.errors import ShapeError
from numpygrad.scipy import linalg
from numpygrad.testing import check_grads


@pytest.mark.parametrize("scale", [1e-9, 1.0, 3.0, 40.0])
def test_expm_is_that_of_scipy_at_every_norm(scale: float, quick_device: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 4, 4)) * scale

    np.testing.assert_allclose(
        linalg.expm(npg.asarray(x)).numpy(), [scipy.linalg.expm(a) for a in x], rtol=1e-11
    )


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 30.0])
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_derivative_of_expm_is_that_of_scipy_at_every_norm(scale: float, size: float) -> None:
    x, direction = np.random.default_rng(1).standard_normal((2, 3, 3))
    x = x * scale

    y, t = npg.jvp(linalg.expm, (npg.array(x),), (npg.array(direction * size),))

    expected = scipy.linalg.expm_frechet(x, direction, compute_expm=False) * size
    largest = np.max(np.abs(expected))
    np.testing.assert_allclose(t.numpy() / largest, expected / largest, atol=1e-13)
    np.testing.assert_allclose(y.numpy(), scipy.linalg.expm(x), rtol=1e-12)


def test_expm_of_a_matrix_without_eigenvectors(device: str) -> None:
    x = npg.array([[1.0, 1.0], [0.0, 1.0]], requires_grad=True)

    y = linalg.expm(x)
    y[0, 1].backward()

    np.testing.assert_allclose(y.numpy(), np.e * np.asarray([[1.0, 1.0], [0.0, 1.0]]))
    expected = np.e * np.asarray([[1 / 2, 1.0], [1 / 6, 1 / 2]])
    np.testing.assert_allclose(x.grad.numpy(), expected)  # type: ignore[union-attr]  # there is one


def test_third_derivative_of_expm() -> None:
    check_grads(linalg.expm, [np.random.default_rng(1).standard_normal((2, 2))], order=3)


def test_expm_of_nothing(device: str) -> None:
    x = npg.zeros((2, 0, 0), requires_grad=True)
    npg.sum(linalg.expm(x)).backward()

    assert x.grad is not None
    assert x.grad.shape == (2, 0, 0)


def test_singular_equations_are_refused(device: str) -> None:
    singular, b = npg.array([[1.0, 2.0], [0.0, 0.0]]), npg.array([1.0, 1.0])

    for call in (
        lambda: linalg.solve_triangular(singular, b),
        lambda: linalg.solve_triangular(singular.mT, b, trans=1),
        lambda: linalg.solve_banded((0, 0), singular[1:], b),
        lambda: linalg.cho_solve((singular, False), b),
    ):
        with pytest.raises(npg.linalg.LinAlgError):
            call()
    ones = linalg.solve_triangular(singular, b, unit_diagonal=True)
    np.testing.assert_allclose(ones.numpy(), [-1.0, 1.0])


def test_what_is_not_read_may_be_anything_and_has_no_gradient(quick_device: str) -> None:
    a = npg.array([[2.0, np.nan], [1.0, 4.0]], requires_grad=True)
    linalg.solve_triangular(a, npg.ones(2), lower=True)[1].backward()
    ab = npg.array([[np.nan, 1.0], [4.0, 4.0], [1.0, np.nan]], requires_grad=True)
    linalg.solve_banded((1, 1), ab, npg.ones(2))[0].backward()

    assert a.grad is not None
    assert ab.grad is not None
    assert a.grad[0, 1] == 0.0
    assert ab.grad[0, 0] == ab.grad[2, 1] == 0.0
    assert np.isfinite(ab.grad.numpy()).all()


def test_stacks_broadcast_and_are_mapped(quick_device: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((4, 1, 3, 3)) + 4 * np.eye(3), rng.standard_normal((2, 3, 2))

    found = linalg.solve_triangular(npg.asarray(a), npg.asarray(b))
    mapped = npg.vmap(lambda m: linalg.solve_triangular(m[0], npg.asarray(b)))(npg.asarray(a))

    expected = np.linalg.solve(np.triu(a), b)
    np.testing.assert_allclose(found.numpy(), expected)
    np.testing.assert_allclose(mapped.numpy(), expected)


def test_shapes_that_do_not_fit_are_told() -> None:
    eye = npg.eye(2)
    for call, message in (
        (lambda: linalg.expm(npg.ones((2, 3))), "expm"),
        (lambda: linalg.solve_triangular(eye, npg.ones(3)), "2 unknowns"),
        (lambda: linalg.solve_banded((1, 1), eye, npg.ones(2)), r"1 \+ 1 \+ 1 diagonals"),
        (lambda: linalg.solve_sylvester(eye, eye, npg.ones((2, 3))), r"\(..., 2, 2\)"),
        (lambda: linalg.toeplitz(eye), "vectors"),
        (lambda: linalg.block_diag(), "one matrix or more"),
    ):
        with pytest.raises(ShapeError, match=message):
            call()
    with pytest.raises(ValueError, match="trans is"):
        linalg.solve_triangular(eye, eye, trans=3)  # type: ignore[arg-type]  # to be refused
