"""Linear algebra: degenerate matrices, errors, and what the laws over the op table do not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DerivativeError, ShapeError
from numpygrad.linalg import LinAlgError
from numpygrad.testing import check_grads

ROTATION = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0]
WEIGHTS = np.random.default_rng(4).standard_normal((4, 4))
COMPLEX = WEIGHTS[:3, :3] + 1j * WEIGHTS[1:, 1:]
RANK_2 = WEIGHTS[:, :2] @ WEIGHTS[:2, :]


def leaf(values: Any, device: str) -> npg.Array:
    return npg.array(np.asarray(values, dtype=float), device=device, requires_grad=True)


def gradient(function: Callable[[npg.Array], npg.Array], values: Any, device: str = "cpu") -> Any:
    """The gradient of the sum of a function's elements times fixed weights."""
    x = leaf(values, device)
    y = function(x)
    weights = np.resize(WEIGHTS, y.shape)
    npg.sum(y * npg.asarray(weights, device=device)).backward()
    assert x.grad is not None
    return x.grad.numpy()


def differences(
    function: Callable[[npg.Array], npg.Array], values: Any, *, symmetric: bool = False
) -> Any:
    """The same by central differences, over symmetric matrices if asked."""
    values = np.asarray(values, dtype=float)
    found = np.zeros_like(values)
    step = 1e-5

    def total(x: Any) -> float:
        y = function(npg.asarray(x)).numpy()
        return float(np.sum(y * np.resize(WEIGHTS, y.shape)))

    for index in np.ndindex(*values.shape):
        shift = np.zeros_like(values)
        shift[index] = step
        if symmetric:
            shift = (shift + shift.T) / 2
        found[index] = (total(values + shift) - total(values - shift)) / (2 * step)
    return found


def symmetric(*eigenvalues: float) -> Any:
    """A symmetric matrix with these eigenvalues, in a rotated basis."""
    q = ROTATION if len(eigenvalues) == 4 else np.linalg.qr(WEIGHTS[:3, :3])[0]
    return (q * np.asarray(eigenvalues)) @ q.T


def with_values(*singular_values: float) -> Any:
    """A square matrix with these singular values."""
    return (ROTATION * np.asarray(singular_values)) @ np.linalg.qr(WEIGHTS)[0].T


def matrix_function(f: Callable[[npg.Array], npg.Array]) -> Callable[[npg.Array], npg.Array]:
    def function(x: npg.Array) -> npg.Array:
        w, v = npg.linalg.eigh(x)
        return (v * f(w)) @ v.mT

    return function


# Determinants


def test_det_of_a_singular_matrix_has_the_adjugate_for_gradient(device: str) -> None:
    x = leaf([[1.0, 2.0], [2.0, 4.0]], device)

    npg.linalg.det(x).backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_det_has_exact_first_and_second_derivatives_at_any_rank(rank: int) -> None:
    values = WEIGHTS[:3, :rank] @ WEIGHTS[:rank, :3]

    check_grads(npg.linalg.det, [values], order=2)


def test_det_of_an_empty_matrix_is_one(device: str) -> None:
    assert npg.linalg.det(npg.zeros((0, 0), device=device)).item() == 1.0


def test_adjugate_times_matrix_is_the_determinant(device: str) -> None:
    x = npg.asarray(WEIGHTS, device=device)

    product = npg.linalg.adjugate(x) @ x

    np.testing.assert_allclose(product.numpy(), np.linalg.det(WEIGHTS) * np.eye(4), atol=1e-12)


def test_slogdet_of_a_singular_matrix_has_a_value_and_refuses_a_gradient(device: str) -> None:
    x = leaf(np.zeros((2, 2)), device)

    sign, logabsdet = npg.linalg.slogdet(x)

    assert (sign.item(), logabsdet.item()) == (0.0, -np.inf)
    with pytest.raises(DerivativeError, match=r"slogdet\(\) has no derivative at a sing"):
        logabsdet.backward()


def test_the_phase_of_a_determinant_alone_has_its_derivative() -> None:
    check_grads(lambda x: npg.linalg.slogdet(x).sign, [COMPLEX])


