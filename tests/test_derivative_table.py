"""What derivatives are at kinks, ties and edges: one table, in every mode and under every executor.

`test_conventions.py` says it in words, line by line; this says that the first derivative, and the
second where its limit exists, are the same by reverse and forward mode, lazily and compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DerivativeError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of log(0) itself

INF = math.inf
la = npg.linalg
ZEROS = [[0.0, 0.0], [0.0, 0.0]]
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
EQUAL = [[2.0, 0.0], [0.0, 2.0]]


class Line(NamedTuple):
    """A function at a point: the gradient of the sum of its results, and that gradient's own."""

    function: Callable[..., npg.Array]
    arguments: list[Any]
    first: list[Any]
    second: list[Any] | None = None
    """The second derivative times ones; `None` where it has no limit."""


def weighted(*weights: float) -> Callable[[npg.Array], npg.Array]:
    return lambda x: x * npg.asarray(weights, device=x.device)


def matrix_function(x: npg.Array, f: Callable[[npg.Array], npg.Array]) -> npg.Array:
    w, v = la.eigh(x)
    return (v * f(w)) @ v.mT


def _turned(x: npg.Array) -> npg.Array:
    """A function of a matrix with equal eigenvalues, seen in a direction that is not special."""
    return matrix_function(x, npg.exp) * npg.asarray([[1.0, 3.0], [3.0, 2.0]], device=x.device)


def _projector(x: npg.Array) -> npg.Array:
    v = la.eigh(x).eigenvectors[:, :2]
    return (v @ v.mT)[0] * npg.asarray([1.0, 2.0, 3.0], device=x.device)


def _polar(x: npg.Array) -> npg.Array:
    u, _, vh = la.svd(x)
    return (u @ vh) * npg.asarray([[1.0, 3.0], [2.0, 2.0]], device=x.device)


E2 = math.exp(2.0)
FIRST_OF_TWO = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 5.0]]

