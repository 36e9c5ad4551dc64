"""Memory of the perceptron's training step at batch 1024.

Counted are the bytes that a step allocates, not the weights and the batch that were there before:
for what runs on NumPy, with tracemalloc, which sees NumPy's buffers; for PyTorch, whose
buffers it does not see, the distinct storages that its graph saves.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks import mlp, peers
from benchmarks.mlp import Problem
from benchmarks.report import Measurement, ratios_to
from benchmarks.timing import BASELINE, Effort, announce, left_out

BATCH = 1024


def measurements(effort: Effort) -> Iterator[Measurement]:
    """What is held between forward and backward, then the peak of a whole step."""
    given = mlp.problem(BATCH)
    yield measured(f"MLP batch {BATCH}, held for backward", HELD, given)
    yield measured(f"MLP batch {BATCH}, peak of a step", PEAKS, given)


def measured(
    name: str, contestants: Mapping[str, Callable[[Problem], int]], given: Problem
) -> Measurement:
    """Bytes by contestant."""
    figures = {}
    for contestant, count in contestants.items():
        try:
            figures[contestant] = float(count(given))
        except ModuleNotFoundError as error:
            left_out(str(error))
    announce(f"{name}: done")
    return Measurement(name, "B", figures, ratios_to(BASELINE, figures))


def traced(run: Callable[[], Any]) -> tuple[int, int]:
    """Bytes held by what `run` returns, and the peak while it ran; the second of two runs."""
    run()
    gc.collect()
    tracemalloc.start()
    result = run()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return held, peak


def held_by_hand(given: Problem) -> int:
    """What an expert keeps: both hidden layers and the probabilities."""
    return traced(lambda: mlp.forward_by_hand(given.parameters, given))[0]


def held_by_numpygrad(given: Problem) -> int:
    """The graph behind the loss."""
    arrays = mlp.numpygrad_tensors(given)
    return traced(lambda: mlp.numpygrad_loss(*arrays))[0]


def held_by_autograd(given: Problem) -> int:
    """The graph behind the pullback."""
    make_vjp = peers.autograd().make_vjp(mlp.autograd_loss)
    return traced(lambda: make_vjp(given.parameters, given.x, given.one_hot))[0]


def held_by_mygrad(given: Problem) -> int:
    """The graph behind the loss."""
    arrays = mlp.mygrad_tensors(given)
    return traced(lambda: mlp.mygrad_loss(*arrays))[0]


def held_by_torch(given: Problem) -> int:
    """The distinct storages that the graph saves, other than the weights and the batch."""
    torch = peers.torch()
    parameters, x, labels = mlp.torch_tensors(given)
    there_before = {t.untyped_storage().data_ptr() for t in (*parameters, x, labels)}
    sizes: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in there_before:
            sizes[storage.data_ptr()] = storage.nbytes()
        # Held as the graph holds it, so that no later tensor is given the same address.
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = mlp.torch_loss(parameters, x, labels)
    del loss
    return sum(sizes.values())


def peak_of(build: Callable[[Problem], Any]) -> Callable[[Problem], int]:
    """The peak of one of the timed contestants."""
    return lambda given: traced(build(given).run)[1]


HELD: Mapping[str, Callable[[Problem], int]] = {
    "numpy": held_by_hand,
    "numpygrad": held_by_numpygrad,
    "torch": held_by_torch,
    "autograd": held_by_autograd,
    "mygrad": held_by_mygrad,
}

PEAKS: Mapping[str, Callable[[Problem], int]] = {
    name: peak_of(build)
    for name, build in mlp.CONTESTANTS.items()
    if name in ("numpy", "numpygrad", "autograd", "mygrad")
}
