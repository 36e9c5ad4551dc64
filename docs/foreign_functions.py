"""Functions of other libraries, with a call of each: what `foreign.md` lists and tests try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[..., Any]

_rng = np.random.default_rng(20260)
V, W = _rng.uniform(0.2, 0.9, (2, 6))
"""Vectors of positive numbers below 1."""
M, N = _rng.normal(size=(2, 4, 3))
P = _rng.uniform(0.1, 0.9, (4, 3))
S = np.asarray([[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.0]])
"""Symmetric, positive definite."""
TABLE8 = _rng.normal(size=(8, 3))
"""Eight examples with three features."""
TARGET = TABLE8[:, 0] ** 2
CLASSES = np.asarray([0, 1, 0, 1, 1, 0, 1, 0])
KNOTS = np.asarray([0.0, 0.5, 1.0, 2.0])

SPECIAL = "leaves for C: `numpygrad.scipy.special` has most of such functions"
TO_C = "leaves for C"
TO_FLOAT = 'ends in `float()`: use `multioutput="raw_values"` where there is such, and `mean`'
WRITES = "writes in place to what another operation has saved"
STEPS = "constant by steps"


@dataclass(frozen=True)
class Row:
    """A function, and how to call it: `call(function, *arrays)`."""

    name: str
    arrays: tuple[np.ndarray, ...]
    call: Call
    gradient: str = "yes"
    """`"yes"`, `"no"` (the result is constant by steps) or `"refused"`."""
    note: str = ""
    on_jax: bool = False
    """Whether the quick tests try it on JAX too, which compiles each operation for each shape."""


def like(x: Any, values: Any) -> Any:
    """An array of the same library and device as `x`."""
    return x.__array_namespace__().asarray(values, device=x.device)


def statistic(f: Call, *xs: Any) -> Any:
    """The statistic of a test, and its p-value."""
    found = f(*xs)
    return found.statistic, found.pvalue


def _fitted(f: Call, x: Any) -> Any:
    return f().fit_transform(x)


def _predicted(f: Call, x: Any, y: Any) -> Any:
    return f().fit(x, y).predict(x)


def _magnitude(f: Call, *xs: Any) -> Any:
    return abs(f(*xs))


def _plain(f: Call, *xs: Any) -> Any:
    return f(*xs)


def _cubature(f: Call, c: Any) -> Any:
    ends = like(c, [0.0, 0.0]), like(c, [1.0, 1.0])
    return f(lambda t: t[:, 0] * t[:, 1] * c[0] ** 2, *ends).estimate


def _at(f: Call, x: Any) -> Any:
    return f(x * 1.0)[1:3].multiply(x[2:4])


def _root(f: Call, c: Any) -> Any:
    return f(lambda x, a: x * x - a, (0 * c, 2 + 0 * c), args=(c,)).x


def _where(f: Call, x: Any, y: Any) -> Any:
    return f(x > 0.5, (x, y), lambda t, u: t * u, fill_value=0.0)


def _rotation(f: Call, x: Any) -> Any:
    turned = f.from_rotvec(x) * f.from_euler("xyz", 0.5 * x)
    return turned.inv().as_matrix(), turned.apply(x)


def rows(package: str, *entries: Any, gradient: str = "yes", note: str = "") -> list[Row]:
    """Rows of one package: each entry a name, arrays, and a call if the function has more to it.

    A star before a name: on JAX too.
    """
    found = []
    for name, *arrays in entries:
        call = arrays.pop() if callable(arrays[-1]) else _plain
        path = f"{package}.{name.lstrip('*')}"
        found.append(Row(path, tuple(arrays), call, gradient, note, on_jax=name.startswith("*")))
    return found


def _each(names: str, *arrays: np.ndarray, call: Call = _plain) -> list[Any]:
    return [(name, *arrays, call) for name in names.split()]


STATS = [
    *rows(
        "scipy.stats",
        *_each("circmean circstd circvar gmean gstd gzscore hmean iqr kstat kstatvar kurtosis", V),
        *_each("lmoment mode sem *skew tsem tstd tvar variation *zscore", V),
        *_each("differential_entropy entropy", V),
        ("bartlett", V, W, statistic),
        ("chisquare", V, statistic),
        ("combine_pvalues", V, statistic),
        ("describe", V, lambda f, x: f(x)[2:]),
        ("directional_stats", M, lambda f, x: f(x).mean_direction),
        ("jarque_bera", TABLE8, statistic),
        ("kurtosistest", TABLE8, statistic),
        ("moment", V, lambda f, x: f(x, order=3)),
        ("normaltest", TABLE8, statistic),
        ("pearsonr", V, W, statistic),
        ("pmean", V, lambda f, x: f(x, 2)),
        ("power_divergence", V, statistic),
        ("quantile", V, lambda f, x: f(x, like(x, 0.3))),
        ("sigmaclip", V, lambda f, x: f(x).clipped),
        ("skewtest", TABLE8, statistic),
        ("tmean", V, lambda f, x: f(x, (0.1, 0.8))),
        ("trim_mean", V, lambda f, x: f(x, 0.2)),
        ("ttest_1samp", V, lambda f, x: f(x, 0.3).statistic),
        ("ttest_ind", V, W, lambda f, x, y: f(x, y).statistic),
        ("ttest_rel", V, W, lambda f, x, y: f(x, y).statistic),
        ("yeojohnson_llf", V, lambda f, x: f(0.5, x)),
        ("zmap", V, W),
    ),
    *rows(
        "scipy.stats",
        ("rankdata", V),
        ("mannwhitneyu", V, W, lambda f, x, y: f(x, y).statistic),
        ("wilcoxon", V, W, lambda f, x, y: f(x, y).statistic),
        gradient="no",
        note=STEPS,
    ),
    *rows(
        "scipy.stats",
        ("f_oneway", V, W, statistic),
        ("levene", V, W, statistic),
        ("linregress", V, W, lambda f, x, y: f(x, y).slope),
        ("norm.pdf", V),
        ("spearmanr", V, W, lambda f, x, y: f(x, y).statistic),
        ("wasserstein_distance", V, W),
        gradient="refused",
        note=TO_C,
    ),
    *rows(
        "scipy.stats",
        ("boxcox_llf", V, lambda f, x: f(0.5, x)),
        ("false_discovery_control", V),
        gradient="refused",
        note=WRITES,
    ),
]

SPECIAL_FUNCTIONS = [
    *rows(
        "scipy.special",
        *_each("digamma entr erf erfc expit gamma *gammaln i0 i0e i1 j0 log_ndtr logit", V),
        *_each("log_softmax *logsumexp ndtr ndtri softmax", V),
        *_each("betaln kl_div rel_entr xlog1py *xlogy", V, W),
    ),
    *rows(
        "scipy.special",
        *_each("cbrt cosm1 exp2 exprel sinc", V),
        gradient="refused",
        note=SPECIAL,
    ),
    *rows(
        "scipy.special",
        *_each("gammainc stdtr", V, W),
        gradient="refused",
        note="no derivative with respect to the first argument: pass `a.detach()` for it",
    ),
]

ANALYSIS = [
    *rows(
        "scipy.integrate",
        ("cubature", V[:1], _cubature),
        ("cumulative_simpson", V, lambda f, y: f(y, dx=0.1)),
        ("cumulative_trapezoid", V),
        ("nsum", V[:1], lambda f, c: f(lambda k, a: a / k**2, 0 * c + 1, 0 * c + 9, args=(c,)).sum),
        (
            "tanhsinh",
            V[:1],
            lambda f, c: f(lambda t, a: (a * t) ** 2 + a, 0 * c, c, args=(c,)).integral,
        ),
        ("*trapezoid", V, W),
    ),
    *rows("scipy.integrate", ("simpson", V), gradient="refused", note=TO_C),
    *rows("scipy.integrate", ("romb", V[:5]), gradient="refused", note=WRITES),
    *rows("scipy.optimize", ("rosen", V), ("rosen_der", V)),
    *rows(
        "scipy.optimize.elementwise",
        (
            "find_root",
            V[:2],
            _root,
        ),
    ),
    *rows(
        "scipy.optimize.elementwise",
        (
            "find_minimum",
            V[:2],
            lambda f, c: f(lambda x, a: (x - a) ** 2, (0 * c - 1, c + 0.1, 0 * c + 3), args=(c,)).x,
        ),
        gradient="refused",
        note=WRITES,
    ),
    *rows(
        "scipy.differentiate",
        ("derivative", V[:2], lambda f, x: f(lambda t: t**3, x).df),
        ("hessian", V[:2], lambda f, x: f(lambda t: t[0] ** 3 * t[1], x).ddf),
        ("jacobian", V[:2], lambda f, x: f(lambda t: t**3, x).df),
    ),
    *rows(
        "scipy.fft",
        *_each("*fft fft2 fftn fftshift hfft ifft ihfft irfft rfft", M, call=_magnitude),
        ("fht", V, lambda f, x: f(x, 0.1, 0.5)),
    ),
    *rows(
        "scipy.fft",
        *_each("dct dst idct", M),
        gradient="refused",
        note="leaves for C: `numpygrad.scipy.fft`",
    ),
    *rows(
        "scipy.signal",
        ("envelope", V, lambda f, x: f(x)[0]),
        ("fftconvolve", V, W),
        ("firwin", V[:1], lambda f, c: f(5, c)),
        ("freqz", V, lambda f, b: abs(f(b, worN=4)[1])),
        ("gauss_spline", V, lambda f, x: f(x, 3)),
        ("*hilbert", V, _magnitude),
        ("lp2hp", V[:2], W[:2], lambda f, b, a: f(b, a)[0]),
        ("normalize", V, W, lambda f, b, a: f(b, a)[0]),
        ("oaconvolve", V, W),
        ("resample", V, lambda f, x: f(x, 4)),
        ("tf2zpk", V, W, lambda f, b, a: f(b, a)[2]),
        ("vectorstrength", V, lambda f, x: f(x, 0.7)[0]),
    ),
    *rows(
        "scipy.signal",
        *_each("convolve correlate", V, W),
        ("detrend", V),
        ("lfilter", V[:2], W, lambda f, b, x: f(b, like(b, [1.0, 0.5]), x)),
        ("savgol_filter", V, lambda f, x: f(x, 3, 1)),
        ("welch", V, lambda f, x: f(x)[1]),
        gradient="refused",
        note="leaves for C: `numpygrad.scipy.signal`, or `fftconvolve`",
    ),
    *rows(
        "scipy.ndimage",
        ("gaussian_filter", M, lambda f, x: f(x, 1.0)),
        ("shift", M, lambda f, x: f(x, 0.3)),
        *_each("laplace sobel uniform_filter", M),
        gradient="refused",
        note="leaves for C: `numpygrad.scipy.ndimage`",
    ),
    *rows(
        "scipy.interpolate",
        (
            "RBFInterpolator",
            V[:4],
            lambda f, y: f(like(y, KNOTS)[:, None], y)(y[:, None]),
        ),
    ),
    *rows(
        "scipy.interpolate",
        ("CubicSpline", V[:4], lambda f, y: f(like(y, KNOTS), y)(y)),
        ("RegularGridInterpolator", V[:4], lambda f, y: f((like(y, KNOTS),), y)(y[:, None])),
        ("pchip_interpolate", V[:4], lambda f, y: f(like(y, KNOTS), y, y)),
        gradient="refused",
        note="leaves for C: `numpygrad.scipy.interpolate`",
    ),
]

GEOMETRY = [
    *rows(
        "scipy.linalg",
        ("block_diag", M, N),
        ("fiedler", V[:3]),
        ("orthogonal_procrustes", M, N),
    ),
    *rows(
        "scipy.linalg",
        *_each("det eigvalsh inv", S),
        ("solve", S, V[:3]),
        gradient="refused",
        note="leaves for C: `numpygrad.linalg`",
    ),
    *rows(
        "scipy.linalg",
        ("expm", S),
        gradient="refused",
        note="leaves for C: `numpygrad.scipy.linalg`",
    ),
    *rows("scipy.spatial.transform", ("Rotation", V[:3], _rotation)),
    *rows(
        "scipy.spatial.transform",
        ("RigidTransform", V, lambda f, x: f.from_exp_coords(x).as_matrix()),
    ),
    *rows(
        "scipy.spatial.distance",
        *_each("cosine euclidean", V, W),
        ("cdist", M, N),
        ("pdist", M),
        gradient="refused",
        note="leaves for C: `sklearn.metrics.pairwise`, or write it in numpygrad",
    ),
    *rows("scipy.cluster.vq", ("whiten", M)),
    *rows(
        "scipy.cluster.vq",
        ("vq", M, N, lambda f, x, y: f(x, y)[1]),
        gradient="refused",
        note=TO_C,
    ),
]

_METRICS = "explained_variance_score mean_absolute_error mean_absolute_percentage_error"
_MORE_METRICS = "mean_pinball_loss *mean_squared_error mean_squared_log_error r2_score"


def _raw(f: Call, x: Any, y: Any) -> Any:
    return f(x, y, multioutput="raw_values")


def _scores(f: Call, p: Any) -> Any:
    return f(like(p, CLASSES[:6]), p)


SKLEARN = [
    *rows(
        "sklearn.metrics",
        *_each(f"{_METRICS} {_MORE_METRICS} root_mean_squared_error", P, 1.1 * P[::-1], call=_raw),
        note='with `multioutput="raw_values"`',
    ),
    *rows("sklearn.metrics", ("pairwise_distances", P, 1.1 * P[::-1])),
    *rows(
        "sklearn.metrics.pairwise",
        *_each("additive_chi2_kernel chi2_kernel *euclidean_distances", P, 1.1 * P[::-1]),
        *_each("laplacian_kernel linear_kernel manhattan_distances", P, 1.1 * P[::-1]),
        *_each("paired_euclidean_distances polynomial_kernel rbf_kernel", P, 1.1 * P[::-1]),
        *_each("paired_manhattan_distances sigmoid_kernel", P, 1.1 * P[::-1]),
    ),
    *rows(
        "sklearn.preprocessing",
        *_each("MaxAbsScaler MinMaxScaler PolynomialFeatures", TABLE8, call=_fitted),
        ("*StandardScaler", TABLE8, _fitted),
        ("KernelCenterer", S, _fitted),
        *_each("maxabs_scale minmax_scale", M),
    ),
    *rows(
        "sklearn.linear_model",
        (
            "*Ridge",
            TABLE8,
            TARGET,
            lambda f, x, y: f(solver="svd").fit(x, y).coef_,
        ),
        ("RidgeCV", TABLE8, TARGET, _predicted),
    ),
    *rows(
        "sklearn.discriminant_analysis",
        (
            "LinearDiscriminantAnalysis",
            TABLE8,
            lambda f, x: f().fit(x, like(x, CLASSES)).decision_function(x),
        ),
    ),
    *rows(
        "sklearn.decomposition",
        ("PCA", TABLE8, lambda f, x: f(2, svd_solver="full").fit_transform(x)),
    ),
    *rows(
        "sklearn.naive_bayes",
        ("GaussianNB", TABLE8, lambda f, x: f().fit(x, like(x, CLASSES)).predict_proba(x)),
    ),
    *rows(
        "sklearn.kernel_approximation",
        ("Nystroem", TABLE8, lambda f, x: f(n_components=3, random_state=0).fit_transform(x)),
    ),
    *rows("sklearn.model_selection", ("train_test_split", M, lambda f, x: f(x, random_state=0))),
    *rows("sklearn.utils.extmath", ("row_norms", M)),
    *rows(
        "sklearn.preprocessing",
        ("Normalizer", TABLE8, _fitted),
        gradient="refused",
        note=f"{WRITES}: divide by `npg.linalg.vector_norm`",
    ),
    *rows(
        "sklearn.metrics.pairwise",
        ("cosine_similarity", P, 1.1 * P[::-1]),
        gradient="refused",
        note=WRITES,
    ),
    *rows(
        "sklearn.mixture",
        (
            "GaussianMixture",
            TABLE8,
            lambda f, x: (
                f(2, init_params="random", random_state=0, max_iter=3, tol=0).fit(x).means_
            ),
        ),
        gradient="refused",
        note=WRITES,
    ),
    *rows(
        "sklearn.metrics",
        ("*mean_squared_error", V, W),
        *_each("max_error mean_absolute_error mean_poisson_deviance r2_score", V, W),
        gradient="refused",
        note=TO_FLOAT,
    ),
    *rows(
        "sklearn.metrics",
        *_each("brier_score_loss log_loss", V, call=_scores),
        gradient="refused",
        note="ends in `float()`",
    ),
    *rows(
        "sklearn.linear_model",
        ("LinearRegression", TABLE8, TARGET, _predicted),
        gradient="refused",
        note="leaves for C: `Ridge` with a small `alpha`",
    ),
    *rows(
        "sklearn.linear_model",
        ("LogisticRegression", TABLE8, lambda f, x: f().fit(x, like(x, CLASSES)).coef_),
        gradient="refused",
        note=TO_C,
    ),
]

EXTRA = [
    *rows(
        "array_api_extra",
        ("angle", V, lambda f, x: f(x + 1j * x**2)),
        (
            "*apply_where",
            V,
            W,
            _where,
        ),
        ("*at", V, _at),
        ("atleast_nd", V, lambda f, x: f(x, ndim=3)),
        ("*cov", M),
        ("create_diagonal", V),
        ("expand_dims", M, lambda f, x: f(x, axis=(0, 2))),
        ("kron", S, M),
        ("lazy_apply", V, lambda f, x: f(lambda t: t * t, x)),
        ("nan_to_num", V),
        ("pad", M, lambda f, x: f(x, 1)),
        ("partition", V, lambda f, x: f(x, 2)),
        ("setdiff1d", V, W),
        ("sinc", V),
        ("union1d", V, W),
    ),
    *rows(
        "array_api_extra",
        ("argpartition", V, lambda f, x: f(x, 2)),
        ("isclose", V, W),
        ("isin", V, W),
        ("nunique", V),
        ("one_hot", CLASSES, lambda f, x: f(x, 3)),
        ("searchsorted", np.sort(V), W),
        gradient="no",
        note=STEPS,
    ),
    *rows(
        "einops.array_api",
        ("pack", M, N, lambda f, x, y: f([x, y], "a *")[0]),
        ("*rearrange", M, lambda f, x: f(x, "(a b) c -> b c a", a=2)),
        ("reduce", M, lambda f, x: f(x, "(a b) c -> b", "mean", a=2)),
        ("repeat", M, lambda f, x: f(x, "a b -> a (b k)", k=2)),
        ("unpack", M, lambda f, x: f(x, [(1,), (2,)], "a *")),
    ),
    *rows(
        "opt_einsum",
        ("*contract", S, N, V[:4], lambda f, a, b, c: f("ij,kj,k->i", a, b, c)),
        ("contract_expression", M, N, lambda f, a, b: f("ij,kj->ik", a.shape, b.shape)(a, b)),
    ),
]

ROWS = [*STATS, *SPECIAL_FUNCTIONS, *ANALYSIS, *GEOMETRY, *SKLEARN, *EXTRA]
