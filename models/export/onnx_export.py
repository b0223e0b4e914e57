"""A trained network as ONNX, with all that a reader needs to ask it: ONNX Runtime and a JSON reader, no torch.

Inputs, of any number of posts B and any length up to the limits: `caption_chars`, `caption_words`, `hashtag_chars`,
`hashtags` (int64 ids, 0 after the end), `image` (float32 picture features as they come out of the picture network),
`has_image` (bool). Outputs: `logits` and `probabilities` (B, C). What turns a post into ids stands in the metadata
`mrlf`: vocabulary, limits and the places; so does the temperature that the probabilities should be cooled by.
A linear model, and a blend (`best`) of one with networks, want the n-grams of the caption besides: `ngrams`,
`word_ngrams` (int64, 0 pads, the first of its list is 1; unknown ones are left out) and how often each stands there,
`ngrams_counts`, `word_ngrams_counts` (float32). torch.onnx needs onnxscript, which is installed with the extra `dev`.
Shape letters: B posts, D image features, C classes.
"""

import importlib.util
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.best.wide_and_deep import Ensemble
from models.data.text import PAD_ID
from models.export.onnx_modules import (
    TERM_INPUTS,
    TEXT_INPUTS,
    AskedByIds,
    BlendAskedByIds,
    LinearAskedByIds,
    WideAskedByIds,
    text_limits,
)
from models.linear.linear_model import LinearModel
from models.training.fitted import Fitted

FORMAT = 1
OPSET = 18
METADATA = "mrlf"
INPUTS = (*TEXT_INPUTS, "image", "has_image")
OUTPUTS = ("logits", "probabilities")
NO_LIMIT = 10_000
"""of a linear model's texts: it reads them whole"""


def export_onnx(
    model: Fitted | Ensemble | LinearModel,
    path: Path,
    labels: Sequence[dict[str, Any]],
    *,
    temperature: float = 1.0,
    preprocessing: dict[str, Any] | None = None,
) -> None:
    """Write `model` to `path`; labels: the classes in the order of the outputs; the model given stays as it is.

    preprocessing: what a reader must know besides of pictures, hashtags and captions; it is passed on.

    Raises:
        ValueError: onnxscript is not installed, or the labels are not those of the model.
    """
    _require_onnxscript()
    if len(labels) != model.num_classes:
        raise ValueError(f"{len(labels)} labels do not belong to a model of {model.num_classes} classes")
    module, facts = _module(model), preprocessing or {}
    program = _exported(module, image_dim=_image_dim(model, facts))
    metadata = describe(model, labels, temperature=temperature, preprocessing=facts)
    metadata |= module.terms() if isinstance(module, WideAskedByIds) else {}
    program.model.metadata_props[METADATA] = json.dumps(metadata, ensure_ascii=False)
    program.save(str(path), external_data=False)


def export_pictures_onnx(module: nn.Module, path: Path, about: dict[str, Any]) -> None:
    """Write what looks at pictures: `pixels` (uint8, B x 3 x S x S, S being about["image_size"]) to `image` (B, D)."""
    _require_onnxscript()
    side = about["image_size"]
    example = (torch.zeros(2, 3, side, side, dtype=torch.uint8),)
    program = _quietly_exported(
        module.eval(),
        example,
        input_names=["pixels"],
        output_names=["image"],
        dynamic_shapes=[{0: torch.export.Dim("pictures")}],
    )
    program.model.metadata_props[METADATA] = json.dumps(about, ensure_ascii=False)
    program.save(str(path), external_data=False)


