"""Pictures of the graphs that `numpygrad.visualize` writes as Mermaid text.

A code host draws ```` ```mermaid ```` blocks itself. The site has them as SVG, drawn here: each
operand above what is computed of it, with as few crossings as a few sweeps find.
"""

from __future__ import annotations

import html
import itertools
import re
from typing import NamedTuple

BOX = re.compile(r'^\s*(n\d+)(?:\(\[|\[/|\[)"(.*)"(?:\]\)|/\]|\]):::(\w+)$')
ARROW = re.compile(r'^\s*(n\d+) (-->|-\.->)(?:\|"(.*)"\|)? (n\d+)$')
IGNORED = re.compile(r"^\s*(flowchart TD|classDef .*|subgraph .*|end|)$")
CODE = re.compile(r"#(\d+);")
LINE, LETTER, GAP, RISE, SWEEPS = 17, 7.4, 26, 46, 8


class Box(NamedTuple):
    """A node: its lines and its kind."""

    lines: list[str]
    kind: str

    @property
    def width(self) -> float:
        """In pixels."""
        return 20 + LETTER * max(map(len, self.lines))

    @property
    def height(self) -> float:
        """In pixels."""
        return 12 + LINE * len(self.lines)


class Arrow(NamedTuple):
    """From an operand to what is computed of it."""

    start: str
    end: str
    text: str
    dashed: bool


def parsed(text: str) -> tuple[dict[str, Box], list[Arrow]]:
    """The boxes by name, and the arrows, of a drawing by `visualize`.

    Raises
    ------
    ValueError
        If there is a line of another kind.
    """
    boxes: dict[str, Box] = {}
    arrows: list[Arrow] = []
    for line in text.splitlines():
        if found := BOX.match(line):
            boxes[found[1]] = Box([_plain(t) for t in found[2].split("<br/>")], found[3])
        elif found := ARROW.match(line):
            arrows.append(Arrow(found[1], found[4], _plain(found[3] or ""), found[2] != "-->"))
        elif not IGNORED.match(line):
            raise ValueError(f"a line that visualize() does not write: {line!r}")
    return boxes, arrows


def _plain(text: str) -> str:
    return CODE.sub(lambda found: chr(int(found[1])), text)


def layered(boxes: dict[str, Box], arrows: list[Arrow]) -> tuple[list[list[str]], dict[str, int]]:
    """The names in each layer from left to right, and the layer of each.

    An arrow over several layers passes a point in each: their names are those of its ends.
    """
    layer = dict.fromkeys(boxes, 0)
    for _ in boxes:
        for arrow in arrows:
            layer[arrow.end] = max(layer[arrow.end], layer[arrow.start] + 1)
    for name, box in boxes.items():
        readers = [layer[a.end] for a in arrows if a.start == name]
        if readers and box.kind in ("leaf", "constant"):
            layer[name] = min(readers) - 1
    rows: list[list[str]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in boxes:
        rows[layer[name]].append(name)
    above: dict[str, list[str]] = {}
    for arrow in arrows:
        before = arrow.start
        for i in range(layer[arrow.start] + 1, layer[arrow.end]):
            point = _point(arrow, i)
            rows[i].append(point)
            above.setdefault(point, []).append(before)
            before = point
        above.setdefault(arrow.end, []).append(before)
    below: dict[str, list[str]] = {}
    for name, starts in above.items():
        for start in starts:
            below.setdefault(start, []).append(name)
    for sweep in range(SWEEPS):
        for i in range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows))):
            beside = rows[i - 1 if sweep % 2 == 0 else (i + 1) % len(rows)]
            near = above if sweep % 2 == 0 else below
            place = {name: k / max(len(beside) - 1, 1) for k, name in enumerate(beside)}
            rows[i].sort(
                key=lambda name: _mean([place[n] for n in near.get(name, []) if n in place])
            )
    return rows, layer


def _point(arrow: Arrow, i: int) -> str:
    return f"{arrow.start} {arrow.end} {i}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def svg(text: str) -> str:
    """The picture of a drawing by `visualize`."""
    boxes, arrows = parsed(text)
    rows, layer = layered(boxes, arrows)
    widths = [sum(_width(boxes, n) for n in row) + GAP * (len(row) - 1) for row in rows]
    total = max(widths) + 80
    centre: dict[str, tuple[float, float]] = {}
    y = 4.0
    for row, width in zip(rows, widths, strict=True):
        height = max(boxes[n].height if n in boxes else 0 for n in row)
        x = (total - width) / 2
        for name in row:
            centre[name] = (x + _width(boxes, name) / 2, y + height / 2)
            x += _width(boxes, name) + GAP
        y += height + RISE
    bottom = y - RISE + 4
    shapes = [_line(arrow, boxes, layer, centre) for arrow in arrows]
    shapes += [_drawn(box, *centre[name]) for name, box in boxes.items()]
    return (
        f'<svg class="graph" viewBox="0 0 {total:.0f} {bottom:.0f}" width="{total:.0f}" '
        'role="img" aria-label="graph of operations" font-family="monospace" font-size="12">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker>'
        "</defs>"
        f"{''.join(shapes)}</svg>"
    )


def _width(boxes: dict[str, Box], name: str) -> float:
    return boxes[name].width if name in boxes else 8


def _drawn(box: Box, x: float, y: float) -> str:
    width, height = box.width, box.height
    round_ = height / 2 if box.kind in ("leaf", "constant") else 5
    stroke = 3 if box.kind == "output" else 1.2
    fill = "#fff3b0" if box.kind == "leaf" else "#e8eef7"
    dashes = ' stroke-dasharray="4"' if box.kind in ("constant", "note") else ""
    top = y - LINE * (len(box.lines) - 1) / 2 + 4
    lines = "".join(
        f'<tspan x="{x:.1f}" y="{top + LINE * i:.1f}">{html.escape(line)}</tspan>'
        for i, line in enumerate(box.lines)
    )
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{round_:.1f}" fill="{fill}" stroke="#345" '
        f'stroke-width="{stroke}"{dashes}/>'
        f'<text text-anchor="middle" fill="#111">{lines}</text>'
    )


def _line(
    arrow: Arrow,
    boxes: dict[str, Box],
    layer: dict[str, int],
    centre: dict[str, tuple[float, float]],
) -> str:
    (x0, y0), (x1, y1) = centre[arrow.start], centre[arrow.end]
    passed = [centre[_point(arrow, i)] for i in range(layer[arrow.start] + 1, layer[arrow.end])]
    points = [
        (x0, y0 + boxes[arrow.start].height / 2),
        *passed,
        (x1, y1 - boxes[arrow.end].height / 2),
    ]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (xa, ya), (xb, yb) in itertools.pairwise(points):
        middle = (ya + yb) / 2
        path += f" C{xa:.1f} {middle:.1f} {xb:.1f} {middle:.1f} {xb:.1f} {yb:.1f}"
    dashes = ' stroke-dasharray="4"' if arrow.dashed else ""
    drawn = f'<path d="{path}" fill="none" stroke="currentColor" marker-end="url(#tip)"{dashes}/>'
    if not arrow.text:
        return drawn
    (xa, ya), (xb, yb) = points[:2]
    return (
        f'{drawn}<text x="{(xa + xb) / 2 + 5:.1f}" y="{(ya + yb) / 2:.1f}" '
        f'fill="currentColor">{html.escape(arrow.text)}</text>'
    )
