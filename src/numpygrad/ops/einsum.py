"""Einstein's summation, made of products, sums and diagonals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

from numpygrad._array import Array
from numpygrad._dispatch import promoted
from numpygrad.errors import ShapeError
from numpygrad.ops.elementwise import multiply
from numpygrad.ops.indexing import diagonal
from numpygrad.ops.linear_algebra import matmul, tensordot
from numpygrad.ops.manipulation import permute_dims, reshape, squeeze
from numpygrad.ops.statistical import sum as sum_of

Label: TypeAlias = "str | int"
"""A letter; of the axes that an ellipsis stands for, a number, -1 for the last."""

Labels: TypeAlias = tuple[Label, ...]


def einsum(subscripts: str, /, *operands: Array) -> Array:
    """The sum of products that `subscripts` describe, such as `"ij,jk->ik"`.

    A letter names an axis. What bears one letter is multiplied, and summed over unless the letter
    stands on the right of `->`; without that, letters that occur once are kept, in alphabetical
    order. `...` stands for axes that broadcast. Operands are multiplied in pairs, at each step the
    pair whose product is smallest beside what it is made of.

    Parameters
    ----------
    subscripts
        The letters of the axes of each operand, with commas between, and of the result.
    *operands
        Of one dtype after promotion; gradients flow back to each.

    Raises
    ------
    ShapeError
        If the letters do not fit the operands: too many, or of different lengths.
    ValueError
        If `subscripts` is malformed.

    References
    ----------
    Smith and Gray, opt_einsum, Journal of Open Source Software 3 (2018), 753: the greedy order.

    Examples
    --------
    >>> import numpygrad as npg
    >>> a = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> trace = npg.einsum("ii", a)
    >>> trace.backward()
    >>> print(trace, npg.einsum("ij,j->i", a, npg.array([1.0, 1.0])).tolist())
    5.0 [3.0, 7.0]
    >>> a.grad.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not isinstance(subscripts, str) or not operands:
        raise ValueError(
            "einsum() takes the subscripts as a string, then the operands: "
            'einsum("ij,jk->ik", a, b)'
        )
    arrays = promoted("einsum", *operands)
    terms, output = _parsed(subscripts, [x.ndim for x in arrays])
    lengths = _lengths(subscripts, terms, arrays)
    pending = [_simple(x, t, lengths) for x, t in zip(arrays, terms, strict=True)]
    while len(pending) > 1:
        wanted = _wanted(pending, output)
        first, second = _best_pair(pending, wanted, lengths)
        product = _product(pending[first], pending[second], wanted)
        pending = [p for i, p in enumerate(pending) if i not in (first, second)] + [product]
    x, labels = _summed(*pending[0], Counter(output))
    return _in_order(x, labels, output)


