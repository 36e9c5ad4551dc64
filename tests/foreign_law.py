"""Functions of other libraries on Arrays: NumPy's values, right gradients or refusals.

Run by `test_foreign.py` in a process of its own, as SciPy asks when it is imported whether it is to
take arrays of other libraries. By hand, a part of it:

    SCIPY_ARRAY_API=1 pytest tests/foreign_law.py -k zscore

With `NUMPYGRAD_FOREIGN_ALL=1`, all functions are tried on JAX too, which takes minutes.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DerivativeError, GraphError, VersionError

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))
from foreign_functions import ROWS, Row

sys.path.pop(0)

STEP = 1e-5
OLDEST = {"array_api_extra": "0.11", "sklearn": "1.8"}
"""The versions since which libraries take the arrays of the table."""
REMEDIES = "detach|Copy the array"


@pytest.fixture(autouse=True)
def _dispatching() -> Iterator[None]:
    """Have scikit-learn take arrays of other libraries; their warnings are not ours."""
    pytest.importorskip("scipy", minversion="1.17", reason="older ones take fewer arrays")
    try:
        sklearn = importlib.import_module("sklearn")
    except ImportError:  # its rows are skipped
        yield
        return
    with sklearn.config_context(array_api_dispatch=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def function_of(row: Row) -> Any:
    """What the dotted name of a row stands for."""
    library = row.name.partition(".")[0]
    pytest.importorskip(library, minversion=OLDEST.get(library), reason="it is optional")
    parts = row.name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        if callable(found):
            return found
    return getattr(importlib.import_module(row.name), parts[-1])


def results(row: Row, *arrays: Any) -> list[Any]:
    """The arrays that a call gives, in order."""
    return _flat(row.call(function_of(row), *arrays))


def _flat(found: Any) -> list[Any]:
    if isinstance(found, (tuple, list)):
        return [x for part in found for x in _flat(part)]
    return [found]


def weighted(found: list[Any]) -> Any:
    """One number made of all results that are floating."""
    rng = np.random.default_rng(7)
    total: Any = 0.0
    for x in found:
        if np.dtype(getattr(x, "dtype", type(x))).kind == "f":
            weights = rng.normal(size=x.shape)
            total = total + (x * weights).sum()
    return total


def differences(row: Row, position: int) -> np.ndarray:
    """The derivatives by NumPy's values on both sides."""

    def value(offset: Any) -> float:
        arrays = [np.copy(x) for x in row.arrays]
        arrays[position] = arrays[position] + offset
        return float(weighted(results(row, *arrays)))

    x = row.arrays[position]
    found = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        offset = np.zeros_like(x)
        offset[index] = STEP
        found[index] = (value(offset) - value(-offset)) / (2 * STEP)
    return found


@pytest.fixture
def row(request: pytest.FixtureRequest, device: str) -> Row:
    """A row, unless it is left out on this device."""
    wanted: Row = request.param
    everything = os.environ.get("NUMPYGRAD_FOREIGN_ALL")
    if device.startswith("jax") and not (wanted.on_jax or everything):
        pytest.skip("JAX compiles each operation for each shape: some rows stand for all")
    return wanted


ALL = pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name} {r.gradient}", indirect=True)


@ALL
def test_values_are_those_of_numpy(row: Row) -> None:
    expected = results(row, *map(np.copy, row.arrays))
    found = results(row, *map(npg.array, row.arrays))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-9, atol=1e-12)


@ALL
def test_gradients_flow_or_are_refused(row: Row, device: str) -> None:
    arrays = [npg.array(x, requires_grad=x.dtype.kind == "f") for x in row.arrays]
    if row.gradient == "refused":
        with pytest.raises((GraphError, VersionError, DerivativeError), match=REMEDIES):
            weighted(results(row, *arrays)).backward()
        return
    found = results(row, *arrays)
    expected = [differences(row, i) for i, x in enumerate(row.arrays) if x.dtype.kind == "f"]
    if row.gradient == "no":
        assert not any(x.requires_grad for x in found)
        assert all(np.abs(x).max() == 0.0 for x in expected)
        return
    assert all(x.device == npg.default_device() for x in found)
    weighted(found).backward()
    for x, numbers in zip((x for x in arrays if x.requires_grad), expected, strict=True):
        grad = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
        largest = max(np.abs(numbers).max(), 1e-3)
        np.testing.assert_allclose(grad, numbers, rtol=1e-6, atol=1e-6 * largest)
