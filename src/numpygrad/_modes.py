"""Modes that belong to a context: whether ops are recorded, whether they run, who looks on."""

from __future__ import annotations

import functools
import linecache
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._generator import Generator
    from numpygrad._node import Node
    from numpygrad._op import Op
    from numpygrad._storage import Storage

P = ParamSpec("P")
R = TypeVar("R")

unusual = 0
"""How many contexts of this process are in any mode but the default one.

Modes are context-local, and a `ContextVar` costs 40 ns to read. While this count is zero the fast
path reads one global and looks no further; only the count, never a mode itself, is global.
"""

_lock = threading.Lock()
_recording: ContextVar[bool | None] = ContextVar("recording", default=True)


def enter_unusual() -> None:
    """Count one more context in a mode that is not the default."""
    global unusual
    with _lock:
        unusual += 1


def leave_unusual() -> None:
    """Count one context less."""
    global unusual
    with _lock:
        unusual -= 1


recording = _recording.get
"""Whether ops on tracked arrays are recorded: `is_grad_enabled`, 60 ns sooner."""


def is_grad_enabled() -> bool:
    """Whether ops on tracked arrays are recorded in this context."""
    return bool(_recording.get())


def is_stopped() -> bool:
    """Whether ops are not recorded because the user said so."""
    return _recording.get() is False


class _Mode:
    """A context manager that sets a `ContextVar` and counts as unusual meanwhile; a decorator."""

    def __init__(self, *given: Any) -> None:
        if given:  # `@no_grad` without parentheses
            raise TypeError(f"{type(self).__name__}() takes nothing; decorate with parentheses too")
        self._tokens: list[Token[Any]] = []

    def _enter(self) -> Token[Any]:
        """Set the variable."""
        raise NotImplementedError

    def __enter__(self) -> None:
        self._tokens.append(self._enter())
        enter_unusual()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave_unusual()
        token = self._tokens.pop()
        token.var.reset(token)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        mode = type(self)

        @functools.wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
            with mode():
                return function(*args, **kwargs)

        return decorated


class _GradMode(_Mode):
    """Sets whether ops are recorded."""

    _enabled: bool | None

    def _enter(self) -> Token[bool | None]:
        return _recording.set(self._enabled)


class no_grad(_GradMode):
    """A context in which nothing is recorded; as a decorator, a function run in such a context.

    Modes are local to the thread or asyncio task, nest, and are restored after errors.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0], requires_grad=True)
    >>> with npg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _enabled = False


class unrecorded(_GradMode):
    """A context in which nothing is recorded, as what is done has another node than its steps'."""

    _enabled = None


