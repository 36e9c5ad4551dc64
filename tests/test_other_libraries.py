"""Arrays in the hands of PyTorch, matplotlib, pandas, pickle, and NumPy's own tools.

What takes values takes untracked Arrays as they are; with tracked ones it either keeps the gradient
or raises.
"""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import GraphError


def tracked() -> npg.Array:
    """A leaf that requires grad."""
    return npg.array([1.0, 2.0], requires_grad=True)


# PyTorch


@pytest.fixture
def torch() -> Any:
    """The library."""
    return pytest.importorskip("torch", reason="a peer, not a dependency")


CONVERSIONS: dict[str, Callable[[Any, npg.Array], Any]] = {
    "from_dlpack": lambda torch, x: torch.from_dlpack(x),
    "as_tensor": lambda torch, x: torch.as_tensor(x),
    "asarray": lambda torch, x: torch.asarray(x),
    "tensor": lambda torch, x: torch.tensor(x),
    "from_numpy": lambda torch, x: torch.from_numpy(np.asarray(x)),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_pytorch_takes_values_and_never_a_tracked_array(torch: Any, device: str, name: str) -> None:
    x = npg.array([1.0, 2.0])
    assert CONVERSIONS[name](torch, x.copy()).tolist() == [1.0, 2.0]
    for y in (tracked(), tracked() * 2):
        with pytest.raises(GraphError, match="detach"):
            CONVERSIONS[name](torch, y)
    assert CONVERSIONS[name](torch, tracked().detach().copy()).tolist() == [1.0, 2.0]


def test_pytorch_shares_host_memory_and_writes_are_told_by_hand(torch: Any) -> None:
    x = npg.array([1.0, 2.0], device="numpy:cpu", requires_grad=True)
    loss = npg.sin(x).sum()
    shared = torch.from_dlpack(x.detach())
    shared[0] = 5.0
    assert x.tolist() == [5.0, 2.0]
    npg.increment_version(x)
    with pytest.raises(npg.errors.VersionError, match="increment_version"):
        loss.backward()


def test_a_tensor_that_requires_grad_is_refused_by_pytorch_itself(torch: Any, device: str) -> None:
    t = torch.ones(2, requires_grad=True)
    for convert in (npg.array, npg.asarray, npg.from_dlpack):
        with pytest.raises(BufferError, match=r"tensor\.detach\(\)"):
            convert(t)
        assert convert(t.detach()).tolist() == [1.0, 1.0]


def test_operators_between_both_libraries_are_refused(torch: Any, device: str) -> None:
    t, x = torch.ones(2, dtype=torch.float64), tracked()
    for mixed in (lambda: t * x, lambda: x * t, lambda: x + t, lambda: t @ x):
        with pytest.raises(TypeError):
            mixed()


def test_a_numpygrad_function_is_a_pytorch_function(torch: Any, device: str) -> None:
    """The recipe of the how-to page: `backward` is the pullback of `vjp`."""

    class Potential(torch.autograd.Function):  # type: ignore[misc]  # torch has no types here
        @staticmethod
        def forward(ctx: Any, q: Any) -> Any:
            value, ctx.pullback = npg.vjp(
                lambda q: npg.sum(npg.cos(q) * q), npg.asarray(q.detach(), copy=True)
            )
            return torch.from_dlpack(value)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (gradient,) = ctx.pullback(npg.asarray(g, copy=True))
            return torch.from_dlpack(gradient)

    q = torch.tensor([0.3, 1.2], dtype=torch.float64, requires_grad=True)
    (2 * Potential.apply(q)).backward()
    expected = 2 * (np.cos([0.3, 1.2]) - np.sin([0.3, 1.2]) * [0.3, 1.2])
    np.testing.assert_allclose(q.grad.numpy(), expected, rtol=1e-14)
    assert torch.autograd.gradcheck(Potential.apply, q)


def test_a_pytorch_function_is_a_numpygrad_function(torch: Any, device: str) -> None:
    """The other way: `custom_vjp` around torch.autograd."""

    @npg.custom_vjp
    def layer(x: npg.Array) -> npg.Array:
        return forward(x)[0]

    def forward(x: npg.Array) -> tuple[npg.Array, Any]:
        t = torch.tensor(x.numpy(), requires_grad=True)
        y = torch.sinh(t) * t
        return npg.array(y.detach(), device=x.device), (t, y)

    def backward(saved: Any, g: npg.Array) -> tuple[npg.Array]:
        t, y = saved
        (gradient,) = torch.autograd.grad(y, t, torch.tensor(g.numpy()), retain_graph=True)
        return (npg.array(gradient, device=g.device),)

    layer.defvjp(forward, backward)
    x = tracked()
    (layer(x) * 3).sum().backward()
    expected = 3 * (np.cosh([1.0, 2.0]) * [1.0, 2.0] + np.sinh([1.0, 2.0]))
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)


