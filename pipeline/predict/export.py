"""A city's model as a folder to take elsewhere: with its labels and all that turns a post into its inputs.

Writes onnx: model.onnx, pictures.onnx (what looks at pictures), labels.json, README.md
       safetensors: the files of the model itself, pictures.safetensors, labels.json, preprocessing.json
Law: what is exported was loaded as for serving, so parts of different versions do not travel (fault N4).
"""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.cities import load_city
from pipeline.predict.answer import NOTICE
from pipeline.predict.loading import load_predictor, picture_network
from pipeline.predict.predictor import Predictor
from pipeline.store import Store
from pipeline.store.files import modes_of_the_user
from pipeline.training.image_features import ImageFeaturesSettings
from pipeline.training.train_mrlf import latest_run
from pipeline.weights import Builtin, WeightsFile

if TYPE_CHECKING:
    from torch import nn

Format = Literal["onnx", "safetensors"]
log = logging.getLogger("mrlf")


def export_model(store: Store, city_key: str, folder: Path, export_format: Format) -> dict[str, int]:
    """Write the city's last model into a new folder: the names of its files with their bytes.

    Raises:
        ValueError: there is no such model, its parts do not fit, the folder holds something, or the model is of a
            kind that ONNX has no form for.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: name a new folder")
    predictor = load_predictor(store, city_key, device="cpu")
    how = picture_network(store, load_city(city_key), latest_run(store, city_key), "cpu")
    write = write_onnx if export_format == "onnx" else write_safetensors
    with modes_of_the_user():
        write(predictor, picture_module(*how), folder)
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def write_onnx(predictor: Predictor, pictures: "nn.Module", folder: Path) -> None:
    """The predictor and the module that looks at its pictures as ONNX.

    Raises:
        ValueError: the model is of a kind that ONNX has no form for, or onnxscript is not installed.
    """
    from models.best.wide_and_deep import Ensemble
    from models.export.onnx_export import export_onnx, export_pictures_onnx
    from models.linear.linear_model import LinearModel
    from models.training.fitted import Fitted

    model, facts = predictor.model, preprocessing_of(predictor)
    if not isinstance(model, Fitted | Ensemble | LinearModel):
        raise ValueError(f"there is no ONNX form of a {type(model).__name__} yet: use --format safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    log.info("writing the network as ONNX; a minute or two")
    export_onnx(
        model, folder / "model.onnx", predictor.places.labels, temperature=predictor.temperature, preprocessing=facts
    )
    log.info("writing the network that looks at pictures")
    export_pictures_onnx(pictures, folder / "pictures.onnx", facts["picture"])
    (folder / "README.md").write_text((Path(__file__).parent / "onnx_readme.md").read_text(encoding="utf-8"))
    _write_labels(predictor, folder)


def write_safetensors(predictor: Predictor, pictures: "nn.Module", folder: Path) -> None:
    """The model's own files, which `models.trained.load_model` reads, and the weights of what looks at pictures."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    predictor.model.save(folder)
    weights = {name: tensor.contiguous() for name, tensor in pictures.state_dict().items()}
    (folder / "pictures.safetensors").write_bytes(save(weights))  # save_file keeps others out, whatever the mask
    facts = json.dumps(preprocessing_of(predictor), indent=1, ensure_ascii=False)
    (folder / "preprocessing.json").write_text(facts, encoding="utf-8")
    _write_labels(predictor, folder)


def preprocessing_of(predictor: Predictor) -> dict[str, Any]:
    """What is done to a post before the model reads it, and what the model is."""
    backbone, facts = predictor.backbone, predictor.facts
    return {
        "city": facts.city_name,
        "model": facts.model,
        "run": facts.run,
        "release": facts.release,
        "notice": NOTICE,
        "temperature": predictor.temperature,
        "known_hashtags": sorted(predictor.known.hashtags),
        "hashtags": "taken out of the caption; those that are not among known_hashtags are left out",
        "caption": "without hashtags and control characters; @names, mail and web addresses as <USER>, <EMAIL>, <URL>",
        "picture": {
            "backbone": backbone.backbone,
            "weights_sha256": backbone.weights_sha256,
            "image_size": backbone.image_size,
            "resized_side": backbone.input_side_px,
            "num_features": backbone.num_features,
            "steps": "upright, RGB, 8 bit; the middle square, resized bilinearly with antialiasing to resized_side; "
            "of that the middle image_size x image_size pixels; the features rounded to float16",
        },
    }


def picture_module(settings: ImageFeaturesSettings, weights: WeightsFile | Builtin) -> "nn.Module":
    """The network that looks at pictures, as torch has it."""
    from safetensors.torch import load_file

    from models.vision.backbone_weights import build
    from models.vision.backbones import fixed_seed_weights

    if isinstance(weights, Builtin):
        return build(settings.backbone, fixed_seed_weights(settings.backbone))
    return build(settings.backbone, load_file(weights.path))


def _write_labels(predictor: Predictor, folder: Path) -> None:
    labels = json.dumps(list(predictor.places.labels), indent=1, ensure_ascii=False)
    (folder / "labels.json").write_text(labels, encoding="utf-8")
