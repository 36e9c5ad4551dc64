"""Modes that belong to a context: whether ops are recorded, and whether any mode is unusual."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._node import Node

P = ParamSpec("P")
R = TypeVar("R")

unusual = 0
"""How many contexts of this process are in any mode but the default one.

Modes are context-local, and a `ContextVar` costs 40 ns to read. While this count is zero the fast
path reads one global and looks no further; only the count, never a mode itself, is global.
"""

_lock = threading.Lock()
_recording: ContextVar[bool] = ContextVar("recording", default=True)


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


def is_grad_enabled() -> bool:
    """Whether ops on tracked arrays are recorded in this context."""
    return _recording.get()


class _Mode:
    """A context manager that sets a `ContextVar`, and counts as unusual meanwhile."""

    def __init__(self) -> None:
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


class _GradMode(_Mode):
    """A context manager, and a decorator, that sets whether ops are recorded."""

    _enabled: bool

    def _enter(self) -> Token[bool]:
        return _recording.set(self._enabled)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        mode = type(self)

        @functools.wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
            with mode():
                return function(*args, **kwargs)

        return decorated


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
    """A context to which recorded ops, writes, and sweeps before they begin, are shown."""

    def _enter(self) -> Token[tuple[Watching, ...]]:
        return _watching.set((*_watching.get(), self))

    def recorded(self, node: Node) -> None:
        """Look at the node of an op that was just recorded."""

    def written(self, stamp: int) -> None:
        """Look at the write that began when the clock stood at `stamp`."""

    def before_sweep(self, root: Node, seed: Array) -> None:
        """Look at the graph behind `root` before cotangents are sent through it from `seed`."""


_watching: ContextVar[tuple[Watching, ...]] = ContextVar("watching", default=())


def watching() -> tuple[Watching, ...]:
    """Who looks on in this context."""
    return _watching.get()
