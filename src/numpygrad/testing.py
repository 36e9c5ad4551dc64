"""For authors of ops and backends: samples of every op, gradient checks, a backend's contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import numpygrad as npg
from numpygrad import _backend
from numpygrad._array import Array
from numpygrad._op import BY_NAME, REAL, Domain, Op
from numpygrad._transforms import jvp, leaves_of, rebuilt, vjp
from numpygrad.typing import Shape

Values = np.ndarray[Any, Any]

REAL_ONLY = frozenset(
    {"atan2", "clip_high", "clip_low", "copysign", "erf", "hypot", "log_softmax", "logaddexp"}
    | {"logsumexp", "max", "maximum", "min", "minimum", "relu", "remainder", "sigmoid", "softmax"}
    | {"softplus", "std"}
)
"""Differentiable ops that the standard, or mathematics, defines for real arrays alone."""


@dataclass(frozen=True)
class Sample:
    """One way to call an op: the call, and the operands it is called with."""

    op: Op
    label: str
    call: Callable[..., Array]
    shapes: tuple[Shape, ...]
    domains: tuple[Domain, ...]

    def __str__(self) -> str:
        return f"{self.op.name}-{self.label}"

    def operands(self, dtype: str = "float64", seed: int = 0) -> list[Values]:
        """Random operands inside the domain; distinct, so that no two elements tie."""
        rng = np.random.default_rng(seed)
        return [
            draw(shape, d, dtype, rng) for shape, d in zip(self.shapes, self.domains, strict=True)
        ]


def draw(shape: Shape, domain: Domain, dtype: str, rng: np.random.Generator) -> Values:
    """Values inside `domain`, away from its kink; complex ones with an imaginary part as well."""
    margin = 0.05 * (domain.high - domain.low)
    values = rng.uniform(domain.low + margin, domain.high - margin, size=shape)
    if domain.avoid is not None:
        away = values - domain.avoid
        values = domain.avoid + np.where(away < 0, away - margin, away + margin)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.uniform(-0.4, 0.4, size=shape)
    return np.asarray(values, dtype=dtype)


ELEMENTWISE_SHAPES: dict[int, tuple[tuple[Shape, ...], ...]] = {
    1: (((2, 3),), ((),), ((0, 2),)),
    2: (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((0, 2), (2,))),
}


def _index(values: Any, like: Array) -> Array:
    """Indices, a mask, or factors, on the device of `like`; factors in its dtype."""
    host = np.asarray(values)
    return npg.asarray(
        host.astype(like.dtype) if host.dtype.kind == "f" else host, device=like.device
    )


def _where(x1: Array, x2: Array) -> Array:
    return npg.where(_index([True, False, True], x1), x1, x2)


def _calls() -> dict[str, list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]]:
    """The calls of ops that are not elementwise: a label, the call, the shapes of its operands."""
    matrix, vector = (2, 3), (3,)
    ops = npg.ops
    return {
        "cast": [("same", lambda x: ops.data_types.cast(x, dtype=x._type.raw_dtype), (matrix,))],
        "broadcast_to": [
            ("new-axis", lambda x: npg.broadcast_to(x, (2, 3)), (vector,)),
            ("length-1", lambda x: npg.broadcast_to(x, (4, 2, 3)), ((2, 1),)),
        ],
        "concat": [
            ("axis-0", lambda a, b: npg.concat([a, b]), (matrix, (1, 3))),
            ("axis-1", lambda a, b: npg.concat([a, b, a], axis=-1), (matrix, (2, 2))),
            ("flat", lambda a, b: npg.concat([a, b], axis=None), (matrix, vector)),
        ],
        "conj": [("matrix", npg.conj, (matrix,))],
        "cumulative_prod": [
            ("axis-1", lambda x: npg.cumulative_prod(x, axis=1), (matrix,)),
            ("initial", lambda x: npg.cumulative_prod(x, include_initial=True), (vector,)),
            ("zero", lambda x: npg.cumulative_prod(x * _index([1.0, 0.0, 1.0], x)), (vector,)),
        ],
        "cumulative_sum": [
            ("axis-0", lambda x: npg.cumulative_sum(x, axis=0), (matrix,)),
            ("initial", lambda x: npg.cumulative_sum(x, axis=1, include_initial=True), (matrix,)),
        ],
        "expand_dims": [("middle", lambda x: npg.expand_dims(x, axis=1), (matrix,))],
        "flip": [
            ("all", lambda x: npg.flip(x), (matrix,)),
            ("axis-1", lambda x: npg.flip(x, axis=1), (matrix,)),
        ],
        "gather": [
            ("repeats", lambda x: x[_index([0, 1, 1, -1], x)], ((3, 2),)),
            ("mask", lambda x: x[_index([[True, False, True], [False, True, True]], x)], (matrix,)),
            ("mixed", lambda x: x[1:, _index([0, 0, 2], x)], (matrix,)),
            ("pairs", lambda x: x[_index([0, 1, 0], x), _index([2, 1, 2], x)], (matrix,)),
        ],
        "imag": [("matrix", npg.imag, (matrix,))],
        "log_softmax": [
            ("last", lambda x: npg.log_softmax(x), (matrix,)),
            ("axis-0", lambda x: npg.log_softmax(x, axis=0), (matrix,)),
        ],
        "logsumexp": [
            ("all", lambda x: npg.logsumexp(x), (matrix,)),
            ("axis-1", lambda x: npg.logsumexp(x, axis=1), (matrix,)),
            ("kept", lambda x: npg.logsumexp(x, axis=(0, 1), keepdims=True), (matrix,)),
        ],
        "matmul": [
            ("matrices", npg.matmul, (matrix, (3, 4))),
            ("stacks", npg.matmul, ((2, 1, 2, 3), (4, 3, 2))),
            ("stack-matrix", npg.matmul, ((2, 2, 3), (3, 2))),
            ("vectors", npg.matmul, (vector, vector)),
            ("row", npg.matmul, (vector, (3, 2))),
            ("column", npg.matmul, ((2, 2, 3), vector)),
        ],
        "max": _reductions(npg.max),
        "min": _reductions(npg.min),
        "permute_dims": [("three", lambda x: npg.permute_dims(x, (2, 0, 1)), ((2, 3, 4),))],
        "prod": [
            *_reductions(npg.prod),
            ("zero", lambda x: npg.prod(x * _index([1.0, 0.0, 1.0], x), axis=-1), (matrix,)),
            ("zeros", lambda x: npg.prod(x * _index([0.0, 0.0, 1.0], x), axis=-1), (matrix,)),
        ],
        "put": [
            ("slice", lambda x, v: ops.indexing.put(x, v, key=(slice(None), 1)), (matrix, (2,))),
            ("row", lambda x, v: ops.indexing.put(x, v, key=0), (matrix, vector)),
            ("broadcast", lambda x, v: ops.indexing.put(x, v, key=slice(1, None)), (vector, (1,))),
            (
                "repeats",
                lambda x, v: ops.indexing.put(x, v, key=ops.indexing.as_raw_key(x, [0, 2, 0])),
                (vector, vector),
            ),
        ],
        "real": [("matrix", npg.real, (matrix,))],
        "reshape": [
            ("flat", lambda x: npg.reshape(x, (-1,)), (matrix,)),
            ("copy", lambda x: npg.reshape(x.mT, (2, 3), copy=True), (matrix,)),
        ],
        "roll": [
            ("axis-1", lambda x: npg.roll(x, 1, axis=1), (matrix,)),
            ("both", lambda x: npg.roll(x, (1, -2), axis=(0, 1)), (matrix,)),
            ("flat", lambda x: npg.roll(x, 2), (matrix,)),
        ],
        "scatter": [
            (
                "repeats",
                lambda g: ops.indexing.scatter(g, key=_index([0, 2, 0], g), shape=(4,)),
                (vector,),
            ),
            ("slice", lambda g: ops.indexing.scatter(g, key=slice(1, 4), shape=(5,)), (vector,)),
        ],
        "select": [
            ("int", lambda x: x[1], (matrix,)),
            ("slices", lambda x: x[::-1, 1:], (matrix,)),
            ("new-axis", lambda x: x[None, ..., 0], (matrix,)),
            ("element", lambda x: x[0, 1], (matrix,)),
        ],
        "softmax": [
            ("last", lambda x: npg.softmax(x), (matrix,)),
            ("both", lambda x: npg.softmax(x, axis=(0, 1)), (matrix,)),
        ],
        "squeeze": [("two", lambda x: npg.squeeze(x, axis=(0, 2)), ((1, 3, 1),))],
        "stack": [
            ("axis-0", lambda a, b: npg.stack([a, b]), (vector, vector)),
            ("axis-1", lambda a, b: npg.stack([a, b, a], axis=1), (vector, vector)),
        ],
        "std": [
            *_reductions(npg.std),
            ("correction", lambda x: npg.std(x, axis=1, correction=1), (matrix,)),
        ],
        "sum": [*_reductions(npg.sum), ("none", lambda x: npg.sum(x, axis=()), (matrix,))],
        "take": [
            ("repeats", lambda x: npg.take(x, _index([2, 0, 2], x), axis=1), (matrix,)),
            ("matrix", lambda x: npg.take(x, _index([[1, 0], [1, 1]], x)), (vector,)),
        ],
        "take_along_axis": [
            (
                "axis-1",
                lambda x: npg.take_along_axis(x, _index([[2, 0], [1, 1]], x), axis=1),
                (matrix,),
            ),
        ],
        "transfer": [("copy", npg.copy, (matrix,))],
        "tril": [("below", lambda x: npg.tril(x, k=-1), ((2, 3, 3),))],
        "triu": [("above", lambda x: npg.triu(x, k=1), ((3, 3),))],
        "where": [("broadcast", _where, (matrix, vector))],
    }


def _reductions(
    function: Callable[..., Array],
) -> list[tuple[str, Callable[..., Array], tuple[Shape, ...]]]:
    return [
        ("all", lambda x: function(x), ((2, 3),)),
        ("axis-0", lambda x: function(x, axis=0), ((2, 3),)),
        ("kept", lambda x: function(x, axis=(0, -1), keepdims=True), ((2, 3, 2),)),
    ]


def samples(name: str | None = None) -> Iterator[Sample]:
    """Samples of the differentiable op `name`, of all of them by default.

    Elementwise ops get theirs from their row: shapes that broadcast, 0-d and empty ones, inside the
    domain.

    Raises
    ------
    KeyError
        If a row that is not elementwise has no sample here.
    """
    calls = _calls()
    for op in [BY_NAME[name]] if name is not None else list(BY_NAME.values()):
        if op.kind == "elementwise":
            for shapes in ELEMENTWISE_SHAPES[len(op.arrays)]:
                label = "x".join(str(s).replace(" ", "") for s in shapes)
                yield Sample(op, label, op.function, shapes, op.domain)
        elif op.differentiable:
            for label, call, shapes in calls[op.name]:
                domain = op.domain[0] if op.domain else REAL
                yield Sample(op, label, call, shapes, (domain,) * len(shapes))


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
