"""The pictures of the site, made when it is built: what pages' blocks save, and benchmarks.

In a page, `<!-- picture: name.svg, what it shows -->` stands where a picture goes. A code host
shows nothing there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parent
PICTURES = DOCS / "pictures"
MARK = re.compile(r"^<!-- picture: (?P<name>[\w-]+\.svg), (?P<shows>[^>]+?) -->$", re.MULTILINE)
SAVED = re.compile(r"\.savefig\(\"(?P<name>[\w-]+\.svg)\"\)")
BLOCK = re.compile(r"^```python(?P<note>.*)\n(?P<code>(?:.*\n)*?)```", re.MULTILINE)
CELL = re.compile(r"\((?P<ratio>[\d.]+)\)")

CHARTS = {
    "benchmarks-steps.svg": (
        "Steps of models: times of hand-written NumPy, which is the line at 1",
        "MLP step, batch 64; MLP step, batch 1024; transformer block",
        {"numpygrad": "tab:blue", "torch": "tab:orange", "autograd": "0.6", "mygrad": "0.8"},
    ),
    "benchmarks-small.svg": (
        "Small operations and loops: times of NumPy, the line at 1; left of it is faster",
        "mul, untracked; mul, tracked; sum, tracked; 20-op chain, forward and backward; "
        "1,000 RK4 steps",
        {"numpygrad": "tab:blue", "torch": "tab:orange", "autograd": "0.6", "jax.jit": "tab:green"},
    ),
    "benchmarks-programs.svg": (
        "Lazy and compiled programs: times of NumPy, the line at 1; left of it is faster",
        "12 cheap ops on 10,000,000 float32; transformer block, programs; "
        "MLP step, batch 64, programs; 1,000 RK4 steps, programs; 300-op graph, tracked",
        dict(
            zip(
                ("numpygrad", "lazy", "compiled", "torch", "torch.compile", "jax.jit"),
                ("0.7", "tab:cyan", "tab:blue", "tab:orange", "tab:red", "tab:green"),
                strict=True,
            )
        ),
    ),
}
"""By file name: the title, the rows of the tables in benchmarks.md, columns and their colours."""


def ratios(text: str) -> dict[str, dict[str, float]]:
    """For each workload in the tables of a page, the time of each contestant by NumPy's."""
    found: dict[str, dict[str, float]] = {}
    head: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif head[1] == "numpy" and not set(line) <= set("|- "):
            values = {h: CELL.search(c) for h, c in zip(head[1:], cells[1:], strict=True)}
            found[cells[0]] = {h: float(v["ratio"]) for h, v in values.items() if v}
    return found


def chart(name: str) -> Any:
    """A bar chart of the benchmarks, as a Matplotlib figure; its scale is logarithmic."""
    from matplotlib.figure import Figure

    title, chosen, colours = CHARTS[name]
    workloads = chosen.split("; ")
    table = ratios((DOCS / "benchmarks.md").read_text())
    figure = Figure(figsize=(7.5, 1.0 + 0.17 * len(workloads) * (len(colours) + 1)))
    axes = figure.subplots()
    for k, (contestant, colour) in enumerate(colours.items()):
        for i, workload in enumerate(workloads):
            ratio = table[workload].get(contestant)
            if ratio is None:  # not measured
                continue
            at = i * (len(colours) + 1) + k
            axes.barh(at, ratio - 1, left=1, color=colour)
            axes.text(max(ratio, 1) * 1.04, at, f"{ratio:.2f}", va="center", fontsize=7)
    width = len(colours) + 1
    middles = [i * width + (len(colours) - 1) / 2 for i in range(len(workloads))]
    axes.set_yticks(middles, [w.replace(", programs", "") for w in workloads], fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    patches = [axes.barh([0], [0], left=1, color=c) for c in colours.values()]
    axes.legend(patches, list(colours), fontsize=7, loc="best")
    return figure


def save_charts() -> None:
    """Draw the benchmarks anew, as their page says."""
    import matplotlib as mpl

    with mpl.rc_context(fname=HERE / "matplotlibrc"):
        for name in CHARTS:
            chart(name).savefig(PICTURES / name, metadata={"Date": None})


def save_pictures_of(page: Path) -> None:
    """Run the blocks of a page for the pictures they save, unless those are newer than the page."""
    text = page.read_text()
    shown = promised(text)
    wanted = [PICTURES / name for name in SAVED.findall(text) if name in shown]
    newest = max(page.stat().st_mtime, Path(__file__).stat().st_mtime)
    if all(path.exists() and path.stat().st_mtime > newest for path in wanted):
        return
    skipped = {"no-run", "needs-jax"}
    found = (m for m in BLOCK.finditer(text) if not skipped & {*m["note"].split()})
    code = "\n".join(m["code"] for m in found)
    subprocess.run(
        [sys.executable, "-"],
        input=code,
        text=True,
        check=True,
        cwd=PICTURES,
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "MPLBACKEND": "agg",
            "MATPLOTLIBRC": str(HERE / "matplotlibrc"),
            "SOURCE_DATE_EPOCH": "0",
        },
    )


def write() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    for page in sorted(DOCS.rglob("*.md")):
        save_pictures_of(page)
    save_charts()


def promised(text: str) -> list[str]:
    """The pictures that a page has places for."""
    return [match["name"] for match in MARK.finditer(text)]
