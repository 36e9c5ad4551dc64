"""What was measured, and its tables: text, Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Verdict:
    """A target, what was found, and whether that meets it."""

    workload: str
    target: str
    found: str
    met: bool


@dataclass(frozen=True)
class Measurement:
    """One workload's figures by contestant, in `unit` ("s" or "B"), and their ratios to NumPy's.

    `absent` says why a contestant has no figure, in words that fit in its cell.
    """

    workload: str
    unit: str
    figures: Mapping[str, float]
    ratios: Mapping[str, float]
    verdicts: Sequence[Verdict] = field(default_factory=list)
    absent: Mapping[str, str] = field(default_factory=dict)


def ratio_verdict(workload: str, other: str, ratio: float, limit: float, ours: str = "") -> Verdict:
    """The verdict on numpygrad, or on its way named, taking `ratio` times what `other` takes."""
    target = f"{ours} <= {limit:g} x {other}".lstrip()
    return Verdict(workload, target, f"{ratio:.2f}", ratio <= limit)


def ratios_to(baseline: str, figures: Mapping[str, float]) -> dict[str, float]:
    """Each figure over the baseline's; empty where the baseline has none."""
    if baseline not in figures:
        return {}
    return {name: value / figures[baseline] for name, value in figures.items()}


def quantity(value: float, unit: str) -> str:
    """A figure with a prefix that suits its size, such as `1.52 ms` or `3.4 MB`."""
    steps = {
        "s": [(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")],
        "B": [(1e6, "MB"), (1e3, "kB"), (1.0, "B")],
    }[unit]
    scale, name = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{value / scale:.3g} {name}"


def figure_rows(measurements: Sequence[Measurement]) -> list[list[str]]:
    """The table of figures: a row a workload, a column a contestant, ratio to NumPy in brackets."""
    names = list(dict.fromkeys(name for m in measurements for name in (*m.figures, *m.absent)))
    rows = [["workload", *names]]
    for m in measurements:
        row = [m.workload]
        for name in names:
            absent = m.absent.get(name, "-")
            cell = quantity(m.figures[name], m.unit) if name in m.figures else absent
            row.append(f"{cell} ({m.ratios[name]:.2f})" if name in m.ratios else cell)
        rows.append(row)
    return rows


def target_rows(measurements: Sequence[Measurement]) -> list[list[str]]:
    """The table of targets: a row a target; only the header where numpygrad did not run."""
    rows = [["workload", "target", "found", "met"]]
    for m in measurements:
        rows += [[v.workload, v.target, v.found, "yes" if v.met else "NO"] for v in m.verdicts]
    return rows


def text(measurements: Sequence[Measurement]) -> str:
    """Both tables for a terminal."""
    parts = ["In brackets: times NumPy's, the median over rounds.", ""]
    for rows in (figure_rows(measurements), target_rows(measurements)):
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            parts.append("  ".join(cells).rstrip())
        parts.append("")
    return "\n".join(parts)


def markdown(measurements: Sequence[Measurement]) -> str:
    """Both tables for the documentation."""
    parts = ["In brackets: times NumPy's, the median over rounds.", ""]
    for header, *rows in (figure_rows(measurements), target_rows(measurements)):
        parts.append(markdown_row(header))
        parts.append(markdown_row(["---"] * len(header)))
        parts += [markdown_row(row) for row in rows]
        parts.append("")
    return "\n".join(parts)


def markdown_row(cells: Sequence[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def as_json(measurements: Sequence[Measurement], versions: Mapping[str, str]) -> str:
    """Everything that was measured, and with which versions."""
    content = {"versions": versions, "measurements": [asdict(m) for m in measurements]}
    return json.dumps(content, indent=2) + "\n"
