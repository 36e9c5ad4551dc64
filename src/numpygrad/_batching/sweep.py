"""Many cotangents sent back through a recorded graph at once, without recording anything."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

from numpygrad._array import Array, wrap
from numpygrad._backend import ArrayType, Namespace
from numpygrad._batching.mapped import Mapped, UnmappedError, spread_out
from numpygrad._batching.rules import RULES
from numpygrad._engine import Sweep, zeros_of
from numpygrad._forward import nodes_behind
from numpygrad._node import Node


class RuleNamespace:
    """A backend's namespace as rules see it whose cotangent is `Mapped`."""

    def __init__(self, library: Any, extension: str = "") -> None:
        self._library = library
        self._extension = extension

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        if isinstance(found, Namespace):
            found = RuleNamespace(found, f"{self._extension}{name}.")
            found._root = self._root
        elif callable(found) and not isinstance(found, type):
            found = self._mapping(self._extension + name, found)
        self.__dict__[name] = found
        return found

    @functools.cached_property
    def _root(self) -> Any:
        return self._library

    @functools.cached_property
    def _whole(self) -> RuleNamespace:
        return self if not self._extension else RuleNamespace(self._root)

    def _mapping(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        rule = RULES.get(name)
        whole, root = self._whole, self._root

        def apply(*args: Any, **params: Any) -> Any:
            if not (_any_mapped(args) or (params and _any_mapped(params.values()))):
                return kernel(*args, **params)
            if rule is None:
                raise UnmappedError(name)
            found = rule(root, *args, **params)
            if found is NotImplemented:
                raise UnmappedError(name)
            if isinstance(found, (tuple, list)):
                parts = [Mapped(part, whole) for part in found]
                return found._make(parts) if hasattr(found, "_make") else tuple(parts)
            return Mapped(found, whole)

        return apply


def _any_mapped(args: Any) -> bool:
    return any(type(x) is Mapped or (type(x) in (tuple, list) and _any_mapped(x)) for x in args)


@functools.cache
def _namespace(type_: ArrayType) -> RuleNamespace | None:
    """The namespace for arrays of a type; `None` if they refuse operands that they do not know."""
    found = RuleNamespace(type_.xp)
    one = type_.xp.ones((1,), dtype=type_.raw_dtype, device=type_.device.raw)
    try:
        one * Mapped(one, found)
    except TypeError:
        return None
    return found


def pulled_at_once(y: Array, seeds: Array, inputs: Sequence[Array]) -> list[Array] | None:
    """For each of `seeds`, cotangents of `y`, those of the inputs, stacked along a first axis.

    `None` if the graph has what only recorded arrays can go through.
    """
    node = y._node
    if node is None:
        return [zeros_of(x._type, (seeds.shape[0], *x.shape)) for x in inputs]
    targets = {x._node for x in inputs if x._node is not None}
    inside, outside = nodes_behind([node], targets)
    if outside or not all(map(_is_plain, inside)):
        return None
    type_ = y._type
    namespace = _namespace(type_)
    if namespace is None:
        return None
    sweep = Sweep(recorded=False, retain_graph=True, targets=targets, batched=True)
    scope = type_.backend.scope
    try:
        with scope() if scope is not None else contextlib.nullcontext():
            totals = sweep.cotangents(node, Mapped(seeds._data, namespace)).totals
            return [_stacked(x, totals, seeds.shape[0]) for x in inputs]
    except UnmappedError:
        return None


def _is_plain(node: Node) -> bool:
    """Whether the rules of a node are the table's, and compute with what they are given alone."""
    op = node.op
    if op is None or op.is_part:
        return op is None or not op.hooked
    return op.path in RULES and not (op.hooked or op.is_deferred or op.is_joint)


def _stacked(x: Array, totals: dict[Node, tuple[Any, bool]], size: int) -> Array:
    if x._node not in totals:
        return zeros_of(x._type, (size, *x.shape))
    g = totals[x._node][0]
    data = spread_out(x._type.xp, g, size)
    return wrap(x._type.xp.asarray(data, copy=True), x._type)