# NumPy's tools


@pytest.mark.parametrize(
    "use",
    [
        lambda x: np.array(x),
        lambda x: np.asarray(x),
        lambda x: np.asarray([x[0], x[1]]),
        lambda x: np.from_dlpack(x),
        lambda x: np.concatenate([x, x]),
        lambda x: np.dot(x, x),
        lambda x: np.where([True, False], x, 0.0),
        lambda x: np.linalg.norm(x),
        lambda x: np.save(io.BytesIO(), x),
        lambda x: np.savez(io.BytesIO(), x=x),
        lambda x: np.savetxt(io.BytesIO(), x),
        lambda x: np.testing.assert_allclose(x, [1.0, 2.0]),
        lambda x: np.testing.assert_array_equal([1.0, 2.0], x),
    ],
)
def test_numpys_tools_take_values_and_never_a_tracked_array(
    device: str, use: Callable[[npg.Array], Any]
) -> None:
    use(npg.array([1.0, 2.0]))
    use(tracked().detach())
    with npg.no_grad():
        use(tracked())
    for x in (tracked(), tracked() * 1):
        with pytest.raises(GraphError, match=r"x\.detach\(\)"):
            use(x)


def test_numpys_files_give_the_array_back(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]], dtype="float32")
    file, several = io.BytesIO(), io.BytesIO()
    np.save(file, x.T)
    np.savez(several, x=x, y=x[0])
    file.seek(0)
    several.seek(0)
    assert npg.array(np.load(file)).tolist() == x.T.tolist()
    found = np.load(several)
    assert npg.array(found["x"]).dtype == "float32"
    assert npg.array(found["y"]).tolist() == [1.0, 2.0]


def test_lists_and_python_s_sum_stay_in_the_graph(device: str) -> None:
    x = tracked()
    parts = list(x)
    assert all(part.requires_grad for part in parts)
    (sum(parts) * 3 + max(parts)).backward()
    assert x.grad.tolist() == [3.0, 4.0]


# Pickle and copy


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_keeps_a_leaf(device: str, protocol: int) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True, label="w")
    y = pickle.loads(pickle.dumps({"x": x}, protocol))["x"]
    assert (y.tolist(), y.device, y.label) == ([1.0, 2.0], x.device, "w")
    assert y.requires_grad
    assert y.is_leaf
    assert y.grad is None


def test_pickling_a_computed_array_never_loses_its_gradient_silently(device: str) -> None:
    y = tracked() * 2
    with pytest.raises(GraphError, match=r"pickling.*x\.detach\(\)"):
        pickle.dumps(y)
    with pytest.raises(GraphError, match="pickling"):
        pickle.dumps(y[1:])
    assert pickle.loads(pickle.dumps(y.detach())).tolist() == [2.0, 4.0]
    with npg.no_grad():
        assert pickle.loads(pickle.dumps(y)).tolist() == [2.0, 4.0]


def test_a_shallow_copy_of_a_computed_array_stays_in_the_graph(device: str) -> None:
    x = tracked()
    y = x * 3
    z = copy.copy(y)
    assert z is not y
    (z * z).sum().backward()
    assert x.grad.tolist() == [18.0, 36.0]
    with pytest.raises(GraphError, match="deepcopy"):
        copy.deepcopy(y)
    assert copy.deepcopy(y.detach()).tolist() == [3.0, 6.0]


