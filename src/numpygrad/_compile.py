"""Functions captured as programs: traced once for each signature, then run without their body."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, wrap
from numpygrad._backend import ArrayType, chosen_device, default_device
from numpygrad._dispatch import record, settle
from numpygrad._engine import hooks
from numpygrad._lazy.deferred import (
    Deferred,
    Kernel,
    constant,
    deferred_type,
    next_order,
    reads_any,
    weak_type,
)
from numpygrad._lazy.passes import explained
from numpygrad._lazy.program import Program, Runner
from numpygrad._lazy.realize import capture, program_of, runner_of
from numpygrad._node import RELEASED, Node, leaf, tick
from numpygrad._op import Op
from numpygrad._storage import Detached, View, Write, storage_of
from numpygrad._tree import leaves_of, rebuilt, structure_of
from numpygrad._views import VIEW_FROM_OUTSIDE, overwrite, protect_readers
from numpygrad.errors import CaptureError, DerivativeError
from numpygrad.ops.creation import asarray
from numpygrad.typing import RawArray, Shape

P = ParamSpec("P")
R = TypeVar("R")


def compile(  # noqa: A001 (the field's name for it)
    function: Callable[P, R] | None = None, *, explain: bool = False
) -> Any:
    """`function`, captured as a program that later calls run without its Python body.

    It is traced once for each signature: the structure of the arguments, shapes, dtypes and devices
    of Arrays in them, which of them require grad, and the values of everything else but floats. The
    program is optimised forward and backward as one, and compiled by the backend. Those of the last
    64 signatures are kept.

    Inside, `backward()`, `grad` and their like, `no_grad` and writes in place work as elsewhere.
    Arrays the function closes over are read anew at each call; what is written into them, and into
    `grad` of leaves, happens at each call. Results share memory with no other array. Everything
    else the body does happens at tracing alone: printing, appending to lists, drawing NumPy's
    random numbers.

    Parameters
    ----------
    function
        Takes and returns Arrays, or nested lists, tuples and dicts of them and of anything
        hashable. Python floats among the arguments may change without a new trace.
    explain
        Print the program whenever one is compiled: its instructions before and after each pass,
        the groups that run as one, buffers and bytes moved.

    Raises
    ------
    CaptureError
        When the function needs a value to go on, as in `if loss < 1`: it names the line.
    DerivativeError
        In `backward()` of a result: derivatives are taken inside.

    Examples
    --------
    >>> import numpygrad as npg
    >>> w = npg.array([1.0, 2.0], requires_grad=True)
    >>> @npg.compile
    ... def step(x, rate):
    ...     loss = ((w * x - 1.0) ** 2).sum()
    ...     loss.backward()
    ...     with npg.no_grad():
    ...         w[...] -= rate * w.grad
    ...     w.grad = None
    ...     return loss
    >>> x = npg.array([1.0, 1.0])
    >>> for speed in (0.5, 0.25, 0.125):
    ...     loss = step(x, speed)
    >>> print(w)
    [1. 1.]
    """
    if function is None:
        return functools.partial(compile, explain=explain)
    return Compiled(function, explain=explain)


SIGNATURES_KEPT = 64
_PLAIN = frozenset({Array, float})
"""Types of arguments that are leaves, and taken as they are."""


class Compiled:
    """A function and the programs captured from it."""

    def __init__(self, function: Callable[..., Any], *, explain: bool = False) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._explain = explain
        self._captures: dict[Any, list[_Capture]] = {}
        self._lock = threading.RLock()

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _modes.tracing() is not None:
            return self._function(*args, **kwargs)  # part of the program that is being captured
        leaves: Sequence[Any]
        structure: Any
        if not kwargs and _PLAIN.issuperset(map(type, args)):  # 5 us less
            leaves, structure = args, None
        else:
            given, structure = leaves_of((args, kwargs)), structure_of((args, kwargs))
            leaves = [asarray(x) if isinstance(x, np.ndarray) else x for x in given]
        if _modes.deferring:
            settle([x for x in leaves if isinstance(x, Array)])
        key = (structure, _signature(leaves))
        captures = self._captures.get(key, ())
        for found in captures:
            if found.holds(leaves):
                return found.run(leaves)
        with self._lock:
            found = self._captured(args, kwargs, leaves)
            if self._explain:
                print(explained(found.recorded, found.runner))
            self._captures.setdefault(key, []).append(found)
            while len(self._captures) > SIGNATURES_KEPT:
                del self._captures[next(iter(self._captures))]
        return found.run(leaves)

    def _captured(self, args: Any, kwargs: Any, leaves: Sequence[Any]) -> _Capture:
        """A program for arguments like these; for these very arrays, where others would differ."""
        try:
            found = _captured(self._function, args, kwargs, leaves)
            if found.holds(leaves):
                return found
        except _SharedError:
            pass
        return _captured(self._function, args, kwargs, leaves, for_these=True)


class _SharedError(CaptureError):
    """An array that is written to has a second name."""


def _signature(leaves: Sequence[Any]) -> tuple[Any, ...]:
    """What of the arguments a program depends on."""
    found: list[Any] = [_modes.is_grad_enabled(), chosen_device()]
    first: dict[int, int] = {}
    for position, x in enumerate(leaves):
        if isinstance(x, Array):
            node = x._node
            kind = None if node is None else node.op is None
            found.append((x._type, x._data.shape, kind, first.setdefault(id(x), position)))
        elif type(x) is float:
            found.append(float)
        else:
            found.append((type(x), _hashable(x)))
    return tuple(found)


def _hashable(x: Any) -> Any:
    try:
        hash(x)
    except TypeError as error:
        raise TypeError(
            f"a compiled function takes Arrays, floats and hashable values, not {type(x).__name__}"
        ) from error
    return x


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where an array is found at each call: among the arguments, or where it was at tracing."""

    argument: int
    """Its position, or -1."""
    array: Any

    def __eq__(self, other: object) -> bool:
        # By identity: arrays compare by element.
        return (
            isinstance(other, _Place)
            and self.argument == other.argument
            and self.array is other.array
        )

    def __hash__(self) -> int:
        return hash((self.argument, id(self.array)))

    def find(self, leaves: Sequence[Any]) -> Any:
        """What is there: an array, or a node whose array is not known."""
        return self.array if self.argument < 0 else leaves[self.argument]

    def node(self, leaves: Sequence[Any]) -> Node:
        """The node of what is there."""
        found = self.find(leaves)
        return found if type(found) is Node else found._node


