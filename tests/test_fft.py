"""Fourier transforms: what their derivatives are, whatever the backend; and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from finite_differences import gradients

import numpygrad as npg
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.testing import check_grads

ALONG = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
OVER = ("fftn", "ifftn", "rfftn", "irfftn")
OF_REAL = ("rfft", "rfftn", "ihfft")
NORMS = ("backward", "ortho", "forward")

ALONG_OPTIONS: list[dict[str, Any]] = [
    {},
    {"n": 1},
    {"n": 3, "axis": 0},
    {"n": 4, "axis": 1, "norm": "ortho"},
    {"n": 9, "axis": -2, "norm": "forward"},
    {"n": 10, "norm": "backward"},
]
OVER_OPTIONS: list[dict[str, Any]] = [
    {},
    {"axes": (0,), "norm": "forward"},
    {"axes": [-1, 0], "norm": "ortho"},
    {"s": (3, 7), "axes": (1, 2)},
    {"s": [6, 2, 5], "axes": [2, 0, 1], "norm": "forward"},
]
CASES = [
    *((name, (5, 4), options) for name in ALONG for options in ALONG_OPTIONS),
    *((name, (4, 5, 3), options) for name in OVER for options in OVER_OPTIONS),
]


def case_id(value: Any) -> str:
    """`n=3,axis=0`."""
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items()) or "default"
    return str(value)


def drawn(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Numbers that the transform is of: complex ones, if it takes them."""
    values = rng.standard_normal(shape)
    return values if name in OF_REAL else values + 1j * rng.standard_normal(shape)


def transform(name: str, **options: Any) -> Callable[..., npg.Array]:
    """The function of that name, with its options filled in."""
    return lambda x: getattr(npg.fft, name)(x, **options)


# Examples


def test_parsevals_theorem_and_its_gradient(device: str, rng: np.random.Generator) -> None:
    values = rng.standard_normal(6)
    x = npg.array(values, requires_grad=True)

    energy = npg.sum(npg.abs(npg.fft.fft(x)) ** 2)
    energy.backward()

    assert energy.item() == pytest.approx(6 * np.sum(values**2))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * 6 * values, atol=1e-12)


def test_the_gradient_of_one_coefficient_is_its_wave(device: str) -> None:
    x = npg.zeros(8, requires_grad=True)

    npg.real(npg.fft.rfft(x)[2]).backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.cos(2 * np.pi * 2 * np.arange(8) / 8), atol=1e-12)


def test_a_convolution_by_its_theorem_has_the_gradient_of_a_convolution(
    device: str, rng: np.random.Generator
) -> None:
    signal, kernel, g = rng.standard_normal(9), rng.standard_normal(4), rng.standard_normal(12)
    x, k = npg.array(signal, requires_grad=True), npg.array(kernel, requires_grad=True)

    y = npg.fft.irfft(npg.fft.rfft(x, n=12) * npg.fft.rfft(k, n=12), n=12)
    y.backward(npg.asarray(g))

    np.testing.assert_allclose(y.numpy(), np.convolve(signal, kernel), atol=1e-12)
    assert x.grad is not None
    assert k.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.correlate(g, kernel, "valid"), atol=1e-12)
    np.testing.assert_allclose(k.grad.numpy(), np.correlate(g, signal, "valid"), atol=1e-12)


def test_a_derivative_taken_by_its_spectrum_can_be_differentiated(device: str) -> None:
    grid = np.arange(16) / 16
    frequency = 2j * np.pi * npg.fft.rfftfreq(16, d=1 / 16)

    def slope(scale: npg.Array) -> npg.Array:
        wave = npg.sin(2 * np.pi * npg.asarray(grid)) * scale
        return npg.fft.irfft(frequency * npg.fft.rfft(wave))

    value, pushed = npg.jvp(slope, [npg.asarray(3.0)], [npg.asarray(1.0)])

    expected = 2 * np.pi * np.cos(2 * np.pi * grid)
    np.testing.assert_allclose(value.numpy(), 3 * expected, atol=1e-12)
    np.testing.assert_allclose(pushed.numpy(), expected, atol=1e-12)


def test_a_spectrum_that_is_fitted_by_descent(promised_device: str) -> None:
    wanted = npg.asarray([1.0, 2.0, 0.0, -1.0, 0.5])
    half = npg.zeros(3, dtype="complex128", requires_grad=True)
    for _ in range(40):
        loss = npg.sum((npg.fft.irfft(half, n=5, norm="ortho") - wanted) ** 2)
        half.grad = None
        loss.backward()
        assert half.grad is not None
        half -= 0.25 * half.grad

    np.testing.assert_allclose(
        half.detach().numpy(), np.fft.rfft(wanted.numpy(), norm="ortho"), atol=1e-6
    )


