"""Blocks read and written by compiled kernels on JAX: the right ones, in no other's buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numpygrad as npg

jax = pytest.importorskip("jax")
VALUES = np.arange(24.0).reshape(2, 3, 4)
KEYS: list[Any] = [
    0,
    -1,
    (1, 2, 3),
    slice(1, None),
    (slice(None), slice(-2, None), 0),
    (..., 1),
    (..., -1),
    (0, ..., slice(1, 3)),
    (None, 1, None, slice(0, 2)),
    (slice(None), 1, ..., None),
    (slice(0, 0),),
    (slice(None), slice(2, 1)),
    (slice(None, None, -1), 1),
    (slice(None), slice(None, None, 2)),
    ([1, 0], slice(1, 2)),
    VALUES > 7,
    ...,
    (),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_key_reads_and_writes_what_numpys_does(key: Any) -> None:
    x = npg.array(VALUES, device="jax:cpu:0")
    expected = VALUES.copy()

    np.testing.assert_array_equal(x[key].numpy(), expected[key])
    x[key] = -1.0
    expected[key] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)
    x[key] = x[key] * 2
    expected[key] = expected[key] * 2
    np.testing.assert_array_equal(x.numpy(), expected)


def test_one_kernel_serves_all_positions() -> None:
    from numpygrad_jax._blocks import _read

    x = npg.array(VALUES, device="jax:cpu:0")
    x[0, 0]
    compiled = _read._cache_size()

    for i in range(2):
        for j in range(3):
            assert x[i, j].tolist() == VALUES[i, j].tolist()

    assert _read._cache_size() == compiled


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_the_cotangent_of_what_a_key_reads_goes_to_its_places(key: Any) -> None:
    x = npg.array(VALUES, device="jax:cpu:0", dtype="float32")
    expected = np.zeros(VALUES.shape, dtype="float32")
    expected[key] = VALUES[key]

    read, pull = npg.vjp(lambda x: x[key], x)
    (found,) = pull(read)

    assert found.dtype == "float32"
    assert found.device == x.device
    np.testing.assert_array_equal(found.numpy(), expected)


def test_one_kernel_serves_all_positions_in_backward() -> None:
    from numpygrad_jax._blocks import _spread

    x = npg.array(VALUES, device="jax:cpu:0")
    npg.grad(lambda x: x[0, 0, 0] * 2)(x)
    compiled = _spread._cache_size()

    for i in range(3):
        assert npg.grad(lambda x, i=i: x[1, i, 2] * 2)(x)[1, i, 2].item() == 2.0

    assert compiled >= 1
    assert _spread._cache_size() == compiled


def test_a_buffer_that_is_held_elsewhere_is_not_written_into() -> None:
    x = npg.zeros((100, 100), device="jax:cpu:0")
    x[0] = 1.0  # from here on the array holds a buffer of its own
    raw, seen = x.data, np.asarray(x.data)
    shared = np.from_dlpack(x.data)

    x[1] = 2.0

    assert not raw.is_deleted()
    assert float(raw[1, 0]) == seen[1, 0] == shared[1, 0] == 0.0
    assert x[1, 0].item() == 2.0


def test_a_buffer_that_only_a_name_holds_is_not_written_into() -> None:
    x = npg.zeros(3, device="jax:cpu:0")
    x[0] = 1.0
    raw = x.data

    x[1] = 2.0

    assert not raw.is_deleted()
    assert raw.tolist() == [1.0, 0.0, 0.0]


def test_a_saved_value_is_not_written_into() -> None:
    x = npg.ones(3, device="jax:cpu:0", requires_grad=True)
    y = x * 2.0
    y[0] = 5.0
    z = y * y
    y[1] = 7.0

    with pytest.raises(npg.errors.VersionError):
        z.sum().backward()
    assert z.tolist() == [25.0, 4.0, 4.0]


def test_a_loop_of_writes_uses_one_buffer() -> None:
    x = npg.zeros((50, 1000), device="jax:cpu:0")
    x[0] = 1.0
    place = x.data.unsafe_buffer_pointer()

    for i in range(50):
        x[i] = float(i)

    assert x.data.unsafe_buffer_pointer() == place
    assert x[:, 0].tolist() == list(range(50))


def test_blocks_are_read_and_written_under_jit() -> None:
    def f(x: npg.Array) -> npg.Array:
        y = x * 1.0
        y[0, 1:] = 5.0
        y[1] += y[0]
        return y[:, 1] * 2

    x = npg.array(VALUES[0], device="jax:cpu:0")

    np.testing.assert_array_equal(jax.jit(f)(x).numpy(), f(x).numpy())
    np.testing.assert_array_equal(
        jax.jit(npg.grad(lambda x: npg.sum(f(x))))(x).numpy(),
        npg.grad(lambda x: npg.sum(f(x)))(x).numpy(),
    )


def test_a_batch_is_written_into_what_all_of_it_share() -> None:
    def f(row: npg.Array) -> npg.Array:
        x = npg.zeros((2, 4), device="jax:cpu:0")
        x[0] = 1.0
        x[1] = row
        x[0, 0] += row[-1]
        return x

    rows = npg.array(VALUES[0], device="jax:cpu:0")

    found = jax.vmap(f)(rows)

    assert found.shape == (3, 2, 4)
    for i in range(3):
        np.testing.assert_array_equal(found[i].numpy(), f(rows[i]).numpy())


def test_a_constant_first_used_under_jit_can_be_used_afterwards() -> None:
    def f(x: npg.Array) -> npg.Array:
        return npg.sum(x * 37.4375)

    x = npg.array([1.0, 2.0], device="jax:cpu:0")

    assert jax.jit(f)(x).item() == f(x).item() == 3 * 37.4375