TABLE: dict[str, Line] = {
    # the subgradient of least norm
    "abs": Line(npg.abs, [[0.0, -2.0]], [[0, -1]], [[0, 0]]),
    "sign": Line(lambda x: npg.sign(x) + 0.0 * x, [[0.0, -2.0]], [[0, 0]], [[0, 0]]),
    "relu": Line(npg.relu, [[0.0, -2.0, 3.0]], [[0, 0, 1]], [[0, 0, 0]]),
    "vector_norm": Line(la.vector_norm, [[0.0, 0.0]], [[0, 0]]),
    "vector_norm 1": Line(lambda x: la.vector_norm(x, ord=1), [[0.0, 3.0]], [[0, 1]], [[0, 0]]),
    "vector_norm inf": Line(lambda x: la.vector_norm(x, ord=INF), [[0.0, 0.0]], [[0, 0]]),
    "matrix_norm": Line(la.matrix_norm, [ZEROS], [ZEROS]),
    "matrix_norm nuc": Line(lambda x: la.matrix_norm(x, ord="nuc"), [ZEROS], [ZEROS]),
    "matrix_norm 2": Line(lambda x: la.matrix_norm(x, ord=2), [ZEROS], [ZEROS]),
    "hypot": Line(npg.hypot, [[0.0, 3.0], [0.0, 4.0]], [[0, 0.6], [0, 0.8]]),
    "std": Line(npg.std, [[2.0, 2.0]], [[0, 0]]),
    "var": Line(npg.var, [[2.0, 2.0]], [[0, 0]], [[0, 0]]),
    # ties
    "maximum": Line(npg.maximum, [[1.0], [1.0]], [[0.5], [0.5]], [[0], [0]]),
    "minimum": Line(npg.minimum, [[1.0], [1.0]], [[0.5], [0.5]], [[0], [0]]),
    "max": Line(npg.max, [[1.0, 3.0, 3.0]], [[0, 0.5, 0.5]], [[0, 0, 0]]),
    "min": Line(npg.min, [[1.0, 1.0, 3.0]], [[0.5, 0.5, 0]], [[0, 0, 0]]),
    "clip": Line(
        lambda x: npg.clip(x, 0.0, 1.0), [[-1, 0, 0.5, 1, 2]], [[0, 1, 1, 1, 0]], [[0] * 5]
    ),
    "sort": Line(
        lambda x: weighted(1, 10, 100)(npg.sort(x)), [[3, 1, 3]], [[10, 1, 100]], [[0] * 3]
    ),
    "median": Line(lambda x: npg.sort(x)[1], [[3.0, 3.0, 1.0]], [[1, 0, 0]], [[0] * 3]),
    "take": Line(
        lambda x: npg.take(x * x, npg.asarray([2, 0, 2], device=x.device)),
        [[1.0, 2.0, 3.0]],
        [[2, 0, 12]],
        [[2, 0, 4]],
    ),
    # powers and products
    "x ** 0": Line(lambda x: x**0.0, [[0.0, 2.0]], [[0, 0]], [[0, 0]]),
    "x ** 2": Line(lambda x: x**2.0, [[0.0, 3.0]], [[0, 6]], [[2, 2]]),
    "x ** 3": Line(lambda x: x**3, [[0.0, 3.0]], [[0, 27]], [[0, 18]]),
    "x ** y": Line(npg.pow, [[0.0, 0.0], [3.0, 4.0]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "0 ** 0": Line(npg.pow, [[0.0], [0.0]], [[0], [0]]),
    "0 ** y": Line(lambda y: 0.0**y, [[1.0, 0.5]], [[0, 0]], [[0, 0]]),
    "prod": Line(npg.prod, [[2.0, 0.0, 5.0]], [[0, 10, 0]], [[5, 7, 2]]),
    "prod of two zeros": Line(npg.prod, [[0.0, 0.0, 5.0]], [[0, 0, 0]], [[5, 5, 0]]),
    "cumulative_prod": Line(npg.cumulative_prod, [[2, 0, 5]], [[1, 12, 0]], [[6, 8, 2]]),
    # branches not taken
    "where": Line(
        lambda x: npg.where(x > 0.0, npg.sqrt(x), 0.0), [[0.0, 4.0]], [[0, 0.25]], [[0, -1 / 32]]
    ),
    "where log": Line(
        lambda x: npg.where(x > 0, npg.log(x), x), [[-1, 2]], [[1, 0.5]], [[0, -0.25]]
    ),
    "what was not selected": Line(
        lambda x: npg.sqrt(x)[1:], [[0.0, 4.0]], [[0, 0.25]], [[0, -1 / 32]]
    ),
    # boundaries
    "sqrt": Line(npg.sqrt, [[0.0, 4.0]], [[INF, 0.25]], [[-INF, -1 / 32]]),
    "log": Line(npg.log, [[0.0, 2.0]], [[INF, 0.5]], [[-INF, -0.25]]),
    "asin": Line(npg.asin, [[1.0]], [[INF]]),
    "acosh": Line(npg.acosh, [[1.0]], [[INF]]),
    # sums of exponentials, angles
    "logaddexp": Line(npg.logaddexp, [[-INF], [-INF]], [[0.5], [0.5]]),
    "logsumexp": Line(npg.logsumexp, [[-INF, -INF]], [[0.5, 0.5]]),
    "softmax": Line(lambda x: npg.softmax(x)[0], [[-INF, -INF]], [[0.25, -0.25]], [[0, 0]]),
    "atan2": Line(npg.atan2, [[0.0], [0.0]], [[0], [0]]),
    # steps
    "floor": Line(lambda x: npg.floor(x) * x, [[2.5]], [[2]], [[0]]),
    "ceil": Line(lambda x: npg.ceil(x) * x, [[2.5]], [[3]], [[0]]),
    "round": Line(lambda x: npg.round(x) * x, [[2.6]], [[3]], [[0]]),
    "trunc": Line(lambda x: npg.trunc(x) * x, [[-2.5]], [[-2]], [[0]]),
    "floor_divide": Line(lambda x: (x // 2.0) * x, [[5.0]], [[2]], [[0]]),
    "comparison": Line(lambda x: npg.where(x > 2.0, x, 0.0) * x, [[2.0]], [[0]], [[0]]),
    "remainder": Line(npg.remainder, [[-7.5, 4.0], [2.0, 2.0]], [[1, 1], [4, -2]], [[0] * 2] * 2),
    # matrices
    "det": Line(la.det, [SINGULAR], [[[4, -2], [-2, 1]]], [[[1, -1], [-1, 1]]]),
    "det of zeros": Line(la.det, [ZEROS], [ZEROS], [[[1, -1], [-1, 1]]]),
    "eigvalsh": Line(lambda x: npg.log(la.eigvalsh(x)), [EQUAL], [[[0.5, 0], [0, 0.5]]]),
    "eigh": Line(_turned, [EQUAL], [[[E2, 3 * E2], [3 * E2, 2 * E2]]]),
    "projector": Line(
        _projector,
        [FIRST_OF_TWO],
        [[[0, 0, -0.5], [0, 0, 0], [-0.5, 0, 0]]],
    ),
    "svdvals": Line(la.svdvals, [EQUAL], [[[1, 0], [0, 1]]]),
    "svdvals of zeros": Line(la.svdvals, [ZEROS], [ZEROS]),
    "svd": Line(_polar, [EQUAL], [[[0, 0.25], [-0.25, 0]]]),
    "qr complete": Line(
        lambda x: la.qr(x, mode="complete").R ** 2, [[[3.0], [4.0]]], [[[6], [8]]], [[[2], [2]]]
    ),
    "cholesky": Line(la.cholesky, [[[4.0, 2.0], [2.0, 5.0]]], [[[0.1875, 0.125], [0.125, 0.25]]]),
}
REVERSE_ONLY = {"eigh", "projector", "svd"}
"""Where vectors of equal values turn: forward mode cannot know what they are used for.

Nor is the rule of reverse mode linear there, so that it has no derivative to record.
"""


def arrays(line: Line) -> list[npg.Array]:
    return [npg.array(x, dtype="float64") for x in line.arguments]


def total(line: Line) -> Callable[..., npg.Array]:
    return lambda *x: npg.sum(line.function(*x))


def gradient(line: Line) -> Callable[..., tuple[npg.Array, ...]]:
    return npg.grad(total(line), argnums=tuple(range(len(line.arguments))))


def slope(line: Line) -> Callable[..., npg.Array]:
    """The gradient times ones."""
    return lambda *x: sum(npg.sum(g) for g in gradient(line)(*x))


def by_columns(line: Line, x: list[npg.Array]) -> list[np.ndarray]:
    """The gradient by forward mode, an element at a time."""
    found = []
    for position, a in enumerate(x):
        columns = np.zeros(a.shape)
        for index in np.ndindex(a.shape):
            tangents = [npg.zeros_like(b) for b in x]
            tangents[position][index] = 1.0
            columns[index] = npg.jvp(total(line), x, tangents)[1].item()
        found.append(columns)
    return found


def assert_equal(found: Any, expected: list[Any], how: str) -> None:
    for ours, wanted in zip(found, expected, strict=True):
        values = ours.numpy() if isinstance(ours, npg.Array) else ours
        np.testing.assert_allclose(values, wanted, rtol=1e-11, atol=1e-14, err_msg=how)


SECOND = {name: line for name, line in TABLE.items() if line.second is not None}


@pytest.mark.parametrize("name", TABLE)
def test_first_derivatives_in_reverse_mode(device: str, name: str) -> None:
    line = TABLE[name]
    assert_equal(gradient(line)(*arrays(line)), line.first, "reverse")
    leaves = [npg.array(x, dtype="float64", requires_grad=True) for x in line.arguments]
    y = total(line)(*leaves)
    if name in REVERSE_ONLY:
        with pytest.raises(DerivativeError, match="cannot be told"):
            y.backward(create_graph=True)
        return
    y.backward(create_graph=True)
    assert_equal([x.grad.detach() for x in leaves], line.first, "backward with a graph")


@pytest.mark.parametrize("name", TABLE)
def test_first_derivatives_in_forward_mode(device: str, name: str) -> None:
    line = TABLE[name]
    if name in REVERSE_ONLY:
        with pytest.raises(DerivativeError, match="at equal values"):
            by_columns(line, arrays(line))
        return
    assert_equal(by_columns(line, arrays(line)), line.first, "forward")


@pytest.mark.parametrize("line", SECOND.values(), ids=list(SECOND))
def test_second_derivatives_by_both_modes_over_reverse_mode(device: str, line: Line) -> None:
    x = arrays(line)
    ones = [npg.ones_like(a) for a in x]
    argnums = tuple(range(len(x)))
    assert_equal(npg.jvp(gradient(line), x, ones)[1], line.second, "forward over reverse")
    assert_equal(npg.grad(slope(line), argnums)(*x), line.second, "reverse over reverse")


def everything(lines: list[Line], given: list[list[npg.Array]]) -> npg.Array:
    """The first and second derivatives of some lines, one after the other."""
    found: list[npg.Array] = []
    for line, x in zip(lines, given, strict=True):
        found += gradient(line)(*x)
        if line.second is not None:
            found += npg.jvp(gradient(line), x, [npg.ones_like(a) for a in x])[1]
    return npg.concat([npg.reshape(x, (-1,)) for x in found])


def assert_everything(names: list[str], found: npg.Array) -> None:
    values, start = found.numpy(), 0
    for name in names:
        for wanted in [*TABLE[name].first, *(TABLE[name].second or [])]:
            part = values[start : start + np.size(wanted)]
            np.testing.assert_allclose(part, np.ravel(wanted), rtol=1e-11, atol=1e-14, err_msg=name)
            start += np.size(wanted)
    assert start == values.size


def test_the_whole_table_in_lazy_mode(device: str) -> None:
    # Rules of decompositions look at values, each time a program for JAX to compile.
    names = list(TABLE)[: list(TABLE).index("det")] if device == "jax:cpu" else list(TABLE)
    with npg.lazy():
        lines = [TABLE[name] for name in names]
        assert_everything(names, everything(lines, [arrays(line) for line in lines]))


def test_the_whole_table_compiled(device: str) -> None:
    lines = list(TABLE.values())
    compiled = npg.compile(lambda given: everything(lines, given))
    for _ in range(2):
        assert_everything(list(TABLE), compiled([arrays(line) for line in lines]))


REFUSED: dict[str, tuple[Callable[[npg.Array], npg.Array], Any]] = {
    "basis of equal eigenvalues": (lambda x: la.eigh(x).eigenvectors[:, 0] * 1.0, EQUAL),
    "element of a rebuilt matrix": (lambda x: matrix_function(x, npg.exp)[0, 1], EQUAL),
    "basis of equal singular values": (lambda x: la.svd(x).U[:, 0] * 1.0, EQUAL),
    "vectors of singular values that are 0": (
        lambda x: la.svd(x, full_matrices=False).U[1:, 1] ** 3 * 1.5,
        [[1.0, 0.0], [0.5, 0.0], [0.2, 0.0]],
    ),
    "free columns of qr": (
        lambda x: la.qr(x, mode="complete").Q[:, 2:] ** 3,
        [[1.0, 2.0], [2.0, 3.0], [1.0, 5.0], [0.0, 1.0]],
    ),
    "dependent columns of qr": (lambda x: la.qr(x).R, [[1.0, 1.0], [1.0, 1.0]]),
    "defective eig": (lambda x: npg.real(la.eigvals(x)[0]), [[1.0, 1.0], [0.0, 1.0]]),
    "basis of eig": (
        lambda x: npg.abs(la.eig(x).eigenvectors) ** 2 * npg.arange(3.0)[:, None],
        [[1.5, 0.5, 0.5], [0.5, 1.5, 0.5], [0.5, 0.5, 1.5]],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_nan_where_nothing_can_be_raised(device: str, name: str) -> None:
    function, values = REFUSED[name]
    x = npg.asarray(np.asarray(values))

    def slopes(x: npg.Array) -> npg.Array:
        return npg.grad(lambda x: npg.sum(function(x)))(x)

    with pytest.raises(DerivativeError):
        slopes(x)
    assert np.isnan(npg.compile(slopes)(x).numpy()).any()


@pytest.mark.parametrize("name", sorted(REVERSE_ONLY))
def test_vectors_that_turn_are_nan_in_compiled_forward_mode(device: str, name: str) -> None:
    line = TABLE[name]
    x = arrays(line)
    tangents = [npg.asarray(np.arange(a.size).reshape(a.shape) + 1.0) for a in x]

    def pushed(x: npg.Array, t: npg.Array) -> npg.Array:
        return npg.jvp(line.function, (x,), (t,))[1]

    with pytest.raises(DerivativeError, match="the vectors turn"):
        pushed(*x, *tangents)
    assert np.isnan(npg.compile(pushed)(*x, *tangents).numpy()).any()


def test_one_matrix_of_a_stack_that_is_refused_leaves_the_others(device: str) -> None:
    x = npg.asarray(np.asarray([EQUAL, [[1.0, 0.5], [0.5, 3.0]]]))
    first = npg.compile(npg.grad(lambda x: npg.sum(la.eigh(x).eigenvectors[:, 0, 1] * 1.0)))
    found = first(x).numpy()
    assert np.isnan(found[0]).any()
    alone = npg.grad(lambda x: npg.sum(la.eigh(x).eigenvectors[:, 0, 1] * 1.0))(x[1:]).numpy()
    np.testing.assert_allclose(found[1:], alone, rtol=1e-12)
