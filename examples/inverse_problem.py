"""How well the ground conducts water, from noisy pressures at a few wells: an inverse problem.

Water pumped into one of the wells makes the pressure u of the ground water in a unit square,

    -div(k grad u) = f,        u = 0 outside

On a grid of n x n cells, D takes u to its slopes over the faces between cells, and u solves
A u = f with A = D^T diag(k) D. What is sought is m = log k in each cell, from the pressures at all
wells for each well pumped, with noise of deviation s. Before, m is taken for a sample of a smooth
random field of covariance C. Gauss and Newton's iteration finds the likeliest field: with the
Jacobian J of the pressures, exact through the solution of the linear system,

    m <- G (data - pressures(m) + J m),        G = C J^T (J C J^T + s^2 I)^-1

C - G J C is what is left of the covariance: it tells how well m is known, and where.
"""

import argparse

import numpy as np

import numpygrad as npg

SPREAD, LENGTH, NOISE = 0.7, 0.25, 0.01


def slopes(n):
    """The matrix D, of shape (2 n (n + 1), n n)."""
    d, one = n * np.diff(np.eye(n + 2), axis=0)[:, 1:-1], np.eye(n)
    return npg.array(np.vstack([np.kron(d, one), np.kron(one, d)]))


def covariance(n):
    """The matrix C, smaller with the distance between the cells."""
    x = (npg.arange(n) + 0.5) / n
    x, y = (axis.flatten() for axis in npg.meshgrid(x, x))
    squares = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    return SPREAD**2 * npg.exp(-squares / (2 * LENGTH**2)) + 1e-8 * npg.eye(n * n)


def pressures(m, d, wells):
    """Pressures at the wells, for each well that is pumped."""
    conductivity = npg.exp(npg.abs(d) @ m / npg.sum(npg.abs(d), axis=1))
    pumped = npg.eye(len(m), device=m.device)[:, wells]
    return npg.linalg.solve((d.T * conductivity) @ d, pumped)[wells].flatten()


def estimate(data, d, wells, prior, noise, steps=20):
    """The likeliest field, and the covariance of what is unknown about it."""
    m = npg.zeros(prior.shape[0], device=prior.device)
    for step in range(steps):
        misfit = data - pressures(m, d, wells)
        jacobian = npg.jacobian(pressures)(m, d, wells)
        total = jacobian @ prior @ jacobian.T + noise**2 * npg.eye(len(data), device=m.device)
        gain = npg.linalg.solve(total, jacobian @ prior).T
        new = gain @ (misfit + jacobian @ m)
        print(f"step {step + 1}   misfit {npg.sqrt(npg.mean(misfit**2)) / noise:9.3f} deviations")
        if npg.max(npg.abs(new - m)) < 1e-6:
            return new, prior - gain @ jacobian @ prior
        m = new
    raise RuntimeError(f"no convergence in {steps} steps")


def main():
    """Measure, estimate, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=16, help="cells along a side (16)")
    options.add_argument("--plot", default="inverse_problem.png", help="file of the picture")
    chosen = options.parse_args()
    n, rng = chosen.size, npg.random.default_rng(1)
    d, prior = slopes(n), covariance(n)
    print(f"device {d.device} ({d.device.backend.name})")
    truth = npg.linalg.cholesky(prior) @ rng.standard_normal(n * n)
    lines = npg.arange(n // 8, n, n // 4)
    wells = (n * lines[:, None] + lines).flatten()
    exact = pressures(truth, d, wells)
    noise = NOISE * npg.max(exact)
    data = exact + noise * rng.standard_normal(len(exact))
    m, left = estimate(data, d, wells, prior, noise)
    deviation, error = npg.sqrt(left.diagonal()), npg.abs(m - truth)
    size, off = npg.sqrt(npg.mean(truth**2)), npg.sqrt(npg.mean(error**2))
    print(f"log k, of size {size:.3f}, is {off:.3f} off, where {npg.mean(deviation):.3f} is stated")
    print(f"{npg.mean(error < 2 * deviation):.0%} of the cells are within two deviations")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture, as matplotlib is missing: pip install matplotlib")
        return
    figure = Figure(figsize=(10, 3), layout="constrained")
    fields = {"log k": truth, "estimate of log k": m, "deviation of the estimate": deviation}
    for axes, (title, field) in zip(figure.subplots(1, 3), fields.items(), strict=True):
        figure.colorbar(axes.imshow(field.reshape(n, n)), ax=axes)
        axes.plot(wells % n, wells // n, "w.")
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()
