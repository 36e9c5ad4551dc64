"""Every Python block of the documentation runs: those of a page in order, in one namespace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import numpygrad as npg

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python *(?P<note>.*)\n(?P<code>(?:.*\n)*?)```", re.MULTILINE)
PLACE = re.compile(r"\S+\.(?:md|py):\d+")
BELOW = re.compile(r"\s*```(?:output|mermaid)\n(?P<text>(?:.*\n)*?)```")
LINK = re.compile(r"\]\((?P<path>[^)#:]*)(?:#(?P<heading>[^)]*))?\)")

RUNNER = """
import sys
sys.argv = ["page"]
namespace = {"__name__": "__main__"}
for line, code in BLOCKS:
    exec(compile("\\n" * line + code, PAGE, "exec"), namespace)
"""


def blocks(text: str) -> list[tuple[int, str]]:
    """The number of lines before each block that is to run, and its code."""
    return [(_lines_before(match), match["code"]) for match in _to_run(text)]


def outputs(text: str) -> list[tuple[int, str]]:
    """The number of lines before each block, and what the page says below that it prints."""
    found = [(_lines_before(match), BELOW.match(text, match.end())) for match in _to_run(text)]
    return [(line, below["text"]) for line, below in found if below]


def _to_run(text: str) -> list[re.Match[str]]:
    no_jax = "jax" not in npg.installed_backends()
    left_out = ("no-run", "needs-jax") if no_jax else ("no-run",)
    return [m for m in BLOCK.finditer(text) if not any(note in m["note"] for note in left_out)]


def _lines_before(match: re.Match[str]) -> int:
    return match.string[: match.start("code")].count("\n")


def without_prompts(code: str) -> str:
    """Code as typed: of an interactive session, what follows the prompts."""
    lines = code.splitlines()
    if not any(line.startswith(">>> ") for line in lines):
        return code
    return "".join(f"{line[4:]}\n" for line in lines if line.startswith((">>> ", "... ")))


TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in TEXTS if blocks(page.read_text())]


def test_the_readme_has_blocks() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    code = [(line, without_prompts(block)) for line, block in blocks(page.read_text())]
    script = f"BLOCKS = {code!r}\nPAGE = {str(page)!r}\n{RUNNER}"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONWARNINGS": ""},
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_comment_says_is_printed(page: Path, tmp_path: Path) -> None:
    """A comment after `print(...)` on its line is what it prints."""
    text = page.read_text()
    promised = [
        (line, match[1].strip())
        for start, block in blocks(text)
        for line, statement in enumerate(block.splitlines(), start + 1)
        if (match := re.match(r"^ *print\(.*\) +# (.+)$", statement))
    ]
    code = [
        (line, re.sub(r"^( *)print\(", r"\1_show(", b, flags=re.MULTILINE))
        for line, b in blocks(text)
    ]
    show = (
        "import sys\n"
        "def _show(*values, **options):\n"
        "    text = ' '.join(map(str, values))\n"
        "    print(sys._getframe(1).f_lineno, repr(text), sep='\\t')\n"
    )
    script = f"BLOCKS = {code!r}\nPAGE = {str(page)!r}\n{RUNNER}".replace(
        'namespace = {"__name__": "__main__"}',
        f'namespace = {{"__name__": "__main__"}}\nexec({show!r}, namespace)',
    )
    finished = subprocess.run(
        [sys.executable, "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    printed: dict[int, str] = {}
    for row in finished.stdout.splitlines():
        line, _, text = row.partition("\t")
        if line.isdigit():
            printed[int(line)] = text
    for line, expected in promised:
        assert expected.split() == eval(printed[line]).split(), f"line {line}"  # noqa: S307


@pytest.mark.parametrize(
    "page", [page for page in PAGES if outputs(page.read_text())], ids=lambda p: p.name
)
def test_a_block_prints_what_is_shown_below_it(page: Path, tmp_path: Path) -> None:
    """Error messages and drawings, broken into lines as they fit."""
    text = page.read_text()
    code = [(line - 1, f"print('\\x00{line}')\n{block}") for line, block in blocks(text)]
    finished = subprocess.run(
        [sys.executable, "-"],
        input=f"BLOCKS = {code!r}\nPAGE = {str(page)!r}\n{RUNNER}",
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    parts = (part.partition("\n") for part in finished.stdout.split("\x00")[1:])
    printed = {int(number): shown for number, _, shown in parts}
    for line, expected in outputs(text):
        shown, said = (PLACE.sub("program.py:1", text) for text in (printed[line], expected))
        assert shown.split() == said.split(), f"block at line {line}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_other_pages_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(page.read_text()):
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


def test_blocks_are_found_with_their_lines() -> None:
    text = "a\n\n```python\nx = 1\n```\n\n```python no-run\n1/0\n```\n```\nnot\n```\n"
    assert blocks(text) == [(3, "x = 1\n")]
    assert without_prompts(">>> x = 1\n>>> if x:\n...     x\n1\n") == "x = 1\nif x:\n    x\n"
    shown = (
        "```python\nx\n```\n\n```output\na\nb\n```\n```python\ny\n```\ntext\n```output\nc\n```\n"
    )
    assert outputs(shown) == [(1, "a\nb\n")]
