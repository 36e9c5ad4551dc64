"""The outcome of one test, whichever suite it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

Status: TypeAlias = Literal["passed", "failed", "xfailed", "absent", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test on a backend.

    `absent` says that the test needs a name of the standard which the library does not have: it is
    neither a failure nor a success, and has a count of its own.
    """

    suite: str
    backend: str
    category: str
    test: str
    status: Status
    cause: str = ""

    def with_status(self, status: Status) -> Outcome:
        """The same test with another status."""
        return replace(self, status=status)


def category_of(test: str) -> str:
    """The page of the standard that a test file of the official suite is about, as it is named."""
    file = test.removeprefix("array_api_tests/").partition("::")[0]
    stem = file.removeprefix("test_").removesuffix(".py").removesuffix("_functions")
    return stem.replace("_", " ")


def first_line(text: str, limit: int = 300) -> str:
    """The first line of a message that says something, shortened."""
    lines = (line.strip() for line in text.splitlines())
    line = next((line for line in lines if line), "")
    return line if len(line) <= limit else line[: limit - 3] + "..."