def describe(
    model: Fitted | Ensemble | LinearModel,
    labels: Sequence[dict[str, Any]],
    *,
    temperature: float,
    preprocessing: dict[str, Any],
) -> dict[str, Any]:
    """What turns a post into the inputs, and the outputs into places."""
    return {
        "format": FORMAT,
        **_of_texts(model),
        "labels": list(labels),
        "temperature": temperature,
        "image_dim": _image_dim(model, preprocessing),
        "ids": "0 pads, 1 is unknown, the first of each list is 2",
        "text": "Unicode NFKC, case folded, runs of white space as one space; characters of a post's hashtags are "
        "those of the hashtags joined with one space; a word is a run of letters, digits and _, or one symbol, with "
        "the marks and zero-width joiners behind it; punctuation ends words",
        **preprocessing,
    }


def _of_texts(model: Fitted | Ensemble | LinearModel) -> dict[str, Any]:
    """The kind of the network, how much of a text it reads, and which tokens it knows."""
    if isinstance(model, LinearModel):
        return {"network": "Linear", "limits": dict.fromkeys(TEXT_INPUTS, NO_LIMIT)}
    return {
        "network": "Best" if isinstance(model, Ensemble) else type(model.model).__name__,
        "limits": dict(zip(TEXT_INPUTS, text_limits(model.model_config), strict=True)),
        "vocabulary": {name: list(getattr(model.vocabulary, name)) for name in ("characters", "words", "hashtags")},
    }


def _module(model: Fitted | Ensemble | LinearModel) -> nn.Module:
    if isinstance(model, LinearModel):
        return LinearAskedByIds(model)
    return BlendAskedByIds(model) if isinstance(model, Ensemble) else AskedByIds(model)


def _image_dim(model: Fitted | Ensemble | LinearModel, preprocessing: dict[str, Any]) -> int:
    """How many picture features the file is handed; where the model reads none, those that a reader has."""
    scaler = model.features.scaler if isinstance(model, LinearModel) else model.scaler
    return preprocessing.get("picture", {}).get("num_features", 1) if scaler is None else len(scaler.mean_D)


def _exported(module: nn.Module, image_dim: int) -> Any:
    """Traced with two posts of a few tokens."""
    batch, length = torch.export.Dim("posts"), torch.export.Dim.DYNAMIC
    ids = torch.tensor([[1] * 5, [1] * 3 + [PAD_ID] * 2])
    texts = [ids.clone() for _ in TEXT_INPUTS]  # one tensor for all would have one length for all
    example = [*texts, torch.zeros(2, image_dim), torch.tensor([True, False])]
    shapes: list[Any] = [*[{0: batch, 1: length}] * len(TEXT_INPUTS), {0: batch}, {0: batch}]
    names = list(INPUTS)
    if isinstance(module, WideAskedByIds):
        for name in TERM_INPUTS:
            terms = torch.export.Dim(name)
            example += [ids.clone(), ids.float()]
            shapes += [{0: batch, 1: terms}] * 2  # an id and its count belong together
            names += [name, f"{name}_counts"]
    return _quietly_exported(
        module, tuple(example), input_names=names, output_names=list(OUTPUTS), dynamic_shapes=shapes
    )


def _quietly_exported(module: nn.Module, example: tuple[Tensor, ...], **how: Any) -> Any:
    """The ONNX program; what torch prints while it makes one is suppressed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, example, dynamo=True, opset_version=OPSET, verbose=False, optimize=True, **how
            )
    finally:
        log.setLevel(level)
    _strip(program.model)  # type: ignore[union-attr]
    return program


def _strip(model: Any) -> None:
    """Take out what torch notes of its making: the files and folders of the code that every node came of (fault S24).

    A home folder is a person's name.
    """
    from onnx_ir.traversal import RecursiveGraphIterator

    told = [model]
    for part in (model.graph, *model.functions.values()):
        told += [part, *part.inputs]
        for node in RecursiveGraphIterator(part):
            told += [node, node.graph, *node.outputs, *node.attributes.values()]
    told += [each for value in model.graph.initializers.values() for each in (value, value.const_value)]
    for each in told:
        each.doc_string = None
        if hasattr(each, "metadata_props"):
            each.metadata_props.clear()


def _require_onnxscript() -> None:
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("ONNX export needs onnxscript: pip install onnxscript")
