"""The command line: `python -m conformance.foreign [--module scipy.stats] ...`, or `--help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.foreign.suites import MODULES, run_module
from conformance.report import markdown, table, versions
from conformance.xfails import read_xfails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.outcome import Outcome

_PACKAGES = ("numpygrad", "numpy", "scipy", "array-api-extra", "array-api-strict", "jax")
_REPORT = Path(__file__).parent.with_name("foreign.md")
_KNOWN = "foreign"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.foreign", description=__doc__)
    parser.add_argument(
        "--module",
        action="append",
        choices=sorted(MODULES),
        help="to run, more than one if given more than once; all by default",
    )
    parser.add_argument("--backend", default="numpy", help="numpygrad's; numpy by default")
    parser.add_argument("--report", type=Path, default=_REPORT, help="where the report goes")
    return parser.parse_args(argv)


def fewer(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each module of which fewer tests pass with numpygrad than with the other.

    Failures that are known, and have their reason, count as if they passed.
    """
    passed: dict[tuple[str, str], dict[bool, int]] = {}
    for o in outcomes:
        counts = passed.setdefault((o.suite, o.category), {True: 0, False: 0})
        counts[o.backend.startswith("numpygrad")] += o.status in ("passed", "xfailed")
    return [
        f"{suite}, {category}: {counts[True]} tests pass with numpygrad, {counts[False]} with "
        "array-api-strict."
        for (suite, category), counts in passed.items()
        if counts[True] < counts[False]
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table, write the report; 1 if anything of ours failed that is not known to."""
    options = _arguments(argv)
    outcomes: list[Outcome] = []
    for module in options.module or MODULES:
        outcomes += run_module(module, options.backend)
    xfails = read_xfails(_KNOWN)
    ours = xfails.apply([o for o in outcomes if o.backend.startswith("numpygrad")])
    stale = xfails.stale(ours)
    known = ours + [o for o in outcomes if not o.backend.startswith("numpygrad")]
    notes = fewer(known)
    options.report.write_text(markdown(known, versions(_PACKAGES), stale, notes), encoding="utf-8")
    print(table(known))
    print(*notes, f"Report: {options.report}", sep="\n")
    return 1 if notes or any(o.status == "failed" for o in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
