"""A torch module on the processor or the GPU: channels_last, bf16 where asked, compiled on the GPU.

A shape is compiled when it comes a second time: the last, shorter batch and a shape seen once do not pay for it.
"""

import copy
import logging
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

MULTIPLIERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""layers whose weights autocast would round to bf16 at every call; rounded once, they stay so"""
_log = logging.getLogger("mrlf")


class TorchNetwork:
    """Calls like the module: CPU tensors in, one float32 CPU tensor out.

    has_compiling: whether a GPU's network is compiled (torch.compile with CUDA graphs); a failure is logged and costs
    speed only.
    """

    def __init__(
        self, module: nn.Module, device: str, precision: str, *, has_compiling: bool = True, backend: Any = "inductor"
    ) -> None:
        self._device = torch.device(device)
        self._is_bf16 = precision == "bf16"
        self._network = self._placed(module)
        self._compiled: Any = None
        if has_compiling:
            mode = "reduce-overhead" if backend == "inductor" else None
            self._compiled = torch.compile(self._network, backend=backend, dynamic=False, mode=mode)
        self._num_seen: Counter[tuple[torch.Size, ...]] = Counter()

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.on_device(self.placed(inputs)).float().cpu()

    @property
    def is_compiled(self) -> bool:
        """Whether shapes that come again are compiled; no longer after a failure."""
        return self._compiled is not None

    def placed(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The inputs on the device, as the network wants them."""
        return tuple(self._place_input(tensor) for tensor in inputs)

    def on_device(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The network alone, from placed inputs to an output on the device; the next call may write over it."""
        shapes = tuple(tensor.shape for tensor in inputs)
        self._num_seen[shapes] += 1
        comes_again = self._num_seen[shapes] > 1
        autocast = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._is_bf16)
        # fp32 means fp32: by itself cuDNN would multiply with 10 bits (TF32)
        cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=comes_again, allow_tf32=False)
        with torch.inference_mode(), autocast, cudnn:
            result: Tensor = self._forward(inputs, comes_again)
            return result

    def _forward(self, inputs: tuple[Tensor, ...], comes_again: bool) -> Any:
        if self._compiled is None or not comes_again:
            return self._network(*inputs)
        try:
            return self._compiled(*inputs)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            _log.warning("torch.compile failed (%s): the network runs uncompiled, slower, with equal results.", reason)
            self._compiled = None
            return self._network(*inputs)

    def _placed(self, module: nn.Module) -> nn.Module:
        """A frozen copy on the device, so that the module given stays as it is."""
        network = copy.deepcopy(module).requires_grad_(False).eval()
        for layer in network.modules():
            if self._is_bf16 and isinstance(layer, MULTIPLIERS):
                layer.to(torch.bfloat16)
        return network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _place_input(self, tensor: Tensor) -> Tensor:
        layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        return tensor.to(self._device).contiguous(memory_format=layout)
