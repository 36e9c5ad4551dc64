"""Equations solved, and differentiated as equations: `root`, `fixed_point`, `odeint`.

What solves them is not recorded: a solution's derivative follows from the equation it solves.
"""
