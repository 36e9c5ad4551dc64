"""The official suite, run over one backend in two processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.absence import absent_name
from conformance.outcome import Outcome, Status, category_of, first_line
from conformance.processes import run_pytest
from conformance.progress import Progress
from conformance.standard import version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "array-api-tests"


def run_suite(
    checkout: Path,
    backend: str,
    max_examples: int,
    lacking: frozenset[str],
    categories: Sequence[str] = (),
    mode: str = "eager",
) -> list[Outcome]:
    """The outcomes of the suite's tests, with numpygrad's default backend `backend`.

    `categories` are those wanted; all by default. `mode` is eager or lazy.
    """
    place = backend if mode == "eager" else f"{backend}, {mode}"
    arguments = ["array_api_tests", "--disable-deadline", f"--max-examples={max_examples}"]
    settings = {
        "NUMPYGRAD_BACKEND": backend,
        "CONFORMANCE_CATEGORIES": ",".join(categories),
        "CONFORMANCE_MODE": mode,
        "ARRAY_API_TESTS_MODULE": "numpygrad",
        "ARRAY_API_TESTS_VERSION": version(),
    }
    entries = run_pytest(Progress(f"{NAME} on {place}"), arguments, checkout, settings)
    return [_outcome(place, entry, lacking) for entry in entries]


def _outcome(backend: str, entry: dict[str, Any], lacking: frozenset[str]) -> Outcome:
    status: Status = entry["outcome"]
    if status != "passed" and absent_name(entry["message"], lacking):
        status = "absent"
    test = entry["test"].removeprefix("array_api_tests/")
    cause = "" if status == "passed" else first_line(entry["message"])
    return Outcome(NAME, backend, category_of(test), test, status, cause)
