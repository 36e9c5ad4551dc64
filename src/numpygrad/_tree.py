"""Nested structures of arrays: lists, tuples, dicts, dataclasses, and registered classes."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from numpygrad.errors import ShapeError

Tree: TypeAlias = Any
"""An Array, or nested lists, tuples, dicts, dataclasses and registered classes of them."""

Flatten: TypeAlias = Callable[[Any], tuple[Sequence[Any], Any]]
Unflatten: TypeAlias = Callable[[Any, Sequence[Any]], Any]

_registered: dict[type, tuple[Flatten, Unflatten]] = {}


def register_pytree_node(nodetype: type, flatten: Flatten, unflatten: Unflatten) -> None:
    """Let instances of a class hold arrays to differentiate, map or compile with respect to.

    Lists, tuples, named tuples, dicts and dataclasses need no registration; of a dataclass, fields
    with `metadata={"static": True}` are left as they are.

    Parameters
    ----------
    nodetype
        The class, without its subclasses.
    flatten
        Gives, of an instance, its children (arrays or further structures) and whatever else
        `unflatten` needs, which must be hashable.
    unflatten
        Makes an instance again, of what else there was and the children, as in JAX.

    Raises
    ------
    ValueError
        If the class is registered already.

    Examples
    --------
    >>> import numpygrad as npg
    >>> class Line:
    ...     def __init__(self, slope, intercept):
    ...         self.slope, self.intercept = slope, intercept
    >>> npg.register_pytree_node(
    ...     Line, lambda line: ((line.slope, line.intercept), None), lambda _, parts: Line(*parts)
    ... )
    >>> gradient = npg.grad(lambda line: line.slope * 3 + line.intercept)(Line(2.0, 1.0))
    >>> gradient.slope, gradient.intercept
    (Array(3.), Array(1.))
    """
    if nodetype in _registered:
        raise ValueError(f"{nodetype.__name__} is registered already")
    _registered[nodetype] = (flatten, unflatten)


def _is_dataclass(tree: Any) -> bool:
    return hasattr(type(tree), "__dataclass_fields__")


def _fields(tree: Any) -> list[str]:
    """The names of a dataclass's fields that hold arrays."""
    return [f.name for f in dataclasses.fields(tree) if not f.metadata.get("static")]


