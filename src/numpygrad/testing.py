"""For authors of ops and backends: samples of every op, gradient checks, a backend's contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import numpygrad as npg
from numpygrad import _backend
from numpygrad._array import Array
from numpygrad._samples import REAL_ONLY, Sample, samples
from numpygrad._transforms import jvp, leaves_of, rebuilt, vjp

__all__ = ["REAL_ONLY", "Sample", "check_backend", "check_grads", "samples"]


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Compare derivatives with central differences along random directions.

    For cotangents g and tangents t, `Re <g, J t>` with the Jacobian J by differences must be
    `Re <J* g, t>` in reverse mode and be met by `J t` in forward mode; then the same for the
    derivative itself, up to `order`.

    Parameters
    ----------
    function
        Of Arrays, smooth at `args`; returns an Array, or nested lists, tuples and dicts of them.
    args
        Arrays, NumPy arrays or floats: float64 or complex128; differences of less are too coarse.
    order
        The highest derivative to check.
    modes
        Which of `"reverse"` and `"forward"`.
    rtol, atol
        Tolerance of the comparison, relative to the larger side; ten times wider at each higher
        order.
    seed
        Of the random directions.
    device
        Where to run; that of `args`, or the default device.

    Raises
    ------
    AssertionError
        With order, mode, both numbers and the seed, if they differ.
    DTypeError
        If an argument is not float64 or complex128.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.testing import check_grads
    >>> check_grads(lambda x: npg.sin(x) * x, [npg.array([0.5, 1.0])])
    """
    arrays = [
        npg.array(
            a.numpy() if isinstance(a, Array) else np.asarray(a),
            device=device or getattr(a, "device", None) if isinstance(a, Array) or device else None,
        )
        for a in args
    ]
    for x in arrays:
        if x.dtype not in (npg.float64, npg.complex128):
            raise npg.errors.DTypeError(f"check_grads() needs float64 or complex128, got {x.dtype}")
    rng = np.random.default_rng(seed)
    _check_order(function, arrays, order, 1, tuple(modes), (rtol, atol), rng, seed)


def _direction(x: Array, rng: np.random.Generator) -> Array:
    values = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        values = values + 1j * rng.standard_normal(x.shape)
    return npg.asarray(np.asarray(values, dtype=x.dtype), device=x.device)


def _inner(a: Sequence[Array], b: Sequence[Array]) -> float:
    """The real part of the inner product."""
    pairs = zip(a, b, strict=True)
    return float(sum(np.sum((np.conj(x.numpy()) * y.numpy()).real) for x, y in pairs))


def _difference(
    function: Callable[..., Any], args: Sequence[Array], tangents: Sequence[Array]
) -> list[Array]:
    """The directional derivative by a central difference of fourth order."""
    step = 1e-3
    with npg.no_grad():

        def at(scale: float) -> list[Array]:
            moved = [x + t * scale for x, t in zip(args, tangents, strict=True)]
            return leaves_of(function(*moved))

        near = zip(at(step), at(-step), strict=True)
        far = zip(at(2 * step), at(-2 * step), strict=True)
        return [
            ((a - b) * 8.0 - (c - d)) * (1 / (12 * step))
            for (a, b), (c, d) in zip(near, far, strict=True)
        ]


def _check_order(
    function: Callable[..., Any],
    args: list[Array],
    order: int,
    depth: int,
    modes: tuple[str, ...],
    tolerances: tuple[float, float],
    rng: np.random.Generator,
    seed: int,
) -> None:
    tangents = [_direction(x, rng) for x in args]
    with npg.no_grad():
        outputs = leaves_of(function(*args))
    cotangents = [_direction(y, rng) for y in outputs]
    expected = _inner(cotangents, _difference(function, args, tangents))
    rtol, atol = tolerances[0] * 10.0 ** (depth - 1), tolerances[1] * 10.0 ** (depth - 1)

    def compare(mode: str, found: float) -> None:
        if not abs(found - expected) <= atol + rtol * max(abs(found), abs(expected)):
            raise AssertionError(
                f"{mode} mode, derivative {depth}: {found!r}, but {expected!r} by differences "
                f"(seed {seed}, arguments of shapes {[x.shape for x in args]})"
            )

    if "reverse" in modes:
        result, pullback = vjp(function, *args)
        pulled = leaves_of(list(pullback(rebuilt(result, cotangents))))
        compare("reverse", _inner(pulled, tangents))
        for x, p in zip(args, pulled, strict=True):
            if p.shape != x.shape or p.dtype != x.dtype:
                raise AssertionError(
                    f"a gradient is {p.shape} {p.dtype}, its input {x.shape} {x.dtype}"
                )
    if "forward" in modes:
        _, pushed = jvp(function, args, tangents)
        compare("forward", _inner(cotangents, leaves_of(pushed)))
    if depth == order:
        return
    if "reverse" in modes:
        higher = _gradient_of(function, cotangents)
    else:
        higher = _tangent_of(function, tangents)
    _check_order(higher, args, order, depth + 1, modes, tolerances, rng, seed)


