"""JAX's transformations over functions of Arrays, with the process in 32 bits and in 64."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DeviceError, GraphError

jax = pytest.importorskip("jax", reason="the extra jax")


@pytest.fixture(params=[False, True], ids=["32-bit", "64-bit"], autouse=True)
def process(request: pytest.FixtureRequest) -> Iterator[None]:
    """JAX's switch, as it is by default and as most set it; arrays are made on JAX."""
    with jax.enable_x64(request.param), npg.device("jax:cpu"):
        yield


def values() -> npg.Array:
    """An argument."""
    return npg.array([0.5, 1.0])


def loss(x: npg.Array) -> npg.Array:
    """A function to one number."""
    return npg.sum(npg.sin(x) * x)


GRADIENT = np.cos([0.5, 1.0]) * [0.5, 1.0] + np.sin([0.5, 1.0])


def written(x: npg.Array) -> npg.Array:
    """A function that writes in place."""
    y = x * 1
    y[0] *= 2
    return y


def by_backward(x: npg.Array) -> npg.Array:
    """A gradient by `backward`, inside."""
    w = npg.array(x, requires_grad=True)
    loss(w).backward()
    assert w.grad is not None
    return w.grad


def lazily(x: npg.Array) -> npg.Array:
    """A function in lazy mode, its result not realized."""
    with npg.lazy():
        return npg.sin(x) * 2


CALLS: dict[str, tuple[Callable[[npg.Array], Any], Any]] = {
    "jit": (lambda x: jax.jit(npg.sin)(x), np.sin([0.5, 1.0])),
    "jit-grad": (lambda x: jax.jit(npg.grad(loss))(x), GRADIENT),
    "jit-backward": (lambda x: jax.jit(by_backward)(x), GRADIENT),
    "jit-write": (lambda x: jax.jit(written)(x), [1.0, 1.0]),
    "jit-lazy": (lambda x: jax.jit(lazily)(x), 2 * np.sin([0.5, 1.0])),
    "jit-compile": (lambda x: jax.jit(npg.compile(npg.exp))(x), np.exp([0.5, 1.0])),
    "jit-vmap": (lambda x: jax.jit(npg.vmap(lambda a: a * 3))(x), [1.5, 3.0]),
    "jit-view": (lambda x: jax.jit(lambda a: a * 2)(x[::-1]), [2.0, 1.0]),
    "grad": (lambda x: jax.grad(lambda a: loss(a).data)(x), GRADIENT),
    "vjp": (lambda x: jax.vjp(npg.square, x)[1](x)[0], [0.5, 2.0]),
    "jvp": (lambda x: jax.jvp(npg.square, (x,), (x,))[1], [0.5, 2.0]),
    "vmap": (lambda x: jax.vmap(lambda a: a * 2 + 1)(x), [2.0, 3.0]),
    "checkpoint": (lambda x: jax.checkpoint(npg.exp)(x), np.exp([0.5, 1.0])),
    "scan": (lambda x: jax.lax.scan(lambda c, s: (c + s, c), x, npg.ones((3, 2)))[0], [3.5, 4.0]),
    "fori_loop": (lambda x: jax.lax.fori_loop(0, 3, lambda _, c: c * 2, x), [4.0, 8.0]),
    "while_loop": (
        lambda x: jax.lax.while_loop(lambda c: (npg.sum(c) < 5).data, lambda c: c * 2, x),
        [2.0, 4.0],
    ),
    "cond": (lambda x: jax.lax.cond(True, npg.square, npg.negative, x), [0.25, 1.0]),
    "device_put": (lambda x: jax.device_put(x), [0.5, 1.0]),
    "block_until_ready": (lambda x: jax.block_until_ready(x), [0.5, 1.0]),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_transformation_takes_and_gives_arrays_in_64_bits(name: str) -> None:
    call, expected = CALLS[name]
    found = call(values())
    assert isinstance(found, npg.Array)
    assert (found.dtype, found.device) == ("float64", "jax:cpu:0")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


def test_arrays_of_32_bits_stay_so() -> None:
    x = npg.array([0.5, 1.0], dtype="float32")
    assert jax.jit(npg.exp)(x).dtype == "float32"
    assert jax.jit(npg.grad(loss))(x).dtype == "float32"


def test_nothing_of_a_trace_is_kept_for_later() -> None:
    """A number met first inside of `jit`, lazily, is not a tracer afterwards."""

    def function(x: npg.Array) -> npg.Array:
        with npg.lazy():
            return (npg.sin(x) * 1.8125).realize()

    first = jax.jit(function)(values())
    np.testing.assert_allclose(function(values()).numpy(), first.numpy(), rtol=1e-15)


@pytest.mark.parametrize("name", CALLS)
def test_a_tracked_array_never_loses_its_gradient_to_jax(name: str) -> None:
    x = npg.array([0.5, 1.0], requires_grad=True)
    for tracked in (x, x * 1):
        with pytest.raises(GraphError, match=r"JAX.*x\.detach\(\)"):
            CALLS[name][0](tracked)
    if not name.endswith("backward"):  # which has nothing to go back through there
        with npg.no_grad():
            CALLS[name][0](x)


def test_a_tracked_result_is_refused_too() -> None:
    with pytest.raises(GraphError, match="JAX"):
        jax.jit(lambda x: npg.array(x, requires_grad=True) * 2)(values())


def test_arrays_of_other_devices_are_told_to_move() -> None:
    x = npg.array([0.5, 1.0], device="numpy:cpu")
    with pytest.raises(DeviceError, match=r"'cpu'.*x\.to\('jax:cpu'\)"):
        jax.jit(npg.sin)(x)
    np.testing.assert_allclose(jax.jit(npg.sin)(x.to("jax:cpu")).numpy(), np.sin([0.5, 1.0]))


@pytest.mark.parametrize("device", ["numpy:cpu", "jax:cpu"])
def test_trees_of_arrays_are_mapped_and_put_together_again(device: str) -> None:
    x = npg.array([1.0, 2.0], dtype="float32", device=device)
    tree = {"a": x, "b": [x[1:], 3.0]}
    mapped = jax.tree.map(lambda leaf: leaf * 2, tree)
    assert [type(m) for m in (mapped["a"], mapped["b"][0])] == [npg.Array] * 2
    assert (mapped["a"].tolist(), mapped["b"][0].tolist()) == ([2.0, 4.0], [4.0])
    assert mapped["a"].device == x.device
    assert mapped["b"][1] == 6.0
    assert jax.tree.map(lambda leaf: leaf.shape, x) == (2,)
    shapes = jax.eval_shape(npg.square, x.to("jax:cpu"))
    assert (shapes.shape, str(shapes.dtype)) == ((2,), "float32")


def test_an_array_that_was_moved_is_on_the_device_it_is_on() -> None:
    x = npg.array([1.0, 2.0], dtype="float32", device="numpy:cpu")
    y = jax.device_put(x, jax.devices("cpu")[0])
    assert (y.device, y.tolist()) == ("jax:cpu:0", [1.0, 2.0])


SHARDED = """
import jax, numpy as np, numpygrad as npg
from jax.sharding import NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((2,), ("i",))
x = npg.arange(4.0, device="jax:cpu")
parts = jax.device_put(x, NamedSharding(mesh, P("i")))

def local(v):
    made = npg.zeros(2, device=v.device) + npg.asarray(np.zeros(2), device=v.device)
    return npg.sin(v) * 2.0 + made + 0.0 * npg.arange(2.0, device=v.device) + npg.sum(v)

f = jax.shard_map(local, mesh=mesh, in_specs=P("i"), out_specs=P("i"))
expected = [npg.sin(p) * 2.0 + npg.sum(p) for p in (x[:2], x[2:])]
for y in (f(parts), jax.jit(f)(parts)):
    assert isinstance(y, npg.Array) and len(y.data.devices()) == 2
    assert npg.allclose(npg.array(y.numpy(), device=x.device), npg.concat(expected)), y
total = jax.shard_map(
    lambda v: npg.asarray(jax.lax.psum(npg.sum(v * v).data, "i")),
    mesh=mesh, in_specs=P("i"), out_specs=P(),
)
assert total(parts).item() == 14.0
assert npg.sum(parts * 3.0 + 1.0).item() == 22.0

second = jax.device_put(x, jax.devices()[1])
assert second.device == "jax:cpu:1"
raw = jax.jit(lambda v: npg.asarray(v) + npg.zeros(4, device="jax:cpu"))(second.data)
assert raw.device == "jax:cpu:1"  # inside, it was on no device yet

def lazily(v):
    with npg.lazy():
        return (npg.sin(v) * 1.8125).realize()

assert npg.allclose(jax.jit(lazily)(second), lazily(second))  # no tracer is kept for later
print("done")
"""


def test_shard_map_runs_on_every_device_of_a_mesh(request: pytest.FixtureRequest) -> None:
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    switch = {"JAX_ENABLE_X64": str(jax.config.jax_enable_x64)}
    finished = subprocess.run(
        [sys.executable, "-c", SHARDED],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **flags, **switch},
        timeout=120,
    )
    assert finished.stdout == "done\n", finished.stderr