# Equal eigenvalues


@pytest.mark.parametrize(
    "values", [(1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 2.0, 3.0), (2.0, 2.0, 5.0, 5.0)], ids=str
)
@pytest.mark.parametrize("f", [npg.sqrt, npg.exp, lambda w: w, lambda w: 1 / w])
def test_a_function_of_a_matrix_with_equal_eigenvalues_has_its_gradient(
    f: Callable[[npg.Array], npg.Array], values: tuple[float, ...]
) -> None:
    function = matrix_function(f)

    found = gradient(function, symmetric(*values))

    np.testing.assert_allclose(
        found, differences(function, symmetric(*values), symmetric=True), atol=1e-7
    )


def test_it_has_it_on_every_backend(device: str) -> None:
    function = matrix_function(npg.sqrt)
    values = symmetric(1.0, 1.0, 2.0, 3.0)

    found = gradient(function, values, device)

    np.testing.assert_allclose(found, gradient(function, values), atol=1e-10)


def test_a_projector_on_a_whole_eigenspace_has_its_gradient(device: str) -> None:
    def projector(x: npg.Array) -> npg.Array:
        v = npg.linalg.eigh(x).eigenvectors[:, :2]
        return v @ v.mT

    values = symmetric(1.0, 1.0, 2.0, 3.0)

    found = gradient(projector, values, device)

    np.testing.assert_allclose(found, differences(projector, values, symmetric=True), atol=1e-7)


def test_symmetric_functions_of_equal_eigenvalues_have_their_gradient(device: str) -> None:
    x = leaf(symmetric(1.0, 1.0, 2.0, 3.0), device)

    npg.sum(npg.log(npg.linalg.eigvalsh(x))).backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.linalg.inv(x.numpy()), atol=1e-12)


def test_a_projector_beside_the_sum_of_equal_eigenvalues_has_its_gradient() -> None:
    def function(x: npg.Array) -> npg.Array:
        w, v = npg.linalg.eigh(x)
        return npg.sum(w) + v[:, 2:] @ v[:, 2:].mT

    values = symmetric(1.0, 1.0, 2.0, 3.0)

    np.testing.assert_allclose(
        gradient(function, values), differences(function, values, symmetric=True), atol=1e-7
    )


def test_eigenvalues_alone_of_complex_matrices_have_their_derivative() -> None:
    check_grads(lambda x: npg.linalg.eigh(x + npg.conj(x.mT)).eigenvalues, [COMPLEX])


def test_norm_of_an_identity_through_its_eigenvalues_has_second_derivatives() -> None:
    def norm(x: npg.Array) -> npg.Array:
        return npg.sum(npg.linalg.eigh(x).eigenvalues ** 2)

    x = leaf(np.eye(3), "cpu")
    (first,) = npg.vjp(norm, x)[1](npg.asarray(1.0))

    np.testing.assert_allclose(first.numpy(), 2 * np.eye(3))


