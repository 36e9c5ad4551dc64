"""A 3 x 3 convolution as a matrix product (im2col), forward and backward, in float32.

16 images of 3 x 32 x 32, 16 filters, bias, relu; the loss is the mean square. The pixels under the
filter are stacked as columns, of which there is one a position, so that the product is one matmul.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks import gradients, peers
from benchmarks.gradients import Floats
from benchmarks.timing import Contestant

BATCH, CHANNELS, SIDE, FILTERS, KERNEL = 16, 3, 32, 16, 3
INNER = SIDE - KERNEL + 1
OFFSETS = [(i, j) for i in range(KERNEL) for j in range(KERNEL)]
ROWS = CHANNELS * len(OFFSETS)


def inputs() -> list[Floats]:
    """Images, filters as rows, and a bias a filter."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, CHANNELS, SIDE, SIDE), dtype=np.float32)
    filters = rng.standard_normal((FILTERS, ROWS), dtype=np.float32) * np.float32(ROWS**-0.5)
    return [images, filters, np.full((FILTERS, 1), 0.1, dtype=np.float32)]


def contestants() -> dict[str, Callable[[], Contestant]]:
    """Everyone, and PyTorch with its own im2col."""
    given = inputs()

    def by_hand() -> Contestant:
        return Contestant(lambda: loss_and_gradients(given), list)

    return {
        **gradients.everyone(by_hand, numpygrad_loss, torch_loss, jax_loss, given),
        "torch, unfold": lambda: gradients.with_torch(unfold_loss, given),
    }


def loss_and_gradients(given: Sequence[Floats]) -> tuple[Any, Floats, Floats, Floats]:
    """NumPy, forward and backward written out, in place where nothing is needed twice."""
    images, filters, bias = given
    pixels = images.transpose(1, 0, 2, 3)
    stacked = np.empty((CHANNELS, len(OFFSETS), BATCH, INNER, INNER), dtype=np.float32)
    for index, (i, j) in enumerate(OFFSETS):
        stacked[:, index] = pixels[:, :, i : i + INNER, j : j + INNER]
    columns = stacked.reshape(ROWS, -1)
    y = filters @ columns
    y += bias
    np.maximum(y, 0, out=y)
    loss = np.vdot(y, y) / np.float32(y.size)

    # Zero where relu is flat, so that the mask is already in it.
    g = y
    g *= np.float32(2 / y.size)
    g_filters = g @ columns.T
    g_bias = g.sum(axis=1, keepdims=True)
    g_stacked = np.matmul(filters.T, g, out=columns).reshape(stacked.shape)
    g_images = np.zeros_like(images)
    g_pixels = g_images.transpose(1, 0, 2, 3)
    for index, (i, j) in enumerate(OFFSETS):
        g_pixels[:, :, i : i + INNER, j : j + INNER] += g_stacked[:, index]
    return loss, g_images, g_filters, g_bias


def columns_loss(
    permuted: Callable[..., Any],
    stack: Callable[..., Any],
    relu: Callable[[Any], Any],
    arrays: Sequence[Any],
) -> Any:
    """The loss as a user writes it, in any of the libraries."""
    images, filters, bias = arrays
    pixels = permuted(images, (1, 0, 2, 3))
    shifted = [pixels[:, :, i : i + INNER, j : j + INNER] for i, j in OFFSETS]
    y = relu(filters @ stack(shifted).reshape((ROWS, -1)) + bias)
    return (y * y).mean()


def numpygrad_loss() -> gradients.Loss:
    """The loss with numpygrad's functions."""
    npg = peers.numpygrad()
    return partial(columns_loss, npg.permute_dims, partial(npg.stack, axis=1), npg.relu)


def torch_loss() -> gradients.Loss:
    """The loss with PyTorch's functions."""
    torch = peers.torch()
    return partial(columns_loss, torch.permute, partial(torch.stack, dim=1), torch.relu)


def jax_loss() -> gradients.Loss:
    """The loss with JAX's functions."""
    jax = peers.jax()
    stack = partial(jax.numpy.stack, axis=1)
    return partial(columns_loss, jax.numpy.permute_dims, stack, jax.nn.relu)


def unfold_loss(arrays: Sequence[Any]) -> Any:
    """The loss with PyTorch's `unfold`, whose columns are in the same order."""
    torch = peers.torch()
    images, filters, bias = arrays
    y = torch.relu(filters @ torch.nn.functional.unfold(images, KERNEL) + bias)
    return (y * y).mean()
