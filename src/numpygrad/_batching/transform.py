"""The transformation itself: axes of arguments and results, and the call."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import Device
from numpygrad._batching.mapped import Mapped, spread_out
from numpygrad._batching.running import run
from numpygrad._batching.trace import Trace
from numpygrad._lazy.deferred import Deferred
from numpygrad._lazy.realize import capture, program_of
from numpygrad._tree import Tree, leaves_of, parts_like, parts_of, rebuilt, shown
from numpygrad.errors import CaptureError, ShapeError
from numpygrad.ops import RULE_NAMESPACE
from numpygrad.ops.creation import asarray, copy
from numpygrad.ops.manipulation import moveaxis


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies another, written for one example, to many at once.

    It is called once, with stand-ins for one example, and what it does is then done for all
    examples by single large operations; those without a rule are looped over. The result can be
    differentiated, compiled and mapped again, and derivatives can be taken inside.

    Parameters
    ----------
    function
        Takes and returns Arrays, or nested lists, tuples, dicts and dataclasses of them. Arrays it
        closes over are the same for all examples.
    in_axes
        Where the arguments have their examples: an axis, or `None` for an argument that is the same
        for all. One for all positional arguments, or a tuple or list with one for each; in place
        of an axis may stand a structure like the argument, or like the outer part of it, with an
        axis for each part. Keyword arguments have their examples along axis 0.
    out_axes
        Where the results are to have them: one axis for all, or a structure likewise. `None` for
        what is the same for all.

    Returns
    -------
    callable
        Takes the arguments of `function` with the axis of examples put in; so are its results.

    Raises
    ------
    ShapeError
        If arguments do not have equally many examples, or no argument has any.
    CaptureError
        If the function asks for a value (`if x > 0`, `float(x)`, a mask as a key), draws random
        numbers, or writes into its arguments or into arrays made outside; the line is named.

    Notes
    -----
    A result whose shape depends on values cannot be mapped. Where an examples' value decides
    whether a derivative exists (equal eigenvalues), it is not refused, as under `compile`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> a, x = npg.eye(2), npg.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> npg.vmap(lambda x: x @ a @ x)(x)
    Array([ 5., 25., 61.])

    Gradients of each example's loss:

    >>> def loss(w, x, y):
    ...     return (x @ w - y) ** 2
    >>> w, y = npg.array([1.0, -1.0]), npg.array([0.0, 0.0, 1.0])
    >>> print(npg.vmap(npg.grad(loss), in_axes=(None, 0, 0))(w, x, y))
    [[ -2.  -4.]
     [ -6.  -8.]
     [-20. -24.]]
    """

    @functools.wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = _axes_of(in_axes, args)
        leaves = [_as_operand(x) for x in leaves_of((args, kwargs))]
        axes += [0] * (len(leaves) - len(axes))
        given = [_examples_first(x, axis) for x, axis in zip(leaves, axes, strict=True)]
        size = _common_size(given)
        result, values = _mapped(function, args, kwargs, given, size)
        wanted = _prefix("out_axes", out_axes, result)
        found = [_placed(x, axis, size, given) for x, axis in zip(values, wanted, strict=True)]
        return rebuilt(result, found)

    return mapped


def _as_operand(x: Any) -> Any:
    return asarray(x) if isinstance(x, (np.ndarray, np.generic)) else x


def _axes_of(in_axes: Any, args: Sequence[Any]) -> list[int | None]:
    """The axis of each leaf of the positional arguments."""
    if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(args):
        raise ValueError(
            f"in_axes has {len(in_axes)} entries for {len(args)} positional arguments; give one "
            "for each, or a single axis for all"
        )
    return _prefix("in_axes", in_axes, args)


def _prefix(name: str, axes: Any, tree: Tree) -> list[int | None]:
    """The axis of each leaf of a tree, given for each or for the parts that it is in."""
    if axes is None or isinstance(axes, (int, np.integer)):
        return [axes if axes is None else int(axes)] * len(leaves_of(tree))
    parts, given = parts_of(tree), parts_like(tree, axes)
    if parts is not None and given is not None:
        pairs = zip(given, parts, strict=True)
        return [found for axis, part in pairs for found in _prefix(name, axis, part)]
    raise ValueError(
        f"{name} is an axis, None, or nested as the outer part of what it is for; {axes!r} does "
        f"not fit {type(tree).__name__} {shown(tree)}"
    )