def test_the_largest_of_equal_eigenvalues_has_a_subgradient() -> None:
    x = leaf(np.eye(3), "cpu")

    npg.linalg.eigvalsh(x)[-1].backward()

    assert x.grad is not None
    np.testing.assert_allclose(np.linalg.eigvalsh(x.grad.numpy()), [0.0, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize(
    "dependent",
    [
        lambda w, v: v[0, 0],
        lambda w, v: npg.sum((v * npg.asarray([1.0, 2.0, 3.0], device=v.device)) @ v.mT),
        lambda w, v: (
            npg.sum(npg.asarray(WEIGHTS[:3, :3]) * ((v * npg.sqrt(w)) @ v.mT))
            + npg.sum(npg.asarray(WEIGHTS[1:, 1:]) * ((v * npg.exp(w)) @ v.mT))
        ),
        lambda w, v: npg.sum(w) + npg.sum(npg.asarray(WEIGHTS[:3, :3]) * (v @ v.mT)),
    ],
    ids=[
        "an element",
        "a part of an eigenspace",
        "two functions of one matrix",
        "sum and product",
    ],
)
def test_what_cannot_be_told_at_equal_eigenvalues_is_refused(
    dependent: Callable[[npg.Array, npg.Array], npg.Array],
) -> None:
    x = leaf(symmetric(1.0, 1.0, 1.0), "cpu")
    y = dependent(*npg.linalg.eigh(x))

    with pytest.raises(DerivativeError, match="eigh"):
        y.backward()


@pytest.mark.parametrize(
    "weights", [np.diag([1.0, 2.0, 3.0]), np.ones((3, 3)) - np.eye(3)], ids=["uneven", "coupled"]
)
def test_second_derivatives_through_vectors_of_equal_eigenvalues_are_refused(weights: Any) -> None:
    def weighted(x: npg.Array) -> npg.Array:
        return npg.sum(matrix_function(npg.exp)(x) * npg.asarray(weights))

    def slope(x: npg.Array) -> npg.Array:
        return npg.sum(npg.grad(weighted)(x) * npg.asarray(WEIGHTS[:3, :3]))

    with pytest.raises(DerivativeError, match="cannot be told"):
        npg.grad(slope)(npg.asarray(np.eye(3)))


def test_rebuilding_from_eigenvalues_that_are_zero_is_refused_not_wrong() -> None:
    x = leaf(symmetric(0.0, 0.0, 1.0, 2.0), "cpu")
    w, v = npg.linalg.eigh(x)
    y = npg.sum(npg.asarray(WEIGHTS) * ((v * w) @ v.mT))

    with pytest.raises(DerivativeError, match="equal values"):
        y.backward()


def test_an_element_of_a_rebuilt_identity_is_refused_not_wrong(device: str) -> None:
    x = leaf(np.eye(3), device)
    w, v = npg.linalg.eigh(x)
    u, s, vh = npg.linalg.svd(x)
    for element in (((v * w) @ v.mT)[0, 1], ((u * s) @ vh)[0, 1]):
        with pytest.raises(DerivativeError, match="cannot be told"):
            element.backward()


def test_forward_mode_refuses_vectors_that_turn_and_gives_values() -> None:
    x = npg.asarray(np.eye(3))
    t = npg.asarray(WEIGHTS[:3, :3])

    _, dw = npg.jvp(lambda x: npg.sum(npg.linalg.eigh(x).eigenvalues), (x,), (t,))

    assert dw.item() == pytest.approx(np.trace(WEIGHTS[:3, :3]))
    with pytest.raises(DerivativeError, match="the vectors turn"):
        npg.jvp(matrix_function(npg.sqrt), (x,), (t,))


def test_forward_mode_takes_the_symmetric_part_of_a_tangent() -> None:
    x = symmetric(1.0, 2.0, 3.0, 4.0)
    t = ROTATION

    _, tangent = npg.jvp(matrix_function(npg.exp), (npg.asarray(x),), (npg.asarray(t),))

    backwards = np.sum(gradient(matrix_function(npg.exp), x) * t)
    assert np.sum(WEIGHTS * tangent.numpy()) == pytest.approx(backwards)


def test_a_phase_of_complex_eigenvectors_is_refused() -> None:
    x = npg.array(COMPLEX + COMPLEX.conj().T, requires_grad=True)

    with pytest.raises(DerivativeError, match="phase of the vectors"):
        npg.real(npg.sum(npg.linalg.eigh(x).eigenvectors)).backward()


def test_gradient_of_eigh_is_symmetric_whichever_triangle_is_read(device: str) -> None:
    found = gradient(lambda x: npg.linalg.eigvalsh(x), WEIGHTS + WEIGHTS.T, device)

    np.testing.assert_allclose(found, found.T, atol=1e-12)


# General eigenvalues


def test_eig_of_a_defective_matrix_is_refused(device: str) -> None:
    x = leaf([[1.0, 1.0], [0.0, 1.0]], device)
    y = npg.real(npg.linalg.eigvals(x)[0])

    with pytest.raises(DerivativeError, match="defective"):
        y.backward()


def test_eig_refuses_the_phase_of_an_eigenvector() -> None:
    x = leaf([[0.0, 1.0], [-1.0, 0.0]], "cpu")

    with pytest.raises(DerivativeError, match="phase of the vectors"):
        npg.real(npg.sum(npg.linalg.eig(x).eigenvectors)).backward()


def test_eig_refuses_the_choice_of_vectors_of_equal_eigenvalues() -> None:
    def sizes(x: npg.Array) -> npg.Array:
        return npg.abs(npg.linalg.eig(x).eigenvectors) ** 2

    with pytest.raises(DerivativeError, match="choice of basis"):
        gradient(sizes, symmetric(1.0, 1.0, 3.0))


def test_the_vector_of_another_eigenvalue_has_a_first_derivative_alone() -> None:
    def sizes(x: npg.Array) -> npg.Array:
        w, v = npg.linalg.eig(x)
        return npg.abs(v[:, int(npg.argmax(npg.real(w)))]) ** 2

    def slope(x: npg.Array) -> npg.Array:
        return npg.sum(npg.grad(lambda x: sizes(x)[0])(x) * npg.asarray(WEIGHTS[:3, :3]))

    values = symmetric(1.0, 1.0, 3.0)

    np.testing.assert_allclose(gradient(sizes, values), differences(sizes, values), atol=1e-7)
    with pytest.raises(DerivativeError, match="choice of basis"):
        npg.grad(slope)(npg.asarray(values))


# Singular values


def test_nuclear_norm_of_an_orthogonal_matrix(device: str) -> None:
    x = leaf(ROTATION, device)

    npg.linalg.matrix_norm(x, ord="nuc").backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), ROTATION, atol=1e-12)