# Values and derivatives


@pytest.mark.parametrize(("name", "shape", "options"), CASES, ids=case_id)
def test_values_are_numpys(
    name: str,
    shape: tuple[int, ...],
    options: dict[str, Any],
    device: str,
    rng: np.random.Generator,
) -> None:
    values = drawn(name, shape, rng)
    for found in (values, values.real):
        y = transform(name, **options)(npg.asarray(found))

        expected = getattr(np.fft, name)(found, **options)
        np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
        assert y.dtype == expected.dtype


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_single_precision_is_kept_there_and_back(
    name: str, device: str, rng: np.random.Generator
) -> None:
    values = drawn(name, (3, 4), rng)
    for dtype in ("float32", "complex64")[: 1 if name in OF_REAL else 2]:
        x = npg.array(values.real, dtype=dtype, requires_grad=True)

        y = transform(name)(x)
        y.backward(npg.ones_like(y))

        assert y.dtype == ("complex64" if y.dtype.kind == "c" else "float32")
        assert y.dtype.kind == ("f" if name in ("irfft", "irfftn", "hfft") else "c")
        assert x.grad is not None
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "int64"])
@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_integers_become_double_precision(name: str, dtype: str, device: str) -> None:
    y = transform(name)(npg.ones((2, 3), dtype=dtype))

    expected = getattr(np.fft, name)(np.ones((2, 3)))
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("there", "back", "options"),
    [
        ("fft", "ifft", {}),
        ("fftn", "ifftn", {}),
        ("rfft", "irfft", {"n": 5}),
        ("rfftn", "irfftn", {"s": (4, 5), "axes": (0, 1)}),
        ("ihfft", "hfft", {"n": 5}),
    ],
)
def test_one_undoes_the_other(
    there: str, back: str, options: dict[str, Any], norm: str, device: str, rng: np.random.Generator
) -> None:
    values = drawn(there, (4, 5), rng)

    y = transform(back, norm=norm, **options)(transform(there, norm=norm)(npg.asarray(values)))

    np.testing.assert_allclose(y.numpy(), values, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("name", ["irfft", "hfft"])
def test_imaginary_parts_that_are_ignored_have_derivative_zero(
    name: str, n: int, device: str, rng: np.random.Generator
) -> None:
    values, weights = drawn(name, (4,), rng), rng.standard_normal(n)
    x = npg.array(values, requires_grad=True)

    transform(name, n=n)(x).backward(npg.asarray(weights))

    def loss(real: np.ndarray, imag: np.ndarray) -> float:
        return float(weights @ getattr(np.fft, name)(real + 1j * imag, n=n))

    real, imag = gradients(loss, [values.real, values.imag])
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), real + 1j * imag, atol=1e-8)
    assert x.grad[0].numpy().imag == 0
    if n == 6:
        assert x.grad[3].numpy().imag == 0


def test_several_axes_ignore_what_is_left_when_the_last_comes(
    device: str, rng: np.random.Generator
) -> None:
    values, weights = drawn("irfftn", (3, 3), rng), rng.standard_normal((3, 4))
    x = npg.array(values, requires_grad=True)

    npg.fft.irfftn(x).backward(npg.asarray(weights))

    def loss(real: np.ndarray, imag: np.ndarray) -> float:
        return float(np.sum(weights * np.fft.irfftn(real + 1j * imag)))

    real, imag = gradients(loss, [values.real, values.imag])
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), real + 1j * imag, atol=1e-8)


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_derivatives_through_what_is_not_linear(
    name: str, device: str, rng: np.random.Generator
) -> None:
    function = transform(name)
    for values in (drawn(name, (2, 3), rng), rng.standard_normal((2, 3))):
        check_grads(lambda x: npg.sum(npg.abs(function(x * x)) ** 2), [values], device=device)


@pytest.mark.parametrize(("name", "shape", "options"), CASES, ids=case_id)
def test_gradients_are_torchs(
    name: str, shape: tuple[int, ...], options: dict[str, Any], rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    renamed = {"axis": "dim", "axes": "dim"}
    values = drawn(name, shape, rng)
    for found in (values, values.real):
        x = npg.array(found, requires_grad=True)
        theirs = torch.tensor(found, requires_grad=True)

        y = transform(name, **options)(x)
        expected = getattr(torch.fft, name)(
            theirs, **{renamed.get(key, key): option for key, option in options.items()}
        )
        g = rng.standard_normal(y.shape).astype(y.dtype) * (1 if y.dtype.kind == "f" else 1 - 2j)
        y.backward(npg.asarray(g))
        expected.backward(torch.tensor(g))

        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), theirs.grad.resolve_conj().numpy(), atol=1e-12)