def _examples_first(x: Any, axis: int | None) -> Any:
    """A leaf of the arguments as the program takes it: `Mapped`, or the same for all examples."""
    if axis is None:
        return x
    if not isinstance(x, Array):
        raise TypeError(
            f"vmap() maps over Arrays, not {type(x).__name__}; for an argument that is the same "
            "for all examples, give None in in_axes; bind a keyword argument by functools.partial"
        )
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"in_axes asks for axis {axis} of an array of shape {x.shape}; for one that is the "
            "same for all examples, give None"
        )
    return Mapped(x if axis % x.ndim == 0 else moveaxis(x, axis, 0))


def _common_size(given: Sequence[Any]) -> int:
    sizes = [x.array.shape[0] for x in given if type(x) is Mapped]
    if not sizes:
        raise ShapeError("vmap() needs an argument with examples: in_axes is None for all of them")
    if len(set(sizes)) > 1:
        raise ShapeError(f"vmap() of arguments with {sizes} examples; they must be equally many")
    return int(sizes[0])


def _mapped(
    function: Callable[..., Any], args: Any, kwargs: Any, given: Sequence[Any], size: int
) -> tuple[Tree, list[Any]]:
    """The structure of the result, and its leaves: `Mapped`, or the same for all examples."""
    trace = Trace()
    stand_ins = [trace.example(x.array, x.shape) if type(x) is Mapped else x for x in given]
    examples = {id(s._data): x for s, x in zip(stand_ins, given, strict=True) if type(x) is Mapped}
    args, kwargs = rebuilt((args, kwargs), stand_ins)
    with _modes.capture(trace):
        result = function(*args, **kwargs)
        leaves = leaves_of(result)
        raw = [trace.captured(x) if isinstance(x, Array) else x for x in leaves]
        raw = [
            x.type.xp.stop_gradient(x) if _is_cut(leaf) else x
            for x, leaf in zip(raw, leaves, strict=True)
        ]
    trace.check()
    roots = [x for x in raw if type(x) is Deferred]
    if not roots:
        return result, raw
    device = _only_device(roots)
    captured = capture(device, roots, keep=False, since=trace.first_order)
    inputs = [_input(x, examples, trace, device) for x in captured.inputs]
    scope = device.backend.scope  # of programs, in which derivatives at a pole are no warning
    with scope() if scope is not None else contextlib.nullcontext():
        outputs = iter(run(program_of(captured), inputs, device, size))
    return result, [next(outputs) if type(x) is Deferred else x for x in raw]


def _is_cut(x: Any) -> bool:
    """Whether a result has no history, though it was computed from what has."""
    return (
        isinstance(x, Array)
        and x._type.is_floating
        and x._node is None
        and _modes.is_grad_enabled()
    )


def _only_device(roots: Sequence[Deferred]) -> Device:
    devices = {x.type.device for x in roots}
    if len(devices) > 1:
        raise CaptureError(f"vmap() maps functions of arrays of one device, not {sorted(devices)}")
    return devices.pop()


def _input(x: Any, examples: dict[int, Mapped], trace: Trace, device: Device) -> Any:
    """What an input of the captured program is, at the level of the caller."""
    if id(x) in examples:
        return examples[id(x)]
    known = trace.inputs.get(id(x))
    if known is not None:
        return known
    if type(x) is Deferred and trace.is_from_outside(x):
        return _from_outside(x)
    data = x.value if type(x) is Deferred else x
    out = wrap(data, device.type_of(data))
    if (outer := _modes.tracing()) is not None:
        outer.made(out)
    return out


def _from_outside(x: Deferred) -> Array:
    """What a rule that was recorded outside keeps without its Array: an index, or a mask."""
    if x.shape is None or x.type.is_floating:
        raise CaptureError(
            "a function that vmap() maps uses an array in a way that cannot be followed to the "
            "array outside; pass it as an argument, with None in in_axes"
        )
    return wrap(x, x.type)


def _placed(x: Any, axis: int | None, size: int, given: Sequence[Any]) -> Any:
    """A result with its examples where they are wanted, in memory of its own."""
    if axis is None:
        if type(x) is Mapped:
            raise ValueError("out_axes is None for a result that differs between examples")
        return x
    if not isinstance(x, (Array, Mapped)):
        if not isinstance(x, (bool, int, float, complex, np.ndarray, np.generic)):
            raise TypeError(
                f"a function that vmap() maps returns Arrays and numbers, not {type(x).__name__}; "
                "for what is the same for all examples, give None in out_axes"
            )
        x = asarray(x)
    out = spread_out(RULE_NAMESPACE, x, size)
    if not -out.ndim <= axis < out.ndim:
        raise ShapeError(
            f"out_axes asks for axis {axis} of a result that has, with the examples, {out.ndim} "
            "axes"
        )
    if axis % out.ndim:
        out = moveaxis(out, 0, axis)
    return (
        copy(out)
        if out._alias is not None or any(out is g.array for g in given if type(g) is Mapped)
        else out
    )
