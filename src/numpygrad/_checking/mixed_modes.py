"""Derivatives of a function by modes one over the other, all of which come to the same numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import numpygrad as npg
from numpygrad._array import Array
from numpygrad._checking.differences import Vector, joined, split
from numpygrad._transforms import jvp, vjp
from numpygrad._tree import leaves_of, paths_of, rebuilt
from numpygrad.errors import DTypeError

Chain: TypeAlias = tuple[str, ...]
"""Modes one over the other, the outermost first."""


def chains_of(modes: Sequence[str], depth: int) -> list[Chain]:
    """The mixes of modes of an order.

    Raises
    ------
    ValueError
        If a mode is unknown, or none of them goes so far.
    """
    named = [tuple(mode.split(" over ")) for mode in modes]
    for mode in itertools.chain(*named):
        if mode not in ("reverse", "forward"):
            raise ValueError(f"modes are 'reverse', 'forward', 'one over the other', not {mode!r}")
    plain = [chain[0] for chain in named if len(chain) == 1]
    ends = (chain[-depth:] for chain in named if len(chain) >= max(depth, 2))
    found = list(dict.fromkeys([*itertools.product(plain, repeat=depth), *ends]))
    if not found:
        raise ValueError(f"there is no derivative of order {depth} among modes={tuple(modes)}")
    return found


def copied(args: Sequence[Any], device: str | None) -> list[Array]:
    """Arrays of their own for what arguments hold.

    Raises
    ------
    DTypeError
        If one is not floating.
    ValueError
        If there is none.
    """
    found = []
    for x in leaves_of(list(args)):
        values = x if isinstance(x, Array) else np.asarray(float(x) if isinstance(x, int) else x)
        if values.dtype.kind not in "fc":
            raise DTypeError(
                f"derivatives are taken with respect to floating arrays, not {values.dtype}; "
                "give others to the function by a closure"
            )
        where = device or (x.device if isinstance(x, Array) else None)
        found.append(npg.array(x.numpy() if isinstance(x, Array) else values, device=where))
    if not found:
        raise ValueError("there are no arrays among the arguments to differentiate with respect to")
    return found


@dataclass(frozen=True)
class Derivative:
    """A function, or what some modes make of it; of arrays without structure."""

    function: Callable[..., list[Array]]
    primals: list[Array]
    inputs: list[str]
    """What the arguments are called."""
    results: list[Array]
    names: list[str]
    """What the results are called."""
    weights: Vector
    """Of the results, such that all chains of modes come to the same sum."""

    def pulled(self, weights: Vector, leaves: Sequence[Array] = ()) -> list[Array]:
        """The gradient of a weighted sum of the results, in reverse mode."""
        leaves = leaves or self.primals
        with npg.enable_grad():
            results, pullback = vjp(self.function, *leaves)
            found = list(pullback(split(weights, results)))
        _require_alike("gradient", found, leaves)
        return found

    def pushed(self, t: Vector, leaves: Sequence[Array] = ()) -> list[Array]:
        """The derivative of the results along `t`, in forward mode."""
        leaves = leaves or self.primals
        with npg.enable_grad():
            results, found = jvp(self.function, leaves, split(t, leaves))
        _require_alike("tangent", found, results)
        return list(found)

    def along(self, mode: str, weights: Vector, t: Vector) -> float:
        """The derivative along `t` of a weighted sum, by a mode."""
        if mode == "reverse":
            return float(joined(self.pulled(weights)) @ t)
        return float(weights @ joined(self.pushed(t)))

    def jacobian(self, mode: str) -> Vector:
        """The derivative of each coordinate of the results to each of the arguments, by a mode."""
        if mode == "reverse":
            return np.stack([joined(self.pulled(w)) for w in np.eye(self.weights.size)])
        units = np.eye(joined(self.primals).size)
        return np.stack([joined(self.pushed(t)) for t in units], axis=1)

    def over(self, mode: str, t: Vector) -> Derivative:
        """One more mode over this: the gradient of the weighted sum, or the tangent along `t`."""
        if mode == "reverse":
            names = [f"the gradient to {name}" for name in self.inputs]
            pulled = lambda *leaves: self.pulled(self.weights, leaves)  # noqa: E731
            return Derivative(pulled, self.primals, self.inputs, self.primals, names, t)
        names = [f"the tangent of {name}" for name in self.names]
        pushed = lambda *leaves: self.pushed(t, leaves)  # noqa: E731
        return Derivative(pushed, self.primals, self.inputs, self.results, names, self.weights)


def _require_alike(what: str, found: Sequence[Array], like: Sequence[Array]) -> None:
    for x, y in zip(found, like, strict=True):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            raise AssertionError(f"a {what} is {x.shape} {x.dtype}, not {y.shape} {y.dtype}")


def derivative_of(
    function: Callable[..., Any], args: Sequence[Any], rng: np.random.Generator, device: str | None
) -> Derivative:
    """The function itself, with random weights of its floating results."""
    primals = copied(args, device)

    def whole(*leaves: Array) -> Any:
        result = function(*rebuilt(list(args), leaves))
        for y in leaves_of(result):
            if not isinstance(y, Array):
                raise TypeError(f"derivatives are of functions that return Arrays, not {y!r}")
        return result

    def flat(*leaves: Array) -> list[Array]:
        return [y for y in leaves_of(whole(*leaves)) if y.dtype.kind in "fc"]

    with npg.no_grad():
        result = whole(*map(npg.copy, primals))  # which it may write to
    named = zip(leaves_of(result), paths_of(result, "result"), strict=True)
    kept = [(y, name) for y, name in named if y.dtype.kind in "fc"]
    results = [y for y, _ in kept]
    weights = rng.standard_normal(joined(results).size)
    inputs = paths_of(list(args), "args")
    return Derivative(flat, primals, inputs, results, [name for _, name in kept], weights)


def mixed_derivatives(
    function: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int,
    modes: Sequence[str] = ("reverse", "forward"),
    seed: int = 0,
    device: str | None = None,
) -> Iterator[tuple[Vector, dict[Chain, Derivative]]]:
    """For each order a random direction, and what to differentiate along it, by chain of modes."""
    rng = np.random.default_rng(seed)
    below: dict[Chain, Derivative] = {(): derivative_of(function, args, rng, device)}
    for depth in range(1, order + 1):
        t = rng.standard_normal(joined(below[next(iter(below))].primals).size)
        chains = chains_of(modes, depth)
        yield t, {chain: below[chain[1:]] for chain in chains}
        below = {chain: below[chain[1:]].over(chain[0], t) for chain in chains}
