"""`python -m numpygrad`: versions, backends and devices, threads, what is missing."""

from __future__ import annotations

import argparse
import json
import os
import sys

from numpygrad._report import report, shown


def main(arguments: list[str] | None = None) -> None:
    """Print the report; with `--json`, for machines."""
    parser = argparse.ArgumentParser(
        prog="python -m numpygrad",
        description="Print what a bug report needs: versions, backends and devices, threads, "
        "optional packages, and the commands that install what is missing.",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    as_json = parser.parse_args(arguments).json
    found = report()
    try:
        print(json.dumps(found, indent=2) if as_json else shown(found), flush=True)
    except BrokenPipeError:  # who reads has read enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
