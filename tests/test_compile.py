"""Compiled functions: captured once, run as a program, the same as without."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import Array
from numpygrad.errors import CaptureError, DerivativeError, VersionError


def arrays(device: str, *shapes: tuple[int, ...], seed: int = 0, **options: Any) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [npg.array(rng.standard_normal(shape), device=device, **options) for shape in shapes]


def traced(function: Any) -> tuple[Any, list[int]]:
    """The function compiled, and a list that grows when its body runs."""
    runs: list[int] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        return function(*args, **kwargs)

    return npg.compile(counted), runs


def test_the_body_runs_once_for_each_signature(device: str) -> None:
    f, runs = traced(lambda x, y: npg.sin(x) @ y)
    for seed in range(3):
        x, y = arrays(device, (2, 3), (3, 4), seed=seed)
        np.testing.assert_allclose(f(x, y).numpy(), np.sin(x.numpy()) @ y.numpy(), rtol=1e-12)
    assert len(runs) == 1
    f(*arrays(device, (5, 3), (3, 4)))
    f(*(x.astype("float32") for x in arrays(device, (2, 3), (3, 4))))
    assert len(runs) == 3


def test_a_training_step_is_what_it_is_without(device: str) -> None:
    def training(*, compiled: bool) -> list[Any]:
        w, b = arrays(device, (3, 4), (4,), requires_grad=True)

        def step(x: Array, rate: float) -> Array:
            loss = (npg.tanh(x @ w + b) ** 2).sum()
            loss.backward()
            with npg.no_grad():
                w[...] -= rate * w.grad
                b[...] -= rate * b.grad
            w.grad = b.grad = None
            return loss

        step = npg.compile(step) if compiled else step
        losses = [step(*arrays(device, (5, 3), seed=i), 0.1 / (i + 1)).item() for i in range(4)]
        assert w.grad is None
        return [losses, w.numpy(), b.numpy()]

    for one, other in zip(training(compiled=True), training(compiled=False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_floats_change_without_a_new_trace_and_promote_as_floats(device: str) -> None:
    f, runs = traced(lambda x, a: x * (2.0 * a - 1) + a)
    x = npg.array([1.0, 2.0], dtype="float32", device=device)
    for a in (0.5, 0.25):
        y = f(x, a)
        assert y.dtype == "float32"
        np.testing.assert_allclose(y.numpy(), x.numpy() * (2 * a - 1) + a, rtol=1e-6)
    assert len(runs) == 1


def test_ints_and_other_values_are_part_of_the_signature() -> None:
    f, runs = traced(lambda x, axis, *, flip=False: (-1 if flip else 1) * x.sum(axis=axis))
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(f(x, 0).numpy(), [4.0, 6.0])
    np.testing.assert_array_equal(f(x, 1).numpy(), [3.0, 7.0])
    np.testing.assert_array_equal(f(x, 1, flip=True).numpy(), [-3.0, -7.0])
    assert len(runs) == 3
    with pytest.raises(TypeError, match="hashable"):
        f(x, {1}, flip=True)


def test_nested_arguments_and_results(device: str) -> None:
    def f(tree: Any) -> Any:
        return {"sum": tree["x"] + tree["more"][0], "rest": (tree["more"][1] * 2, None, "text")}

    x, y, z = arrays(device, (2,), (2,), (3,))
    found = npg.compile(f)({"x": x, "more": [y, z]})
    np.testing.assert_array_equal(found["sum"].numpy(), x.numpy() + y.numpy())
    np.testing.assert_array_equal(found["rest"][0].numpy(), z.numpy() * 2)
    assert found["rest"][1:] == (None, "text")


def test_gradients_inside_by_grad(device: str) -> None:
    f = npg.compile(lambda x: npg.grad(lambda x: (x**3).sum())(x))
    second = npg.compile(lambda x: npg.grad(npg.grad(lambda x: x**4))(x))
    for values in ([1.0, 2.0], [3.0, 4.0]):
        x = npg.array(values, device=device)
        np.testing.assert_allclose(f(x).numpy(), 3 * np.square(values))
    np.testing.assert_allclose(second(npg.array(2.0, device=device)).item(), 48.0)


def test_gradients_of_arguments_and_of_what_is_closed_over(device: str) -> None:
    (w,) = arrays(device, (3,), requires_grad=True)

    @npg.compile
    def f(x: Array) -> Array:
        loss = (x * w).sum()
        loss.backward()
        return loss

    for count in (1, 2, 3):
        x = npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device)
        f(x)
        assert x.grad is not None
        assert w.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), w.numpy())
        np.testing.assert_allclose(w.grad.numpy(), count * x.numpy())


def test_gradients_that_arguments_have_are_added_to(device: str) -> None:
    (w,) = arrays(device, (3,), requires_grad=True)
    f, runs = traced(lambda x: (x * w).sum().backward())
    x, y, z = (npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device) for _ in range(3))
    for count in (1, 2, 3):
        f(x)
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), count * w.numpy())
    assert len(runs) == 2  # neither had a gradient, both had
    for array in (y, z):
        f(array)
        assert array.grad is not None
        np.testing.assert_allclose(array.grad.numpy(), w.numpy())
    assert len(runs) == 3


def test_arrays_closed_over_are_read_anew(device: str) -> None:
    x = npg.array([1.0, 2.0], device=device)
    f, runs = traced(lambda y: x * y)
    y = npg.array([3.0, 4.0], device=device)
    f(y)
    x += 1
    np.testing.assert_array_equal(f(y).numpy(), [6.0, 12.0])
    assert len(runs) == 1


def test_writes_into_arrays_closed_over_and_into_arguments(device: str) -> None:
    total = npg.zeros(3, device=device)
    view = total[1:]

    @npg.compile
    def f(x: Array) -> Array:
        total[0] = x[0]
        total[1:] += x[1:]
        x *= 2
        return total * 1

    x = npg.array([1.0, 2.0, 3.0], device=device)
    np.testing.assert_array_equal(f(x).numpy(), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(f(x).numpy(), [2.0, 6.0, 9.0])
    np.testing.assert_array_equal(x.numpy(), [4.0, 8.0, 12.0])
    np.testing.assert_array_equal(view.numpy(), [6.0, 9.0])


def test_a_write_is_seen_by_graphs_outside(device: str) -> None:
    w = npg.array([1.0, 2.0], device=device)
    v = npg.array([1.0, 2.0], requires_grad=True, device=device)

    @npg.compile
    def f() -> None:
        w[...] = w + 1

    y = (v * w).sum()
    f()
    with pytest.raises(VersionError, match="compile"):
        y.backward()
    np.testing.assert_array_equal(w.numpy(), [2.0, 3.0])


def test_a_pending_program_keeps_what_it_read(device: str) -> None:
    w = npg.array([1.0, 2.0], device=device)

    @npg.compile
    def f() -> None:
        w[...] = w * 10

    with npg.lazy():
        y = w + 0.5
    f()
    np.testing.assert_array_equal(y.numpy(), [1.5, 2.5])
    np.testing.assert_array_equal(w.numpy(), [10.0, 20.0])


def test_arrays_made_inside_are_made_at_each_call(device: str) -> None:
    @npg.compile
    def f(x: Array) -> Array:
        out = npg.zeros(3, device=device)
        for i in range(3):
            out[i] = x * i
        return out

    np.testing.assert_array_equal(f(npg.array(1.0, device=device)).numpy(), [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(f(npg.array(5.0, device=device)).numpy(), [0.0, 5.0, 10.0])


@pytest.mark.parametrize("make", [npg.zeros, npg.ones, npg.empty, lambda n: npg.arange(1.0 * n)])
def test_arrays_made_inside_begin_anew_at_each_call(make: Any, device: str) -> None:
    @npg.compile
    def f(x: Array) -> Array:
        out = make(3)
        if make is npg.empty:
            out[:] = 0.0
        out[0] += x
        return out

    x = npg.array(1.0, device=device)
    first, second = f(x), f(x)
    assert first is not second
    assert (
        first[0].item() == second[0].item() == (make(1)[0].item() if make != npg.empty else 0) + 1
    )


def test_results_share_memory_with_nothing(device: str) -> None:
    x = npg.array([1.0, 2.0], device=device)
    f = npg.compile(lambda x: (x * 2, npg.reshape(x, (2, 1)), x[:1]))
    first = f(x)
    second = f(x)
    for y in first:
        y[...] = 100.0
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(second[0].numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(second[1].numpy(), [[1.0], [2.0]])


def test_an_argument_that_is_returned_is_the_same_array() -> None:
    x = npg.array([1.0])
    (w,) = arrays("cpu", (2,))
    f = npg.compile(lambda x: (x, w))
    assert f(x)[0] is x
    assert f(x)[1] is w


def test_a_view_passed_beside_its_base(device: str) -> None:
    base = npg.array([1.0, 2.0, 3.0], device=device)

    @npg.compile
    def f(x: Array, part: Array) -> Array:
        x += 10
        return part * 2

    with pytest.raises(CaptureError, match="view of it that was made outside"):
        f(base, base[1:])
    np.testing.assert_array_equal(base.numpy(), [1.0, 2.0, 3.0])
    base += 1
    np.testing.assert_array_equal(base[1:].numpy(), [3.0, 4.0])


@pytest.mark.parametrize(
    "branch",
    [
        lambda x: x if x.sum() > 1 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.sum().item(),
        lambda x: npg.array(x.numpy()),
        lambda x: x[x > 0],
        lambda x: npg.asarray(str(x).count("1")),
    ],
    ids=["if", "float", "item", "numpy", "mask", "str"],
)
def test_what_depends_on_values_is_refused_and_the_line_named(branch: Any, device: str) -> None:
    def f(x: Array) -> Any:
        return branch(x)

    with pytest.raises(CaptureError, match=r"test_compile\.py:\d+: lambda x:"):
        npg.compile(f)(npg.array([1.0, 2.0], device=device))


def test_a_refused_function_leaves_everything_as_it_was(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True, device=device)
    w.grad = npg.array([5.0, 5.0], device=device)

    @npg.compile
    def f() -> None:
        (w * w).sum().backward()
        with npg.no_grad():
            w[...] = w - w.grad
        w.grad = None
        bool(w[0] > 0)

    with pytest.raises(CaptureError):
        f()
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(w.grad.numpy(), [5.0, 5.0])
    assert (w + 1).values is not None


def test_the_result_of_a_compiled_function_cannot_be_differentiated_outside() -> None:
    (w,) = arrays("cpu", (2,), requires_grad=True)
    f = npg.compile(lambda x: (x * w).sum())
    y = f(npg.array([1.0, 2.0]))
    assert y.requires_grad
    with pytest.raises(DerivativeError, match="inside"):
        y.backward()
    with npg.no_grad():
        assert not f(npg.array([1.0, 2.0])).requires_grad


def test_a_tracked_write_into_an_array_outside_is_refused() -> None:
    (w,) = arrays("cpu", (2,), requires_grad=True)
    out = npg.zeros(2)

    @npg.compile
    def f() -> None:
        out[...] = w * 2

    with pytest.raises(CaptureError, match="history would be lost"):
        f()
    assert out._node is None
    np.testing.assert_array_equal(out.numpy(), [0.0, 0.0])


def test_a_write_through_a_view_made_outside_is_refused() -> None:
    x = npg.zeros(3)
    view = x[1:]

    @npg.compile
    def f() -> None:
        view[...] = 1.0

    with pytest.raises(CaptureError, match="view"):
        f()


def test_a_parameter_replaced_or_reshaped_is_traced_anew(device: str) -> None:
    (w,) = arrays(device, (2,), requires_grad=True)

    def f() -> Array:
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        return loss

    g, runs = traced(f)
    g()
    w.requires_grad_(False)
    w.requires_grad_(True)
    g()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 2 * w.numpy())
    assert len(runs) == 2


def test_zero_times_infinity(device: str) -> None:
    f = npg.compile(npg.grad(lambda x: npg.where(x > 0, npg.sqrt(x), 0.0).sum()))
    for _ in range(2):
        g = f(npg.array([0.0, 4.0], device=device))
        np.testing.assert_array_equal(g.numpy(), [0.0, 0.25])


def test_compiled_functions_call_each_other_and_are_methods(device: str) -> None:
    class Model:
        def __init__(self) -> None:
            self.w = npg.array([1.0, 2.0], device=device)

        @npg.compile
        def double(self, x: Array) -> Array:
            return inner(x) * self.w

    inner = npg.compile(lambda x: x * 2)
    model = Model()
    x = npg.array([1.0, 1.0], device=device)
    np.testing.assert_array_equal(model.double(x).numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(model.double(x).numpy(), [2.0, 4.0])


def test_explain_prints_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    f = npg.compile(lambda x: npg.exp(x) * 2 + 0 * npg.exp(x), explain=True)
    f(npg.array([1.0, 2.0]))
    text = capsys.readouterr().out
    assert "dead code" in text
    assert "exp(%0)" in text
    f(npg.array([1.0, 2.0]))
    assert capsys.readouterr().out == ""


def test_name_and_docstring_are_the_functions() -> None:
    @npg.compile
    def step(x: Array) -> Array:
        """Do a step."""
        return x

    assert (step.__name__, step.__doc__) == ("step", "Do a step.")


def test_arrays_may_be_exchanged(device: str) -> None:
    x, y = npg.array([1.0, 2.0], device=device), npg.array([3.0, 4.0], device=device)

    @npg.compile
    def exchange() -> Array:
        before = x + 0
        x[...] = y
        y[...] = before
        return x * 1

    np.testing.assert_array_equal(exchange().numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(x.numpy(), [3.0, 4.0])
    np.testing.assert_array_equal(y.numpy(), [1.0, 2.0])
    exchange()
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(y.numpy(), [3.0, 4.0])


def test_random_numbers_are_drawn_outside(device: str) -> None:
    @npg.compile
    def f(x: Array) -> Array:
        return x + npg.random.randn((2,))

    with pytest.raises(CaptureError, match=r"random numbers.*test_compile\.py"):
        f(npg.array([1.0, 2.0], device=device))


class TestDrawnPrograms:
    """What programs drawn at random have found, reduced."""

    def test_all_arrays_are_restored_after_a_refusal(self, device: str) -> None:
        (w,) = arrays(device, (2,), requires_grad=True)
        x, y = npg.array([1.0, 2.0], device=device), npg.array([3.0, 4.0], device=device)

        @npg.compile
        def f() -> None:
            x[...] = w
            y[...] = w

        with pytest.raises(CaptureError, match="history"):
            f()
        np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])
        np.testing.assert_array_equal(y.numpy(), [3.0, 4.0])

    def test_a_view_made_inside_of_one_made_outside_is_not_written_to(self, device: str) -> None:
        x = npg.array([1.0, 2.0, 3.0], device=device)
        part = x[1:]

        @npg.compile
        def f() -> None:
            part[...] += 1.0

        with pytest.raises(CaptureError, match="view"):
            f()
        np.testing.assert_array_equal(part.numpy(), [2.0, 3.0])
        np.testing.assert_array_equal(x.numpy(), [1.0, 2.0, 3.0])

    def test_a_view_returned_after_a_write(self, device: str) -> None:
        @npg.compile
        def f(x: Array) -> Array:
            view = x[1:]
            x[...] = x + 1.0
            return view

        x = npg.array([1.0, 2.0], device=device)
        assert f(x).item() == 3.0
        assert f(x).item() == 4.0

    def test_arrays_of_host_data_made_inside_are_made_at_each_call(self, device: str) -> None:
        @npg.compile
        def f(x: Array) -> Array:
            total = npg.array([1.0, 2.0], device=device)
            total += x
            return total

        x = npg.array([1.0, 1.0], device=device)
        for _ in range(2):
            np.testing.assert_array_equal(f(x).numpy(), [2.0, 3.0])

    def test_detached_inside(self, device: str) -> None:
        f = npg.compile(lambda x: x.detach())
        for value in (1.0, 2.0):
            assert f(npg.array(value, device=device)).item() == value

    def test_a_recorded_pass_does_not_read_what_was_saved_outside(self, device: str) -> None:
        (w,) = arrays(device, (2,), requires_grad=True)
        y = npg.matmul(w, w)
        f = npg.compile(lambda: (y * 1.0).backward(create_graph=True))
        with pytest.raises(CaptureError, match=r"what matmul\(\) saved outside"):
            f()

    def test_arrays_recorded_outside_are_read_and_written_as_others(self, device: str) -> None:
        with npg.lazy():
            x = npg.array([1.0, 2.0], device=device) * 2
            total = npg.array([1.0, 2.0], device=device) * 0
            w = npg.array([1.0, 2.0], device=device) * 1
            w.requires_grad_()
            y = w + 1.0

        @npg.compile
        def f() -> Array:
            total[...] = total + x
            (w * x).sum().backward()
            return x + 1

        f()
        x += 1
        np.testing.assert_array_equal(f().numpy(), [4.0, 6.0])
        np.testing.assert_array_equal(total.numpy(), [5.0, 9.0])
        assert w.grad is not None
        np.testing.assert_array_equal(w.grad.numpy(), [5.0, 9.0])
        np.testing.assert_array_equal(y.numpy(), [2.0, 3.0])

    def test_writes_through_an_array_and_its_detached_alias_are_refused(self, device: str) -> None:
        x = npg.array([1.0, 2.0], device=device)
        alias = x.detach()

        @npg.compile
        def f() -> None:
            alias[0] = 5.0
            x[...] = x + 1.0

        with pytest.raises(CaptureError, match="view"):
            f()
        np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])

    def test_gradients_of_a_view_of_all_of_a_reversed_array(self, device: str) -> None:
        f = npg.compile(npg.grad(lambda x: npg.sum(npg.flip(x, axis=-1)[:1] * npg.arange(3.0))))
        x = npg.array([[1.0, 2.0, 3.0]], device=device)
        with npg.device(device):
            np.testing.assert_array_equal(f(x).numpy(), [[2.0, 1.0, 0.0]])


def test_programs_of_the_last_signatures_are_kept() -> None:
    f, runs = traced(lambda x, n: x * n)
    x = npg.array([1.0])
    for n in range(70):
        f(x, n)
    f(x, 69)
    assert len(runs) == 70
    f(x, 0)
    assert len(runs) == 71


def test_a_number_written_over_an_array_of_no_dimensions(device: str) -> None:
    total = npg.array(3.0, device=device)

    def f(x: Array) -> Array:
        total[...] = 0.5
        return total + x

    for compiled in (npg.compile(f), npg.compile(f)):  # the second finds the number kept
        assert compiled(npg.array(1.0, device=device)).item() == 1.5
        assert total.item() == 0.5


def test_a_sum_over_all_elements_is_updated_in_place(device: str) -> None:
    total = npg.sum(npg.array([1.0, 2.0], device=device))

    @npg.compile
    def f(x: Array) -> None:
        total.__isub__(x)

    for expected in (2.5, 2.0):
        f(npg.array(0.5, device=device))
        assert total.item() == expected


def test_an_argument_that_comes_to_share_memory_with_what_is_written(device: str) -> None:
    total = npg.array([1.0, 2.0, 3.0], device=device)

    @npg.compile
    def f(x: Array) -> None:
        x += 1.0
        total[...] = total * 2.0

    f(npg.array([1.0, 2.0], device=device))
    with pytest.raises(CaptureError, match="view"):
        f(total[1:])
    np.testing.assert_array_equal(total.numpy(), [2.0, 4.0, 6.0])

    @npg.compile
    def g(x: Array) -> Array:
        total[...] = total * 2.0
        return x + total

    g(npg.array([1.0, 2.0, 3.0], device=device))
    np.testing.assert_array_equal(g(total).numpy(), [16.0, 32.0, 48.0])


def test_an_argument_that_is_also_closed_over_is_told_from_it(device: str) -> None:
    c, y = npg.array([1.0, 2.0], device=device), npg.array([10.0, 20.0], device=device)
    f, runs = traced(lambda x: x + c)
    np.testing.assert_array_equal(f(c).numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(f(y).numpy(), [11.0, 22.0])
    assert len(runs) == 1
    w = npg.array([1.0, 2.0], requires_grad=True, device=device)
    other = npg.array([3.0, 4.0], requires_grad=True, device=device)

    @npg.compile
    def g(x: Array) -> None:
        (x * x * w).sum().backward()

    g(w)
    assert w.grad is not None
    np.testing.assert_array_equal(w.grad.numpy(), [3.0, 12.0])
    w.grad = None
    g(other)
    assert other.grad is not None
    np.testing.assert_array_equal(w.grad.numpy(), [9.0, 16.0])
    np.testing.assert_array_equal(other.grad.numpy(), [6.0, 16.0])


def test_hooks_of_arguments_are_applied(device: str) -> None:
    @npg.compile
    def f(x: Array) -> None:
        (x * x).sum().backward()

    x = npg.array([1.0, 2.0], requires_grad=True, device=device)
    x.register_hook(lambda g: g * 10)
    f(x)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [20.0, 40.0])


def test_writes_at_positions_do_not_need_them_before(device: str) -> None:
    def f(x: Array, indices: Array) -> Array:
        y = x * 1
        y[indices] = 7.0
        y[indices] += x[indices]
        return y

    x, indices = npg.array([1.0, 2.0, 3.0], device=device), npg.array([0, 2], device=device)
    np.testing.assert_array_equal(npg.compile(f)(x, indices).numpy(), [8.0, 2.0, 10.0])
    with npg.lazy():
        moved = indices - 1
        f(x, moved)
    assert moved.values is None


def test_programs_keep_no_array_of_the_trace(device: str) -> None:
    (w,) = arrays(device, (3,), requires_grad=True)
    w.grad = npg.zeros(3, device=device)
    before = weakref.ref(w.grad)

    @npg.compile
    def f() -> None:
        (w * w).sum().backward()

    f()
    assert before() is None


@pytest.mark.parametrize("fails", [False, True], ids=["captured", "refused"])
def test_what_is_kept_of_a_trace_has_no_value(device: str, fails: bool) -> None:
    kept: list[Array] = []
    outside = npg.array([5.0, 6.0], device=device)

    @npg.compile
    def f(x: Array, speed: float) -> Array:
        kept.extend([x * speed, x.sum() * 1.0, outside * 1.0, speed])  # type: ignore[list-item]  # it stands for a float
        return x * float(x[0]) if fails else x * 2.0

    x = npg.array([1.0, 2.0], device=device)
    if fails:
        with pytest.raises(CaptureError):
            f(x, 3.0)
    else:
        f(x, 3.0)
    for leaked in kept:
        with pytest.raises(CaptureError, match="was kept"):
            str(leaked)
        with pytest.raises(CaptureError, match="was kept"):
            npg.exp(leaked + 1.0).numpy()
    np.testing.assert_array_equal((outside * x).numpy(), [5.0, 12.0])
