"""The outcomes as a table of backends and categories, and as a report in Markdown."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from conformance.outcome import STATUSES, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = tuple[str, ...]


def _rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Headings, then a row for each suite, backend and category, and one for each backend's sum."""
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for o in outcomes:
        for category in (o.category, "all"):
            counts.setdefault((o.suite, o.backend, category), Counter())[o.status] += 1
    keys = sorted(counts, key=lambda key: (key[0], key[1], key[2] == "all", key[2]))
    body = [(*key, *(str(counts[key][status]) for status in STATUSES)) for key in keys]
    return [("suite", "backend", "category", *STATUSES), *body]


def versions(packages: Iterable[str]) -> list[str]:
    """The packages that are installed, with their versions."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def table(outcomes: Sequence[Outcome]) -> str:
    """The counts, aligned for a terminal."""
    rows = _rows(outcomes)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(
    outcomes: Sequence[Outcome], versions: Iterable[str], stale: Sequence[str], notes: Sequence[str]
) -> str:
    """The report: versions, counts, and every failure with a line about its cause."""
    head, *body = (f"| {' | '.join(row)} |" for row in _rows(outcomes))
    rule = "|" + " --- |" * len(_rows(outcomes)[0])
    parts = ["# Conformance", ", ".join(versions), *notes, "\n".join((head, rule, *body))]
    parts += _listing("Failures", [o for o in outcomes if o.status == "failed"])
    parts += _listing("Known failures", [o for o in outcomes if o.status == "xfailed"])
    if stale:
        parts += ["## Known failures that did not fail", "\n".join(f"- `{t}`" for t in stale)]
    parts += _absent([o for o in outcomes if o.status == "absent"])
    return "\n\n".join(parts) + "\n"


def _listing(title: str, outcomes: Sequence[Outcome]) -> list[str]:
    lines = [f"- {o.backend}: `{o.test}`: {_plain(o.cause)}" for o in outcomes]
    return [f"## {title}", "\n".join(lines)] if lines else []


def _absent(outcomes: Sequence[Outcome]) -> list[str]:
    """Absent tests, those of one cause together."""
    tests: dict[str, set[str]] = {}
    for o in outcomes:
        tests.setdefault(_plain(o.cause), set()).add(o.test)
    lines = [f"- {cause}: {len(found)} tests" for cause, found in sorted(tests.items())]
    return ["## Absent", "\n".join(lines)] if lines else []


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("<", "\\<").replace("*", "\\*").replace("|", "\\|")
