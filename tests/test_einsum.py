"""`einsum`: NumPy's values for every form of subscripts, and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import ShapeError
from numpygrad.testing import check_grads

EXAMPLES: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij->ij": ((2, 3),),
    "ij->ji": ((2, 3),),
    "ba": ((2, 3),),
    "ij->": ((2, 3),),
    "ij->j": ((2, 3),),
    "ii": ((3, 3),),
    "ii->i": ((3, 3),),
    "iji->j": ((3, 2, 3),),
    "iii->i": ((2, 2, 2),),
    "i,i": ((3,), (3,)),
    "i,j->ij": ((2,), (3,)),
    "i,j->ji": ((2,), (3,)),
    "ij,jk": ((2, 3), (3, 2)),
    "ij,kj->ik": ((2, 3), (4, 3)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,ij->i": ((2, 3), (2, 3)),
    "bij,bjk->bik": ((2, 2, 3), (2, 3, 2)),
    "ibj,jkb->kbi": ((2, 2, 3), (3, 4, 2)),
    "bi,bj->bij": ((2, 3), (2, 2)),
    "ij,jk,kl->il": ((2, 3), (3, 2), (2, 4)),
    "ij,jk,ki": ((2, 3), (3, 2), (2, 2)),
    "i,i,i->i": ((3,), (3,), (3,)),
    "ijk,jl,km->ilm": ((2, 2, 3), (2, 3), (3, 2)),
    "a,b,c->cab": ((2,), (3,), (2,)),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)),
    "...i->...": ((2, 3),),
    "i...,j...->ij...": ((2, 3), (2, 3)),
    "...,...": ((2, 1), (3,)),
    "...i,i": ((2, 3), (3,)),
    "i...i->...": ((2, 3, 2),),
    "ij,j->i": ((2, 1), (3,)),
    "iJ,Jk -> ik": ((2, 3), (3, 2)),
    ",i->i": ((), (3,)),
    ",": ((), ()),
    "ij,jk->ik": ((2, 0), (0, 3)),
    "ij,kl->": ((2, 2), (2, 3)),
    "i...->i": ((3,),),
}


def operands(subscripts: str) -> list[np.ndarray]:
    rng = np.random.default_rng(len(subscripts))
    return [rng.normal(size=shape) for shape in EXAMPLES[subscripts]]


@pytest.mark.parametrize("subscripts", EXAMPLES)
def test_values_are_those_of_numpy(quick_device: str, subscripts: str) -> None:
    given = operands(subscripts)
    found = npg.einsum(subscripts, *map(npg.array, given))
    expected = np.einsum(subscripts, *given)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "subscripts", [s for s, shapes in EXAMPLES.items() if (2, 0) not in shapes]
)
def test_gradients_are_those_of_finite_differences(quick_device: str, subscripts: str) -> None:
    given = [npg.array(x) for x in operands(subscripts)]
    check_grads(lambda *xs: npg.einsum(subscripts, *xs), given, order=1)


def test_everywhere_and_to_any_order(device: str) -> None:
    a, b = (npg.array(x) for x in operands("ibj,jkb->kbi"))
    expected = np.einsum("ibj,jkb->kbi", a.numpy(), b.numpy())
    np.testing.assert_allclose(npg.einsum("ibj,jkb->kbi", a, b).numpy(), expected, rtol=1e-6)
    with npg.lazy():
        lazily = npg.einsum("ibj,jkb->kbi", a, b)
    np.testing.assert_allclose(lazily.numpy(), expected, rtol=1e-6)
    compiled = npg.compile(lambda x, y: npg.einsum("ibj,jkb->kbi", x, y))
    np.testing.assert_allclose(compiled(a, b).numpy(), expected, rtol=1e-6)


def test_second_derivatives() -> None:
    given = [npg.array(x) for x in operands("ij,jk,ki")]
    check_grads(lambda *xs: npg.einsum("ij,jk,ki", *xs) ** 2, given, order=2)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32"])
def test_the_dtype_stays(quick_device: str, dtype: str) -> None:
    x = npg.array([[1, 2], [3, 4]], dtype=dtype)
    for subscripts in ("ij->i", "ij,jk", "ij,ij->i", "ii"):
        count = subscripts.count(",") + 1
        found = npg.einsum(subscripts, *[x] * count)
        assert found.dtype == dtype
        assert found.tolist() == np.einsum(subscripts, *[x.numpy()] * count).tolist()


def test_long_products_are_made_in_a_cheap_order() -> None:
    """Left to right, the first product would have 10^10 elements."""
    xs = [npg.ones(n) for n in ((10**5,), (10**5,), (10**5,))]
    assert npg.einsum("i,j,j->i", *xs)[0].item() == 10**5


@pytest.mark.parametrize(
    ("subscripts", "shapes", "said"),
    [
        ("ij,jk", ((2, 2),), "2 operands"),
        ("ij", ((2,),), "1 dimensions"),
        ("ij,jk", ((2, 3), (2, 2)), "'j' has length 3 and length 2"),
        ("...,...", ((2,), (3,)), r"an axis of \.\.\."),
        ("i->j", ((2,),), "letters of the operands"),
        ("ij->ii", ((2, 2),), "each once"),
        ("i1", ((2, 2),), "letters and one ellipsis"),
        ("...i...", ((2, 2),), "letters and one ellipsis"),
        ("ii", ((1, 3),), "lengths 1 and 3 of one operand"),
        ("iji->j", ((3, 2, 1),), "lengths 3 and 1 of one operand"),
        ("...->", ((2, 3),), "ellipsis stands for 2"),
        ("i...,i->i", ((2, 3), (2,)), "ellipsis stands for 1"),
    ],
)
def test_what_does_not_fit_is_told(
    subscripts: str, shapes: tuple[tuple[int, ...], ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        npg.einsum(subscripts, *[npg.ones(s) for s in shapes])


def test_the_other_calls_of_numpy_are_refused() -> None:
    with pytest.raises(ValueError, match="as a string"):
        npg.einsum(npg.ones(2), [0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="then the operands"):
        npg.einsum("i")
    with pytest.raises(ShapeError):
        npg.einsum("i", npg.ones((2, 2)))
