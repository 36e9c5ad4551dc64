"""Where the official suite is: a folder the environment names, or a clone in a cache folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

VARIABLE = "ARRAY_API_TESTS_DIR"
REPOSITORY = "https://github.com/data-apis/array-api-tests"
CLONE = Path(__file__).parent / ".cache" / "array-api-tests"


class CheckoutError(Exception):
    """The official suite is not where it was said to be, or not complete."""


def find_checkout(clone: bool) -> Path | None:
    """The suite's folder; `None` if there is none and no clone was asked for."""
    given = os.environ.get(VARIABLE)
    if given:
        return _complete(Path(given))
    if clone:
        return _complete(_cloned())
    return _complete(CLONE) if CLONE.exists() else None


def _cloned() -> Path:
    if not CLONE.exists():
        command = ["git", "clone", "--depth=1", "--recurse-submodules", "--shallow-submodules"]
        subprocess.run([*command, REPOSITORY, str(CLONE)], check=True)  # noqa: S603 (no shell)
    return CLONE


def _complete(folder: Path) -> Path:
    if not (folder / "array_api_tests").is_dir():
        raise CheckoutError(f"{folder} is no checkout of {REPOSITORY}")
    if not (folder / "array-api" / "spec").is_dir():
        raise CheckoutError(
            f"{folder} lacks its submodule array-api; run `git submodule update --init` there"
        )
    return folder
