"""What a function does beside its result: what derivatives of it have to know, or to refuse."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpygrad import _modes
from numpygrad.errors import DerivativeError

if TYPE_CHECKING:
    from weakref import ref

    from numpygrad._array import Array
    from numpygrad._generator import Generator
    from numpygrad._storage import Storage


class Effects(_modes.Watching):
    """A context that notes where generators stand that are drawn from, and what is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[Generator, Any] = {}
        self._written: list[Storage] = []

    def drawn(self, generator: Generator) -> None:
        """Note where a generator stands before the first number."""
        if generator not in self.states:
            self.states[generator] = generator._now()

    def written(self, stamp: int, storage: Storage) -> None:
        """Note a write."""
        self._written.append(storage)

    def refuse_writes(self, name: str) -> None:
        """Raise if what was written to outlives the function; called when that has ended.

        Its own arrays are gone then, once their cycles are collected.
        """
        if _any_alive([storage.root for storage in self._written]):
            raise DerivativeError(
                f"{name}() writes in place to an array made outside of it. It is run again for a "
                "derivative, and would write again; write into a copy, and return it"
            )
        self._written.clear()


def refuse_leaks(name: str, own: Sequence[ref[Any]]) -> None:
    """Raise if arrays computed from a function's own ones outlive it; called when it has ended."""
    if _any_alive(own):
        raise DerivativeError(
            f"{name}() is a checkpoint, and a tracked array that it was given or made is still "
            "held: in an iterator or another object it returned, which is no Array and no list, "
            "tuple, dict, dataclass or registered class of them, or by what is outside of it. "
            "Gradients would not flow through that array. Return it, or hold npg.copy(x.detach())"
        )


def _any_alive(references: Sequence[Callable[[], object]]) -> bool:
    """Whether any of what weak references are to is left, once cycles are collected."""
    for generation in range(3):  # what a function just made is young
        if all(reference() is None for reference in references):
            return False
        gc.collect(generation)
    return any(reference() is not None for reference in references)


class Traced(_modes.Watching):
    """A context for a rule that is differentiated itself: it refuses to read tracked values."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self._rule = rule

    def read(self, x: Array) -> None:
        """Refuse."""
        raise DerivativeError(
            f"{self._rule} reads the values of a tracked array, through x.numpy() or the like: "
            "what it computes of them outside of numpygrad cannot be differentiated; only first "
            "derivatives in its own mode are available. Write it in numpygrad's functions, or as "
            "functions that have rules themselves; or read x.detach(), where they are constants"
        )


def run_again(name: str, function: Callable[[], Any], states: dict[Generator, Any]) -> Any:
    """What a function gives, generators being where they were, and being left where they are.

    Raises
    ------
    DerivativeError
        If it draws from others than it did.
    """
    now = {generator: generator.state for generator in states}
    again = _Again(name, list(states.values()), now)
    try:
        for generator, state in states.items():
            generator.state = state
        with again:
            return function()
    finally:
        for generator, state in now.items():
            generator.state = state


class _Again(_modes.Watching):
    """A context that refuses generators unless they stand where one stood before."""

    def __init__(self, name: str, states: list[Any], now: dict[Generator, Any]) -> None:
        super().__init__()
        self._name = name
        self._states = states
        self._now = now

    def drawn(self, generator: Generator) -> None:
        """Look at one that is drawn from."""
        if generator in self._now:
            return
        state = generator._now()
        if state not in self._states:
            raise DerivativeError(
                f"{self._name}() is run again for a derivative, and draws random numbers that "
                "cannot be the same as before. Draw them outside, and pass them"
            )
        self._now[generator] = state
