"""Derivatives of functions: `grad`, `value_and_grad`, `vjp`, `jvp`; `stop_gradient`.

Arguments and results may be nested structures of Arrays: see `_tree`. Each call makes its own nodes
for the arguments it differentiates, so nested calls do not confuse each other.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._dispatch import convert, in_mode, record
from numpygrad._engine import cotangents, own_gradients, seed_for, zeros_of
from numpygrad._forward import nodes_behind, stopped, tangents_of
from numpygrad._node import Node, leaf
from numpygrad._op import BY_NAME
from numpygrad._tree import Tree, leaves_like, leaves_of, rebuilt
from numpygrad.errors import DeviceError, DTypeError, ShapeError
from numpygrad.ops.creation import asarray


def array_of(x: Any) -> Array | None:
    """A leaf as an Array, an integer of Python's as a float; `None` if it is no number."""
    if isinstance(x, Array):
        return x
    if isinstance(x, (int, float, complex, np.ndarray, np.generic)):
        return asarray(float(x) if isinstance(x, int) else x)
    return None


def as_leaf(x: Any) -> Array:
    """A leaf that derivatives are taken with respect to, as an Array."""
    found = array_of(x)
    if found is None:
        raise TypeError(
            f"derivatives are taken with respect to Arrays and numbers, not {type(x).__name__}; "
            'a field of a dataclass that holds none is marked with metadata={"static": True}'
        )
    return found


def _inputs(tree: Tree) -> list[Array]:
    """An array of its own node for each leaf: the same values, joined to an outer graph."""
    found = []
    for value in leaves_of(tree):
        x = as_leaf(value)
        if not x._type.is_floating:
            raise DTypeError(
                f"derivatives are taken with respect to floating arrays, not {x.dtype}; "
                "convert with x.astype(npg.float64)"
            )
        own = _copied(x)  # of its own memory: what is written to one of them the other must not see
        if x._node is None or not _modes.is_grad_enabled():
            own._node = leaf(x._type, x.shape)
        else:
            record(BY_NAME["positive"], own, (x,), {})
        found.append(own)
    return found


def _handed(x: Array) -> Array:
    """What the function gets for an input: an array whose writes are recorded, as no leaf's are.

    Example: of `x *= 2; return x.sum()` the gradient is 2. In the leaf itself the write would be an
    optimiser's step, which changes its value and has no derivative.
    """
    out = wrap(x._data, x._type)
    record(BY_NAME["positive"], out, (x,), {})
    return out


def traced(
    function: Callable[..., Any],
    args: Sequence[Any],
    argnums: Sequence[int],
    kwargs: dict[str, Any],
) -> tuple[Any, list[Array]]:
    """The function's result with the chosen arguments tracked, and those arguments' arrays."""
    require_arguments(args, argnums)
    with _modes.enable_grad():
        inputs = _inputs([args[i] for i in argnums])
        rest = map(_handed, inputs)
        replaced = list(args)
        for i in argnums:
            replaced[i] = rebuilt(args[i], [next(rest) for _ in leaves_of(args[i])])
        return function(*replaced, **kwargs), inputs


def require_function(name: str, function: Any) -> None:
    """Refuse what is no function, as in `grad(f(x), x)`, the habit of another library."""
    if not callable(function):
        raise TypeError(
            f"{name}() takes a function, not {type(function).__name__}: write {name}(f), "
            "where f(x) gives it, or call backward() on it"
        )


def require_arguments(args: Sequence[Any], argnums: Sequence[int]) -> None:
    """Refuse to differentiate by arguments that are not there, or by one of them twice."""
    for i in argnums:
        if not -len(args) <= i < len(args):
            raise ValueError(
                f"argnums {i} asks for an argument that is not there: {len(args)} were given"
            )
    if len({i % len(args) for i in argnums}) < len(argnums):
        raise ValueError(f"argnums {tuple(argnums)} asks for one argument twice")


def chosen_of(argnums: int | Sequence[int]) -> tuple[int, ...]:
    """The positions of arguments that a transformation was asked for."""
    try:
        return (operator.index(argnums),)  # type: ignore[arg-type]  # or it raises
    except TypeError:
        return tuple(map(operator.index, argnums))  # type: ignore[arg-type]  # a sequence


def outputs_of(name: str, result: Tree) -> list[Array]:
    """The Arrays that a function gave; a `TypeError` if there is anything else among them."""
    leaves = leaves_of(result)
    for y in leaves:
        if not isinstance(y, Array):
            raise TypeError(
                f"{name}() is of functions that return Arrays, or nested lists, tuples, dicts and "
                f"dataclasses of them, not {type(y).__name__}"
            )
    return leaves


