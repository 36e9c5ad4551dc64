"""Lazy execution: from calls that are recorded to programs that run.

`deferred` has what stands for arrays to come, `shapes` what is known of them, `lifting` the way
between them and eager arrays, `realize` the way to values: a `program`, simplified by `passes`,
that a backend's executor runs. `fusion` and `grouping` are for executors.
"""
