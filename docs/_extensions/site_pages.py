"""What turns the pages, written to be read on a code host, into those of the site.

Links out of docs/ lead to pages made here; a folder's README lists what is in it; places for
pictures are filled; names in docstrings lead to the reference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import mermaid
import pictures
import reference
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import numpygrad as npg

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PROJECT = DOCS / "project"
FROM_ROOT = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""The files beside docs/ that are pages of the site too, and their names there."""
PROJECT_PAGE = """\
# The project

- [The README](readme.md)
- [Contributing](contributing.md)
- [Changelog](changelog.md)
- [Examples](examples.md)
"""
LINK = re.compile(r"\[(?P<text>[^\]\[]*)\]\((?P<path>[^)#:\s]*)(?P<heading>#[^)]*)?\)")
ALIAS = re.compile(r"TypeAliasForwardRef\('numpygrad\.typing\.(\w+)'\)")
LISTED = re.compile(r"^(?:-|\d+\.) \[[^\]]*\]\((?P<path>[^)#:\s]*\.md)\)", re.MULTILINE)


def linked(text: str, base: Path, folder: Path) -> str:
    """A text of `base` with links as they are to be in a page of `folder`."""

    def replaced(match: re.Match[str]) -> str:
        if not match["path"]:
            return match[0]
        target = (base / match["path"]).resolve()
        heading = match["heading"] or ""
        if not target.exists():
            return match[0]
        if target == DOCS / "README.md":
            target, heading = DOCS / "index.md", ""
        elif target.parent == ROOT and target.name in FROM_ROOT:
            target = PROJECT / FROM_ROOT[target.name]
        elif target.is_relative_to(ROOT / "examples"):
            target, heading = PROJECT / "examples.md", ""
        elif target == DOCS / "design":
            target = DOCS / "design" / "README.md"
        elif not target.is_relative_to(DOCS):
            return match["text"]
        return f"[{match['text']}]({os.path.relpath(target, folder)}{heading})"

    return LINK.sub(replaced, text)


def contents_of(name: str, text: str) -> list[str]:
    """The pages that a folder's README lists, as lines that begin with a link to one.

    That of the reference has the generated pages too, and those in docs/ that no other lists.
    """
    pages = _listed(name, text)
    if name == "reference/README":
        pages += [f"reference/{page}" for page in reference.texts()]
        known = {"README", "index", "quickstart", "one-page"}
        known |= {page for path in DOCS.glob("*/README.md") for page in _listed_in(path)}
        pages += sorted({path.stem for path in DOCS.glob("*.md")} - known)
    return [f"/{page}" for page in dict.fromkeys(pages)]


def _listed(name: str, text: str) -> list[str]:
    folder = Path(name).parent
    found = (os.path.normpath(folder / m["path"]) for m in LISTED.finditer(text))
    return [path.removesuffix(".md") for path in found]


def _listed_in(path: Path) -> list[str]:
    return _listed(str(path.relative_to(DOCS)), path.read_text())


def read(app: Sphinx, name: str, content: list[str]) -> None:
    """Prepare the text of a page."""
    path = Path(app.env.doc2path(name))
    if path.suffix != ".md":
        return
    text = linked(content[0], path.parent, path.parent)
    up = os.path.relpath(pictures.PICTURES, path.parent)
    text = pictures.MARK.sub(lambda m: f"![{m['shows']}]({up}/{m['name']})", text)
    if path.name == "README.md":
        pages = "\n".join(contents_of(name, content[0]))
        text += f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"
    content[0] = text


def write(app: Sphinx) -> None:
    """Write the pages and pictures that are not in the repository."""
    missing = reference.missing()
    if missing:
        raise RuntimeError(f"public names that are on no page of the reference: {missing}")
    reference.write()
    pictures.write()
    PROJECT.mkdir(exist_ok=True)
    made = {FROM_ROOT[n]: linked((ROOT / n).read_text(), ROOT, PROJECT) for n in FROM_ROOT}
    made["readme.md"] = made["readme.md"].replace("# numpygrad\n", "# The README\n", 1)
    made |= {"examples.md": examples(), "README.md": PROJECT_PAGE}
    for name, text in made.items():
        path = PROJECT / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def examples() -> str:
    """The page that has each example whole."""
    parts = ["# Examples\n\nEach is one file, `examples/NAME.py`, and runs on every backend.\n"]
    parts += [
        f"## {path.stem}\n\n```{{literalinclude}} ../../examples/{path.name}\n"
        ":language: python\n```\n"
        for path in sorted((ROOT / "examples").glob("*.py"))
    ]
    return "\n".join(parts)


class Mermaid(SphinxDirective):
    """A drawing by `visualize`, as a picture."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The picture, or the text, of what `visualize` did not write."""
        text = "\n".join(self.content)
        return [nodes.raw("", mermaid.svg(text), format="html")]


def sections(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A line that begins with *Source:* as a section, by numpydoc's name for it."""
    for i, line in enumerate(lines):
        if line.startswith("Source: "):
            lines[i : i + 1] = ["References", "----------", line.removeprefix("Source: ")]
            return


def signature(
    app: Any, what: str, name: str, obj: Any, options: Any, args: str | None, gives: str | None
) -> tuple[str | None, str | None]:
    """A signature with the names of types as we write them."""
    return tuple(s and ALIAS.sub(r"\1", s) for s in (args, gives))  # type: ignore[return-value]


def homes() -> dict[str, str]:
    """The public name of each class, by the module that defines it."""
    found = {"numpygrad._array.Array": "numpygrad.Array"}
    names = [name for page in reference.pages() for name in page.names]
    names += [f"errors.{n}" for n in reference.own(npg.errors)]
    found |= {home: home for home in reference.RESULTS}
    for name in names:
        value = reference.value_of(name)
        found[f"{value.__module__}.{value.__qualname__}"] = f"numpygrad.{name}"
    aliases = ("Axis", "DTypeLike", "Key", "Operand", "RawArray", "Scalar", "Shape", "Tree")
    return found | {n: f"numpygrad.typing.{n}" for n in aliases}


def resolve(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """A link to the public name of what a signature names by its private home."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    target = node["reftarget"]
    public = app.npg_homes.get(target)  # type: ignore[attr-defined]  # ours
    if public is None:
        options = [p for home, p in app.npg_homes.items() if home.rpartition(".")[2] == target]  # type: ignore[attr-defined]
        public = options[0] if options else None
    if public is None or public not in domain.objects:
        return None
    found = domain.objects[public]
    from sphinx.util.nodes import make_refnode

    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, [content])


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.npg_homes = homes()  # type: ignore[attr-defined]  # ours
    app.add_directive("mermaid", Mermaid)
    app.connect("builder-inited", write)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", sections, priority=100)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
