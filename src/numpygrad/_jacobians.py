"""Whole matrices of derivatives, and their products with vectors.

The function is recorded once. Then the cotangents of all its results, or the tangents of all its
arguments, go through the record at once: `vmap` over the rows, or columns, of an identity.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._batching import vmap
from numpygrad._batching.sweep import pulled_at_once
from numpygrad._engine import seed_for, zeros_of
from numpygrad._forward import stopped, tangents_of
from numpygrad._node import Node
from numpygrad._progress import Progress
from numpygrad._transforms import (
    as_leaf,
    chosen_of,
    depends_on_others,
    detached,
    grad,
    is_nested,
    jvp,
    pair_of,
    pulled_by,
    require_arguments,
    require_function,
    traced,
    vjp,
)
from numpygrad._tree import Tree, leaves_of, rebuilt
from numpygrad.errors import DerivativeError, DTypeError, ShapeError
from numpygrad.ops.creation import eye, ones_like
from numpygrad.ops.data_types import finfo
from numpygrad.ops.elementwise import conj
from numpygrad.ops.manipulation import concat, moveaxis, reshape, stack
from numpygrad.ops.searching import where
from numpygrad.ops.statistical import sum as sum_of

MODES = ("reverse", "forward")
_SILENT = Progress("", shown=False)


def jacobian(
    function: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    mode: str | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of another: all derivatives of all its results.

    Parameters
    ----------
    function
        Returns an Array, or nested lists, tuples, dicts and dataclasses of them; with `has_aux` a
        pair of that and anything else.
    argnums
        Which positional arguments to differentiate with respect to, as for `grad`.
    mode
        `"reverse"` sends a cotangent back for each element of the result, `"forward"` a tangent
        forward for each element of the arguments. By default, whichever are fewer.
    holomorphic
        Promises that the function is complex differentiable; complex arguments need it.
    batch_size
        How many rows, or columns, are computed at once: all, by default. Memory grows with it.
    progress
        Show how far it is, in twenty steps if `batch_size` does not say otherwise.

    Returns
    -------
    callable
        Takes the arguments of `function`. For a result of shape `m` and an argument of shape `n`
        the Jacobian has shape `(*m, *n)`. For nested ones it has the structure of the result, and
        in place of each Array that of the arguments. With `has_aux`, a pair of it and the rest.

    Raises
    ------
    DTypeError
        If an argument is complex and `holomorphic` is not promised, or a result is no floating one.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0])
    >>> print(npg.jacobian(lambda x: npg.stack([x[0] * x[1], x[1] ** 2, x.sum()]))(x))
    [[2. 1.]
     [0. 4.]
     [1. 1.]]
    """
    require_function("jacobian", function)
    if mode not in (None, *MODES):
        raise ValueError(f"mode is 'reverse', 'forward' or None, not {mode!r}")
    _require_positive(batch_size)
    chosen = chosen_of(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        result, inputs = traced(function, args, chosen, kwargs)
        result, aux = pair_of("jacobian", result) if has_aux else (result, None)
        record = _Record(leaves_of(result), inputs)
        record.check(holomorphic=holomorphic)
        nested = is_nested(args, chosen) or depends_on_others(result, inputs)
        rows, columns = (sum(x.size for x in arrays) for arrays in record)
        forward = mode == "forward" or (mode is None and columns < rows)
        blocks = _forward if forward else _reverse
        with (
            contextlib.nullcontext() if nested else _modes.unrecorded(),
            Progress("jacobian", total=columns if forward else rows, shown=progress) as shown,
        ):
            step = batch_size or (
                max(1, math.ceil((columns if forward else rows) / 20)) if progress else None
            )
            every = blocks(record, step, shown)
        found = iter(stopped(every))
        several = isinstance(argnums, Sequence)
        argument = tuple(args[i] for i in chosen) if several else args[chosen[0]]
        parts = [rebuilt(argument, [next(found) for _ in inputs]) for _ in record.outputs]
        whole = rebuilt(result, parts)
        return (whole, detached(aux, nested)) if has_aux else whole

    return differentiated


def _require_positive(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is a positive number or None, not {batch_size}")


class _Record(NamedTuple):
    """What a function gave, and the arguments it was recorded from."""

    outputs: list[Any]
    inputs: list[Array]

    def check(self, *, holomorphic: bool) -> None:
        """Refuse what has no Jacobian."""
        for y in self.outputs:
            if not isinstance(y, Array) or not y._type.is_floating:
                what = y.dtype if isinstance(y, Array) else type(y).__name__
                raise DTypeError(
                    f"jacobian() is of functions that return floating Arrays, this gives {what}; "
                    "pass has_aux=True for what is not to be differentiated"
                )
        if not holomorphic and any(x._type.is_complex for x in self.inputs):
            raise DTypeError(
                "jacobian() with respect to a complex array is that of holomorphic functions: pass "
                "holomorphic=True if this is one, or take real and imaginary part apart"
            )


def _in_batches(
    function: Callable[[Array], Any], like: Array, step: int | None, shown: Progress
) -> list[Array]:
    """What a function gives for stacked arrays, each with one element of `like` 1, the others 0."""
    size = like.size
    basis = eye(size, dtype=like.dtype, device=like.device)
    step = step or max(size, 1)
    found = []
    for start in range(0, max(size, 1), step):
        part = basis if step >= size else basis[start : min(start + step, size), :]
        found.append(function(reshape(part, (part.shape[0], *like.shape))))
        shown.advance(part.shape[0])
    return [p[0] if len(p) == 1 else concat(p) for p in map(list, zip(*found, strict=True))]


def _reverse(record: _Record, step: int | None, shown: Progress) -> list[Array]:
    """The blocks, those of each output together, by cotangents."""
    blocks = []
    for y in record.outputs:

        def pull(seeds: Array, y: Array = y) -> list[Array]:
            return _pulled_all(y, seeds, record.inputs)

        if y.size == 1 and not y._type.is_complex:
            rows, _ = pulled_by(y, seed_for(y, None), record.inputs, nested=False)
            shown.advance()
        else:
            rows = _in_batches(pull, y, step, shown)
        if y._type.is_complex:
            rows = _complex_rows(y, rows, record, pull, step)
        shapes = [(*y.shape, *x.shape) for x in record.inputs]
        blocks += [
            row if row.shape == shape else reshape(row, shape)
            for row, shape in zip(rows, shapes, strict=True)
        ]
    return blocks


def _pulled_all(y: Array, seeds: Array, inputs: Sequence[Array]) -> list[Array]:
    """For each of stacked cotangents those of the inputs, stacked."""

    def pull(seed: Array) -> list[Array]:
        return pulled_by(y, seed, inputs, nested=False)[0]

    if _modes.is_grad_enabled() or _modes.is_lazy():
        return vmap(pull)(seeds)  # type: ignore[no-any-return]  # what `pull` returns
    found = pulled_at_once(y, seeds, inputs)
    if found is not None:
        return found
    if not seeds.shape[0]:
        return [zeros_of(x._type, (0, *x.shape)) for x in inputs]
    return [stack(rows) for rows in zip(*map(pull, seeds), strict=True)]


def _complex_rows(
    y: Array,
    rows: list[Array],
    record: _Record,
    pull: Callable[[Array], list[Array]],
    step: int | None,
) -> list[Array]:
    """Rows of a complex result: `pull` gives conjugates, and real parts to real arguments."""
    turned = _in_batches(lambda seeds: pull(seeds * 1j), y, step, _SILENT)
    return [
        conj(row) if x._type.is_complex else row + 1j * reshape(other, row.shape)
        for x, row, other in zip(record.inputs, rows, turned, strict=True)
    ]


def _forward(record: _Record, step: int | None, shown: Progress) -> list[Array]:
    """The blocks, those of each output together, by tangents."""
    by_input = []
    for x in record.inputs:

        def push(t: Array, x: Array = x) -> list[Array]:
            seeds = {cast("Node", x._node): t}
            # Recorded if anything is: where no derivative is taken of it, recording is off.
            return tangents_of(record.outputs, seeds, nested=True)[0]

        columns = _in_batches(vmap(push), x, step, shown)
        by_input.append(
            [
                reshape(moveaxis(column, 0, -1), (*y.shape, *x.shape))
                for y, column in zip(record.outputs, columns, strict=True)
            ]
        )
    return [block for of_output in zip(*by_input, strict=True) for block in of_output]


def hessian(
    function: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Hessian of a scalar function: all its second derivatives.

    It is the Jacobian of the gradient, by reverse mode over reverse mode; arguments as for
    `jacobian`. Of an argument of shape `n` it has shape `(*n, *n)`; for nested ones it is nested
    twice.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.hessian(lambda x: x[0] ** 2 * x[1])(npg.array([1.0, 2.0])))
    [[4. 2.]
     [2. 0.]]
    """
    return jacobian(
        grad(function, argnums, has_aux=has_aux),
        argnums,
        mode="reverse",
        has_aux=has_aux,
        batch_size=batch_size,
        progress=progress,
    )


def _as_tuples(name: str, primals: Any, tangents: Any) -> tuple[Any, Any, bool]:
    """Arguments and tangents as tuples; whether it was a single argument."""
    if isinstance(primals, tuple) != isinstance(tangents, tuple):
        raise TypeError(
            f"{name}() takes primals and tangents alike: tuples with one entry for each argument, "
            "or one argument and its tangent"
        )
    single = not isinstance(primals, tuple)
    return ((primals,), (tangents,), True) if single else (primals, tangents, False)


def hvp(function: Callable[..., Any], primals: Any, tangents: Any) -> Tree:
    """The product of the Hessian of a scalar function with a vector, without the Hessian.

    It takes a small multiple of the function's own time and memory: forward mode over reverse mode.

    Parameters
    ----------
    function
        Returns an Array of one element.
    primals, tangents
        The arguments, and the vector, of the same structure, shapes and dtypes: for a function of
        one argument, it and its tangent; else tuples with one entry for each.

    Returns
    -------
    tree
        Of the structure of `primals`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x, v = npg.array([1.0, 2.0]), npg.array([1.0, 0.0])
    >>> npg.hvp(lambda x: x[0] ** 2 * x[1], x, v)
    Array([4., 2.])
    """
    primals, tangents, single = _as_tuples("hvp", primals, tangents)
    every = tuple(range(len(primals)))
    found = jvp(grad(function, every), primals, tangents)[1]
    return found[0] if single else found


def gvp(
    function: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    loss: Callable[..., Any] | None = None,
) -> Tree:
    """The product of the Gauss-Newton matrix `J^T H J` of a function with a vector.

    `J` is the Jacobian of the function, `H` the Hessian of the `loss` of its result: the identity
    by default, as for a sum of squares (half of it). For a convex loss the matrix is positive
    semidefinite, which the Hessian need not be. Neither matrix is made. `J^T` is the conjugate
    transpose for complex arrays.

    Parameters
    ----------
    function
        Returns the residuals, or the predictions that `loss` takes.
    primals, tangents
        As for `hvp`.
    loss
        Of the function's result; returns an Array of one element.

    Source: N. N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient
    descent", Neural Computation 14 (2002).

    Examples
    --------
    >>> import numpygrad as npg
    >>> x, v = npg.array([1.0, 2.0]), npg.array([1.0, 0.0])
    >>> npg.gvp(lambda x: npg.stack([x[0] * x[1], x[1]]), x, v)
    Array([4., 2.])
    """
    primals, tangents, single = _as_tuples("gvp", primals, tangents)
    y, pullback = vjp(function, *primals)
    _, pushed = jvp(function, primals, tangents)
    found = pullback(pushed if loss is None else jvp(grad(loss), (y,), (pushed,))[1])
    return found[0] if single else found


def elementwise_grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0
) -> Callable[..., Any]:
    """A function that returns the derivative of an elementwise function, element by element.

    Each element of the result of `function` depends on the same element of its argument alone: then
    the sum of its rows is the diagonal of the Jacobian. Nests, for higher derivatives.

    Raises
    ------
    ShapeError
        If the result has another shape than an argument it is differentiated by.
    DerivativeError
        If the argument is complex, and the function is not complex differentiable there.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([0.0, 1.0])
    >>> npg.elementwise_grad(npg.elementwise_grad(lambda x: x**3))(x)
    Array([0., 6.])
    """
    chosen = chosen_of(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        require_arguments(args, chosen)
        found = tuple(_slope(function, i, args, kwargs) for i in chosen)
        return found if isinstance(argnums, Sequence) else found[0]

    return differentiated


def _slope(
    function: Callable[..., Any], argnum: int, args: Sequence[Any], kwargs: dict[str, Any]
) -> Array:
    def of_one(x: Array) -> Any:
        return function(*args[:argnum], x, *args[argnum:][1:], **kwargs)

    x = as_leaf(args[argnum])
    if not x._type.is_complex:
        y, pullback = vjp(of_one, x)
        _require_shape(y, x)
        if not y._type.is_complex:
            slope: Array = pullback(ones_like(y))[0]
            return slope
    y, along_real = jvp(of_one, (x,), (ones_like(x),))
    _require_shape(y, x)
    slope = along_real
    if x._type.is_complex:
        along_imaginary = jvp(of_one, (x,), (ones_like(x) * 1j,))[1]
        apart = abs(along_imaginary - along_real * 1j)
        noise = 64 * float(finfo(x.dtype).eps) * (1 + abs(y))
        differs = apart > 1e-6 * (abs(along_imaginary) + abs(along_real)) + noise
        if _modes.tracing() is not None:  # nobody knows yet
            return where(differs, math.nan, slope)
        if differs.any():
            raise DerivativeError(
                "elementwise_grad() of a function that is not complex differentiable here, as abs "
                "or real; take derivatives by real and imaginary part"
            )
    return slope


def _require_shape(y: Any, x: Array) -> None:
    if not isinstance(y, Array) or y.shape != x.shape:
        raise ShapeError(
            f"elementwise_grad() is of functions whose result has the shape of the argument, "
            f"{x.shape}, not {getattr(y, 'shape', type(y).__name__)}; use jacobian()"
        )


def divergence(
    function: Callable[..., Any], argnums: int = 0, *, batch_size: int | None = None
) -> Callable[..., Array]:
    """A function that returns the divergence of a vector field: the trace of its Jacobian.

    The field takes an Array, one of its arguments, and returns one of the same shape. `vmap` of the
    divergence gives that at many points. Of the Jacobian no more than `batch_size` rows are held at
    once.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.divergence(lambda x: x**2)(npg.array([1.0, 2.0, 3.0]))
    Array(12.)
    """
    _require_positive(batch_size)
    argnums = operator.index(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Array:
        y, inputs = traced(function, args, (argnums,), kwargs)
        if len(inputs) != 1 or not isinstance(y, Array) or y.shape != inputs[0].shape:
            raise ShapeError(
                "divergence() is of functions of one Array that return one of its shape, not from "
                f"{[x.shape for x in inputs]} to {getattr(y, 'shape', type(y).__name__)}"
            )
        _Record([y], inputs).check(holomorphic=False)
        nested = is_nested(args, (argnums,)) or depends_on_others(y, inputs)

        def diagonal(seeds: Array) -> list[Array]:
            (rows,) = _pulled_all(y, seeds, inputs)
            return [sum_of(rows * seeds)[None]]

        with contextlib.nullcontext() if nested else _modes.unrecorded():
            (found,) = _in_batches(diagonal, y, batch_size, _SILENT)
            trace = sum_of(found)
        return stopped([trace])[0]

    return differentiated


def laplacian(
    function: Callable[..., Any], argnums: int = 0, *, batch_size: int | None = None
) -> Callable[..., Array]:
    """A function that returns the Laplacian of a scalar function: the trace of its Hessian.

    Arguments as for `divergence`, of which it is that of the gradient.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.laplacian(lambda x: (x**3).sum())(npg.array([1.0, 2.0]))
    Array(18.)
    """
    return divergence(grad(function, argnums), argnums, batch_size=batch_size)
