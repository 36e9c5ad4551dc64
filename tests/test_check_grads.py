"""`check_grads`: right derivatives pass, each kind of wrong one is found and named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._checking import differences as _differences
from numpygrad._checking.mixed_modes import chains_of
from numpygrad._op import BY_NAME
from numpygrad._tree import leaves_of, paths_of
from numpygrad.errors import DerivativeError, DTypeError
from numpygrad.testing import check_grads

VECTOR = np.array([0.5, 1.25, -0.75])
MATRIX = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


@dataclass
class Layer:
    weights: Any
    bias: Any


def smooth(x: npg.Array) -> npg.Array:
    return npg.sin(x) * npg.exp(0.3 * x)


def wrong_at(index: Any, shape: tuple[int, ...]) -> Callable[[npg.Array], npg.Array]:
    """A function whose derivative lacks a term at one element."""
    mask = np.zeros(shape)
    mask[index] = 1.0

    def function(x: npg.Array) -> npg.Array:
        term = npg.asarray(mask.astype(npg.real(x).dtype), device=x.device) * (x * x * x)
        return smooth(x) + term.detach()

    return function


def wrong_second(x: npg.Array) -> npg.Array:
    """x**2 / 2, whose derivative is right and whose second derivative is 0."""
    return x * x.detach() - (x * x).detach() / 2


def report(*args: Any, **options: Any) -> str:
    """What `check_grads` says is wrong."""
    with pytest.raises(AssertionError) as caught:
        check_grads(*args, **options)
    return str(caught.value)


# What is right


@pytest.mark.parametrize("exhaustive", [False, True])
def test_right_derivatives_pass_to_the_third_order(device: str, exhaustive: bool) -> None:
    check_grads(smooth, [VECTOR], order=3, exhaustive=exhaustive, device=device)


def test_right_derivatives_pass_in_lazy_mode(device: str) -> None:
    with npg.lazy():
        check_grads(smooth, [VECTOR], device=device)


@pytest.mark.parametrize("exhaustive", [False, True])
def test_complex_functions_that_are_not_holomorphic_pass(device: str, exhaustive: bool) -> None:
    z = VECTOR + 1j * VECTOR[::-1]
    check_grads(
        lambda z: npg.conj(z) * npg.exp(z) + npg.abs(z), [z], exhaustive=exhaustive, device=device
    )


@pytest.mark.parametrize("exhaustive", [False, True])
def test_structures_pass(device: str, exhaustive: bool) -> None:
    def function(layer: Layer, rest: dict[str, Any]) -> Any:
        y = layer.weights @ rest["x"][0] + layer.bias
        return {"y": Layer(npg.tanh(y) * rest["scale"], [y]), "order": npg.argsort(y)}

    args = [Layer(MATRIX, VECTOR[:2]), {"x": [npg.asarray(VECTOR)], "scale": 2}]
    check_grads(function, args, exhaustive=exhaustive, device=device)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_passes_by_differences_in_double(device: str, dtype: str) -> None:
    seen = set()

    def function(x: npg.Array) -> npg.Array:
        seen.add(str(x.dtype))
        return smooth(x)

    check_grads(function, [VECTOR.astype(dtype)], order=3, device=device)
    assert seen == {dtype, {"float32": "float64", "complex64": "complex128"}[dtype]}


def test_single_precision_passes_by_wider_steps_if_the_function_has_only_that(device: str) -> None:
    seen = []

    def function(x: npg.Array) -> npg.Array:
        seen.append(x.numpy())
        if x.dtype != "float32":
            raise DTypeError("float32 only")
        return smooth(x)

    check_grads(function, [VECTOR.astype("float32")], device=device)
    check_grads(lambda x: smooth(x.astype("float32")), [VECTOR.astype("float32")], device=device)
    steps = [np.max(np.abs(x - VECTOR)) for x in seen if x.dtype == "float32"]
    assert max(steps) > 0.02


def test_differences_in_single_precision_say_so() -> None:
    def function(x: npg.Array) -> npg.Array:
        return wrong_at(2, (3,))(x.astype("float32"))

    said = report(function, [VECTOR.astype("float32")], order=1)
    assert "differences in float32 on 'cpu', step 0.04; rtol 0.001" in said


def test_a_result_in_single_precision_of_double_arguments_has_its_tolerance() -> None:
    check_grads(lambda x: smooth(x.astype("float32")), [VECTOR], order=1, step=4e-2)


def test_a_step_too_wide_for_the_domain_is_no_error() -> None:
    check_grads(npg.sqrt, [np.array([1e-5, 1.0])], order=1)
    check_grads(npg.log, [np.array([1e-4, 2e-4])], order=2, exhaustive=True)


def test_functions_that_write_to_their_arguments_pass_and_leave_those_given(device: str) -> None:
    seen = []

    def function(x: npg.Array) -> npg.Array:
        seen.append(x.detach().numpy().copy())
        x *= 2.0
        x[0] = 5.0
        return smooth(x)

    for dtype in ("float64", "float32"):
        values = VECTOR.astype(dtype)
        x = npg.array(values, requires_grad=True, device=device)
        check_grads(function, [x])
        assert x.grad is None
        np.testing.assert_array_equal(x.detach().numpy(), values)
    np.testing.assert_allclose(seen, np.broadcast_to(VECTOR, (len(seen), 3)), atol=0.2)


def test_a_subgradient_that_is_the_mean_of_both_sides_passes() -> None:
    check_grads(npg.abs, [np.array([0.0, 1.0])], order=1)


# What is wrong


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_wrong_gradient_is_found_and_its_entry_named(
    device: str, mode: str, exhaustive: bool
) -> None:
    said = report(
        wrong_at((1, 2), (2, 3)), [MATRIX], modes=[mode], exhaustive=exhaustive, device=device
    )
    assert f"wrong derivative of order 1, {mode} mode: of result[1, 2]" in said
    assert "with respect to args[0][1, 2]" in said
    numbers = re.search(r"(\S+) by numpygrad, (\S+) by differences: relative error (\S+)", said)
    assert numbers is not None
    ours, theirs, error = map(float, numbers.groups())
    x = MATRIX[1, 2]
    slope = np.exp(0.3 * x) * (np.cos(x) + 0.3 * np.sin(x))
    np.testing.assert_allclose([ours, theirs], [slope, slope + 3 * x**2], rtol=1e-6)
    assert error == pytest.approx(1 - ours / theirs, abs=1e-2)
    assert "seed 0" in said
    assert "step 0.001" in said
    assert f"again: check_grads(function, args, order=1, modes=['{mode}'], seed=0" in said
    assert ("exhaustive=True" in said) == exhaustive


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_wrong_entry_of_a_large_jacobian_is_found_by_halves(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    halves: list[int] = []
    largest = _differences.largest
    monkeypatch.setattr(
        "numpygrad._checking.check_grads.largest",
        lambda error, size: halves.append(size) or largest(error, size),
    )
    values = np.random.default_rng(0).uniform(0.5, 1.5, size=(30, 20))
    said = report(wrong_at((17, 3), (30, 20)), [values], modes=[mode])
    assert "of result[17, 3] with respect to args[0][17, 3]" in said
    assert halves == [600, 600]


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize("outer", ["reverse", "forward"])
def test_a_wrong_second_derivative_is_found(outer: str, exhaustive: bool) -> None:
    chain = f"{outer} over reverse"
    said = report(
        lambda p: wrong_second(p["x"]), [{"x": VECTOR}], modes=[chain], exhaustive=exhaustive
    )
    assert f"wrong derivative of order 2, {chain}: of the gradient to args[0]['x'][" in said
    place = re.search(r"gradient to (\S+) with respect to (\S+)", said)
    assert place is not None
    assert place[1] == place[2]
    assert f"order=2, modes=['{chain}']" in said


def test_a_wrong_second_derivative_is_found_over_forward_mode() -> None:
    said = report(wrong_second, [VECTOR], modes=["reverse over forward"], seed=7)
    assert "reverse over forward: of the tangent of result[" in said
    assert "seed 7" in said
    check_grads(wrong_second, [VECTOR], order=1)


def test_a_wrong_third_derivative_is_found() -> None:
    def function(x: npg.Array) -> npg.Array:
        """x**3 / 6 with two right derivatives."""
        still = x.detach()
        return (x * x * still / 2 - x * still * still / 2 + (still**3) / 6) * 1.0

    check_grads(function, [VECTOR], order=2)
    assert "order 3" in report(function, [VECTOR], order=3)


def test_a_wrong_rule_of_one_mode_is_told_from_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    check_grads(npg.softmax, [VECTOR], order=1)
    op = BY_NAME["softmax"]
    right = op.forward
    monkeypatch.setattr(op, "_forward", lambda node, t: right(node, t) * 1.001)
    check_grads(npg.softmax, [VECTOR], order=2, modes=["reverse"])
    assert "order 1, forward mode" in report(npg.softmax, [VECTOR])


def test_the_place_in_a_structure_is_named(device: str) -> None:
    def function(layer: Layer, other: tuple[npg.Array, ...]) -> Any:
        return [layer.weights, Layer({"y": wrong_at(1, (3,))(layer.bias)}, other)]

    said = report(function, [Layer(MATRIX, VECTOR), (VECTOR,)], device=device)
    assert "of result[1].weights['y'][1] with respect to args[0].bias[1]" in said


def test_the_part_of_a_complex_number_is_named() -> None:
    z = VECTOR + 0.5j
    said = report(lambda z: npg.real(z) + 1j * npg.imag(z).detach(), [z], exhaustive=True)
    assert re.search(r"of (result\[\d\] \(imaginary part\)) with respect to args\[0\]", said)
    said = report(lambda z: npg.real(z) + 1j * npg.imag(z).detach(), [z])
    assert "(imaginary part) with respect to args[0]" in said


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_wrong_gradient_in_single_precision_is_found(device: str, dtype: str) -> None:
    said = report(wrong_at(2, (3,)), [VECTOR.astype(dtype)], device=device)
    assert "of result[2]" in said
    assert f"differences in {'float64' if dtype == 'float32' else 'complex128'}" in said


def test_a_small_error_beside_large_entries_is_found_by_all_entries() -> None:
    def function(x: npg.Array) -> npg.Array:
        return npg.concat([1e6 * x[:1], x[1:] + 1e-3 * (x[1:] ** 2).detach()])

    check_grads(function, [VECTOR], order=1, rtol=1e-5)
    assert "result[1] with" in report(function, [VECTOR], order=1, rtol=1e-5, exhaustive=True)


def test_what_shows_it_again_repeats_the_options() -> None:
    said = report(
        wrong_at(0, (3,)), [VECTOR], rtol=1e-5, atol=1e-7, step=2e-3, device="cpu", seed=3
    )
    assert "seed=3, rtol=1e-05, atol=1e-07, step=0.002, device='cpu')" in said


# Where differences cannot tell


@pytest.mark.parametrize("exhaustive", [False, True])
def test_a_kink_is_not_called_a_wrong_gradient(exhaustive: bool) -> None:
    with pytest.raises(DerivativeError, match="kink") as caught:
        check_grads(npg.relu, [np.array([1.0, 0.0, -1.0])], exhaustive=exhaustive)
    said = str(caught.value)
    assert "of result[1] with respect to args[0][1], which is 0 by numpygrad" in said
    assert "0 from the left and 1 from the right" in said


@pytest.mark.parametrize("distance", [2e-4, -3e-3, 0.05])
def test_a_kink_near_the_arguments_is_none_at_them(distance: float) -> None:
    check_grads(lambda x: npg.abs(x - 0.5 + distance), [np.array([0.5, 1.0])], order=1)


def test_a_jump_is_not_called_a_wrong_gradient() -> None:
    with pytest.raises(DerivativeError, match="jumps"):
        check_grads(npg.floor, [np.array([0.5, 1.0])], order=1)


def test_a_boundary_of_the_domain_is_not_called_a_wrong_gradient() -> None:
    with pytest.raises(DerivativeError, match="not finite near there"), np.errstate(all="ignore"):
        check_grads(npg.sqrt, [np.array([0.0, 1.0])], order=1)


def rounded(x: npg.Array) -> npg.Array:
    return npg.exp(x.astype("float32")).astype("float64")


def to_six_digits(x: npg.Array) -> npg.Array:
    return npg.exp(x) + (npg.round(npg.exp(x) * 1e6) / 1e6 - npg.exp(x)).detach()


@pytest.mark.parametrize("function", [rounded, to_six_digits])
def test_noise_is_not_called_a_wrong_gradient(
    function: Callable[[npg.Array], npg.Array],
) -> None:
    with pytest.raises(DerivativeError, match="noisy"):
        check_grads(function, [VECTOR], order=1)
    check_grads(function, [VECTOR], order=1, rtol=1e-3, step=4e-2)


@pytest.mark.parametrize("seed", range(3))
def test_a_step_too_narrow_for_the_noise_is_no_error(seed: int) -> None:
    check_grads(rounded, [VECTOR], order=1, rtol=1e-3, step=6e-5, seed=seed)


def test_randomness_is_not_called_a_wrong_gradient() -> None:
    with pytest.raises(DerivativeError, match="other values each time"):
        check_grads(lambda x: x * npg.random.standard_normal(3), [VECTOR])


# What it is asked


def test_leaves_are_named_as_one_would_write_them() -> None:
    class Pair:
        def __init__(self, *parts: Any) -> None:
            self.parts = parts

    npg.register_pytree_node(Pair, lambda pair: (pair.parts, None), lambda _, x: Pair(*x))
    tree = {"a": [1.0, None, (2.0,)], 3: Layer(Pair(4.0, {"b": 5.0}), 6.0)}
    names = paths_of(tree, "tree")
    assert len(names) == len(leaves_of(tree))
    assert names[:2] == ["tree['a'][0]", "tree['a'][2][0]"]
    assert names[2] == "tree[3].weights[child 0]"
    assert names[3:] == ["tree[3].weights[child 1]['b']", "tree[3].bias"]


def test_mixes_of_modes_are_all_or_those_named() -> None:
    both = ["reverse", "forward"]
    assert len(chains_of(both, 1)) == 2
    assert set(chains_of(both, 2)) == {(a, b) for a in both for b in both}
    assert chains_of(["forward over reverse"], 1) == [("reverse",)]
    assert chains_of(["forward over reverse"], 2) == [("forward", "reverse")]
    assert chains_of(["reverse", "forward over reverse"], 1) == [("reverse",)]


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="'reverse', 'forward'"):
        check_grads(smooth, [VECTOR], modes=["backward"])
    with pytest.raises(ValueError, match="no derivative of order 3 among"):
        check_grads(smooth, [VECTOR], modes=["forward over reverse"], order=3)
    with pytest.raises(DTypeError, match="int64"):
        check_grads(smooth, [np.arange(3)])
    with pytest.raises(ValueError, match="no arrays"):
        check_grads(lambda: npg.ones(3), [])
    with pytest.raises(TypeError, match="that return Arrays, not"):
        check_grads(lambda x: x.sum().item(), [VECTOR])


def test_a_gradient_of_another_shape_or_dtype_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "numpygrad._checking.mixed_modes.vjp",
        lambda function, *x: (function(*x), lambda g: [a.astype("float32") for a in x]),
    )
    with pytest.raises(AssertionError, match=r"a gradient is \(3,\) float32, not \(3,\) float64"):
        check_grads(smooth, [VECTOR])


# Rules that users give


def scaled_rule(factor: float) -> Callable[..., npg.Array]:
    """The sine, with a rule of its own in which one element's slope is multiplied."""

    @npg.custom_vjp
    def sine(x: npg.Array) -> npg.Array:
        return npg.sin(x)

    def forward(x: npg.Array) -> tuple[npg.Array, npg.Array]:
        return npg.sin(x), x

    def backward(x: npg.Array, g: npg.Array) -> tuple[npg.Array]:
        factors = np.ones(x.shape)
        factors[..., -1] = factor
        return (g * npg.cos(x) * npg.asarray(factors, device=x.device),)

    sine.defvjp(forward, backward)
    return sine


def test_a_custom_rule_that_is_right_passes(device: str) -> None:
    check_grads(scaled_rule(1.0), [VECTOR], device=device)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_custom_rule_that_is_wrong_is_found(device: str, mode: str) -> None:
    said = report(scaled_rule(-1.0), [VECTOR], modes=[mode], device=device)
    assert "of result[2] with respect to args[0][2]" in said


@pytest.mark.parametrize("exhaustive", [False, True])
def test_a_custom_rule_that_gives_nan_is_wrong(exhaustive: bool) -> None:
    said = report(scaled_rule(np.nan), [VECTOR], order=1, exhaustive=exhaustive)
    assert "with respect to args[0][2]" in said
    assert "nan by numpygrad" in said
