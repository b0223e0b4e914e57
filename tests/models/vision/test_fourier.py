"""The Fourier transform as matrix products: torch's numbers at every size, in an exported graph too."""

import importlib.util
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.vision import fourier
from models.vision.fourier import FourierMatrices, exact_matrices, fourier_matrices, irfft2, rfft2
from models.vision.openvino_network import compile_network

SIZES = [(1, 1), (1, 2), (2, 1), (3, 2), (5, 4), (4, 5), (7, 9), (16, 16), (33, 64), (135, 68), (68, 135)]


def maps(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def stacked(spectra_NCHF: Tensor) -> Tensor:
    """Complex maps as `rfft2` gives them: the parts as neighbouring channels, on their side."""
    parts = torch.stack([spectra_NCHF.real, spectra_NCHF.imag], dim=2).flatten(1, 2)
    return parts.transpose(2, 3)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_spectra_are_those_of_torch_fft(height, width):
    x = maps(height, width)
    expected = stacked(torch.fft.rfft2(x, norm="ortho"))
    assert (rfft2(x, fourier_matrices(height, width, x)) - expected).abs().max() <= 1e-5


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_way_back_is_that_of_torch_fft_for_spectra_of_no_real_map_too(height, width):
    frequencies = width // 2 + 1
    spectra = torch.complex(maps(height, frequencies), maps(height, frequencies, seed=1))
    expected = torch.fft.irfft2(spectra, s=(height, width), norm="ortho")
    found = irfft2(stacked(spectra), fourier_matrices(height, width, expected))
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5


def test_the_parts_of_a_channel_are_neighbours():
    x = torch.zeros(1, 2, 4, 4)
    x[0, 1, 1, 1] = 1
    spectra = rfft2(x, fourier_matrices(4, 4, x))
    assert spectra.shape == (1, 4, 3, 4)
    assert spectra[0, :2].abs().max() == 0
    assert spectra[0, 2, 0, 0] == pytest.approx(0.25)  # the mean of channel 1 is real
    assert spectra[0, 3, 0, 0] == pytest.approx(0.0)


@pytest.mark.slow
def test_large_sizes_lose_no_digits():
    """Every thirteenth position, the last among them, is led there and back."""
    matrices = exact_matrices(1351, 1350)
    for matrix, back in [(0, 3), (1, 2)]:
        num_positions = len(matrices[matrix])
        rows = np.arange(num_positions - 1, -1, -13)
        there_and_back = matrices[matrix][rows] @ matrices[back]
        assert np.abs(there_and_back - np.eye(num_positions)[rows]).max() < 1e-11


def test_bf16_stays_bf16_and_close():
    x = maps(32, 48)
    matrices = fourier_matrices(32, 48, x.bfloat16())
    spectra = rfft2(x.bfloat16(), matrices)
    assert spectra.dtype == torch.bfloat16
    expected = stacked(torch.fft.rfft2(x, norm="ortho"))
    assert (spectra.float() - expected).norm() / expected.norm() < 0.01
    assert (irfft2(spectra, matrices).float() - x).norm() / x.norm() < 0.015


def test_matrices_are_made_once_per_size_and_not_for_ever():
    x = maps(8, 8)
    assert fourier_matrices(8, 8, x).width_W_PF is fourier_matrices(8, 8, x).width_W_PF
    for size in range(1, 2 * fourier.CACHED_SIZES):
        fourier_matrices(size, 8, x)
    assert fourier._cached_matrices.cache_info().currsize <= fourier.CACHED_SIZES


class Loop(nn.Module):
    """There and back, with something in between that is not linear."""

    def forward(self, x: Tensor, *matrices: Tensor) -> Tensor:
        given = FourierMatrices(*matrices) if matrices else fourier_matrices(x.shape[2], x.shape[3], x)
        return irfft2(torch.relu(rfft2(x, given)), given)


class LoopOfAnySize(Loop):
    """The same, exported once."""

    def shape_constants(self, x: Tensor) -> FourierMatrices:
        return fourier_matrices(x.shape[2], x.shape[3], x)

    def smallest_inputs(self) -> tuple[Tensor]:
        return (maps(2, 3),)


def test_an_exported_graph_has_no_fourier_operator_and_the_same_numbers():
    x = maps(12, 9)
    exported = torch.export.export(Loop(), (x,))
    assert not [node for node in exported.graph.nodes if "fft" in str(node.target)]
    assert (exported.module()(x) - Loop()(x)).abs().max() <= 1e-6


def test_exporting_and_tracing_leave_nothing_behind():
    x = maps(11, 13)
    torch.export.export(Loop(), (x,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(Loop(), x)
    assert torch.equal(traced(x), Loop()(x))
    assert type(fourier_matrices(11, 13, x).width_W_PF) is Tensor


@pytest.mark.slow
def test_torch_compile_takes_the_matrices_as_constants_of_one_graph():
    compiled = torch.compile(Loop(), backend="aot_eager", fullgraph=True, dynamic=False)
    for x in (maps(6, 8), maps(8, 5)):
        assert (compiled(x) - Loop()(x)).abs().max() <= 1e-6
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (compiled(maps(6, 8)) - Loop()(maps(6, 8))).abs().max() <= 0.05


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
@pytest.mark.parametrize("loop", [Loop(), LoopOfAnySize()], ids=["one size", "any size"])
def test_openvino_takes_it(loop):
    x = maps(12, 9)
    compiled = compile_network(loop, (x,), "fp32")
    sizes = [x, maps(8, 15)] if isinstance(loop, LoopOfAnySize) else [x]
    for given in sizes:
        constants = loop.shape_constants(given) if isinstance(loop, LoopOfAnySize) else ()
        found = compiled([tensor.numpy() for tensor in (given, *constants)])[0]
        assert np.abs(found - Loop()(given).numpy()).max() <= 1e-5