@dataclass
class _Leaf:
    """A leaf whose gradient the function reads or sets."""

    place: _Place
    """Of the array of the node, or of the node itself."""
    before: Array | None
    """Its gradient when the trace met it first."""
    after: Any = None


class _Trace(_modes.Tracing):
    """A function that is being captured: arrays stand for whatever they will be at each call."""

    def __init__(self, leaves: Sequence[Any]) -> None:
        self.inputs: dict[int, tuple[Deferred, str, _Place]] = {}
        """By identity: what stands for an array, a gradient or a number, and where that is."""
        self.guards: list[tuple[Array, ArrayType, Shape, Node | None]] = []
        self.leaves: dict[Node, _Leaf] = {}
        self.written: list[_Written] = []
        self._sequence = tick()
        self._order = next_order()
        self._known: dict[int, Deferred] = {}
        self._kept: list[Array] = []
        self._arguments = {id(x): i for i, x in reversed([*enumerate(leaves)])}
        self._nodes = {
            x._node: i for i, x in enumerate(leaves) if isinstance(x, Array) and x._node is not None
        }

    def captured(self, x: Array) -> Deferred:
        """What stands for an array: its own deferred value, or if it was made outside an input."""
        self.settle_outside(x)
        if x._type.eager is not None:
            return x._data  # type: ignore[no-any-return]  # it is, as its type is
        found = self._known.get(id(x))
        if found is not None:
            return found
        place = self.place(x)
        kind = "array"
        for known in self.leaves.values():
            if known.before is x:
                kind, place = "grad", known.place
        if kind == "array" and place.argument < 0:
            self.guards.append((x, x._type, x._data.shape, x._node))
        found = self._known[id(x)] = self._input(kind, place, x._data.shape, x._type)
        self._kept.append(x)
        return found

    def settle_outside(self, x: Array) -> None:
        """Have an array that was recorded outside computed, for calls to read it anew."""
        data = x._data  # first: an outdated view learns here whether it is deferred
        if x._type.eager is None or data.order > self._order:
            return
        if all(data is not number._data for number in x._type.scalars.values()):  # kept for all
            settle([x])

    def is_outside(self, node: Node) -> bool:
        """Whether a node was recorded outside."""
        return node.sequence < self._sequence

    def require_own(self, node: Node) -> None:
        """Refuse to read what a node saved that was recorded outside."""
        if self.is_outside(node):
            name = node.op.name if node.op else "a leaf"
            self.require_values((), f"what {name}() saved outside")

    def saved_outside(self, node: Node, output: Any) -> Any:
        """Refuse to read an output that a node saved outside."""
        self.require_own(node)

    def number(self, position: int) -> Array:
        """What stands for a Python float among the arguments."""
        type_ = weak_type(default_device())
        return wrap(self._input("number", _Place(position, None), (), type_), type_)

    def saw(self, node: Node) -> None:
        """Note the gradient of a leaf before it changes."""
        if node.op is None and node not in self.leaves and self.is_outside(node):
            position = self._nodes.get(node, -1)
            before = getattr(node, "grad", None)
            self.leaves[node] = _Leaf(_Place(position, None if position >= 0 else node), before)

    def made(self, x: Array) -> None:
        """Make an array that was just made of host data one of each call's own."""
        x._data = constant(x._data, deferred_type(x._type))
        x._type = x._data.type

    def adopt(self, x: Array, root: Array) -> None:
        """Make ready for a write into `x`: from here on, what is read is what was written."""
        while x is not root:
            self.settle_outside(x)
            if x._type.eager is None:
                raise CaptureError(f"{VIEW_FROM_OUTSIDE}; at {_modes.callers_line()}")
            x = x._alias.parent  # type: ignore[union-attr]  # it is a view
        self.settle_outside(x)
        if x._type.eager is not None:
            return
        deferred = self.captured(x)
        storage = storage_of(x)
        state = (storage.written, storage.version, len(storage.log))
        self.written.append(_Written(x, self.place(x), x._data, x._type, x._node, state, deferred))
        x._data, x._type = deferred, deferred.type

    def require_values(self, arrays: Sequence[Any], why: str) -> None:
        """Refuse to give values that will be others at the next call."""
        if arrays and not any(map(self._depends, arrays)):
            return
        raise CaptureError(
            f"{why or 'a value'} asked for at {_modes.callers_line()}, while compile() captures "
            "the function, when arrays have no values. For a branch that depends on values use "
            "npg.where; print or convert what the function returns"
        )

    def _depends(self, x: Any) -> bool:
        """Whether a value depends on what may change from call to call."""
        if isinstance(x, Array) and x._type.eager is None:
            return True
        return reads_any(x._data if isinstance(x, Array) else x, self.inputs)

    def restore(self) -> None:
        """Undo what tracing did to arrays and gradients from outside; keep what it came to."""
        for node, known in self.leaves.items():
            known.after = getattr(node, "grad", None)
            node.grad = known.before
        moved = False
        for written in self.written:
            x = written.array
            written.result = x._data
            moved |= x._node is not written.node
            x._data, x._type, x._node = written.data, written.type, written.node
            storage = storage_of(x)
            storage.written, storage.version, length = written.state
            storage.log = storage.log[:length]
        if moved:
            raise CaptureError(
                "a tracked value written inside a compiled function into an array made outside: "
                "its history would be lost. Return the array instead"
            )

    def end(self) -> None:
        """Have what was kept of the trace raise when its values are wanted."""
        for made, _, _ in self.inputs.values():
            made.kernel, made.value, made.ran = Kernel("deferred", _gone), None, False

    def shares_memory(self) -> bool:
        """Whether one of the arrays that are written may come to be an alias of another input."""
        roots = {id(written.array): storage_of(written.array) for written in self.written}
        aliases = [x._alias for x in self._kept if id(x) not in roots]
        others = [alias.storage for alias in aliases if alias is not None]
        shared = len({id(storage) for storage in roots.values()}) < len(roots)
        if shared or any(storage in roots.values() for storage in others):
            raise _SharedError(VIEW_FROM_OUTSIDE)
        return bool(others)

    def place(self, x: Array) -> _Place:
        """Where an array made outside is found."""
        position = self._arguments.get(id(x), -1)
        return _Place(position, None if position >= 0 else x)

    def _input(self, kind: str, place: _Place, shape: Shape, type_: ArrayType) -> Deferred:
        made = constant(np.broadcast_to(_NOTHING, shape), deferred_type(type_))
        self.inputs[id(made)] = (made, kind, place)
        return made


