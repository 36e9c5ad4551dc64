"""Every Python block of the documentation runs: those of a page in order, in one namespace."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import numpygrad as npg

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python *(?P<note>.*)\n(?P<code>(?:.*\n)*?)```", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"\S+\.(?:md|py):\d+")
BELOW = re.compile(r"\s*```(?:output|mermaid)\n(?P<text>(?:.*\n)*?)```")
LINK = re.compile(r"\]\((?P<path>[^)#:]*)(?:#(?P<heading>[^)]*))?\)")

RUNNER = """
import builtins, contextlib, io, json, sys
sys.argv = ["page"]
lines, shown = {}, {}

def print(*values, **options):
    text = io.StringIO()
    builtins.print(*values, **{**options, "file": text})
    lines[sys._getframe(1).f_lineno] = text.getvalue()
    builtins.print(*values, **options)

namespace = {"__name__": "__main__", "print": print}
for line, code in BLOCKS:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile("\\n" * line + code, PAGE, "exec"), namespace)
    shown[line] = out.getvalue()
builtins.print(json.dumps([lines, shown]))
"""


def blocks(text: str) -> list[tuple[int, str]]:
    """The number of lines before each block that is to run, and its code."""
    return [(_lines_before(match), match["code"]) for match in _to_run(text)]


def outputs(text: str) -> list[tuple[int, str]]:
    """The number of lines before each block, and what the page says below that it prints."""
    found = [(_lines_before(match), BELOW.match(text, match.end())) for match in _to_run(text)]
    return [(line, below["text"]) for line, below in found if below]


def _to_run(text: str) -> list[re.Match[str]]:
    left_out = {"no-run", *(f"needs-{x}" for x in ("jax", "matplotlib") if absent(x))}
    return [m for m in BLOCK.finditer(text) if not left_out & {*m["note"].split()}]


def absent(library: str) -> bool:
    """Whether a library that some blocks need is not installed."""
    return importlib.util.find_spec(library) is None


def _lines_before(match: re.Match[str]) -> int:
    return match.string[: match.start("code")].count("\n")


def without_prompts(code: str) -> str:
    """Code as typed: of an interactive session, what follows the prompts."""
    lines = code.splitlines()
    if not any(line.startswith(">>> ") for line in lines):
        return code
    return "".join(f"{line[4:]}\n" for line in lines if line.startswith((">>> ", "... ")))


DOCS = ROOT / "docs"
WRITTEN = [p for p in DOCS.rglob("*.md") if p.parent != DOCS / "project"]  # which is made
TEXTS = [ROOT / "README.md", *sorted(WRITTEN)]
PAGES = [page for page in TEXTS if blocks(page.read_text())]


def test_the_readme_has_blocks() -> None:
    assert ROOT / "README.md" in PAGES


def run(page: Path, folder: Path) -> tuple[dict[int, str], dict[int, str]]:
    """What a page's lines that call `print` print, each the last time; and what its blocks do."""
    code = [(line, without_prompts(block)) for line, block in blocks(page.read_text())]
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=f"BLOCKS = {code!r}\nPAGE = {str(page)!r}\n{RUNNER}",
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONWARNINGS": ""},
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    lines, shown = json.loads(finished.stdout)
    return {int(k): v for k, v in lines.items()}, {int(k): v for k, v in shown.items()}


def comments(text: str) -> list[tuple[int, str]]:
    """The lines that say in a comment what their `print` prints, and what that is."""
    return [
        (line, match[1].strip())
        for start, block in blocks(text)
        for line, statement in enumerate(block.splitlines(), start + 1)
        if (match := re.match(r"^ *print\(.*\) +# (.+)$", statement))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    """Blocks run without a warning; comments and the blocks below say what is printed.

    Error messages and drawings are broken into lines as they fit.
    """
    text = page.read_text()
    lines, shown = run(page, tmp_path)
    for line, expected in comments(text):
        assert lines[line].split() == expected.split(), f"line {line}"
    for line, expected in outputs(text):
        found, said = (PLACE.sub("program.py:1", x) for x in (shown[line], expected))
        assert found.split() == said.split(), f"block at line {line}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_other_pages_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(FENCED.sub("", page.read_text())):
        path = page.parent / match["path"] if match["path"] else page
        assert path.exists(), match["path"]
        if match["heading"]:
            headings = re.findall(r"^#+ (.*)", path.read_text(), re.MULTILINE)
            names = [re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings]
            assert match["heading"] in names, match["heading"]


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / m["path"]).resolve() for m in LINK.finditer(index.read_text())}
    pages = {page for page in TEXTS if page.parent.name != "design"} - {index}
    assert pages <= linked


