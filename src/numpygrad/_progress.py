"""A line that says how far a long run has come: tqdm's where it is installed, else a plain one."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

REFRESH = 0.1
"""Seconds between two states of the plain line."""


class Progress:
    """A context that shows a line on stderr, brought up to date by `advance`.

    Parameters
    ----------
    name
        What runs.
    total
        How much there is to do; `None` where nobody knows.
    shown
        Whether there is to be a line at all.
    """

    def __init__(self, name: str, *, total: float | None = None, shown: bool = True) -> None:
        self._name = name
        self._total = total
        self._shown = shown
        self._done = 0.0
        self._width = 0
        self._started = self._written = 0.0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if self._shown:
            self._bar = _tqdm_bar(self._name, self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._shown and self._width:
            sys.stderr.write("\n")

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Say that so much more is done, and how things stand."""
        self._done += amount
        if not self._shown:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(amount)
            return
        now = time.monotonic()
        finished = self._total is not None and self._done >= self._total
        if now - self._written >= REFRESH or finished:
            self._written = now
            self._write(note, now - self._started)

    def _write(self, note: str, seconds: float) -> None:
        state = f"{self._done:g}" if not self._total else f"{self._done / self._total:.0%}"
        line = f"{self._name}: {state}, {seconds:.1f} s" + (f", {note}" if note else "")
        self._width, width = len(line), self._width
        sys.stderr.write("\r" + line.ljust(width))
        sys.stderr.flush()


def _tqdm_bar(name: str, total: float | None) -> Any:
    """A bar of tqdm's, or `None` where that is not installed."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        return None
    if total is None:
        return tqdm(desc=name)
    return tqdm(desc=name, total=total, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}")
