"""The engine: accumulation, released graphs, modes, large graphs, threads, nested derivatives."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DTypeError, GraphError, ShapeError, VersionError


def leaf(*values: float) -> npg.Array:
    """A vector that requires grad."""
    return npg.array(list(values), requires_grad=True)


def smooth(x: Any, xp: Any) -> Any:
    """A smooth function from arrays to scalars, with products, exponentials and a reduction."""
    return xp.sum(xp.sin(x) * xp.exp(0.3 * x) + x**3 / (1.0 + x * x))


# Accumulation


def test_gradients_accumulate_over_calls(device: str) -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_an_operand_used_twice_gets_both_contributions(device: str) -> None:
    x = leaf(2.0, 3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_gradients_reach_all_leaves_with_the_flag_and_no_others(device: str) -> None:
    a, b, c = leaf(1.0), leaf(2.0), npg.array([3.0])
    unused = leaf(4.0)
    (a * b * c).sum().backward()
    assert (a.grad.item(), b.grad.item()) == (6.0, 3.0)
    assert c.grad is None
    assert unused.grad is None


def test_intermediate_results_keep_no_gradient(device: str) -> None:
    x = leaf(1.0)
    y = x * 2.0
    (y * y).sum().backward()
    assert y.grad is None


def test_backward_of_a_leaf_is_its_seed(device: str) -> None:
    x = npg.array(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0


def test_broadcasting_sums_back(device: str) -> None:
    row, column = leaf(1.0, 2.0, 3.0), npg.array([[1.0], [2.0]], requires_grad=True)
    scalar = npg.array(2.0, requires_grad=True)
    (row * column * scalar).sum().backward()
    assert row.grad.tolist() == [6.0, 6.0, 6.0]
    assert column.grad.tolist() == [[12.0], [12.0]]
    assert scalar.grad.item() == 18.0


def test_a_gradient_has_the_dtype_of_its_leaf(device: str) -> None:
    x = npg.array([1.0, 2.0], dtype="float32", requires_grad=True)
    w = npg.array([3.0, 4.0], dtype="float64", requires_grad=True)
    y = x * w
    y.sum().backward()
    assert y.dtype == "float64"
    assert (x.grad.dtype, w.grad.dtype) == ("float32", "float64")


def test_a_real_leaf_gets_a_real_gradient_through_complex_numbers(device: str) -> None:
    x = leaf(1.0, 2.0)
    npg.abs(x * (1.0 + 2.0j)).sum().backward()
    assert x.grad.dtype == "float64"
    np.testing.assert_allclose(x.grad.numpy(), [5**0.5, 5**0.5])


@pytest.mark.parametrize("kind", ["Array", "ndarray", "raw", "list"])
def test_a_seed_may_be_an_array_of_any_kind(device: str, kind: str) -> None:
    x = leaf(1.0, 2.0)
    seed = npg.array([10.0, 100.0])
    given = {"Array": seed, "ndarray": seed.numpy(), "raw": seed.data, "list": [10.0, 100.0]}
    (x * 3.0).backward(given[kind])
    assert x.grad.tolist() == [30.0, 300.0]


def test_a_seed_is_converted_to_the_dtype_of_the_output(device: str) -> None:
    x = npg.array([1.0, 2.0], dtype="float32", requires_grad=True)
    (x * 3).backward(np.array([1.0, 2.0]))
    assert x.grad.dtype == "float32"
    assert x.grad.tolist() == [3.0, 6.0]


# Second calls


def test_a_second_backward_is_an_error_that_names_retain_graph(device: str) -> None:
    x = leaf(1.0, 2.0)
    loss = npg.sin(x).sum()
    loss.backward()
    first = x.grad.tolist()
    with pytest.raises(GraphError, match=r"second time.*retain_graph=True"):
        loss.backward()
    assert x.grad.tolist() == first


def test_a_second_backward_is_an_error_even_where_no_rule_saves(device: str) -> None:
    x = leaf(1.0, 2.0)
    loss = (x + x).sum()
    loss.backward()
    with pytest.raises(GraphError, match="retain_graph"):
        loss.backward()


def test_backward_through_a_shared_released_part_is_an_error(device: str) -> None:
    x = leaf(1.0, 2.0)
    shared = npg.exp(x)
    shared.sum().backward()
    first = x.grad.tolist()
    with pytest.raises(GraphError, match="exp"):
        (shared * 2.0).sum().backward()
    assert x.grad.tolist() == first


def test_retain_graph_allows_a_second_backward(device: str) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [6.0, 24.0])
    with pytest.raises(GraphError):
        loss.backward()


def test_a_second_backward_over_a_shared_part_never_double_counts(device: str) -> None:
    x = leaf(1.0, 2.0)
    shared = x * 3.0
    shared.sum().backward(retain_graph=True)
    (shared * shared).sum().backward()
    assert x.grad.tolist() == [3.0 + 18.0, 3.0 + 36.0]


def test_backward_releases_what_was_saved(device: str) -> None:
    x = leaf(1.0, 2.0)
    y = npg.exp(x)
    node = y.grad_fn
    y.sum().backward()
    assert node.output is None


# Gradients share memory with nothing


LEAVES: dict[str, Callable[[npg.Array, npg.Array], npg.Array]] = {
    "sum": lambda x, z: x + z,
    "difference": lambda x, z: x - z,
    "scaled sum": lambda x, z: (x + z) * 2.0,
    "exponential of a sum": lambda x, z: npg.exp(0.1 * (x + z)),
    "same twice": lambda x, z: x + x,
    "product": lambda x, z: x * z,
    "copies": lambda x, z: +x + +z,
    "reshaped": lambda x, z: x.reshape(2, 1).reshape(2) + z,
    "transposed": lambda x, z: (x[None] + z[None]).T[:, 0],
    "sliced": lambda x, z: x[:] + z[...],
    "parts": lambda x, z: npg.concat([x[:1] + z[:1], x[1:] + z[1:]]),
    "concat": lambda x, z: npg.concat([x, z])[1:3],
    "stack": lambda x, z: npg.stack([x, z]).sum(axis=0),
    "where": lambda x, z: npg.where(npg.asarray([True, False]), x, z),
    "broadcast": lambda x, z: npg.broadcast_to(x, (3, 2))[0] + npg.broadcast_to(z, (2,)),
    "cast": lambda x, z: x.astype("float64") + z.to(dtype="float64"),
    "flip": lambda x, z: npg.flip(x) + npg.flip(npg.flip(z)),
    "one": lambda x, z: x + 0.0 * z,
    "conj": lambda x, z: npg.conj(x) + npg.real(z),
    "clip": lambda x, z: npg.clip(x, -10.0, 10.0) + npg.clip(z, None, None),
    "permuted": lambda x, z: npg.permute_dims(x, (0,)) + npg.moveaxis(z, 0, 0),
    "squeezed": lambda x, z: npg.squeeze(npg.expand_dims(x, axis=0), 0) + z,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", LEAVES)
def test_gradients_alias_neither_each_other_nor_the_seed_nor_the_values(
    device: str, name: str, create_graph: bool
) -> None:
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = npg.array([10.0, 20.0])
    y = LEAVES[name](x, z)
    y.backward(seed, create_graph=create_graph)
    arrays = [a for a in (x, z, y, seed, x.grad, z.grad) if a is not None]
    before = [a.numpy().copy() for a in arrays]
    with npg.no_grad():
        for i, written in enumerate(arrays):
            written[...] = -7.0 - i
            for j, other in enumerate(arrays):
                if j > i and not (other is y and (written is x or written is z)):
                    np.testing.assert_array_equal(other.numpy(), before[j])


def test_a_gradient_does_not_change_with_the_users_seed() -> None:
    x = npg.array([1.0, 2.0], device="cpu", requires_grad=True)
    seed = np.array([10.0, 20.0])
    (+x).backward(seed)
    seed[0] = -1.0
    assert x.grad.tolist() == [10.0, 20.0]


def test_the_seed_of_a_leaf_is_copied(device: str) -> None:
    x = leaf(1.0, 2.0)
    seed = npg.array([10.0, 20.0])
    x.backward(seed)
    x.backward(seed, create_graph=True)
    seed[0] = -1.0
    assert x.grad.tolist() == [20.0, 40.0]


def test_a_gradient_does_not_alias_a_saved_value(device: str) -> None:
    w = npg.array([3.0, 4.0])
    x = leaf(1.0, 2.0)
    loss = (x * w).sum()
    loss.backward(retain_graph=True)
    x.grad[...] = 0.0
    assert w.tolist() == [3.0, 4.0]
    loss.backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_accumulating_changes_neither_the_old_gradient_nor_another_leafs(device: str) -> None:
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + z).sum().backward()
    old = x.grad
    (x * 2.0).sum().backward()
    assert old.tolist() == z.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_many_uses_accumulate_without_touching_the_seed(device: str) -> None:
    x = leaf(1.0, 2.0)
    seed = npg.array([1.0, 10.0])
    y = x
    for _ in range(5):
        y = y + x
    y.backward(seed)
    assert seed.tolist() == [1.0, 10.0]
    assert x.grad.tolist() == [6.0, 60.0]


# grad, zero_grad, requires_grad


def test_zero_grad_zeroes_the_leaves_of_a_graph(device: str) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    loss = (a * b).sum()
    loss.backward(retain_graph=True)
    loss.zero_grad()
    assert a.grad.tolist() == b.grad.tolist() == [0.0, 0.0]
    loss.backward()
    assert a.grad.tolist() == [3.0, 4.0]


def test_zero_grad_gives_zeros_to_leaves_without_a_gradient_or_leaves_none(device: str) -> None:
    a = leaf(1.0, 2.0)
    loss = (a * a).sum()
    loss.zero_grad()
    assert a.grad is None or a.grad.tolist() == [0.0, 0.0]


def test_zero_grad_does_not_change_a_gradient_handed_out(device: str) -> None:
    a = leaf(1.0, 2.0)
    loss = (a * a).sum()
    loss.backward(retain_graph=True)
    old = a.grad
    loss.zero_grad()
    assert old.tolist() == [2.0, 4.0]


def test_zero_grad_is_linear_in_the_graph() -> None:
    x = npg.array(1.0, requires_grad=True, device="cpu")
    y = x
    for _ in range(60):
        y = y + y
    y.backward(retain_graph=True)
    y.zero_grad()
    assert x.grad.item() == 0.0


def test_zero_grad_after_backward_reaches_the_leaves(device: str) -> None:
    a = leaf(1.0, 2.0)
    loss = npg.exp(a).sum()
    loss.backward()
    loss.zero_grad()
    assert a.grad.tolist() == [0.0, 0.0]


def test_grad_can_be_assigned_and_cleared(device: str) -> None:
    x = leaf(1.0, 2.0)
    x.grad = npg.array([5.0, 6.0])
    (x * 2.0).sum().backward()
    assert x.grad.tolist() == [7.0, 8.0]
    x.grad = None
    assert x.grad is None


def test_switching_requires_grad_off_stops_the_gradient(device: str) -> None:
    x = leaf(1.0, 2.0)
    x.requires_grad = False
    y = x * 2.0
    assert not y.requires_grad
    assert x.grad is None


def test_requires_grad_of_a_computed_array_cannot_be_switched_off(device: str) -> None:
    y = leaf(1.0) * 2.0
    with pytest.raises(GraphError, match="detach"):
        y.requires_grad = False
    assert y.requires_grad


# create_graph


def test_the_third_derivative_by_create_graph(device: str) -> None:
    x = npg.array(1.3, requires_grad=True)
    y = npg.sin(x) * npg.exp(x)
    found = []
    for _ in range(3):
        y.backward(create_graph=True)
        y, x.grad = x.grad, None
        found.append(y.item())
    s, c, e = np.sin(1.3), np.cos(1.3), np.exp(1.3)
    np.testing.assert_allclose(found, [e * (s + c), 2 * e * c, 2 * e * (c - s)])


@pytest.mark.parametrize(
    ("function", "third"),
    [
        (npg.exp, np.exp),
        (npg.sin, lambda x: -np.cos(x)),
        (npg.tanh, lambda x: (1 - np.tanh(x) ** 2) * (6 * np.tanh(x) ** 2 - 2)),
        (npg.log, lambda x: 2 / x**3),
        (npg.sqrt, lambda x: 0.375 * x**-2.5),
        (lambda x: x**4, lambda x: 24 * x),
        (lambda x: x**2.5, lambda x: 2.5 * 1.5 * 0.5 * x**-0.5),
        (lambda x: 1 / x, lambda x: -6 / x**4),
        (lambda x: npg.prod(npg.stack([x, x, x, x])), lambda x: 24 * x),
        (npg.reciprocal, lambda x: -6 / x**4),
        (lambda x: npg.logsumexp(npg.stack([x, -x])), lambda x: -2 * np.tanh(x) / np.cosh(x) ** 2),
    ],
)
def test_third_derivatives_by_nested_grad(
    device: str, function: Callable[..., Any], third: Callable[..., Any]
) -> None:
    derivative = npg.grad(npg.grad(npg.grad(function)))
    np.testing.assert_allclose(derivative(npg.array(0.7)).item(), third(0.7), rtol=1e-9)


def test_create_graph_accumulates_a_tracked_gradient(device: str) -> None:
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    (x**2).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    total = x.grad.sum()
    x.grad = None
    total.backward()
    assert x.grad.tolist() == [6 * 2.0 + 2.0]


def test_create_graph_keeps_the_graph(device: str) -> None:
    x = leaf(2.0)
    loss = (x**3).sum()
    loss.backward(create_graph=True)
    loss.backward()
    assert x.grad.tolist() == [24.0]


def test_a_gradient_without_create_graph_has_no_history(device: str) -> None:
    x = leaf(2.0)
    (x**3).sum().backward()
    assert not x.grad.requires_grad


def test_a_gradient_penalty_differentiates_through_the_gradient(device: str) -> None:
    w = leaf(1.0, 2.0)
    x = npg.array([3.0, -1.0])
    inner = npg.grad(lambda x: npg.sin(w * x).sum())(x)
    (inner * inner).sum().backward()
    w0, x0 = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    # (w cos(w x))**2
    expected = 2 * w0 * np.cos(w0 * x0) * (np.cos(w0 * x0) - w0 * x0 * np.sin(w0 * x0))
    np.testing.assert_allclose(w.grad.numpy(), expected)


def test_a_sweep_that_is_repeated_for_a_nan_counts_nothing_twice(device: str) -> None:
    """The engine meets 0 * inf at the square root and goes back to `where`; `p` is held by then."""
    size = 10_000  # large enough to be added up in place
    x = npg.array([0.0, 4.0] * size, requires_grad=True)
    p = x * 1.0
    early = p * 3.0
    branch = npg.where(x > 0.0, npg.sqrt(x), 0.0)
    late = p * 5.0 + p * 7.0
    (early + branch + late).sum().backward()
    assert x.grad.tolist() == [15.0, 15.25] * size


# Errors in the middle of a pass


def test_an_error_in_the_middle_leaves_every_gradient_as_it_was(device: str) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    first = npg.sin(a)
    loss = (first + b * 2.0).sum()
    a[0] = 5.0
    with pytest.raises(VersionError):
        loss.backward()
    assert a.grad.tolist() == b.grad.tolist() == [1.0, 1.0]


def test_an_error_in_a_user_function_restores_the_modes(device: str) -> None:
    def broken(x: npg.Array) -> npg.Array:
        raise RuntimeError("broken")

    x = npg.array([1.0])
    with npg.no_grad():
        with pytest.raises(RuntimeError, match="broken"):
            npg.grad(broken)(x)
        assert not npg.is_grad_enabled()
    assert npg.is_grad_enabled()


def test_an_error_of_the_seed_releases_nothing(device: str) -> None:
    x = leaf(1.0, 2.0)
    y = npg.sin(x)
    with pytest.raises(ShapeError):
        y.backward(np.ones(3))
    y.backward(np.ones(2))
    np.testing.assert_allclose(x.grad.numpy(), np.cos([1.0, 2.0]))


# Modes


def test_no_grad_records_nothing(device: str) -> None:
    x = leaf(1.0, 2.0)
    with npg.no_grad():
        y = npg.exp(x * 2.0 + x)
        z = x.sum()
    assert not y.requires_grad
    assert not z.requires_grad
    assert (x * 2.0).requires_grad


def test_modes_nest(device: str) -> None:
    x = leaf(1.0)
    with npg.no_grad():
        with npg.enable_grad():
            assert (x * 2.0).requires_grad
            with npg.no_grad():
                assert not (x * 2.0).requires_grad
            assert (x * 2.0).requires_grad
        assert not (x * 2.0).requires_grad
    assert npg.is_grad_enabled()


def test_one_mode_object_may_be_entered_again() -> None:
    mode = npg.no_grad()
    with mode, mode:
        assert not npg.is_grad_enabled()
    assert npg.is_grad_enabled()
    with mode:
        assert not npg.is_grad_enabled()
    assert npg.is_grad_enabled()


def test_modes_decorate_functions(device: str) -> None:
    @npg.no_grad()
    def doubled(x: npg.Array, *, times: float) -> npg.Array:
        """Doubled."""
        with npg.enable_grad():
            assert npg.is_grad_enabled()
        return x * times

    assert not doubled(leaf(1.0), times=2.0).requires_grad
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Doubled.")
    with npg.no_grad():
        assert npg.enable_grad()(npg.is_grad_enabled)()
    assert npg.is_grad_enabled()


def test_a_decorated_function_may_recurse() -> None:
    @npg.no_grad()
    def depth(n: int) -> int:
        assert not npg.is_grad_enabled()
        return n if n == 0 else depth(n - 1)

    assert depth(20) == 0
    assert npg.is_grad_enabled()


def test_modes_are_restored_after_errors(device: str) -> None:
    with pytest.raises(ZeroDivisionError), npg.no_grad():
        _ = 1 / 0
    assert npg.is_grad_enabled()
    assert (leaf(1.0) * 2.0).requires_grad

    @npg.no_grad()
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert npg.is_grad_enabled()


def test_a_new_thread_records_whatever_its_parent_does(device: str) -> None:
    x = leaf(1.0)
    with npg.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (x * 2.0).requires_grad).result()


def test_no_grad_in_one_thread_does_not_stop_another(device: str) -> None:
    x = leaf(1.0)
    entered, leave = threading.Event(), threading.Event()

    def other() -> bool:
        with npg.no_grad():
            entered.set()
            leave.wait(10)
            return (x * 2.0).requires_grad

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(other)
        entered.wait(10)
        mine = (x * 2.0).requires_grad, npg.exp(x).requires_grad
        leave.set()
        assert mine == (True, True)
        assert future.result() is False


def test_asyncio_tasks_have_modes_of_their_own(device: str) -> None:
    x = leaf(1.0)

    async def silent(turn: asyncio.Event, done: asyncio.Event) -> bool:
        with npg.no_grad():
            turn.set()
            await done.wait()
            return (x * 2.0).requires_grad

    async def recording(turn: asyncio.Event, done: asyncio.Event) -> bool:
        await turn.wait()
        result = (x * 2.0).requires_grad
        done.set()
        return result

    async def main() -> list[bool]:
        turn, done = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(silent(turn, done), recording(turn, done))

    assert asyncio.run(main()) == [False, True]
    assert npg.is_grad_enabled()


def test_a_generator_that_is_left_inside_no_grad_does_not_switch_recording_off_for_good(
    device: str,
) -> None:
    def numbers() -> Any:
        with npg.no_grad():
            yield 1

    for _ in numbers():
        break
    gc.collect()
    assert (leaf(1.0) * 2.0).requires_grad


def test_backward_works_inside_no_grad(device: str) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    with npg.no_grad():
        loss.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_grad_differentiates_inside_no_grad(device: str) -> None:
    with npg.no_grad():
        assert npg.grad(lambda x: (x * x).sum())(npg.array([3.0])).tolist() == [6.0]
        assert not npg.is_grad_enabled()


# detach


def test_detach_cuts_history(device: str) -> None:
    x = leaf(1.0, 2.0)
    (x * x.detach()).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_an_untracked_result_has_no_node(device: str) -> None:
    y = npg.array([1.0]) * 2.0
    assert y.grad_fn is None
    assert y.is_leaf


def test_comparisons_and_integers_are_not_tracked(device: str) -> None:
    x = leaf(1.0, 2.0)
    for y in (x > 1.0, x == 1.0, npg.argmax(x), x.astype("int64"), npg.isnan(x), npg.floor(x)):
        assert not y.requires_grad


# Large graphs


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The cycle collector off: it would walk the growing graph again and again."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_chain_of_a_million_ops_does_not_recurse() -> None:
    x = npg.array(1.0, requires_grad=True, device="cpu")
    y = x
    for _ in range(1_000_000):
        y = -y
    y.backward()
    assert x.grad.item() == 1.0
    del y


@pytest.mark.usefixtures("no_collector")
def test_deleting_a_long_chain_without_backward_does_not_recurse() -> None:
    x = npg.array(1.0, requires_grad=True, device="cpu")
    y = x
    for _ in range(200_000):
        y = npg.sin(y)
    del y
    assert x.grad is None


@pytest.mark.usefixtures("no_collector")
def test_deleting_a_chain_of_views_does_not_recurse() -> None:
    v = npg.zeros(3, device="cpu")
    for _ in range(50_000):
        v = v[::-1]
    del v
    assert sys.getrecursionlimit() < 50_000


def test_zero_grad_and_forward_mode_do_not_recurse() -> None:
    def chain(x: npg.Array) -> npg.Array:
        for _ in range(20_000):
            x = x + 1.0
        return x

    x = npg.array(1.0, requires_grad=True, device="cpu")
    y = chain(x)
    y.zero_grad()
    _, t = npg.jvp(chain, (npg.array(1.0, device="cpu"),), (npg.array(2.0, device="cpu"),))
    assert t.item() == 2.0


def test_a_diamond_graph_is_visited_once_per_node(device: str) -> None:
    x = npg.array(1.0, requires_grad=True)
    y = x
    for _ in range(40):
        y = (y + y) * 0.5
    start = time.perf_counter()
    y.backward()
    assert x.grad.item() == 1.0
    assert time.perf_counter() - start < 10


def test_diamonds_of_two_branches_are_visited_once_per_node(device: str) -> None:
    x = npg.array(0.5, requires_grad=True)
    y = x
    for _ in range(40):
        a, b = npg.sin(y), npg.cos(y)
        y = a * a + b * b + 0.0 * y
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 0.0, atol=1e-12)


def test_nested_grad_of_a_diamond_is_linear() -> None:
    def f(x: npg.Array) -> npg.Array:
        for _ in range(40):
            x = 0.5 * (x + x * 1.0)
        return x * x

    assert npg.grad(npg.grad(f))(npg.array(1.5, device="cpu")).item() == 2.0


def count_nodes() -> int:
    """How many nodes are alive."""
    return sum(type(o) is npg._node.Node for o in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
def test_a_dead_graph_is_freed_without_the_cycle_collector(device: str) -> None:
    before = count_nodes()
    x = leaf(1.0, 2.0)
    loss = (npg.exp(x) * npg.sin(x)[0] + x[1:]).sum()
    loss.backward()
    del x, loss
    assert count_nodes() <= before


@pytest.mark.usefixtures("no_collector")
def test_a_graph_of_views_and_writes_is_freed_without_the_cycle_collector(device: str) -> None:
    before = count_nodes()
    x = leaf(1.0, 2.0)
    y = npg.exp(x)
    y[0] = x[1]
    v = y.T
    v *= x
    del x, y, v
    assert count_nodes() <= before


# Threads


def test_threads_run_backward_on_a_shared_graph() -> None:
    x = npg.array(np.ones(50), requires_grad=True, device="cpu")
    shared = npg.exp(npg.sin(x) * x)
    losses = [(shared * float(i)).sum() for i in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(20):
                list(pool.map(lambda loss: loss.backward(retain_graph=True), losses))
    finally:
        sys.setswitchinterval(interval)
    slope = np.exp(np.sin(1.0)) * (np.cos(1.0) + np.sin(1.0))
    np.testing.assert_allclose(x.grad.numpy(), 20 * sum(range(8)) * slope)


def test_threads_build_and_differentiate_graphs_of_their_own(device: str) -> None:
    def work(k: int) -> list[float]:
        with npg.device(device):
            x = npg.array([1.0, 2.0], requires_grad=True)
            for _ in range(5):
                (x * x * float(k)).sum().backward()
            return x.grad.tolist()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(12)))
    assert results == [[10.0 * k, 20.0 * k] for k in range(12)]


# Functional derivatives


def test_grad_of_a_product_with_an_inner_grad_does_not_confuse_levels(device: str) -> None:
    inner = lambda x: npg.grad(lambda y: x + y)(npg.array(1.0))  # noqa: E731
    assert npg.grad(lambda x: x * inner(x))(npg.array(1.0)).item() == 1.0


def test_jvp_of_a_product_with_an_inner_jvp_does_not_confuse_levels(device: str) -> None:
    one = npg.array(1.0)

    def outer(x: npg.Array) -> npg.Array:
        return x * npg.jvp(lambda y: x + y, (one,), (one,))[1]

    assert npg.jvp(outer, (one,), (one,))[1].item() == 1.0
    assert npg.grad(outer)(one).item() == 1.0


def test_an_inner_derivative_that_depends_on_the_outer_variable(device: str) -> None:
    # d/dx [x * d/dy (x y**2)] at y = 2 is d/dx [4 x**2]
    two = npg.array(2.0)
    f = lambda x: x * npg.grad(lambda y: x * y * y)(two)  # noqa: E731
    assert npg.grad(f)(npg.array(3.0)).item() == 24.0
    assert npg.jvp(f, (npg.array(3.0),), (npg.array(1.0),))[1].item() == 24.0


def test_the_same_array_is_constant_inside_and_variable_outside(device: str) -> None:
    x = npg.array(3.0)
    f = lambda x: npg.grad(lambda y: y * y * x)(x)  # noqa: E731
    assert npg.grad(f)(x).item() == 12.0


def test_grad_of_grad_with_respect_to_different_arguments(device: str) -> None:
    f = lambda x, y: npg.sin(x * y)  # noqa: E731
    mixed = npg.grad(npg.grad(f, 0), 1)(npg.array(0.5), npg.array(0.7))
    expected = np.cos(0.35) - 0.35 * np.sin(0.35)
    np.testing.assert_allclose(mixed.item(), expected)


def test_closures_over_tracked_arrays_carry_their_gradient(device: str) -> None:
    w = leaf(2.0, 3.0)
    x = npg.array([5.0, 7.0])
    gradient = npg.grad(lambda x: (w * x * x).sum())(x)
    assert gradient.tolist() == [20.0, 42.0]
    gradient.sum().backward()
    assert w.grad.tolist() == [10.0, 14.0]


def test_the_value_of_value_and_grad_carries_closures_too(device: str) -> None:
    w = leaf(2.0, 3.0)
    value, _ = npg.value_and_grad(lambda x: (w * x * x).sum())(npg.array([5.0, 7.0]))
    value.backward()
    assert w.grad.tolist() == [25.0, 49.0]


def test_the_value_of_vjp_carries_closures_too(device: str) -> None:
    w = leaf(2.0, 3.0)
    value, pullback = npg.vjp(lambda x: w * x * x, npg.array([5.0, 7.0]))
    value.sum().backward(retain_graph=True)
    (g,) = pullback(npg.array([1.0, 1.0]))
    assert w.grad.tolist() == [25.0, 49.0]
    assert g.tolist() == [20.0, 42.0]


def test_the_value_and_tangent_of_jvp_carry_closures_too(device: str) -> None:
    w, x = leaf(2.0, 3.0), npg.array([5.0, 7.0])
    value, tangent = npg.jvp(lambda x: w * x * x, (x,), (npg.array([1.0, 10.0]),))
    (value.sum() + tangent.sum()).backward()
    assert w.grad.tolist() == [25.0 + 10.0, 49.0 + 140.0]


def test_grad_of_a_function_that_closes_over_an_outer_derivatives_variable(device: str) -> None:
    def outer(w: npg.Array) -> npg.Array:
        value, _ = npg.value_and_grad(lambda x: (w * x).sum())(npg.array([5.0, 7.0]))
        return value

    assert npg.grad(outer)(npg.array([1.0, 1.0])).tolist() == [5.0, 7.0]


def test_grad_leaves_grad_of_its_arguments_alone(device: str) -> None:
    x = leaf(1.0, 2.0)
    npg.grad(lambda x: (x * x).sum())(x)
    assert x.grad is None


def test_grad_with_respect_to_a_tracked_array_joins_the_outer_graph(device: str) -> None:
    x = leaf(2.0)
    g = npg.grad(lambda x: (x**3).sum())(x)
    g.sum().backward()
    assert x.grad.tolist() == [12.0]


def test_grad_takes_nested_containers(device: str) -> None:
    class Pair(NamedTuple):
        first: Any
        second: Any

    tree = {
        "a": npg.array([1.0]),
        "b": [npg.array([2.0]), (npg.array([3.0]), None)],
        "c": Pair(npg.array([4.0]), {"d": npg.array([5.0])}),
    }

    def f(t: Any) -> npg.Array:
        first, (second, _) = t["b"]
        return (t["a"] * first * second + t["c"].first * t["c"].second["d"]).sum()

    g = npg.grad(f)(tree)
    assert list(g) == ["a", "b", "c"]
    assert isinstance(g["c"], Pair)
    found = [g["a"], g["b"][0], g["b"][1][0], g["c"].first, g["c"].second["d"]]
    assert [x.item() for x in found] == [6.0, 3.0, 2.0, 5.0, 4.0]
    assert g["b"][1][1] is None


def test_argnums_choose_arguments(device: str) -> None:
    f = lambda x, y, z: (x * y * z).sum()  # noqa: E731
    args = [npg.array([v]) for v in (2.0, 3.0, 5.0)]
    assert npg.grad(f, 2)(*args).tolist() == [6.0]
    g = npg.grad(f, (2, 0))(*args)
    assert isinstance(g, tuple)
    assert [x.item() for x in g] == [6.0, 15.0]
    assert npg.grad(f, argnums=(1,))(*args)[0].item() == 10.0
    assert npg.grad(f, -1)(*args).tolist() == [6.0]


def test_other_arguments_pass_through(device: str) -> None:
    g = npg.grad(lambda x, n, *, scale: scale * (x**n).sum())(npg.array([2.0]), 3, scale=10.0)
    assert g.tolist() == [120.0]


def test_has_aux_returns_what_else_the_function_gives(device: str) -> None:
    def f(x: npg.Array) -> Any:
        y = x * x
        return y.sum(), {"y": y, "note": "text"}

    gradient, aux = npg.grad(f, has_aux=True)(npg.array([3.0]))
    assert gradient.tolist() == [6.0]
    assert aux["y"].tolist() == [9.0]
    assert aux["note"] == "text"
    (value, aux), gradient = npg.value_and_grad(f, has_aux=True)(npg.array([3.0]))
    assert value.item() == 9.0
    assert not aux["y"].requires_grad


def test_grad_of_a_function_that_ignores_its_argument_is_zero(device: str) -> None:
    assert npg.grad(lambda x: npg.array(1.0))(npg.array([1.0, 2.0])).tolist() == [0.0, 0.0]
    assert npg.grad(lambda x: leaf(3.0).sum())(npg.array([1.0])).tolist() == [0.0]
    y, pullback = npg.vjp(lambda x: npg.array([1.0]), npg.array([1.0, 2.0]))
    assert pullback(y)[0].tolist() == [0.0, 0.0]
    _, t = npg.jvp(lambda x: npg.array([1.0]), (npg.array([2.0]),), (npg.array([2.0]),))
    assert t.tolist() == [0.0]


def test_grad_of_the_identity_is_one(device: str) -> None:
    assert npg.grad(lambda x: x)(npg.array(2.0)).item() == 1.0
    assert npg.grad(lambda x: x[0])(npg.array([2.0, 3.0])).tolist() == [1.0, 0.0]


def test_one_array_given_twice_is_two_arguments(device: str) -> None:
    x = npg.array([3.0])
    g = npg.grad(lambda a, b: (a * a * b).sum(), (0, 1))(x, x)
    assert [v.item() for v in g] == [18.0, 9.0]


def test_grad_needs_one_real_element(device: str) -> None:
    x = npg.array([1.0, 2.0])
    with pytest.raises(ShapeError, match="vjp"):
        npg.grad(lambda x: x * x)(x)
    with pytest.raises(DTypeError, match="complex"):
        npg.grad(lambda x: (x * 1j).sum())(x)
    with pytest.raises(DTypeError, match="floating"):
        npg.grad(lambda x: x.sum())(npg.array([1, 2]))
    with pytest.raises(TypeError, match="Array"):
        npg.grad(lambda x: 1.0)(x)


def test_grad_of_a_float_argument_is_an_array(device: str) -> None:
    assert npg.grad(lambda x: x**3)(2.0).item() == 12.0
    assert npg.grad(lambda x: x**3)(2).item() == 12.0


def test_grad_keeps_the_functions_name(device: str) -> None:
    def loss(x: npg.Array) -> npg.Array:
        """The loss."""
        return x

    assert npg.grad(loss).__name__ == "loss"


def test_a_pullback_can_be_called_many_times(device: str) -> None:
    _, pullback = npg.vjp(lambda x, y: x * y, npg.array([2.0]), npg.array([3.0]))
    for k in (1.0, 10.0):
        gx, gy = pullback(npg.array([k]))
        assert (gx.item(), gy.item()) == (3.0 * k, 2.0 * k)


def test_a_pullback_takes_the_structure_of_the_value(device: str) -> None:
    x = npg.array([2.0, 3.0])
    value, pullback = npg.vjp(lambda x: {"a": x * x, "b": [x.sum()]}, x)
    (g,) = pullback({"a": npg.array([1.0, 1.0]), "b": [npg.array(10.0)]})
    assert value["a"].tolist() == [4.0, 9.0]
    assert g.tolist() == [14.0, 16.0]


def test_jvp_takes_the_structure_of_its_arguments(device: str) -> None:
    x = {"a": npg.array([2.0]), "b": npg.array([3.0])}
    t = {"a": npg.array([1.0]), "b": npg.array([10.0])}
    value, tangent = npg.jvp(lambda d: [d["a"] * d["b"], d["a"]], (x,), (t,))
    assert [v.item() for v in value] == [6.0, 2.0]
    assert [v.item() for v in tangent] == [23.0, 1.0]


def test_results_of_the_functional_api_are_untracked_at_the_top(device: str) -> None:
    x, t = npg.array([1.0, 2.0]), npg.array([1.0, 1.0])
    value, gradient = npg.value_and_grad(lambda x: (x * x).sum())(x)
    y, pullback = npg.vjp(npg.sin, x)
    out, tangent = npg.jvp(npg.sin, (x,), (t,))
    for result in (value, gradient, y, pullback(t)[0], out, tangent):
        assert not result.requires_grad


def test_jvp_checks_its_tangents(device: str) -> None:
    x = npg.array([1.0, 2.0])
    with pytest.raises(ShapeError, match="tangent"):
        npg.jvp(npg.sin, (x,), (npg.array([1.0]),))
    with pytest.raises(ShapeError, match="tangent"):
        npg.jvp(npg.sin, (x,), ())


# Compositions of modes against JAX


def _matrix(a: Any, xp: Any) -> Any:
    return xp.matmul(xp.sin(a), xp.exp(a * 0.1)) / (2.0 + xp.sum(a * a, axis=0))


def _reductions(a: Any, xp: Any) -> Any:
    centred = a - xp.mean(a, axis=1, keepdims=True)
    return xp.max(centred, axis=0) * xp.prod(a, axis=0) + xp.sqrt(xp.sum(centred**2))


def _shapes(a: Any, xp: Any) -> Any:
    b = xp.reshape(xp.concatenate([a, a.T[:, ::-1]], axis=1), (-1,))
    return xp.cumsum(xp.where(b > 0.0, b * b, xp.tanh(b)), 0) * b[::-1]


FUNCTIONS = {"matrix": _matrix, "reductions": _reductions, "shapes": _shapes}


@pytest.fixture
def jnp() -> Any:
    """jax.numpy with 64 bits, to compare with."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        yield pytest.importorskip("jax.numpy")


