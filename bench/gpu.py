"""The networks on a bare GPU: images per second, their share of what the GPU can multiply in bf16, and equal output.

Needs torch and torchvision only, no other package of the pipeline: `python -m bench.gpu`. Where there is no GPU it
says so and makes the same checks at a small size on the processor. Ends with status 1 where a check fails.
"""

import argparse
import copy
import platform
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.gpu_checks import checks
from bench.networks import NETWORKS
from bench.result import print_result
from models.vision.torch_network import TorchNetwork

DATASHEET_TFLOPS = {"H200": 989.0, "H100": 989.0, "GH200": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0}
"""dense bf16, without sparsity, as the makers state it"""
SMALL_SIDE_PX = 32
"""without a GPU: what the checks can do with"""


def main() -> int:
    """Checks, then figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 32], help="pictures in one pass")
    parser.add_argument("--eager", action="store_true", help="do not compile")
    arguments = parser.parse_args()
    has_gpu = torch.cuda.is_available()
    device = "cuda" if has_gpu else "cpu"
    name = torch.cuda.get_device_name() if has_gpu else platform.processor() or platform.machine()
    if not has_gpu:
        print("no GPU: torch.cuda.is_available() is false. The same at a small size on the processor, as a check only")
    print(f"torch {torch.__version__} on {name}")
    sides_px = {network: network.side_px if has_gpu else SMALL_SIDE_PX for network in NETWORKS}
    modules = {network: network.make_module() for network in NETWORKS}
    is_equal = all([check.report() for check in checks(device, modules, sides_px)])
    limit = matrix_tflops(device, 8192 if has_gpu else 512)
    print(f"bf16 limit: {limit:.1f} TFLOP/s measured{datasheet(name)}")
    for network in NETWORKS:
        gflop = convolution_gflop(modules[network], network.make_inputs(1, sides_px[network]))
        for batch_size in arguments.batch_sizes if has_gpu else [1]:
            inputs = network.make_inputs(batch_size, sides_px[network])
            reached = measure(network.name, modules[network], inputs, device, gflop, is_eager=arguments.eager)
            if reached is not None:
                share = f"{reached / limit:.0%} of the limit"
                print(f"{network.name} {sides_px[network]} px, {batch_size} a pass: {reached:.2f} TFLOP/s, {share}")
                print_result(
                    f"gpu {network.name} {batch_size}", ours=reached, peer=limit, unit="TFLOP/s", is_more_better=True
                )
    print("every check passed" if is_equal else "A CHECK FAILED: see above")
    return 0 if is_equal else 1


def measure(
    name: str, module: nn.Module, inputs: tuple[Tensor, ...], device: str, gflop: float, *, is_eager: bool
) -> float | None:
    """TFLOP/s of the network alone; prints images/s, also with pictures that come from the processor's memory.

    None where the GPU's memory does not suffice.
    """
    has_compiling, batch_size = device == "cuda" and not is_eager, len(inputs[0])
    try:
        network = TorchNetwork(module, device, "bf16", has_compiling=has_compiling)
        placed = network.placed(inputs)
        alone = batch_size / seconds_each(lambda: network.on_device(placed), device)
        whole = batch_size / seconds_each(lambda: network(inputs), device)
    except torch.OutOfMemoryError:
        print(f"{name}, {batch_size} a pass: out of memory")
        return None
    how = "compiled" if network.is_compiled else "eager"
    torch.compiler.reset()  # what was compiled for this size holds memory
    print(
        f"{name}, {batch_size} a pass, {how}: {alone:.1f} images/s of {gflop:.1f} GFLOP each, {whole:.1f} images/s "
        "from and to the processor's memory"
    )
    return alone * gflop / 1000


def convolution_gflop(module: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Operations (two to a multiplication with its addition) of the convolutions for one picture, counted."""
    weightless = copy.deepcopy(module).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        weightless(*[tensor.to("meta") for tensor in inputs])
    return float(counter.get_flop_counts()["Global"][torch.ops.aten.convolution]) / 1e9


def matrix_tflops(device: str, size: int) -> float:
    """What a large product of bf16 matrices reaches on this device."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds_each(lambda: left @ right, device) / 1e12


def datasheet(name: str) -> str:
    """What the maker states, where we know it."""
    known = [tflops for part, tflops in DATASHEET_TFLOPS.items() if part in name]
    return f", {known[0]:.0f} by its data sheet" if known else ""


def seconds_each(work: Callable[[], object], device: str) -> float:
    """Seconds of one call: the mean over about a second on a GPU, after three to warm up and to compile."""
    num_warm, least_s, num_between = (3, 1.0, 4) if device == "cuda" else (1, 0.0, 1)
    for _ in range(num_warm):
        work()
    num_calls, started = 0, synchronised(device)
    while True:
        for _ in range(num_between):
            work()
        num_calls += num_between
        if (seconds := synchronised(device) - started) > least_s:
            return seconds / num_calls


def synchronised(device: str) -> float:
    """The time when all that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    raise SystemExit(main())
