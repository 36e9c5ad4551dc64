"""Other libraries on Arrays, in processes of their own: `foreign_law.py`, for each backend."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import array_api_compat
import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import GraphError

LAW = Path(__file__).with_name("foreign_law.py")

OTHERS = {"cpu": "not jax and not strict", "jax:cpu": "jax", "strict:cpu": "strict"}


def test_other_libraries_take_arrays(device: str) -> None:
    """A process decides once, when it imports SciPy, whether that takes arrays of others."""
    wanted = OTHERS.get(device)
    if wanted is None:
        pytest.skip("the law names the backends that it is tried on")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "--tb=short", str(LAW), "-k", wanted],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        cwd=LAW.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr


def test_the_page_is_up_to_date() -> None:
    path = LAW.parent.parent / "docs" / "generate_foreign.py"
    found = importlib.util.spec_from_file_location("generate_foreign", path)
    assert found is not None
    assert found.loader is not None
    writer = importlib.util.module_from_spec(found)
    found.loader.exec_module(writer)
    assert writer.PAGE.read_text() == writer.page(), "write it again: nox -s functions"


# array-api-compat's helpers


def test_the_helpers_of_array_api_compat_know_arrays(device: str, other_device: str) -> None:
    x = npg.ones((2, 3), requires_grad=True)
    assert array_api_compat.is_array_api_obj(x)
    assert array_api_compat.array_namespace(x, 2.0, None) is npg
    assert array_api_compat.device(x) is x.device
    assert array_api_compat.size(x) == 6
    assert array_api_compat.is_writeable_array(x)
    assert not array_api_compat.is_lazy_array(x)
    moved = array_api_compat.to_device(x, other_device)
    assert moved.device == npg.zeros(1, device=other_device).device
    assert not moved.requires_grad
    for name in ("numpy", "cupy", "torch", "jax", "dask", "array_api_strict"):
        assert not getattr(array_api_compat, f"is_{name}_namespace")(npg)


def test_an_array_without_values_is_lazy_to_others(device: str) -> None:
    seen = []

    @npg.compile
    def f(x: npg.Array) -> npg.Array:
        seen.append(array_api_compat.is_lazy_array(x))
        return x * 2

    assert f(npg.ones(2)).tolist() == [2.0, 2.0]
    assert seen == [True]
    with npg.lazy():
        assert not array_api_compat.is_lazy_array(npg.ones(2) * 2)


# No number without its gradient

CONVERSIONS = {
    "float": float,
    "complex": complex,
    "math": math.sin,
    "format": lambda x: "%.2f" % x,  # noqa: UP031 (it calls float)
    "asarray": np.asarray,
    "float64": np.float64,
    "list": lambda x: np.asarray([x, x]),
    "norm": np.linalg.norm,
    "dlpack": np.from_dlpack,
    "full": lambda x: np.full(2, x),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_no_number_is_made_of_a_tracked_array(device: str, name: str) -> None:
    x = npg.array(0.5, requires_grad=True)
    for tracked in (x, x * 2):
        with pytest.raises(GraphError, match="detach"):
            CONVERSIONS[name](tracked)
    CONVERSIONS[name](x.detach())
    with npg.no_grad():
        CONVERSIONS[name](x)


def test_elements_written_into_an_ndarray_are_not_tracked_silently(device: str) -> None:
    x, out = npg.array([0.5], requires_grad=True), np.zeros(2)
    with pytest.raises(ValueError, match="sequence") as caught:
        out[0] = x[0]
    assert isinstance(caught.value.__cause__, GraphError)


def test_numbers_that_are_asked_for_by_name_are_given(device: str) -> None:
    x = npg.array(2.5, requires_grad=True)
    assert (x.item(), x.tolist(), x.numpy(), f"{x:.1f}", str(x)) == (2.5, 2.5, 2.5, "2.5", "2.5")
    assert int(x) == 2
    assert bool(x)


def test_special_functions_of_the_namespace_are_those_of_scipy() -> None:
    """`scipy.special` looks for them there."""
    assert npg.special is npg.scipy.special
    assert npg.special.gammaln(npg.array(3.0)).item() == pytest.approx(math.log(2.0))


def test_ranges_take_the_numbers_of_arrays(device: str) -> None:
    whole = npg.arange(npg.array(1), npg.array(7), npg.array(2))
    assert (whole.tolist(), whole.dtype) == ([1, 3, 5], "int64")
    assert npg.arange(npg.array(2.5)).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(GraphError, match="detach"):
        npg.arange(npg.array(2.5, requires_grad=True))


def test_a_view_of_its_own_dtype_is_the_array(device: str) -> None:
    x = npg.ones((2, 3), requires_grad=True)
    for dtype in (float, "float64", np.float64, np.dtype("float64")):
        y = x.view(dtype)
        assert y.requires_grad
        assert y.shape == (2, 3)
    with pytest.raises(npg.errors.DTypeError, match="astype"):
        x.view("float32")


def test_arrays_of_one_shape_are_broadcast_as_they_are(device: str) -> None:
    x, y = npg.zeros(3), npg.ones(3)
    first, second = npg.broadcast_arrays(x, y)
    first[0] = 5.0
    assert (x.tolist(), second.tolist()) == ([5.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        npg.broadcast_arrays(x, npg.ones((2, 1)))[0][0] = 1.0
