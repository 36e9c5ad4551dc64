"""Forward and backward of one transformer block in float32: batch 8, sequence 128, width 128.

Pre-norm: layer norm, attention with 4 heads, residual; layer norm, a relu perceptron of 4 times
the width, residual. The loss is the mean square of the output. Gradients go to the input, as in a
block within a stack, and to all twelve parameters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import gradients, peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

BATCH, LENGTH, WIDTH, HEADS = 8, 128, 128, 4
HEAD_WIDTH = WIDTH // HEADS
SCALE = HEAD_WIDTH**-0.5
EPSILON = 1e-5

# NumPy's stubs take many float32 results for float64, so the dtype is not spelled out.
Floats = NDArray[Any]


def inputs() -> list[Floats]:
    """The block's input, then its parameters in the order in which they are used."""
    rng = np.random.default_rng(0)

    def normal(*shape: int, scale: float = 1.0) -> Floats:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    narrow, wide = WIDTH**-0.5, (4 * WIDTH) ** -0.5
    return [
        normal(BATCH, LENGTH, WIDTH),
        1 + normal(WIDTH, scale=0.1),
        normal(WIDTH, scale=0.1),
        normal(WIDTH, 3 * WIDTH, scale=narrow),
        normal(3 * WIDTH, scale=0.1),
        normal(WIDTH, WIDTH, scale=narrow),
        normal(WIDTH, scale=0.1),
        1 + normal(WIDTH, scale=0.1),
        normal(WIDTH, scale=0.1),
        normal(WIDTH, 4 * WIDTH, scale=narrow),
        normal(4 * WIDTH, scale=0.1),
        normal(4 * WIDTH, WIDTH, scale=wide),
        normal(WIDTH, scale=0.1),
    ]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """The block's loss and all its gradients."""
    given = inputs()
    contestants = {name: partial(build, given) for name, build in CONTESTANTS.items()}
    targets = {"torch": 1.1, "torch, unfused": 1.1}
    yield measure(Workload("transformer block", contestants, targets, tolerance=1e-4), effort)


def by_hand(given: Sequence[Floats]) -> Contestant:
    """NumPy, forward and backward written out, in place where nothing is needed twice."""
    arrays = [a.copy() for a in given]
    return Contestant(lambda: loss_and_gradients(arrays), list)


def loss_and_gradients(arrays: Sequence[Floats]) -> tuple[np.float32 | Floats, ...]:
    """The loss and its thirteen gradients; tokens are rows, so that each product is one matmul."""
    x, gain1, shift1, w_qkv, b_qkv, w_out, b_out, gain2, shift2, *perceptron = arrays
    w_up, b_up, w_down, b_down = perceptron
    tokens = x.reshape(-1, WIDTH)
    unit1, inverse1 = normalised(tokens)
    normed1 = unit1 * gain1
    normed1 += shift1
    qkv = normed1 @ w_qkv
    qkv += b_qkv
    q, k, v = heads_of(qkv)
    q *= SCALE
    p = row_softmax(q @ k.mT)
    mixed = np.empty_like(tokens)
    np.matmul(p, v, out=mixed.reshape(BATCH, LENGTH, HEADS, HEAD_WIDTH).swapaxes(1, 2))
    middle = mixed @ w_out
    middle += b_out
    middle += tokens
    unit2, inverse2 = normalised(middle)
    normed2 = unit2 * gain2
    normed2 += shift2
    hidden = normed2 @ w_up
    hidden += b_up
    np.maximum(hidden, 0, out=hidden)
    y = hidden @ w_down
    y += b_down
    y += middle
    loss = np.vdot(y, y) / np.float32(y.size)

    y *= np.float32(2 / y.size)
    gy = y
    g_w_down, g_b_down = hidden.T @ gy, gy.sum(axis=0)
    g_hidden = gy @ w_down.T
    g_hidden *= hidden > 0
    g_w_up, g_b_up = normed2.T @ g_hidden, g_hidden.sum(axis=0)
    g_normed2 = g_hidden @ w_up.T
    g_middle, g_gain2, g_shift2 = normalisation_backward(g_normed2, unit2, inverse2, gain2)
    g_middle += gy
    g_w_out, g_b_out = mixed.T @ g_middle, g_middle.sum(axis=0)
    g_qkv = attention_backward(g_middle @ w_out.T, p, qkv)
    g_w_qkv, g_b_qkv = normed1.T @ g_qkv, g_qkv.sum(axis=0)
    g_normed1 = g_qkv @ w_qkv.T
    gx, g_gain1, g_shift1 = normalisation_backward(g_normed1, unit1, inverse1, gain1)
    gx += g_middle
    return (
        loss,
        gx.reshape(x.shape),
        *(g_gain1, g_shift1, g_w_qkv, g_b_qkv, g_w_out, g_b_out),
        *(g_gain2, g_shift2, g_w_up, g_b_up, g_w_down, g_b_down),
    )


