"""Derivatives of what solves an equation, by the implicit function theorem.

Let r(x(a), a) = 0, and A the Jacobian of r with respect to x at the solution. Then A dx = -dr,
where dr is the change of r as a changes and x does not; and the cotangent of `a` is that which r
sends back from -w, where A^T w is the cotangent of x. No iteration is recorded.

Both rules are made of recorded operations on the solution as the recorded call gave it, not on its
numbers. So differentiating a rule differentiates the solution in it by the rule itself, and every
order comes out right. (A Newton step recorded at the solution, x - A^-1 r(x, a), would not do: as
its x is a number, it is right to the first order alone.) Where A is never formed, the linear system
is again an equation with a solution: r(w; x, a, g) = A(x, a)^T w - g, and is treated as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._custom.joint import Maybe, attached, saved_input, saved_output, untracked
from numpygrad._equations.iterations import gmres, precision
from numpygrad._equations.one_by_one import OneByOne, refuse_examples
from numpygrad._forward import nodes_behind, stopped
from numpygrad._jacobians import jacobian
from numpygrad._linearize import linearize
from numpygrad._node import Node, tick
from numpygrad._transforms import jvp, vjp
from numpygrad.errors import CaptureError, DerivativeError
from numpygrad.linalg import LinAlgError, inv, matrix_norm, solve
from numpygrad.ops.creation import zeros_like
from numpygrad.ops.data_types import finfo

Residual: TypeAlias = Callable[[Array, Sequence[Any]], Array]
"""Of the solution, and the leaves of the arguments."""


@dataclass(slots=True, eq=False)
class Equation:
    """A solution of `residual(x, leaves) = 0`: the call that its node keeps."""

    name: str
    residual: Residual
    leaves: list[Any]
    """Those of the arguments. Once there is a node, it keeps those that are Arrays."""
    is_dense: bool
    """Whether linear systems are solved with the Jacobian, or else with products."""
    products: int
    """How many a linear system may take."""

    def untracked_leaves(self) -> list[Any]:
        """The leaves without their history."""
        return [untracked(x) if isinstance(x, Array) and x._node else x for x in self.leaves]

    def recorded(self, found: Array, each: OneByOne | None = None) -> Array:
        """The solution `found`, with a node if an argument is tracked.

        Inside of `vmap`, `each` finds it for an example.
        """
        leaves = self.leaves
        if _modes.mapping() is not None:
            still = [zeros_like(x) if isinstance(x, Array) else x for x in leaves]
            refuse_examples(self.name, lambda: self.residual(zeros_like(found), still))
        if not _modes.is_grad_enabled():
            return stopped([found])[0]
        alone(self.name, lambda: self.residual(found, self.untracked_leaves()))
        nodes = [x._node if isinstance(x, Array) and x._type.is_floating else None for x in leaves]
        if not any(nodes):
            return found
        self.leaves = [None if isinstance(x, Array) else x for x in leaves]
        arrays = [x if isinstance(x, Array) else None for x in leaves]
        whole = None if each is None else each.whole
        made: Array = attached(self, nodes, arrays, found, [0], whole)
        return made

    def is_linear(self, dependent: Sequence[bool]) -> bool:
        """Nothing is known of how the solution depends on the arguments."""
        return False

    def pulled(self, node: Node, g: Sequence[Maybe], *, recorded: bool) -> list[Maybe]:
        """The cotangents of the arguments."""
        with _modes.enable_grad() if recorded else _modes.no_grad():
            x, leaves, moving = self._saved(node, recorded=recorded)
            (cotangent,) = g
            assert cotangent is not None  # noqa: S101 (it is the only output's)
            w = self._solution(x, leaves, cotangent, transposed=True, recorded=recorded)
            _, pullback = vjp(
                lambda *those: self.residual(x, replaced(leaves, moving, those)),
                *[leaves[i] for i in moving],
            )
            found: list[Maybe] = [None] * len(leaves)
            for i, c in zip(moving, pullback(-w), strict=True):
                found[i] = c
            return found

    def pushed(self, node: Node, t: Sequence[Maybe], *, recorded: bool) -> list[Array]:
        """The tangent of the solution."""
        with _modes.enable_grad() if recorded else _modes.no_grad():
            x, leaves, _ = self._saved(node, recorded=recorded)
            moving = [i for i, tangent in enumerate(t) if tangent is not None]
            _, change = jvp(
                lambda *those: self.residual(x, replaced(leaves, moving, those)),
                [leaves[i] for i in moving],
                [t[i] for i in moving],
            )
            return [-self._solution(x, leaves, change, transposed=False, recorded=recorded)]

    def _saved(self, node: Node, *, recorded: bool) -> tuple[Array, list[Any], list[int]]:
        """The solution, the leaves, and which of them have a derivative."""
        leaves = [
            other
            if node.input1[i] is None
            else saved_input(node, i, f"array {i} of its arguments", recorded=recorded)
            for i, other in enumerate(self.leaves)
        ]
        moving = [i for i, parent in enumerate(node.parents) if parent is not None]
        return saved_output(node, 0, recorded=recorded), leaves, moving

    def _solution(
        self,
        x: Array,
        leaves: Sequence[Any],
        right: Array,
        *,
        transposed: bool,
        recorded: bool,
    ) -> Array:
        """The solution of a linear system with the Jacobian or its transpose, for a derivative."""
        if self.is_dense:
            return self._checked(x, leaves, right, transposed=transposed)
        each = self._each(x, leaves, right, transposed=transposed)
        if not recorded and right._node is None:
            if each is not None:
                return each.captured()
            return self._checked(x, leaves, right, transposed=transposed)
        count = len(leaves)

        def residual(w: Array, others: Sequence[Any]) -> Array:
            def of_x(v: Array) -> Array:
                return self.residual(v, others[:count])

            if transposed:
                product = vjp(of_x, others[count])[1](w)[0]
            else:
                product = jvp(of_x, (others[count],), (w,))[1]
            left: Array = product - others[-1]
            return left

        linear = Equation(self.name, residual, [*leaves, x, right], False, self.products)
        if each is not None:
            return linear.recorded(each.captured(), each)
        *given, at, target = linear.untracked_leaves()
        with _modes.no_grad():
            found = self._checked(at, given, target, transposed=transposed)
        return linear.recorded(found)

    def _each(
        self, x: Array, leaves: Sequence[Any], right: Array, *, transposed: bool
    ) -> OneByOne | None:
        """The same for an example, inside of `vmap`."""
        if _modes.mapping() is None:
            return None

        def function(x: Array, right: Array, *arrays: Array) -> Array:
            return self._solution(
                x,
                with_arrays(leaves, arrays),
                right,
                transposed=transposed,
                recorded=_modes.is_grad_enabled(),
            )

        return OneByOne(function, [x, right, *arrays_in(leaves)], right.shape, right.dtype)

    def _checked(self, x: Array, leaves: Sequence[Any], right: Array, *, transposed: bool) -> Array:
        """The same, of an error that says that a derivative was asked for."""
        try:
            return self.solved(x, leaves, right, transposed=transposed, derivative=True)
        except LinAlgError as error:
            raise DerivativeError(
                f"{self.name}(): the Jacobian with respect to x is singular at the solution, where "
                "the solution has no derivative"
            ) from error

    def solved(
        self,
        x: Array,
        leaves: Sequence[Any],
        right: Array,
        *,
        transposed: bool = False,
        derivative: bool = False,
    ) -> Array:
        """The solution of a linear system with the Jacobian of the residual at x."""

        def of_x(v: Array) -> Array:
            return self.residual(v, leaves)

        if self.is_dense:
            matrix: Array = jacobian(of_x)(x)
            if derivative and _modes.tracing() is None:
                _require_regular(matrix)
            return solve(matrix.mT if transposed else matrix, right)
        if _modes.tracing() is not None:
            raise CaptureError(
                f"{self.name}() solves its linear systems iteratively, until values tell that it "
                "is done, while compile() captures the function. Pass linear='dense'"
            )
        if transposed:
            _, pullback = vjp(of_x, x)
            product: Callable[[Array], Array] = lambda v: pullback(v)[0]  # noqa: E731 (one of two)
        else:
            _, product = linearize(of_x, x)
        tol = precision(x.dtype, 0.7)
        what = f"the derivative of {self.name}()" if derivative else f"{self.name}()"
        return gmres(product, right, tol=tol, maxiter=self.products, what=what)


def arrays_in(leaves: Sequence[Any]) -> list[Array]:
    """The Arrays among the leaves."""
    return [x for x in leaves if isinstance(x, Array)]


def with_arrays(leaves: Sequence[Any], arrays: Sequence[Array]) -> list[Any]:
    """The leaves with others for the Arrays among them."""
    rest = iter(arrays)
    return [next(rest) if isinstance(x, Array) else x for x in leaves]


def replaced(leaves: Sequence[Any], moving: Sequence[int], those: Sequence[Any]) -> list[Any]:
    """The leaves with others at the places `moving`."""
    found = [*leaves]
    for i, x in zip(moving, those, strict=True):
        found[i] = x
    return found


def alone(name: str, evaluate: Callable[[], Array]) -> Array:
    """What a function gives for untracked arguments, without history.

    Raises
    ------
    DerivativeError
        If it depends on tracked arrays. These are older than the call; what the function tracks
        itself, as inside of a `vjp`, is not.
    """
    started = tick()
    value = evaluate()
    if value._node is None:
        return value
    if any(node.sequence < started for node in nodes_behind([value._node], ()).outside):
        raise DerivativeError(
            f"{name}(): the function closes over a tracked array, whose gradient would be lost. "
            "Pass it as an argument"
        )
    return value.detach()


def _require_regular(matrix: Array) -> None:
    """`LinAlgError` of a matrix that is singular but for rounding."""
    with _modes.no_grad():
        values = matrix.detach()
        condition = matrix_norm(values, ord=1) * matrix_norm(inv(values), ord=1)
        limit = 1 / (matrix.shape[0] * float(finfo(matrix.dtype).eps))
        if not float(condition) <= limit:
            raise LinAlgError(f"condition number {float(condition):.2g}")
