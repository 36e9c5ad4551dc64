"""Derivatives of NumPy functions by central differences: what the engine's are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

STEP = 1e-6


def gradients(
    function: Callable[..., float], arrays: Sequence[np.ndarray], step: float = STEP
) -> list[np.ndarray]:
    """The gradient of a real function with respect to each of its real arguments.

    The function gets copies, so it may write to its arguments.
    """
    found = []
    for position, x in enumerate(arrays):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[position][index] += sign * step
                values.append(float(function(*moved)))
            gradient[index] = (values[0] - values[1]) / (2 * step)
        found.append(gradient)
    return found