def attention_backward(g_mixed: Floats, p: Floats, qkv: Floats) -> Floats:
    """The gradient of `qkv`, whose queries are already scaled, from that of the heads' output."""
    q, k, v = heads_of(qkv)
    g_qkv = np.empty_like(qkv)
    gq, gk, gv = heads_of(g_qkv)
    g_heads = g_mixed.reshape(BATCH, LENGTH, HEADS, HEAD_WIDTH).swapaxes(1, 2)
    np.matmul(p.mT, g_heads, out=gv)
    gp = g_heads @ v.mT
    gp -= np.vecdot(gp, p)[..., np.newaxis]
    gp *= p
    np.matmul(gp, k, out=gq)
    gq *= SCALE
    np.matmul(gp.mT, q, out=gk)
    return g_qkv


def normalised(rows: Floats) -> tuple[Floats, Floats]:
    """Rows of mean 0 and variance 1, and the reciprocal of each row's deviation."""
    unit = rows - rows.mean(axis=1, keepdims=True)
    variance = np.vecdot(unit, unit)[:, np.newaxis]
    variance /= WIDTH
    variance += EPSILON
    inverse: Floats = 1 / np.sqrt(variance)
    unit *= inverse
    return unit, inverse


def normalisation_backward(
    g: Floats, unit: Floats, inverse: Floats, gain: Floats
) -> tuple[Floats, Floats, Floats]:
    """Gradients of a layer norm's input, gain and shift."""
    g_gain = np.einsum("ij,ij->j", g, unit)
    g_shift = g.sum(axis=0)
    gx = g * gain
    along = np.vecdot(gx, unit)[:, np.newaxis]
    along /= WIDTH
    gx -= gx.mean(axis=1, keepdims=True)
    gx -= unit * along
    gx *= inverse
    return gx, g_gain, g_shift


def heads_of(qkv: Floats) -> tuple[Floats, Floats, Floats]:
    """Queries, keys and values, each (batch, head, token, component), as views."""
    q, k, v = qkv.reshape(BATCH, LENGTH, 3, HEADS, HEAD_WIDTH).transpose(2, 0, 3, 1, 4)
    return q, k, v


def row_softmax(scores: Floats) -> Floats:
    """Softmax along the last axis, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def numpygrad_loss(arrays: Sequence[Any]) -> Any:
    """The loss as numpygrad's user writes it, layer norm written out in its operations."""
    npg = peers.numpygrad()

    def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred / npg.sqrt(variance + EPSILON) * gain + shift

    x, gain1, shift1, w_qkv, b_qkv, w_out, b_out, gain2, shift2, *perceptron = arrays
    w_up, b_up, w_down, b_down = perceptron
    qkv = layer_norm(x, gain1, shift1) @ w_qkv + b_qkv
    heads = qkv.reshape((BATCH, LENGTH, 3, HEADS, HEAD_WIDTH))
    heads = npg.permute_dims(heads, (2, 0, 3, 1, 4))
    q, k, v = heads[0], heads[1], heads[2]
    mixed = npg.softmax(q @ k.mT * SCALE, axis=-1) @ v
    mixed = npg.permute_dims(mixed, (0, 2, 1, 3)).reshape((BATCH, LENGTH, WIDTH))
    x = x + (mixed @ w_out + b_out)
    hidden = npg.relu(layer_norm(x, gain2, shift2) @ w_up + b_up)
    y = x + (hidden @ w_down + b_down)
    return (y * y).mean()


