"""Carbon dioxide at Mauna Loa by a Gaussian process that learns its kernel from the record.

The monthly means y are a sample of a normal distribution of covariance K = k(t, t) + s^2 I, where k
is the sum of a smooth trend, a yearly wave that slowly changes its shape, and weather (compare
Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section 5.4.3). Amplitudes,
lengths and s are those under which the data are likeliest: where, with L the Cholesky factor of K,

    -log p(y) = |L^-1 y|^2 / 2 + sum log diag L + n log(2 pi) / 2

is least. The gradient flows back through the factorisation, and BFGS follows it. Each fifth year
is held out, to test the prediction and its stated uncertainty.
"""

import argparse
import math
from pathlib import Path

import numpy as np

import numpygrad as npg

RECORD = Path(__file__).with_name("mauna_loa.csv")
SIZES = {"trend": [100.0, 20.0], "wave": [5.0, 20.0, 1.0], "weather": [1.0, 0.5], "noise": 1.0}
"""A first guess: amplitudes in ppm, lengths in years, and how smooth the wave is."""


def kernel(logs, t1, t2):
    """Covariance of the values at times t1 and t2, but for noise: shape (len(t1), len(t2))."""
    lag = t1[:, None] - t2
    size, length = npg.exp(logs["trend"])
    trend = size**2 * npg.exp(-((lag / length) ** 2) / 2)
    size, length, smooth = npg.exp(logs["wave"])
    phase = npg.sin(npg.pi * lag) / smooth
    wave = size**2 * npg.exp(-((lag / length) ** 2) / 2 - 2 * phase**2)
    size, length = npg.exp(logs["weather"])
    return trend + wave + size**2 * npg.exp(-npg.abs(lag) / length)


def cholesky(logs, t):
    """The factor L of the covariance of measurements at times t."""
    noise = npg.exp(2 * logs["noise"]) * npg.eye(len(t), device=t.device)
    return npg.linalg.cholesky(kernel(logs, t, t) + noise)


def surprise(logs, t, y):
    """Minus the logarithm of the probability of measurements y at times t."""
    factor = cholesky(logs, t)
    z = npg.linalg.solve(factor, y)
    return z @ z / 2 + npg.sum(npg.log(factor.diagonal())) + len(t) / 2 * math.log(2 * math.pi)


def predict(logs, t, y, new):
    """Mean and standard deviation of measurements at times `new`, given y at times t."""
    factor = cholesky(logs, t)
    weights = npg.linalg.solve(factor, kernel(logs, t, new))
    variance = kernel(logs, new[:1], new[:1])[0] + npg.exp(2 * logs["noise"])
    deviation = npg.sqrt(variance - npg.sum(weights**2, axis=0))
    return npg.linalg.solve(factor, y) @ weights, deviation


def main():
    """Learn, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--every", type=int, default=1, help="learn from each so many months (1)")
    options.add_argument("--plot", default="gaussian_process.png", help="file of the picture")
    chosen = options.parse_args()
    year, month, ppm = npg.array(np.loadtxt(RECORD, delimiter=",", skiprows=4)).T
    print(f"device {year.device} ({year.device.backend.name})")
    t, held_out = year + (month - 0.5) / 12, year % 5 == 0
    level, known = npg.mean(ppm[~held_out]), t[~held_out][:: chosen.every]
    y = ppm[~held_out][:: chosen.every] - level
    first = {name: npg.log(npg.array(sizes)) for name, sizes in SIZES.items()}
    found = npg.optimize.minimize(surprise, first, (known, y), progress=True)
    print(f"-log p(y) from {surprise(first, known, y):.2f} to {found.fun:.2f} in {found.nit} steps")
    for name, logs in found.x.items():
        print(f"{name:8}", npg.exp(logs).round(3))
    mean, deviation = predict(found.x, known, y, t[held_out])
    error = npg.abs(mean + level - ppm[held_out])
    off, inside = npg.sqrt(npg.mean(error**2)), npg.mean(error < 2 * deviation)
    print(f"held out: {off:.2f} ppm off, {npg.mean(deviation):.2f} stated, {inside:.0%} within two")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture, as matplotlib is missing: pip install matplotlib")
        return
    new = npg.linspace(1958, 2010, 1000)
    mean, deviation = predict(found.x, known, y, new)
    axes = Figure(figsize=(9, 4), layout="constrained").subplots()
    low, high = mean + level - 2 * deviation, mean + level + 2 * deviation
    axes.fill_between(new, low, high, alpha=0.4, label="two deviations")
    axes.plot(known, y + level, "k.", markersize=2, label="learned from")
    axes.plot(t[held_out], ppm[held_out], "r.", markersize=2, label="held out")
    axes.set(xlabel="year", ylabel="carbon dioxide (ppm)")
    axes.legend()
    axes.figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()
