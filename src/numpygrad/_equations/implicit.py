"""Solutions of equations: `root`, `fixed_point`. For their derivatives see `equation`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._equations.equation import Equation, arrays_in, with_arrays
from numpygrad._equations.iterations import anderson, is_small, length, newton, precision
from numpygrad._equations.one_by_one import OneByOne
from numpygrad._flat import Layout
from numpygrad._tree import Tree, leaves_of, rebuilt
from numpygrad.errors import CaptureError, ConvergenceError
from numpygrad.linalg import LinAlgError, vector_norm
from numpygrad.ops.elementwise import positive
from numpygrad.ops.searching import where

Linear: TypeAlias = Literal["dense", "iterative"]
Solver: TypeAlias = Callable[[Callable[[Tree], Tree], Tree], Tree]

DENSE_ROOT = 500
"""Up to how many unknowns `root` forms the Jacobian by itself."""
DENSE_FIXED_POINT = 50
"""The same of `fixed_point`, whose Jacobian is rarely far from what a few products tell."""


def root(
    function: Callable[..., Tree],
    x0: Tree,
    *args: Any,
    solver: Solver | None = None,
    tol: float | None = None,
    maxiter: int = 50,
    linear: Linear | None = None,
) -> Tree:
    """The solution x of `function(x, *args) = 0`, differentiable with respect to `args`.

    In both modes and to every order, by the implicit function theorem: neither the iteration nor
    the start has a part in a derivative.

    Parameters
    ----------
    function
        Gives as many values as x has elements, in the structure of x. It need not be holomorphic.
    x0
        Where to start: a floating Array, or a nested structure of them.
    args
        Anything; derivatives are with respect to the floating Arrays in nested structures. What
        `function` closes over must not be tracked.
    solver
        `solver(f, x0)` gives x, of the function with its other arguments filled in. By default
        Newton's method, its steps shortened by halves until the values get smaller.
    tol
        The largest Newton step at the solution, relative to its length: by default the square root
        of the precision, 1.5e-8 in float64. The default solver takes that step.
    maxiter
        The most iterations of the default solver, and products of an iterative linear system for
        each unknown.
    linear
        How to solve linear systems: `"dense"`, with the Jacobian, by default of up to 500
        unknowns; or `"iterative"`, by GMRES, with products alone.

    Returns
    -------
    x
        With structure, shapes and dtypes of `x0`.

    Raises
    ------
    ConvergenceError
        If the solver or a linear system does not converge, or a given solver's x is no root.
    DerivativeError
        If the Jacobian is singular at the solution and a derivative is asked for, or if `function`
        closes over tracked arrays.
    ValueError
        If an option is out of its range.
    CaptureError
        Inside `compile`, as when to stop depends on values; a `solver` that runs a fixed number of
        steps can be captured. There a result that is no root becomes NaN. (`vmap` has the default
        solver find one example after the other.)

    Examples
    --------
    >>> import numpygrad as npg
    >>> def kepler(anomaly, eccentricity):
    ...     return anomaly - eccentricity * npg.sin(anomaly) - 1.0
    >>> npg.root(kepler, npg.array(1.0), npg.array(0.5))
    Array(1.49870113)
    >>> npg.grad(lambda e: npg.root(kepler, npg.array(1.0), e))(npg.array(0.5))
    Array(1.03466723)
    """
    problem = _Problem("root", function, x0, args)
    layout = problem.layout
    tol = precision(layout.dtype, 0.5) if tol is None else tol
    _require_sense("root", tol, maxiter)
    dense = _is_dense("root", linear, layout.size, DENSE_ROOT)
    call = Equation("root", problem.image, problem.leaves, dense, maxiter * layout.size)
    given = call.untracked_leaves()

    def values(x: Array) -> Array:
        return problem.image(x, given)

    def step_of(x: Array, y: Array) -> Array:
        try:
            return call.solved(x, given, y)
        except LinAlgError as error:
            raise ConvergenceError(
                "root(): the Jacobian is singular at an x where the function is not 0 but of the "
                f"norm {length(y):.3g}; start elsewhere, or pass a solver"
            ) from error

    each = problem.each(
        lambda f, x, *others: root(f, x, *others, tol=tol, maxiter=maxiter, linear=linear), solver
    )
    with _modes.no_grad():
        if each is not None:
            found = each.captured()
        elif solver is None:
            found = newton(values, step_of, problem.start, tol=tol, maxiter=maxiter)
        else:
            found = problem.solution_of(solver, given)
            y = values(found)
            if _modes.tracing() is not None or length(y) != 0:
                found = _confirmed("root()", found, step_of(found, y), tol)
    return layout.tree(call.recorded(found, each))


def fixed_point(
    function: Callable[..., Tree],
    x0: Tree,
    *args: Any,
    solver: Solver | None = None,
    tol: float | None = None,
    maxiter: int = 1000,
    acceleration: int = 5,
    linear: Linear | None = None,
) -> Tree:
    """The solution x of `x = function(x, *args)`, differentiable with respect to `args`.

    As `root`, but for what follows.

    Parameters
    ----------
    solver
        By default iteration with Anderson's acceleration.
    tol
        The most that `function` moves x, relative to its length: by default the precision to the
        power 3/4, 1.8e-12 in float64.
    maxiter
        The most iterations of the default solver, and products of an iterative linear system.
    acceleration
        From how many earlier steps to extrapolate; 0 is plain iteration.
    linear
        By default `"dense"` up to 50 unknowns, beyond that `"iterative"`: GMRES converges in fewer
        products than the Neumann series, the derivative of plain iteration, and where that
        diverges.

    Examples
    --------
    >>> import numpygrad as npg
    >>> def better(x, a):
    ...     return (x + a / x) / 2
    >>> npg.fixed_point(better, npg.array(1.0), npg.array(2.0))
    Array(1.41421356)
    >>> npg.grad(lambda a: npg.fixed_point(better, npg.array(1.0), a))(npg.array(2.0))
    Array(0.35355339)
    """
    problem = _Problem("fixed_point", function, x0, args)
    layout = problem.layout
    tol = precision(layout.dtype, 0.75) if tol is None else tol
    _require_sense("fixed_point", tol, maxiter)
    if acceleration < 0:
        raise ValueError(
            f"fixed_point() extrapolates from acceleration=0 or more steps, not {acceleration}"
        )
    dense = _is_dense("fixed_point", linear, layout.size, DENSE_FIXED_POINT)

    def residual(x: Array, leaves: Sequence[Any]) -> Array:
        return x - problem.image(x, leaves)

    call = Equation("fixed_point", residual, problem.leaves, dense, maxiter)
    given = call.untracked_leaves()
    each = problem.each(
        lambda f, x, *others: fixed_point(
            f, x, *others, tol=tol, maxiter=maxiter, acceleration=acceleration, linear=linear
        ),
        solver,
    )
    with _modes.no_grad():
        if each is not None:
            found = each.captured()
        elif solver is None:
            found = anderson(
                lambda x: problem.image(x, given),
                problem.start,
                depth=acceleration,
                tol=tol,
                maxiter=maxiter,
            )
        else:
            found = problem.solution_of(solver, given)
            found = _confirmed("fixed_point()", found, residual(found, given), tol)
    return layout.tree(call.recorded(found, each))


class _Problem:
    """A function of structures as one of a vector and the leaves of its other arguments."""

    def __init__(
        self, name: str, function: Callable[..., Tree], x0: Tree, args: tuple[Any, ...]
    ) -> None:
        self._name = name
        self._function = function
        self.layout = Layout(x0, "x0")
        self.start = self.layout.vector(x0).detach()
        self.leaves = leaves_of(args)
        self._args = rebuilt(args, range(len(self.leaves)))

    def image(self, x: Array, leaves: Sequence[Any]) -> Array:
        """The function's value."""
        args = rebuilt(self._args, leaves)
        own = self.layout.tree(positive(x))  # which the function may write to
        return self.layout.vector(self._function(own, *args), "function(x)")

    def solution_of(self, solver: Solver, leaves: Sequence[Any]) -> Array:
        """What a user's solver gives."""
        args = rebuilt(self._args, leaves)
        found = solver(lambda x: self._function(x, *args), self.layout.tree(self.start))
        return self.layout.vector(found, "what the solver gave").detach()

    def each(self, solved: Callable[..., Tree], solver: Solver | None) -> OneByOne | None:
        """Inside of `vmap`, how the default solver finds the solution for an example."""
        if _modes.tracing() is None or solver is not None:
            return None
        if _modes.mapping() is None:
            raise CaptureError(
                f"{self._name}() iterates until it converges, which depends on values, while "
                "compile() captures the function. Pass solver=, a function that takes a fixed "
                "number of steps; or call it outside"
            )

        def one(start: Array, *arrays: Array) -> Array:
            args = rebuilt(self._args, with_arrays(self.leaves, arrays))
            return self.layout.vector(solved(self._function, self.layout.tree(start), *args))

        arrays = [self.start, *arrays_in(self.leaves)]
        return OneByOne(one, arrays, self.start.shape, self.layout.dtype)


def _require_sense(name: str, tol: float, maxiter: int) -> None:
    if not 0 < tol < math.inf:
        raise ValueError(f"{name}() needs a tol that is finite and more than 0, not {tol}")
    if maxiter < 1:
        raise ValueError(f"{name}() takes maxiter=1 or more, not {maxiter}")


def _is_dense(name: str, linear: str | None, size: int, limit: int) -> bool:
    """Whether to form the Jacobian of so many unknowns."""
    if linear not in (None, "dense", "iterative"):
        raise ValueError(f"{name}() takes linear='dense' or 'iterative', not {linear!r}")
    return linear == "dense" or (linear is None and size <= limit)


def _confirmed(name: str, x: Array, error: Array, tol: float) -> Array:
    """What a solver gave, if its error is within the tolerance; captured, NaN if it is not."""
    if _modes.tracing() is not None:
        return where(vector_norm(error) <= tol * (tol + vector_norm(x)), x, np.nan)
    if not is_small(length(error), x, tol):
        raise ConvergenceError(
            f"{name}: the solver gave an x that is off by about {length(error):.3g}, its length "
            f"being {length(x):.3g}; have it go on, or allow for more with tol={tol:.2g}"
        )
    return x