@dataclass
class _Written:
    """An array from outside that the function writes to."""

    array: Array
    place: _Place
    data: RawArray
    type: ArrayType
    node: Node | None
    state: tuple[int, int, int]
    """What its storage knew of writes."""
    before: Deferred
    """What stands for its values when the function is called."""
    result: Any = None
    """And for those it is left with."""


_NOTHING = np.empty((), np.int8)
"""What inputs hold while a function is traced: nobody may look."""


def _gone() -> Any:
    raise CaptureError(
        "an array that a compiled function made while compile() captured it was kept, and has no "
        "value: later calls run the program, not the function's body. Return the array instead"
    )


@dataclass
class _Capture:
    """A program with where its inputs come from, and what becomes of its outputs."""

    recorded: Program
    runner: Runner
    inputs: list[Any]
    """The constants, with gaps."""
    gaps: list[tuple[int, str, _Place, ArrayType]]
    """The inputs that each call fills in: number, kind, place and type."""
    guards: list[tuple[Array, ArrayType, Shape, Node | None]]
    """Arrays from outside, as they were."""
    leaves: list[tuple[_Place, bool]]
    """Leaves whose gradient is read or set, and whether they had one."""
    gradients: list[tuple[_Place, Any]]
    """Leaves that get another gradient: the number of an output, an Array or `None`."""
    writes: list[tuple[_Place, int]]
    """Arrays that are overwritten, and the output they become; -1 if the program writes there."""
    result: Any
    """The structure of what the function returns, with numbers for leaves."""
    items: list[Any]
    """What is in it: for what each call puts there, an `_Output` or a `_Place`."""
    these: list[tuple[int, Array]]
    """Arguments that must be these very arrays."""

    def __post_init__(self) -> None:
        # What is found where it was is looked up here, once: each look takes 0.2 us, 20 a step.
        self._outside = frozenset(id(x) for x, *_ in self.guards)
        self._arrays: list[tuple[int, Array]] = []
        self._gaps: list[tuple[int, str, _Place, ArrayType]] = []
        for number, kind, place, type_ in self.gaps:
            if kind == "array" and place.argument < 0 and place.array.shape:
                self._arrays.append((number, place.array))
            else:
                self._gaps.append((number, kind, place, type_))
        self._nodes = {place.array: had for place, had in self.leaves if type(place.array) is Node}
        self._leaves = [known for known in self.leaves if type(known[0].array) is not Node]

    def holds(self, leaves: Sequence[Any]) -> bool:
        """Whether arrays from outside are still of the kind that was traced."""
        if any(leaves[i] is not x for i, x in self.these):
            return False
        for x, type_, shape, node in self.guards:
            if x._type is not type_ or x._node is not node or x._data.shape != shape:
                return False
        for node, had in self._nodes.items():
            if (node.grad is None) is had:
                return False
        if self._leaves:
            nodes = {*self._nodes}
            for place, had in self._leaves:
                node = place.node(leaves)
                if (node.grad is None) is had:
                    return False
                nodes.add(node)
            if len(nodes) < len(self.leaves):
                return False
        return bool(self.these) or not self.writes or not self._crosses(leaves)

    def _crosses(self, leaves: Sequence[Any]) -> bool:
        """Whether an array that is written shares memory with another, as an argument may."""
        for x in leaves:
            if isinstance(x, Array) and (
                isinstance(x._alias, (View, Detached)) or id(x) in self._outside
            ):
                break
        else:
            return False
        written = {place for place, _ in self.writes}
        places = written | {place for _, kind, place, _ in self.gaps if kind == "array"}
        by_memory: dict[int, list[_Place]] = {}
        for place in places:
            x = place.find(leaves)
            memory = x if x._alias is None else x._alias.storage
            by_memory.setdefault(id(memory), []).append(place)
        return any(len(own) > 1 and not written.isdisjoint(own) for own in by_memory.values())

    def run(self, leaves: Sequence[Any]) -> Any:
        """Run the program on the arguments, and do to arrays outside what the function does."""
        inputs = self.inputs.copy()
        for number, x in self._arrays:
            inputs[number] = x._data
        for number, kind, place, type_ in self._gaps:
            inputs[number] = _value(kind, place, leaves, type_)
        written = [place.find(leaves) for place, _ in self.writes]
        for x in written:
            protect_readers(x)
        outputs = self.runner(inputs)
        write = Write(tick(), "compile", None)
        for x, (_, position) in zip(written, self.writes, strict=True):
            overwrite(x, outputs[position] if position >= 0 else None, write)
        for place, after in self.gradients:
            node = place.node(leaves)
            type_ = node.type.eager or node.type
            node.grad = wrap(outputs[after], type_) if type(after) is int else after
        found = [
            item.made(outputs)
            if type(item) is _Output
            else item.find(leaves)
            if type(item) is _Place
            else item
            for item in self.items
        ]
        return found[0] if type(self.result) is int else rebuilt(self.result, found)


