"""A suite of pytest's run in two processes, and the results they write as they go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.progress import Progress

PROCESSES = 2
_ROOT = Path(__file__).parent.parent
_POLL_SECONDS = 0.5
_RAN = (0, 1)
_NOTHING_SELECTED = 5
_OPTIONS = ("-p", "conformance.shard", "-p", "no:cacheprovider", "-q", "--tb=short")


class SuiteError(Exception):
    """The suite did not run to its end."""


def run_pytest(
    progress: Progress, arguments: Sequence[str], folder: Path, settings: Mapping[str, str]
) -> list[dict[str, Any]]:
    """An entry for each test: its id, outcome and message. `settings` are environment variables."""
    with tempfile.TemporaryDirectory() as results:
        files = [Path(results) / f"results_{i}.jsonl" for i in range(PROCESSES)]
        logs = [file.with_suffix(".log") for file in files]
        processes = [
            _start(
                arguments,
                folder,
                log,
                {
                    **settings,
                    "CONFORMANCE_SHARD": f"{i}/{PROCESSES}",
                    "CONFORMANCE_RESULTS": str(file),
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
        return [entry for file in files for entry in _entries(file) if "test" in entry]


def _start(
    arguments: Sequence[str], folder: Path, log: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """One process of the suite, told what to do by environment variables."""
    paths = filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 (no shell, our own arguments)
            [sys.executable, "-m", "pytest", *_OPTIONS, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **settings},
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
