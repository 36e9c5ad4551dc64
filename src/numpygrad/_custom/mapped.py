"""Functions with rules of their own inside `vmap`: their rules are mapped with them.

`vmap` runs a function's program over Arrays, and an outer derivative flows through that run. What
is in the program decides it; so a call of a `custom_vjp` is one call in the program, which the run
makes to one of the `custom_vjp` whose function and rules are mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpygrad._array import Array
from numpygrad._custom.joint import Whole, is_output
from numpygrad._custom.rules import (
    Arguments,
    Place,
    cotangents_given,
    filled,
    place_of,
    skeleton,
    still,
    tangents_given,
)
from numpygrad._lazy.program import Aval
from numpygrad._tree import Tree, leaves_of, rebuilt
from numpygrad.ops.statistical import sum as sum_of

if TYPE_CHECKING:
    from numpygrad._custom.jvp import custom_jvp
    from numpygrad._custom.vjp import custom_vjp

Axes = tuple[int | None, ...]
Flat = Callable[..., tuple[Array, ...]]
"""A function of the arrays among the arguments alone, that gives what has a derivative."""


def whole_of_vjp(custom: custom_vjp, arguments: Arguments, result: Tree) -> Whole:
    """The call of a `custom_vjp`, for `vmap`."""
    alone, numbers = _alone(custom, arguments)

    def mapped(axes: Axes) -> Flat:
        from numpygrad._batching import vmap

        function, _ = _alone(custom._function, arguments)
        residuals: list[Any] = []

        def forward(*arrays: Array) -> Any:
            rule: Any = custom._forward
            made, kept = rule(*_given(arguments, numbers, arrays))
            residuals[:] = [kept, made]
            return _outputs(made), tuple(r for r in leaves_of(kept) if isinstance(r, Array))

        def backward(*given: Array) -> tuple[Array | None, ...]:
            kept, made = residuals
            rest = iter(given)
            own = [next(rest) if isinstance(r, Array) else r for r in leaves_of(kept)]
            g = rebuilt(made, [next(rest) if is_output(y) else None for y in leaves_of(made)])
            rule: Any = custom._backward
            found = rule(*arguments.others, rebuilt(kept, own), g)
            moving = {i: p for i, p in zip(numbers, places, strict=True) if p is not None}
            cotangents = cotangents_given(custom._name, found, arguments, moving)
            return tuple(filled(cotangents, list(moving.values())))

        places: list[Place | None] = []

        def forward_many(*arrays: Array) -> Any:
            places[:] = _places(arrays, axes)
            return vmap(forward, in_axes=axes)(*arrays)

        def backward_many(kept: Any, g: Any) -> Any:
            found = vmap(backward)(*kept, *g)
            moved = iter(found)
            each = [None if place is None else next(moved) for place in places]
            return tuple(_of_all(c, axis) for c, axis in zip(each, axes, strict=True))

        many = type(custom)(vmap(function, in_axes=axes))
        many.defvjp(forward_many, backward_many)
        return _named(many, custom._name)

    return Whole(alone, mapped, _avals(result))


def whole_of_jvp(custom: custom_jvp, arguments: Arguments, result: Tree) -> Whole:
    """The call of a `custom_jvp`, for `vmap`."""
    tree = skeleton(result)
    outputs = [place_of(y) for y in _outputs(result)]
    alone, numbers = _alone(custom, arguments)

    def mapped(axes: Axes) -> Flat:
        from numpygrad._batching import vmap

        function, _ = _alone(custom._function, arguments)

        def rule(*given: Array) -> tuple[Array, ...]:
            primals, moving = given[: len(axes)], iter(given[len(axes) :])
            tangents = [next(moving) if is_output(x) else None for x in primals]
            by_leaf = dict(zip(numbers, tangents, strict=True))
            every = [
                by_leaf[i] if i in by_leaf else still(x) for i, x in enumerate(arguments.leaves)
            ]
            own: Any = custom._rule
            chosen = _chosen(arguments, numbers, primals)
            made = own(*arguments.others, chosen, arguments.chosen_with(every))
            return tuple(filled(tangents_given(custom._name, made, tree, outputs), outputs))

        def rule_many(primals: Any, tangents: Any) -> Any:
            moving = [t for t in tangents if t is not None]
            along = [axis for axis, t in zip(axes, tangents, strict=True) if t is not None]
            return None, vmap(rule, in_axes=(*axes, *along))(*primals, *moving)

        many = type(custom)(vmap(function, in_axes=axes))
        many.defjvp(rule_many)
        return _named(many, custom._name)

    return Whole(alone, mapped, _avals(result))


def _named(many: Any, name: str) -> Flat:
    many._name = name
    found: Flat = many
    return found


def _alone(function: Any, arguments: Arguments) -> tuple[Flat, list[int]]:
    """The function of the arrays alone; and which leaves of the arguments these are."""
    numbers = [i for i, x in enumerate(arguments.leaves) if isinstance(x, Array)]
    static = arguments.without_arrays()

    def flat(*arrays: Array) -> tuple[Array, ...]:
        return _outputs(function(*_given(static, numbers, arrays)))

    return flat, numbers


def _filled(arguments: Arguments, numbers: Sequence[int], arrays: Sequence[Array]) -> list[Any]:
    by_leaf = dict(zip(numbers, arrays, strict=True))
    return [by_leaf.get(i, x) for i, x in enumerate(arguments.leaves)]


def _given(
    arguments: Arguments, numbers: Sequence[int], arrays: Sequence[Array]
) -> tuple[Any, ...]:
    return arguments.all_with(_filled(arguments, numbers, arrays))


def _chosen(
    arguments: Arguments, numbers: Sequence[int], arrays: Sequence[Array]
) -> tuple[Any, ...]:
    return arguments.chosen_with(_filled(arguments, numbers, arrays))


def _outputs(result: Tree) -> tuple[Array, ...]:
    return tuple(y for y in leaves_of(result) if is_output(y))


def _avals(result: Tree) -> tuple[Aval, ...]:
    return tuple(Aval(y.shape, y.dtype) for y in _outputs(result))


def _places(arrays: Sequence[Array], axes: Axes) -> list[Place | None]:
    """What one example's cotangents look like, `None` for arrays that get none."""
    return [
        Place(x._type, x.shape if axis is None else x.shape[1:]) if is_output(x) else None
        for x, axis in zip(arrays, axes, strict=True)
    ]


def _of_all(c: Array | None, axis: int | None) -> Array | None:
    """The cotangent of an array that is the same for all examples: the sum of theirs."""
    return c if c is None or axis is not None else sum_of(c, axis=0)
