"""One line on the terminal that says how far a run is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Progress:
    """Counts tests; rewrites its line on a terminal, elsewhere writes a line each tenth."""

    title: str
    total: int = 0
    done: int = 0
    failed: int = 0
    _tenth: int = field(default=0, init=False)

    def show(self) -> None:
        """Write the line, over what it was."""
        tenth = 10 * self.done // max(self.total, 1)
        if sys.stderr.isatty():
            print(f"\r{self}", end="", file=sys.stderr, flush=True)
        elif tenth > self._tenth:
            print(self, file=sys.stderr, flush=True)
        self._tenth = tenth

    def finish(self) -> None:
        """Write the line for good."""
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}{self}", file=sys.stderr, flush=True)

    def __str__(self) -> str:
        """How far the run is."""
        return f"{self.title}: {self.done} of {self.total} tests, {self.failed} failed or absent"
