"""What this machine offers to a network, and the choice among it: library, device, number format.

bf16 is chosen on a processor only where it is quicker than fp32 there (`is_quick_in_bf16`). fp16 is never
chosen, and int8 only where it is asked for.
"""

import importlib.util
import logging
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

Runtime = Literal["auto", "openvino", "torch"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
Device = Literal["auto", "cpu", "cuda"]
PROCESSOR_FACTS = Path("/proc/cpuinfo")
_log = logging.getLogger("mrlf")


@dataclass(frozen=True)
class Running:
    """How a network runs; its text is what stage records and reports show."""

    runtime: Literal["openvino", "torch"]
    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16", "int8"]

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision} on {self.device}"


def choose_running(runtime: Runtime = "auto", precision: Precision = "auto", device: Device = "auto") -> Running:
    """What was asked for, and for each "auto" the quickest that this machine has.

    Raises:
        ValueError: what was asked for is not to be had here.
    """
    if precision == "int8":
        return _int8(runtime, device)
    if runtime == "openvino" and device == "cuda":
        raise ValueError("openvino computes on the processor only: choose runtime=torch for the GPU, or device=cpu")
    if runtime == "openvino" and not has_openvino():
        raise ValueError(
            "runtime=openvino was asked for, but the package is not installed: pip install openvino (it comes with "
            "the extra `cpu`), or choose runtime=auto"
        )
    if runtime != "openvino" and device != "cpu":
        problem = gpu_problem()
        if problem is None:
            return Running("torch", "cuda", "bf16" if precision == "auto" else precision)
        if device == "cuda":
            raise ValueError(f"device=cuda was asked for, but {problem}; choose device=auto or cpu")
        if torch.cuda.is_available():
            _log.warning("There is a GPU, but %s: the processor takes its place.", problem)
    library: Literal["openvino", "torch"] = "openvino" if runtime != "torch" and has_openvino() else "torch"
    return Running(library, "cpu", _precision_on_cpu(precision, library))


def _int8(runtime: Runtime, device: Device) -> Running:
    """int8 is OpenVINO's on the processor, also where there is a GPU."""
    if runtime == "torch" or device == "cuda":
        raise ValueError(
            "precision=int8 is computed by OpenVINO on the processor only: choose runtime=auto and device=auto, or "
            "another precision"
        )
    if not has_openvino():
        raise ValueError(
            "precision=int8 was asked for, but OpenVINO is not installed: pip install openvino (it comes with the "
            "extra `cpu`), or choose precision=auto"
        )
    return Running("openvino", "cpu", "int8")


def has_openvino() -> bool:
    """Whether OpenVINO is installed; it is not imported for the answer."""
    return importlib.util.find_spec("openvino") is not None


def gpu_problem() -> str | None:
    """Why CUDA cannot be used, None where it can: asked by a small computation, since a lost driver still counts."""
    if not torch.cuda.is_available():
        return "torch sees no GPU here (`nvidia-smi` shows whether there is one and its driver answers)"
    try:
        torch.ones(1, device="cuda").add_(1).cpu()
    except RuntimeError as error:
        return f"it does not answer ({str(error).splitlines()[0]})"
    return None


def device_for(wish: str) -> str:
    """The device that a wish means: for "auto" cuda where a GPU answers and else cpu, any other as it is."""
    if wish != "auto":
        return wish
    return "cpu" if gpu_problem() else "cuda"


def is_quick_in_bf16(library: str = "torch") -> bool:
    """Whether the processor computes quicker in bf16 than in fp32; no, where that cannot be read (outside Linux).

    Intel's do by AMX: with avx512_bf16 alone (AMX hidden by a virtual machine) VGG19 took 1.8 times as long in bf16 as
    in fp32 with OpenVINO and 1.7 times with torch, EfficientNet-Lite0 1.5 times. AMD's do by avx512_bf16.
    """
    flags = _processor_words("flags", "Features")
    if platform.machine().lower() in ("aarch64", "arm64"):
        return library == "torch" and "bf16" in flags
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "GenuineIntel" not in _processor_words("vendor_id"))


def _precision_on_cpu(precision: Literal["auto", "fp32", "bf16"], library: str) -> Literal["fp32", "bf16"]:
    is_quick = is_quick_in_bf16(library)
    if precision == "bf16" and not is_quick:
        _log.warning("precision=bf16 was asked for, but this processor is slower in it than in fp32.")
    if precision == "auto":
        return "bf16" if is_quick else "fp32"
    return precision


def _processor_words(*names: str) -> frozenset[str]:
    """The words after one of these names, of the first core; x86 has `flags`, ARM has `Features`."""
    try:
        lines = PROCESSOR_FACTS.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, values = line.partition(":")
        if name.strip() in names:
            return frozenset(values.split())
    return frozenset()
