"""A training step of a 784-256-128-10 perceptron in float32.

Relu, softmax cross entropy, plain gradient descent. A step changes its contestant's weights; the
contestants agree if one step from the same weights gives the same loss and the same gradients.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

WIDTHS = (784, 256, 128, 10)
# A power of two: the change of a weight, divided by the rate, is the gradient almost exactly.
RATE = 0.0625

# NumPy's stubs take many float32 results for float64, so the dtype is not spelled out.
Floats = NDArray[Any]


@dataclass(frozen=True)
class Problem:
    """A batch, its labels as indices and as one-hot rows, and weights and biases in turn."""

    x: Floats
    labels: NDArray[np.int64]
    one_hot: Floats
    parameters: Sequence[Floats]


def problem(batch: int) -> Problem:
    """A reproducible problem: random images, random labels, weights scaled for relu."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, WIDTHS[0]), dtype=np.float32)
    labels = rng.integers(WIDTHS[-1], size=batch)
    one_hot = np.eye(WIDTHS[-1], dtype=np.float32)[labels]
    parameters: list[Floats] = []
    for inputs, outputs in pairwise(WIDTHS):
        scale = np.float32(np.sqrt(2 / inputs))
        parameters.append(rng.standard_normal((inputs, outputs), dtype=np.float32) * scale)
        parameters.append(np.zeros(outputs, dtype=np.float32))
    return Problem(x, labels, one_hot, parameters)


def measurements(effort: Effort) -> Iterator[Measurement]:
    """The step at a small and at a large batch."""
    for batch, targets in ((64, {"torch": 1.1}), (1024, {"numpy": 1.15})):
        given = problem(batch)
        contestants = {name: partial(build, given) for name, build in CONTESTANTS.items()}
        workload = Workload(f"MLP step, batch {batch}", contestants, targets, tolerance=1e-4)
        yield measure(workload, effort)


def step_answer(
    given: Problem, current: Callable[[], Sequence[Any]]
) -> Callable[[Any], list[NDArray[Any]]]:
    """The answer of a first step: its loss, then the gradients by which it changed the weights."""

    def answer(loss: Any) -> list[NDArray[Any]]:
        changes = zip(given.parameters, current(), strict=True)
        return [np.asarray(loss), *((old - np.asarray(new)) / RATE for old, new in changes)]

    return answer


def by_hand(given: Problem) -> Contestant:
    """NumPy, forward and backward written out, in place where nothing is needed twice."""
    parameters = [p.copy() for p in given.parameters]

    def run() -> np.float32:
        loss, saved = forward_by_hand(parameters, given)
        gradients = backward_by_hand(parameters, given, saved)
        for p, g in zip(parameters, gradients, strict=True):
            g *= RATE  # noqa: PLW2901 in place
            p -= g  # noqa: PLW2901 in place
        return loss

    return Contestant(run, step_answer(given, lambda: parameters))


def forward_by_hand(
    parameters: Sequence[Floats], given: Problem
) -> tuple[np.float32, tuple[Floats, Floats, Floats]]:
    """The loss, and what the backward pass needs: both hidden layers and the probabilities."""
    w1, b1, w2, b2, w3, b3 = parameters
    h1 = given.x @ w1
    h1 += b1
    np.maximum(h1, 0, out=h1)
    h2 = h1 @ w2
    h2 += b2
    np.maximum(h2, 0, out=h2)
    z = h2 @ w3
    z += b3
    z -= z.max(axis=1, keepdims=True)
    rows = np.arange(len(z))
    chosen = z[rows, given.labels]
    p = np.exp(z, out=z)
    sums = p.sum(axis=1)
    p /= sums[:, np.newaxis]
    loss = (np.log(sums) - chosen).mean()
    return loss, (h1, h2, p)


def backward_by_hand(
    parameters: Sequence[Floats], given: Problem, saved: tuple[Floats, Floats, Floats]
) -> tuple[Floats, ...]:
    """The gradients of all parameters, in order."""
    _, _, w2, _, w3, _ = parameters
    h1, h2, gz = saved
    gz[np.arange(len(gz)), given.labels] -= 1
    gz /= np.float32(len(gz))
    gh2 = gz @ w3.T
    gh2 *= h2 > 0
    gh1 = gh2 @ w2.T
    gh1 *= h1 > 0
    return (
        given.x.T @ gh1,
        gh1.sum(axis=0),
        h1.T @ gh2,
        gh2.sum(axis=0),
        h2.T @ gz,
        gz.sum(axis=0),
    )


def numpygrad_tensors(given: Problem, device: str | None = None) -> tuple[list[Any], Any, Any]:
    """The parameters, the batch and the one-hot labels as numpygrad's Arrays."""
    npg = peers.numpygrad()
    parameters = [npg.array(p, requires_grad=True, device=device) for p in given.parameters]
    x, one_hot = (npg.asarray(a, device=device) for a in (given.x, given.one_hot))
    return parameters, x, one_hot


def numpygrad_loss(parameters: Sequence[Any], x: Any, one_hot: Any) -> Any:
    """The loss as numpygrad's user writes it."""
    npg = peers.numpygrad()
    w1, b1, w2, b2, w3, b3 = parameters
    h = npg.relu(x @ w1 + b1)
    h = npg.relu(h @ w2 + b2)
    logits = h @ w3 + b3
    return -(npg.log_softmax(logits, axis=-1) * one_hot).sum() / x.shape[0]


