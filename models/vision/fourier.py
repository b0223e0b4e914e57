"""The two-dimensional Fourier transform of real maps as fixed matrix products: rfft2 and irfft2 with norm="ortho".

Why: products of real matrices can be exported, run in bf16 and have no power-of-two rule, and beside LaMa's
convolutions they cost little. Every product has its matrix on the right: OpenVINO computes only that form in bf16.
A complex number is a pair (real, imaginary), written P. Spectra lie on their side, frequencies of the width before
those of the height, which saves a transposition each way and means nothing to a 1 x 1 convolution.
Shape letters: N pictures, C channels, H height, W width, F = W // 2 + 1 frequencies of the width, P = 2 parts.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CACHED_SIZES = 32


class FourierMatrices(NamedTuple):
    """What turns maps of one size (H, W) into their spectra and back; PF and HP say which index runs faster."""

    width_W_PF: Tensor
    height_HP_PH: Tensor
    inverse_height_PH_HP: Tensor
    inverse_width_PF_W: Tensor


def fourier_matrices(height: int, width: int, like: Tensor) -> FourierMatrices:
    """The matrices for maps of `height` x `width`, of the type and on the device of `like`."""
    # what an export has seen belongs to its graph, and may hold no numbers: it must not be kept
    is_exporting = torch.compiler.is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    make = _matrices if is_exporting else _kept_matrices
    return FourierMatrices(*make(int(height), int(width), like.dtype, like.device))


def rfft2(maps_NCHW: Tensor, matrices: FourierMatrices) -> Tensor:
    """Spectra (N, 2C, F, H): channel 2c is the real, 2c + 1 the imaginary part of `torch.fft.rfft2` of channel c."""
    N, C, H, _ = maps_NCHW.shape
    rows_NCHPF = (maps_NCHW @ matrices.width_W_PF).reshape(N, C, H, 2, -1)
    columns_NCF_HP = rows_NCHPF.permute(0, 1, 4, 2, 3).reshape(N, C, -1, 2 * H)
    spectra_NCFPH = (columns_NCF_HP @ matrices.height_HP_PH).reshape(N, C, -1, 2, H)
    return spectra_NCFPH.permute(0, 1, 3, 2, 4).reshape(N, 2 * C, -1, H)


def irfft2(spectra_N2CFH: Tensor, matrices: FourierMatrices) -> Tensor:
    """Real maps (N, C, H, W) from spectra as `rfft2` gives them, of the size that the matrices were made for."""
    N, C2, _, H = spectra_N2CFH.shape
    spectra_NCPFH = spectra_N2CFH.reshape(N, C2 // 2, 2, -1, H)
    columns_NCF_PH = spectra_NCPFH.permute(0, 1, 3, 2, 4).reshape(N, C2 // 2, -1, 2 * H)
    columns_NCFHP = (columns_NCF_PH @ matrices.inverse_height_PH_HP).reshape(N, C2 // 2, -1, H, 2)
    rows_NCH_PF = columns_NCFHP.permute(0, 1, 3, 4, 2).reshape(N, C2 // 2, H, -1)
    return rows_NCH_PF @ matrices.inverse_width_PF_W


def _matrices(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    with torch.inference_mode(False):  # they outlive the caller's mode
        exact = (torch.from_numpy(matrix.astype(np.float32)) for matrix in exact_matrices(height, width))
        return tuple(matrix.to(device, dtype) for matrix in exact)


_cached_matrices = lru_cache(maxsize=CACHED_SIZES)(_matrices)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _kept_matrices(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """For torch.compile a constant of the graph, otherwise from the cache."""
    return _cached_matrices(height, width, dtype, device)


def exact_matrices(height: int, width: int) -> tuple[NDArray[np.float64], ...]:
    """The four matrices in float64, in the order of `FourierMatrices`."""
    height_HP_PH = _height(height)
    # the transform is unitary, so its real form is orthogonal, and the transpose leads back
    return _width(width), height_HP_PH, height_HP_PH.T.copy(), _inverse_width(width)


def _angles(num_frequencies: int, length: int) -> NDArray[np.float64]:
    """2 pi k n / length of frequency k at position n; reduced first, so that large sizes lose no digits."""
    return np.asarray(2 * np.pi / length * (np.outer(np.arange(num_frequencies), np.arange(length)) % length))


def _width(width: int) -> NDArray[np.float64]:
    angles_FW = _angles(width // 2 + 1, width)
    return np.asarray(np.concatenate([np.cos(angles_FW), -np.sin(angles_FW)]).T / np.sqrt(width))


def _height(height: int) -> NDArray[np.float64]:
    cos_HH, sin_HH = np.cos(_angles(height, height)), np.sin(_angles(height, height))
    out_of_in_PPHH = np.array([[cos_HH, -sin_HH], [sin_HH, cos_HH]])  # part in, part out, frequency, position
    return np.asarray(out_of_in_PPHH.transpose(3, 0, 1, 2).reshape(2 * height, 2 * height) / np.sqrt(height))


def _inverse_width(width: int) -> NDArray[np.float64]:
    """Frequencies other than 0 and the middle one stand for their mirror image too, so they count twice."""
    angles_FW = _angles(width // 2 + 1, width)
    is_own_mirror_F = np.isin(np.arange(width // 2 + 1) * 2, (0, width))
    counts_F1 = np.where(is_own_mirror_F, 1.0, 2.0)[:, None]
    sines_FW = np.where(is_own_mirror_F[:, None], 0.0, np.sin(angles_FW))
    return np.asarray(np.concatenate([counts_F1 * np.cos(angles_FW), -counts_F1 * sines_FW]) / np.sqrt(width))
