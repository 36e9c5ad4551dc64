"""Suites of libraries that take any array-API namespace, run with numpygrad as the namespace."""