@pytest.mark.parametrize(
    "f", [lambda s: s, lambda s: s**3, lambda s: npg.ones_like(s)], ids=["same", "cube", "polar"]
)
def test_a_function_of_equal_singular_values_has_its_gradient(
    f: Callable[[npg.Array], npg.Array],
) -> None:
    def function(x: npg.Array) -> npg.Array:
        u, s, vh = npg.linalg.svd(x)
        return (u * f(s)) @ vh

    values = with_values(2.0, 2.0, 1.0, 0.5)

    found = gradient(function, values)

    np.testing.assert_allclose(found, differences(function, values), atol=1e-7)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_of_zeros_have_gradient_zero(order: Any, device: str) -> None:
    x = leaf(np.zeros((2, 3)), device)

    npg.linalg.matrix_norm(x, ord=order).backward()

    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((2, 3)))


def test_singular_values_of_zeros_have_gradient_zero_beside_their_vectors(device: str) -> None:
    found = gradient(lambda x: npg.linalg.svd(x).S, np.zeros((2, 3)), device)

    np.testing.assert_array_equal(found, np.zeros((2, 3)))


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_are_those_of_numpy_and_have_their_derivative(order: Any) -> None:
    x = npg.asarray(WEIGHTS[:, :3])

    found = npg.linalg.matrix_norm(x, ord=order)

    assert found.item() == pytest.approx(np.linalg.norm(WEIGHTS[:, :3], ord=order))
    check_grads(lambda x: npg.linalg.matrix_norm(x, ord=order), [WEIGHTS[:, :3]], order=2)


def test_the_largest_singular_value_at_a_tie_is_shared() -> None:
    x = leaf(np.eye(2), "cpu")

    npg.linalg.matrix_norm(x, ord=2).backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 0.5 * np.eye(2))


def test_one_singular_value_of_zero_leaves_the_gradient_of_the_others() -> None:
    def best_rank_2(x: npg.Array) -> npg.Array:
        u, s, vh = npg.linalg.svd(x)
        return (u[:, :2] * s[:2]) @ vh[:2, :]

    values = with_values(3.0, 2.0, 1.0, 0.0)

    np.testing.assert_allclose(
        gradient(best_rank_2, values), differences(best_rank_2, values), atol=1e-7
    )


