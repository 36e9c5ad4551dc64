"""The laws of the op table, stated once over every row and every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._checking.mixed_modes import Chain, mixed_derivatives
from numpygrad._op import BY_NAME, Op
from numpygrad.errors import VersionError
from numpygrad.testing import REAL_ONLY, Sample, check_grads, samples

DEVICES = ["cpu", "jax:cpu:0", "strict:cpu"]
SAMPLES = list(samples())
SMALL = [s for s in SAMPLES if all(n > 0 for shape in s.shapes for n in shape)]
COMPLEX = [s for s in SMALL if s.op.name not in REAL_ONLY]
COMPILED = list({s.op.name: s for s in reversed(SMALL) if "mask" not in s.label}.values())
"""A sample of each op; JAX cannot compile what a mask selects, as its shape is in its values."""
SMOOTH = [s for s in SMALL if s.op.kind == "elementwise"]
CASES = [
    pytest.param(sample, dtype, id=f"{sample}-{dtype}")
    for group, dtype in ((SMALL, "float64"), (COMPLEX, "complex128"))
    for sample in group
]
UNARY_FLOAT = [op for op in BY_NAME.values() if op.kind == "elementwise" and len(op.arrays) == 1]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return require(request.param)


def require(name: str) -> str:
    """The device, if its backend is installed."""
    try:
        npg.zeros(1, device=name)
    except npg.errors.BackendError as error:
        pytest.skip(str(error))
    return name


def ids(values: list[Sample]) -> list[str]:
    return [str(value) for value in values]


def arrays(sample: Sample, device: str, dtype: str = "float64", **options: bool) -> list[npg.Array]:
    return [npg.array(v, device=device, **options) for v in sample.operands(dtype)]


@pytest.mark.parametrize("op", BY_NAME.values(), ids=list(BY_NAME))
def test_every_differentiable_row_has_samples(op: Op) -> None:
    assert not op.differentiable or any(s.op is op for s in SAMPLES)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_value_is_that_of_numpy(sample: Sample, dtype: str, device: str) -> None:
    found = sample.call(*arrays(sample, device, dtype))

    reference = None if sample.op.extension else getattr(np, sample.op.name, None)
    if sample.op.kind == "elementwise" and reference is not None:
        expected = reference(*sample.operands(dtype))
    else:
        expected = sample.call(*arrays(sample, "numpy:cpu", dtype)).numpy()
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)
    assert found.dtype == expected.dtype
    assert np.finfo(found.dtype).dtype == dtype  # of complex results, that of their parts
    assert found.shape == expected.shape


def derivatives(sample: Sample, device: str, dtype: str, order: int) -> list[dict[Chain, float]]:
    """For each order a derivative along random directions: the same number by each mix of modes."""
    orders = mixed_derivatives(sample.call, sample.operands(dtype), order=order, device=device)
    return [
        {chain: below.along(chain[0], below.weights, t) for chain, below in mixes.items()}
        for t, mixes in orders
    ]


def assert_agree(found: list[dict[Chain, float]], expected: list[dict[Chain, float]]) -> None:
    """Every mode's numbers are, to 1e-10, the first ones expected for that order."""
    for ours, theirs in zip(found, expected, strict=True):
        reference = next(iter(theirs.values()))
        for chain, number in ours.items():
            assert number == pytest.approx(reference, rel=1e-10, abs=1e-10), " over ".join(chain)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_first_and_second_derivative_are_those_of_differences(sample: Sample) -> None:
    check_grads(sample.call, sample.operands(), order=2)


@pytest.mark.parametrize("sample", COMPLEX, ids=ids(COMPLEX))
def test_derivatives_of_complex_arrays_are_those_of_differences(sample: Sample) -> None:
    check_grads(sample.call, sample.operands("complex128"), order=2)


@pytest.mark.parametrize(("sample", "dtype"), [case for case in CASES if case.values[0] in SMOOTH])
def test_third_derivative_of_elementwise_ops_is_that_of_differences(
    sample: Sample, dtype: str
) -> None:
    check_grads(sample.call, sample.operands(dtype), order=3)


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_all_mixes_of_modes_agree_to_the_third_order(sample: Sample, dtype: str) -> None:
    found = derivatives(sample, "cpu", dtype, 3)

    assert [len(mixes) for mixes in found] == [2, 4, 8]
    assert_agree(found, found)


