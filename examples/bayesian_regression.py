"""Bayesian regression by Hamiltonian Monte Carlo, where the posterior is known and where it is not.

The progress y of diabetes is explained by ten measurements, y = x w + noise. Under normal noise the
posterior of w is known; a few gross errors in y spoil it. Student's noise forgives them, but there
the posterior has to be sampled. A particle of position w, momentum p moves in leapfrog steps by

    w' = C p        p' = grad log p(w | y)        energy = p^T C p / 2 - log p(w | y)

and stays where it gets to with probability exp(-gain of energy), else goes back (Neal, 2011, "MCMC
using Hamiltonian dynamics"). C, the inverse mass, is the covariance of the posterior that is known.
"""

import argparse

from scipy.stats import zscore
from sklearn.datasets import load_diabetes

import numpygrad as npg

NOISE, CHAINS, LEAPS, STEP, BATCHES = 0.7, 4, 2, 0.9, 20
LOSSES = {"normal": lambda r: r**2 / 2, "Student": lambda r: 2 * npg.log1p(r**2 / 3)}  # -log p(r)


def exact(x, y):
    """Mean and covariance of the posterior under normal noise."""
    c = npg.linalg.inv(x.T @ x / NOISE**2 + npg.eye(x.shape[1], device=x.device))
    return c @ (x.T @ y) / NOISE**2, c


def sample(noise, x, y, c, count, rng):
    """Mean and covariance of draws from the posterior; it prints how good they are."""

    @npg.vmap  # of all chains at once
    @npg.value_and_grad
    def density(w):
        return -npg.sum(LOSSES[noise]((y - x @ w) / NOISE)) - npg.sum(w**2) / 2

    @npg.compile
    def move(start, p, uniforms):
        w, (value, slope) = start, density(start)
        energy = npg.sum(p @ c * p, axis=1) / 2 - value
        for _ in range(LEAPS):
            p = p + STEP / 2 * slope
            w = w + STEP * p @ c
            value, slope = density(w)
            p = p + STEP / 2 * slope
        gain = npg.sum(p @ c * p, axis=1) / 2 - value - energy
        return npg.where((uniforms < npg.exp(-gain))[:, None], w, start)

    root = npg.linalg.cholesky(c)
    draws = [3 * rng.standard_normal((CHAINS, len(c))) @ root.T]
    for _ in range(BATCHES * count):
        p = npg.linalg.solve(root.T, rng.standard_normal((len(c), CHAINS))).T
        draws.append(move(draws[-1], p, rng.random(CHAINS)))
    draws = npg.stack(draws[count + 1 :])  # the first ones know where the chains started
    within = npg.mean(npg.var(draws, axis=0), axis=0)
    r_hat = npg.sqrt(1 + npg.var(npg.mean(draws, axis=0), axis=0, correction=1) / within)
    means = npg.mean(draws.reshape(-1, count, CHAINS, len(c)), axis=1)
    effective = len(means) * CHAINS * within / npg.var(means, axis=(0, 1), correction=1)
    print(f"{noise} noise: R-hat {npg.max(r_hat):.3f}, effective draws {npg.min(effective):.0f}")
    off = (draws - npg.mean(draws, axis=(0, 1))).reshape(-1, len(c))
    return npg.mean(draws, axis=(0, 1)), off.T @ off / len(off)


def main():
    """Sample, compare, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=100, help="draws in a batch (100)")
    options.add_argument("--plot", default="bayesian_regression.png", help="file of the picture")
    chosen = options.parse_args()
    x, y = (npg.array(zscore(columns)) for columns in load_diabetes(return_X_y=True))
    print(f"device {x.device} ({x.device.backend.name})")
    wrong, rng = npg.at(y)[::20].add(20.0), npg.random.default_rng(0)
    mean, c = exact(x, y)
    results = {
        "normal noise, exact": (mean, c),
        "normal noise, sampled": sample("normal", x, y, c, chosen.count, rng),
        "errors in y, normal noise, exact": exact(x, wrong),
        "errors in y, Student noise, sampled": sample("Student", x, wrong, c, chosen.count, rng),
    }
    for label, (other, covariance) in results.items():
        off = npg.max(npg.abs(other - mean) / npg.sqrt(c.diagonal()))
        ratio = npg.mean(npg.sqrt(covariance.diagonal() / c.diagonal()))
        print(f"{label:36} means off by {off:5.2f} deviations; deviations {ratio:.2f} as large")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture, as matplotlib is missing: pip install matplotlib")
        return
    axes = Figure(figsize=(9, 4), layout="constrained").subplots()
    for i, (label, (mean, c)) in enumerate(results.items()):
        axes.errorbar(npg.arange(10) + i / 8, mean, 2 * c.diagonal() ** 0.5, fmt="o", label=label)
    axes.set(xlabel="measurement", ylabel="coefficient w, with two deviations")
    axes.legend()
    axes.figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()