def test_rebuilding_from_vectors_of_one_singular_value_of_zero_is_the_identity() -> None:
    def rebuilt(x: npg.Array) -> npg.Array:
        u, s, vh = npg.linalg.svd(x)
        return (u * s) @ vh

    found = gradient(rebuilt, with_values(3.0, 2.0, 1.0, 0.0))

    np.testing.assert_allclose(found, WEIGHTS, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "dependent"),
    [
        (RANK_2[:, :3], lambda u, vh: u[0, 2]),
        (RANK_2[:3], lambda u, vh: vh[2, 0]),
        (RANK_2, lambda u, vh: npg.sum(npg.asarray(WEIGHTS) * (u[:, 2:] @ vh[2:]))),
    ],
    ids=["left", "right", "left against right"],
)
def test_vectors_of_zero_singular_values_are_refused(
    values: Any, dependent: Callable[[npg.Array, npg.Array], npg.Array]
) -> None:
    u, _, vh = npg.linalg.svd(leaf(values, "cpu"), full_matrices=False)

    with pytest.raises(DerivativeError, match="of singular values that are 0"):
        dependent(u, vh).backward()


@pytest.mark.parametrize(
    ("values", "tangent"),
    [
        (with_values(2.0, 2.0, 1.0, 0.5), WEIGHTS),
        (np.diag([2.0, 1.0, 0.0, 0.0]), np.diag([0.0, 0.0, 1.0], 1) - np.diag([0.0, 0.0, 1.0], -1)),
        (RANK_2[:, :3], WEIGHTS[:, :3]),
        (RANK_2[:3], WEIGHTS[:3]),
    ],
    ids=["equal", "zero twice", "zero of a tall one", "zero of a wide one"],
)
def test_forward_mode_refuses_singular_vectors_that_turn_and_gives_values(
    values: Any, tangent: Any
) -> None:
    def turning(x: npg.Array) -> npg.Array:
        u, _, vh = npg.linalg.svd(x, full_matrices=False)
        return u @ vh

    x, t = npg.asarray(values), npg.asarray(tangent)
    u, _, vh = np.linalg.svd(values, full_matrices=False)

    _, ds = npg.jvp(lambda x: npg.linalg.svd(x, full_matrices=False).S, (x,), (t,))

    np.testing.assert_allclose(ds.numpy(), np.diagonal(u.T @ tangent @ vh.T), atol=1e-12)
    with pytest.raises(DerivativeError, match="the vectors turn"):
        npg.jvp(turning, (x,), (t,))


@pytest.mark.parametrize("shape", [(4, 4), (4, 3), (3, 4)], ids=str)
def test_rebuilding_from_vectors_of_zero_singular_values_is_refused(shape: Any) -> None:
    x = leaf(RANK_2[: shape[0], : shape[1]], "cpu")
    u, s, vh = npg.linalg.svd(x, full_matrices=False)
    y = npg.sum(npg.asarray(np.resize(WEIGHTS, shape)) * ((u * s) @ vh))

    with pytest.raises(DerivativeError, match=r"svd\(\)"):
        y.backward()


def test_columns_that_complete_a_basis_are_refused_but_not_their_projector() -> None:
    def nothing_of(x: npg.Array) -> npg.Array:
        rest = npg.linalg.svd(x).U[:, 2:]
        return rest @ rest.mT

    values = WEIGHTS[:, :2]
    np.testing.assert_allclose(
        gradient(nothing_of, values), differences(nothing_of, values), atol=1e-7
    )
    x = leaf(values, "cpu")
    y = npg.linalg.svd(x).U[0, 2] * npg.linalg.svd(x).U[1, 3]
    with pytest.raises(DerivativeError, match="chosen to complete the basis"):
        y.backward()


# QR, Cholesky, inverse


def test_qr_of_dependent_columns_is_refused(device: str) -> None:
    x = leaf(np.ones((3, 2)), device)
    y = npg.sum(npg.linalg.qr(x).R)

    with pytest.raises(DerivativeError, match="linearly dependent"):
        y.backward()


