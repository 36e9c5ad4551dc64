"""Fit the Lotka-Volterra equations to the hares and lynx of the Hudson's Bay Company, 1900-1920.

    du/dt = alpha u - beta u v        dv/dt = delta u v - gamma v        u hares, v lynx

A Runge-Kutta solver in plain array code leads from four rates and two first populations to the
whole record; the gradient of the misfit flows back through every step of it to all six, and BFGS
follows it down. Residuals are those of the logarithms, of one size for both species, much as in
B. Carpenter, "Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan" (2018).

Run `python examples/lynx_hare.py`; with `NUMPYGRAD_BACKEND=jax` in front, it runs on JAX.
"""

import argparse
import csv
import math
import time
from pathlib import Path

from matplotlib.figure import Figure
from scipy.linalg import inv
from scipy.optimize import minimize

import numpygrad as npg

RECORD = Path(__file__).with_name("lynx_hare.csv")
SPECIES = ("hare", "lynx")
PARAMETERS = (  # name, Carpenter's posterior mean, unit, meaning; what is fitted is the logarithm
    ("alpha", 0.55, "1/year", "growth of hares without lynx"),
    ("gamma", 0.80, "1/year", "decline of lynx without hares"),
    ("beta", 0.028, "1/year/1000 lynx", "hares lost to lynx"),
    ("delta", 0.024, "1/year/1000 hares", "lynx fed by hares"),
    ("u(1900)", 34.0, "1000 pelts a year", "hares at the start"),
    ("v(1900)", 6.0, "1000 pelts a year", "lynx at the start"),
)


def read_record():
    """The years, a list of n, and the pelts of hares and lynx in thousands, shape (n, 2)."""
    with RECORD.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    pelts = [[float(row[name]) for name in SPECIES] for row in rows]
    return [int(row["year"]) for row in rows], npg.array(pelts)


def solve(parameters, years, steps):
    """Logarithms of both populations, `steps` times a year: shape (years * steps + 1, 2)."""
    own, coupling, z = parameters[:2], parameters[2:4], parameters[4:]
    signs = npg.array([1.0, -1.0], device=parameters.device)
    growth, effect = signs * npg.exp(own), -signs * npg.exp(coupling)

    def slope(z):
        """Change of a logarithm: the species' own rate, and what the other species makes of it."""
        return growth + effect * npg.flip(npg.exp(z))

    h = 1 / steps
    path = [z]
    for _ in range(years * steps):
        k1 = slope(z)
        k2 = slope(z + h / 2 * k1)
        k3 = slope(z + h / 2 * k2)
        k4 = slope(z + h * k3)
        z = z + h / 6 * (k1 + 2 * (k2 + k3) + k4)
        path.append(z)
    return npg.stack(path)


def residuals(parameters, pelts, steps):
    """Logarithm of counted over computed pelts, shape (n, 2)."""
    return npg.log(pelts) - solve(parameters, len(pelts) - 1, steps)[::steps]


def misfit(parameters, pelts, steps):
    """Half the sum of squared residuals."""
    return npg.sum(residuals(parameters, pelts, steps) ** 2) / 2


def first_guess(pelts):
    """Parameters of a cycle of ten years about the mean populations, from the first count on."""
    rates = npg.full(2, 2 * math.pi / 10, device=pelts.device)
    coupling = rates / npg.flip(npg.mean(pelts, axis=0))
    return npg.log(npg.concat([rates, coupling, pelts[0]]))


def fit(pelts, steps=4, show=print):
    """The parameters of least misfit, their covariance, and the residual standard deviation.

    The covariance is Gauss and Newton's, sigma**2 inv(J^T J): J holds the derivatives of the
    residuals, one forward-mode pass for each parameter.
    """
    evaluations = []

    def loss_and_gradient(x):
        loss, gradient = npg.value_and_grad(misfit)(npg.array(x), pelts, steps)
        evaluations.append(loss)
        size = npg.sqrt(npg.sum(gradient**2))
        show(f"{len(evaluations):10d}  {loss:10.6f}  {size:10.2e}")
        return loss.item(), gradient.numpy()

    show("evaluation        loss  |gradient|")
    start = first_guess(pelts).numpy()
    best = npg.array(minimize(loss_and_gradient, start, jac=True, method="BFGS").x)
    left = residuals(best, pelts, steps)
    sigma = npg.sqrt(npg.sum(left**2) / (left.size - best.size))
    columns = [
        npg.jvp(lambda p: residuals(p, pelts, steps), (best,), (direction,))[1].flatten()
        for direction in npg.eye(best.size)
    ]
    jacobian = npg.stack(columns, axis=1)
    return best, sigma**2 * npg.array(inv((jacobian.T @ jacobian).numpy())), sigma


def describe(best, covariance, sigma, pelts, steps):
    """The estimates with their standard errors, and how good the fit is, as text."""
    values = npg.exp(best)
    errors = values * npg.sqrt(covariance.diagonal())  # from those of the logarithms
    lines = ["parameter    estimate   std. error   published   unit"]
    for i, (name, published, unit, meaning) in enumerate(PARAMETERS):
        numbers = f"{values[i]:#12.4g} {errors[i]:#12.2g} {published:11g}"
        lines.append(f"{name:9}{numbers}   {unit:18} {meaning}")
    unexplained = npg.mean(residuals(best, pelts, steps) ** 2, axis=0)
    hares, lynx = 1 - unexplained / npg.var(npg.log(pelts), axis=0)
    return "\n".join(lines) + (
        f"\n\nOne standard deviation of the counts is a factor of {npg.exp(sigma):.2f}. Of the "
        f"variance of\ntheir logarithms the fit explains {hares:.0%} (hares) and {lynx:.0%} (lynx)."
    )


def plot(best, sigma, years, pelts, path):
    """Save an image of the counted pelts and the fitted populations, with a band of one sigma."""
    curves = npg.exp(solve(best, len(years) - 1, steps=12)).numpy()
    times = npg.linspace(years[0], years[-1], len(curves)).numpy()
    factor = npg.exp(sigma).item()
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for i, (name, color) in enumerate([("hares", "tab:blue"), ("lynx", "tab:red")]):
        axes.fill_between(
            times, curves[:, i] / factor, curves[:, i] * factor, color=color, alpha=0.12
        )
        axes.plot(times, curves[:, i], color=color, label=f"{name}, fitted")
        axes.plot(years, pelts.numpy()[:, i], "o", color=color, label=f"{name}, counted")
    axes.set(
        title="Lotka-Volterra equations fitted to pelts, with a band of one standard deviation"
    )
    axes.set(xlabel="year", ylabel="pelts (thousands a year)", xticks=years[::2], ylim=(0, None))
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=150)


def main():
    """Fit, print and plot, as the command line asks."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--steps", type=int, default=4, help="Runge-Kutta steps a year (4)")
    options.add_argument("--plot", type=Path, default="lynx_hare.png", help="file of the plot")
    options.add_argument("--quiet", action="store_true", help="print the result alone")
    chosen = options.parse_args()
    years, pelts = read_record()
    print(f"device {pelts.device} ({pelts.device.backend.name})\n")
    started = time.perf_counter()
    result = fit(pelts, chosen.steps, show=(lambda line: None) if chosen.quiet else print)
    seconds = time.perf_counter() - started
    print(f"\n{describe(*result, pelts, chosen.steps)}")
    plot(result[0], result[2], years, pelts, chosen.plot)
    print(f"\nfitted in {seconds:.1f} s, plot in {chosen.plot}")


if __name__ == "__main__":
    main()