class enable_grad(_GradMode):
    """A context in which ops are recorded again, inside a `no_grad`; also a decorator.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0], requires_grad=True)
    >>> with npg.no_grad(), npg.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    _enabled = True


class Watching(_Mode):
    """A context to which recorded ops, writes, reads, and sweeps before they begin, are shown."""

    def _enter(self) -> Token[tuple[Watching, ...]]:
        return _watching.set((*_watching.get(), self))

    def recorded(self, node: Node) -> None:
        """Look at the node of an op that was just recorded."""

    def unrecorded(self, op: Op, operands: Sequence[Array]) -> None:
        """Look at an op without a derivative that was applied to tracked arrays."""

    def written(self, stamp: int, storage: Storage) -> None:
        """Look at the write into a storage that began when the clock stood at `stamp`."""

    def read(self, x: Array) -> None:
        """Look at a tracked array before its values are read by what records nothing."""

    def drawn(self, generator: Generator) -> None:
        """Look at a generator before random numbers are drawn from it."""

    def before_sweep(self, root: Node, seed: Array) -> None:
        """Look at the graph behind `root` before cotangents are sent through it from `seed`."""


_watching: ContextVar[tuple[Watching, ...]] = ContextVar("watching", default=())


watching = _watching.get
"""Who looks on in this context."""


deferring = False
"""Whether any array of this process was ever deferred: until then nobody looks for one."""

_lazy: ContextVar[bool] = ContextVar("lazy", default=False)
_persistent: ContextVar[bool] = ContextVar("persistent", default=False)


class _ExecutionMode(_Mode):
    """Sets whether ops run at once."""

    _is_lazy: bool

    def _enter(self) -> Token[bool]:
        return _set_lazy(self._is_lazy)


class lazy(_ExecutionMode):
    """A context in which ops are recorded and nothing runs; as a decorator, a function run in one.

    What is wanted runs when its values are: at `realize()`, at `backward()`, which records the
    backward pass too and runs both as one program, and at `item()`, `numpy()`, `bool()`, printing,
    or where values decide a shape. A program is compiled once; one that differs in the values
    alone is found in the cache. Writes into arrays made outside happen at once.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0])
    >>> with npg.lazy():
    ...     y = npg.exp(x) * x
    >>> y.shape, y.values is None
    ((2,), True)
    >>> print(y)
    [ 2.71828183 14.7781122 ]
    """

    _is_lazy = True


class eager(_ExecutionMode):
    """A context in which ops run at once, inside a `lazy`."""

    _is_lazy = False


def expect_deferred() -> None:
    """From now on look for deferred arrays."""
    global deferring
    deferring = True


def _set_lazy(value: bool) -> Token[bool]:
    if value:
        expect_deferred()
    return _lazy.set(value)


def mode(mode: str) -> None:
    """Make `"lazy"` or `"eager"` the mode of this thread or task from now on.

    Raises
    ------
    ValueError
        If there is no such mode; nothing changes.
    """
    if mode not in ("eager", "lazy"):
        raise ValueError(f"mode() takes 'eager' or 'lazy', not {mode!r}")
    is_lazy = mode == "lazy"
    if is_lazy and not _persistent.get():
        enter_unusual()
    elif not is_lazy and _persistent.get():
        leave_unusual()
    _persistent.set(is_lazy)
    _set_lazy(is_lazy)


def is_lazy() -> bool:
    """Whether ops of this context are recorded to run later."""
    return _lazy.get()


class Tracing:
    """A function that is being captured: what it may not know."""

    maps = False
    """Whether it is captured to be applied to many arrays at once, and differentiated then."""

    inputs: Mapping[int, Any]
    """By identity of what stands for them: arrays made outside, and arguments."""

    outer: Tracing | None = None
    """The function being captured that this one is called by."""

    def captured(self, x: Array) -> Any:
        """What stands for an array: its own deferred value, or if it was made outside an input."""

    def saved_outside(self, node: Node, output: Any) -> Any:
        """What stands for an output that a node recorded outside saved; refused if it cannot."""

    def require_own(self, node: Node) -> None:
        """Refuse to read what a node saved that was recorded outside, unless it can be."""

    def stopped(self, x: Array) -> None:
        """Let no outer derivative flow through an array whose history was not recorded."""

    def refuse_hook(self) -> None:
        """Refuse a hook that would not be called."""

    def settle_outside(self, x: Array) -> None:
        """Have an array that was recorded outside computed, for calls to read it anew."""

    def is_outside(self, node: Node) -> bool:
        """Whether a node was recorded outside."""
        raise NotImplementedError

    def flows_in(self, node: Node) -> bool:
        """Whether a derivative taken outside flows through what has this node."""
        raise NotImplementedError

    def made(self, x: Array) -> None:
        """Make an array that was just made of host data one of each call's own."""

    def adopt(self, x: Array, root: Array) -> None:
        """Make ready for a write into `x`, which is `root` or a view of it."""

    def operand(self, x: Array, value: Any) -> Any:
        """What is written into `x`, given what the caller writes."""
        return value

    def saw(self, node: Node) -> None:
        """Note the gradient of a leaf before it is read or set."""

    def require_values(self, arrays: Sequence[Any], why: str) -> None:
        """Refuse to give values that will be others at the next call."""


_tracing: ContextVar[Tracing | None] = ContextVar("tracing", default=None)

capturing = 0
"""How many contexts of this process capture a function: while it is 0 nobody looks for one."""


class capture(lazy):
    """A context in which `trace` captures what is recorded."""

    def __init__(self, trace: Tracing) -> None:
        super().__init__()
        self._trace = trace

    def __enter__(self) -> None:
        global capturing
        super().__enter__()
        with _lock:
            capturing += 1
        self._token = _tracing.set(self._trace)

    def __exit__(self, *error: Any) -> None:
        global capturing
        _tracing.reset(self._token)
        with _lock:
            capturing -= 1
        super().__exit__(*error)


def mapping() -> Tracing | None:
    """What is being captured in this context to be applied to many arrays at once."""
    trace = tracing()
    return trace if trace is not None and trace.maps else None


def saw(node: Node) -> None:
    """Tell what is being captured of a leaf before its gradient is read or set."""
    trace = tracing()
    if trace is not None:
        trace.saw(node)


def callers_line() -> str:
    """The line of code, outside of numpygrad, that is being run."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line}: {linecache.getline(name, line).strip()}"


_PACKAGE = __file__.removesuffix("_modes.py")


def tracing() -> Tracing | None:
    """What is being captured in this context."""
    return _tracing.get() if capturing else None