def compositions(vjp: Any, jvp: Any, f: Any, x: Any, t: Any, g: Any) -> dict[str, Any]:
    """What forward and reverse mode give in every order of two."""
    pulled = lambda x: vjp(f, x)[1](g)[0]  # noqa: E731
    pushed = lambda x: jvp(f, (x,), (t,))[1]  # noqa: E731
    return {
        "vjp": pulled(x),
        "jvp": pushed(x),
        "jvp of vjp": jvp(pulled, (x,), (t,))[1],
        "vjp of jvp": vjp(pushed, x)[1](g)[0],
        "jvp of jvp": jvp(pushed, (x,), (t,))[1],
        "vjp of vjp": vjp(pulled, x)[1](t)[0],
        "pullback in g": vjp(vjp(f, x)[1], g)[1]((t,))[0],
    }


@pytest.mark.parametrize(
    ("name", "where"), [*((name, "cpu") for name in FUNCTIONS), ("matrix", "jax:cpu")]
)
def test_compositions_of_forward_and_reverse_agree_with_jax(
    jnp: Any, name: str, where: str, rng: np.random.Generator
) -> None:
    jax = pytest.importorskip("jax")
    x0, t0 = rng.normal(size=(2, 3, 3)) + 0.5
    f = FUNCTIONS[name]
    arguments = [x0, t0, np.full(np.shape(f(x0, np)), 0.7)]
    reference = jax.jit(lambda *a: compositions(jax.vjp, jax.jvp, lambda x: f(x, jnp), *a))(
        *arguments
    )
    with npg.device(where):
        found = compositions(npg.vjp, npg.jvp, lambda x: f(x, npg), *map(npg.array, arguments))
    for key, value in reference.items():
        np.testing.assert_allclose(
            found[key].numpy(), np.asarray(value), rtol=1e-9, atol=1e-9, err_msg=key
        )


