"""Failures that are known: `xfails/<backend>.txt`, one test a line, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.outcome import Outcome

FOLDER = Path(__file__).parent / "xfails"
_SEPARATOR = "  # "


class XfailError(ValueError):
    """A line of an xfail file without a reason."""


@dataclass(frozen=True, slots=True)
class Xfails:
    """The known failures of a backend: the reason by the test's id."""

    backend: str
    reasons: dict[str, str]

    def apply(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, with known failures told apart."""
        return [
            o.with_status("xfailed") if o.status == "failed" and o.test in self.reasons else o
            for o in outcomes
        ]

    def stale(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Known failures that did not fail this time; random draws may be the reason."""
        seen = {o.test: o.status for o in outcomes}
        return [test for test in self.reasons if seen.get(test, "xfailed") != "xfailed"]


def read_xfails(backend: str) -> Xfails:
    """The known failures of `backend`; none if it has no file."""
    file = FOLDER / f"{backend}.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    reasons = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        test, separator, reason = line.partition(_SEPARATOR)
        if not separator or not reason.strip():
            raise XfailError(f"{file}:{number} needs a reason after {_SEPARATOR!r}: {line}")
        reasons[test.strip()] = reason.strip()
    return Xfails(backend, reasons)
