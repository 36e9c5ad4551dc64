"""A generator: a stream of random numbers on one device, whatever the backend.

A backend supplies four verbs, a `RandomSource`; all else is written here, with ops. So numbers with
parameters that require grad are differentiable: `loc + scale * z` knows its derivatives.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, Operand, wrap
from numpygrad._backend import Device, RandomSource, find_device, numpy_dtype
from numpygrad._dispatch import from_numpy, require_broadcast
from numpygrad._dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, as_dtype, floating, promote
from numpygrad._kernels import holds
from numpygrad.errors import CaptureError, DeviceError, DTypeError, ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.elementwise import log1p
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import normalized_axis, reshape
from numpygrad.ops.searching import searchsorted, where
from numpygrad.ops.sorting import argsort
from numpygrad.ops.utility import any as any_of
from numpygrad.typing import DTypeLike, RawArray, Shape


class HostSource:
    """NumPy's numbers, moved to a device: for NumPy, and for backends that bring no source."""

    def __init__(self, seeds: np.random.SeedSequence, device: Device) -> None:
        self._device = device
        self._numbers = np.random.Generator(np.random.PCG64(seeds))

    @property
    def state(self) -> dict[str, Any]:
        """Where the stream is."""
        return dict(self._numbers.bit_generator.state)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._numbers.bit_generator.state = state

    def _moved(self, values: Any) -> RawArray:
        return from_numpy(values, self._device.type(values.dtype))

    def random(self, shape: Shape, dtype: Any) -> RawArray:
        """Uniform numbers from 0 up to 1, which is left out."""
        return self._moved(self._numbers.random(shape, numpy_dtype(dtype)))

    def standard_normal(self, shape: Shape, dtype: Any) -> RawArray:
        """Normal numbers of mean 0 and standard deviation 1."""
        return self._moved(self._numbers.standard_normal(shape, numpy_dtype(dtype)))

    def integers(self, low: int, last: int, shape: Shape, dtype: Any) -> RawArray:
        """Integers from `low` to `last`, both included."""
        wanted: Any = numpy_dtype(dtype)
        return self._moved(self._numbers.integers(low, last, shape, wanted, endpoint=True))

    def permutation(self, n: int) -> RawArray:
        """0 to `n - 1` in any order."""
        return self._moved(self._numbers.permutation(n))