def test_arrays_are_created_outside_of_traces_and_in_them() -> None:
    def created(x: npg.Array) -> npg.Array:
        shape, place = (2,), {"device": "jax:cpu", "dtype": "float32"}
        made = npg.ones(shape, **place) + npg.zeros(shape, **place) + npg.full(shape, 0.5, **place)
        return x + made + npg.eye(2, **place)[0, :] + npg.zeros_like(x)

    x = npg.array([1.0, 2.0], dtype="float32")
    for function in (created, jax.jit(created), npg.compile(created)):
        found = function(x)
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found.numpy(), [3.5, 3.5])
    rows = jax.vmap(created)(npg.ones((3, 2), dtype="float32"))
    np.testing.assert_array_equal(rows.numpy(), [[3.5, 2.5]] * 3)
    assert npg.zeros(2, device="jax:cpu").data.committed


def test_arrays_of_jax_itself_are_taken_in_traces() -> None:
    def doubled(raw: jax.Array) -> jax.Array:
        x = npg.asarray(raw)
        return npg.multiply(x + npg.zeros_like(x), raw).data

    raw = jax.numpy.asarray([1.0, 2.0])
    for transform in (jax.jit, jax.vmap):
        rows = raw if transform is jax.jit else raw[None]
        np.testing.assert_array_equal(np.ravel(transform(doubled)(rows)), [1.0, 4.0])
    slope = jax.grad(lambda v: doubled(v).sum())(raw)
    np.testing.assert_array_equal(slope, [2.0, 4.0])


def test_what_cannot_be_compiled_is_done_all_the_same() -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    kernels = x._type.xp
    np.testing.assert_array_equal(kernels.sum(x.data, axis=0), [4.0, 6.0])
    np.testing.assert_array_equal(kernels.flip(x.data, axis=[0, 1]), [[4, 3], [2, 1]])
    np.testing.assert_array_equal(kernels.reshape(x.data, [4]), [1, 2, 3, 4])
    with pytest.raises((TypeError, ValueError), match=r"incompatible|broadcast"):
        kernels.add(x.data, np.ones(3))
