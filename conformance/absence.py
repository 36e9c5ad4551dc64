"""Telling a missing name from a failure: what a message names must be a name the library lacks."""

from __future__ import annotations

import re

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(\w+) is not defined in numpygrad",
        r"module 'numpygrad[\w.]*' has no attribute '(\w+)'",
        r"'Array' object has no attribute '(\w+)'",
        r"is missing the [\w ]*?(\w+)(?:\(\)|$)",
        r"(\w+) not found in ",
    )
)


def absent_name(message: str, lacking: frozenset[str]) -> str | None:
    """The name of the standard that a message misses, if the library lacks it indeed."""
    line = message.strip().partition("\n")[0]
    for pattern in _PATTERNS:
        match = pattern.search(line)
        if match and match[1] in lacking:
            return match[1]
    return None