def test_a_copy_of_a_view_is_no_view(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0])
    for copied in (copy.copy(x[1:]), copy.deepcopy(x[1:]), pickle.loads(pickle.dumps(x[1:]))):
        copied[0] = 9.0
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_lazy_arrays_pickle_as_their_values(device: str) -> None:
    with npg.lazy():
        y = npg.array([1.0]) * 2
        assert pickle.loads(pickle.dumps(y)).tolist() == [2.0]
        assert copy.copy(y).tolist() == [2.0]


def _doubled(x: npg.Array) -> npg.Array:
    return x * 2


def test_processes_exchange_arrays() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (y,) = pool.map(_doubled, [npg.array([1.0, 2.0], device="numpy:cpu")])
    assert isinstance(y, npg.Array)
    assert y.tolist() == [2.0, 4.0]


# matplotlib

PLOTS: dict[str, Callable[[Any, npg.Array, npg.Array], Any]] = {
    "plot": lambda ax, x, m: ax.plot(x, x * 2),
    "scatter": lambda ax, x, m: ax.scatter(x, x, c=x),
    "imshow": lambda ax, x, m: ax.imshow(m),
    "errorbar": lambda ax, x, m: ax.errorbar(x, x, yerr=x * 0.1),
    "hist": lambda ax, x, m: ax.hist(x),
    "fill_between": lambda ax, x, m: ax.fill_between(x, x, x * 2),
    "bar": lambda ax, x, m: ax.bar(x, x),
    "contourf": lambda ax, x, m: ax.contourf(m),
    "pcolormesh": lambda ax, x, m: ax.pcolormesh(m),
    "step": lambda ax, x, m: ax.step(x, x),
    "axhline": lambda ax, x, m: ax.axhline(x[0]),
    "quiver": lambda ax, x, m: ax.quiver(x, x, x, x),
    "boxplot": lambda ax, x, m: ax.boxplot(x),
    "text": lambda ax, x, m: ax.text(x[0], x[1], "here"),
}
VALUES_TAKEN = {"plot", "step", "text", "hist", "boxplot"}
"""Those that ask for `x.values` or `float(x)`, which are explicit: tracked arrays are plotted."""


@pytest.fixture
def axes() -> Any:
    """Axes of a figure that is drawn on no screen."""
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plot")
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


@pytest.mark.parametrize("name", PLOTS)
def test_matplotlib_plots_arrays(axes: Any, device: str, name: str) -> None:
    PLOTS[name](axes, npg.array([1.0, 2.0, 3.0]), npg.array(np.eye(3)))


@pytest.mark.parametrize("name", sorted(set(PLOTS) - VALUES_TAKEN))
def test_matplotlib_is_told_of_tracked_arrays(axes: Any, device: str, name: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"x\.detach\(\)"):
        PLOTS[name](axes, x, npg.array(np.eye(3)) * x)


def test_what_is_drawn_are_the_values(axes: Any, device: str) -> None:
    (line,) = axes.plot(npg.array([1.0, 2.0]), npg.array([3.0, 4.0]))
    image = axes.imshow(npg.array([[1.0, 2.0]]))
    axes.figure.canvas.draw()
    assert np.asarray(line.get_xydata()).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert np.asarray(image.get_array()).tolist() == [[1.0, 2.0]]


# pandas


def test_pandas_takes_values(device: str) -> None:
    pandas = pytest.importorskip("pandas", reason="a peer, not a dependency")
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    assert pandas.DataFrame(x).to_numpy().tolist() == x.tolist()
    assert pandas.DataFrame({"x": x[0]})["x"].tolist() == [1.0, 2.0]
    with pytest.raises(GraphError, match="detach"):
        pandas.DataFrame(tracked())
    assert npg.asarray(pandas.Series([1.0, 2.0])).tolist() == [1.0, 2.0]
