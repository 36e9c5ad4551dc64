"""Set functions: what is different, where, how often; what is in another array; derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.testing import check_grads

NAN = math.nan
VALUES: list[tuple[str, Any]] = [
    ("ints", [3, 1, 3, 2, 1]),
    ("matrix", [[2.0, 1.0], [1.0, 2.0]]),
    ("bools", [True, False, True]),
    ("complex", [1 + 1j, 1 - 1j, 1 + 1j, 0j]),
    ("one", 5.0),
    ("none", []),
    ("none-2-d", [[], []]),
    ("large", [2**63 - 1, 2**63 - 2, 2**63 - 1]),
]


@pytest.mark.parametrize("values", [v[1] for v in VALUES], ids=[v[0] for v in VALUES])
def test_unique_all_is_what_it_says(device: str, values: Any) -> None:
    x = npg.asarray(values)
    flat = np.asarray(values).reshape(-1)

    found = npg.unique_all(x)

    assert found._fields == ("values", "indices", "inverse_indices", "counts")
    numbers = found.values.tolist()
    assert sorted(numbers, key=str) == sorted(set(flat.tolist()), key=str)
    if found.values.dtype.kind != "c":
        assert numbers == sorted(numbers)
    assert found.indices.tolist() == [flat.tolist().index(v) for v in numbers]
    assert found.counts.tolist() == [flat.tolist().count(v) for v in numbers]
    np.testing.assert_array_equal(
        found.values.numpy()[found.inverse_indices.numpy()], np.asarray(values)
    )
    assert found.values.dtype == x.dtype
    assert found.inverse_indices.shape == x.shape
    for indices in found[1:]:
        assert indices.dtype == npg.__array_namespace_info__().default_dtypes()["indexing"]
        assert indices.device == x.device


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_every_nan_is_a_value_of_its_own(device: str, dtype: str) -> None:
    values = np.asarray([NAN, 1.0, NAN, 1.0, NAN], dtype=dtype)
    if dtype.startswith("complex"):
        values[2] = complex(1.0, NAN)
    found = npg.unique_all(npg.asarray(values))

    assert found.values.tolist()[0] == 1.0
    assert sorted(found.indices.tolist()) == [0, 1, 2, 4]
    assert found.counts.tolist() == [2, 1, 1, 1]
    back = found.values.numpy()[found.inverse_indices.numpy()]
    np.testing.assert_array_equal(back, values)
    assert npg.unique_values(npg.asarray(values)).shape == (4,)


@pytest.mark.parametrize("zeros", [(0.0, -0.0), (-0.0, 0.0)])
def test_signed_zeros_are_one_value_the_first_to_occur(
    device: str, zeros: tuple[float, float]
) -> None:
    found = npg.unique_all(npg.asarray([1.0, *zeros]))
    assert found.values.tolist() == [0.0, 1.0]
    assert found.indices.tolist() == [1, 0]
    assert found.counts.tolist() == [2, 1]
    assert math.copysign(1.0, found.values[0].item()) == math.copysign(1.0, zeros[0])


def test_the_others_give_parts_of_unique_all(device: str) -> None:
    x = npg.asarray([[3.0, 1.0], [3.0, 2.0]])
    everything = npg.unique_all(x)
    counts, inverse = npg.unique_counts(x), npg.unique_inverse(x)
    assert counts._fields == ("values", "counts")
    assert inverse._fields == ("values", "inverse_indices")
    assert counts.values.tolist() == inverse.values.tolist() == [1.0, 2.0, 3.0]
    assert npg.unique_values(x).tolist() == [1.0, 2.0, 3.0]
    assert counts.counts.tolist() == everything.counts.tolist() == [1, 1, 2]
    assert inverse.inverse_indices.tolist() == everything.inverse_indices.tolist()


def test_the_derivative_goes_to_the_first_occurrence(device: str) -> None:
    x = npg.array([[3.0, 1.0, 3.0], [2.0, 1.0, 0.0]], requires_grad=True)
    for function in (npg.unique_all, npg.unique_counts, npg.unique_inverse):
        x.grad = None
        (function(x).values * npg.asarray([1.0, 2.0, 3.0, 4.0])).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [[4.0, 2.0, 0.0], [3.0, 0.0, 1.0]]
    found = npg.unique_all(x)
    assert not any(indices.requires_grad for indices in found[1:])


def test_derivatives_of_unique_values_agree_with_differences(device: str) -> None:
    values = np.asarray([0.3, -1.0, 2.0, 0.9])
    check_grads(lambda x: npg.unique_values(x) ** 3, [values], device=device)
    check_grads(lambda x: npg.unique_values(x) ** 3, [values + 0.5j], device=device)


def test_unique_of_what_is_no_array(device: str) -> None:
    assert npg.unique_values(np.asarray([2, 1, 2])).tolist() == [1, 2]
    with pytest.raises(TypeError, match="unique_all"):
        npg.unique_all([1, 2])  # type: ignore[arg-type]  # a list, on purpose


# isin

KINDS = {
    "bool": ([True, False], [True]),
    "int8": ([1, 2, 3], [[3, 1], [7, 7]]),
    "uint64": ([1, 2**64 - 1], [2**64 - 1]),
    "float32": ([0.0, -0.0, NAN, 2.0], [0.0, NAN]),
    "float64": ([[0.1, 0.2], [0.3, math.inf]], [0.3, math.inf]),
    "complex128": ([1j, 1.0, complex(NAN, 1.0)], [1.0, complex(NAN, 1.0), 2j]),
}


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("dtype", KINDS)
def test_isin_compares_each_with_each(device: str, dtype: str, invert: bool) -> None:
    a, b = (np.asarray(v, dtype=dtype) for v in KINDS[dtype])

    found = npg.isin(npg.asarray(a), npg.asarray(b), invert=invert)

    expected = (a[..., None] == b.reshape(-1)).any(axis=-1) ^ invert
    assert found.dtype == npg.bool
    np.testing.assert_array_equal(found.numpy(), expected)


def test_isin_takes_scalars_on_either_side(device: str) -> None:
    x = npg.asarray([1, 2, 3], dtype="int16")
    assert npg.isin(x, 2).tolist() == [False, True, False]
    assert npg.isin(2, x).item() is True
    assert npg.isin(2, x).shape == ()
    assert npg.isin(4, x, invert=True).item() is True
    assert npg.isin(x[0], x).item() is True
    assert npg.isin(npg.asarray([True, False]), False).tolist() == [False, True]
    assert npg.isin(npg.asarray([0.5, 2.0]), 2).tolist() == [False, True]
    assert npg.isin(x, np.asarray([3.0])).tolist() == [False, False, True]


def test_isin_promotes_mixed_dtypes(device: str) -> None:
    x = npg.asarray([1, 2], dtype="int32")
    assert npg.isin(x, npg.asarray([2, 2**40])).tolist() == [False, True]
    assert npg.isin(x, npg.asarray([1.5, 2.0])).tolist() == [False, True]
    assert npg.isin(npg.asarray([1.0, 1j]), npg.asarray([1.0])).tolist() == [True, False]


def test_isin_of_nothing_and_in_nothing(device: str) -> None:
    x, nothing = npg.asarray([1.0, 2.0]), npg.asarray([])
    assert npg.isin(x, nothing).tolist() == [False, False]
    assert npg.isin(x, nothing, invert=True).tolist() == [True, True]
    assert npg.isin(nothing, x).shape == (0,)


def test_isin_has_no_derivative_and_one_device(device: str, other_device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    assert not npg.isin(x, x).requires_grad
    assert npg.isin(x, x).device == x.device
    with pytest.raises(npg.errors.DeviceError, match="isin"):
        npg.isin(x, npg.asarray([1.0], device=other_device))
