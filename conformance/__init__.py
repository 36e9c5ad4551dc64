"""Suites numpygrad did not write, run over every backend: `python -m conformance`.

The official suite (data-apis/array-api-tests) runs where its checkout is given, the differential
run against array-api-strict always. `array_api_2025_12.json` is the standard's own list of names
and signatures, taken from the stubs of data-apis/array-api at the commit its key `source` names.
"""
