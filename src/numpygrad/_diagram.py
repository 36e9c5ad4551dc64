"""Diagrams of boxes and arrows: text in the languages of Graphviz and Mermaid, and pictures."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Box:
    """One node of a drawing."""

    text: tuple[str, ...]
    """Its lines."""
    kind: str
    """A key of `SHAPES`."""
    group: int | None = None
    """Boxes of one group are framed together."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From an operand to what is computed of it."""

    start: int
    end: int
    text: str = ""
    dashed: bool = False


SHAPES = {
    "leaf": ("shape=ellipse, style=filled, fillcolor=lightyellow", "([", "])", "fill:#ffffe0"),
    "constant": ("shape=ellipse, style=dashed", "([", "])", "stroke-dasharray:4"),
    "op": ("shape=box, style=rounded", "[", "]", ""),
    "output": ("shape=box, style=rounded, penwidth=2.5", "[", "]", "stroke-width:3px"),
    "note": ("shape=note, style=dashed", "[/", "/]", "stroke-dasharray:4"),
}
"""For each kind of box, Graphviz's attributes, Mermaid's brackets and its style."""

LEAVES = ("leaf", "constant")
FEW = 8
"""How many readers a leaf may have and still be drawn once."""


@dataclass(frozen=True)
class Drawing:
    """A graph as text and pictures; a notebook shows it.

    `dot` and `mermaid` are always there; `svg`, and saving as `.svg` or `.png`, need Graphviz.
    `str()` of a drawing is the Mermaid text, which GitHub and many editors draw.
    """

    boxes: tuple[Box, ...]
    """Operands before what is computed of them."""
    arrows: tuple[Arrow, ...]

    @functools.cached_property
    def dot(self) -> str:
        """The drawing in Graphviz's language."""
        lines = [
            "digraph {",
            '  graph [fontname="Helvetica"]',
            '  node [fontname="Helvetica"]',
            '  edge [fontname="Helvetica"]',
        ]
        for group, members in self._framed():
            if group is not None:
                lines.append(f'  subgraph cluster_{group} {{ label="group {group}"; style=dashed')
            for index in members:
                box = self.boxes[index]
                lines.append(f"  n{index} [label={_dot_text(box.text)}, {SHAPES[box.kind][0]}]")
            if group is not None:
                lines.append("  }")
        for arrow in self.arrows:
            options = [f"label={_dot_text((arrow.text,))}"] if arrow.text else []
            options += ["style=dashed"] if arrow.dashed else []
            lines.append(
                f"  n{arrow.start} -> n{arrow.end}"
                + (f" [{', '.join(options)}]" if options else "")
            )
        return "\n".join([*lines, "}\n"])

    @functools.cached_property
    def mermaid(self) -> str:
        """The drawing in Mermaid's language."""
        lines = ["flowchart TD"]
        for group, members in self._framed():
            if group is not None:
                lines.append(f'  subgraph g{group}["group {group}"]')
            for index in members:
                box = self.boxes[index]
                _, open_, close, _ = SHAPES[box.kind]
                lines.append(f"  n{index}{open_}{_mermaid_text(box.text)}{close}:::{box.kind}")
            if group is not None:
                lines.append("  end")
        for arrow in self.arrows:
            line = "-.->" if arrow.dashed else "-->"
            text = f"|{_mermaid_text((arrow.text,))}|" if arrow.text else ""
            lines.append(f"  n{arrow.start} {line}{text} n{arrow.end}")
        kinds = [kind for kind in SHAPES if any(box.kind == kind for box in self.boxes)]
        styles = [f"  classDef {kind} {SHAPES[kind][3]}" for kind in kinds if SHAPES[kind][3]]
        return "\n".join([*lines, *styles, ""])

    @functools.cached_property
    def svg(self) -> str:
        """The drawing as a picture.

        Raises
        ------
        FileNotFoundError
            If Graphviz's program `dot` is not installed.
        """
        return self._drawn("svg").decode()

    def save(self, path: str | Path) -> None:
        """Write the drawing to a file, in the form that its suffix asks for.

        Raises
        ------
        ValueError
            If the suffix is none of `.svg`, `.png`, `.dot`, `.mmd`.
        FileNotFoundError
            For pictures, if Graphviz's program `dot` is not installed.
        """
        path = Path(path)
        if path.suffix in (".svg", ".png"):
            content = self._drawn(path.suffix[1:])
        elif path.suffix in (".dot", ".mmd"):
            content = (self.dot if path.suffix == ".dot" else self.mermaid).encode()
        else:
            raise ValueError(
                f"save() takes a path that ends in .svg, .png, .dot or .mmd, not {path.name!r}"
            )
        path.write_bytes(content)

    def _framed(self) -> Iterable[tuple[int | None, list[int]]]:
        """The numbers of the boxes: those in no group, then group by group."""
        groups: dict[int | None, list[int]] = {None: []}
        for index, box in enumerate(self.boxes):
            groups.setdefault(box.group, []).append(index)
        return groups.items()

    def _drawn(self, form: str) -> bytes:
        """A picture, by Graphviz."""
        import shutil
        import subprocess

        program = shutil.which("dot")
        if program is None:
            raise FileNotFoundError(
                f"a drawing as {form} is made by Graphviz's program dot, which is not on the PATH; "
                "install it, for example with apt install graphviz, brew install graphviz or "
                "conda install graphviz. The texts .dot and .mermaid need nothing"
            )
        finished = subprocess.run(  # noqa: S603 (Graphviz; the text goes in by its input)
            [program, f"-T{form}"], input=self.dot.encode(), capture_output=True, check=False
        )
        if finished.returncode:
            raise RuntimeError(f"Graphviz's dot failed: {finished.stderr.decode().strip()}")
        return finished.stdout

    def __str__(self) -> str:
        return self.mermaid

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.boxes)} nodes; its texts are .mermaid and .dot>"

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg
        except FileNotFoundError:
            return None

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        svg = self._repr_svg_()
        bundle = {"text/plain": repr(self), "text/vnd.mermaid": self.mermaid}
        if svg is not None:
            bundle["image/svg+xml"] = svg
        wanted = set(bundle if include is None else include) - set(exclude or ())
        return {form: content for form, content in bundle.items() if form in wanted}