@pytest.mark.parametrize("order", ["rev rev rev", "fwd fwd fwd", "fwd rev fwd", "rev fwd rev"])
def test_third_order_mixed_modes_agree_with_jax(jnp: Any, order: str, device: str) -> None:
    jax = pytest.importorskip("jax")

    def derivative(kind: str, f: Any, grad: Any, jvp: Any, one: Any) -> Any:
        return grad(f) if kind == "rev" else lambda x: jvp(f, (x,), (one,))[1]

    def third(f: Any, grad: Any, jvp: Any, one: Any) -> Any:
        for kind in order.split():
            f = derivative(kind, f, grad, jvp, one)
        return f

    reference = third(lambda x: smooth(x, jnp), jax.grad, jax.jvp, jnp.asarray(1.0))
    expected = jax.jit(reference)(jnp.asarray(0.8))
    found = third(lambda x: smooth(x, npg), npg.grad, npg.jvp, npg.array(1.0))(npg.array(0.8))
    np.testing.assert_allclose(found.item(), float(expected), rtol=1e-10)


@pytest.mark.parametrize("modes", list(itertools.product(["rev", "fwd"], repeat=2)), ids="-".join)
def test_hessians_by_any_two_modes_agree(modes: tuple[str, str], device: str) -> None:
    x = npg.array([0.3, 0.8])
    basis = [npg.array([1.0, 0.0]), npg.array([0.0, 1.0])]
    f = lambda x: smooth(x, npg) * x[0]  # noqa: E731
    outer, inner = modes
    first = {
        "rev": [lambda x, e=e: (npg.grad(f)(x) * e).sum() for e in basis],
        "fwd": [lambda x, e=e: npg.jvp(f, (x,), (e,))[1] for e in basis],
    }[inner]
    rows = [
        npg.grad(d)(x).tolist()
        if outer == "rev"
        else [npg.jvp(d, (x,), (e,))[1].item() for e in basis]
        for d in first
    ]
    expected = [(npg.jvp(npg.grad(f), (x,), (e,))[1]).tolist() for e in basis]
    np.testing.assert_allclose(rows, expected, rtol=1e-10)
    np.testing.assert_allclose(rows, np.transpose(rows), rtol=1e-10)


def test_backward_of_a_complex_scalar_needs_a_cotangent(device: str) -> None:
    z = npg.array(1 + 2j, requires_grad=True, device=device)
    with pytest.raises(DTypeError, match=r"complex128, needs grad=.*npg\.real"):
        (z * z).backward()
    (z * z).backward(npg.array(1 + 0j, device=device))
    assert z.grad.item() == 2 - 4j


def test_derivatives_inside_of_constants_leave_no_graph(device: str) -> None:
    one = npg.array(1.0, device=device)
    slope = npg.grad(lambda a: npg.grad(lambda x: x * x * a)(one))
    found = slope(npg.array(2.0, device=device))
    assert (found.item(), found.requires_grad) == (2.0, False)
