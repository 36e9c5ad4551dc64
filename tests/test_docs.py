"""Every Python block of the documentation runs: those of a page in order, in one namespace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python *(?P<note>.*)\n(?P<code>(?:.*\n)*?)```", re.MULTILINE)

RUNNER = """
import sys
sys.argv = ["page"]
namespace = {"__name__": "__main__"}
for line, code in BLOCKS:
    exec(compile("\\n" * line + code, PAGE, "exec"), namespace)
"""


def blocks(text: str) -> list[tuple[int, str]]:
    """The number of lines before each block that is to run, and its code."""
    return [
        (text[: match.start("code")].count("\n"), match["code"])
        for match in BLOCK.finditer(text)
        if "no-run" not in match["note"]
    ]


def without_prompts(code: str) -> str:
    """Code as typed: of an interactive session, what follows the prompts."""
    lines = code.splitlines()
    if not any(line.startswith(">>> ") for line in lines):
        return code
    return "".join(f"{line[4:]}\n" for line in lines if line.startswith((">>> ", "... ")))


PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if blocks(page.read_text())
]


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
        if (match := re.match(r"^print\(.*\) +# (.+)$", statement))
    ]
    code = [
        (line, re.sub(r"^print\(", "_show(", b, flags=re.MULTILINE)) for line, b in blocks(text)
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


def test_blocks_are_found_with_their_lines() -> None:
    text = "a\n\n```python\nx = 1\n```\n\n```python no-run\n1/0\n```\n```\nnot\n```\n"
    assert blocks(text) == [(3, "x = 1\n")]
    assert without_prompts(">>> x = 1\n>>> if x:\n...     x\n1\n") == "x = 1\nif x:\n    x\n"