def with_numpygrad(given: Problem) -> Contestant:
    """numpygrad, updating the weights in place."""
    parameters, x, one_hot = numpygrad_tensors(given)

    def run() -> Any:
        for p in parameters:
            p.grad = None
        loss = numpygrad_loss(parameters, x, one_hot)
        loss.backward()
        for p in parameters:
            p -= RATE * p.grad  # noqa: PLW2901 in place
        return loss

    answer = step_answer(given, lambda: [p.numpy() for p in parameters])
    return Contestant(run, lambda loss: answer(loss.item()))


def torch_tensors(given: Problem) -> tuple[list[Any], Any, Any]:
    """The parameters, the batch and the label indices as PyTorch's tensors."""
    torch = peers.torch()
    parameters = [torch.tensor(p, requires_grad=True) for p in given.parameters]
    return parameters, torch.from_numpy(given.x), torch.from_numpy(given.labels)


def torch_loss(parameters: Sequence[Any], x: Any, labels: Any) -> Any:
    """The loss as PyTorch's user writes it, with its fused cross entropy."""
    torch = peers.torch()
    linear, relu = torch.nn.functional.linear, torch.relu
    w1, b1, w2, b2, w3, b3 = parameters
    h = relu(torch.addmm(b1, x, w1))
    h = relu(torch.addmm(b2, h, w2))
    return torch.nn.functional.cross_entropy(linear(h, w3.T, b3), labels)


def with_torch(given: Problem, *, compiled: bool = False) -> Contestant:
    """PyTorch, the loss compiled or not, updating the weights under `no_grad`."""
    torch = peers.torch()
    parameters, x, labels = torch_tensors(given)
    loss_of = peers.torch_compile()(torch_loss) if compiled else torch_loss

    def run() -> Any:
        for p in parameters:
            p.grad = None
        loss = loss_of(parameters, x, labels)
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p.sub_(p.grad, alpha=RATE)
        return loss

    answer = step_answer(given, lambda: [p.detach().numpy() for p in parameters])
    return Contestant(run, lambda loss: answer(loss.item()))


def with_jax(given: Problem) -> Contestant:
    """JAX, the whole step compiled, old weights donated to the new ones."""
    jax = peers.jax()
    parameters = [jax.numpy.asarray(p) for p in given.parameters]
    x, one_hot = jax.numpy.asarray(given.x), jax.numpy.asarray(given.one_hot)

    def loss_of(parameters: Sequence[Any]) -> Any:
        w1, b1, w2, b2, w3, b3 = parameters
        h = jax.nn.relu(x @ w1 + b1)
        h = jax.nn.relu(h @ w2 + b2)
        return -(jax.nn.log_softmax(h @ w3 + b3) * one_hot).sum() / x.shape[0]

    def step(parameters: Sequence[Any]) -> tuple[Any, list[Any]]:
        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        return loss, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    compiled = jax.jit(step, donate_argnums=0)

    def run() -> Any:
        nonlocal parameters
        loss, parameters = jax.block_until_ready(compiled(parameters))
        return loss

    return Contestant(run, step_answer(given, lambda: parameters))


def autograd_loss(parameters: Sequence[Any], x: Any, one_hot: Any) -> Any:
    """The loss in HIPS autograd's NumPy, which has no relu or softmax of its own."""
    anp = peers.autograd().numpy
    w1, b1, w2, b2, w3, b3 = parameters
    h = anp.maximum(anp.dot(x, w1) + b1, 0)
    h = anp.maximum(anp.dot(h, w2) + b2, 0)
    z = anp.dot(h, w3) + b3
    z = z - anp.max(z, axis=1, keepdims=True)
    log_p = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
    return -anp.sum(log_p * one_hot) / x.shape[0]


def with_autograd(given: Problem) -> Contestant:
    """HIPS autograd's function transform."""
    parameters = [p.copy() for p in given.parameters]
    differentiated = peers.autograd().value_and_grad(autograd_loss)

    def run() -> Any:
        loss, gradients = differentiated(parameters, given.x, given.one_hot)
        for p, g in zip(parameters, gradients, strict=True):
            p -= RATE * g  # noqa: PLW2901 in place
        return loss

    return Contestant(run, step_answer(given, lambda: parameters))


def mygrad_tensors(given: Problem) -> tuple[list[Any], Any, Any]:
    """The parameters as MyGrad's tensors, the batch and the label indices as they are."""
    mygrad = peers.mygrad()
    return [mygrad.tensor(p) for p in given.parameters], given.x, given.labels


def mygrad_loss(parameters: Sequence[Any], x: Any, labels: Any) -> Any:
    """The loss as MyGrad's user writes it, with its fused cross entropy."""
    mygrad = peers.mygrad()
    relu = mygrad.nnet.activations.relu
    w1, b1, w2, b2, w3, b3 = parameters
    h = relu(mygrad.matmul(x, w1) + b1)
    h = relu(h @ w2 + b2)
    return mygrad.nnet.losses.softmax_crossentropy(h @ w3 + b3, labels)


def with_mygrad(given: Problem) -> Contestant:
    """MyGrad, updating the weights' data behind its back, as its documentation does."""
    parameters, x, labels = mygrad_tensors(given)

    def run() -> Any:
        loss = mygrad_loss(parameters, x, labels)
        loss.backward()
        for p in parameters:
            p.data -= RATE * p.grad
        return loss

    answer = step_answer(given, lambda: [p.data for p in parameters])
    return Contestant(run, lambda loss: answer(loss.data))


CONTESTANTS: Mapping[str, Callable[[Problem], Contestant]] = {
    "numpy": by_hand,
    "numpygrad": with_numpygrad,
    "torch": with_torch,
    "jax.jit": with_jax,
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}
