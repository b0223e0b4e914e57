"""Training steps on a GPU as CUDA graphs: a whole step is one launch.

A step of MRLF at batch 128 is many hundred small kernels, and starting them one by one takes longer than running them.
So a step is captured once for each of the few shapes that `data.encoded_split.DeviceSplit` pads batches to, from
the cutting of the batch to the optimiser, and replayed. Batches of another size, and all of them after memory ran
short, take plain steps. Where capturing fails, a warning is logged and plain steps follow: slower, equal results.
Not covered: networks that wait for the device in `forward`; they cannot be captured.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from models.data.encoded_split import DeviceSplit, Widths
from models.training.run import Run
from models.training.steps import Steps
from models.training.training_loss import FiniteGuard, TrainingLoss

NUM_WARM_UPS = 3
_log = logging.getLogger(__name__)


class CudaSteps(Steps):
    """Steps that are captured at their first use and replayed from then on."""

    def __init__(self, run: Run, data: DeviceSplit, loss: TrainingLoss, guard: FiniteGuard) -> None:
        super().__init__(run, data, loss, guard)
        self.device_data = data
        self.can_capture = True
        self.rows_B = torch.zeros(run.config.batch_size, dtype=torch.int64, device=run.device)
        self._graphs: dict[Widths, torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle()
        initialise(run.optimiser)

    def take(self, rows: np.ndarray) -> None:
        """One step on the samples `rows`."""
        if len(rows) != len(self.rows_B) or self.run.num_parts > 1 or not self.can_capture:
            return super().take(rows)
        self.rows_B.copy_(torch.from_numpy(rows), non_blocking=True)
        widths = self.device_data.widths(rows)
        if widths not in self._graphs and not self._has_captured(widths):
            return super().take(rows)
        self._graphs[widths].replay()
        return None

    def _has_captured(self, widths: Widths) -> bool:
        graph = torch.cuda.CUDAGraph()
        try:
            with unchanged(self.run, self.guard):
                self._warm_up(widths)
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(widths)
        except RuntimeError as error:  # also what CUDA itself reports, and memory that is short
            self.can_capture = False
            self._graphs.clear()
            self.run.optimiser.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            reason = str(error).split("\n")[0]
            _log.warning("A step could not be captured as a CUDA graph (%s): plain steps are taken, slower.", reason)
            return False
        self._graphs[widths] = graph
        return True

    def _warm_up(self, widths: Widths) -> None:
        """Let libraries and kernels be made ready, on a stream of its own as capturing asks for."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(NUM_WARM_UPS):
                self._step(widths)
        torch.cuda.current_stream().wait_stream(stream)

    def _step(self, widths: Widths) -> None:
        self.run.optimiser.zero_grad(set_to_none=True)
        batch, labels_B = self.device_data.cut_on_device(self.rows_B, widths)
        loss = self.backward([(batch, labels_B)], self.loss.total_weight(labels_B))
        self.update(loss, len(self.rows_B))


def initialise(optimiser: torch.optim.Optimizer) -> None:
    """Make the optimiser's state before a step is captured: inside, it would be set to zero at every replay."""
    groups = optimiser.param_groups
    if optimiser.state:
        return
    rates = [group["lr"] for group in groups]
    parameters = [parameter for group in groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    for group in groups:
        group["lr"] = torch.zeros_like(group["lr"]) if isinstance(group["lr"], Tensor) else 0.0
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    for tensor in state_tensors(optimiser):
        tensor.zero_()
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate


def state_tensors(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    """Moments and counters."""
    return [value for entry in optimiser.state.values() for value in entry.values() if isinstance(value, Tensor)]


@contextmanager
def unchanged(run: Run, guard: FiniteGuard) -> Iterator[None]:
    """Put weights, moments, counters and generators back afterwards, each where it lies."""
    tensors = [*run.model.state_dict().values(), *state_tensors(run.optimiser), *run.learning_rates]
    tensors += [run.loss_sum, guard.step, guard.bad_step, guard.bad_what]
    copies = [tensor.clone() for tensor in tensors]
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        yield
    for tensor, copy in zip(tensors, copies, strict=True):
        tensor.copy_(copy)
