"""A trained network as ONNX, with all that a reader needs to ask it: ONNX Runtime and a JSON reader, no torch.

Inputs, of any number of posts B and any length up to the limits: `caption_chars`, `caption_words`, `hashtag_chars`,
`hashtags` (int64 ids, 0 after the end), `image` (float32 picture features as they come out of the picture network),
`has_image` (bool). Outputs: `logits` and `probabilities` (B, C). What turns a post into ids stands in the metadata
`mrlf`: vocabulary, limits and the places; so does the temperature that the probabilities should be cooled by.
Inside, every text is padded to its limit, which moves no result (the law of `models.characters`), and leaves one
fixed graph for all lengths. torch.onnx needs onnxscript, which is installed with the extra `dev`.
Shape letters: B posts, L positions, D image features, C classes.
"""

import copy
import importlib.util
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batches import Batch, Padded
from models.fitted import Fitted
from models.text import PAD_ID

FORMAT = 1
OPSET = 18
METADATA = "mrlf"
TEXT_INPUTS = ("caption_chars", "caption_words", "hashtag_chars", "hashtags")
INPUTS = (*TEXT_INPUTS, "image", "has_image")
OUTPUTS = ("logits", "probabilities")


class AskedByIds(nn.Module):
    """The network with its image scaler, called with plain tensors."""

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.network = copy.deepcopy(fitted.model).cpu().eval()
        config = fitted.model_config
        self.limits = (
            config.max_caption_chars, config.max_caption_words, config.max_hashtag_chars, config.max_hashtags,
        )  # fmt: skip
        for name, array in fitted.scaler.arrays().items():
            self.register_buffer(name, torch.from_numpy(array))

    def forward(
        self, caption_chars: Tensor, caption_words: Tensor, hashtag_chars: Tensor, hashtags: Tensor, image: Tensor,
        has_image: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Class scores and probabilities (B, C)."""
        ids = (caption_chars, caption_words, hashtag_chars, hashtags)
        fields = [_padded(ids_BL, limit) for ids_BL, limit in zip(ids, self.limits, strict=True)]
        scaled_BD = ((image - self.mean) * self.inverse_sd).clamp(-4.0, 4.0)  # type: ignore[operator]
        batch = Batch(
            caption_chars=fields[0], caption_words=fields[1], hashtag_chars=fields[2], hashtag_words=fields[3],
            hashtag_of_char_BL=torch.zeros_like(fields[2].ids_BL),  # read in training only
            image_BD=scaled_BD, has_image_B=has_image,
        )  # fmt: skip
        logits_BC = self.network(batch)
        return logits_BC, logits_BC.softmax(dim=1)


def export_onnx(
    fitted: Fitted, path: Path, labels: Sequence[dict[str, Any]], *, temperature: float = 1.0,
    preprocessing: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write `fitted` to `path`; labels: the classes in the order of the outputs; the model given stays as it is.

    preprocessing: what a reader must know besides of pictures, hashtags and captions; it is passed on.

    Raises:
        ValueError: onnxscript is not installed, or the labels are not those of the model.
    """
    _require_onnxscript()
    if len(labels) != fitted.num_classes:
        raise ValueError(f"{len(labels)} labels do not belong to a model of {fitted.num_classes} classes")
    module = AskedByIds(fitted)
    program = _exported(module, fitted)
    metadata = describe(fitted, labels, temperature=temperature, preprocessing=preprocessing or {})
    program.model.metadata_props[METADATA] = json.dumps(metadata, ensure_ascii=False)
    program.save(str(path), external_data=False)


def export_pictures_onnx(module: nn.Module, path: Path, about: dict[str, Any]) -> None:
    """Write what looks at pictures: `pixels` (uint8, B x 3 x S x S, S being about["image_size"]) to `image` (B, D)."""
    _require_onnxscript()
    side = about["image_size"]
    example = (torch.zeros(2, 3, side, side, dtype=torch.uint8),)
    program = _quietly_exported(
        module.eval(), example, input_names=["pixels"], output_names=["image"],
        dynamic_shapes=[{0: torch.export.Dim("pictures")}],
    )  # fmt: skip
    program.model.metadata_props[METADATA] = json.dumps(about, ensure_ascii=False)
    program.save(str(path), external_data=False)


def describe(
    fitted: Fitted, labels: Sequence[dict[str, Any]], *, temperature: float, preprocessing: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """What turns a post into the inputs, and the outputs into places."""
    config, vocabulary = fitted.model_config, fitted.vocabulary
    limits = {name: limit for name, limit in zip(TEXT_INPUTS, AskedByIds(fitted).limits, strict=True)}
    return {
        "format": FORMAT, "network": type(fitted.model).__name__, "labels": list(labels), "temperature": temperature,
        "limits": limits, "max_hashtags": config.max_hashtags, "image_dim": len(fitted.scaler.mean_D),
        "vocabulary": {name: list(getattr(vocabulary, name)) for name in ("characters", "words", "hashtags")},
        "ids": "0 pads, 1 is unknown, the first of each list is 2",
        "text": "Unicode NFKC, case folded, runs of white space as one space; characters of a post's hashtags are "
        "those of the hashtags joined with one space; a word is a run of letters, digits and _, or one symbol, with "
        "the marks and zero-width joiners behind it; punctuation ends words",
        **preprocessing,
    }  # fmt: skip


def _exported(module: AskedByIds, fitted: Fitted) -> Any:
    batch, length = torch.export.Dim("posts"), torch.export.Dim.DYNAMIC
    shapes: list[Any] = [{0: batch, 1: length} for _ in TEXT_INPUTS]
    return _quietly_exported(
        module, _example(fitted), input_names=list(INPUTS), output_names=list(OUTPUTS),
        dynamic_shapes=[*shapes, {0: batch}, {0: batch}],
    )  # fmt: skip


def _quietly_exported(module: nn.Module, example: tuple[Tensor, ...], **how: Any) -> Any:
    """The ONNX program; what torch tells while it makes one is of no use to who asked for it."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                module, example, dynamo=True, opset_version=OPSET, verbose=False, optimize=True, **how
            )  # fmt: skip
    finally:
        log.setLevel(level)


def _require_onnxscript() -> None:
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("ONNX export needs onnxscript: pip install onnxscript")


def _example(fitted: Fitted) -> tuple[Tensor, ...]:
    """Two posts of a few tokens to trace with."""
    ids = [torch.tensor([[1] * 5, [1] * 3 + [PAD_ID] * 2]) for _ in TEXT_INPUTS]
    image_BD = torch.zeros(2, len(fitted.scaler.mean_D))
    return (*ids, image_BD, torch.tensor([True, False]))


def _padded(ids_BL: Tensor, limit: int) -> Padded:
    """The ids at their limit, whatever length they came in; each row ends where its zeros begin."""
    return Padded(F.pad(ids_BL, (0, limit - ids_BL.shape[1]), value=PAD_ID), (ids_BL != PAD_ID).sum(dim=1))