def pair_of(name: str, result: Any) -> Any:
    """What a function with `has_aux=True` gave."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"{name}(has_aux=True) is of functions that return a pair, a value and anything else, "
            f"not {type(result).__name__}"
        )
    return result


def fitted(x: Array, t: Any) -> Array:
    """A tangent in the dtype of its primal, if it has its shape and device."""
    t = as_leaf(t)
    if t.shape != x.shape:
        raise ShapeError(f"a tangent has the shape of its primal, {x.shape}, not {t.shape}")
    if t.device is not x.device:
        raise DeviceError(
            f"a tangent is on the device of its primal, {x.device!r}, not on {t.device!r}"
        )
    if t._type.is_complex and not x._type.is_complex:
        raise DTypeError(f"the tangent of a real array is real, not {t.dtype}")
    return t if t.dtype == x.dtype else convert(t, x.dtype)


def is_nested(args: Sequence[Any], argnums: Sequence[int]) -> bool:
    """Whether an outer derivative flows through the arguments."""
    return _modes.is_grad_enabled() and any(
        isinstance(x, Array) and x._node is not None for i in argnums for x in leaves_of(args[i])
    )


def pulled_by(
    y: Array, seed: Array, inputs: Sequence[Array], nested: bool
) -> tuple[list[Array], bool]:
    """The inputs' cotangents, recorded if an outer derivative depends on them; whether one does."""
    targets = {cast("Node", x._node) for x in inputs}
    if y._node is None:
        return [zeros_of(x._type, x.shape) for x in inputs], nested
    # What was recorded before a function is captured is read as Arrays, which the program can name.
    recorded = nested or ((trace := _modes.tracing()) is not None and trace.is_outside(y._node))
    found = cotangents(y, seed, recorded=recorded, retain_graph=True, targets=targets)
    if not nested and found.escaped and _modes.is_grad_enabled():
        # The function closes over tracked arrays: its derivative depends on them too.
        found = cotangents(y, seed, recorded=True, retain_graph=True, targets=targets)
        nested = recorded = True
    owned = own_gradients(found.totals, seed, recorded=recorded)
    pulled = [
        owned[node] if (node := cast("Node", x._node)) in owned else zeros_of(x._type, x.shape)
        for x in inputs
    ]
    return stopped(pulled), nested


def detached(tree: Tree, nested: bool) -> Tree:
    """The result, without the nodes of this call unless an outer derivative needs them."""
    if nested:
        return tree
    return rebuilt(tree, [_cut(y) for y in leaves_of(tree)])


def _cut(y: Any) -> Any:
    """A tracked array's values alone, in memory of their own: its node may have saved them."""
    return stopped([_copied(y)])[0] if isinstance(y, Array) and y._node is not None else y


def _copied(x: Array) -> Array:
    x = in_mode(x)
    backend = x._type.backend
    return wrap(x._type.xp.asarray(x._data, copy=True) if backend.mutable else x._data, x._type)


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
) -> Callable[..., tuple[Any, Tree]]:
    """A function that returns the value of a scalar function and its gradient.

    Parameters
    ----------
    function
        Returns an Array of one element, or with `has_aux` a pair of it and anything else.
    argnums
        Which positional arguments to differentiate with respect to; for a tuple, the gradient is a
        tuple. Each may be an Array, a float, or nested lists, tuples and dicts of them.

    Returns
    -------
    callable
        Takes the arguments of `function`; gives `(value, gradient)`, or `((value, aux), gradient)`.
        The gradient has the structure of the argument. For complex arguments it is the conjugate
        Wirtinger gradient: `x - step * gradient` descends.

    Raises
    ------
    ShapeError
        If the result has more than one element: use `vjp`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.value_and_grad(lambda x: (x**3).sum())(npg.array([1.0, 2.0]))
    (Array(9.), Array([ 3., 12.]))
    """
    require_function("grad", function)
    chosen = chosen_of(argnums)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Tree]:
        result, inputs = traced(function, args, chosen, kwargs)
        nested = is_nested(args, chosen)
        y = pair_of("grad", result)[0] if has_aux else result
        if not isinstance(y, Array):
            raise TypeError(
                f"the function to differentiate returns an Array, not {type(y).__name__}"
            )
        if y.size != 1:
            raise ShapeError(
                f"grad() is of functions that return one element, not shape {y.shape}; "
                "use vjp() or jvp()"
            )
        if y._type.is_complex:
            raise DTypeError(
                "grad() is of real functions, this one is complex; take npg.real or npg.abs"
            )
        gradients, outer = pulled_by(y, seed_for(y, None), inputs, nested)
        rest = iter(gradients)
        trees = tuple(rebuilt(args[i], [next(rest) for _ in leaves_of(args[i])]) for i in chosen)
        value = detached(result, outer or (has_aux and depends_on_others(result, inputs)))
        return value, trees if isinstance(argnums, Sequence) else trees[0]

    return differentiated


