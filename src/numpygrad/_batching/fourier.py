"""Fourier transforms: the same along axes that are counted one further."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpygrad._batching.fitting import shifted, shifted_all
from numpygrad._batching.mapped import Mapped

Rule = Callable[..., Any]


def _along_one(name: str) -> Rule:
    def rule(
        xp: Any, x: Mapped, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Any:
        return getattr(xp.fft, name)(x.array, n=n, axis=shifted(axis, x.ndim), norm=norm)

    return rule


def _along_several(name: str) -> Rule:
    def rule(
        xp: Any,
        x: Mapped,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str = "backward",
    ) -> Any:
        chosen = shifted_all(None if axes is None else tuple(axes), x.ndim)
        return getattr(xp.fft, name)(x.array, s=s, axes=chosen, norm=norm)

    return rule


def _shifting(name: str) -> Rule:
    def rule(xp: Any, x: Mapped, /, *, axes: int | tuple[int, ...] | None = None) -> Any:
        return getattr(xp.fft, name)(x.array, axes=shifted_all(axes, x.ndim))

    return rule


ONE = ("fft", "hfft", "ifft", "ihfft", "irfft", "rfft")
SEVERAL = ("fftn", "ifftn", "irfftn", "rfftn")

RULES: dict[str, Rule] = {
    **{f"fft.{name}": _along_one(name) for name in ONE},
    **{f"fft.{name}": _along_several(name) for name in SEVERAL},
    **{f"fft.{name}": _shifting(name) for name in ("fftshift", "ifftshift")},
}
