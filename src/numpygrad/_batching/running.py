"""A captured program run for all examples at once, by rules, over Arrays that are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._backend import Device, numpy_dtype
from numpygrad._batching.fitting import named
from numpygrad._batching.mapped import Mapped
from numpygrad._batching.rules import RULES
from numpygrad._custom.joint import Whole
from numpygrad._lazy.program import Instruction, Program, Value, last_uses, mapped
from numpygrad.ops import RULE_NAMESPACE
from numpygrad.ops.creation import zeros
from numpygrad.ops.manipulation import stack


def run(program: Program, inputs: Sequence[Any], device: Device, size: int) -> list[Any]:
    """The outputs of a program: `Mapped` arrays, and plain ones that no mapped input reaches."""
    values: list[Any] = list(inputs)
    for instruction, finished in zip(program.instructions, last_uses(program), strict=True):
        values.append(_result(instruction, values, device, size))
        for number in finished:
            values[number] = None
    return [values[number] for number in program.outputs]


def _result(call: Instruction, values: Sequence[Any], device: Device, size: int) -> Any:
    """What an instruction gives: for all examples, if one of its arguments is mapped."""
    if call.name == "part":
        whole, position = mapped(call.args, values.__getitem__)
        return whole[position]
    args = _given(call.args, values, device)
    params = {name: _given(item, values, device) for name, item in call.params.items()}
    is_mapped = any(type(values[number]) is Mapped for number in call.reads)
    if not call.reads and call.name not in RULES and not hasattr(RULE_NAMESPACE, call.name):
        return Array(call.kernel())  # what `lazily` made
    if not is_mapped:
        found = named(RULE_NAMESPACE, call.name)(*args, **params)
        return tuple(found) if isinstance(found, (tuple, list)) else found
    rule = RULES.get(call.name)
    found = NotImplemented if rule is None else rule(RULE_NAMESPACE, *args, **params)
    if found is NotImplemented:
        found = _looped(call, args, params, size)
    if isinstance(found, (tuple, list)):
        return tuple(map(Mapped, found))
    return Mapped(found)


def _given(item: Any, values: Sequence[Any], device: Device) -> Any:
    """An argument as functions of Arrays take it."""
    kind = type(item)
    if kind is Value:
        return values[item.index]
    if kind is tuple or kind is list:
        return kind([_given(part, values, device) for part in item])
    if kind is type(device.raw) and item == device.raw:
        return device
    if hasattr(item, "dtype") or isinstance(item, _AS_THEY_ARE):
        return item
    return item if item is None or item is ... else numpy_dtype(item)


_AS_THEY_ARE = (str, int, float, complex, slice, np.dtype, Whole)


def _looped(call: Instruction, args: Any, params: Any, size: int) -> Any:
    """The results of a kernel without a rule, for one example after the other."""
    function = named(RULE_NAMESPACE, call.name)
    results = [
        function(*_example(args, i), **{name: _example(item, i) for name, item in params.items()})
        for i in range(size)
    ]
    if not results:
        aval = call.aval
        if aval is None:
            raise ValueError(f"vmap() over no examples of {call.name}()")
        return zeros((0, *aval.shape), dtype=aval.dtype)
    if isinstance(results[0], (tuple, list)):
        return tuple(stack(list(parts)) for parts in zip(*results, strict=True))
    return stack(results)


def _example(item: Any, i: int) -> Any:
    if type(item) is Mapped:
        return item.array[i]
    if type(item) is tuple or type(item) is list:
        return type(item)([_example(part, i) for part in item])
    return item
