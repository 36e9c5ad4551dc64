"""Contestants that compute a loss and its gradients, from the loss that a library's user writes.

A loss takes a list of arrays and gives an array of one element; the gradients of all of them are
wanted. numpygrad takes part in four ways: eager, lazy, compiled, and compiled on JAX.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.timing import OURS, Contestant

Loss: TypeAlias = Callable[[Sequence[Any]], Any]
# NumPy's stubs take many float32 results for float64, so the dtype is not spelled out.
Floats: TypeAlias = NDArray[Any]

ON_JAX = "jax:cpu:0"


def everyone(
    hand: Callable[[], Contestant],
    ours: Callable[[], Loss],
    torch: Callable[[], Loss],
    jax: Callable[[], Loss],
    given: Sequence[Floats],
) -> dict[str, Callable[[], Contestant]]:
    """NumPy by hand, numpygrad in all four ways, PyTorch in both and JAX.

    A loss is asked for when its contestant is built, and so its library imported only then.
    """
    return {
        "numpy": hand,
        OURS: lambda: eager(ours(), given),
        "lazy": lambda: lazy(ours(), given),
        "compiled": lambda: compiled(ours(), given),
        "compiled, jax": lambda: compiled_on_jax(ours(), given),
        "torch": lambda: with_torch(torch(), given),
        "torch.compile": lambda: with_torch_compile(torch(), given),
        "jax.jit": lambda: with_jax(jax(), given),
    }


def eager(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """numpygrad, operation by operation."""
    return with_backward(loss_of, leaves(given))


def lazy(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """numpygrad, forward and backward recorded and run as one program."""
    npg = peers.numpygrad()
    arrays = leaves(given)

    def run() -> Any:
        with npg.lazy():
            for a in arrays:
                a.grad = None
            loss = loss_of(arrays)
            loss.backward()
        return loss

    return Contestant(run, lambda loss: [loss.numpy(), *(a.grad.numpy() for a in arrays)])


def compiled(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """numpygrad, recorded once and replayed."""
    npg = peers.numpygrad()
    arrays = [npg.asarray(a) for a in given]
    differentiated = npg.compile(npg.value_and_grad(loss_of))
    return Contestant(lambda: differentiated(arrays), loss_then_gradients)


def compiled_on_jax(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """numpygrad, recorded once, compiled by JAX and replayed."""
    npg, jax = peers.numpygrad(), peers.jax()
    arrays = [npg.asarray(a, device=ON_JAX) for a in given]
    differentiated = npg.compile(npg.value_and_grad(loss_of))

    def run() -> Any:
        loss, gradients = differentiated(arrays)
        jax.block_until_ready([loss.data, *(g.data for g in gradients)])
        return loss, gradients

    return Contestant(run, loss_then_gradients)


def with_torch(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """PyTorch, operation by operation."""
    torch = peers.torch()
    return with_backward(loss_of, [torch.tensor(a, requires_grad=True) for a in given])


def with_torch_compile(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """PyTorch, forward and backward compiled."""
    compile_loss = peers.torch_compile()
    return with_torch(compile_loss(loss_of), given)


def with_jax(loss_of: Loss, given: Sequence[Floats]) -> Contestant:
    """JAX, compiled."""
    jax = peers.jax()
    arrays = [jax.numpy.asarray(a) for a in given]
    differentiated = jax.jit(jax.value_and_grad(loss_of))
    return Contestant(lambda: jax.block_until_ready(differentiated(arrays)), loss_then_gradients)


def leaves(given: Sequence[Floats]) -> list[Any]:
    """numpygrad's Arrays whose gradients are wanted."""
    npg = peers.numpygrad()
    return [npg.array(a, requires_grad=True) for a in given]


def with_backward(loss_of: Loss, arrays: Sequence[Any]) -> Contestant:
    """numpygrad or PyTorch: the loss, then `backward()`."""

    def run() -> Any:
        for a in arrays:
            a.grad = None
        loss = loss_of(arrays)
        loss.backward()
        return loss

    return Contestant(run, lambda loss: [loss.detach().numpy(), *(a.grad.numpy() for a in arrays)])


def loss_then_gradients(result: Any) -> list[NDArray[Any]]:
    """What a function transform returned, as a flat list of NumPy arrays."""
    loss, gradients = result
    return [np.asarray(x) for x in (loss, *gradients)]
