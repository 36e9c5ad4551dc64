"""Calls of functions whose derivative the user gives: arguments in, rules run, results checked."""

from __future__ import annotations

import gc
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._backend import ArrayType
from numpygrad._custom.joint import Maybe, is_output, refuse_closure, version_of
from numpygrad._dispatch import convert
from numpygrad._engine import zeros_of
from numpygrad._forward import nodes_behind
from numpygrad._kernels import holds
from numpygrad._node import Node
from numpygrad._tree import Tree, leaves_of, paths_of, rebuilt, structure_of
from numpygrad.errors import DerivativeError, DeviceError, DTypeError, ShapeError
from numpygrad.ops.creation import arange, asarray
from numpygrad.ops.elementwise import cos, isfinite
from numpygrad.ops.manipulation import reshape
from numpygrad.ops.utility import any as any_of
from numpygrad.typing import Shape


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of an array that a rule gives a cotangent or a tangent for."""

    type: ArrayType
    shape: Shape


def place_of(x: Array) -> Place:
    """The place of an array."""
    return Place(x._type, x.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """The positional arguments of a call, taken apart."""

    given: tuple[Any, ...]
    chosen: tuple[int, ...]
    """Which of them may be differentiated."""
    trees: tuple[Tree, ...]
    """These, with the numbers of their leaves in place of them."""
    leaves: list[Any]

    @property
    def nodes(self) -> list[Node | None]:
        """The node of each leaf."""
        return [x._node if isinstance(x, Array) else None for x in self.leaves]

    @property
    def others(self) -> tuple[Any, ...]:
        """The arguments that are not differentiated."""
        return tuple(x for i, x in enumerate(self.given) if i not in self.chosen)

    def chosen_with(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments that may be differentiated, with other leaves."""
        return tuple(_filled(tree, leaves) for tree in self.trees)

    def all_with(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """All arguments, with other leaves."""
        found = list(self.given)
        for i, x in zip(self.chosen, self.chosen_with(leaves), strict=True):
            found[i] = x
        return tuple(found)

    def without_arrays(self) -> Arguments:
        """The same without what its caller keeps, the arrays that may be differentiated."""
        given = tuple(None if i in self.chosen else x for i, x in enumerate(self.given))
        leaves = [None if isinstance(x, Array) else x for x in self.leaves]
        return Arguments(given, self.chosen, self.trees, leaves)

    def path(self, leaf: int) -> str:
        """How to get at a leaf, for messages: `argument 1['weights']`."""
        for i, tree in zip(self.chosen, self.trees, strict=True):
            for path, number in zip(paths_of(tree, f"argument {i}"), leaves_of(tree), strict=True):
                if number == leaf:
                    return path
        raise ValueError(leaf)


def _filled(tree: Tree, leaves: Sequence[Any]) -> Tree:
    return rebuilt(tree, [leaves[number] for number in leaves_of(tree)])


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function, if it can be told."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def arguments_of(
    name: str,
    signature: inspect.Signature | None,
    fixed: tuple[int, ...],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Arguments:
    """The arguments of a call, positional ones by name and defaults filled in."""
    if signature is not None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if extra := sorted({*bound.kwargs} & {*kwargs}):
            raise TypeError(
                f"{name}() has rules for positional arguments, and was given {', '.join(extra)} "
                "by keyword only; make it positional, or bind it with functools.partial"
            )
        args = bound.args
    elif kwargs:
        raise TypeError(f"{name}() has no signature: pass {', '.join(kwargs)} by position")
    fixed = tuple(i % len(args) if -len(args) <= i < len(args) else i for i in fixed)
    chosen = tuple(i for i in range(len(args)) if i not in fixed)
    leaves: list[Any] = []
    trees = []
    for i in chosen:
        own = leaves_of(args[i])
        trees.append(rebuilt(args[i], range(len(leaves), len(leaves) + len(own))))
        leaves += own
    found = Arguments(args, chosen, tuple(trees), leaves)
    for i in fixed:
        if i < len(args) and _any_tracked(leaves_of(args[i])):
            raise DerivativeError(
                f"{name}() was given a tracked array as argument {i}, one of nondiff_argnums: its "
                "gradient would be lost. Leave it out of them, or pass x.detach()"
            )
    return found


def _any_tracked(leaves: Sequence[Any]) -> bool:
    return _modes.is_grad_enabled() and any(
        isinstance(x, Array) and x._node is not None for x in leaves
    )


def aligned(rule: str, given: Any, trees: Sequence[Tree], names: Sequence[str]) -> dict[int, Any]:
    """What a rule gave, by the number of the leaf; of those it gave `None` for, nothing."""
    if not isinstance(given, (tuple, list)) or len(given) != len(trees):
        found = f"{len(given)} of them" if isinstance(given, (tuple, list)) else _type_name(given)
        raise ShapeError(
            f"{rule} gives a tuple of {len(trees)}, one for each argument, not {found}"
        )
    pairs: list[tuple[int, Any]] = []
    for x, tree, name in zip(given, trees, names, strict=True):
        pairs += _matched(rule, x, tree, name)
    return dict(pairs)


def _matched(rule: str, given: Any, tree: Tree, name: str) -> Iterator[tuple[int, Any]]:
    """Pairs of a leaf's number and what was given for it."""
    if given is None or tree is None:
        if given is not None:
            raise ShapeError(f"{rule} gave {_type_name(given)} for {name}, which is None")
    elif type(tree) is int and not isinstance(given, (list, tuple, dict)):
        yield tree, given
    elif isinstance(tree, dict) and isinstance(given, dict) and given.keys() == tree.keys():
        for key in tree:
            yield from _matched(rule, given[key], tree[key], f"{name}[{key!r}]")
    elif isinstance(tree, (list, tuple)) and type(given) is type(tree) and len(given) == len(tree):
        for i, (x, part) in enumerate(zip(given, tree, strict=True)):
            yield from _matched(rule, x, part, f"{name}[{i}]")
    elif not isinstance(tree, (list, tuple, dict)) and structure_of(given) == structure_of(tree):
        yield from zip(leaves_of(tree), leaves_of(given), strict=True)
    else:
        raise ShapeError(
            f"{rule} gave {_text(given)} for {name}, expected the structure {_text(tree)}"
        )


def _type_name(x: Any) -> str:
    return f"an object of type {type(x).__name__}"


def _text(tree: Tree) -> str:
    """The structure of a tree, for messages."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {_text(x)}" for key, x in tree.items()) + "}"
    if isinstance(tree, (list, tuple)):
        parts = ", ".join(map(_text, tree))
        return f"[{parts}]" if isinstance(tree, list) else f"({parts})"
    return "_" if type(tree) is int or isinstance(tree, Array) else type(tree).__name__


def fitted(rule: str, x: Any, path: str, place: Place) -> Array:
    """What a rule gave for an array, checked: of its shape, dtype and device."""
    type_ = place.type
    if not isinstance(x, Array):
        if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
            x = asarray(x, device=type_.device)
            x = convert(x, type_.dtype) if x.dtype.kind != "c" else x
        elif isinstance(x, (np.ndarray, np.generic)) or type_.backend.is_raw(x):
            x = asarray(x, device=type_.device)
        else:
            raise DTypeError(f"{rule} gave {_type_name(x)} for {path}, not an Array")
    if x.shape != place.shape:
        raise ShapeError(f"{rule} gave shape {x.shape} for {path}, expected {place.shape}")
    if x.dtype != type_.dtype:
        raise DTypeError(
            f"{rule} gave {x.dtype} for {path}, expected {type_.dtype}; convert with .astype(), or "
            "npg.real() where a complex one is for a real array"
        )
    if x.device is not type_.device:
        raise DeviceError(f"{rule} gave an array on {x.device!r} for {path}, on {type_.device!r}")
    found: Array = x
    return found


def cotangents_given(
    name: str, given: Any, arguments: Arguments, places: dict[int, Place]
) -> list[Maybe]:
    """What a backward rule gave, checked, for the leaves of `places`; `None` for zeros."""
    rule = f"the backward rule of {name}()"
    by_leaf = aligned(rule, given, arguments.trees, [f"argument {i}" for i in arguments.chosen])
    return [
        None if by_leaf.get(i) is None else fitted(rule, by_leaf[i], arguments.path(i), place)
        for i, place in places.items()
    ]


def tangents_given(name: str, made: Any, result: Tree, places: Sequence[Place]) -> list[Maybe]:
    """What a forward rule gave, checked, for each output of a result; `None` for zeros."""
    rule = f"the rule of {name}()"
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(f"{rule} gives a pair of the result and its tangent")
    outputs = leaves_of(result)
    numbered = rebuilt(result, range(len(outputs)))
    by_leaf = aligned(rule, (made[1],), (numbered,), ("the tangent",))
    numbers = [i for i, output in enumerate(outputs) if output >= 0]
    return [
        None if by_leaf.get(i) is None else fitted(rule, by_leaf[i], "the tangent", place)
        for i, place in zip(numbers, places, strict=True)
    ]


def filled(given: Sequence[Maybe], places: Sequence[Place]) -> list[Array]:
    """The arrays, with zeros for those that are `None`."""
    return [
        zeros_of(place.type, place.shape) if x is None else x
        for x, place in zip(given, places, strict=True)
    ]


def still(x: Any) -> Any:
    """The tangent of what does not move."""
    if is_output(x):
        return zeros_of(x._type, x.shape)
    return 0.0 * x if isinstance(x, (float, complex)) else None


def refuse_outside(name: str, found: Sequence[Maybe], seeds: Sequence[Node]) -> None:
    """Raise if arrays depend on tracked ones beside `seeds`."""
    roots = [x._node for x in found if x is not None]
    if nodes_behind(roots, set(seeds)).outside:
        raise DerivativeError(
            f"a rule of {name}() uses a tracked array that is not among its arguments, whose "
            "gradient would be lost. Pass it as an argument"
        )


def irregular(place: Place) -> Array:
    """Numbers that no linear function takes to zeros by chance."""
    numbers = cos(arange(1.0, math.prod(place.shape) + 1.0, device=place.type.device))
    return reshape(convert(numbers, place.type.dtype), place.shape)


def is_zero(x: Array) -> bool:
    """Whether an array is known to hold no finite number but 0; yes, if it has no values yet."""
    if _modes.tracing() is not None:
        return True
    with _modes.no_grad():
        return not holds(any_of((x != 0) & isfinite(x)))


def untraced(rule: str, path: str) -> DerivativeError:
    """The error for what a rule computed where numpygrad could not see it."""
    return DerivativeError(
        f"{rule} computes what it gives for {path} outside of numpygrad, through x.numpy() or the "
        "like, so that it cannot be differentiated; only first derivatives in its own mode are "
        "available. Write it in numpygrad's functions, or as functions that have rules themselves"
    )


def unrecorded(name: str, function: Callable[..., Any], found: Arguments) -> Any:
    """The function's result, where nothing that is passed to it is tracked."""
    result = function(*found.given)
    if _modes.is_grad_enabled():
        refuse_closure(name, leaves_of(result))
    return result


def outputs_of(name: str, result: Tree) -> list[Array]:
    """What has a derivative in the result of a function of tracked arrays.

    Raises
    ------
    TypeError
        If there is no Array, or one may be where it would lose its history.
    """
    leaves = leaves_of(result)
    hiding = next((y for y in leaves if not isinstance(y, Array) and _may_hide(y)), None)
    if hiding is not None or not any(isinstance(y, Array) for y in leaves):
        found = result if hiding is None else hiding
        raise TypeError(
            f"{name}() has a rule, and gives an Array or lists, tuples, dicts, dataclasses or "
            f"registered classes of them, not {_type_name(found)}, through which no gradient flows"
        )
    return [y for y in leaves if is_output(y)]


def _may_hide(x: Any, depth: int = 4) -> bool:
    """Whether something may hold floating Arrays, although it is no structure of them."""
    if isinstance(x, Iterator):
        return True
    if isinstance(x, (Array, str, type, ModuleType)) or not gc.is_tracked(x) or depth == 0:
        return is_output(x)
    # Of a function what it closes over alone, not all the names of its module.
    parts = (x.__closure__ or ()) if isinstance(x, FunctionType) else gc.get_referents(x)
    return any(_may_hide(y, depth - 1) for y in parts)


def without_writes(
    name: str, function: Callable[..., Any], found: Arguments, given: Sequence[Any]
) -> Any:
    """What a function gives, unless it writes to an argument."""
    arrays = [x for x in given if isinstance(x, Array)]
    before = [version_of(x) for x in arrays]
    made = function(*found.all_with(given))
    for i, x in enumerate(arrays):
        if version_of(x) != before[i]:
            path = found.path(next(j for j, leaf in enumerate(given) if leaf is x))
            raise DerivativeError(
                f"{name}() writes in place to {path}, and its rule says nothing of that; write "
                "into a copy, and return it"
            )
    return made


def skeleton(result: Tree) -> Tree:
    """The result's structure, its leaves replaced by the number of the output, or -1."""
    numbers = []
    count = 0
    for y in leaves_of(result):
        numbers.append(count if is_output(y) else -1)
        count += is_output(y)
    return rebuilt(result, numbers)