def test_qr_complete_refuses_its_free_columns() -> None:
    x = leaf(WEIGHTS[:, :2], "cpu")
    y = npg.linalg.qr(x, mode="complete").Q[0, 2]

    with pytest.raises(DerivativeError, match=r"qr\(\) of its last columns"):
        y.backward()


def test_cholesky_has_a_symmetric_gradient(device: str) -> None:
    found = gradient(npg.linalg.cholesky, symmetric(1.0, 2.0, 3.0, 4.0), device)

    np.testing.assert_allclose(found, found.T, atol=1e-12)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_reads_one_triangle(upper: bool, device: str) -> None:
    values = symmetric(1.0, 2.0, 3.0, 4.0)
    factor = npg.linalg.cholesky(npg.asarray(values, device=device), upper=upper).numpy()

    np.testing.assert_allclose(factor.T @ factor if upper else factor @ factor.T, values)
    assert np.all((np.tril(factor, -1) if upper else np.triu(factor, 1)) == 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: npg.linalg.inv(x), "Singular matrix"),
        (lambda x: npg.linalg.solve(x, npg.ones(2, device=x.device)), "Singular matrix"),
        (lambda x: npg.linalg.cholesky(x - 1.0), "not positive definite"),
        (lambda x: npg.linalg.matrix_power(x, -2), "Singular matrix"),
    ],
    ids=["inv", "solve", "cholesky", "matrix_power"],
)
def test_matrices_without_an_answer_raise_the_same_error_on_every_backend(
    call: Callable[[npg.Array], npg.Array], message: str, device: str
) -> None:
    with pytest.raises(LinAlgError, match=message):
        call(npg.zeros((2, 2), device=device))


def test_pinv_of_an_invertible_matrix_has_the_gradient_of_its_inverse() -> None:
    np.testing.assert_allclose(
        gradient(npg.linalg.pinv, WEIGHTS), gradient(npg.linalg.inv, WEIGHTS), atol=1e-9
    )


@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 5])
def test_matrix_power(n: int, device: str) -> None:
    x = npg.asarray(WEIGHTS[:3, :3], device=device)

    found = npg.linalg.matrix_power(x, n)

    expected = np.linalg.matrix_power(WEIGHTS[:3, :3], n)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
    if n and device == "cpu":
        check_grads(lambda x: npg.linalg.matrix_power(x, n), [WEIGHTS[:3, :3]], order=1, rtol=1e-5)


def test_ranks(device: str) -> None:
    stack = np.stack([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])

    found = npg.linalg.matrix_rank(npg.asarray(stack, device=device))

    assert found.tolist() == [3, 1, 0]
    assert found.dtype == npg.int64


def test_tolerances_may_differ_over_a_stack(device: str) -> None:
    x = npg.asarray(np.stack([np.diag([1.0, 0.1])] * 2), device=device)
    rtol = npg.asarray([0.5, 0.01], device=device)

    assert npg.linalg.matrix_rank(x, rtol=rtol).tolist() == [1, 2]
    np.testing.assert_allclose(
        npg.linalg.pinv(x, rtol=rtol).numpy(), [np.diag([1.0, 0.0]), np.diag([1.0, 10.0])]
    )


# Norms of vectors


@pytest.mark.parametrize("order", [0, 1, 2, 3, 0.5, np.inf, -np.inf])
def test_vector_norm_at_zero_has_gradient_zero(order: float, device: str) -> None:
    x = leaf([0.0, 0.0], device)

    npg.linalg.vector_norm(x, ord=order).backward()

    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0])


def test_the_smallest_magnitude_has_gradient_zero_where_it_is_zero(device: str) -> None:
    x = leaf([0.0, 1.0, 2.0], device)

    npg.linalg.vector_norm(x, ord=-np.inf).backward()

    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0, 0.0])


def test_vector_norm_shares_the_derivative_at_a_tie(device: str) -> None:
    x = leaf([3.0, -3.0, 1.0], device)

    npg.linalg.vector_norm(x, ord=np.inf).backward()

    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [0.5, -0.5, 0.0])


# Several results, and errors


