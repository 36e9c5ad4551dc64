"""Benchmarks of numpygrad against its peers: run `python -m benchmarks` from the repository root.

Every library is held to one thread, and JAX to the CPU. They read these variables as they are
imported, so they are set here, before any module of this package imports one of them.
"""

import os

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMPYGRAD_NUM_THREADS": "1",
    # Without this JAX's own pool has a thread a core, whatever the flags for Eigen's say.
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}

os.environ.update(ONE_THREAD)
