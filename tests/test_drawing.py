"""Drawings of graphs, as text and as pictures."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._diagram import Arrow, Box, Drawing, cut
from numpygrad._drawing import drawing_of_program
from numpygrad._lazy.program import Aval, Instruction, Program, Report, Value

FLOAT = np.dtype("float32")


def leaf(*shape: int, label: str | None = None) -> npg.Array:
    return npg.array(np.ones(shape), requires_grad=True, label=label)


def texts(drawing: Drawing) -> list[str]:
    """The boxes, their lines joined."""
    return ["|".join(box.text) for box in drawing.boxes]


def arrows(drawing: Drawing) -> list[str]:
    """The arrows by the first lines of what they join."""
    return [
        f"{drawing.boxes[a.start].text[0]} -> {drawing.boxes[a.end].text[0]} {a.text}".strip()
        for a in drawing.arrows
    ]


def program() -> Program:
    """`loss = sum(x * 2.0)`, with the product written into `x`."""
    avals = Aval((2, 3), FLOAT), Aval((), FLOAT)
    calls = (
        Instruction("multiply", np.multiply, (Value(0), 2.0), {}, avals[0]),
        Instruction("sum", np.sum, (Value(1),), {"axis": (0, 1)}, avals[1]),
    )
    return Program((avals[0],), calls, (2,), ((1, 0),), {0: "x", 2: "loss"})


# The graph of backward


def test_nodes_tell_op_options_shape_and_dtype(device: str) -> None:
    x = leaf(2, 3, label="x")
    drawing = npg.visualize(npg.sum(npg.sin(x), axis=(0,), keepdims=True))
    assert texts(drawing) == [
        "x|float64[2, 3]",
        "sin|float64[2, 3]",
        "sum|axis=(0,), keepdims=True|float64[1, 3]",
    ]
    assert [box.kind for box in drawing.boxes] == ["leaf", "op", "output"]
    assert arrows(drawing) == ["x -> sin", "sin -> sum"]


def test_operands_are_named_where_there_are_several() -> None:
    a, b = leaf(2, label="a"), leaf(2, label="b")
    drawing = npg.visualize(npg.stack([npg.divide(a, b), b]), a, b)
    assert arrows(drawing) == ["a -> divide x1", "b -> divide x2", "divide -> stack 0",
                               "b -> stack 1"]  # fmt: skip


def test_what_is_used_twice_is_drawn_once() -> None:
    x = leaf(2, label="x")
    drawing = npg.visualize(x * x)
    assert texts(drawing) == ["x|float64[2]", "multiply|float64[2]"]
    assert arrows(drawing) == ["x -> multiply x1", "x -> multiply x2"]


def test_a_leaf_of_many_readers_is_drawn_beside_each() -> None:
    w = leaf(2, label="w")
    y = npg.sin(w)
    for _ in range(7):
        y = y * w
    assert [box.text[0] for box in npg.visualize(y).boxes] == ["w", "sin", *["multiply"] * 7]
    drawing = npg.visualize(y * w)
    assert [box.text[0] for box in drawing.boxes] == ["w", "sin", *["w", "multiply"] * 8]
    assert arrows(drawing)[:3] == ["w -> sin", "sin -> multiply x1", "w -> multiply x2"]
    assert [a.start for a in drawing.arrows if a.text == "x2"] == [2, 4, 6, 8, 10, 12, 14, 16]


def test_options_that_are_left_out_are_not_told() -> None:
    assert texts(npg.visualize(npg.sum(leaf(2))))[-1] == "sum|float64[]"


def test_a_graph_with_many_ways_through_it_is_gone_through_once() -> None:
    y = leaf(2, label="x")
    for _ in range(100):
        y = y * y
    assert len(npg.visualize(y).boxes) == 101


def test_a_shared_part_of_several_results_is_drawn_once() -> None:
    x = leaf(2)
    h = npg.exp(x)
    drawing = npg.visualize(npg.sin(h), npg.cos(h))
    assert [box.text[0] for box in drawing.boxes] == ["float64[2]", "exp", "sin", "cos"]
    assert [box.kind for box in drawing.boxes] == ["leaf", "op", "output", "output"]


def test_labels_are_known_of_leaves_and_of_arrays_given_or_saved() -> None:
    w, b, h = leaf(2, 2, label="w"), leaf(2, label="b"), leaf(2, 2, label="h")
    hidden = w @ h + b
    hidden.label = "hidden"
    y = npg.sin(hidden)
    assert texts(npg.visualize(y))[:3] == ["w|float64[2, 2]", "b|float64[2]", "h|float64[2, 2]"]
    assert "hidden|add|float64[2, 2]" in texts(npg.visualize(y))
    z = hidden * 1 + 0
    z.label = "unsaved"
    assert "unsaved|add|float64[2, 2]" not in texts(npg.visualize(z + 1))
    assert "unsaved|add|float64[2, 2]" in texts(npg.visualize(z + 1, z))


def test_saved_operands_without_a_gradient_are_drawn_as_constants() -> None:
    x, c = leaf(2, label="x"), npg.array([1.0, 2.0], label="c")
    drawing = npg.visualize(npg.where(c > 1, x * c * c, x * 2.0))
    found = [(box.kind, "|".join(box.text)) for box in drawing.boxes]
    assert found[1:] == [
        ("constant", "c|float64[2]"),
        ("op", "multiply|float64[2]"),
        ("op", "multiply|float64[2]"),
        ("constant", "2.0|float64[]"),
        ("op", "multiply|float64[2]"),
        ("constant", "bool[2]"),
        ("output", "where|float64[2]"),
    ]


def test_several_results_of_an_op_are_named() -> None:
    x = leaf(2, 2, label="x")
    w, v = npg.linalg.eigh(x)
    drawing = npg.visualize(w, v, x)
    assert texts(drawing)[1:] == [
        "linalg.eigh",
        "eigenvalues|float64[2]",
        "eigenvectors|float64[2, 2]",
    ]
    assert arrows(drawing) == [
        "x -> linalg.eigh",
        "linalg.eigh -> eigenvalues",
        "linalg.eigh -> eigenvectors",
    ]


def test_a_graph_that_backward_has_been_through_can_be_drawn() -> None:
    x = leaf(2, label="x")
    y = npg.sum(npg.sin(x) * 2.0)
    y.backward()
    assert [box.text[0] for box in npg.visualize(y, x).boxes] == ["x", "sin", "multiply", "sum"]


def test_arrays_in_keys_are_told_by_shape_and_dtype() -> None:
    y = leaf(3)[npg.array([0, 2])]
    assert "gather|key=int64[2]|float64[2]" in texts(npg.visualize(y))


def test_the_same_graph_is_drawn_in_the_same_words() -> None:
    def drawn() -> tuple[str, str]:
        x, c = leaf(2, label="x"), npg.array([1.0, 2.0])
        drawing = npg.visualize(npg.sum(npg.exp(x) * c + x))
        return drawing.dot, drawing.mermaid

    assert drawn() == drawn()


def test_a_long_chain_does_not_recurse_and_is_cut() -> None:
    x = leaf(2, label="x")
    y = x
    for _ in range(5000):
        y = npg.sin(y)
    drawing = npg.visualize(y)
    assert len(drawing.boxes) == 201
    assert drawing.boxes[0].text[0] == "4801 of 5001 nodes are not drawn"
    assert "max_nodes=5001" in drawing.mermaid
    assert "max_nodes=5001" in drawing.dot
    assert len(npg.visualize(y, max_nodes=5001).boxes) == 5001


# What cannot be drawn


def test_arrays_without_a_graph_are_refused() -> None:
    with pytest.raises(npg.errors.GraphError, match=r"requires_grad=True.*lazy\(\)"):
        npg.visualize(npg.ones(3))
    with pytest.raises(npg.errors.GraphError, match="no graph"):
        npg.visualize()


def test_other_things_than_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="takes Arrays, not list"):
        npg.visualize([1.0])  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="max_nodes=0"):
        npg.visualize(leaf(2), max_nodes=0)


# Programs


def test_a_program_is_drawn_with_numbers_names_groups_and_updates() -> None:
    drawing = drawing_of_program(program(), Report(((0, 1),), 1, 24, 48))
    assert drawing.mermaid.splitlines() == [
        "flowchart TD",
        '  n0(["x<br/>%0<br/>float32[2, 3]"]):::leaf',
        '  subgraph g1["group 1"]',
        '  n1["%1 = multiply(%0, 2.0)<br/>float32[2, 3]"]:::op',
        '  n2["loss<br/>%2 = sum(%1, axis=(0, 1))<br/>float32[]"]:::output',
        "  end",
        "  n0 --> n1",
        "  n1 --> n2",
        '  n1 -.->|"writes"| n0',
        "  classDef leaf fill:#ffffe0",
        "  classDef output stroke-width:3px",
    ]
    assert drawing.dot.splitlines() == [
        "digraph {",
        '  graph [fontname="Helvetica"]',
        '  node [fontname="Helvetica"]',
        '  edge [fontname="Helvetica"]',
        '  n0 [label="x\\n%0\\nfloat32[2, 3]", shape=ellipse, style=filled, fillcolor=lightyellow]',
        '  subgraph cluster_1 { label="group 1"; style=dashed',
        '  n1 [label="%1 = multiply(%0, 2.0)\\nfloat32[2, 3]", shape=box, style=rounded]',
        '  n2 [label="loss\\n%2 = sum(%1, axis=(0, 1))\\nfloat32[]", shape=box, style=rounded, '
        "penwidth=2.5]",
        "  }",
        "  n0 -> n1",
        "  n1 -> n2",
        '  n1 -> n0 [label="writes", style=dashed]',
        "}",
    ]


def test_a_program_without_a_report_has_no_groups() -> None:
    assert "subgraph" not in drawing_of_program(program()).mermaid


def test_an_input_that_is_written_is_drawn_once_whoever_reads_it() -> None:
    aval = Aval((2,), FLOAT)
    calls = tuple(Instruction("sin", np.sin, (Value(0),), {}, aval) for _ in range(20))
    drawing = drawing_of_program(Program((aval,), calls, (20,), ((1, 0),)))
    assert [box.kind for box in drawing.boxes].count("leaf") == 1


def test_an_input_that_is_given_back_is_a_leaf_still() -> None:
    aval = Aval((2,), FLOAT)
    assert [box.kind for box in drawing_of_program(Program((aval,), (), (0,))).boxes] == ["leaf"]


def test_deferred_arrays_are_drawn_as_the_program_that_computes_them() -> None:
    x, w = npg.ones((2, 2)), npg.ones((2, 2))
    x.label = "x"
    with npg.lazy():
        y = npg.sum(npg.exp(x @ w) * 2.5)
        y.label = "loss"
        npg.exp(w)
        drawing = npg.visualize(y, x)
        dead = npg.visualize(y, y + 0.0 * npg.positive(y))
        value = float(y)
    assert [re.sub(r"%\d+", "%", "|".join(box.text[:2])) for box in drawing.boxes] == [
        "x|%",
        "%|float64[2, 2]",
        "2.5|%",
        "% = matmul(%, %)|float64[2, 2]",
        "% = exp(%)|float64[2, 2]",
        "% = multiply(%, %)|float64[2, 2]",
        "loss|% = sum(%, axis=None, keepdims=False)",
    ]
    assert "positive" not in dead.mermaid
    assert value == pytest.approx(10 * np.exp(2.0))


def test_deferred_arrays_of_two_devices_are_refused(device: str, other_device: str) -> None:
    x, z = npg.ones(2), npg.ones(2, device=other_device)
    with npg.lazy(), pytest.raises(npg.errors.DeviceError, match="of one device"):
        npg.visualize(npg.exp(x), npg.exp(z))


# Cutting


def test_a_cut_keeps_the_last_ops_with_the_leaves_they_read() -> None:
    boxes = [Box((name,), "leaf" if name.isupper() else "op") for name in "ABCdefg"]
    joined = [(0, 3), (3, 4), (1, 4), (4, 5), (2, 6), (5, 6), (3, 6), (4, 6)]
    found = cut(boxes, [Arrow(i, j) for i, j in joined], 3)
    assert [box.text[0] for box in found.boxes[1:]] == ["C", "f", "g"]
    assert found.boxes[0].text[0] == "4 of 7 nodes are not drawn"
    assert [(a.start, a.end, a.dashed) for a in found.arrows] == [
        (0, 2, True), (1, 3, False), (2, 3, False), (0, 3, True),
    ]  # fmt: skip


def test_a_cut_draws_no_more_than_asked_for() -> None:
    x = [leaf(2) for _ in range(10)]
    assert len(npg.visualize(npg.concat(x), max_nodes=4).boxes) == 5


# Text


AWKWARD = [
    'a "b" <c> & d',
    "back\\slash\\n &lt;",
    "#hash; `tick`",
    "two\nlines\r\t\x00",
    "é π 漢",
    "%%{x}%%",
]


@pytest.mark.parametrize("label", AWKWARD)
def test_labels_cannot_break_out_of_their_quotes(label: str) -> None:
    drawing = npg.visualize(npg.sin(leaf(2, label=label)))
    line = next(line for line in drawing.mermaid.splitlines() if line.startswith("  n0"))
    inside = re.fullmatch(r'  n0\(\["(.*)<br/>float64\[2\]"\]\):::leaf', line)
    assert inside is not None
    assert not set('"<>&`\\') & set(inside[1])
    assert "%%" not in inside[1]
    plain = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), inside[1])
    assert plain == re.sub(r"[\n\r\t\x00]", " ", label)
    row = next(row for row in drawing.dot.splitlines() if row.startswith("  n0"))
    quoted = re.match(r'  n0 \[label="((?:[^"\\]|\\.)*)", shape', row)
    assert quoted is not None
    plain = re.sub(r"\\(.)", r"\1", quoted[1].removesuffix("\\nfloat64[2]"))
    assert plain.count("&") == plain.count("&amp;")
    plain = plain.replace("&amp;", "&")
    assert plain == re.sub(r"[\n\r\t\x00]", " ", label)


def test_its_string_is_the_mermaid_text() -> None:
    drawing = npg.visualize(leaf(2, label="x") + 1.0)
    assert str(drawing) == drawing.mermaid
    assert "2 nodes" in repr(drawing)


# Pictures


@pytest.fixture
def graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `dot` that gives back its option and its input."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "dot"
    script.write_text(
        f"#!{sys.executable}\nimport sys\ntext = sys.stdin.read()\n"
        "if 'broken' in text: sys.exit('syntax error')\n"
        "print('<svg>', *sys.argv[1:], text)\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def no_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_pictures_are_made_by_graphviz(graphviz: Path, tmp_path: Path) -> None:
    drawing = npg.visualize(leaf(2, label="x") + 1.0)
    assert drawing.svg.startswith("<svg> -Tsvg digraph {")
    drawing.save(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_text().startswith("<svg> -Tpng digraph {")
    drawing.save(str(tmp_path / "graph.svg"))
    assert (tmp_path / "graph.svg").read_text() == drawing.svg


def test_what_graphviz_complains_of_is_told(graphviz: Path) -> None:
    with pytest.raises(RuntimeError, match="dot failed: syntax error"):
        npg.visualize(npg.sin(leaf(2, label="broken"))).svg  # noqa: B018 (drawn when asked for)


@pytest.mark.usefixtures("no_graphviz")
def test_without_graphviz_it_is_said_what_to_install(tmp_path: Path) -> None:
    drawing = npg.visualize(leaf(2) + 1.0)
    with pytest.raises(FileNotFoundError, match="apt install graphviz"):
        drawing.svg  # noqa: B018 (drawn when asked for)
    with pytest.raises(FileNotFoundError, match=r"png.*\.mermaid need nothing"):
        drawing.save(tmp_path / "graph.png")
    assert not (tmp_path / "graph.png").exists()


def test_text_is_saved_by_suffix(tmp_path: Path) -> None:
    drawing = npg.visualize(leaf(2, label="π") + 1.0)
    drawing.save(tmp_path / "graph.dot")
    drawing.save(tmp_path / "graph.mmd")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.dot
    assert (tmp_path / "graph.mmd").read_text(encoding="utf-8") == drawing.mermaid
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.dot or \.mmd, not 'graph\.jpg'"):
        drawing.save(tmp_path / "graph.jpg")


def test_a_notebook_shows_a_picture_where_it_can(graphviz: Path) -> None:
    drawing = npg.visualize(leaf(2) + 1.0)
    assert drawing._repr_svg_() == drawing.svg
    assert drawing._repr_mimebundle_()["image/svg+xml"] == drawing.svg
    assert set(drawing._repr_mimebundle_(exclude=["image/svg+xml"])) == {
        *("text/plain", "text/vnd.mermaid"),
    }
    assert set(drawing._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}


@pytest.mark.usefixtures("no_graphviz")
def test_a_notebook_shows_mermaid_where_there_is_no_graphviz() -> None:
    drawing = npg.visualize(leaf(2) + 1.0)
    assert drawing._repr_svg_() is None
    assert drawing._repr_mimebundle_() == {
        "text/plain": repr(drawing),
        "text/vnd.mermaid": drawing.mermaid,
    }


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("label", AWKWARD)
def test_graphviz_takes_the_text(label: str) -> None:
    drawing = drawing_of_program(program(), Report(((0, 1),), 1, 24, 48))
    assert "<svg" in drawing.svg
    assert "<svg" in npg.visualize(npg.sin(leaf(2, label=label))).svg


def test_drawing_is_imported_when_asked_for() -> None:
    code = "import sys, numpygrad as n; print('numpygrad._drawing' in sys.modules, n.visualize)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert finished.stdout.startswith(b"False <function visualize")


def test_leaves_that_nothing_saved_are_labelled() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True, label="speed")
    later = npg.array([1.0, 2.0], requires_grad=True)
    later.label = "mass"
    text = npg.visualize(npg.exp(x) + npg.exp(later)).mermaid
    assert "speed" in text
    assert "mass" in text
