"""The command line: `python -m conformance [--backends numpy,jax] ...`, or `--help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpygrad
from conformance.checkout import VARIABLE, find_checkout
from conformance.differential import run_differential
from conformance.report import markdown, table, versions
from conformance.standard import absent_names
from conformance.suite import run_suite
from conformance.xfails import read_xfails

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.outcome import Outcome

_PACKAGES = ("numpygrad", "numpy", "array-api-compat", "array-api-strict", "jax", "cupy")
_REPORT = Path(__file__).with_name("report.md")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--backends", help="names with commas between; all installed by default")
    parser.add_argument(
        "--max-examples", type=int, default=30, help="of the official suite's tests"
    )
    parser.add_argument("--calls", type=int, default=20, help="for each function and dtype")
    parser.add_argument(
        "--categories", default="", help="such as statistical,linalg; all by default"
    )
    parser.add_argument(
        "--modes", type=_some_of("eager", "lazy"), default="eager", help="or lazy, or eager,lazy"
    )
    parser.add_argument(
        "--suites",
        type=_some_of("official", "differential"),
        default="official,differential",
        help="which to run; both by default",
    )
    parser.add_argument("--clone", action="store_true", help="clone the official suite if need be")
    parser.add_argument("--report", type=Path, default=_REPORT, help="where the report goes")
    return parser.parse_args(argv)


def _some_of(*known: str) -> Callable[[str], str]:
    """A type of argument: some of these, with commas between."""

    def checked(given: str) -> str:
        if unknown := [name for name in given.split(",") if name not in known]:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown)} is not among {', '.join(known)}"
            )
        return given

    return checked


def _run(options: argparse.Namespace, backends: Sequence[str]) -> tuple[list[Outcome], list[str]]:
    """All outcomes, and remarks for the report."""
    suites = options.suites.split(",")
    categories = list(filter(None, options.categories.split(",")))
    outcomes: list[Outcome] = []
    notes: list[str] = []
    checkout = find_checkout(options.clone) if "official" in suites else None
    if checkout is not None:
        lacking = absent_names(numpygrad)
        for backend in backends:
            for mode in options.modes.split(","):
                outcomes += run_suite(
                    checkout, backend, options.max_examples, lacking, categories, mode
                )
    elif "official" in suites:
        notes.append(f"The official suite was not run: set {VARIABLE} to its checkout, or --clone.")
    if "differential" in suites:
        outcomes += run_differential(backends, options.calls, categories)
    return outcomes, notes


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table, write the report; 1 if anything failed that is not known to."""
    options = _arguments(argv)
    backends = (
        options.backends.split(",") if options.backends else list(numpygrad.installed_backends())
    )
    outcomes, notes = _run(options, backends)
    stale: list[str] = []
    known: list[Outcome] = []
    for backend in backends:
        xfails = read_xfails(backend)
        applied = xfails.apply([o for o in outcomes if o.backend.partition(",")[0] == backend])
        stale += [f"{backend}: {test}" for test in xfails.stale(applied)]
        known += applied
    options.report.write_text(markdown(known, versions(_PACKAGES), stale, notes), encoding="utf-8")
    print(table(known))
    print(*notes, f"Report: {options.report}", sep="\n")
    return 1 if any(o.status == "failed" for o in known) else 0


if __name__ == "__main__":
    sys.exit(main())