def _value(kind: str, place: _Place, leaves: Sequence[Any], type_: ArrayType) -> Any:
    """What a place holds, as an input of a program."""
    if kind == "grad":
        return place.node(leaves).grad._data  # type: ignore[union-attr]  # it has one, or it is traced anew
    found = place.find(leaves)
    if kind == "number":
        return type_.xp.asarray(found, dtype=type_.raw_dtype, device=type_.device.raw)
    return found.data if isinstance(found._data, np.generic) else found._data


class _Output:
    """A leaf of the result that the program computes."""

    def __init__(self, position: int, type_: ArrayType, *, tracked: bool) -> None:
        self.position = position
        self.type = type_
        self.tracked = tracked

    def made(self, outputs: Sequence[RawArray]) -> Array:
        """The array of an output."""
        out = wrap(outputs[self.position], self.type)
        if self.tracked:
            source = wrap(out._data, self.type)
            source._node = leaf(self.type, out.shape)
            record(_COMPILED, out, (source,), {})
        return out


def compiled(x: Array, /) -> Array:
    """The result of a compiled function, whose graph is inside the program."""
    raise NotImplementedError("recorded by compiled functions, never applied")


def _refused(g: Any) -> Any:
    raise DerivativeError(
        "backward() of the result of a compiled function: its graph is not outside of the program. "
        "Take the derivative inside, by backward() or grad(), or call the function under no_grad()"
    )