def _gradient_of(function: Callable[..., Any], cotangents: Sequence[Array]) -> Callable[..., Any]:
    """The function of the arguments that gives the cotangents of the arguments."""

    def gradient(*args: Array) -> Any:
        with npg.enable_grad():
            result, pullback = vjp(function, *args)
            return pullback(rebuilt(result, cotangents))

    return gradient


def _tangent_of(function: Callable[..., Any], tangents: Sequence[Array]) -> Callable[..., Any]:
    def tangent(*args: Array) -> Any:
        with npg.enable_grad():
            return jvp(function, args, tangents)[1]

    return tangent


def check_backend(name: str) -> None:
    """The contract of a backend: its verbs, and every op's values and derivatives against NumPy's.

    Raises
    ------
    BackendError
        If the backend is unknown or not installed.
    AssertionError
        That names the verb or the sample, if the contract is broken.
    """
    backend = _backend.find_backend(name)
    device = _backend.find_device_of(backend, "")
    _check_verbs(backend, device)
    _check_random(device)
    for sample in samples():
        for dtype in ("float64", "float32"):
            operands = sample.operands(dtype)
            reference = sample.call(*(npg.asarray(v, device="numpy:cpu") for v in operands))
            found = sample.call(*(npg.asarray(v, device=device) for v in operands))
            _agree(f"{sample} in {dtype}", found, reference)
        check_grads(sample.call, sample.operands(), order=1, device=device)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_verbs(backend: _backend.Backend, device: _backend.Device) -> None:
    """Round trips, names and writes, on small arrays of every dtype."""
    _require(
        backend.resolve(device.removeprefix(f"{backend.name}:")) == str(device),
        "resolve() of a canonical name is not itself",
    )
    for dtype in npg.__array_namespace_info__().dtypes():
        values = np.asarray([[0, 1], [1, 0]], dtype=dtype)
        x = npg.asarray(values, device=device)
        _require(backend.is_raw(x.data), f"is_raw() is false of its own {dtype} array")
        _require(backend.device_name(x.data) == str(device), f"device_name() is not {device!r}")
        _require(x.dtype == dtype, f"asarray() of {dtype} gives {x.dtype}")
        _require(bool(np.all(x.numpy() == values)), f"to_numpy() of {dtype} changed the values")
        x[0] = x[1]
        _require(
            x.tolist() == [values[1].tolist()] * 2, f"assign() of {dtype} wrote something else"
        )
    total = npg.asarray([1.0, 2.0], device=device)
    added = backend.accumulate(npg.copy(total).data, total.data, True)
    _require(backend.to_numpy(added).tolist() == [2.0, 4.0], "accumulate() does not add")


def _check_random(device: _backend.Device) -> None:
    """Shape, dtype and range of random numbers; the same ones of the same seed and state."""
    rng, again = (npg.random.Generator(7, device=device) for _ in range(2))
    for dtype in ("float32", "float64", "int8", "int64", "uint64"):
        found, repeated = _random_numbers(rng, dtype), _random_numbers(again, dtype)
        for x in found:
            given = device.type_of(x.data).dtype
            _require(
                x.shape == (2, 3) and given == dtype,
                f"random numbers of shape (2, 3) and {dtype} have {x.shape} and {given}",
            )
        low, high = (0, 1) if dtype.startswith("float") else (npg.iinfo(dtype).max - 3, np.inf)
        within = [low <= value <= high for value in found[0].numpy().ravel().tolist()]
        _require(all(within), f"random numbers of {dtype} are out of their range: {found[0]}")
        same = [x.tolist() == y.tolist() for x, y in zip(found, repeated, strict=True)]
        _require(all(same), f"random numbers of {dtype} differ for the same seed")
    _require(sorted(rng.permutation(5).tolist()) == [*range(5)], "permutation() leaves out some")
    again.state = rng.state
    _require(again.random(3).tolist() == rng.random(3).tolist(), "a state does not resume")
    _require(rng.random(3).tolist() != rng.random(3).tolist(), "random() repeats itself")


def _random_numbers(rng: npg.random.Generator, dtype: str) -> list[Array]:
    """Six of a dtype by each verb that gives it; of integers, the first are the dtype's largest."""
    if dtype.startswith("float"):
        return [rng.random((2, 3), dtype=dtype), rng.standard_normal((2, 3), dtype=dtype)]
    limits = npg.iinfo(dtype)
    lows = (limits.max - 3, limits.min)
    return [rng.integers(low, limits.max, (2, 3), dtype=dtype, endpoint=True) for low in lows]


def _agree(what: str, found: Array, reference: Array) -> None:
    _require(
        found.dtype == reference.dtype, f"{what}: dtype {found.dtype}, NumPy's {reference.dtype}"
    )
    _require(
        found.shape == reference.shape, f"{what}: shape {found.shape}, NumPy's {reference.shape}"
    )
    tolerance = 1e-5 if found.dtype in (npg.float32, npg.complex64) else 1e-12
    close = np.allclose(
        found.numpy(), reference.numpy(), rtol=tolerance, atol=tolerance, equal_nan=True
    )
    _require(close, f"{what}: {found.numpy()} differs from NumPy's {reference.numpy()}")