class Generator:
    """A stream of random numbers on one device.

    Two generators of the same seed and device give the same numbers. Threads may share one: each
    call is then whole, but which thread draws first is open; `spawn` gives each a stream of its
    own. Generators pickle and copy; the copy goes on where the original is.

    Parameters
    ----------
    seed
        An int >= 0 of any size; fresh entropy of the operating system by default.
    device
        Where the numbers are drawn; the default device by default.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.random.Generator(2025).normal(0.0, 2.0, (4, 8))
    >>> y = npg.random.Generator(2025).normal(0.0, 2.0, (4, 8))
    >>> x.shape, bool(npg.all(x == y))
    ((4, 8), True)
    """

    __slots__ = ("__weakref__", "_device", "_lock", "_seeds", "_source")

    _device: Device
    _lock: threading.Lock
    _seeds: np.random.SeedSequence
    _source: RandomSource

    def __init__(self, seed: int | None = None, *, device: str | None = None) -> None:
        self._start(seed_sequence(seed), find_device(device))

    def _start(self, seeds: np.random.SeedSequence, device: Device) -> Generator:
        self._device = device
        self._lock = threading.Lock()
        self._seeds = seeds
        self._source = _source_of(seeds, device)
        return self

    @property
    def _stream(self) -> RandomSource:
        """What numbers are drawn from; `CaptureError` where they would be the same ever after."""
        if _modes.tracing() is not None:
            raise CaptureError(
                f"random numbers drawn inside a compiled function, at {_modes.callers_line()}: "
                "they would be the same at each call. Draw them outside, and pass them"
            )
        self._show()
        return self._source

    def _show(self) -> None:
        for watcher in _modes.watching() if _modes.unusual else ():
            watcher.drawn(self)

    @property
    def device(self) -> Device:
        """Where the numbers are drawn."""
        return self._device

    @property
    def seed(self) -> int:
        """The seed, or the entropy that was drawn for want of one; children have their parent's."""
        return cast("int", self._seeds.entropy)

    @property
    def state(self) -> dict[str, Any]:
        """All there is to the stream; assigned to a generator of that backend, resumes it."""
        with self._lock:
            return self._now()

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        name = self._device.backend.name
        if not isinstance(state, dict) or state.keys() != {"backend", "seeds", "source"}:
            raise ValueError("the state of a generator is what its state gave before")
        if state["backend"] != name:
            raise ValueError(
                f"this is the state of a generator of backend {state['backend']!r}; one of "
                f"{name!r} cannot resume it"
            )
        seeds = _seeds_of(state["seeds"])
        source = _source_of(seeds, self._device)
        source.state = state["source"]
        with self._lock:
            self._seeds, self._source = seeds, source

    def _now(self) -> dict[str, Any]:
        return {
            "backend": self._device.backend.name,
            "seeds": dict(self._seeds.state),
            "source": self._source.state,
        }

    def __repr__(self) -> str:
        key = f", spawn_key={self._seeds.spawn_key}" if self._seeds.spawn_key else ""
        return f"Generator({self.seed}{key}, device={str(self._device)!r})"

    def __reduce__(self) -> tuple[Callable[..., Generator], tuple[Any, ...]]:
        return _resumed, (self._device, self.state)

    def spawn(self, n: int) -> list[Generator]:
        """`n` generators whose streams are independent of this one's and of each other.

        The same calls on a generator of the same seed give the same children. The numbers of this
        generator stay what they are.
        """
        count = operator.index(n)
        if count < 0:
            raise ValueError(f"spawn() makes n >= 0 generators, not {count}")
        with self._lock:
            self._show()
            children = self._seeds.spawn(count)
        return [object.__new__(Generator)._start(child, self._device) for child in children]

    def random(
        self,
        shape: int | tuple[int, ...] = (),
        *,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Array:
        """Uniform numbers from 0 up to 1, which is left out; float32 or float64, the default.

        `random(shape) < p` is true with probability `p`.
        """
        lengths, wanted = _shape("random", shape), _float_dtype("random", dtype)
        with self._lock:
            data = self._stream.random(lengths, self._device.type(wanted).raw_dtype)
        return self._made(data, wanted, requires_grad)

    def standard_normal(
        self,
        shape: int | tuple[int, ...] = (),
        *,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Array:
        """Normal numbers of mean 0 and standard deviation 1; float32 or float64, the default."""
        lengths = _shape("standard_normal", shape)
        wanted = _float_dtype("standard_normal", dtype)
        with self._lock:
            data = self._stream.standard_normal(lengths, self._device.type(wanted).raw_dtype)
        return self._made(data, wanted, requires_grad)

    def uniform(
        self,
        low: Operand = 0.0,
        high: Operand = 1.0,
        shape: int | tuple[int, ...] | None = None,
        *,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Array:
        """Uniform numbers from `low` up to `high`, which rounding alone can give.

        `low + (high - low) * u`, differentiable with respect to both. `shape` and `dtype` are by
        default those of the parameters together, float64 of numbers.

        Raises
        ------
        ValueError
            If `low` is above `high`, or the range between them is infinite.
        """
        given, lengths, wanted = self._parameters("uniform", shape, dtype, low=low, high=high)
        span = given["high"] - given["low"]
        _refuse(span < 0, "uniform() needs low <= high", low=low, high=high)
        _refuse(span == math.inf, "uniform() needs a finite range", low=low, high=high)
        u = self.random(lengths, dtype=wanted)
        out = given["low"] + span * u
        return _requiring(out, requires_grad)

    def normal(
        self,
        loc: Operand = 0.0,
        scale: Operand = 1.0,
        shape: int | tuple[int, ...] | None = None,
        *,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Array:
        """Normal numbers of mean `loc` and standard deviation `scale`.

        `loc + scale * z`, differentiable with respect to both: the derivative of an expectation is
        the expectation of the derivative (reparametrisation). `shape` and `dtype` are by default
        those of the parameters together, float64 of numbers.

        Raises
        ------
        ValueError
            If `scale` is negative anywhere.

        Examples
        --------
        The slope of the mean square of normal numbers, `loc**2 + scale**2`, at `scale = 2`:

        >>> import numpygrad as npg
        >>> scale = npg.array(2.0, requires_grad=True)
        >>> x = npg.random.Generator(0).normal(1.0, scale, 100_000)
        >>> npg.mean(x * x).backward()
        >>> abs(scale.grad - 4.0).item() < 0.1
        True
        """
        given, lengths, wanted = self._parameters("normal", shape, dtype, loc=loc, scale=scale)
        _refuse(given["scale"] < 0, "normal() needs scale >= 0", scale=scale)
        z = self.standard_normal(lengths, dtype=wanted)
        out = given["loc"] + given["scale"] * z
        return _requiring(out, requires_grad)

    def exponential(
        self,
        scale: Operand = 1.0,
        shape: int | tuple[int, ...] | None = None,
        *,
        dtype: DTypeLike | None = None,
        requires_grad: bool = False,
    ) -> Array:
        """Exponential numbers of mean `scale`, differentiable with respect to it.

        Raises
        ------
        ValueError
            If `scale` is negative anywhere.
        """
        given, lengths, wanted = self._parameters("exponential", shape, dtype, scale=scale)
        _refuse(given["scale"] < 0, "exponential() needs scale >= 0", scale=scale)
        out = given["scale"] * -log1p(-self.random(lengths, dtype=wanted))
        return _requiring(out, requires_grad)

    def integers(
        self,
        low: int,
        high: int | None = None,
        shape: int | tuple[int, ...] = (),
        *,
        dtype: DTypeLike | None = None,
        endpoint: bool = False,
    ) -> Array:
        """Integers from `low` up to `high`, which is left out without `endpoint`; int64 by default.

        With one bound, from 0 up to it. All are equally likely, whatever the range.

        Raises
        ------
        ValueError
            If there is no integer between the bounds, or the dtype does not hold them.
        """
        if high is None:
            low, high = 0, low
        low, high = _integer("integers", "low", low), _integer("integers", "high", high)
        last = high if endpoint else high - 1
        wanted = DEFAULT_INT if dtype is None else as_dtype(dtype)
        if wanted.kind not in "iu":
            raise DTypeError(f"integers() draws an integer dtype, not {wanted}")
        if last < low:
            relation = "<=" if endpoint else "<"
            raise ValueError(f"integers() needs low {relation} high, got low={low} and high={high}")
        limits = np.iinfo(wanted)
        if low < limits.min or last > limits.max:
            raise ValueError(
                f"integers() from {low} to {last} do not fit {wanted}, which holds {limits.min} "
                f"to {limits.max}; pass a wider dtype="
            )
        lengths = _shape("integers", shape)
        with self._lock:
            data = self._stream.integers(low, last, lengths, self._device.type(wanted).raw_dtype)
        return self._made(data, wanted)

    def permutation(self, x: int | Array, *, axis: int = 0) -> Array:
        """`x` in random order along `axis`; of an int, the integers from 0 up to it.

        Gradients flow back to an Array.
        """
        if _is_count(x):
            return self._order(_size("permutation", x))
        values = self._population("permutation", x)
        axis = normalized_axis("permutation", axis, values.ndim)
        return take(values, self._order(values.shape[axis]), axis=axis)

    def choice(
        self,
        a: int | Array,
        shape: int | tuple[int, ...] = (),
        *,
        replace: bool = True,
        p: Operand | list[float] | tuple[float, ...] | None = None,
        axis: int = 0,
    ) -> Array:
        """Elements of `a` along `axis`, of an int the integers up to it, drawn at random.

        The axes of `shape` stand in the place of `axis`. Gradients flow back to an Array.

        Parameters
        ----------
        replace
            Whether an element may be drawn again.
        p
            The probability of each element, which sum to 1; all alike by default. No gradient flows
            to them.

        Raises
        ------
        ValueError
            If `p` are no probabilities, or more is asked for without `replace` than there is.
        ShapeError
            If `p` has not one entry for each element.
        """
        lengths = _shape("choice", shape)
        values = None if _is_count(a) else self._population("choice", a)
        if values is None:
            total = _size("choice", a)
        else:
            axis = normalized_axis("choice", axis, values.ndim)
            total = values.shape[axis]
        weights = None if p is None else _probabilities(p, total)
        indices = self._indices(total, math.prod(lengths), replace, weights)
        chosen = reshape(indices, lengths)
        return chosen if values is None else take(values, chosen, axis=axis)

    def _indices(
        self, total: int, count: int, replace: bool, weights: np.ndarray[Any, Any] | None
    ) -> Array:
        """`count` integers from 0 up to `total`, with the probabilities `weights`."""
        possible = total if weights is None else int(np.count_nonzero(weights))
        if count > possible and (not replace or possible == 0):
            raise ValueError(
                f"choice() has {possible} elements of probability above 0 to choose from, fewer "
                f"than the {count} asked for{'' if replace else '; pass replace=True'}"
            )
        if weights is None:
            if replace and count:
                return self.integers(total, shape=count)
            return self._order(total)[:count]
        if replace:
            # On the host: the library's sum of pieces may not grow from each element to the next.
            sums = np.cumsum(weights)
            bounds = asarray(sums / sums[-1:], device=self._device)
            return searchsorted(bounds, self.random(count), side="right")
        # The order in which events of these rates come first.
        rates = asarray(np.where(weights > 0, weights, 1.0), device=self._device)
        drawn = asarray(weights > 0, device=self._device)
        times = where(drawn, self.exponential(shape=total) / rates, math.inf)
        return argsort(times)[:count]

    def _order(self, n: int) -> Array:
        with self._lock:
            return self._made(self._stream.permutation(n), DEFAULT_INT)

    def _made(self, data: RawArray, dtype: DType, requires_grad: bool = False) -> Array:
        return _requiring(wrap(data, self._device.type(dtype)), requires_grad)

    def _population(self, name: str, x: Any) -> Array:
        """The elements to draw from: an Array of this device, of a dimension or more."""
        values = x if isinstance(x, Array) else asarray(x, device=self._device)
        self._require_device(name, values)
        if not values.ndim:
            raise ShapeError(f"{name}() needs an int or an array of a dimension or more, got 0-d")
        return values

    def _require_device(self, name: str, x: Array) -> None:
        if x.device is not self._device:
            raise DeviceError(
                f"{name}() of an array on {x.device!r} by a generator on {self._device!r}; move "
                f"the array, for example with x.to({str(self._device)!r})"
            )

    def _parameters(
        self,
        name: str,
        shape: int | tuple[int, ...] | None,
        dtype: DTypeLike | None,
        **given: Any,
    ) -> tuple[dict[str, Any], Shape, DType]:
        """Parameters as Arrays of the result's dtype, or as floats; its shape and dtype."""
        found: dict[str, Any] = {}
        for key, value in given.items():
            if isinstance(value, (int, float)):
                found[key] = float(value)
                continue
            if not isinstance(value, (Array, np.ndarray, np.generic)):
                raise TypeError(
                    f"{name}() takes real numbers and arrays, not {key} of type "
                    f"{type(value).__name__}"
                )
            x = value if isinstance(value, Array) else asarray(value, device=self._device)
            self._require_device(name, x)
            if x.dtype.kind not in "iuf":
                raise DTypeError(f"{name}() takes real parameters, not {key} of {x.dtype}")
            found[key] = x
        lengths = None if shape is None else _shape(name, shape)
        arrays = {key: x for key, x in found.items() if isinstance(x, Array)}
        if not arrays:
            return found, lengths or (), _float_dtype(name, dtype)
        if dtype is None:
            dtypes = [floating(x.dtype) for x in arrays.values()]
            wanted = promote(dtypes[0], dtypes[-1])
        else:
            wanted = _float_dtype(name, dtype)
        shapes = [x.shape for x in arrays.values()]
        require_broadcast(name, *shapes, *([] if lengths is None else [lengths]))
        together = np.broadcast_shapes(*shapes)
        if lengths is not None and np.broadcast_shapes(together, lengths) != lengths:
            raise ShapeError(
                f"{name}() has parameters of shape {together}, which do not broadcast to the "
                f"shape {lengths} asked for"
            )
        found.update({key: asarray(x, dtype=wanted) for key, x in arrays.items()})
        return found, together if lengths is None else lengths, wanted


def _resumed(device: Device, state: dict[str, Any]) -> Generator:
    """A generator as pickled or copied."""
    out = object.__new__(Generator)._start(_seeds_of(state["seeds"]), device)
    out.state = state
    return out


def _source_of(seeds: np.random.SeedSequence, device: Device) -> RandomSource:
    make = device.backend.random_source
    return HostSource(seeds, device) if make is None else make(seeds, device.raw)


def seed_sequence(seed: int | None) -> np.random.SeedSequence:
    """What spreads a seed over a generator's state, and makes children; `None` is fresh entropy."""
    if seed is None:
        return np.random.SeedSequence()
    try:
        value = operator.index(seed)
    except TypeError as error:
        raise TypeError(f"a seed is an int >= 0 or None, not {seed!r}") from error
    if value < 0:
        raise ValueError(f"a seed is an int >= 0 or None, not {value}")
    return np.random.SeedSequence(value)


def _seeds_of(state: dict[str, Any]) -> np.random.SeedSequence:
    key = tuple(state["spawn_key"])  # a list, where the state has been through JSON
    return np.random.SeedSequence(**state | {"spawn_key": key})


def _shape(name: str, shape: int | tuple[int, ...]) -> Shape:
    given = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        lengths = tuple(map(operator.index, given))
    except TypeError as error:
        raise TypeError(f"{name}() takes an int or a tuple of ints as shape, not {shape!r}") from (
            error
        )
    if any(length < 0 for length in lengths):
        raise ShapeError(f"{name}() needs a shape of ints >= 0, got {shape!r}")
    return lengths


def _float_dtype(name: str, dtype: DTypeLike | None) -> DType:
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    if wanted.kind != "f":
        raise DTypeError(
            f"{name}() draws float32 or float64, not {wanted}; make complex numbers of real and "
            "imaginary parts, and integers with integers()"
        )
    return wanted


def _integer(name: str, parameter: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name}() takes an int as {parameter}, not {value!r}") from error


def _is_count(x: Any) -> bool:
    return isinstance(x, (int, np.integer))


def _size(name: str, n: Any) -> int:
    if n < 0:
        raise ValueError(f"{name}() of an int needs it >= 0, got {n}")
    return int(n)


def _probabilities(p: Any, total: int) -> np.ndarray[Any, Any]:
    """`p` on the host in float64; a `ValueError` says why they are no probabilities."""
    given = p.numpy() if isinstance(p, Array) else np.asarray(p)
    if given.shape != (total,):
        raise ShapeError(
            f"choice() needs p with one entry for each of {total} elements, got shape {given.shape}"
        )
    if given.dtype.kind not in "biuf":
        raise DTypeError(f"choice() needs real probabilities p, not {given.dtype}")
    weights = given.astype(np.float64)
    if not np.all(weights >= 0):
        raise ValueError("choice() needs probabilities p >= 0, got negative ones or NaN")
    precision = np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps
    found = math.fsum(weights)
    if total and not abs(found - 1.0) <= math.sqrt(precision):
        raise ValueError(
            f"choice() needs probabilities p that sum to 1, got {found!r}; divide them by their sum"
        )
    return weights


def _refuse(wrong: Any, need: str, **given: Any) -> None:
    """`ValueError` if `wrong` is true, of a boolean Array anywhere."""
    if holds(any_of(wrong) if isinstance(wrong, Array) else wrong):
        shown = (
            f"{name} of shape {x.shape}" if getattr(x, "ndim", 0) else f"{name}={x}"
            for name, x in given.items()
        )
        raise ValueError(f"{need}, got {' and '.join(shown)}")


def _requiring(out: Array, requires_grad: bool) -> Array:
    if requires_grad:
        out.requires_grad = True
    return out
