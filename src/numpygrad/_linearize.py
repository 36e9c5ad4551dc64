"""The derivative of a function at one place, as a linear function to be called many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._forward import tangents_of
from numpygrad._transforms import (
    depends_on_others,
    detached,
    fitted,
    is_nested,
    outputs_of,
    traced,
)
from numpygrad._tree import Tree, leaves_like, rebuilt


def linearize(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Tree]]:
    """The value of a function, and its derivative there: from tangents to that of the value.

    The function is called once. The second result is linear, and each call of it is as one of `jvp`
    without the function's own work: it goes through the recorded graph, which it keeps alive.

    Parameters
    ----------
    function
        Takes as many arguments as there are `primals`, and gives an Array or a nested structure.
    primals
        Where it is linearized: Arrays, floats and nested structures of them.

    Returns
    -------
    value, pushforward
        `pushforward(*tangents)` takes one for each of `primals`, of its structure, shapes and
        dtypes, and gives the tangent of the value, with its structure.

    Raises
    ------
    ShapeError
        In `pushforward`, if a tangent does not fit its primal.

    Examples
    --------
    >>> import numpygrad as npg
    >>> y, pushforward = npg.linearize(lambda x: x * x, npg.array([1.0, 2.0]))
    >>> pushforward(npg.array([1.0, 0.0])), pushforward(npg.array([0.0, 1.0]))
    (Array([2., 0.]), Array([0., 4.]))
    """
    chosen = tuple(range(len(primals)))
    nested = is_nested(primals, chosen)
    result, inputs = traced(function, primals, chosen, {})
    outputs = outputs_of("linearize", result)

    def pushforward(*tangents: Any) -> Tree:
        given = leaves_like(primals, tangents, "the pushforward takes tangents")
        seeds = {x._node: fitted(x, t) for x, t in zip(inputs, given, strict=True)}
        moving = nested or is_nested(tangents, chosen)
        found, _ = tangents_of(outputs, seeds, nested=moving)  # type: ignore[arg-type]  # they have nodes
        return rebuilt(result, found)

    return detached(result, nested or depends_on_others(result, inputs)), pushforward
