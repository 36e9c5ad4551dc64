"""Functional updates: `at(x)[key].add(v)` and its like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.testing import check_grads

VALUES = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
KEYS: dict[str, Any] = {
    "int": 1,
    "slice": (slice(None), slice(1, None)),
    "integers": [1, 0],
    "mask": VALUES > 2.5,
    "ellipsis": ...,
}
NUMPYS = {
    "set": lambda old, value: value + 0 * old,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("name", NUMPYS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_update_is_that_of_numpy_and_leaves_its_array(name: str, key: Any, device: str) -> None:
    x = npg.asarray(VALUES, device=device)
    expected = VALUES.copy()
    expected[key] = NUMPYS[name](expected[key], 2.5)

    found = getattr(npg.at(x)[key], name)(2.5)

    np.testing.assert_allclose(found.numpy(), expected)
    np.testing.assert_array_equal(x.numpy(), VALUES)


@pytest.mark.parametrize("name", ["set", "add", "subtract", "multiply", "divide", "min", "max"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_gradients_flow_to_the_array_and_to_the_value(name: str, key: Any) -> None:
    shape = VALUES[key].shape
    value = 2.45 + 0.31 * np.arange(float(np.prod(shape))).reshape(shape)

    check_grads(lambda x, v: getattr(npg.at(x, key), name)(v), [VALUES, value])


def test_repeated_places_accumulate(device: str) -> None:
    x = npg.zeros(3, device=device)

    assert npg.at(x)[[0, 2, 2]].add(1.0).tolist() == [1.0, 0.0, 2.0]
    assert npg.at(x)[[0, 2, 2]].subtract(1.0).tolist() == [-1.0, 0.0, -2.0]
    assert npg.at(x)[[2, 2]].set(npg.asarray([5.0, 7.0], device=device)).tolist() == [0, 0, 7]


def test_the_gradient_of_repeated_places_reaches_each_value(device: str) -> None:
    v = npg.array([1.0, 2.0, 3.0], device=device, requires_grad=True)
    weights = npg.asarray([10.0, 20.0], device=device)

    (npg.at(npg.zeros(2, device=device))[[0, 1, 1]].add(v) * weights).sum().backward()

    assert v.grad is not None
    assert v.grad.tolist() == [10.0, 20.0, 20.0]


def test_the_key_may_be_given_either_way() -> None:
    x = npg.asarray([1.0, 2.0])

    assert npg.at(x, 0).set(5.0).tolist() == npg.at(x)[0].set(5.0).tolist() == [5.0, 2.0]


def test_without_a_key_all_is_updated() -> None:
    assert npg.at(npg.asarray([1.0, 2.0])).multiply(3.0).tolist() == [3.0, 6.0]


def test_an_update_keeps_the_dtype(device: str) -> None:
    x = npg.asarray([1, 2], device=device)

    assert npg.at(x)[0].add(3).dtype == x.dtype
    with pytest.raises(DTypeError, match=r"at\(x\).add\(\) of float64 values into .* int64"):
        npg.at(x)[0].add(0.5)


def test_values_that_do_not_fit_are_refused(device: str) -> None:
    with pytest.raises(ShapeError):
        npg.at(npg.zeros(3, device=device))[:2].set(npg.ones(3, device=device))