def test_what_was_transformed_may_be_overwritten(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    z = x * 1.0
    y = npg.fft.rfft(z)
    z[:] = 0.0

    npg.real(y[0]).backward()

    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_numpy_arrays_are_taken(device: str) -> None:
    assert npg.fft.fft(np.ones(3)).tolist() == [3, 0, 0]
    assert npg.fft.fftshift(np.arange(3)).tolist() == [2, 0, 1]


def test_gradients_inside_jit(rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    values = rng.standard_normal((3, 4))

    def loss(x: npg.Array) -> npg.Array:
        return npg.sum(npg.fft.irfftn(npg.fft.rfftn(x, s=(5, 3), axes=(0, 1)) ** 2))

    with npg.device("jax:cpu"), jax.enable_x64(True):
        x = npg.array(values)
        found = jax.jit(npg.grad(loss))(x)
        expected = npg.grad(loss)(x)

    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-12)


# Edges


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_no_signals_have_no_spectra(name: str, device: str) -> None:
    for shape in ((0, 4), (2, 0, 4)):
        options: dict[str, Any] = {"axes": (-1,)} if name in OVER else {}
        x = npg.zeros(shape, requires_grad=True)

        y = transform(name, **options)(x)
        y.backward(npg.ones_like(y))

        assert y.shape == getattr(np.fft, name)(np.zeros(shape), **options).shape
        assert x.grad is not None
        assert x.grad.shape == shape


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_a_signal_without_points_is_continued_by_zeros(name: str, device: str) -> None:
    options: dict[str, Any] = {"s": (2, 4), "axes": (0, 1)} if name in OVER else {"n": 4}
    for shape in ((2, 0), (0, 0))[: 2 if name in OVER else 1]:
        x = npg.zeros(shape, requires_grad=True)

        y = transform(name, **options)(x)
        y.backward(npg.ones_like(y))

        assert y.shape == getattr(np.fft, name)(np.zeros((2, 1)), **options).shape
        assert not np.any(y.numpy())
        assert x.grad is not None
        assert x.grad.shape == shape


@pytest.mark.parametrize("name", ["fftn", "ifftn"])
def test_along_no_axes_nothing_happens_but_to_the_dtype(name: str, device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)

    y = transform(name, axes=())(x)
    y.backward(npg.asarray([1 + 5j, 2 + 5j]))

    assert (y.dtype, y.tolist()) == ("complex128", [1, 2])
    assert x.grad is not None
    assert x.grad.tolist() == [1, 2]
    assert transform(name)(npg.asarray(3.0)).shape == ()
    for dtype, wanted in (("int8", "complex128"), ("float32", "complex64")):
        assert transform(name, axes=())(npg.ones(2, dtype=dtype)).dtype == wanted


def test_more_axes_than_a_library_transforms_at_once(device: str, rng: np.random.Generator) -> None:
    values = drawn("irfftn", (2, 3, 2, 2, 2), rng)

    y = npg.fft.irfftn(npg.asarray(values))

    np.testing.assert_allclose(y.numpy(), np.fft.irfftn(values), atol=1e-12)


def test_axes_in_memory_order_or_not(device: str, rng: np.random.Generator) -> None:
    values = rng.standard_normal((3, 4))

    y = npg.fft.fft(npg.asarray(values).T, axis=0)

    np.testing.assert_allclose(y.numpy(), np.fft.fft(values.T, axis=0), atol=1e-12)
    assert npg.reshape(y, (12,)).tolist() == y.numpy().ravel().tolist()


# Errors


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_an_unknown_norm(name: str, device: str) -> None:
    with pytest.raises(ValueError, match=r"'backward', 'ortho' and 'forward', not 'unitary'"):
        transform(name, norm="unitary")(npg.ones(4))


@pytest.mark.parametrize("name", OF_REAL)
def test_complex_arrays_where_only_real_ones_make_sense(name: str, device: str) -> None:
    with pytest.raises(DTypeError, match=rf"{name}\(\) takes real arrays, not complex128; use fft"):
        transform(name)(npg.ones(4, dtype="complex128"))


@pytest.mark.parametrize("name", ALONG)
def test_an_axis_that_is_not_there(name: str, device: str) -> None:
    for axis in (2, -3):
        with pytest.raises(IndexError, match=rf"{name}\(\): axis {axis} is out of bounds"):
            transform(name, axis=axis)(npg.ones((3, 3)))
    with pytest.raises(IndexError, match="0 dimensions"):
        transform(name)(npg.asarray(1.0))


@pytest.mark.parametrize("name", OVER)
def test_axes_that_are_not_there_repeated_or_none(name: str, device: str) -> None:
    x = npg.ones((3, 3))
    with pytest.raises(IndexError, match=rf"{name}\(\): axis 2 is out of bounds"):
        transform(name, axes=(0, 2))(x)
    with pytest.raises(ValueError, match="repeated"):
        transform(name, axes=(0, -2))(x)
    if name in ("rfftn", "irfftn"):
        with pytest.raises(ShapeError, match="one axis or more"):
            transform(name, axes=())(x)


@pytest.mark.parametrize("name", OVER)
def test_lengths_need_as_many_axes(name: str, device: str) -> None:
    x = npg.ones((3, 3))
    with pytest.raises(ValueError, match=r"needs axes= beside s=\(2, 2\).*axes=\(-2, -1\)"):
        transform(name, s=(2, 2))(x)
    with pytest.raises(ValueError, match=r"as many lengths as axes, got s=\(2,\)"):
        transform(name, s=(2,), axes=(0, 1))(x)


@pytest.mark.parametrize("n", [0, -1])
def test_less_than_one_point(n: int, device: str) -> None:
    for name in ALONG:
        with pytest.raises(ShapeError, match=rf"one point or more.*got {n} along axis 1.*with n="):
            transform(name, n=n)(npg.ones((2, 4)))
    for name in OVER:
        with pytest.raises(ShapeError, match=rf"one point or more.*got {n} along axis 1.*with s="):
            transform(name, s=(2, n), axes=(0, 1))(npg.ones((2, 4)))


@pytest.mark.parametrize("name", [*ALONG, *OVER])
def test_no_points_and_no_number_of_points(name: str, device: str) -> None:
    with pytest.raises(ShapeError, match="one point or more"):
        transform(name)(npg.ones((2, 0)))
    if name in ("irfft", "irfftn", "hfft"):
        with pytest.raises(ShapeError, match=r"got 0 along axis 1 of shape \(2, 1\)"):
            transform(name)(npg.ones((2, 1)))


def test_a_number_of_points_that_is_no_integer(device: str) -> None:
    with pytest.raises(TypeError, match="integer"):
        npg.fft.fft(npg.ones(4), n=2.0)  # type: ignore[arg-type]  # refused


# Frequencies and shifts


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("d", [1.0, 0.2, -3])
def test_frequencies_are_numpys(n: int, d: float, device: str) -> None:
    for name in ("fftfreq", "rfftfreq"):
        f = getattr(npg.fft, name)(n, d=d)

        np.testing.assert_allclose(f.numpy(), getattr(np.fft, name)(n, d=d), rtol=1e-14)
        assert (f.dtype, f.device) == ("float64", npg.default_device())
        assert getattr(npg.fft, name)(n, d=d, dtype="float32").dtype == "float32"


def test_frequencies_on_another_device(device: str, other_device: str) -> None:
    expected = npg.zeros(1, device=other_device).device
    assert npg.fft.fftfreq(4, device=other_device).device == expected
    assert npg.fft.rfftfreq(4, device=other_device).device == expected


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies_that_there_are_not(name: str, device: str) -> None:
    function = getattr(npg.fft, name)
    with pytest.raises(ShapeError, match=rf"{name}\(\) needs n >= 1, .* got 0"):
        function(0)
    with pytest.raises(ValueError, match="spacing"):
        function(4, d=0.0)
    for dtype in ("int64", "complex128"):
        with pytest.raises(DTypeError, match=f"float32 or float64, not {dtype}"):
            function(4, dtype=dtype)


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 1), [1]])
@pytest.mark.parametrize("shape", [(4, 5), (1, 2), (0, 3)])
def test_shifts_are_numpys(shape: tuple[int, ...], axes: Any, device: str) -> None:
    values = np.arange(np.prod(shape)).reshape(shape)
    x = npg.asarray(values)

    assert npg.fft.fftshift(x, axes=axes).tolist() == np.fft.fftshift(values, axes=axes).tolist()
    assert npg.fft.ifftshift(x, axes=axes).tolist() == np.fft.ifftshift(values, axes=axes).tolist()
    assert npg.fft.fftshift(x).dtype == "int64"


def test_shifts_move_gradients_back(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)

    (npg.fft.fftshift(x) * npg.asarray([10.0, 20.0, 30.0])).sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [20.0, 30.0, 10.0]


def test_shifts_of_a_single_number_and_along_axes_that_are_not_there(device: str) -> None:
    for shift in (npg.fft.fftshift, npg.fft.ifftshift):
        assert shift(npg.asarray(2.0)).item() == 2.0
        assert shift(npg.ones(3), axes=()).tolist() == [1, 1, 1]
        with pytest.raises(IndexError, match="axis 1 is out of bounds"):
            shift(npg.ones(3), axes=1)