def parts_of(tree: Tree) -> list[Tree] | None:
    """What a tree is directly made of, in order; `None` of a leaf, and of `None`."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, (list, tuple)):
        return list(tree)
    if type(tree) in _registered:
        return list(_registered[type(tree)][0](tree)[0])
    if _is_dataclass(tree):
        return [getattr(tree, name) for name in _fields(tree)]
    return None


def parts_like(tree: Tree, given: Tree) -> list[Tree] | None:
    """What is in the place of each part of `tree` in another tree; `None` if it is made otherwise.

    Dicts are alike if they have the same keys, sequences if they are of one length.
    """
    if isinstance(tree, dict):
        alike = isinstance(given, dict) and given.keys() == tree.keys()
        return [given[key] for key in tree] if alike else None
    sequences = isinstance(tree, (list, tuple)) and isinstance(given, (list, tuple))
    parts, others = parts_of(tree), parts_of(given)
    if parts is None or others is None or not (sequences or type(given) is type(tree)):
        return None
    return others if len(others) == len(parts) else None


def leaves_of(tree: Tree) -> list[Any]:
    """What a tree holds, in order: items of lists and tuples, values of dicts, fields of others."""
    parts = parts_of(tree)
    if parts is None:
        return [] if tree is None else [tree]
    return [leaf for part in parts for leaf in leaves_of(part)]


def paths_of(tree: Tree, name: str) -> list[str]:
    """How to get at each leaf of a tree of that name, such as `tree["weights"][0]`, in order."""
    if isinstance(tree, dict):
        return [path for key in tree for path in paths_of(tree[key], f"{name}[{key!r}]")]
    if isinstance(tree, (list, tuple)):
        return [path for i, item in enumerate(tree) for path in paths_of(item, f"{name}[{i}]")]
    if tree is None:
        return []
    if type(tree) in _registered:
        children = _registered[type(tree)][0](tree)[0]
        return [
            p for i, child in enumerate(children) for p in paths_of(child, f"{name}[child {i}]")
        ]
    if _is_dataclass(tree):
        return [p for f in _fields(tree) for p in paths_of(getattr(tree, f), f"{name}.{f}")]
    return [name]


def names_of(tree: Tree, prefix: str = "") -> list[str]:
    """The name of each leaf, the steps to it joined by dots, such as `layers.0.weight`."""
    parts = parts_of(tree)
    if parts is None:
        return [] if tree is None else [prefix.removesuffix(".")]
    steps: Iterable[Any] = range(len(parts))
    if isinstance(tree, dict):
        steps = tree
    elif not isinstance(tree, (list, tuple)) and type(tree) not in _registered:
        steps = _fields(tree)
    return [
        name
        for step, part in zip(steps, parts, strict=True)
        for name in names_of(part, f"{prefix}{step}.")
    ]


def rebuilt(tree: Tree, leaves: Sequence[Any]) -> Tree:
    """The tree with other leaves."""
    return _built(tree, iter(leaves))


def _built(tree: Tree, rest: Iterator[Any]) -> Tree:
    # No function inside of another: one that calls itself is a cycle, which would keep the leaves
    # alive until the garbage collector runs.
    if isinstance(tree, dict):
        return type(tree)((key, _built(value, rest)) for key, value in tree.items())
    if isinstance(tree, (list, tuple)):
        parts = [_built(part, rest) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if tree is None:
        return None
    if type(tree) in _registered:
        flatten, unflatten = _registered[type(tree)]
        children, others = flatten(tree)
        return unflatten(others, [_built(child, rest) for child in children])
    if _is_dataclass(tree):
        made = copy.copy(tree)  # its own constructor may look at values
        for name in _fields(tree):
            object.__setattr__(made, name, _built(getattr(tree, name), rest))
        return made
    return next(rest)


def leaves_like(tree: Tree, given: Tree, what: str) -> list[Any]:
    """The leaves of what was `given`, in the order of those of `tree`.

    Raises
    ------
    ShapeError
        If it is not nested likewise: dicts with the same keys, sequences of the same length.
    """
    found: list[Any] = []
    if not _match(tree, given, found):
        raise ShapeError(f"{what} nested as {shown(tree)}, not as {shown(given)}")
    return found


def _match(tree: Tree, given: Tree, found: list[Any]) -> bool:
    parts = parts_of(tree)
    if parts is None:
        if tree is None or given is None:
            return tree is given
        found.append(given)
        return not isinstance(given, (dict, list, tuple))
    others = parts_like(tree, given)
    return others is not None and all(
        _match(part, other, found) for part, other in zip(parts, others, strict=True)
    )


def shown(tree: Tree) -> str:
    """The nesting of a tree for a message, its leaves as asterisks."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(shown, tree)) + "]"
    if isinstance(tree, tuple):
        return "(" + ", ".join(map(shown, tree)) + ("," if len(tree) == 1 else "") + ")"
    if tree is None:
        return "None"
    if type(tree) in _registered:
        return f"{type(tree).__name__}{shown(tuple(_registered[type(tree)][0](tree)[0]))}"
    if _is_dataclass(tree):
        parts = (f"{name}={shown(getattr(tree, name))}" for name in _fields(tree))
        return f"{type(tree).__name__}({', '.join(parts)})"
    return "*"


def structure_of(tree: Tree) -> Any:
    """The nesting of a tree, hashable: equal if `rebuilt` makes the same of both."""
    if isinstance(tree, dict):
        return (type(tree), *[(name, structure_of(item)) for name, item in tree.items()])
    if isinstance(tree, (list, tuple)):
        return (type(tree), *map(structure_of, tree))
    if tree is None:
        return None
    if type(tree) in _registered:
        children, others = _registered[type(tree)][0](tree)
        return (type(tree), others, *map(structure_of, children))
    if _is_dataclass(tree):
        held = _fields(tree)
        static = (f.name for f in dataclasses.fields(tree) if f.name not in held)
        return (
            type(tree),
            *[(name, getattr(tree, name)) for name in static],
            *[structure_of(getattr(tree, name)) for name in held],
        )
    return True
