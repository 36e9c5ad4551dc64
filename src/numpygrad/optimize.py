"""SciPy's optimisers with exact derivatives, over nested structures of Arrays on any device.

SciPy computes in float64 on the host; values and derivatives come from numpygrad, on the device and
in the dtype of the start. SciPy is an optional dependency: `pip install 'numpygrad[optimize]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._flat import Layout
from numpygrad._objective import (
    Objective,
    Several,
    Vector,
    constraints_of,
    limits_of,
    on_host,
    placed,
)
from numpygrad._progress import Progress
from numpygrad._tree import Tree
from numpygrad.errors import BackendError, ShapeError

__all__ = ["LeastSquaresResult", "OptimizeResult", "least_squares", "minimize"]

VALUES = ("nelder-mead", "powell", "cobyla", "cobyqa")
"""The methods that ask for values alone."""
GRADIENTS = ("cg", "bfgs", "l-bfgs-b", "tnc", "slsqp")
PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")
"""Those that ask for the Hessian times a vector too."""
MATRICES = ("dogleg", "trust-exact")
"""Those that need the whole Hessian."""


@dataclass(frozen=True, eq=False)
class OptimizeResult:
    """What `minimize` found, by SciPy's names."""

    x: Tree
    """The solution, with structure, dtypes and device of `x0`."""
    fun: float
    jac: Tree
    """The gradient there, in the same structure; `None` of methods that use none."""
    nit: int
    nfev: int
    njev: int
    nhev: int
    """Hessians, or products with one, that were computed."""
    status: int
    success: bool
    message: str
    raw: Any
    """SciPy's own result, of flat arrays, with whatever else the method tells."""


@dataclass(frozen=True, eq=False)
class LeastSquaresResult:
    """What `least_squares` found, by SciPy's names."""

    x: Tree
    """The solution, with structure, dtypes and device of `x0`."""
    cost: float
    """Half the sum of squares, of what `loss` makes of them."""
    fun: Tree
    """The residuals there, as the function returns them."""
    jac: Array
    """Their Jacobian, (residuals, parameters), both in the order of their structures; of complex
    arrays all real parts come before all imaginary ones."""
    grad: Tree
    optimality: float
    nfev: int
    njev: int
    status: int
    success: bool
    message: str
    raw: Any
    """SciPy's own result, of flat arrays."""


def minimize(
    fun: Callable[..., Array],
    x0: Tree,
    args: tuple[Any, ...] = (),
    *,
    method: str | None = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[[Tree], None] | None = None,
    options: Mapping[str, Any] | None = None,
    compiled: bool = False,
    progress: bool = False,
) -> OptimizeResult:
    """The minimum of a scalar function that SciPy finds with exact derivatives.

    Gradients are those of `value_and_grad`. Newton-CG, trust-ncg, trust-krylov and trust-constr are
    given products of the Hessian with vectors and never a matrix; dogleg and trust-exact the
    `hessian`. Nelder-Mead, Powell, COBYLA and COBYQA use values alone.

    Parameters
    ----------
    fun
        `fun(x, *args)` is a real Array of one element.
    x0
        Where to start: a floating Array, or a nested structure of them. With float32, ask for less
        than SciPy's tolerances, as with `tol=1e-3`. Complex arrays are two real ones to SciPy.
    method
        One of SciPy's, by default BFGS, with bounds L-BFGS-B, with constraints SLSQP.
    bounds
        A tuple `(lower, upper)`, each of which is `None`, a number for all, or the structure of
        `x0` with numbers, or arrays that broadcast to its arrays, infinite where there is no bound.
        Or a list with a pair for each element, in the order of the structure, as in SciPy:
        `[(0, None), (None, 1)]`. Or SciPy's `Bounds` in that order.
    constraints
        One or several of `{"type": "eq" or "ineq", "fun": f}`, where `f(x)` is an Array, or a
        structure of them, that shall be 0 or not negative; or SciPy's `NonlinearConstraint` of such
        a function, or `LinearConstraint`. Their derivatives are exact too.
    tol, options
        As in SciPy.
    callback
        Called with `x` after each iteration; may raise `StopIteration` to end.
    compiled
        Run value and gradient, and Hessian products, through `npg.compile`: much faster for many
        small operations. It needs a function whose course does not depend on values.
    progress
        Show a line with iterations and value: tqdm's if that is installed.

    Returns
    -------
    OptimizeResult
        Never a success where the value or gradient is NaN.

    Raises
    ------
    BackendError
        If SciPy is not installed.
    DerivativeError
        If gradients are to flow through the result, which has none: `npg.root` of the gradient has.
    ValueError
        If there is no such method, `x0` has no elements, or `fun` is not finite there.

    Source: `scipy.optimize.minimize`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x, y = npg.array([0.0, 1.0, 2.0]), npg.array([1.0, 3.0, 5.0])
    >>> def misfit(line):
    ...     return npg.sum((line["slope"] * x + line["offset"] - y) ** 2)
    >>> found = npg.optimize.minimize(misfit, {"slope": 0.0, "offset": 0.0}, method="Newton-CG")
    >>> found.success, round(found.x["slope"].item(), 6), round(found.x["offset"].item(), 6)
    (True, 2.0, 1.0)
    """
    optimizers = _scipy_optimize()
    name = _method(method, bounded=bounds is not None, constrained=_given(constraints))
    layout = _layout("minimize", x0, args)
    objective = Objective(fun, layout, args, compiled=compiled)
    functions: dict[str, Any] = {"fun": objective.value}
    if name not in VALUES:
        functions = {"fun": objective.both, "jac": True}
    if name in PRODUCTS:
        functions["hessp"] = objective.product
    if name in MATRICES:
        functions["hess"] = objective.matrix
    options = dict(options or {})
    with Progress(f"minimize {name}", total=options.get("maxiter"), shown=progress) as line:

        def shown(xk: Vector, *state: Any) -> None:
            line.advance(1, f"fun = {objective.last:.6g}")
            if callback is not None:
                callback(layout.tree(placed(layout, xk)))

        found = optimizers.minimize(
            **functions,
            x0=on_host(layout.vector(x0)),
            method=name,
            bounds=limits_of(bounds, layout),
            constraints=constraints_of(constraints, layout, curved=name == "trust-constr"),
            tol=tol,
            callback=shown if progress or callback is not None else None,
            options=options,
        )
    slope = found.get("grad" if name == "trust-constr" else "jac")
    undefined = bool(np.isnan(found.fun)) or (slope is not None and bool(np.isnan(slope).any()))
    return OptimizeResult(
        x=layout.tree(placed(layout, found.x)),
        fun=float(found.fun),
        jac=None if slope is None else layout.tree(placed(layout, slope)),
        nit=int(found.get("nit", 0)),
        nfev=int(found.nfev),
        njev=int(found.get("njev", 0)),
        nhev=objective.products,
        status=int(found.status),
        success=bool(found.success) and not undefined,
        message=_UNDEFINED if undefined else str(found.message),
        raw=found,
    )