@pytest.mark.parametrize("where", [d for d in DEVICES if d != "cpu"])
@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_derivatives_in_both_modes_are_those_on_numpy(sample: Sample, where: str) -> None:
    # On JAX ops are compiled for each shape, which takes most of the time.
    order = 2 if where != "jax:cpu:0" or sample in COMPILED else 1

    found = derivatives(sample, require(where), "float64", order)

    assert_agree(found, derivatives(sample, "cpu", "float64", order))


@pytest.mark.parametrize("sample", COMPILED, ids=ids(COMPILED))
def test_gradient_can_be_compiled_by_jax(sample: Sample) -> None:
    jax = pytest.importorskip("jax")
    operands = arrays(sample, "jax:cpu:0")

    def loss(*operands: npg.Array) -> npg.Array:
        y = sample.call(*operands)
        return npg.sum(npg.real(y) if y.dtype.kind == "c" else y)

    gradient = npg.grad(loss, argnums=tuple(range(len(operands))))
    compiled = jax.jit(gradient)(*operands)

    for found, expected in zip(compiled, gradient(*operands), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("sample", COMPLEX, ids=ids(COMPLEX))
def test_values_of_complex_arrays_agree(sample: Sample, device: str) -> None:
    found = sample.call(*arrays(sample, device, "complex128"))

    expected = sample.call(*arrays(sample, "numpy:cpu", "complex128"))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("sample", SMALL, ids=ids(SMALL))
def test_gradient_has_dtype_shape_and_device_of_its_input(
    sample: Sample, dtype: str, device: str
) -> None:
    if sample.op.name in REAL_ONLY:
        dtype = "float32"
    elif sample.op.name == "imag":  # of a real array it is a constant
        dtype = "complex64"
    inputs = arrays(sample, device, dtype, requires_grad=True)

    y = sample.call(*inputs)
    y.backward(npg.ones(y.shape, dtype=y.dtype, device=device))

    for x in inputs:
        assert x.grad is not None
        assert (x.grad.dtype, x.grad.shape, x.grad.device) == (x.dtype, x.shape, x.device)


@pytest.mark.parametrize("sample", SMALL, ids=ids(SMALL))
def test_write_to_an_input_after_use_raises_iff_a_rule_reads_it(
    sample: Sample, device: str
) -> None:
    dtype = "complex128" if sample.op.name == "imag" else "float64"
    inputs = [x * 1.0 for x in arrays(sample, device, dtype, requires_grad=True)]
    if sample.op.variadic or len(sample.op.arrays) < len(inputs):
        pytest.skip("the op's operands are not the sample's one to one")
    y = sample.call(*inputs)
    read = [x for x in inputs if any(_shares(x, saved) for saved in _saved_by(y, sample.op))]

    for x in inputs:
        if not any(x is r for r in read):
            x += 1.0  # noqa: PLW2901 (in place)
    y.backward(npg.ones(y.shape, device=device), retain_graph=True)

    for x in read:
        x += 1.0  # noqa: PLW2901 (in place)
        with pytest.raises(VersionError, match=f"{sample.op.name}: its saved"):
            y.backward(npg.ones(y.shape, device=device), retain_graph=True)


def _saved_by(y: npg.Array, op: Op) -> list[npg.Array]:
    """What the nodes of one op behind `y` saved of their inputs."""
    found, todo = [], [y._node]
    while todo:
        node = todo.pop()
        if node is not None:
            found += [x for x in node.inputs if x is not None and node.op.name == op.name]
            todo += node.parents
    return found


def _shares(x: npg.Array, saved: npg.Array) -> bool:
    return saved is x or (
        saved._alias is not None
        and x._alias is not None
        and saved._alias.storage is x._alias.storage
    )


@pytest.mark.parametrize("op", UNARY_FLOAT, ids=[op.name for op in UNARY_FLOAT])
def test_nan_and_infinity_pass_through_as_in_numpy(op: Op, device: str) -> None:
    values = np.asarray([np.nan, np.inf, -np.inf, 0.0])
    reference = getattr(np, op.name, None)
    if reference is None or op.extension:
        pytest.skip("NumPy has no such function")
    with np.errstate(all="ignore"):
        found = op.function(npg.asarray(values, device=device))
        expected = reference(values)

    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool"])
@pytest.mark.parametrize(
    "op", [op for op in UNARY_FLOAT if op.dtype == "float"], ids=lambda op: op.name
)
def test_integers_promote_to_the_default_float(op: Op, dtype: str, device: str) -> None:
    x = npg.asarray(np.ones(2, dtype=dtype), device=device)

    with np.errstate(all="ignore"):
        assert op.function(x).dtype == npg.float64


def test_ops_on_sequences_keep_nothing_for_each_length() -> None:
    x = npg.array(1.0, requires_grad=True)
    for length in range(1, 40):
        npg.stack([x] * length).sum().backward()

    op = BY_NAME["stack"]
    assert len(op._plans) == 1
    assert sum(map(len, op._pulls.values())) < 4 * 2 * 40


def test_a_wrong_rule_is_found() -> None:
    """The laws themselves: with any rule of any row made wrong, the first one fails."""
    unnoticed = []
    for op in list(BY_NAME.values()):
        assert not any(_fails(s) for s in SMALL if s.op is op)  # binds the rules that are spoilt
        for i, rule in enumerate(op.rules):
            if rule is None:
                continue
            with _wrong(op, i):
                if not any(_fails(s) for s in SMALL if s.op is op):
                    unnoticed.append((op.name, i))
    # Real and imaginary parts, and conjugates, of real arrays do not come to their rules; and what
    # a write leaves of a cotangent is zeroed by the engine itself, but when that is recorded.
    expected = {("conj", 0), ("imag", 0), ("real", 0), ("copysign", 1), ("cast", 0), ("put", 0)}
    # Those that refuse, as there is no derivative.
    expected |= {("betainc", 0), ("betainc", 1), ("gammainc", 0), ("gammaincc", 0), ("zeta", 0)}
    assert set(unnoticed) <= expected


def test_a_wrong_forward_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ops with one of their own; the others' forward mode is made of what reverse mode uses."""
    names = set()
    for sample in SMALL:
        if sample.op.jvp is None:
            continue
        right = sample.op.forward

        def wrong(node: Any, t: Any, right: Any = right) -> Any:
            pushed = right(node, t)
            return tuple(1.5 * x for x in pushed) if sample.op.outputs else 1.5 * pushed  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(sample.op, "_forward", wrong)
            (mixes,) = derivatives(sample, "cpu", "float64", 1)
        if mixes[("forward",)] != pytest.approx(mixes[("reverse",)], rel=1e-10, abs=1e-10):
            names.add(sample.op.name)
    assert names == {op.name for op in BY_NAME.values() if op.jvp is not None}


class _wrong:
    """A context in which a pullback of an op gives half as much again."""

    def __init__(self, op: Op, index: int) -> None:
        self.op, self.index = op, index
        self.rows = (op, op.conjugating)  # the second where a real array has a complex result

    def __enter__(self) -> None:
        self.kept = [(list(row.pull_sets), dict(row._pulls)) for row in self.rows]
        for row, (sets, pulls) in zip(self.rows, self.kept, strict=True):
            row.pull_sets[:] = map(self._one_spoilt, sets)
            row._pulls.update({key: self._one_spoilt(pull) for key, pull in pulls.items()})

    def __exit__(self, *error: object) -> None:
        for row, (sets, pulls) in zip(self.rows, self.kept, strict=True):
            row.pull_sets[:] = sets
            row._pulls.clear()
            row._pulls.update(pulls)

    def _one_spoilt(self, pulls):  # type: ignore[no-untyped-def]
        wrong = range(len(pulls)) if self.op.variadic else [self.index]
        return tuple(self._spoilt(p) if i in wrong else p for i, p in enumerate(pulls))

    @staticmethod
    def _spoilt(pull):  # type: ignore[no-untyped-def]
        return None if pull is None else lambda node, g: pull(node, g) * 1.5


def _fails(sample: Sample) -> bool:
    try:
        check_grads(sample.call, sample.operands(), order=1, modes=("reverse",))
    except AssertionError:
        return True
    return False
