"""Which labels are wrong? Weights of examples, learned by differentiating through an optimiser.

A third of the labels that a logistic regression learns from are false. Each example is given a
weight between 0 and 1, the sigmoid of a_i. Inside, SciPy finds the coefficients

    c(a) = argmin_c  inner(c, a) = sum_i sigmoid(a_i) loss_i(c) + |c|^2 / 2

and outside, SciPy finds a such that c(a) predicts some trusted labels well. The gradient of that
needs no step of the inner search, but the implicit function theorem: d inner / dc is 0 at c(a), so

    dc/da = -(d2 inner / dc dc)^-1 (d2 inner / da dc)

which `npg.root` applies by itself. The data, tumours that are benign or not, are scikit-learn's.
"""

import argparse
import time

from scipy.stats import zscore
from sklearn.datasets import load_breast_cancer

import numpygrad as npg


def losses(c, x, y):
    """-log p(label) of each example; labels are -1 and 1."""
    return npg.softplus(-y * (x @ c))


def inner(c, a, x, y):
    """What the fit brings down: the weighted losses and a penalty."""
    return npg.sum(npg.sigmoid(a) * losses(c, x, y)) + npg.sum(c**2) / 2


def fit(a, x, y):
    """The coefficients c(a), differentiable with respect to a."""
    with npg.no_grad():
        found = npg.optimize.minimize(inner, npg.zeros_like(x[0]), (a, x, y))
    return npg.root(npg.grad(inner), found.x, a, x, y)


def outer(a, training, trusted):
    """How badly the fit predicts the trusted labels."""
    return npg.mean(losses(fit(a, *training), *trusted))


def main():
    """Check the gradient, learn the weights, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=20, help="of the outer search, at most (20)")
    options.add_argument("--examples", type=int, default=200, help="to learn from (200)")
    options.add_argument("--plot", default="bilevel.png", help="file of the picture")
    chosen = options.parse_args()
    features, kinds = load_breast_cancer(return_X_y=True)
    x, y, rng = npg.array(zscore(features)), npg.array(2.0 * kinds - 1), npg.random.default_rng(0)
    print(f"device {x.device} ({x.device.backend.name})")
    order, n = rng.permutation(len(x)), chosen.examples
    x, y, false = x[order], y[order], rng.random(n) < 1 / 3
    training, trusted = (x[:n], npg.where(false, -y[:n], y[:n])), (x[n : n + 100], y[n : n + 100])

    a, direction, h = npg.zeros(n), rng.standard_normal(n), 1e-3
    slope = npg.grad(outer)(a, training, trusted) @ direction
    ends = [outer(a + s * direction, training, trusted) for s in (h, -h)]
    print(f"slope {slope:.8f}, by finite differences {(ends[0] - ends[1]) / (2 * h):.8f}")

    started = time.perf_counter()
    found = npg.optimize.minimize(
        outer, a, (training, trusted), options={"maxiter": chosen.steps}, progress=True
    )
    print(f"{found.nfev} gradients in {time.perf_counter() - started:.1f} s")
    weights = npg.sigmoid(found.x)
    for label, chosen_a in (("equal weights", a), ("learned weights", found.x)):
        predicted = npg.sign(x[n + 100 :] @ fit(chosen_a, *training))
        print(f"{label}: {npg.mean(predicted == y[n + 100 :]):.1%} of unseen labels predicted")
    print(f"{npg.mean((weights < 0.5) == false):.1%} of the labels told true from false by weights")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture, as matplotlib is missing: pip install matplotlib")
        return
    axes = Figure(figsize=(7, 3), layout="constrained").subplots()
    axes.hist([weights[~false], weights[false]], 20, label=["true label", "false label"])
    axes.set(xlabel="weight", ylabel="examples")
    axes.legend()
    axes.figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()
