"""CuPy's kernels for Fourier transforms where the library's differ from the standard.

Written against CuPy's sources; `testing.check_backend("cupy")` runs them where a GPU is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

Raw = Any

SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _listed(transform: Callable[..., Raw]) -> Callable[..., Raw]:
    """A transform along several axes, its lengths handed on as a list.

    A tuple equal to the shape of `x` is taken for its lengths along all axes, whatever the axes.
    """

    def kernel(x: Raw, *, s: tuple[int, ...], axes: tuple[int, ...], norm: str) -> Raw:
        if x.size == 0:  # a plan along several axes refuses it
            shape = list(x.shape)
            for n, axis in zip(s, axes, strict=True):
                shape[axis] = n
            if transform is cupy.fft.rfftn:
                shape[axes[-1]] = s[-1] // 2 + 1
            return cupy.zeros(shape, dtype=cupy.result_type(x.dtype, cupy.complex64))
        return transform(x, s=list(s), axes=axes, norm=norm)

    return kernel


fftn, ifftn, rfftn = map(_listed, (cupy.fft.fftn, cupy.fft.ifftn, cupy.fft.rfftn))


def irfft(x: Raw, *, n: int, axis: int, norm: str) -> Raw:
    """Of the real part alone where no other can be: cuFFT does not promise to ignore the rest."""
    out = x.astype(cupy.result_type(x.dtype, cupy.complex64))
    for place in {0, n // 2} if n % 2 == 0 else {0}:
        if place < x.shape[axis]:
            key = (slice(None),) * axis + (place,)
            out[key] = out[key].real
    return cupy.fft.irfft(out, n=n, axis=axis, norm=norm)


def irfftn(x: Raw, *, s: tuple[int, ...], axes: tuple[int, ...], norm: str) -> Raw:
    """One axis after the other: at once, cuFFT takes what it ignores from other elements."""
    if len(axes) > 1:
        x = ifftn(x, s=s[:-1], axes=axes[:-1], norm=norm)
    return irfft(x, n=s[-1], axis=axes[-1], norm=norm)


def hfft(x: Raw, *, n: int, axis: int, norm: str) -> Raw:
    """As `irfft`."""
    return irfft(cupy.conj(x), n=n, axis=axis, norm=SWAPPED[norm])


KERNELS: dict[str, Callable[..., Any]] = {
    "fftn": fftn,
    "hfft": hfft,
    "ifftn": ifftn,
    "irfft": irfft,
    "irfftn": irfftn,
    "rfftn": rfftn,
}
