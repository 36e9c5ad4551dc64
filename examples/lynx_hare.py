"""Fit the Lotka-Volterra equations to the hares and lynx of the Hudson's Bay Company, 1900-1920.

    du/dt = alpha u - beta u v        dv/dt = delta u v - gamma v        u hares, v lynx

A Runge-Kutta solver in plain array code leads from four rates and two first populations to the
record; the gradient of the misfit flows back through every step, and BFGS follows it. Residuals are
those of the logarithms, much as in Carpenter, "Predator-Prey Population Dynamics" (Stan, 2018).
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import numpygrad as npg

PARAMETERS = (  # name, Carpenter's posterior mean, unit, meaning; what is fitted is the logarithm
    ("alpha", 0.55, "1/year", "growth of hares without lynx"),
    ("gamma", 0.80, "1/year", "decline of lynx without hares"),
    ("beta", 0.028, "1/year/1000 lynx", "hares lost to lynx"),
    ("delta", 0.024, "1/year/1000 hares", "lynx fed by hares"),
    ("u(1900)", 34.0, "1000 pelts a year", "hares at the start"),
    ("v(1900)", 6.0, "1000 pelts a year", "lynx at the start"),
)


def read_record():
    """Years, shape (n,), and pelts of hares and lynx in thousands, shape (n, 2)."""
    record = np.loadtxt(Path(__file__).with_name("lynx_hare.csv"), delimiter=",", skiprows=3)
    return npg.array(record[:, 0]), npg.array(record[:, 1:])


def solve(parameters, years, steps):
    """Logarithms of both populations, `steps` times a year: shape (years * steps + 1, 2)."""
    signs = npg.array([1.0, -1.0], device=parameters.device)
    growth, effect = signs * npg.exp(parameters[:2]), -signs * npg.exp(parameters[2:4])

    def slope(z):  # the species' own rate, and what the other species makes of it
        return growth + effect * npg.flip(npg.exp(z))

    h, path = 1 / steps, [parameters[4:]]
    for _ in range(years * steps):
        k1 = slope(path[-1])
        k2 = slope(path[-1] + h / 2 * k1)
        k3 = slope(path[-1] + h / 2 * k2)
        path.append(path[-1] + h / 6 * (k1 + 2 * (k2 + k3) + slope(path[-1] + h * k3)))
    return npg.stack(path)


def residuals(parameters, pelts, steps):
    """Logarithm of counted over computed pelts, shape (n, 2)."""
    return npg.log(pelts) - solve(parameters, len(pelts) - 1, steps)[::steps]


def misfit(parameters, pelts, steps):
    """Half the sum of squared residuals."""
    return npg.sum(residuals(parameters, pelts, steps) ** 2) / 2


def fit(pelts, steps=4, progress=False):
    """The parameters of least misfit, their covariance by Gauss and Newton, residual deviation."""
    rates = npg.full(2, 2 * npg.pi / 10, device=pelts.device)  # cycles of ten years about the mean
    start = npg.log(npg.concat([rates, rates / npg.flip(npg.mean(pelts, axis=0)), pelts[0]]))
    best = npg.optimize.minimize(misfit, start, (pelts, steps), progress=progress).x
    sigma = npg.sqrt(2 * misfit(best, pelts, steps) / (pelts.size - best.size))
    jacobian = npg.jacobian(residuals)(best, pelts, steps).reshape(-1, best.size)
    return best, sigma**2 * npg.linalg.inv(jacobian.T @ jacobian), sigma


def main():
    """Fit, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=4, help="Runge-Kutta steps a year (4)")
    options.add_argument("--plot", default="lynx_hare.png", help="file of the picture")
    chosen, (years, pelts) = options.parse_args(), read_record()
    print(f"device {pelts.device} ({pelts.device.backend.name})")
    best, covariance, sigma = fit(pelts, chosen.steps, progress=True)
    print("\nparameter    estimate  std. error  published  unit")
    rows = zip(PARAMETERS, npg.exp(best), npg.sqrt(covariance.diagonal()), strict=True)
    for (name, published, unit, meaning), value, error in rows:  # errors of the logarithm
        print(f"{name:9}{value:#12.4g} {value * error:#11.2g} {published:10g}  {unit:17} {meaning}")
    left = npg.mean(residuals(best, pelts, chosen.steps) ** 2, axis=0)
    hares, lynx = 1 - left / npg.var(npg.log(pelts), axis=0)
    print(f"\nThe fit explains {hares:.0%} of the variance of log hares, {lynx:.0%} of log lynx.")
    curves = npg.exp(solve(best, len(years) - 1, steps=12))
    times, factor = npg.linspace(1900, 1920, len(curves)), npg.exp(sigma)
    axes = Figure(figsize=(8, 4.5), layout="constrained").subplots()
    for name, color, curve, counted in zip(("hares", "lynx"), "br", curves.T, pelts.T, strict=True):
        axes.fill_between(times, curve / factor, curve * factor, color=color, alpha=0.12)
        axes.plot(times, curve, color, label=f"{name}, fitted")
        axes.plot(years, counted, color + "o", label=f"{name}, counted")
    axes.set(xlabel="year", ylabel="pelts (thousands a year)", xticks=years[::2], ylim=(0, None))
    axes.legend(loc="upper center", title=f"with a band of one deviation, a factor of {factor:.2f}")
    axes.figure.savefig(chosen.plot, dpi=150)
    print("picture in", chosen.plot)


if __name__ == "__main__":
    main()
