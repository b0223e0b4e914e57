"""A network in int8: OpenVINO's post-training quantisation by NNCF, from pictures that it will look at.

NNCF runs the network over the pictures, notes between which numbers each layer's input lies, and writes a network
whose weights, and inputs of most layers, are 8 bits wide. No label is needed. Which layers stay exact: `KEPT_EXACT`.
"""

import contextlib
import importlib.util
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from models.vision.openvino_network import converted, import_openvino

RECIPE = 1
"""changed with whatever changes the networks that are made"""
KEPT_EXACT: Mapping[str, tuple[str, ...]] = MappingProxyType({"u2netp": (r".*\.stage2d\.rebnconv1d\..*",)})
"""By architecture, patterns of the names of layers that stay as they are. In U²-Net-P one layer adds up to 1361 to its
channels; in 256 steps from there nothing is left of the others (mean IoU with fp32 .73, .98 without it)."""


def quantise(module: nn.Module, pictures: Sequence[Tensor], target: Path, *, architecture: str) -> str:
    """Write the network in int8 as `target` (.xml) and the .bin beside it; the versions of what made it.

    pictures: inputs of one picture each, as the module takes them.

    Raises:
        ValueError: NNCF is not installed.
    """
    nncf, openvino = import_nncf(), import_openvino()
    network = converted(module, (pictures[0],))
    dataset = nncf.Dataset(pictures, lambda picture: [picture.numpy()])
    exact = KEPT_EXACT.get(architecture, ())
    with contextlib.redirect_stdout(io.StringIO()):  # its bars
        network = nncf.quantize(
            network,
            dataset,
            subset_size=len(pictures),
            ignored_scope=nncf.IgnoredScope(patterns=list(exact)) if exact else None,
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    _name_layers(network, architecture)
    openvino.save_model(network, target, compress_to_fp16=False)
    return f"nncf {nncf.__version__}, openvino {openvino.__version__}"


def _name_layers(network: Any, name: str) -> None:
    """Equal networks get equal files: OpenVINO numbers layers without a name by what the process made before."""
    network.set_friendly_name(name)
    for number, layer in enumerate(network.get_ordered_ops()):
        if "/" not in layer.get_friendly_name():
            layer.set_friendly_name(f"{layer.get_type_name()}_{number}")


def import_nncf() -> Any:
    """The package, kept from calling home as OpenVINO is.

    Raises:
        ValueError: it is not installed.
    """
    import_openvino()
    if importlib.util.find_spec("nncf") is None:
        raise ValueError(
            "precision=int8 was asked for, and the package that makes such networks is not installed: pip install "
            "nncf (it comes with the extra `int8`), or choose precision=auto"
        )
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it misses a compiler for GPUs, unasked
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
