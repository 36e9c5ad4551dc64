"""Jacobians and Hessians, in float64, beside JAX under jit; what `vmap` and own rules cost."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import Measurement
from benchmarks.timing import OURS, Contestant, Effort, Workload, measure

ROWS, FEATURES = 10_000, 500
WIDTH, LAYERS = 100, 3
OPS, EXAMPLES = 100, 8
COMPILED, LOOP = "compiled", "a row at a time"

Floats = NDArray[Any]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """A Hessian of a logistic regression, a Jacobian of a perceptron; then costs of calls."""
    rows = ROWS // 10 if effort.quick else ROWS
    yield measure(
        Workload(
            f"Hessian of a logistic loss, {FEATURES} features, {rows:,} rows",
            hessians(rows),
            {(COMPILED, "jax.jit"): 2.0},
            tolerance=1e-8,
        ),
        effort,
    )
    yield measure(
        Workload(
            f"Jacobian of a perceptron, {WIDTH} to {WIDTH}, {LAYERS} layers",
            jacobians(),
            {(OURS, LOOP): 0.1, (COMPILED, LOOP): 0.1},
            tolerance=1e-8,
        ),
        effort,
    )
    yield measure(Workload(f"vmap of {OPS} ops on {EXAMPLES} x 4", mapped_ops()), effort)
    yield measure(Workload("one op of 4 elements and backward, own rule", own_rules()), effort)


def hessians(rows: int) -> dict[str, Callable[[], Contestant]]:
    """The second derivatives of the mean logistic loss by the weights."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, FEATURES))
    y = (rng.random(rows) < 0.5) * 1.0
    w = rng.standard_normal(FEATURES) * 0.1

    def by_hand() -> Floats:
        s = 1 / (1 + np.exp(-(x @ w)))
        weights = s * (1 - s) / rows
        return np.asarray(x.T @ (weights[:, None] * x))

    def ours(*, compiled: bool) -> Contestant:
        npg = peers.numpygrad()
        given = [npg.asarray(a) for a in (w, x, y)]

        def loss(w: Any, x: Any, y: Any) -> Any:
            z = x @ w
            return npg.mean(npg.softplus(z) - y * z)

        hessian = npg.hessian(loss)
        hessian = npg.compile(hessian) if compiled else hessian
        return Contestant(lambda: hessian(*given), lambda found: found.numpy())

    def with_jax() -> Contestant:
        jax = peers.jax()

        def loss(w: Any, x: Any, y: Any) -> Any:
            z = x @ w
            return (jax.nn.softplus(z) - y * z).mean()

        hessian = jax.jit(jax.hessian(loss))
        given = [jax.numpy.asarray(a) for a in (w, x, y)]
        return Contestant(lambda: hessian(*given).block_until_ready(), np.asarray)

    return {
        "numpy": lambda: Contestant(by_hand, np.asarray),
        OURS: lambda: ours(compiled=False),
        COMPILED: lambda: ours(compiled=True),
        "jax.jit": with_jax,
    }


def jacobians() -> dict[str, Callable[[], Contestant]]:
    """The derivatives of all outputs of a perceptron by all inputs."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((WIDTH, WIDTH)) * 0.1 for _ in range(LAYERS)]
    x = rng.standard_normal(WIDTH)

    def model(weights: Any, tanh: Callable[[Any], Any], x: Any) -> Any:
        for w in weights:
            x = tanh(x @ w)
        return x

    def by_hand() -> Floats:
        outputs = []
        y = x
        for w in weights:
            y = np.tanh(y @ w)
            outputs.append(y)
        rows = np.eye(WIDTH)
        for w, y in zip(weights[::-1], outputs[::-1], strict=True):
            rows = (rows * (1 - y * y)) @ w.T
        return rows

    def ours(*, compiled: bool) -> Contestant:
        npg = peers.numpygrad()
        own = [npg.asarray(w) for w in weights]
        jacobian = npg.jacobian(lambda x: model(own, npg.tanh, x))
        jacobian = npg.compile(jacobian) if compiled else jacobian
        given = npg.asarray(x)
        return Contestant(lambda: jacobian(given), lambda found: found.numpy())

    def in_a_loop() -> Contestant:
        npg = peers.numpygrad()
        own = [npg.asarray(w) for w in weights]

        def run() -> Floats:
            given = npg.array(x, requires_grad=True)
            y = model(own, npg.tanh, given)
            rows = []
            for i in range(WIDTH):
                given.grad = None
                y[i].backward(retain_graph=True)
                rows.append(given.grad.numpy())
            return np.stack(rows)

        return Contestant(run, np.asarray)

    def with_jax() -> Contestant:
        jax = peers.jax()
        own = [jax.numpy.asarray(w) for w in weights]
        jacobian = jax.jit(jax.jacrev(lambda x: model(own, jax.numpy.tanh, x)))
        given = jax.numpy.asarray(x)
        return Contestant(lambda: jacobian(given).block_until_ready(), np.asarray)

    return {
        "numpy": lambda: Contestant(by_hand, np.asarray),
        LOOP: in_a_loop,
        OURS: lambda: ours(compiled=False),
        COMPILED: lambda: ours(compiled=True),
        "jax.jit": with_jax,
    }


def mapped_ops() -> dict[str, Callable[[], Contestant]]:
    """A function of one example, applied to a few: the costs of capturing and running it."""
    x = np.random.default_rng(0).random((EXAMPLES, 4))

    def chain(sin: Callable[[Any], Any], x: Any) -> Any:
        for _ in range(OPS // 2):
            x = sin(x) * 0.5
        return x

    def ours(*, compiled: bool) -> Contestant:
        npg = peers.numpygrad()
        mapped = npg.vmap(lambda x: chain(npg.sin, x))
        mapped = npg.compile(mapped) if compiled else mapped
        given = npg.asarray(x)
        return Contestant(lambda: mapped(given), lambda y: y.numpy())

    def with_jax() -> Contestant:
        jax = peers.jax()
        mapped = jax.jit(jax.vmap(lambda x: chain(jax.numpy.sin, x)))
        given = jax.numpy.asarray(x)
        return Contestant(lambda: mapped(given).block_until_ready(), np.asarray)

    return {
        "numpy": lambda: Contestant(lambda: chain(np.sin, x), np.asarray),
        OURS: lambda: ours(compiled=False),
        COMPILED: lambda: ours(compiled=True),
        "jax.jit": with_jax,
    }


def own_rules() -> dict[str, Callable[[], Contestant]]:
    """The sine of four elements and its gradient: as it is, by a rule of one's own, made again."""
    x = np.array([0.1, 0.2, 0.3, 0.4])

    def ours(of: Callable[[Any], Any]) -> Contestant:
        npg = peers.numpygrad()
        function = of(npg)
        given = npg.array(x, requires_grad=True)

        def run() -> Any:
            given.grad = None
            function(given).sum().backward()
            return given.grad

        return Contestant(run, lambda g: g.numpy())

    def custom(npg: Any) -> Any:
        @npg.custom_vjp
        def sine(x: Any) -> Any:
            return npg.sin(x)

        sine.defvjp(lambda x: (npg.sin(x), x), lambda x, g: (g * npg.cos(x),))
        return sine

    return {
        "numpy": lambda: Contestant(lambda: np.cos(x), np.asarray),
        OURS: lambda: ours(lambda npg: npg.sin),
        "custom_vjp": lambda: ours(custom),
        "checkpoint": lambda: ours(lambda npg: npg.checkpoint(npg.sin)),
    }
