"""A pytest plugin for the official suite: runs a share of it, writes results as they come.

`CONFORMANCE_SHARD` is the share, such as `0/2`; `CONFORMANCE_CATEGORIES` the categories wanted, if
not all; `CONFORMANCE_RESULTS` the file that gets a line of JSON with the number of tests, then one
for each test; `CONFORMANCE_MODE` is eager or lazy.
"""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import numpygrad
from conformance.outcome import category_of

if TYPE_CHECKING:
    from collections.abc import Generator

_written: set[str] = set()
_causes: dict[str, str] = {}


def _write(entry: dict[str, Any]) -> None:
    with Path(os.environ["CONFORMANCE_RESULTS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    """Run numpygrad in the mode that is wanted."""
    numpygrad.mode(os.environ.get("CONFORMANCE_MODE", "eager"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep every n-th test of the categories wanted."""
    index, count = map(int, os.environ["CONFORMANCE_SHARD"].split("/"))
    wanted = list(filter(None, os.environ["CONFORMANCE_CATEGORIES"].split(",")))
    items[:] = [i for i in items if not wanted or category_of(i.nodeid) in wanted][index::count]
    _write({"total": len(items)})


@pytest.hookimpl
def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported is one failure."""
    if report.failed:
        _write({"test": report.nodeid, "outcome": "failed", "message": str(report.longrepr)})


@pytest.hookimpl
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test counts once: by its call, or by the set-up that failed or skipped it."""
    if report.nodeid in _written or (report.when != "call" and report.passed):
        return
    _written.add(report.nodeid)
    _write({"test": report.nodeid, "outcome": report.outcome, "message": _message(report)})


def _message(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return _causes.pop(report.nodeid, str(report.longrepr or ""))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the error itself: Hypothesis reports several as a group, whose message says nothing."""
    if call.excinfo is not None:
        _causes[item.nodeid] = _cause(call.excinfo.value)
    return (yield)


def _cause(error: BaseException) -> str:
    """Kind and message of an error, and the last line of numpygrad that it passed."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{_source(f.filename)}:{f.lineno}" for f in frames if _source(f.filename)]
    message = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {message}" + (f" ({lines[-1]})" if lines else "")


def _source(filename: str) -> str:
    """The path of a file of numpygrad or its backends, from the package on; empty for others."""
    parts = Path(filename).parts
    found = [i for i, part in enumerate(parts[:-1]) if part.startswith("numpygrad")]
    return "/".join(parts[found[-1] :]) if found else ""
