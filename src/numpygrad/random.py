"""Random numbers on every backend, drawn where they are needed.

A `Generator` is a stream of numbers on one device. The functions of this module draw from the
default generator of a device; `seed` starts those again. The same seed gives the same numbers on
the same backend, not on another one. On NumPy `random`, `uniform`, `standard_normal`, `normal`,
`integers` and `permutation` of an int are those of `numpy.random.default_rng(seed)`.
"""

from __future__ import annotations

import threading
from typing import Any

from numpygrad._array import Array, Operand, one_tuple
from numpygrad._backend import Device, find_device
from numpygrad._generator import Generator as Generator
from numpygrad._generator import seed_sequence
from numpygrad.typing import DTypeLike


class _Defaults:
    """The default generators, one for each device, made when first asked for.

    They belong to the process: what `seed` starts, every thread draws from.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generators: dict[tuple[str, str], Generator] = {}
        self._seed: int | None = None

    def restart(self, seed: int | None) -> None:
        """Begin again on every device, with `seed`."""
        seed_sequence(seed)
        with self._lock:
            self._generators.clear()
            self._seed = seed

    def of(self, device: Device) -> Generator:
        """The generator of a device."""
        key = (device.backend.name, str(device))  # another backend's device may be named alike
        with self._lock:
            found = self._generators.get(key)
            if found is None:
                found = self._generators[key] = Generator(self._seed, device=device)
            return found


_defaults = _Defaults()


def default_generator(device: str | None = None) -> Generator:
    """The generator that the functions of this module draw from on `device`."""
    return _defaults.of(find_device(device))


def default_rng(seed: int | None = None, *, device: str | None = None) -> Generator:
    """A new `Generator`, by NumPy's name; `default_generator` is what the functions draw from."""
    return Generator(seed, device=device)


def seed(seed: int | None) -> None:
    """Start the default generators of all devices, and for all threads, again with `seed`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.random.seed(0)
    >>> x = npg.random.randn(4, 8, requires_grad=True)
    >>> npg.random.seed(0)
    >>> bool(npg.all(x == npg.random.randn((4, 8))))
    True
    """
    _defaults.restart(seed)


manual_seed = seed


def _generator(device: str | None, *operands: Any) -> Generator:
    """The default generator of `device`, or of the device of the first Array."""
    if device is None:
        device = next((x.device for x in operands if isinstance(x, Array)), None)
    return default_generator(device)


def random(
    shape: int | tuple[int, ...] = (),
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Uniform numbers from 0 up to 1, which is left out; see `Generator.random`."""
    return _generator(device).random(shape, dtype=dtype, requires_grad=requires_grad)


def rand(
    *shape: int | tuple[int, ...],
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Uniform numbers from 0 up to 1 of a shape given as a tuple or as separate ints."""
    return random(one_tuple(shape), dtype=dtype, device=device, requires_grad=requires_grad)


def standard_normal(
    shape: int | tuple[int, ...] = (),
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Normal numbers of mean 0 and standard deviation 1; see `Generator.standard_normal`."""
    return _generator(device).standard_normal(shape, dtype=dtype, requires_grad=requires_grad)


def randn(
    *shape: int | tuple[int, ...],
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Normal numbers of mean 0 and standard deviation 1, shaped by a tuple or by separate ints.

    Examples
    --------
    >>> import numpygrad as npg
    >>> w = npg.random.randn((4, 8), requires_grad=True)
    >>> w.shape, w.is_leaf
    ((4, 8), True)
    """
    return standard_normal(
        one_tuple(shape), dtype=dtype, device=device, requires_grad=requires_grad
    )


def uniform(
    low: Operand = 0.0,
    high: Operand = 1.0,
    shape: int | tuple[int, ...] | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Uniform numbers from `low` up to `high`, differentiable; see `Generator.uniform`."""
    source = _generator(device, low, high)
    return source.uniform(low, high, shape, dtype=dtype, requires_grad=requires_grad)


def normal(
    loc: Operand = 0.0,
    scale: Operand = 1.0,
    shape: int | tuple[int, ...] | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Normal numbers of mean `loc` and deviation `scale`, differentiable; see `Generator.normal`.

    Drawn on the device of the parameters, where none is given.
    """
    source = _generator(device, loc, scale)
    return source.normal(loc, scale, shape, dtype=dtype, requires_grad=requires_grad)


def exponential(
    scale: Operand = 1.0,
    shape: int | tuple[int, ...] | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Exponential numbers of mean `scale`, differentiable; see `Generator.exponential`."""
    source = _generator(device, scale)
    return source.exponential(scale, shape, dtype=dtype, requires_grad=requires_grad)


def integers(
    low: int,
    high: int | None = None,
    shape: int | tuple[int, ...] = (),
    *,
    dtype: DTypeLike | None = None,
    endpoint: bool = False,
    device: str | None = None,
) -> Array:
    """Integers from `low` up to `high`; see `Generator.integers`."""
    return _generator(device).integers(low, high, shape, dtype=dtype, endpoint=endpoint)


randint = integers


def permutation(x: int | Array, *, axis: int = 0, device: str | None = None) -> Array:
    """`x` in random order along `axis`; see `Generator.permutation`."""
    return _generator(device, x).permutation(x, axis=axis)


def choice(
    a: int | Array,
    shape: int | tuple[int, ...] = (),
    *,
    replace: bool = True,
    p: Operand | list[float] | tuple[float, ...] | None = None,
    axis: int = 0,
    device: str | None = None,
) -> Array:
    """Elements of `a` drawn at random; see `Generator.choice`."""
    return _generator(device, a).choice(a, shape, replace=replace, p=p, axis=axis)
