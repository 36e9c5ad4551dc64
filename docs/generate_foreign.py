"""Writer of the tables of `foreign.md`: other libraries' functions on Arrays.

`nox -s functions` writes them, below the prose of the page. The rows are those of
`foreign_functions.py`; what they say is tried by `tests/foreign_law.py`, and
`tests/test_foreign.py` checks that the page is up to date.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from foreign_functions import ROWS, Row

sys.path.pop(0)

PAGE = Path(__file__).with_name("foreign.md")

START = "## Function by function\n"
"""The heading above the tables."""

TITLES = {
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "array_api_extra": "array-api-extra",
    "einops": "einops",
    "opt_einsum": "opt_einsum",
}

DERIVATIVES = {"yes": "yes", "no": "0", "refused": "refused"}


def _line(row: Row) -> str:
    cells = (f"`{row.name}`", "yes", "yes", "yes", DERIVATIVES[row.gradient], row.note)
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The text of the page: what it has above the tables, and these."""
    prose = PAGE.read_text().partition(START)[0]
    counts = {kind: sum(row.gradient == kind for row in ROWS) for kind in DERIVATIVES}
    parts = [
        f"{prose}{START}",
        f"{len(ROWS)} calls: {counts['yes']} differentiable, {counts['no']} constant by steps, "
        f"{counts['refused']} refused.\n",
    ]
    ordered = sorted(ROWS, key=lambda r: (list(TITLES).index(r.name.partition(".")[0]), r.name))
    head = "| function | numpy | jax | strict | derivative | |\n|---|---|---|---|---|---|"
    for library, rows in groupby(ordered, key=lambda r: r.name.partition(".")[0]):
        lines = "\n".join(map(_line, rows))
        parts.append(f"### {TITLES[library]}\n\n{head}\n{lines}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
