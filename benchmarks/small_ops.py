"""Overhead per operation on 4-element float64 arrays: single operations and a 20-op chain."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

# With these the chain's maximum takes each of its arguments somewhere, and ties nowhere.
X = np.array([-1.9, -0.2, 0.4, -1.7])
W = np.array([0.5, 0.7, 0.9, 1.1])


@dataclass(frozen=True)
class Library:
    """A library's namespace, its versions of `X` and `W`, and its way back to NumPy."""

    xp: Any
    x: Any
    w: Any
    to_numpy: Callable[[Any], NDArray[Any]] = np.asarray


# Given a library's namespace and inputs: the call to time.
Operation = Callable[[Any, Any, Any], Callable[[], Any]]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """The overhead of single operations, then of the chain."""
    forward = {"numpy": 2.4, "torch": 0.45}
    for name, operation, libraries, targets in (
        ("mul, untracked", multiplication, UNTRACKED, {"numpy": 1.8, "torch": 0.45}),
        ("exp, untracked", exponential, UNTRACKED, {"numpy": 1.8, "torch": 0.45}),
        ("mul, tracked", multiplication, TRACKED, forward),
        ("sum, tracked", total, TRACKED, forward),
        ("x[1:3], tracked", middle, TRACKED, {"torch": 0.5}),
        ("matrix @ x, tracked", product, TRACKED, {"torch": 1.0}),
        ("20-op chain, tracked forward", chained, TRACKED, forward),
    ):
        contestants = {k: partial(contestant, operation, v) for k, v in libraries.items()}
        yield measure(Workload(name, contestants, targets), effort)
    targets = {"numpy": 1.7, "torch": 0.3, "autograd": 0.13}
    yield measure(Workload("20-op chain, forward and backward", WITH_BACKWARD, targets), effort)


def contestant(operation: Operation, library: Callable[[], Library]) -> Contestant:
    """The operation on a library's inputs."""
    lib = library()
    return Contestant(operation(lib.xp, lib.x, lib.w), lambda y: [lib.to_numpy(y)])


