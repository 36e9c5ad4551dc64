"""Runge-Kutta steps on the Lorenz system: small arrays, many operations, one long graph.

The state is a 3-vector taken apart by indexing and put together by stacking. The loss is the sum
of squares of the last state; gradients go to the three parameters and to the first state.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import gradients, peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

STEP = 0.01
PARAMETERS = (10.0, 28.0, 8.0 / 3.0)
START = (1.0, 1.0, 1.0)

Floats = NDArray[np.float64]
Stack = Callable[[list[Any]], Any]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """1,000 steps and the way back, or 200 in a hurry."""
    steps = 200 if effort.quick else 1000
    contestants = {name: partial(build, steps) for name, build in CONTESTANTS.items()}
    targets = {"torch": 0.3, "autograd": 0.07}
    # The system is chaotic: rounding grows about ten thousand times on the way.
    yield measure(Workload(f"{steps:,} RK4 steps", contestants, targets, tolerance=1e-8), effort)


def by_hand(steps: int) -> Contestant:
    """NumPy, forward and backward written out."""
    return Contestant(lambda: loss_and_gradients(steps), lambda r: [*map(np.asarray, r)])


def loss_and_gradients(steps: int) -> tuple[float, float, float, float, Floats]:
    """The loss and its gradients; a slope's components are computed as Python floats.

    Python's floats are several times faster than NumPy's scalars.
    """
    sigma, rho, beta = PARAMETERS

    def slope(y: Floats) -> Floats:
        u, v, w = y.tolist()
        return np.array((sigma * (v - u), u * (rho - w) - v, u * v - beta * w))

    y = np.array(START)
    stages = []
    for _ in range(steps):
        k1 = slope(y)
        y2 = y + STEP / 2 * k1
        k2 = slope(y2)
        y3 = y + STEP / 2 * k2
        k3 = slope(y3)
        y4 = y + STEP * k3
        stages.append((y, y2, y3, y4))
        y = y + STEP / 6 * (k1 + 2 * (k2 + k3) + slope(y4))
    loss = float(y @ y)

    g_sigma = g_rho = g_beta = 0.0

    def pullback(y: Floats, g: Floats) -> Floats:
        nonlocal g_sigma, g_rho, g_beta
        u, v, w = y.tolist()
        a, b, c = g.tolist()
        g_sigma += a * (v - u)
        g_rho += b * u
        g_beta -= c * w
        return np.array(
            (b * (rho - w) + c * v - sigma * a, sigma * a - b + c * u, -b * u - beta * c)
        )

    g = 2 * y
    for y1, y2, y3, y4 in reversed(stages):
        sixth = STEP / 6 * g
        g4 = pullback(y4, sixth)
        g3 = pullback(y3, 2 * sixth + STEP * g4)
        g2 = pullback(y2, 2 * sixth + STEP / 2 * g3)
        g = g + g4 + g3 + g2 + pullback(y1, sixth + STEP / 2 * g2)
    return loss, g_sigma, g_rho, g_beta, g


def trajectory_loss(stack: Stack, steps: int, y: Any, *parameters: Any) -> Any:
    """The loss as a user writes it, in any of the libraries."""
    for _ in range(steps):
        y = rk4_step(stack, y, *parameters)
    return (y * y).sum()


def rk4_step(stack: Stack, y: Any, *parameters: Any) -> Any:
    """The state one step later."""
    sigma, rho, beta = parameters

    def slope(y: Any) -> Any:
        u, v, w = y[0], y[1], y[2]
        return stack([sigma * (v - u), u * (rho - w) - v, u * v - beta * w])

    k1 = slope(y)
    k2 = slope(y + STEP / 2 * k1)
    k3 = slope(y + STEP / 2 * k2)
    k4 = slope(y + STEP * k3)
    return y + STEP / 6 * (k1 + 2 * (k2 + k3) + k4)


def inputs() -> list[Floats]:
    """The three parameters, each an array of no dimensions, and the first state."""
    return [np.asarray(value) for value in (*PARAMETERS, START)]


def numpygrad_loss(steps: int) -> gradients.Loss:
    """The loss as a function of the list of arrays, with numpygrad's `stack`."""
    stack = peers.numpygrad().stack
    return lambda arrays: trajectory_loss(stack, steps, arrays[-1], *arrays[:-1])


def with_numpygrad(steps: int) -> Contestant:
    """numpygrad, operation by operation."""
    return gradients.eager(numpygrad_loss(steps), inputs())


def with_torch(steps: int) -> Contestant:
    """PyTorch, operation by operation."""
    stack = peers.torch().stack
    return gradients.with_torch(
        lambda arrays: trajectory_loss(stack, steps, arrays[-1], *arrays[:-1]), inputs()
    )


def with_jax(steps: int) -> Contestant:
    """JAX, the loop a `scan` and the whole compiled."""
    jax = peers.jax()

    def loss_of(y: Any, *parameters: Any) -> Any:
        def body(y: Any, _: None) -> tuple[Any, None]:
            return rk4_step(jax.numpy.stack, y, *parameters), None

        y, _ = jax.lax.scan(body, y, length=steps)
        return (y * y).sum()

    differentiated = jax.jit(jax.value_and_grad(loss_of, (1, 2, 3, 0)))
    start = jax.numpy.asarray(START)
    return Contestant(
        lambda: jax.block_until_ready(differentiated(start, *PARAMETERS)),
        gradients.loss_then_gradients,
    )


def with_autograd(steps: int) -> Contestant:
    """HIPS autograd's function transform; its `array` stacks faster than its `stack`."""
    autograd = peers.autograd()
    loss_of = partial(trajectory_loss, autograd.numpy.array, steps)
    differentiated = autograd.value_and_grad(loss_of, (1, 2, 3, 0))
    start = np.array(START)
    return Contestant(lambda: differentiated(start, *PARAMETERS), gradients.loss_then_gradients)


def with_mygrad(steps: int) -> Contestant:
    """MyGrad, parameters as 0-d tensors."""
    mygrad = peers.mygrad()
    arrays = [mygrad.tensor(value) for value in (*PARAMETERS, START)]

    def run() -> Any:
        *parameters, start = arrays
        loss = trajectory_loss(mygrad.stack, steps, start, *parameters)
        loss.backward()
        return loss.item()

    return Contestant(run, lambda loss: [np.asarray(loss), *(a.grad for a in arrays)])


CONTESTANTS: Mapping[str, Callable[[int], Contestant]] = {
    "numpy": by_hand,
    "numpygrad": with_numpygrad,
    "torch": with_torch,
    "jax.jit": with_jax,
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}