def _parsed(subscripts: str, dimensions: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of each operand's axes, and of the result's."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(dimensions):
        raise ValueError(
            f"einsum({subscripts!r}) describes {len(terms)} operands, and was given "
            f"{len(dimensions)}"
        )
    for term in (*terms, right):
        letters = term.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise ValueError(
                f"einsum({subscripts!r}): {term!r} may have letters and one ellipsis (...) only"
            )
    labels = [_spread(subscripts, t, n) for t, n in zip(terms, dimensions, strict=True)]
    spread = max(sum(isinstance(name, int) for name in term) for term in labels)
    if arrow:
        output = _labels(right, spread)
    else:
        counts = Counter(letter for letter in left if letter.isalpha())
        once = sorted(letter for letter, count in counts.items() if count == 1)
        output = (*range(-spread, 0), *once)
    unknown = [label for label in output if not any(label in t for t in labels)]
    if arrow and spread and "..." not in right:
        raise ValueError(
            f"einsum({subscripts!r}): an ellipsis stands for {spread} of the axes, and the result "
            "has none; write ... on the right too, or sum over the axes"
        )
    if unknown or len(set(output)) < len(output):
        raise ValueError(
            f"einsum({subscripts!r}): the result has letters of the operands, each once"
        )
    return labels, output


def _spread(subscripts: str, term: str, ndim: int) -> Labels:
    """The labels of an operand with `ndim` axes."""
    extra = ndim - len(term.replace("...", "", 1))
    if extra < 0 or (extra and "..." not in term):
        raise ShapeError(
            f"einsum({subscripts!r}): {term!r} does not fit an operand with {ndim} dimensions"
        )
    return _labels(term, extra)


def _labels(term: str, extra: int) -> Labels:
    """The labels of a term whose ellipsis stands for `extra` axes."""
    before, dots, after = term.partition("...")
    return (*before, *(range(-extra, 0) if dots else ()), *after)


def _lengths(subscripts: str, terms: Sequence[Labels], arrays: Sequence[Array]) -> dict[Label, int]:
    """The length of the axes with each label; 1 broadcasts."""
    lengths: dict[Label, int] = {}
    for x, term in zip(arrays, terms, strict=True):
        own: dict[Label, int] = {}
        for label, length in zip(term, x.shape, strict=True):
            if own.setdefault(label, length) != length:
                raise ShapeError(
                    f"einsum({subscripts!r}): {label!r} names axes of lengths {own[label]} and "
                    f"{length} of one operand, whose diagonal there is none of; its shape is "
                    f"{x.shape}"
                )
            known = lengths.setdefault(label, length)
            if known != length and 1 not in (known, length):
                where = repr(label) if isinstance(label, str) else "an axis of ..."
                raise ShapeError(
                    f"einsum({subscripts!r}): {where} has length {known} and length {length}, in "
                    f"operands of shape {' and '.join(str(a.shape) for a in arrays)}"
                )
            lengths[label] = length if known == 1 else known
    return lengths


Term: TypeAlias = tuple[Array, Labels]


def _simple(x: Array, labels: Labels, lengths: dict[Label, int]) -> Term:
    """An operand without axes to broadcast, and with each label once: of others, the diagonal."""
    ones = tuple(i for i, name in enumerate(labels) if x.shape[i] == 1 and lengths[name] != 1)
    if ones:
        x = squeeze(x, ones)
        labels = tuple(name for i, name in enumerate(labels) if i not in ones)
    while len(set(labels)) < len(labels):
        label = next(name for name, count in Counter(labels).items() if count > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        x = diagonal(x, 0, first, second)
        labels = (*(name for i, name in enumerate(labels) if i not in (first, second)), label)
    return x, labels


def _wanted(pending: Sequence[Term], output: Labels) -> Counter[Label]:
    """How many still ask for a label: the operands that have it, and the result."""
    return Counter(itertools.chain(output, *(labels for _, labels in pending)))


def _best_pair(
    pending: Sequence[Term], wanted: Counter[Label], lengths: dict[Label, int]
) -> tuple[int, int]:
    """The pair whose product is smallest, less what it replaces."""

    def growth(pair: tuple[int, int]) -> int:
        first, second = (set(pending[i][1]) for i in pair)
        kept = [
            name for name in first | second if wanted[name] > (name in first) + (name in second)
        ]
        sizes = [math.prod(lengths[name] for name in labels) for labels in (kept, first, second)]
        return sizes[0] - sizes[1] - sizes[2]

    return min(itertools.combinations(range(len(pending)), 2), key=growth)


def _product(first: Term, second: Term, wanted: Counter[Label]) -> Term:
    """The product of two operands, summed over the labels that nobody else asks for."""
    others = wanted - Counter(first[1]) - Counter(second[1])
    x1, labels1 = _summed(*first, others + Counter(second[1]))
    x2, labels2 = _summed(*second, others + Counter(first[1]))
    common = [name for name in labels1 if name in labels2]
    over = tuple(name for name in common if not others[name])
    batch = tuple(name for name in common if others[name])
    own1 = tuple(name for name in labels1 if name not in common)
    own2 = tuple(name for name in labels2 if name not in common)
    if not batch and over:
        places = [tuple(labels.index(name) for name in over) for labels in (labels1, labels2)]
        return tensordot(x1, x2, axes=(places[0], places[1])), (*own1, *own2)
    x1, x2 = (
        _in_order(x1, labels1, (*batch, *own1, *over)),
        _in_order(x2, labels2, (*batch, *over, *own2)),
    )
    stack, shape1 = x1.shape[: len(batch)], x1.shape[len(batch) : len(batch) + len(own1)]
    shape2 = x2.shape[len(batch) + len(over) :]
    if not over:
        left = reshape(x1, (*stack, *shape1, *(1 for _ in shape2)))
        right = reshape(x2, (*stack, *(1 for _ in shape1), *shape2))
        return multiply(left, right), (*batch, *own1, *own2)
    inner = math.prod(x1.shape[len(batch) + len(own1) :])
    matrices1 = reshape(x1, (*stack, math.prod(shape1), inner))
    matrices2 = reshape(x2, (*stack, inner, math.prod(shape2)))
    found = reshape(matmul(matrices1, matrices2), (*stack, *shape1, *shape2))
    return found, (*batch, *own1, *own2)


def _summed(x: Array, labels: Labels, wanted: Counter[Label]) -> Term:
    """An operand summed over the labels that nobody asks for."""
    over = tuple(i for i, label in enumerate(labels) if not wanted[label])
    if not over:
        return x, labels
    kept = tuple(label for label in labels if wanted[label])
    return sum_of(x, axis=over, dtype=x.dtype), kept


def _in_order(x: Array, labels: Labels, order: Labels) -> Array:
    """The axes in another order."""
    return x if labels == order else permute_dims(x, tuple(labels.index(name) for name in order))
