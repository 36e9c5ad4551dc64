"""Points of integration that suit the derivatives of an integrand too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._engine import zeros_of
from numpygrad._forward import tangents_of
from numpygrad._node import Node, tick
from numpygrad.errors import DerivativeError
from numpygrad.scipy._floats import constant
from numpygrad.scipy.integrate._panels import Change, Panels, settled

Values = np.ndarray[Any, Any]


def recorded(
    name: str,
    function: Callable[[Array], Array],
    like: Array,
    panels: Panels,
    change: Change,
    asked: tuple[float, float, int],
    converged: bool,
) -> Array:
    """The function at the points, with its history: at enough of them for first derivatives too.

    The points suit the value, and may miss all of a derivative: that of `sqrt(x**2 + c**2)` by a
    small `c` is a narrow peak. Tangents pushed through what was recorded tell: one direction for
    each array that the function depends on, without a vanishing element.
    """
    latest: list[Array] = []

    def slopes(x: Values) -> list[Values]:
        start = tick()
        values = function(constant(x.reshape(-1), like))
        latest[:] = [values]
        directions = _directions(values, start) if converged else []
        found = []
        for seeds in directions:
            (slope,), _ = tangents_of([values], seeds, nested=False)
            numbers = slope.detach().numpy()
            finite = np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)
            if not finite.all():
                raise DerivativeError(
                    f"{name}(): the function has no finite derivative at "
                    f"x = {x.reshape(-1)[~finite][0]}; split the integral there, or integrate "
                    "under no_grad() if no derivative is wanted"
                )
            found.append(numbers.reshape(*x.shape, *numbers.shape[1:]))
        return found

    error = settled(panels, change, slopes, *asked)
    if error is not None:
        raise DerivativeError(
            f"{name}(): a derivative of the integral has an error of {error:.3g} with "
            f"{panels.count} intervals, more than is asked for of the integral; split the integral "
            "where the function's derivative is singular, or raise limit or epsrel; fixed_quad() "
            "differentiates its own rule; integrate under no_grad() if no derivative is wanted"
        )
    return latest[0]


def _directions(values: Array, start: int) -> list[dict[Node, Array]]:
    """For each tracked array that values were computed from after `start`, a tangent of it alone.

    The others' are 0.
    """
    sources: dict[Node, None] = {}
    met: set[Node] = set()
    todo = [values._node]
    while todo:
        node = todo.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if node.sequence < start:
            sources[node] = None
        elif node.op is not None:
            todo.extend(node.parents)
    zeros = {node: zeros_of(node.type, node.shape) for node in sources}
    return [{**zeros, node: zeros[node] + _signs(zeros[node])} for node in sources]


def _signs(like: Array) -> Array:
    """1 and -1 by chance, always the same for one shape: no sum of elements cancels by design."""
    signs = 2.0 * np.random.default_rng(0).integers(0, 2, like.shape) - 1.0
    return constant(signs * (1.0 + 0.5j) if like._type.is_complex else signs, like)
