"""Fit hares and lynx on every installed backend, and compare: the same code, the same numbers.

Run `python examples/every_backend.py`; the exit status is 1 if two backends disagree.
"""

import sys
import time

import lynx_hare

import numpygrad as npg

TOLERANCE = 1e-8
"""Largest relative difference; rounding, carried through the iterations, leaves about 1e-12."""


def main() -> int:
    """Print a row of fitted parameters for each backend; 0 if they agree, else 1."""
    names = [name for name, *_ in lynx_hare.PARAMETERS]
    print(f"{'device':12}", *(f"{name:>9}" for name in names), "  seconds")
    fitted = []
    for backend in npg.installed_backends():
        with npg.device(backend) as device:
            started = time.perf_counter()
            best, *_ = lynx_hare.fit(lynx_hare.read_record()[1])
            seconds = time.perf_counter() - started
            fitted.append(npg.exp(best).to("numpy:cpu"))
        print(f"{device:12}", *(f"{value:#9.4g}" for value in fitted[-1]), f"{seconds:9.1f}")
    first = fitted[0]
    worst = max(npg.max(npg.abs(other / first - 1)).item() for other in fitted)
    verdict = "agree" if worst <= TOLERANCE else "DISAGREE"
    print(f"\n{len(fitted)} backends {verdict}: relative differences up to {worst:.0e}", end="")
    print(f" (tolerance {TOLERANCE:.0e})")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
