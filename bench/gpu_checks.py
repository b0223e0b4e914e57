"""What must be equal on a device: precisions, batches, the Fourier transform, compiled and not.

Needs torch and torchvision only. The weights are random and of the true shape.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.networks import LAMA, U2NET, Network
from models.vision.fourier import fourier_matrices, irfft2, rfft2
from models.vision.running import Runner, Running
from models.vision.torch_network import TorchNetwork

NUM_PICTURES = 8
FP32_ERROR = 1e-4
"""of the largest value: the order in which sums are made differs between batches and kernels"""
FOURIER_ERROR = 1e-5
MIN_IOU = 0.98
MIN_CORRELATION = 0.99


@dataclass(frozen=True)
class Check:
    """A comparison; `found` must be at most (or at least) `bound`."""

    name: str
    found: float
    bound: float
    is_at_least: bool = False

    @property
    def is_passed(self) -> bool:
        """False also where something is not a number."""
        return self.found >= self.bound if self.is_at_least else self.found <= self.bound

    def report(self) -> bool:
        """Print it; whether it passed."""
        sign = ">=" if self.is_at_least else "<="
        print(f"{'ok    ' if self.is_passed else 'FAILED'} {self.name}: {self.found:.4g} {sign} {self.bound:g}")
        return self.is_passed


def checks(device: str, modules: Mapping[Network, nn.Module], sides_px: Mapping[Network, int]) -> Iterator[Check]:
    """All comparisons on this device."""
    yield fourier_check(device)
    for network, module in modules.items():
        yield from network_checks(network, module, network.make_inputs(NUM_PICTURES, sides_px[network]), device)


def network_checks(network: Network, module: nn.Module, inputs: tuple[Tensor, ...], device: str) -> Iterator[Check]:
    """One network: batch 1 against 8, compiled against eager, bf16 against fp32."""

    def run(precision: str, batch_size: int) -> Tensor:
        running = Running("torch", device, precision)
        return Runner(module, running, batch_size=batch_size, has_compiling=False)(*inputs)

    exact = run("fp32", NUM_PICTURES)
    yield Check(f"{network.name}: batch 1 against {NUM_PICTURES}, fp32", error(run("fp32", 1), exact), FP32_ERROR)
    yield Check(f"{network.name}: compiled against eager, fp32", error(compiled(module, inputs, device), exact), 1e-3)
    rounded = run("bf16", NUM_PICTURES)
    if network is U2NET:
        found = intersection_over_union(rounded > 0.5, exact > 0.5)
        yield Check(f"{network.name}: masks in bf16 against fp32, IoU", found, MIN_IOU, is_at_least=True)
    else:
        found = correlation(rounded, exact)
        least = MIN_CORRELATION if network is LAMA else 0.999
        yield Check(f"{network.name}: bf16 against fp32, correlation", found, least, is_at_least=True)


def compiled(module: nn.Module, inputs: tuple[Tensor, ...], device: str) -> Tensor:
    """The output of the compiled network; on the processor its graph is captured, but no kernels are made of it."""
    network = TorchNetwork(module, device, "fp32", backend="inductor" if device == "cuda" else "eager")
    network(inputs)
    result = network(inputs)
    assert network.is_compiled, "the compile failed: its reason stands above"
    return result


def fourier_check(device: str) -> Check:
    """Matrix products against torch.fft, there and back, on maps of sizes that are no powers of two."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for height, width in [(64, 64), (15, 22), (9, 7)]:
        maps = torch.randn(2, 3, height, width, generator=generator).to(device)
        matrices = fourier_matrices(height, width, maps)
        spectra = rfft2(maps, matrices)
        theirs = torch.view_as_real(torch.fft.rfft2(maps, norm="ortho"))
        theirs = theirs.permute(0, 1, 4, 3, 2).flatten(1, 2)  # real and imaginary beside each other, on their side
        worst = max(worst, error(spectra, theirs), error(irfft2(spectra, matrices), maps))
    return Check("matrix-product Fourier against torch.fft", worst, FOURIER_ERROR)


def error(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


def intersection_over_union(one: Tensor, two: Tensor) -> float:
    """Of two masks; 1 where both are empty."""
    union = (one | two).sum()
    return float((one & two).sum() / union) if union else 1.0


def correlation(one: Tensor, two: Tensor) -> float:
    """Pearson's, over all values."""
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])
