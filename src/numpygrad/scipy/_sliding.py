"""Weighted sums over a window that slides: what convolutions and filters are made of.

Along the last axis they are a product with a band matrix. It is cut into blocks, so that a product
of matrices has few zeros: at the speed of the backend's `matmul`, and differentiated as that. Along
other axes shifted copies add up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from numpygrad._array import Array
from numpygrad.fft import fftn, ifftn, irfftn, rfftn
from numpygrad.ops.creation import full, zeros
from numpygrad.ops.indexing import take
from numpygrad.ops.linear_algebra import matrix_transpose
from numpygrad.ops.manipulation import concat, flip, moveaxis, permute_dims, reshape
from numpygrad.scipy._floats import constant
from numpygrad.scipy.fft import next_fast_len
from numpygrad.typing import Shape

BLOCK = 32
"""The fewest sums in a block: smaller products of matrices are no faster."""


def extended(x: Array, axis: int, first: int, length: int, value: float = 0.0) -> Array:
    """`length` elements along an axis from `first` on, which may lie outside: `value` is there."""
    n = x.shape[axis]
    before, after = min(max(-first, 0), length), min(max(first + length - n, 0), length)
    key = (slice(None),) * axis
    inside = x[(*key, slice(min(max(first, 0), n), min(max(first + length, 0), n)))]
    if not before and not after:
        return inside
    parts = [
        full((*x.shape[:axis], k, *x.shape[axis + 1 :]), value, dtype=x.dtype, device=x.device)
        for k in (before, after)
    ]
    return concat([parts[0], inside, parts[1]], axis=axis)


def _band(weights: Array, block: int) -> Array:
    """(p, k) to a matrix (block + k - 1, p * block): columns hold the weights, each moved down."""
    p, k = weights.shape
    rows = block + k - 1
    steps = np.arange(rows)[:, None] - np.arange(block)[None, :]
    places = np.where((steps >= 0) & (steps < k), steps, k).reshape(-1)
    nothing = zeros((p, 1), dtype=weights.dtype, device=weights.device)
    taken = take(concat([weights, nothing], axis=1), constant(places, weights), axis=1)
    return reshape(permute_dims(reshape(taken, (p, rows, block)), (1, 0, 2)), (rows, p * block))


def along_last(x: Array, weights: Array) -> Array:
    """Sums of `weights[p, j] * x[..., i + j]` over j: (..., n), (p, k) -> (..., n - k + 1, p)."""
    p, k = weights.shape
    n = x.shape[-1]
    count = n - k + 1
    block = min(count, max(BLOCK, k))
    blocks = -(-count // block)
    if blocks == 1:
        parts = reshape(x, (*x.shape[:-1], 1, n))
    else:
        whole = extended(x, x.ndim - 1, 0, (blocks + 1) * block)
        whole = reshape(whole, (*x.shape[:-1], blocks + 1, block))
        parts = concat([whole[..., :-1, :], whole[..., 1:, : k - 1]], axis=-1)
    found = parts @ _band(weights, block)
    if p > 1:
        found = moveaxis(reshape(found, (*x.shape[:-1], blocks, p, block)), -2, -1)
    found = reshape(found, (*x.shape[:-1], blocks * block, p))
    return found[..., :count, :] if blocks * block != count else found


def along(x: Array, weights: Array, axis: int) -> Array:
    """Sums of `weights[j] * x[i + j]` over j along an axis, where the window is inside."""
    if axis == x.ndim - 1:
        return along_last(x, weights[None, :])[..., 0]
    k = weights.shape[0]
    n, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    count = n - k + 1
    outer = math.prod(x.shape[:axis])
    block = min(count, max(BLOCK, k))
    blocks = -(-count // block)
    whole = reshape(x, (outer, n, inner))
    if blocks == 1:
        parts = reshape(whole, (outer, 1, n, inner))
    else:
        whole = extended(whole, 1, 0, (blocks + 1) * block)
        whole = reshape(whole, (outer, blocks + 1, block, inner))
        parts = concat([whole[:, :-1], whole[:, 1:, : k - 1]], axis=2)
    found = matrix_transpose(_band(weights[None, :], block)) @ parts
    found = reshape(found, (outer, blocks * block, inner))[:, :count]
    return reshape(found, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


def correlated(x: Array, weights: Array) -> Array:
    """Sums of `weights[j] * x[i + j]` over j, where the whole window is inside, of any ndim."""
    counts = tuple(n - k + 1 for n, k in zip(x.shape, weights.shape, strict=True))
    *outer, last = weights.shape
    found = along_last(x, reshape(weights, (math.prod(outer), last)))
    total: Array | None = None
    for p, offsets in enumerate(itertools.product(*map(range, outer))):
        key = tuple(slice(o, o + m) for o, m in zip(offsets, counts, strict=False))
        term = found[(*key, slice(None), p)]
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 (there is a weight)
    return total


def multiplied(x: Array, y: Array, axes: Sequence[int]) -> Array:
    """The full convolution over some axes, by Fourier transforms; the other axes broadcast."""
    if not axes:
        return x * y
    lengths = tuple(x.shape[a] + y.shape[a] - 1 for a in axes)
    is_complex = "c" in (x.dtype.kind, y.dtype.kind)
    points = tuple(next_fast_len(n, not is_complex) for n in lengths)
    if is_complex:
        product = fftn(x, s=points, axes=axes) * fftn(y, s=points, axes=axes)
        found = ifftn(product, axes=axes)
    else:
        product = rfftn(x, s=points, axes=axes) * rfftn(y, s=points, axes=axes)
        found = irfftn(product, s=points, axes=axes)
    for axis, n in zip(axes, lengths, strict=True):
        found = extended(found, axis % found.ndim, 0, n)
    return found


def convolved(x: Array, y: Array, first: Shape, shape: Shape, *, direct: bool) -> Array:
    """A part of the full convolution, from `first` on and of some shape."""
    if not direct:
        found = multiplied(x, y, tuple(range(x.ndim)))
        for axis, (start, n) in enumerate(zip(first, shape, strict=True)):
            found = extended(found, axis, start, n)
        return found
    if math.prod(x.shape) < math.prod(y.shape):
        x, y = y, x
    for axis, (start, n) in enumerate(zip(first, shape, strict=True)):
        k = y.shape[axis]
        x = extended(x, axis, start - k + 1, n + k - 1)
    return correlated(x, flip(y))
