"""Functions of structures as SciPy's optimisers take them: of flat NumPy vectors, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from numpygrad._array import Array
from numpygrad._compile import compile as captured
from numpygrad._flat import Layout
from numpygrad._jacobians import hessian, jacobian
from numpygrad._transforms import grad, jvp, value_and_grad, vjp
from numpygrad._tree import Tree
from numpygrad.errors import DerivativeError, DTypeError, ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.statistical import sum as sum_of

Vector: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


def on_host(x: Array) -> Vector:
    """The values in memory of their own, in the precision that SciPy computes in."""
    return np.array(x.numpy(), dtype=np.float64)


def placed(layout: Layout, values: Any) -> Array:
    """SciPy's numbers, which it may write to later, as an Array like the parameters."""
    return asarray(np.asarray(values), dtype=layout.dtype, device=layout.device, copy=True)


class Objective:
    """A scalar function of a structure, and its derivatives.

    Hessian products at one point share the recorded gradient: each is one backward pass through it,
    as the Hessian is symmetric. A compiled one is the tangent of the gradient.
    """

    def __init__(
        self, fun: Callable[..., Any], layout: Layout, args: Sequence[Any], *, compiled: bool
    ) -> None:
        def of_vector(vector: Array, *args: Any) -> Array:
            return _scalar(fun(layout.tree(vector), *args))

        def product(vector: Array, direction: Array, *args: Any) -> Any:
            return jvp(lambda x: gradient(x, *args), (vector,), (direction,))[1]

        gradient = grad(of_vector)
        self._value: Callable[..., Array] = of_vector
        self._both = value_and_grad(of_vector)
        self._matrix = hessian(of_vector)
        self._gradient = gradient
        self._product = captured(product) if compiled else None
        if compiled:
            self._value = captured(of_vector)
            self._both = captured(self._both)
            self._matrix = captured(self._matrix)
        self._layout = layout
        self._args = args
        self._point: Vector | None = None
        self._pullback: Any = None
        self.last = float("nan")
        """The latest value."""
        self.evaluations = 0
        self.products = 0
        """How many Hessians and products with them were computed."""

    def value(self, x: Vector) -> float:
        """The function's value."""
        return self._number(self._value(placed(self._layout, x), *self._args))

    def both(self, x: Vector) -> tuple[float, Vector]:
        """Value and gradient."""
        at_start = not self.evaluations
        value, slope = self._both(placed(self._layout, x), *self._args)
        number, gradient = self._number(value), on_host(slope)
        if at_start and not np.isfinite(gradient).all():
            raise ValueError(f"the gradient of fun is {gradient} at the start; start elsewhere")
        return number, gradient

    def product(self, x: Vector, p: Vector) -> Vector:
        """The Hessian times a vector."""
        self.products += 1
        direction = placed(self._layout, p)
        if self._product is not None:
            return on_host(self._product(placed(self._layout, x), direction, *self._args))
        if self._point is None or not np.array_equal(x, self._point):
            _, self._pullback = vjp(
                lambda vector: self._gradient(vector, *self._args), placed(self._layout, x)
            )
            self._point = x.copy()
        return on_host(self._pullback(direction)[0])

    def matrix(self, x: Vector) -> Vector:
        """The Hessian."""
        self.products += 1
        return on_host(self._matrix(placed(self._layout, x), *self._args))

    def _number(self, value: Array) -> float:
        require_untracked(value, "fun")
        self.last = float(value)
        self.evaluations += 1
        if self.evaluations == 1 and not np.isfinite(self.last):
            raise ValueError(f"fun is {self.last} at the start; start where it is finite")
        return self.last


def _scalar(value: Any) -> Array:
    if not isinstance(value, Array):
        raise TypeError(f"fun returns an Array of one element, not {type(value).__name__}")
    if value.size != 1:
        raise ShapeError(
            f"fun returns an Array of one element, not of shape {value.shape}; for a sum of "
            "squares use least_squares()"
        )
    if value.dtype.kind != "f":
        raise DTypeError(f"fun returns a real floating Array, not {value.dtype}")
    return value


def require_untracked(value: Array, name: str) -> None:
    """Refuse a function through which an outer derivative would be lost."""
    if value._node is not None:
        raise DerivativeError(
            f"{name} depends on tracked arrays, but nothing is recorded of the search: the result "
            "would have no gradient. For derivatives of a minimum take npg.root(npg.grad(fun), x, "
            "*args), with the x found here as its start; for none, search under npg.no_grad()"
        )


class Several:
    """A function from a structure to a structure, as one from a vector to a vector."""

    layout: Layout
    """How the results lie, once there are some."""

    def __init__(
        self,
        function: Callable[..., Tree],
        layout: Layout,
        args: Sequence[Any] = (),
        *,
        name: str,
        compiled: bool = False,
    ) -> None:
        def of_vector(vector: Array, *args: Any) -> Array:
            found = function(layout.tree(vector), *args)
            self.layout = Layout(found, name)
            return self.layout.vector(found)

        def weighted(vector: Array, weights: Array, *args: Any) -> Array:
            return sum_of(weights * of_vector(vector, *args))

        self._values: Callable[..., Array] = of_vector
        self._jacobian = jacobian(of_vector)
        self._weighted_gradient = grad(weighted)
        if compiled:
            self._values, self._jacobian = captured(of_vector), captured(self._jacobian)
        self._input = layout
        self._args = args
        self._name = name

    def values(self, x: Vector) -> Vector:
        """The function's values."""
        found = self._values(placed(self._input, x), *self._args)
        require_untracked(found, self._name)
        return on_host(found)

    def matrix(self, x: Vector) -> Vector:
        """The Jacobian, (results, parameters)."""
        return on_host(self._jacobian(placed(self._input, x), *self._args))

    def curvature(self, x: Vector, weights: Vector) -> Any:
        """The Hessian of a weighted sum of the results, as SciPy's linear operator."""
        from scipy.sparse.linalg import LinearOperator

        _, pullback = vjp(
            lambda v: self._weighted_gradient(v, placed(self.layout, weights), *self._args),
            placed(self._input, x),
        )

        def product(p: Vector) -> Vector:
            return on_host(pullback(placed(self._input, p.ravel()))[0])

        return LinearOperator((x.size, x.size), matvec=product, dtype=np.float64)


