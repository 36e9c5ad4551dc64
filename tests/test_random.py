"""Random numbers: laws of every generator on every backend, then the functions, then errors."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import random
from numpygrad._generator import HostSource
from numpygrad.errors import DeviceError, DTypeError, ShapeError, VersionError
from numpygrad.random import Generator
from numpygrad.testing import check_grads

Draw = Callable[[Generator], npg.Array]

DRAWS: dict[str, Draw] = {
    "random": lambda rng: rng.random((2, 3)),
    "random in float32": lambda rng: rng.random((2, 3), dtype="float32"),
    "standard_normal": lambda rng: rng.standard_normal((2, 3)),
    "standard_normal in float32": lambda rng: rng.standard_normal((2, 3), dtype="float32"),
    "uniform": lambda rng: rng.uniform(-1.0, 2.0, (2, 3)),
    "normal": lambda rng: rng.normal(5.0, 2.0, (2, 3)),
    "exponential": lambda rng: rng.exponential(2.0, (2, 3)),
    "integers": lambda rng: rng.integers(-5, 1000, (2, 3)),
    "integers in uint8": lambda rng: rng.integers(0, 256, (2, 3), dtype="uint8"),
    "permutation": lambda rng: rng.permutation(6),
    "choice": lambda rng: rng.choice(100, (2, 3)),
    "choice with p": lambda rng: rng.choice(4, (2, 3), p=[0.1, 0.2, 0.3, 0.4]),
    "choice without replacement": lambda rng: rng.choice(9, (2, 3), replace=False),
    "choice without replacement, with p": lambda rng: rng.choice(
        9, (2, 3), replace=False, p=[1 / 9] * 9
    ),
}


@pytest.fixture(params=DRAWS, ids=str)
def draw(request: pytest.FixtureRequest) -> Draw:
    """Each way to draw six numbers."""
    return DRAWS[request.param]


def run_python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def distance(values: np.ndarray, cumulative: Callable[[np.ndarray], np.ndarray]) -> float:
    """The statistic of Kolmogorov and Smirnov, times the root of the number of values."""
    ordered = np.sort(values.ravel())
    expected = cumulative(ordered)
    n = ordered.size
    above = np.max(np.arange(1, n + 1) / n - expected)
    below = np.max(expected - np.arange(n) / n)
    return math.sqrt(n) * max(above, below)


UNLIKELY = 2.2
"""The distance of one sample in ten thousand."""


# Laws of every draw


def test_a_seed_gives_the_same_numbers_again(device: str, draw: Draw) -> None:
    first, second, other = (draw(Generator(seed)).tolist() for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_a_stream_goes_on(device: str, draw: Draw) -> None:
    rng = Generator(7)
    assert draw(rng).tolist() != draw(rng).tolist()


def test_numbers_are_on_the_generators_device(device: str, draw: Draw) -> None:
    rng = Generator(7)
    with npg.device("numpy:cpu"):
        x = draw(rng)
    assert x.device is rng.device is npg.default_device()
    assert x.size == 6
    assert x._type is x.device.type_of(x.data)
    assert not x.requires_grad


@pytest.mark.parametrize(
    "copier", [copy.copy, copy.deepcopy, lambda rng: pickle.loads(pickle.dumps(rng))]
)
def test_a_copy_goes_on_where_the_original_is(device: str, draw: Draw, copier: Any) -> None:
    rng = Generator(7)
    draw(rng)
    rng.spawn(2)
    again = copier(rng)
    assert again.device is rng.device
    assert repr(again) == repr(rng)
    assert draw(again).tolist() == draw(rng).tolist()
    assert draw(again.spawn(1)[0]).tolist() == draw(rng.spawn(1)[0]).tolist()


def test_a_state_resumes_the_stream(device: str, draw: Draw) -> None:
    rng = Generator(7)
    draw(rng)
    state = json.loads(json.dumps(rng.state))
    expected = draw(rng).tolist()
    draw(rng)
    rng.state = state
    assert draw(rng).tolist() == expected
    other = Generator(8)
    other.state = state
    assert draw(other).tolist() == expected
    assert other.seed == 7
    (child,) = rng.spawn(1)
    other.state = json.loads(json.dumps(child.state))
    assert repr(other) == repr(child)
    assert draw(other.spawn(1)[0]).tolist() == draw(child.spawn(1)[0]).tolist()


def test_threads_share_a_generator_without_repeats(device: str, draw: Draw) -> None:
    rng, alone = Generator(7), Generator(7)
    draw(copy.copy(rng))  # compiles, so that the threads meet
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: rng.random(2).tolist(), range(100)))
    assert sorted(found) == sorted(alone.random(2).tolist() for _ in range(100))


def test_children_are_independent(device: str) -> None:
    rng = Generator(7)
    streams = [*rng.spawn(3), *rng.spawn(1), rng, *Generator(8).spawn(1)]
    numbers = np.stack([stream.standard_normal(20_000).numpy() for stream in streams])
    correlations = np.corrcoef(numbers) - np.eye(len(streams))
    assert np.max(np.abs(correlations)) < 0.03


def test_children_are_the_same_each_time(device: str) -> None:
    first, second = Generator(7), Generator(7)
    before = copy.copy(first).random(3).tolist()
    children = first.spawn(2)
    again = [*second.spawn(1), *second.spawn(1)]
    assert [c.random(3).tolist() for c in children] == [c.random(3).tolist() for c in again]
    grandchild, other = children[0].spawn(1)[0], again[0].spawn(1)[0]
    assert grandchild.random(3).tolist() == other.random(3).tolist()
    assert first.random(3).tolist() == before
    assert first.spawn(0) == []


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32, 2**64, 2**64 + 1, 10**40, 10**40 + 1])
def test_seeds_of_any_size(device: str, seed: int) -> None:
    x = Generator(seed).random(4)
    assert x.tolist() == Generator(np.uint64(seed) if seed < 2**64 else seed).random(4).tolist()
    assert x.tolist() != Generator(seed + 2).random(4).tolist()
    assert Generator(seed).seed == seed


def test_without_a_seed_the_entropy_is_fresh(device: str) -> None:
    first, second = Generator(), random.default_rng()
    assert first.seed != second.seed
    assert first.random(4).tolist() != second.random(4).tolist()
    assert Generator(first.seed).random(4).tolist() != second.random(4).tolist()


def test_on_numpy_the_numbers_are_numpys() -> None:
    for other in ("cpu", "strict:cpu"):
        if other != "cpu":
            pytest.importorskip("array_api_strict")
        rng, reference = Generator(7, device=other), np.random.default_rng(7)
        assert rng.random((2, 3)).tolist() == reference.random((2, 3)).tolist()
        assert rng.standard_normal(3).tolist() == reference.standard_normal(3).tolist()
        assert rng.integers(-3, 9, 5).tolist() == reference.integers(-3, 9, 5).tolist()
        assert rng.permutation(9).tolist() == reference.permutation(9).tolist()
        assert rng.normal(1.0, 2.0, 3).tolist() == reference.normal(1.0, 2.0, 3).tolist()
        assert rng.uniform(1.0, 4.0, 3).tolist() == reference.uniform(1.0, 4.0, 3).tolist()


def test_import_numpygrad_does_not_import_numpys_generators() -> None:
    code = "import sys, numpygrad; print('numpy.random' in sys.modules)"
    assert run_python(code) == "False"


def test_the_generators_of_the_libraries_are_left_alone(device: str, draw: Draw) -> None:
    before = str(np.random.get_state(legacy=False))
    draw(Generator(7))
    assert str(np.random.get_state(legacy=False)) == before


# Shapes and dtypes


@pytest.mark.parametrize("name", ["random", "standard_normal", "uniform", "normal", "exponential"])
@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_shapes_and_dtypes_of_floats(device: str, name: str, dtype: str | None) -> None:
    method = getattr(Generator(7), name)
    for shape in ((), 5, (2, 3), (0,), (3, 0, 2), [2, 1]):
        x = method(shape=shape, dtype=dtype)
        assert x.shape == (tuple(shape) if not isinstance(shape, int) else (shape,))
        assert x.dtype == (dtype or "float64")
        assert x._type is x.device.type_of(x.data)
    assert method().shape == ()
    leaf = method(shape=2, dtype=dtype, requires_grad=True)
    assert leaf.requires_grad
    assert leaf.is_leaf


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_integers_reach_all_that_a_dtype_holds(device: str, dtype: str) -> None:
    limits = npg.iinfo(dtype)
    rng = Generator(7)
    x = rng.integers(limits.min, limits.max, 4000, dtype=dtype, endpoint=True)
    assert x.dtype == dtype
    assert x._type is x.device.type_of(x.data)
    unit = (x.numpy().astype("float64") - limits.min) / (limits.max - limits.min)
    assert distance(unit, lambda u: u) < UNLIKELY + (1.0 if limits.bits == 8 else 0.0)
    highest = rng.integers(limits.max - 1, limits.max, 4000, dtype=dtype, endpoint=True).tolist()
    assert set(highest) == {limits.max - 1, limits.max}
    lowest = rng.integers(limits.min, limits.min + 2, 4000, dtype=dtype).tolist()
    assert set(lowest) == {limits.min, limits.min + 1}
    only = rng.integers(limits.max, limits.max + 1, 4000, dtype=dtype).tolist()
    assert set(only) == {limits.max}


def test_shapes_of_integers(device: str) -> None:
    rng = Generator(7)
    assert rng.integers(5).shape == ()
    assert rng.integers(5, shape=3).shape == (3,)
    assert rng.integers(1, 5, (2, 0)).shape == (2, 0)
    assert rng.integers(5, shape=3).dtype == "int64"
    assert rng.integers(np.int8(5), shape=100).numpy().max() == 4


# Distributions


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_is_uniform(device: str, dtype: str) -> None:
    x = Generator(7).random((100, 200), dtype=dtype).numpy()
    assert 0 <= x.min() < x.max() < 1
    assert distance(x, lambda u: u) < UNLIKELY
    assert len(np.unique(x)) > 19_900 if dtype == "float64" else 19_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standard_normal_is_normal(device: str, dtype: str) -> None:
    x = Generator(7).standard_normal((100, 200), dtype=dtype).numpy().astype("float64")
    cumulative = np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))
    assert distance(x, cumulative) < UNLIKELY
    moments = [np.mean(x**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.15)


def test_normal_uniform_and_exponential_have_their_parameters(device: str) -> None:
    rng = Generator(7)
    x = rng.normal(3.0, 0.5, 20_000).numpy()
    np.testing.assert_allclose([x.mean(), x.std()], [3.0, 0.5], atol=0.02)
    y = rng.uniform(-1.0, 3.0, 20_000).numpy()
    assert distance((y + 1) / 4, lambda u: u) < UNLIKELY
    z = rng.exponential(2.0, 20_000).numpy()
    assert distance(z, lambda v: 1 - np.exp(-v / 2)) < UNLIKELY


def test_successive_draws_are_independent(device: str) -> None:
    rng = Generator(7)
    draws = [rng.standard_normal(20_000).numpy() for _ in range(4)]
    draws.append(rng.random(20_000).numpy())
    draws.append(rng.integers(0, 1000, 20_000).numpy())
    draws.append(rng.permutation(20_000).numpy())
    assert np.max(np.abs(np.corrcoef(draws) - np.eye(len(draws)))) < 0.03
    assert abs(np.corrcoef(draws[0][:-1], draws[0][1:])[0, 1]) < 0.03


def test_small_ranges_of_integers_are_uniform(device: str) -> None:
    counts = np.bincount(Generator(7).integers(0, 7, 14_000).numpy(), minlength=7)
    assert np.sum((counts - 2000) ** 2 / 2000) < 28  # one in ten thousand, of 6 degrees of freedom


def test_ranges_that_do_not_divide_the_words_are_uniform(device: str) -> None:
    """Modulo 2**64 alone, the lowest third would come up half of the time."""
    x = Generator(7).integers(0, 3 * 2**62, 4000, dtype="uint64").numpy()
    assert abs(np.mean(x < 2**62) - 1 / 3) < 0.03
    y = Generator(7).integers(-(2**63), 2**62, 4000).numpy()
    assert abs(np.mean(y < -(2**62)) - 1 / 3) < 0.03
    assert y.min() < -(2**62) < 0 < y.max() < 2**62


def test_permutations_are_equally_likely(device: str) -> None:
    rng = Generator(7)
    found = [tuple(rng.permutation(3).tolist()) for _ in range(900)]
    counts = [found.count(order) for order in itertools.permutations(range(3))]
    assert sum(counts) == 900
    assert sum((count - 150) ** 2 / 150 for count in counts) < 26


def test_choice_follows_its_probabilities(device: str) -> None:
    rng = Generator(7)
    x = rng.choice(5, 10_000, p=[0.0, 0.5, 0.0, 0.3, 0.2]).numpy()
    shares = np.bincount(x, minlength=5) / 10_000
    np.testing.assert_allclose(shares, [0, 0.5, 0, 0.3, 0.2], atol=0.02)
    assert shares[0] == shares[2] == 0
    uniform = np.bincount(rng.choice(5, 10_000).numpy()) / 10_000
    np.testing.assert_allclose(uniform, [0.2] * 5, atol=0.02)


class Extreme(HostSource):
    """A source whose uniform numbers are the least and the largest there are."""

    def random(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.resize([0.0, np.nextafter(1.0, 0.0)], shape)


def test_choice_takes_nothing_of_probability_0_at_the_ends() -> None:
    rng = Generator(7, device="cpu")
    rng._source = Extreme(np.random.SeedSequence(7), rng.device)
    assert rng.choice(4, 4, p=[0.0, 0.9, 0.1, 0.0]).tolist() == [1, 2, 1, 2]
    assert rng.choice(6, 2, p=[0.0, *[0.3, 0.3, 0.3, 0.1], 0.0]).tolist() == [1, 4]


def test_choice_without_replacement_is_one_draw_after_the_other(device: str) -> None:
    rng = Generator(7)
    p = npg.array([0.5, 0.3, 0.2, 0.0])
    found = [tuple(rng.choice(4, 2, replace=False, p=p).tolist()) for _ in range(800)]
    for first, second in itertools.permutations(range(3), 2):
        weights = p.tolist()
        expected = weights[first] * weights[second] / (1 - weights[first])
        assert abs(found.count((first, second)) / 800 - expected) < 0.06
    assert not any(3 in pair for pair in found)


def test_choice_without_replacement_takes_each_once(device: str) -> None:
    rng = Generator(7)
    assert sorted(rng.choice(20, 20, replace=False).tolist()) == list(range(20))
    assert sorted(rng.choice(20, (4, 5), replace=False, p=[0.05] * 20).numpy().ravel()) == list(
        range(20)
    )
    assert len(set(rng.choice(20, 7, replace=False).tolist())) == 7
    assert {rng.choice(3, replace=False).item() for _ in range(40)} == {0, 1, 2}


# Elements of arrays


def test_permutation_and_choice_of_an_array(device: str) -> None:
    values = np.arange(12.0).reshape(3, 4)
    x = npg.array(values)
    rng = Generator(7)
    rows = rng.permutation(x)
    assert sorted(rows.tolist()) == values.tolist()
    columns = rng.permutation(x, axis=-1)
    assert sorted(columns.numpy().T.tolist()) == values.T.tolist()
    assert rng.choice(x).shape == (4,)
    assert rng.choice(x, (5, 2)).shape == (5, 2, 4)
    assert rng.choice(x, (5, 2), axis=1).shape == (3, 5, 2)
    assert set(map(tuple, rng.choice(x, 50).tolist())) == set(map(tuple, values.tolist()))
    assert sorted(rng.choice(x, 4, replace=False, axis=1).numpy().T.tolist()) == values.T.tolist()
    assert rng.choice(x, 3, p=[0.0, 1.0, 0.0]).tolist() == [values[1].tolist()] * 3
    assert rng.permutation(0).shape == (0,)
    assert rng.permutation(npg.zeros((0, 2))).shape == (0, 2)
    assert rng.choice(0, 0).shape == (0,)
    assert rng.choice(0, 0, p=[]).shape == (0,)
    assert rng.choice(3, (0, 2), p=[0.5, 0.5, 0.0]).shape == (0, 2)


def test_array_likes_are_taken_to_the_device(device: str) -> None:
    rng = Generator(7)
    assert rng.permutation(np.arange(4)).device is rng.device
    assert sorted(rng.permutation([3, 1, 2]).tolist()) == [1, 2, 3]
    assert set(rng.choice([3, 5], 20).tolist()) == {3, 5}
    assert rng.normal(np.zeros(3), 1.0).shape == (3,)


# Derivatives


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_parameters_have_derivatives_by_reparametrisation(device: str, name: str) -> None:
    def drawn(a: npg.Array, b: npg.Array) -> npg.Array:
        return getattr(Generator(7), name)(a, b, (4, 3))

    check_grads(drawn, [np.array([[-1.0], [-2.0], [-3.0], [0.0]]), np.array([1.0, 2.0, 3.0])])
    check_grads(lambda b: Generator(7).normal(1.0, b), [np.array([1.0, 2.0])])


def test_the_derivatives_are_what_was_drawn(device: str) -> None:
    z, u = Generator(7).standard_normal(5), Generator(7).random(5)
    loc, scale = (npg.array(v, requires_grad=True) for v in (1.0, 2.0))
    x = Generator(7).normal(loc, scale, 5)
    np.testing.assert_allclose(x.numpy(), 1.0 + 2.0 * z.numpy())
    x.sum().backward()
    assert loc.grad.item() == 5.0
    np.testing.assert_allclose(scale.grad.item(), z.sum().item())
    low, high = (npg.array(v, requires_grad=True) for v in (1.0, 2.0))
    Generator(7).uniform(low, high, 5).sum().backward()
    np.testing.assert_allclose(low.grad.item(), (1 - u).sum().item())
    np.testing.assert_allclose(high.grad.item(), u.sum().item())
    mean = npg.array([1.0, 2.0], requires_grad=True)
    t = Generator(7).exponential(mean)
    t.sum().backward()
    np.testing.assert_allclose(mean.grad.numpy() * mean.numpy(), t.numpy())


def test_elements_drawn_from_an_array_have_derivatives(device: str) -> None:
    x = np.arange(6.0).reshape(3, 2)
    check_grads(lambda x: Generator(7).choice(x * x, (2, 3)), [x])
    check_grads(lambda x: Generator(7).choice(x * x, 2, replace=False, axis=1), [x])
    check_grads(lambda x: Generator(7).permutation(x * x, axis=1), [x])
    tracked = npg.array([0.5, 0.5], requires_grad=True)
    assert not Generator(7).choice(2, 3, p=tracked).requires_grad


def test_parameters_give_shape_and_dtype(device: str) -> None:
    rng = Generator(7)
    single = npg.zeros((2, 1), dtype="float32")
    assert rng.normal(single, 1.0).dtype == "float32"
    assert rng.normal(single, npg.ones(3, dtype="float32")).shape == (2, 3)
    assert rng.normal(single, npg.ones(3)).dtype == "float64"
    assert rng.normal(npg.zeros(3, dtype="int32"), 1).dtype == "float64"
    assert rng.uniform(npg.zeros(3), 1.0, (4, 3), dtype="float32").dtype == "float32"
    assert rng.exponential(single, (5, 2, 3)).shape == (5, 2, 3)
    leaf = npg.array([1.0, 2.0], requires_grad=True)
    x = rng.normal(leaf, 1.0, dtype="float32", requires_grad=True)
    assert not x.is_leaf
    x.sum().backward()
    assert leaf.grad.dtype == "float64"


def test_a_gradient_survives_a_draw_between_forward_and_backward(device: str) -> None:
    w = random.randn((4, 8), requires_grad=True)
    y = (w * w).sum()
    random.randn((4, 8))
    y.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy())
    y = npg.sin(w).sum()
    w -= 0.1 * w.grad
    with pytest.raises(VersionError):
        y.backward()


# The functions of the module

OF_A_DEVICE = sorted(
    name
    for name, method in vars(Generator).items()
    if inspect.isfunction(method) and not name.startswith("_") and hasattr(random, name)
)


def test_the_functions_are_known() -> None:
    names = {"random", "standard_normal", "uniform", "normal", "exponential", "integers"}
    assert {*names, "permutation", "choice"} == set(OF_A_DEVICE)


@pytest.mark.parametrize("name", OF_A_DEVICE)
def test_a_functions_parameters_are_those_of_its_method(name: str) -> None:
    function = inspect.signature(getattr(random, name)).parameters
    method = dict(inspect.signature(getattr(Generator, name)).parameters)
    assert function["device"].default is None
    del method["self"]
    found = {key: (p.kind, p.default) for key, p in function.items() if key != "device"}
    assert found == {key: (p.kind, p.default) for key, p in method.items()}


def test_functions_draw_from_the_default_generator(device: str, draw: Draw) -> None:
    random.seed(7)
    expected = [draw(Generator(7)).tolist(), draw(random.default_generator()).tolist()]
    assert expected[0] == expected[1]
    calls = [
        lambda rng: rng.random(3),
        lambda rng: rng.uniform(1.0, 2.0, 3),
        lambda rng: rng.normal(1.0, 2.0, 3),
        lambda rng: rng.exponential(2.0, 3),
        lambda rng: rng.standard_normal(3),
        lambda rng: rng.integers(1, 50, 3),
        lambda rng: rng.permutation(9),
        lambda rng: rng.choice(9, 3),
    ]
    random.manual_seed(7)
    rng = Generator(7)
    for call in calls:
        assert call(random).tolist() == call(rng).tolist()
    assert random.randint is random.integers


def test_randn_and_rand_take_a_shape_or_ints(device: str) -> None:
    for function, method in ((random.randn, "standard_normal"), (random.rand, "random")):
        random.seed(7)
        x = function((4, 8), requires_grad=True)
        assert (x.shape, x.dtype, x.requires_grad, x.is_leaf) == ((4, 8), "float64", True, True)
        random.seed(7)
        assert function(4, 8).tolist() == x.tolist()
        random.seed(7)
        assert getattr(random, method)((4, 8)).tolist() == x.tolist()
        assert function().shape == ()
        assert function(3, dtype="float32").dtype == "float32"
        assert function(3, device="numpy:cpu").device == "cpu"


def test_seed_starts_every_device_again(device: str, other_device: str) -> None:
    random.seed(7)
    first = [random.rand(3, device=d).tolist() for d in (device, other_device)]
    random.seed(7)
    assert [random.rand(3, device=d).tolist() for d in (device, other_device)] == first
    random.seed(None)
    assert random.rand(3).tolist() != first[0]
    state = random.default_generator().state
    following = random.rand(3).tolist()
    random.default_generator().state = state
    assert random.rand(3).tolist() == following


def test_threads_share_the_default_generator(device: str) -> None:
    random.seed(7)
    name = str(npg.default_device())

    def draw(_: int) -> Any:
        return random.rand(2, device=name).tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, range(40)))
    rng = Generator(7)
    assert sorted(found) == sorted(rng.random(2).tolist() for _ in range(40))


def test_parameters_on_a_device_are_drawn_there(device: str, other_device: str) -> None:
    x = npg.zeros(3, device=other_device)
    assert random.normal(x, 1.0).device is x.device
    assert random.uniform(0.0, x + 1).device is x.device
    assert random.exponential(x).device is x.device
    assert random.permutation(x).device is x.device
    assert random.choice(x, 2).device is x.device


def test_names_of_the_module_pickle() -> None:
    for function in (random.randn, random.default_rng, Generator):
        assert pickle.loads(pickle.dumps(function)) is function


# JAX


@pytest.fixture
def jax() -> Any:
    """The library, with its 64 bits on."""
    library = pytest.importorskip("jax")
    with library.enable_x64(True):
        yield library


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_while_jax_traces_is_refused_and_leaves_no_trace(jax: Any, name: str) -> None:
    rng, untouched = Generator(7, device="jax:cpu"), Generator(7, device="jax:cpu")

    @jax.jit
    def noisy(x: Any) -> Any:
        return x + npg.sum(DRAWS[name](rng)).data

    with pytest.raises(RuntimeError, match="draw them before"):
        noisy(1.0)
    assert DRAWS[name](rng).tolist() == DRAWS[name](untouched).tolist()


def test_a_generator_made_while_jax_traces_works_afterwards(jax: Any) -> None:
    random.seed(7)

    @jax.jit
    def noisy(x: Any) -> Any:
        return x + random.rand(3, device="jax:cpu").data

    with pytest.raises(RuntimeError, match="jit"):
        noisy(1.0)
    expected = Generator(7, device="jax:cpu").random(3).tolist()
    assert random.rand(3, device="jax:cpu").tolist() == expected


def test_numbers_drawn_before_are_passed_to_jit(jax: Any) -> None:
    z = Generator(7, device="jax:cpu").standard_normal(3)
    scaled = jax.jit(lambda z: 2 * z)(z)
    np.testing.assert_allclose(scaled.numpy(), 2 * z.numpy())


def test_jax_differentiates_and_vectorises_draws(jax: Any) -> None:
    def drawn(scale: Any) -> Any:
        return npg.sum(Generator(7, device="jax:cpu").normal(0.0, npg.asarray(scale), 3)).data

    z = Generator(7, device="jax:cpu").standard_normal(3)
    np.testing.assert_allclose(jax.grad(drawn)(jax.numpy.asarray(2.0)), z.sum().item())
    values = jax.vmap(drawn)(jax.numpy.asarray([1.0, 2.0]))
    np.testing.assert_allclose(values, np.array([1.0, 2.0]) * z.sum().item())


def test_jaxs_own_settings_do_not_change_the_numbers(jax: Any) -> None:
    with jax.default_prng_impl("rbg"), jax.enable_x64(False):
        found = Generator(7, device="jax:cpu").random((17, 1))  # of a shape not yet compiled
    assert (found.dtype, found.data.dtype) == ("float64", "float64")
    jax.clear_caches()
    assert Generator(7, device="jax:cpu").random((17, 1)).tolist() == found.tolist()


def test_each_draw_takes_one_half_of_a_split_key(jax: Any) -> None:
    rng = Generator(7, device="jax:cpu")
    words = jax.numpy.asarray(rng.state["source"], dtype="uint32")
    following, own = jax.random.split(jax.random.wrap_key_data(words, impl="threefry2x32"))
    assert rng.standard_normal(3).tolist() == jax.random.normal(own, (3,)).tolist()
    assert rng.state["source"] == jax.random.key_data(following).tolist()


# Errors


def rng() -> Generator:
    """A generator on the default device."""
    return Generator(7)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a negative seed": (lambda: Generator(-1), ValueError, r"seed.*int >= 0.*-1"),
    "a seed that is no int": (lambda: Generator(1.5), TypeError, r"seed.*int >= 0.*1\.5"),
    "a negative default seed": (lambda: random.seed(-1), ValueError, r"seed.*int >= 0.*-1"),
    "an unknown device": (lambda: Generator(device="nowhere"), DeviceError, "nowhere"),
    "spawn": (lambda: rng().spawn(-1), ValueError, r"spawn.*-1"),
    "a negative shape": (lambda: rng().random(-1), ShapeError, r"random\(\).*>= 0.*-1"),
    "a shape that is none": (lambda: rng().random(2.5), TypeError, r"random\(\).*ints.*2\.5"),
    "a shape of floats": (lambda: random.randn(2.0, 3), TypeError, r"standard_normal\(\).*2\.0"),
    "complex random": (lambda: rng().random(dtype="complex128"), DTypeError, "complex128"),
    "complex normal": (
        lambda: rng().standard_normal(dtype="complex64"),
        DTypeError,
        r"float32 or float64.*complex64.*real and imaginary",
    ),
    "integer normal": (lambda: rng().normal(dtype="int64"), DTypeError, r"normal.*int64"),
    "half precision": (lambda: rng().random(dtype="float16"), DTypeError, "float16"),
    "negative scale": (lambda: rng().normal(0.0, -1.0), ValueError, r"normal.*scale >= 0.*-1"),
    "negative scale in an array": (
        lambda: rng().normal(0.0, npg.array([1.0, -1.0])),
        ValueError,
        r"normal.*scale >= 0.*shape \(2,\)",
    ),
    "negative mean": (lambda: rng().exponential(-2.0), ValueError, r"exponential.*>= 0.*-2"),
    "bounds the wrong way": (lambda: rng().uniform(1.0, 0.0), ValueError, r"low <= high.*1\.0"),
    "bounds the wrong way in arrays": (
        lambda: rng().uniform(npg.array([0.0, 3.0]), 1.0),
        ValueError,
        r"low <= high.*\(2,\)",
    ),
    "an infinite range": (lambda: rng().uniform(0.0, math.inf), ValueError, "finite range"),
    "parameters and shape": (
        lambda: rng().normal(npg.zeros(3), 1.0, (2, 4)),
        ShapeError,
        r"normal.*\(3,\).*\(2, 4\)",
    ),
    "parameters wider than shape": (
        lambda: rng().normal(npg.zeros((2, 3)), 1.0, 3),
        ShapeError,
        r"normal.*\(2, 3\).*\(3,\)",
    ),
    "parameters together": (
        lambda: rng().normal(npg.zeros(3), npg.ones(4)),
        ShapeError,
        r"normal.*\(3,\).*\(4,\)",
    ),
    "complex parameters": (
        lambda: rng().normal(npg.asarray(1j), 1.0),
        DTypeError,
        "loc.*complex128",
    ),
    "a list as a parameter": (lambda: rng().normal([0.0], 1.0), TypeError, "loc.*list"),
    "no integers": (lambda: rng().integers(3, 3), ValueError, "low < high.*low=3 and high=3"),
    "no integers with endpoint": (
        lambda: rng().integers(3, 2, endpoint=True),
        ValueError,
        "low <= high.*low=3 and high=2",
    ),
    "integers up to 0": (lambda: rng().integers(0), ValueError, "low=0 and high=0"),
    "integers beyond int32": (
        lambda: rng().integers(0, 2**40, dtype="int32"),
        ValueError,
        r"0 to 1099511627775.*int32.*2147483647.*wider",
    ),
    "integers beyond int64": (lambda: rng().integers(2**63 + 1), ValueError, "int64.*wider"),
    "integers below uint8": (
        lambda: rng().integers(-1, 3, dtype="uint8"),
        ValueError,
        "-1 to 2.*uint8",
    ),
    "integers in float64": (
        lambda: rng().integers(3, dtype="float64"),
        DTypeError,
        "integer dtype, not float64",
    ),
    "integers in bool": (lambda: rng().integers(2, dtype="bool"), DTypeError, "not bool"),
    "integers up to a float": (lambda: rng().integers(2.5), TypeError, r"int as high, not 2\.5"),
    "integers of a negative shape": (lambda: rng().integers(3, shape=(-1,)), ShapeError, "-1"),
    "p of another length": (
        lambda: rng().choice(3, p=[0.5, 0.5]),
        ShapeError,
        r"each of 3 elements.*\(2,\)",
    ),
    "p that does not sum to 1": (
        lambda: rng().choice(2, p=[0.5, 0.4]),
        ValueError,
        r"sum to 1, got 0\.9.*divide",
    ),
    "negative p": (lambda: rng().choice(2, p=[1.5, -0.5]), ValueError, "p >= 0"),
    "p that is NaN": (lambda: rng().choice(2, p=[1.0, math.nan]), ValueError, "NaN"),
    "complex p": (lambda: rng().choice(1, p=npg.asarray([1j])), DTypeError, "complex128"),
    "more than there is": (
        lambda: rng().choice(3, 4, replace=False),
        ValueError,
        "3 elements.*4 asked for; pass replace=True",
    ),
    "more than is possible": (
        lambda: rng().choice(3, 3, replace=False, p=[0.5, 0.5, 0.0]),
        ValueError,
        "2 elements of probability above 0.*3",
    ),
    "of nothing": (lambda: rng().choice(0), ValueError, "0 elements.*1 asked for"),
    "of a negative number": (lambda: rng().choice(-3), ValueError, r"choice.*>= 0.*-3"),
    "permutation of a negative number": (lambda: rng().permutation(-3), ValueError, "-3"),
    "of a scalar": (lambda: rng().choice(npg.array(1.0)), ShapeError, "choice.*0-d"),
    "permutation of a scalar": (lambda: rng().permutation(npg.array(1)), ShapeError, "0-d"),
    "an axis too many": (lambda: rng().permutation(npg.zeros(3), axis=1), IndexError, "axis 1"),
    "a state that is none": (lambda: setattr(rng(), "state", {}), ValueError, "state"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_said_and_draws_nothing(device: str, what: str) -> None:
    call, error, message = REFUSED[what]
    random.seed(7)
    with pytest.raises(error, match=message):
        call()
    assert random.rand(2).tolist() == Generator(7).random(2).tolist()


def test_a_refused_call_leaves_the_stream_where_it_was(device: str) -> None:
    rng = Generator(7)
    for call in (
        lambda: rng.normal(0.0, -1.0),
        lambda: rng.uniform(1.0, 0.0),
        lambda: rng.choice(3, 4, replace=False),
        lambda: rng.choice(2, p=[0.5, 0.4]),
        lambda: rng.integers(0, 2**40, dtype="int32"),
        lambda: rng.random(-1),
    ):
        with pytest.raises(ValueError, match=r"\(\)"):
            call()
    assert rng.random(2).tolist() == Generator(7).random(2).tolist()


def test_arrays_of_another_device_are_refused(device: str, other_device: str) -> None:
    x = npg.ones(3, device=other_device)
    for call in (
        lambda: Generator(7).normal(x, 1.0),
        lambda: Generator(7).choice(x),
        lambda: Generator(7).permutation(x),
    ):
        with pytest.raises(DeviceError, match=r"generator on .* move"):
            call()


def test_a_state_of_another_backend_is_refused(device: str, other_device: str) -> None:
    rng = Generator(7)
    with pytest.raises(ValueError, match=r"backend .* cannot resume"):
        rng.state = Generator(7, device=other_device).state
    assert rng.random(2).tolist() == Generator(7).random(2).tolist()