_UNDEFINED = (
    "fun or its gradient is NaN where the search ended; start elsewhere, or keep x by bounds to "
    "where fun is defined. detect_anomaly() tells where a NaN comes from"
)


def least_squares(
    residuals: Callable[..., Tree],
    x0: Tree,
    args: tuple[Any, ...] = (),
    *,
    bounds: Any = None,
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = 1.0,
    loss: str = "linear",
    f_scale: float = 1.0,
    max_nfev: int | None = None,
    compiled: bool = False,
    progress: bool = False,
) -> LeastSquaresResult:
    """The least sum of squares of residuals that SciPy finds with their exact Jacobian.

    Parameters
    ----------
    residuals
        `residuals(x, *args)` is a floating Array, or a structure of them. Complex ones count as
        their real and imaginary parts.
    x0, bounds, compiled, progress
        As for `minimize`.
    method, ftol, xtol, gtol, x_scale, loss, f_scale, max_nfev
        As in SciPy.

    Raises
    ------
    BackendError
        If SciPy is not installed.
    DerivativeError
        If gradients are to flow through the result, which has none.
    ValueError
        If `x0` has no elements, or the residuals there are not finite.

    Source: `scipy.optimize.least_squares`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x, y = npg.array([0.0, 1.0, 2.0]), npg.array([1.0, 3.0, 5.0])
    >>> found = npg.optimize.least_squares(lambda p: p[0] * x + p[1] - y, npg.array([0.0, 0.0]))
    >>> print(npg.abs(found.x - npg.array([2.0, 1.0])) < 1e-6, found.jac.shape)
    [ True  True] (3, 2)
    """
    optimizers = _scipy_optimize()
    layout = _layout("least_squares", x0, args)
    several = Several(residuals, layout, args, name="residuals", compiled=compiled)
    limits = limits_of(bounds, layout)
    with Progress("least_squares", total=max_nfev, shown=progress) as line:

        def values(x: Vector) -> Vector:
            found = several.values(x)
            line.advance(1, f"cost = {found @ found / 2:.6g}")
            return found

        found = optimizers.least_squares(
            values,
            on_host(layout.vector(x0)),
            jac=several.matrix,
            method=method,
            ftol=ftol,
            xtol=xtol,
            gtol=gtol,
            x_scale=x_scale,
            loss=loss,
            f_scale=f_scale,
            max_nfev=max_nfev,
            **({} if limits is None else {"bounds": limits}),
        )
    return LeastSquaresResult(
        x=layout.tree(placed(layout, found.x)),
        cost=float(found.cost),
        fun=several.layout.tree(placed(several.layout, found.fun)),
        jac=placed(layout, found.jac),
        grad=layout.tree(placed(layout, found.grad)),
        optimality=float(found.optimality),
        nfev=int(found.nfev),
        njev=int(found.njev or 0),
        status=int(found.status),
        success=bool(found.success),
        message=str(found.message),
        raw=found,
    )


def _scipy_optimize() -> Any:
    """SciPy's module."""
    try:
        import scipy.optimize
    except ImportError as error:
        raise BackendError(
            f"numpygrad.optimize is a front to SciPy, which is not installed ({error}). Install it "
            "with: pip install 'numpygrad[optimize]'"
        ) from error
    return scipy.optimize


def _layout(name: str, x0: Tree, args: Any) -> Layout:
    """How the parameters lie in a vector."""
    if not isinstance(args, (tuple, list)):
        raise TypeError(
            f"{name}() takes the function's other arguments as a tuple, args=(a,), not "
            f"{type(args).__name__}"
        )
    layout = Layout(x0, "x0")
    if layout.size == 0:
        raise ShapeError(f"{name}() needs an x0 of one element or more, got arrays of none")
    return layout


def _method(method: str | None, *, bounded: bool, constrained: bool) -> str:
    """The name of a method; SciPy's own choice for `None`."""
    if method is None:
        return "slsqp" if constrained else "l-bfgs-b" if bounded else "bfgs"
    known = (*VALUES, *GRADIENTS, *PRODUCTS, *MATRICES)
    if not isinstance(method, str) or method.lower() not in known:
        raise ValueError(f"minimize() has no method {method!r}; it has {', '.join(known)}")
    return method.lower()


def _given(constraints: Any) -> bool:
    return not isinstance(constraints, Sequence) or len(constraints) > 0