def multiplication(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """Elementwise product of two arrays."""
    return lambda: x * w


def exponential(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """Exponential function, by the name it has in the library's namespace."""
    exp = xp.exp
    return lambda: exp(x)


def total(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """Sum of all elements."""
    # Looked up on every call, as a user does.
    return lambda: x.sum()


def middle(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """Two elements of four, by a slice."""
    return lambda: x[1:3]


def product(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """Product of a matrix, four by four, with a vector."""
    matrix = w[:, None] * w
    return lambda: matrix @ x


def chained(xp: Any, x: Any, w: Any) -> Callable[[], Any]:
    """The chain, forward."""
    return lambda: chain(xp, x, w)


def chain(xp: Any, x: Any, w: Any) -> Any:
    """20 cheap operations, each on the result of the one before, with `x` and `w` coming back."""
    y = xp.tanh(x * w + x)
    y = xp.log(xp.exp(y * 2.0) + 1.0)
    y = xp.sin(y - w)
    y = w / xp.sqrt(y * y + 0.5)
    y = xp.maximum(-y, x)
    y = xp.cos(y * w)
    return ((y - x) * 0.5).sum()


def chain_by_hand(x: NDArray[Any], w: NDArray[Any]) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """The chain's value and its gradients with respect to `x` and `w`, derived on paper."""
    t = np.tanh(x * w + x)
    e = np.exp(t * 2.0)
    p = e + 1.0
    a = np.log(p) - w
    s = np.sin(a)
    r = np.sqrt(s * s + 0.5)
    q = w / r
    n = -q
    m = np.maximum(n, x)
    b = m * w
    z = ((np.cos(b) - x) * 0.5).sum()

    gb = np.sin(b) * -0.5
    gm = gb * w
    gn = gm * (n > x)
    gx = gm - gn - 0.5
    gq_over_r = -gn / r
    ga = gq_over_r * q / r * -s * np.cos(a)
    gu = ga / p * e * 2.0 * (1.0 - t * t)
    gx += gu * (w + 1.0)
    gw = gb * m + gq_over_r - ga + gu * x
    return z, gx, gw


def numpy_arrays() -> Library:
    """NumPy's own arrays."""
    return Library(np, X.copy(), W.copy())


def numpygrad_arrays(*, requires_grad: bool) -> Library:
    """Arrays of numpygrad."""
    npg = peers.numpygrad()
    x, w = (npg.array(a, requires_grad=requires_grad) for a in (X, W))
    return Library(npg, x, w, lambda y: np.asarray(y.numpy()))


class Bare:
    """The least that a class around an ndarray does: it checks nothing and records nothing."""

    __slots__ = ("data",)

    data: NDArray[Any]

    def __mul__(self, other: "Bare") -> "Bare":
        """The product."""
        out = new()
        out.data = self.data * other.data
        return out


new: Callable[[], Bare] = partial(object.__new__, Bare)  # as numpygrad has it: the fastest way


def bare_exp(x: Bare) -> Bare:
    """The exponential function."""
    out = new()
    out.data = np.exp(x.data)
    return out


def bare_arrays() -> Library:
    """Arrays in a bare class of Python's, with its one function."""
    x, w = new(), new()
    x.data, w.data = X.copy(), W.copy()
    return Library(SimpleNamespace(exp=bare_exp), x, w, lambda y: np.asarray(y.data))


def torch_tensors(*, requires_grad: bool) -> Library:
    """PyTorch's tensors."""
    torch = peers.torch()
    x, w = (torch.tensor(a, requires_grad=requires_grad) for a in (X, W))
    return Library(torch, x, w, lambda y: np.asarray(y.detach().numpy()))


def jax_arrays() -> Library:
    """JAX's arrays, each operation dispatched by itself and waited for."""
    jnp = peers.jax().numpy
    return Library(jnp, jnp.asarray(X), jnp.asarray(W))


def autograd_arrays() -> Library:
    """Plain arrays with HIPS autograd's functions; its untracked operators are NumPy's own."""
    return Library(peers.autograd().numpy, X.copy(), W.copy())


def autograd_boxes() -> Library:
    """Arrays boxed by a trace of HIPS autograd, as the function being differentiated sees them."""
    autograd = peers.autograd()
    root = autograd.core.VJPNode.new_root()
    with autograd.tracer.trace_stack.new_trace() as trace:
        x, w = (autograd.tracer.new_box(a.copy(), trace, root) for a in (X, W))
    return Library(autograd.numpy, x, w, lambda y: np.asarray(y._value))


def mygrad_tensors(*, constant: bool) -> Library:
    """MyGrad's tensors."""
    mygrad = peers.mygrad()
    x, w = (mygrad.tensor(a, constant=constant) for a in (X, W))
    return Library(mygrad, x, w, lambda y: np.asarray(y.data))


def by_hand() -> Contestant:
    """NumPy, with the backward pass written out."""
    x, w = X.copy(), W.copy()
    return Contestant(lambda: chain_by_hand(x, w), list)


def with_backward(library: Callable[[], Library]) -> Contestant:
    """A library whose tensors have `backward()` and `grad`."""
    lib = library()
    xp, x, w = lib.xp, lib.x, lib.w

    def run() -> tuple[Any, Any, Any]:
        x.grad = w.grad = None
        z = chain(xp, x, w)
        z.backward()
        return z, x.grad, w.grad

    return Contestant(run, lambda result: [lib.to_numpy(a) for a in result])


def with_mygrad() -> Contestant:
    """MyGrad, which drops old gradients by itself and returns new ones as NumPy arrays."""
    lib = mygrad_tensors(constant=False)
    xp, x, w = lib.xp, lib.x, lib.w

    def run() -> tuple[Any, Any, Any]:
        z = chain(xp, x, w)
        z.backward()
        return z.data, x.grad, w.grad

    return Contestant(run, list)


def with_autograd() -> Contestant:
    """HIPS autograd's function transform."""
    autograd = peers.autograd()
    x, w = X.copy(), W.copy()
    differentiated = autograd.value_and_grad(partial(chain, autograd.numpy), (0, 1))
    return Contestant(lambda: differentiated(x, w), value_and_gradients)


def with_jax(*, jit: bool) -> Contestant:
    """JAX's function transform, traced on every call or compiled once."""
    jax = peers.jax()
    x, w = jax.numpy.asarray(X), jax.numpy.asarray(W)
    differentiated = jax.value_and_grad(partial(chain, jax.numpy), (0, 1))
    if jit:
        differentiated = jax.jit(differentiated)
    return Contestant(lambda: jax.block_until_ready(differentiated(x, w)), value_and_gradients)


def value_and_gradients(result: Any) -> list[NDArray[Any]]:
    """What a function transform returned, as a flat list of NumPy arrays."""
    value, gradients = result
    return [np.asarray(value), *map(np.asarray, gradients)]


UNTRACKED: Mapping[str, Callable[[], Library]] = {
    "numpy": numpy_arrays,
    "bare class": bare_arrays,
    "numpygrad": partial(numpygrad_arrays, requires_grad=False),
    "torch": partial(torch_tensors, requires_grad=False),
    "jax": jax_arrays,
    "autograd": autograd_arrays,
    "mygrad": partial(mygrad_tensors, constant=True),
}

TRACKED: Mapping[str, Callable[[], Library]] = {
    "numpy": numpy_arrays,
    "numpygrad": partial(numpygrad_arrays, requires_grad=True),
    "torch": partial(torch_tensors, requires_grad=True),
    "autograd": autograd_boxes,
    "mygrad": partial(mygrad_tensors, constant=False),
}

WITH_BACKWARD: Mapping[str, Callable[[], Contestant]] = {
    "numpy": by_hand,
    "numpygrad": partial(with_backward, TRACKED["numpygrad"]),
    "torch": partial(with_backward, TRACKED["torch"]),
    "jax": partial(with_jax, jit=False),
    "jax.jit": partial(with_jax, jit=True),
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}