def limits_of(bounds: Any, layout: Layout) -> Any:
    """SciPy's `Bounds` of what was given for a structure; `None` of `None`."""
    from scipy.optimize import Bounds

    if bounds is None or isinstance(bounds, Bounds):
        return bounds
    if layout.is_complex:
        raise DTypeError("bounds are of real arrays; give real and imaginary parts as two arrays")
    if isinstance(bounds, (Array, np.ndarray)):
        bounds = bounds.tolist()
    if isinstance(bounds, list):
        return Bounds(*_pairs(bounds, layout))
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        raise TypeError(
            "bounds is a tuple (lower, upper), each for the whole of x0, or a list with a pair for "
            f"each element, not {bounds!r}"
        )
    return Bounds(_side(bounds[0], -np.inf, layout), _side(bounds[1], np.inf, layout))


def _pairs(bounds: list[Any], layout: Layout) -> tuple[Vector, Vector]:
    """The lower and the upper bounds of a list of pairs."""
    is_pairs = all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in bounds)
    if not is_pairs or len(bounds) != layout.size:
        raise ShapeError(
            "bounds, as a list, has a pair (lower, upper) of numbers for each element of x0, which "
            f"are {layout.size}, not {bounds!r}. Lower and upper bounds of the whole of x0 are a "
            "tuple"
        )
    lower, upper = zip(*bounds, strict=True)
    return _numbers(lower, -np.inf), _numbers(upper, np.inf)


def _numbers(given: Sequence[Any], missing: float) -> Vector:
    return np.array([missing if x is None else float(x) for x in given], dtype=np.float64)


def _side(given: Tree, missing: float, layout: Layout) -> Vector:
    """One bound for each parameter."""
    if given is None:
        given = missing
    if isinstance(given, (int, float)):
        return np.full(layout.size, float(given))
    if layout.is_array and isinstance(given, tuple):
        raise TypeError(
            "bounds, as a tuple, is (lower, upper), each a number, a list or an array for an x0 "
            f"that is an array, not {given!r}. Pairs, one for each element, are a list"
        )
    if layout.is_array and isinstance(given, list):
        limits = [_numbers(given, missing) if layout.is_vector else np.asarray(given)]
    else:
        limits = layout.parts(given, "a bound")
    return np.concatenate(
        [_spread(x, shape) for x, shape in zip(limits, layout.shapes, strict=True)],
        dtype=np.float64,
    )


def _spread(limit: Any, shape: tuple[int, ...]) -> Any:
    """A bound for each element of an array."""
    values = limit.numpy() if isinstance(limit, Array) else np.asarray(limit)
    try:
        return np.broadcast_to(values, shape).ravel()
    except ValueError as error:
        raise ShapeError(
            f"a bound of an array of shape {shape} broadcasts to it, not one of {values.shape}"
        ) from error


def constraints_of(constraints: Any, layout: Layout, *, curved: bool) -> list[Any]:
    """SciPy's constraint objects, with exact derivatives, of those on a structure.

    `curved` says that the method takes Hessians, without which SciPy warns of them.
    """
    if isinstance(constraints, Mapping) or not isinstance(constraints, Sequence):
        constraints = (constraints,)
    return [_constraint(given, layout, curved=curved) for given in constraints]


def _constraint(given: Any, layout: Layout, *, curved: bool) -> Any:
    from scipy.optimize import LinearConstraint, NonlinearConstraint

    if isinstance(given, LinearConstraint):
        return given
    if isinstance(given, NonlinearConstraint):
        fun, lower, upper, feasible = given.fun, given.lb, given.ub, given.keep_feasible
        args: Sequence[Any] = ()
    elif isinstance(given, Mapping):
        known = {"type", "fun", "args"}
        if given.get("type") not in ("eq", "ineq") or "fun" not in given or given.keys() - known:
            raise ValueError(
                "a constraint has 'type', which is 'eq' or 'ineq', 'fun' and perhaps 'args'; its "
                f"derivatives are exact by themselves. Got {dict(given)!r}"
            )
        fun, args, feasible = given["fun"], given.get("args", ()), False
        if not isinstance(args, (tuple, list)):
            raise TypeError(f"a constraint's args are a tuple, (a,), not {type(args).__name__}")
        lower, upper = 0.0, 0.0 if given["type"] == "eq" else np.inf
    else:
        raise TypeError(
            "a constraint is a dict, or SciPy's LinearConstraint or NonlinearConstraint, not "
            f"{type(given).__name__}"
        )
    several = Several(fun, layout, args, name="a constraint")
    return NonlinearConstraint(
        several.values,
        lower,
        upper,
        jac=several.matrix,
        keep_feasible=feasible,
        **({"hess": several.curvature} if curved else {}),
    )
