"""The official suite, run over one backend in two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.absence import absent_name
from conformance.outcome import Outcome, Status, category_of, first_line
from conformance.progress import Progress
from conformance.standard import version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "array-api-tests"
PROCESSES = 2
_ROOT = Path(__file__).parent.parent
_POLL_SECONDS = 0.5
_RAN = (0, 1)
_NOTHING_SELECTED = 5


class SuiteError(Exception):
    """The suite did not run to its end."""


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
    progress = Progress(f"{NAME} on {place}")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"results_{i}.jsonl" for i in range(PROCESSES)]
        logs = [file.with_suffix(".log") for file in files]
        processes = [
            _start(
                checkout,
                max_examples,
                log,
                {
                    "NUMPYGRAD_BACKEND": backend,
                    "CONFORMANCE_SHARD": f"{i}/{PROCESSES}",
                    "CONFORMANCE_RESULTS": str(file),
                    "CONFORMANCE_CATEGORIES": ",".join(categories),
                    "CONFORMANCE_MODE": mode,
                },
            )
            for i, (file, log) in enumerate(zip(files, logs, strict=True))
        ]
        try:
            while any(process.poll() is None for process in processes):
                time.sleep(_POLL_SECONDS)
                _count(progress, files)
                progress.show()
        finally:
            for process in processes:
                process.kill()
        _require_end(processes, logs)
        _count(progress, files)
        progress.finish()
        entries = [entry for file in files for entry in _entries(file) if "test" in entry]
    return [_outcome(place, entry, lacking) for entry in entries]


def _start(
    checkout: Path, max_examples: int, log: Path, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """One process of the suite, told what to do by environment variables."""
    paths = filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))
    settings = {
        **settings,
        "ARRAY_API_TESTS_MODULE": "numpygrad",
        "ARRAY_API_TESTS_VERSION": version(),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    options = ["-p", "conformance.shard", "-p", "no:cacheprovider", "-q", "--tb=short"]
    suite = ["array_api_tests", "--disable-deadline", f"--max-examples={max_examples}"]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 (no shell, our own arguments)
            [sys.executable, "-m", "pytest", *options, *suite],
            cwd=checkout,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _require_end(processes: list[subprocess.Popen[bytes]], logs: list[Path]) -> None:
    """A suite that broke off has proved nothing: pytest ends otherwise."""
    for process, log in zip(processes, logs, strict=True):
        if process.returncode not in (*_RAN, _NOTHING_SELECTED):
            tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise SuiteError(f"the suite ended with status {process.returncode}:\n{tail}")


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def _count(progress: Progress, files: list[Path]) -> None:
    entries = [entry for file in files for entry in _entries(file)]
    tests = [entry for entry in entries if "test" in entry]
    progress.total = sum(entry["total"] for entry in entries if "total" in entry)
    progress.done = len(tests)
    progress.failed = sum(entry["outcome"] == "failed" for entry in tests)


def _outcome(backend: str, entry: dict[str, Any], lacking: frozenset[str]) -> Outcome:
    status: Status = entry["outcome"]
    if status != "passed" and absent_name(entry["message"], lacking):
        status = "absent"
    test = entry["test"].removeprefix("array_api_tests/")
    cause = "" if status == "passed" else first_line(entry["message"])
    return Outcome(NAME, backend, category_of(test), test, status, cause)