_COMPILED = Op("linear", compiled, (_refused,), dtype="own")


def _captured(
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    leaves: Sequence[Any],
    *,
    for_these: bool = False,
) -> _Capture:
    """The program of a call, whose effects are undone.

    The function is given stand-ins for its arguments, since it may close over the same arrays.
    `for_these`, it is given the arrays themselves, and the program is for them alone.
    """
    stand_ins: dict[int, Array] = {}
    given = [
        stand_ins.setdefault(id(x), _stand_in(x)) if isinstance(x, Array) and not for_these else x
        for x in leaves
    ]
    trace = _Trace([] if for_these else given)
    placed = [trace.number(i) if type(x) is float else x for i, x in enumerate(given)]
    args, kwargs = rebuilt((args, kwargs), placed)
    try:
        with _modes.capture(trace):
            try:
                result = function(*args, **kwargs)
                for x in leaves_of(result):
                    if isinstance(x, Array):
                        trace.settle_outside(x)  # outdated views too, while writes can be seen
            finally:
                trace.restore()
        return _assembled(trace, result, leaves, for_these=for_these)
    finally:
        trace.end()


def _assembled(trace: _Trace, result: Any, leaves: Sequence[Any], *, for_these: bool) -> _Capture:
    """What was traced, as a program, with the places of its inputs and outputs."""
    roots: list[Deferred] = []

    def output(x: Deferred) -> int:
        roots.append(x)
        return len(roots) - 1

    items = [_as_result(trace, x, output) for x in leaves_of(result)]
    gradients = [
        (known.place, _as_gradient(known.after, output))
        for known in trace.leaves.values()
        if known.after is not known.before
    ]
    wanted = len(roots)
    written = trace.written
    roots += [w.result for w in written]
    devices = {x.type.device for x in roots}
    if len(devices) > 1:
        raise CaptureError(f"a compiled function gives arrays of one device, not {sorted(devices)}")
    device = devices.pop() if devices else default_device()
    in_place = device.backend.mutable and not trace.shares_memory()
    if in_place:
        roots += [w.before for w in written]  # inputs, whether anything reads them or not
    found = capture(device, roots, keep=False)
    program = program_of(found)
    writes = [(w.place, wanted + i) for i, w in enumerate(written)]
    if in_place:
        values, befores = program.outputs[wanted:][: len(written)], program.outputs[wanted:]
        updates = tuple(zip(values, befores[len(written) :], strict=True))
        program = replace(program, outputs=program.outputs[:wanted], updates=updates)
        writes = [(w.place, -1) for w in written]
    inputs: list[Any] = []
    gaps = []
    for number, x in enumerate(found.inputs):
        _, kind, place = trace.inputs.get(id(x), (None, "", None))
        if place is None:
            inputs.append(x.value if type(x) is Deferred else x)
        else:
            inputs.append(None)
            gaps.append((number, kind, place, x.type.eager))
    return _Capture(
        recorded=program,
        runner=runner_of(program, device),
        inputs=inputs,
        gaps=gaps,
        guards=trace.guards,
        leaves=[(known.place, known.before is not None) for known in trace.leaves.values()],
        gradients=gradients,
        writes=writes,
        result=rebuilt(result, range(len(items))),
        items=items,
        these=[(i, x) for i, x in enumerate(leaves) if isinstance(x, Array)] if for_these else [],
    )


def _stand_in(x: Array) -> Array:
    """What the function is given for an argument: it may close over the same array, as another."""
    out = wrap(x._data, x._type)
    out._alias = x._alias
    node = x._node
    if node is not None and node.op is None:
        out._node = leaf(node.type, node.shape)
        out._node.grad = node.grad
        if node in hooks:
            hooks[out._node] = hooks[node]
    else:
        out._node = node
    if x.label is not None:
        out._label = x.label
    return out


def _as_gradient(grad: Array | None, output: Callable[[Deferred], int]) -> Any:
    """The number of an output, or what the gradient is at every call."""
    if grad is None or grad._type.eager is None:
        return grad
    return output(grad._data)


def _as_result(trace: _Trace, x: Any, output: Callable[[Deferred], int]) -> Any:
    """What stands in the result for one of its leaves."""
    if not isinstance(x, Array):
        return x
    if x._type.eager is None:
        return trace.place(x)
    node = x._node
    tracked = node is not None and node.op is not None and node.input1 is not RELEASED
    return _Output(output(x._data), x._type.eager, tracked=tracked)