def _plain(line: str) -> str:
    """A line without characters that start another or cannot be shown."""
    return "".join(c if c.isprintable() else " " for c in line)


_DOT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


def _dot_text(lines: Sequence[str]) -> str:
    escaped = (_plain(line).translate(_DOT_ESCAPES) for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _mermaid_text(lines: Sequence[str]) -> str:
    """Lines in quotes; what Mermaid would take for markup, in its own numbers of characters."""
    escaped = (
        re.sub(r"[\"#&<>`\\]|%(?=%)", lambda found: f"#{ord(found[0])};", _plain(line))
        for line in lines
    )
    return '"' + "<br/>".join(escaped) + '"'


def cut(boxes: Sequence[Box], arrows: Sequence[Arrow], max_nodes: int) -> Drawing:
    """A drawing of the last boxes and the leaves they read, with a note in place of the others."""
    count = len(boxes)
    if count <= max_nodes:
        return Drawing(*_beside_readers(boxes, arrows))
    leaves: dict[int, list[int]] = {}
    for arrow in arrows:
        if boxes[arrow.start].kind in LEAVES:
            leaves.setdefault(arrow.end, []).append(arrow.start)
    kept: dict[int, None] = {}
    for index in reversed(range(count)):
        if boxes[index].kind not in LEAVES:
            kept |= dict.fromkeys([index, *leaves.get(index, ())])
        if len(kept) >= max_nodes:
            break
    numbers = {index: number for number, index in enumerate(sorted([*kept][:max_nodes]), 1)}
    note = Box(
        (
            f"{count - len(numbers)} of {count} nodes are not drawn",
            f"visualize(..., max_nodes={count}) draws all",
        ),
        "note",
    )
    shown = [
        Arrow(numbers[arrow.start], numbers[arrow.end], arrow.text, arrow.dashed)
        if arrow.start in numbers
        else Arrow(0, numbers[arrow.end], dashed=True)
        for arrow in arrows
        if arrow.end in numbers
    ]
    return Drawing(*_beside_readers([note, *(boxes[index] for index in numbers)], shown))


def _beside_readers(
    boxes: Sequence[Box], arrows: Sequence[Arrow]
) -> tuple[tuple[Box, ...], tuple[Arrow, ...]]:
    """Boxes and arrows with a box for each reader of a leaf that has many.

    A weight that 100 steps read makes a drawing hard to follow, and takes `dot` half a minute.
    """
    arrows = list(dict.fromkeys(arrows))
    readers: dict[int, set[int]] = {}
    for arrow in arrows:
        if boxes[arrow.start].kind in LEAVES:
            readers.setdefault(arrow.start, set()).add(arrow.end)
    written = {arrow.end for arrow in arrows}
    several = {leaf for leaf, ends in readers.items() if len(ends) > FEW} - written
    found: list[Box] = []
    place: dict[Any, int] = {}
    for index, box in enumerate(boxes):
        if index not in several:
            for leaf in sorted(leaf for leaf in several if index in readers[leaf]):
                place[leaf, index] = len(found)
                found.append(boxes[leaf])
            place[index] = len(found)
            found.append(box)
    drawn = []
    for arrow in arrows:
        start = (arrow.start, arrow.end) if arrow.start in several else arrow.start
        drawn.append(Arrow(place[start], place[arrow.end], arrow.text, arrow.dashed))
    return tuple(found), tuple(drawn)
