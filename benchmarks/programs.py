"""Training steps and other workloads as lazy and compiled programs, each beside its peers."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks import gradients, mlp, peers, runge_kutta, transformer
from benchmarks.gradients import ON_JAX
from benchmarks.timing import OURS, Contestant

Contestants = Mapping[str, Callable[[], Contestant]]


def perceptron(batch: int) -> Contestants:
    """The perceptron's training step."""
    given = mlp.problem(batch)
    return {
        "numpy": partial(mlp.by_hand, given),
        OURS: partial(mlp.with_numpygrad, given),
        "lazy": partial(lazy_step, given),
        "compiled": partial(compiled_step, given),
        "compiled, jax": partial(compiled_step_on_jax, given),
        "torch": partial(mlp.with_torch, given),
        "torch.compile": partial(mlp.with_torch, given, compiled=True),
        "jax.jit": partial(mlp.with_jax, given),
    }


def block() -> Contestants:
    """The transformer block, with PyTorch's own layer norm and attention."""
    given = transformer.inputs()
    return gradients.everyone(
        partial(transformer.by_hand, given),
        lambda: transformer.numpygrad_loss,
        lambda: partial(transformer.torch_loss, fused=True),
        lambda: transformer.jax_loss,
        given,
    )


def trajectory(steps: int) -> Contestants:
    """The Runge-Kutta loop, unrolled where it is compiled by numpygrad.

    XLA and PyTorch's compiler take minutes to compile that, and recording it anew in each run, as
    lazy mode does, takes many times as long as running it.
    """
    given = runge_kutta.inputs()
    return {
        "numpy": partial(runge_kutta.by_hand, steps),
        OURS: partial(runge_kutta.with_numpygrad, steps),
        "compiled": lambda: gradients.compiled(runge_kutta.numpygrad_loss(steps), given),
        "torch": partial(runge_kutta.with_torch, steps),
        "jax.jit": partial(runge_kutta.with_jax, steps),
    }


def lazy_step(given: mlp.Problem) -> Contestant:
    """The perceptron's step, recorded anew each time."""
    npg = peers.numpygrad()
    parameters, x, one_hot = mlp.numpygrad_tensors(given)

    def run() -> Any:
        with npg.lazy():
            for p in parameters:
                p.grad = None
            loss = mlp.numpygrad_loss(parameters, x, one_hot)
            loss.backward()
            for p in parameters:
                p -= mlp.RATE * p.grad  # noqa: PLW2901 in place
        return loss

    answer = mlp.step_answer(given, lambda: [p.numpy() for p in parameters])
    return Contestant(run, lambda loss: answer(loss.item()))


def compiled_step(given: mlp.Problem, device: str | None = None) -> Contestant:
    """The perceptron's step, backward and update included, recorded once and replayed."""
    npg = peers.numpygrad()
    parameters, x, one_hot = mlp.numpygrad_tensors(given, device)

    def traced_step(x: Any, one_hot: Any) -> Any:
        loss = mlp.numpygrad_loss(parameters, x, one_hot)
        loss.backward()
        with npg.no_grad():
            for p in parameters:
                p -= mlp.RATE * p.grad  # noqa: PLW2901 in place
                p.grad = None
        return loss

    step = npg.compile(traced_step)
    answer = mlp.step_answer(given, lambda: [p.numpy() for p in parameters])
    if device is None:
        return Contestant(lambda: step(x, one_hot), lambda loss: answer(loss.item()))
    ready = peers.jax().block_until_ready

    def run() -> Any:
        loss = step(x, one_hot)
        ready([loss.data, *(p.data for p in parameters)])
        return loss

    return Contestant(run, lambda loss: answer(loss.item()))


def compiled_step_on_jax(given: mlp.Problem) -> Contestant:
    """The same, compiled by JAX, if that is installed."""
    peers.jax()
    return compiled_step(given, ON_JAX)