def test_results_may_be_overwritten_before_backward(device: str) -> None:
    x = leaf(symmetric(1.0, 2.0, 3.0, 4.0), device)
    w, v = npg.linalg.eigh(x)
    y = npg.sum(w)

    with npg.no_grad():
        v[0, 0] = 7.0
        w[...] = 0.0
    y.backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.eye(x.shape[0]), atol=1e-12)


def test_results_that_are_not_used_cost_no_gradient() -> None:
    x = leaf(WEIGHTS, "cpu")
    sign, logabsdet = npg.linalg.slogdet(x)

    logabsdet.backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.linalg.inv(WEIGHTS).T)
    assert sign.requires_grad


def test_results_used_twice_add_up() -> None:
    x = leaf(WEIGHTS + WEIGHTS.T, "cpu")
    w, _ = npg.linalg.eigh(x)

    (npg.sum(w) + 2 * npg.sum(w)).backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 3 * np.eye(4), atol=1e-12)


def test_integers_promote(device: str) -> None:
    assert npg.linalg.det(npg.asarray([[1, 2], [3, 4]], device=device)).dtype == npg.float64


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: npg.linalg.det(npg.ones((2, 3))), r"det\(\) needs square matrices, got .*2, 3"),
        (lambda: npg.linalg.svd(npg.ones(3)), r"svd\(\) needs matrices, two dimensions"),
        (
            lambda: npg.linalg.solve(npg.eye(2), npg.ones((3, 1))),
            r"solve\(\) needs x1.shape\[-1\] == x2.shape\[-2\]",
        ),
        (lambda: npg.linalg.cross(npg.ones(2), npg.ones(2)), r"cross\(\) needs 3 elements"),
        (lambda: npg.linalg.outer(npg.ones((2, 2)), npg.ones(2)), r"outer\(\) needs vectors"),
    ],
)
def test_wrong_shapes_are_told(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: npg.linalg.matrix_norm(npg.eye(2), ord=3), "ord is 'fro', 'nuc'"),
        (lambda: npg.linalg.vector_norm(npg.ones(2), ord="fro"), "ord is a real number"),
        (lambda: npg.linalg.qr(npg.eye(2), mode="r"), "mode is 'reduced' or 'complete'"),
    ],
)
def test_wrong_options_are_told(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_gradients_agree_with_torch() -> None:
    torch = pytest.importorskip("torch")
    spd = symmetric(1.0, 2.0, 3.0, 4.0)
    cases = [
        (npg.linalg.cholesky, torch.linalg.cholesky, spd),
        (npg.linalg.inv, torch.linalg.inv, WEIGHTS),
        (npg.linalg.pinv, torch.linalg.pinv, WEIGHTS[:, :2]),
        (npg.linalg.svdvals, torch.linalg.svdvals, WEIGHTS[:3]),
        (lambda x: npg.linalg.qr(x).R, lambda x: torch.linalg.qr(x).R, WEIGHTS[:, :3]),
        (lambda x: npg.linalg.qr(x).Q, lambda x: torch.linalg.qr(x).Q, WEIGHTS),
        (npg.linalg.eigvalsh, torch.linalg.eigvalsh, spd),
    ]
    for ours, theirs, values in cases:
        x = torch.tensor(values, requires_grad=True)
        y = theirs(x)
        (y * torch.tensor(np.resize(WEIGHTS, y.shape))).sum().backward()
        np.testing.assert_allclose(gradient(ours, values), x.grad.numpy(), atol=1e-10)


def test_gradients_of_decompositions_can_be_compiled_by_jax() -> None:
    jax = pytest.importorskip("jax")

    def loss(x: npg.Array) -> npg.Array:
        w, v = npg.linalg.eigh(x + x.mT)
        u, s, vh = npg.linalg.svd(x)
        return npg.sum((v * npg.exp(w)) @ v.mT) + npg.sum((u * s**2) @ vh) + npg.linalg.det(x)

    x = npg.asarray(WEIGHTS, device="jax:cpu:0")

    compiled = jax.jit(npg.grad(loss))(x)

    np.testing.assert_allclose(compiled.numpy(), npg.grad(loss)(x).numpy(), rtol=1e-9)
