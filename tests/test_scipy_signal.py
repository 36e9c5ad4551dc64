"""Convolutions, filters and cosine transforms, beside what holds of all functions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal

import numpygrad as npg
from numpygrad.errors import ShapeError
from numpygrad.scipy import fft, ndimage, signal
from numpygrad.testing import check_grads

RNG = np.random.default_rng(7)
SHAPES = [((7,), (3,)), ((3,), (8,)), ((90,), (41,)), ((5, 6), (2, 3)), ((6, 4, 5), (2, 3, 4))]


@pytest.mark.parametrize(("shape1", "shape2"), SHAPES)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolutions_are_those_of_scipy(
    mode: str, shape1: tuple[int, ...], shape2: tuple[int, ...], quick_device: str
) -> None:
    x, y = RNG.integers(-9, 9, shape1), RNG.integers(-9, 9, shape2)

    for function, method in itertools.product(("convolve", "correlate"), ("direct", "fft")):
        expected = getattr(scipy.signal, function)(x, y, mode)
        ours = getattr(signal, function)
        floats = ours(npg.asarray(x * 1.0), npg.asarray(y * 1.0), mode, method)
        np.testing.assert_allclose(floats.numpy(), expected, atol=1e-9)
        whole = ours(npg.asarray(x), npg.asarray(y), mode)
        np.testing.assert_array_equal(whole.numpy(), expected)
        assert whole.dtype == npg.int64


def test_numbers_and_empty_arrays_are_convolved() -> None:
    assert signal.convolve(npg.array(2.0), 3.0) == 6.0
    assert signal.convolve(npg.ones(0), npg.ones(3)).shape == (0,)
    assert signal.fftconvolve(npg.ones((2, 0)), npg.ones((1, 3)), axes=1).shape == (2, 0)


@pytest.mark.parametrize("mode", ["reflect", "constant", "nearest", "mirror", "wrap"])
@pytest.mark.parametrize("n", [1, 2, 5, 80])
def test_filters_see_beyond_edges_what_scipy_sees(mode: str, n: int, quick_device: str) -> None:
    x = RNG.standard_normal((2, n))
    for k, origin in ((1, 0), (4, -1), (4, 1), (7, 2)):
        w = RNG.standard_normal(k)
        for name in ("convolve1d", "correlate1d"):
            expected = getattr(scipy.ndimage, name)(x, w, mode=mode, cval=2.0, origin=origin)
            found = getattr(ndimage, name)(
                npg.asarray(x), npg.asarray(w), mode=mode, cval=2.0, origin=origin
            )
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-12)


def test_complex_weights_of_a_correlation_are_conjugated_as_in_scipy() -> None:
    x, w = RNG.standard_normal((2, 5, 3)) @ np.asarray([1, 1j, 1 + 1j]), np.asarray([1j, 2, 3 - 1j])
    for name in ("correlate1d", "convolve1d"):
        expected = getattr(scipy.ndimage, name)(x, w)
        found = getattr(ndimage, name)(npg.asarray(x), npg.asarray(w))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_a_large_window_is_as_a_small_one() -> None:
    x, w = RNG.standard_normal((50, 9)), RNG.standard_normal((40, 3))

    found = ndimage.convolve(npg.asarray(x), npg.asarray(w))

    np.testing.assert_allclose(found.numpy(), scipy.ndimage.convolve(x, w), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_gaussian_is_differentiated_by_its_width(order: int) -> None:
    x = RNG.standard_normal(9)
    expected = scipy.ndimage.gaussian_filter1d(x, 1.3, order=order)
    found = ndimage.gaussian_filter1d(npg.asarray(x), npg.array(1.3), order=order)

    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)
    check_grads(
        lambda x, s: ndimage.gaussian_filter1d(x, s, order=order, radius=4), [x, np.asarray(1.3)]
    )


@pytest.mark.parametrize("name", ["dct", "idct", "dst", "idst"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_transforms_are_those_of_scipy(name: str, kind: int, quick_device: str) -> None:
    x = RNG.standard_normal((2, 5))
    for norm, orthogonalize, n in itertools.product(
        ("backward", "ortho", "forward"), (None, True, False), (None, 3, 8)
    ):
        options = {"norm": norm, "orthogonalize": orthogonalize, "n": n}
        expected = getattr(scipy.fft, name)(x, kind, **options)
        found = getattr(fft, name)(npg.asarray(x), kind, **options)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_fast_lengths_are_those_of_scipy() -> None:
    for n in range(1, 400):
        assert fft.next_fast_len(n) == scipy.fft.next_fast_len(n)
        assert fft.next_fast_len(n, real=True) == scipy.fft.next_fast_len(n, real=True)


def test_what_does_not_fit_is_refused() -> None:
    x, image = npg.ones(4), npg.ones((3, 3))
    for error, message, call in (
        (ShapeError, "as many dimensions", lambda: signal.convolve(x, image)),
        (ShapeError, "as many dimensions", lambda: signal.fftconvolve(x, image)),
        (ShapeError, "valid", lambda: signal.convolve(npg.ones((4, 1)), image, mode="valid")),
        (ShapeError, "along the others", lambda: signal.fftconvolve(image, image[:2], axes=1)),
        (ValueError, "mode is", lambda: signal.convolve(x, x, mode="half")),
        (ValueError, "method is", lambda: signal.convolve(x, x, method="slow")),
        (ValueError, "mode is", lambda: ndimage.correlate1d(x, x, mode="edge")),
        (ValueError, "origin", lambda: ndimage.correlate1d(x, x, origin=3)),
        (ShapeError, "vector of weights", lambda: ndimage.correlate1d(x, image)),
        (ShapeError, "weights of as many", lambda: ndimage.correlate(x, image)),
        (ValueError, "3 values for 2 axes", lambda: ndimage.uniform_filter(image, (1, 2, 3))),
        (ValueError, "radius", lambda: ndimage.gaussian_filter1d(x, 1.0, radius=-1)),
        (ValueError, "order", lambda: ndimage.gaussian_filter1d(x, 1.0, order=-1)),
        (ValueError, "type is", lambda: fft.dct(x, 5)),
        (ValueError, "norm is", lambda: fft.dct(x, norm="orthogonal")),
        (ShapeError, "more points", lambda: fft.dct(npg.ones(1), 1)),
        (ShapeError, "as many lengths", lambda: fft.dctn(image, s=(2,), axes=(0, 1))),
    ):
        with pytest.raises(error, match=message):
            call()


def test_widths_of_a_gaussian_may_come_as_an_array(quick_device: str) -> None:
    image = npg.reshape(npg.arange(12.0, device=quick_device), (3, 4)) ** 2
    widths = npg.array([1.3, 0.7], device=quick_device, requires_grad=True)
    blurred = ndimage.gaussian_filter(image, widths)
    np.testing.assert_allclose(
        blurred.numpy(), scipy.ndimage.gaussian_filter(image.numpy(), [1.3, 0.7]), rtol=1e-12
    )
    blurred[1, 1].backward()
    assert npg.all(widths.grad != 0.0)
    with pytest.raises(ShapeError, match="sigma is a number"):
        ndimage.gaussian_filter1d(image, npg.ones(9, device=quick_device), radius=4)
    with pytest.raises(ValueError, match="3 values for 2 axes"):
        ndimage.gaussian_filter(image, np.ones(3))