def depends_on_others(tree: Tree, inputs: Sequence[Array]) -> bool:
    """Whether a result depends on tracked arrays that are no inputs, an outer graph's."""
    if not _modes.is_grad_enabled():
        return False
    roots = [y._node for y in leaves_of(tree) if isinstance(y, Array)]
    own = {x._node for x in inputs if x._node is not None}
    return any(node not in own for node in nodes_behind(roots, own).outside)


def grad(
    function: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """A function that returns the gradient of a scalar function; arguments as for `value_and_grad`.

    With `has_aux` it returns `(gradient, aux)`. Nests: `grad(grad(f))` is the second derivative.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.grad(npg.grad(lambda x: x**4))(npg.array(1.0))
    Array(12.)
    """
    both = value_and_grad(function, argnums, has_aux=has_aux)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def stop_gradient(tree: Tree) -> Tree:
    """The same values, through which no derivative flows, in reverse or in forward mode.

    Of nested structures each Array, as `x.detach()` gives it; everything else as it is.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.grad(lambda x: npg.stop_gradient(x) * x)(npg.array(3.0))
    Array(3.)
    """
    leaves = leaves_of(tree)
    return rebuilt(tree, [x.detach() if isinstance(x, Array) else x for x in leaves])


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., tuple[Tree, ...]]]:
    """The value of a function, and the function that takes cotangents back to its arguments.

    For the Jacobian J the pullback computes `conj(J)^T g`: for real arrays the transposed Jacobian
    times `g`; for complex ones, in the convention of `backward`. It can be called many times.

    Returns
    -------
    value, pullback
        `pullback(g)`, `g` with the structure of the value, gives a cotangent for each of `primals`.
        If `function` closes over tracked arrays, the value is tracked, and its graph is the
        pullback's: call `value.backward(retain_graph=True)` to go on using the pullback.

    Examples
    --------
    >>> import numpygrad as npg
    >>> y, pullback = npg.vjp(lambda x: x * x, npg.array([1.0, 2.0]))
    >>> pullback(npg.array([1.0, 10.0]))
    (Array([ 2., 40.]),)
    """
    require_function("vjp", function)
    chosen = tuple(range(len(primals)))
    nested = is_nested(primals, chosen)
    result, inputs = traced(function, primals, chosen, {})
    outputs = outputs_of("vjp", result)

    def pullback(g: Tree) -> tuple[Tree, ...]:
        seeds = leaves_like(result, g, "the pullback takes cotangents")
        totals: list[Array] | None = None
        for y, given in zip(outputs, seeds, strict=True):
            seed = seed_for(y, given)
            tracked = nested or (_modes.is_grad_enabled() and seed._node is not None)
            part, _ = pulled_by(y, seed, inputs, tracked)
            totals = part if totals is None else [a + b for a, b in zip(totals, part, strict=True)]
        rest = iter(totals or [zeros_of(x._type, x.shape) for x in inputs])
        return tuple(rebuilt(x, [next(rest) for _ in leaves_of(x)]) for x in primals)

    return detached(result, nested or depends_on_others(result, inputs)), pullback


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """The value of a function, and its directional derivative along `tangents`.

    Parameters
    ----------
    primals, tangents
        One for each argument, of the same structure, shapes and dtypes.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.jvp(lambda x: x * x, (npg.array([1.0, 2.0]),), (npg.array([1.0, 0.0]),))
    (Array([1., 4.]), Array([2., 0.]))
    """
    require_function("jvp", function)
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"{name} is a tuple with one entry for each argument, not {type(given).__name__}"
            )
    if len(primals) != len(tangents):
        raise ShapeError(
            f"jvp() needs a tangent for each primal, got {len(primals)} and {len(tangents)}"
        )
    chosen = tuple(range(len(primals)))
    result, inputs = traced(function, primals, chosen, {})
    given = leaves_like(list(primals), list(tangents), "jvp() takes tangents")
    seeds = {cast("Node", x._node): fitted(x, t) for x, t in zip(inputs, given, strict=True)}
    nested = is_nested(primals, chosen) or is_nested(tangents, chosen)
    outputs = outputs_of("jvp", result)
    found, nested = tangents_of(outputs, seeds, nested=nested)
    return detached(result, nested), rebuilt(result, found)
