"""Derivatives compared with differences: what is behind `testing.check_grads`."""