def torch_loss(arrays: Sequence[Any], *, fused: bool) -> Any:
    """The loss as PyTorch's user writes it.

    With its fused layer norm and attention, or with the same operations as numpygrad's.
    """
    torch = peers.torch()
    functional = torch.nn.functional

    def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
        if fused:
            return functional.layer_norm(x, (WIDTH,), gain, shift, EPSILON)
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        return centred / torch.sqrt(variance + EPSILON) * gain + shift

    def attention(q: Any, k: Any, v: Any) -> Any:
        if fused:
            return functional.scaled_dot_product_attention(q, k, v)
        return torch.softmax(q @ k.mT * SCALE, -1) @ v

    x, gain1, shift1, w_qkv, b_qkv, w_out, b_out, gain2, shift2, *perceptron = arrays
    w_up, b_up, w_down, b_down = perceptron
    qkv = layer_norm(x, gain1, shift1) @ w_qkv + b_qkv
    heads = qkv.reshape(BATCH, LENGTH, 3, HEADS, HEAD_WIDTH)
    q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
    mixed = attention(q, k, v).transpose(1, 2).reshape(BATCH, LENGTH, WIDTH)
    x = x + (mixed @ w_out + b_out)
    hidden = torch.relu(layer_norm(x, gain2, shift2) @ w_up + b_up)
    y = x + (hidden @ w_down + b_down)
    return (y * y).mean()


def block_loss(xp: Any, softmax: Callable[[Any], Any], arrays: Sequence[Any]) -> Any:
    """The loss for the peers whose namespace is NumPy's."""
    x, gain1, shift1, w_qkv, b_qkv, w_out, b_out, gain2, shift2, *perceptron = arrays
    w_up, b_up, w_down, b_down = perceptron

    def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean(centred * centred, axis=-1, keepdims=True)
        return centred / xp.sqrt(variance + EPSILON) * gain + shift

    qkv = xp.matmul(layer_norm(x, gain1, shift1), w_qkv) + b_qkv
    heads = xp.transpose(xp.reshape(qkv, (BATCH, LENGTH, 3, HEADS, HEAD_WIDTH)), (2, 0, 3, 1, 4))
    q, k, v = heads[0], heads[1], heads[2]
    p = softmax(xp.matmul(q, xp.transpose(k, (0, 1, 3, 2))) * SCALE)
    mixed = xp.transpose(xp.matmul(p, v), (0, 2, 1, 3))
    mixed = xp.reshape(mixed, (BATCH, LENGTH, WIDTH))
    x = x + (xp.matmul(mixed, w_out) + b_out)
    hidden = xp.maximum(xp.matmul(layer_norm(x, gain2, shift2), w_up) + b_up, 0)
    y = x + (xp.matmul(hidden, w_down) + b_down)
    return xp.mean(y * y)


def jax_loss(arrays: Sequence[Any]) -> Any:
    """The loss as JAX's user writes it."""
    jax = peers.jax()
    return block_loss(jax.numpy, jax.nn.softmax, arrays)


def with_autograd(given: Sequence[Floats]) -> Contestant:
    """HIPS autograd's function transform; its softmax is written out."""
    autograd = peers.autograd()
    anp = autograd.numpy
    arrays = [a.copy() for a in given]

    def softmax(z: Any) -> Any:
        e = anp.exp(z - anp.max(z, axis=-1, keepdims=True))
        return e / anp.sum(e, axis=-1, keepdims=True)

    differentiated = autograd.value_and_grad(partial(block_loss, anp, softmax))
    return Contestant(lambda: differentiated(arrays), gradients.loss_then_gradients)


def with_mygrad(given: Sequence[Floats]) -> Contestant:
    """MyGrad, with its own softmax."""
    mygrad = peers.mygrad()
    arrays = [mygrad.tensor(a) for a in given]
    softmax = partial(mygrad.nnet.activations.softmax, axis=-1)

    def run() -> Any:
        loss = block_loss(mygrad, softmax, arrays)
        loss.backward()
        return loss

    return Contestant(run, lambda loss: [loss.data, *(a.grad for a in arrays)])


CONTESTANTS: Mapping[str, Callable[[Sequence[Floats]], Contestant]] = {
    "numpy": by_hand,
    "numpygrad": partial(gradients.eager, numpygrad_loss),
    "torch": partial(gradients.with_torch, partial(torch_loss, fused=True)),
    "torch, unfused": partial(gradients.with_torch, partial(torch_loss, fused=False)),
    "jax.jit": partial(gradients.with_jax, jax_loss),
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}
