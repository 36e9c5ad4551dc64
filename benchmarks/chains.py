"""Chains of 12 elementwise operations on ten million float32 numbers, forward and backward.

One of operations that cost no more than reading their operands, one of transcendental functions.
The loss is the sum of the last result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import gradients, peers
from benchmarks.gradients import Floats
from benchmarks.timing import Contestant

LENGTH = 10_000_000


def cheap_inputs(length: int) -> list[Floats]:
    """Numbers around zero and numbers around one, so that no rounding decides on a kink's side.

    None is on a kink: there the libraries differ.
    """
    rng = np.random.default_rng(0)
    x = rng.random(length, dtype=np.float32) * 2 - 1
    x[x == 0] = 1
    w = rng.random(length, dtype=np.float32) + np.float32(0.5)
    return [x, w]


def cheap(xp: Any, relu: Callable[[Any], Any], arrays: Sequence[Any]) -> Any:
    """The loss of the chain of cheap operations, in any library."""
    x, w = arrays
    y = relu((x * w + x) * 0.5)
    y = y - w
    y = w / (y * y + 1.0)
    return ((xp.abs(y * x) + x) * 0.25).sum()


def cheap_by_hand(given: Sequence[Floats]) -> tuple[Any, Floats, Floats]:
    """NumPy: the loss and its two gradients, in place where nothing is needed twice."""
    x, w = given
    p = x * w
    p += x
    p *= 0.5
    np.maximum(p, 0, out=p)
    active = p > 0
    d = np.subtract(p, w, out=p)
    q = d * d
    q += 1
    r = w / q
    s = r * x
    signs = np.sign(s)
    u = np.abs(s, out=s)
    u += x
    loss = u.sum() * np.float32(0.25)

    signs *= np.float32(0.25)
    gx = np.multiply(signs, r, out=u)
    gx += 0.25
    gw = np.multiply(signs, x, out=signs)
    gw /= q
    g = np.multiply(gw, r, out=r)
    g *= d
    g *= -2
    gw -= g
    g *= active
    g *= 0.5
    g_sum = np.multiply(g, w, out=q)
    g_sum += g
    gx += g_sum
    g *= x
    gw += g
    return loss, gx, gw


def transcendental_inputs(length: int) -> list[Floats]:
    """Numbers between one half and three halves."""
    rng = np.random.default_rng(0)
    return [rng.random(length, dtype=np.float32) + np.float32(0.5)]


def transcendental(xp: Any, _: Callable[[Any], Any], arrays: Sequence[Any]) -> Any:
    """The loss of the chain of transcendental functions, in any library."""
    (y,) = arrays
    y = xp.sqrt(xp.log1p(xp.exp(xp.tanh(y))))
    y = xp.exp(xp.tanh(xp.log(xp.tanh(y))))
    return xp.exp(xp.tanh(xp.expm1(xp.sqrt(y)))).sum()


def transcendental_by_hand(given: Sequence[Floats]) -> tuple[Any, Floats]:
    """NumPy: the loss and its gradient, in place where nothing is needed twice."""
    (x,) = given
    a = np.tanh(x)
    b = np.exp(a)
    c = np.log1p(b)
    np.sqrt(c, out=c)
    d = np.tanh(c)
    e = np.log(d)
    np.tanh(e, out=e)
    s = np.exp(e)
    np.sqrt(s, out=s)
    h = np.expm1(s)
    k = np.tanh(h)
    g = np.exp(k)
    loss = g.sum()

    k *= k
    np.subtract(1, k, out=k)
    g *= k
    h += 1
    g *= h
    # Both the root and its argument exp(e) go: their quotient is the root.
    g *= s
    e *= e
    np.subtract(1, e, out=e)
    g *= e
    d -= np.reciprocal(d, out=e)
    g *= d
    g /= c
    g *= b
    b += 1
    g /= b
    a *= a
    np.subtract(1, a, out=a)
    g *= a
    g *= np.float32(-0.25)
    return loss, g


@dataclass(frozen=True)
class Chain:
    """A chain: its inputs, its loss in any library, and NumPy's loss and gradients by hand."""

    name: str
    inputs: Callable[[int], list[Floats]]
    loss: Callable[[Any, Callable[[Any], Any], Sequence[Any]], Any]
    by_hand: Callable[[Sequence[Floats]], tuple[Any, ...]]

    def numpygrad_loss(self) -> gradients.Loss:
        """The loss with numpygrad's functions."""
        npg = peers.numpygrad()
        return partial(self.loss, npg, npg.relu)

    def torch_loss(self) -> gradients.Loss:
        """The loss with PyTorch's functions."""
        torch = peers.torch()
        return partial(self.loss, torch, torch.relu)

    def jax_loss(self) -> gradients.Loss:
        """The loss with JAX's functions."""
        jax = peers.jax()
        return partial(self.loss, jax.numpy, jax.nn.relu)

    def contestants(self, length: int) -> dict[str, Callable[[], Contestant]]:
        """Everyone, on one set of numbers."""
        given = self.inputs(length)

        def by_hand() -> Contestant:
            return Contestant(lambda: self.by_hand(given), list)

        return gradients.everyone(
            by_hand, self.numpygrad_loss, self.torch_loss, self.jax_loss, given
        )


CHAINS = (
    Chain("cheap", cheap_inputs, cheap, cheap_by_hand),
    Chain("transcendental", transcendental_inputs, transcendental, transcendental_by_hand),
)