@pytest.mark.parametrize("folder", ["tutorials", "how-to", "explanation", "design"])
def test_a_folder_lists_its_pages(folder: str) -> None:
    index = DOCS / folder / "README.md"
    linked = {(index.parent / m["path"]).resolve() for m in LINK.finditer(index.read_text())}
    assert {*(DOCS / folder).glob("*.md")} - {index} <= linked


def extension(name: str) -> ModuleType:
    """A module that the site's build uses."""
    path = DOCS / "_extensions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_of_a_page_is_made() -> None:
    pictures = extension("pictures")
    made = {*pictures.CHARTS}
    promised = set()
    for page in WRITTEN:
        text = page.read_text()
        made |= {*pictures.SAVED.findall(text)}
        promised |= {*pictures.promised(text)}
        assert text.count("<!-- picture") == len(pictures.promised(text)), page
    assert promised == made


def test_the_charts_show_what_the_tables_of_the_benchmarks_say() -> None:
    pictures = extension("pictures")
    table = pictures.ratios((DOCS / "benchmarks.md").read_text())
    for _, workloads, colours in pictures.CHARTS.values():
        for workload in workloads.split("; "):
            assert "numpygrad" in colours
            assert table[workload]["numpygrad"] > 0
    rows = "| workload | numpy | a |\n| --- | --- | --- |\n| w | 1 s (1.00) | 2 s (2.00) |\n\n"
    targets = "| workload | target | found |\n| --- | --- | --- |\n| w | <= 1 x a | 0.5 (0.70) |\n"
    assert pictures.ratios(rows + targets) == {"w": {"numpy": 1.0, "a": 2.0}}


def test_every_public_name_is_on_a_page_of_the_reference() -> None:
    reference = extension("reference")
    assert reference.missing() == []
    for page in reference.pages():
        for name in page.names:
            assert reference.value_of(name).__doc__, name


def test_what_visualize_writes_can_be_drawn() -> None:
    mermaid = extension("mermaid")
    x = npg.array([1.0, 2.0], requires_grad=True, label="a<b")
    y = npg.sum(npg.sin(x) * x)
    boxes, arrows = mermaid.parsed(str(npg.visualize(y)))
    assert [box.lines[0] for box in boxes.values()] == ["a<b", "sin", "multiply", "sum"]
    assert [(a.start, a.end, a.text) for a in arrows][1:] == [
        ("n1", "n2", "x1"),
        ("n0", "n2", "x2"),
        ("n2", "n3", ""),
    ]
    rows, _ = mermaid.layered(boxes, arrows)
    assert [len(row) for row in rows] == [1, 2, 1, 1]  # the long arrow passes beside the sine
    assert mermaid.svg(str(npg.visualize(y))).count("<rect") == 4
    late = mermaid.parsed(str(npg.visualize(y + npg.array(1.0, requires_grad=True))))
    assert [len(row) for row in mermaid.layered(*late)[0]] == [1, 2, 1, 2, 1]  # beside its reader
    with pytest.raises(ValueError, match="does not write"):
        mermaid.parsed("sequenceDiagram")


NAME = re.compile(r"\bnpg\.([a-z]\w*(?:\.[a-z]\w*)?)")


@pytest.mark.parametrize("page", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_names_on_a_page_exist(page: Path) -> None:
    """Those after `npg.`: in tables and sentences too, which do not run."""
    for name in NAME.findall(page.read_text()):
        first, _, second = name.partition(".")
        found = getattr(npg, first)
        if isinstance(found, ModuleType) and second:
            assert hasattr(found, second), name


def test_blocks_are_found_with_their_lines() -> None:
    text = "a\n\n```python\nx = 1\n```\n\n```python no-run\n1/0\n```\n```\nnot\n```\n"
    assert blocks(text) == [(3, "x = 1\n")]
    assert without_prompts(">>> x = 1\n>>> if x:\n...     x\n1\n") == "x = 1\nif x:\n    x\n"
    shown = (
        "```python\nx\n```\n\n```output\na\nb\n```\n```python\ny\n```\ntext\n```output\nc\n```\n"
    )
    assert outputs(shown) == [(1, "a\nb\n")]
