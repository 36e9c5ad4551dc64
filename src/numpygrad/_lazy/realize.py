"""From deferred arrays to their values: a program is captured, compiled once, and run."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from numpygrad import _modes
from numpygrad._backend import Device
from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad._lazy.deferred import Deferred, arguments, constant
from numpygrad._lazy.passes import RUNS_EACH, simplified
from numpygrad._lazy.program import Aval, Executor, Instruction, Program, Runner, Value, interpreter
from numpygrad._lazy.shapes import BINARY
from numpygrad.typing import RawArray


@dataclass
class LazyStats:
    """What lazy mode has done in this process."""

    programs: int = 0
    """Programs that were run."""
    compiled: int = 0
    """Programs that had to be compiled first; the others were found in the cache."""
    cached: int = 0
    """Compiled programs that are kept."""


class Captured(NamedTuple):
    """A program to be: what is to be computed, in order, and from what."""

    device: Device
    inputs: list[Any]
    """Deferred with a value, or raw."""
    calls: list[Deferred]
    outputs: list[int]
    """What is wanted: an input of that number, or the call of number `~i`."""
    key: tuple[Any, ...]
    """Equal for programs that differ in the values of their inputs alone."""
    reads: list[tuple[int, ...]]
    """For each call what its arrays are, numbered likewise."""


CACHE_LENGTH = 256
LONG = 20_000
"""Calls from which on a program is run call by call, as compiling it would take longer."""

_cache: OrderedDict[Any, Runner] = OrderedDict()
_lock = threading.RLock()
_stats = LazyStats()


def lazy_stats() -> LazyStats:
    """How many programs lazy mode has run, compiled and kept, in this process.

    A loop of equal steps compiles once: then `programs` grows, and `compiled` does not.

    Examples
    --------
    >>> import numpygrad as npg
    >>> before = npg.lazy_stats()
    >>> for step in range(3):
    ...     with npg.lazy():
    ...         y = npg.exp(npg.array([1.0, 2.0]) * step).realize()
    >>> after = npg.lazy_stats()
    >>> after.programs - before.programs
    3
    """
    with _lock:
        return LazyStats(_stats.programs, _stats.compiled, len(_cache))


def values_of(arrays: Sequence[Any], *, why: str = "") -> list[RawArray]:
    """The raw arrays, computed where they are deferred; `why` they are needed, for errors."""
    tracing = _modes.tracing()
    if tracing is not None:
        tracing.require_values(arrays, why)
    compute([x for x in arrays if type(x) is Deferred])
    return [x.value if type(x) is Deferred else x for x in arrays]


def compute(wanted: Iterable[Deferred]) -> None:
    """Give values to deferred arrays, those of one device by one program.

    What lies in between is computed and forgotten, though somebody may hold it: a function's local
    names, for the most part, which would cost memory and keep calls from being fused. If some of it
    is wanted again, in a loop that carries arrays from step to step, then what is held is kept from
    there on, so that nothing is computed more than twice.
    """
    by_device: dict[Device, list[Deferred]] = {}
    for x in wanted:
        if x.value is None:
            by_device.setdefault(x.type.device, []).append(x)
    for device, roots in by_device.items():
        with _lock:
            if _computed_directly(device, roots):
                continue
            captured = capture(device, roots, keep=True)
        inputs = [x.value if type(x) is Deferred else x for x in captured.inputs]
        results = _runner(captured)(inputs)
        with _lock:
            for number, value in zip(captured.outputs, results, strict=True):
                _set_value(captured.calls[~number], value)
            for call in captured.calls:
                call.ran = True


def _computed_directly(device: Device, roots: Sequence[Deferred]) -> bool:
    """Whether there was so little to do that it was done, call by call: an optimiser's step, say.

    A program of two calls takes 50 us to capture and look up.
    """
    calls: dict[int, Deferred] = {}
    todo = list(roots)
    while todo:
        x = todo.pop()
        if type(x) is Deferred and x.value is None and id(x) not in calls:
            if len(calls) == FEW or x.form is not None or x.kernel.name not in BINARY:  # type: ignore[union-attr]  # pending
                return False
            calls[id(x)] = x
            todo += x.arrays
    scope = device.backend.scope
    with scope() if scope is not None else contextlib.nullcontext():
        for x in sorted(calls.values(), key=attrgetter("order")):
            values = [a.value if type(a) is Deferred else a for a in x.arrays]
            made = x.kernel.call(*values)  # type: ignore[union-attr]  # pending
            _set_value(x, made)
    _stats.programs += 1
    return True


FEW = 3
"""Calls up to which a program is not worth its while."""


def _set_value(x: Deferred, value: RawArray) -> None:
    x.value = value
    x.arrays, x.form, x.kernel = (), None, None


def capture(device: Device, roots: Sequence[Deferred], *, keep: bool, since: int = 0) -> Captured:
    """The program of all that `roots` need; first comes what they are, in their order.

    With `keep`, what will be wanted again follows. What was recorded before the number `since` is
    an input, computed or not.
    """
    calls = _calls_behind(roots, since)
    inputs: list[Any] = []
    numbers: dict[int, int] = {}
    reads = []
    key: list[Any] = [device]
    for position, call in enumerate(calls):
        read = []
        for x in call.arrays:
            number = numbers.get(id(x))
            if number is None:
                number = numbers[id(x)] = len(inputs)
                inputs.append(x)
            read.append(number)
        numbers[id(call)] = ~position
        reads.append(tuple(read))
        key += (call.kernel, call.form, reads[-1])
    for root in roots:
        if id(root) not in numbers:
            numbers[id(root)] = len(inputs)
            inputs.append(root)
    outputs = [numbers[id(root)] for root in roots]
    if keep:
        outputs += [~i for i in _also_wanted(calls) if ~i not in outputs]
    key += [(x.shape, x.dtype) for x in inputs]
    key += outputs
    return Captured(device, inputs, calls, outputs, tuple(key), reads)


def _calls_behind(roots: Sequence[Deferred], since: int) -> list[Deferred]:
    """What has to be computed, in the order it was recorded in."""
    found: dict[int, Deferred] = {}
    todo = list(roots)
    while todo:
        x = todo.pop()
        if x.value is None and x.order >= since and id(x) not in found:
            found[id(x)] = x
            todo += [a for a in x.arrays if type(a) is Deferred]
    return sorted(found.values(), key=attrgetter("order"))


def _also_wanted(calls: list[Deferred]) -> list[int]:
    """Positions of calls that will be wanted again.

    They are those that run once, whatever happens; and if something is computed a second time,
    those that somebody holds.
    """
    wanted = [i for i, call in enumerate(calls) if call.kernel.name in RUNS_EACH]  # type: ignore[union-attr]  # pending
    if not any(call.ran for call in calls):
        return wanted
    uses = Counter(id(x) for call in calls for x in call.arrays)
    return wanted + [i for i, count in _references(calls) if count > uses[id(calls[i])]]


def _references(calls: list[Deferred]) -> list[tuple[int, int]]:
    """Position of each call that has a value of its own, and how often it is held elsewhere."""
    calls.append(constant(np.zeros(()), calls[0].type))  # which nobody holds
    counts = [sys.getrefcount(calls[i]) for i in range(len(calls))]
    calls.pop()
    alone = counts.pop()
    return [(i, n - alone) for i, n in enumerate(counts) if calls[i].shape is not None]


def _runner(captured: Captured) -> Runner:
    """The compiled program, from the cache if an equal one was run before."""
    with _lock:
        _stats.programs += 1
        runner = _cache.get(captured.key)
        if runner is not None:
            _cache.move_to_end(captured.key)
            return runner
    executor = None if len(captured.calls) < LONG else interpreter
    runner = runner_of(program_of(captured), captured.device, executor)
    with _lock:
        _stats.compiled += 1
        _cache[captured.key] = runner
        if len(_cache) > CACHE_LENGTH:
            _cache.popitem(last=False)
    return runner


def runner_of(program: Program, device: Device, executor: Executor | None = None) -> Runner:
    """What runs a program on a device: simplified, and compiled by the backend."""
    executor = executor or device.backend.executor or interpreter
    runner = executor(simplified(program))
    scope = device.backend.scope
    if executor is not interpreter or scope is None:
        return runner

    def scoped(inputs: Sequence[RawArray]) -> list[RawArray]:
        with scope():
            return runner(inputs)

    return scoped


def program_of(captured: Captured) -> Program:
    """What was captured, as a program."""
    family = captured.device.type(DEFAULT_FLOAT)
    count = len(captured.inputs)
    instructions = []
    for call, read in zip(captured.calls, captured.reads, strict=True):
        kernel: Any = call.kernel
        values = [Value(number if number >= 0 else count + ~number) for number in read]
        args, params = arguments(call, values)
        aval = None if call.shape is None else Aval(call.shape, call.type.dtype)
        instructions.append(Instruction(kernel.name, kernel.call, args, params, aval))
    avals = [
        Aval(x.shape, x.type.dtype if type(x) is Deferred else family.of(x).dtype)
        for x in captured.inputs
    ]
    outputs = tuple(number if number >= 0 else count + ~number for number in captured.outputs)
    return Program(tuple(avals), tuple(instructions), outputs)
