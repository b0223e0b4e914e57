"""Runs a network over any number of pictures: the library, device and precision chosen, the batches sized.

`choose_running` says where and how, `Runner` does it; both are all that a stage needs to know.
Shape letter: N pictures.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from models.settings.machine import Device, Precision, Running, Runtime, choose_running
from models.vision.openvino_network import OpenvinoNetwork
from models.vision.torch_network import TorchNetwork

__all__ = ["Device", "DeviceLostError", "Precision", "Runner", "Running", "Runtime", "choose_running"]

BATCH_SIZE = {"cpu": 1, "cuda": 32}
"""on a processor larger batches fall out of the cache: U²-Net is a third slower with 4"""
_log = logging.getLogger("mrlf")


class DeviceLostError(RuntimeError):
    """The GPU stopped answering; this process cannot use it any more."""


class Runner:
    """A module (evaluating, fp32, batch norm folded already) that is called with any number of pictures.

    module: for OpenVINO also the path of its own file, as `models.vision.int8` writes it.
    batch_size: pictures in one pass, None for what suits the device. Where memory does not suffice it is halved, for
    later calls too; the results stay the same.
    """

    def __init__(
        self, module: nn.Module | Path, running: Running, *, batch_size: int | None = None, has_compiling: bool = True
    ) -> None:
        self.running = running
        self.batch_size = batch_size or BATCH_SIZE[running.device]
        self._network: OpenvinoNetwork | TorchNetwork
        if running.runtime == "openvino":
            self._network = OpenvinoNetwork(module, running.precision)
        else:
            assert isinstance(module, nn.Module), "torch runs no file of OpenVINO's"
            self._network = TorchNetwork(
                module, running.device, running.precision, has_compiling=has_compiling and running.device == "cuda"
            )

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The module's output for all N, float32 on the CPU; every input is a CPU tensor of N items, N at least 1.

        Raises:
            torch.OutOfMemoryError: memory does not suffice for a single picture.
            DeviceLostError: the GPU stopped answering; what was committed before is kept.
        """
        return torch.cat(list(self._batches(inputs)))

    def _batches(self, inputs: tuple[Tensor, ...]) -> Iterator[Tensor]:
        start, num_items = 0, len(inputs[0])
        while start < num_items:
            batch = tuple(tensor[start : start + self.batch_size] for tensor in inputs)
            try:
                result = self._network(batch)
            except torch.OutOfMemoryError as error:
                self._halve(len(batch[0]), error)
                continue
            except RuntimeError as error:
                raise self._explained(error) from error
            yield result
            start += len(batch[0])

    def _halve(self, num_tried: int, error: torch.OutOfMemoryError) -> None:
        if num_tried == 1:
            raise torch.OutOfMemoryError(
                f"the memory of the {self.running.device} does not suffice for a single picture ({error}); end other "
                "programs that use it, choose smaller pictures, or device=cpu"
            ) from error
        self.batch_size = num_tried // 2
        _log.warning("Out of memory with %d pictures at a time: on with %d.", num_tried, self.batch_size)
        if self.running.device == "cuda":
            torch.cuda.empty_cache()

    def _explained(self, error: RuntimeError) -> RuntimeError:
        if self.running.device != "cuda" or "CUDA error" not in str(error):
            return error
        return DeviceLostError(
            f"the GPU stopped answering ({str(error).splitlines()[0]}); what was committed is kept: start again, with "
            "device=cpu if it does not come back"
        )
