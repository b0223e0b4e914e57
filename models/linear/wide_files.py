"""A linear layer and the features before it as files: `terms.json` (what the features know) and `wide.safetensors`.

Equal models give equal bytes; nothing is pickled. The digests of both files' contents stand in the description of the
model that they belong to, and loading is strict.
Shape letters: C classes, F features.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from models.data.digest import tensors_sha256
from models.data.samples import ImageScaler
from models.linear.experts import LinearLayer
from models.linear.wide_features import BLOCKS, VOCABULARIES, WideFeatures

TERMS, NUMBERS = "terms.json", "wide.safetensors"


def save_wide(
    folder: Path, features: WideFeatures, layer: LinearLayer, further: Mapping[str, np.ndarray] | None = None
) -> dict[str, str]:
    """Write both files, `further` numbers with them; the digests for the model's description."""
    folder.mkdir(parents=True, exist_ok=True)
    terms = json.dumps({name: features.terms[name] for name in VOCABULARIES}, ensure_ascii=False, indent=0)
    arrays = {f"weights.{name}": weights_FC.astype(np.float32) for name, weights_FC in layer.weights.items()}
    arrays |= {f"idf.{name}": features.idf[name] for name in VOCABULARIES}
    if features.scaler:
        arrays |= {f"scaler.{name}": array for name, array in features.scaler.arrays().items()}
    arrays |= {"bias": layer.bias_C, "seen": layer.seen_C, **(further or {})}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    (folder / TERMS).write_text(terms, encoding="utf-8")
    (folder / NUMBERS).write_bytes(safetensors.torch.save(tensors))
    return {"wide_sha256": tensors_sha256(tensors), "terms_sha256": hashlib.sha256(terms.encode()).hexdigest()}


def load_wide(folder: Path, content: Mapping[str, Any]) -> tuple[WideFeatures, LinearLayer, dict[str, np.ndarray]]:
    """Features, layer and all numbers by name, as the description with this content has their digests.

    Raises:
        ValueError: a file is damaged or another model's.
        OSError: a file is missing.
    """
    terms_bytes = (folder / TERMS).read_bytes()
    if hashlib.sha256(terms_bytes).hexdigest() != content["terms_sha256"]:
        raise ValueError(f"{TERMS} in {folder} is not the one this model was trained with; restore the folder")
    arrays = _read_arrays(folder / NUMBERS, content["wide_sha256"])
    terms = {name: tuple(values) for name, values in json.loads(terms_bytes).items()}
    scaler = _under("scaler.", arrays)
    features = WideFeatures(terms, _under("idf.", arrays), ImageScaler.from_arrays(scaler) if scaler else None)
    weights = _under("weights.", arrays)
    in_order = {name: weights[name].astype(np.float64) for name in BLOCKS if name in weights}
    return features, LinearLayer(in_order, arrays["bias"], arrays["seen"]), arrays


def is_of_one_piece(features: WideFeatures, layer: LinearLayer, num_classes: int) -> bool:
    """Whether every block of the layer has a row per feature and a column per class."""
    widths = features.widths()
    fits = (weights_FC.shape == (widths[name], num_classes) for name, weights_FC in layer.weights.items())
    return all(fits) and len(layer.bias_C) == len(layer.seen_C) == num_classes


def read_description(path: Path) -> dict[str, Any]:
    """The JSON object in a file, {} where it holds another value.

    Raises:
        ValueError: it is no JSON.
        OSError: it is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); restore the folder or train the model again") from error
    return content if isinstance(content, dict) else {}


def _read_arrays(path: Path, sha256: str) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); restore the folder or train the model again") from error
    if tensors_sha256(tensors) != sha256:
        raise ValueError(f"{path} does not hold the weights that its description names; restore the folder")
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
