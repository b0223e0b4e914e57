"""Everything that is compared, by name, behind one factory: MRLF and each baseline, as its paper says.

Laws: what a candidate does not list in `modalities` moves none of its predictions. The test split is not seen here,
and what is chosen (the best epoch) is chosen on validation. The same samples, setup and settings give the same
classifier. Every network is trained by the one loop of `models.training.training`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.baselines import BASELINES, Baseline, Classifier, LogisticBaseline
from models.baselines.centre import NearestCentreBaseline
from models.baselines.deepgeo import DeepgeoConfig
from models.baselines.finetuned import FinetunedConfig, initial_weights
from models.baselines.forest import ForestBaseline
from models.baselines.loctwi import LocTwiConfig
from models.baselines.picture_head import PictureHeadConfig
from models.data.samples import Samples, check_split
from models.data.text import TextConfig
from models.linear.tuned import fit_tuned
from models.mrlf.config import MrlfConfig
from models.settings.train_config import Epoch, TrainConfig, check_best, is_small, sized
from models.training.training import fit

TEXT, HASHTAGS, IMAGE = "text", "hashtags", "image"
TUNED = "logistic_tuned"
NO_SETTINGS: Mapping[str, Any] = {}
OnEpoch = Callable[[Epoch], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One row of a comparison: what it is called, where it comes from, and what it must be handed."""

    name: str
    title: str
    source: str
    modalities: frozenset[str]
    """what it looks at: text (the caption), hashtags, image"""
    backbone: str | None = None
    """whose features `image_ND` must hold; None takes the release's own"""
    needs_pixels: bool = False
    """learns from `pixels_NHWC`"""
    weights: str | None = None
    """the network whose weights the setting `weights` holds; None takes none"""
    is_network: bool = False
    """trained epoch by epoch: settings are the fields of its configuration and of `TrainConfig`"""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all candidates of a comparison share; latitude and longitude of every class in degrees, float64."""

    num_classes: int
    class_lat_C: np.ndarray
    class_lng_C: np.ndarray
    seed: int = 0
    device: str = "auto"
    max_epochs: int | None = None
    """None takes each candidate's own"""
    num_threads: int | None = None


MRLF_SOURCE = "Dai et al. 2023, arXiv 2306.07935"
OURS = "ours: the papers compare with no such model"
BACKBONE_TITLES = {
    "vgg16": ("VGG16", "Simonyan and Zisserman 2014, arXiv 1409.1556"),
    "vgg19": ("VGG19", "Simonyan and Zisserman 2014, arXiv 1409.1556"),
    "resnet50": ("ResNet50", "He et al. 2015, arXiv 1512.03385"),
    "resnet101": ("ResNet101", "He et al. 2015, arXiv 1512.03385"),
    "densenet121": ("DenseNet121", "Huang et al. 2016, arXiv 1608.06993"),
}


def _candidates() -> list[Candidate]:
    def of(name: str, title: str, source: str, *modalities: str, **more: Any) -> Candidate:
        return Candidate(name=name, title=title, source=source, modalities=frozenset(modalities), **more)

    frozen = [
        of(f"image_{name}", f"{title}, frozen", source, IMAGE, backbone=name, is_network=True)
        for name, (title, source) in BACKBONE_TITLES.items()
    ]
    pixels = {"needs_pixels": True, "is_network": True}
    finetuned = [
        of(f"finetuned_{name}", f"{title}, fine-tuned", source, IMAGE, **pixels, weights=name)
        for name, (title, source) in BACKBONE_TITLES.items()
    ]
    return [
        of("majority", "Most frequent class", OURS),
        of("nearest_centre", "POI nearest to the middle", OURS),
        of("logistic_hashtags", "Logistic regression, hashtags", OURS, HASHTAGS),
        of("logistic_characters", "Logistic regression, character n-grams", OURS, TEXT),
        of("logistic_text", "Logistic regression, character and word n-grams", OURS, TEXT),
        of("logistic_image", "Logistic regression, image features", OURS, IMAGE),
        of("logistic_all", "Logistic regression, all three", OURS, TEXT, HASHTAGS, IMAGE),
        of(TUNED, "Logistic regression, all three, tuned", OURS, TEXT, HASHTAGS, IMAGE),
        of("tagvisor", "Tagvisor", "Zhang et al. 2018, arXiv 1802.04122", HASHTAGS),
        of("deepgeo", "Deepgeo", "Lau et al. 2017, arXiv 1710.04802", TEXT, HASHTAGS, is_network=True),
        of("loctwi", "LocTwi", "Huang et al. 2019, Frontiers in Big Data 2:5", TEXT, HASHTAGS, is_network=True),
        *frozen,
        *finetuned,
        of("mrlf", "MRLF", MRLF_SOURCE, TEXT, HASHTAGS, IMAGE, is_network=True),
    ]


CANDIDATES: Mapping[str, Candidate] = {candidate.name: candidate for candidate in _candidates()}
"""In the order of the tables."""


@dataclass(frozen=True)
class _Task:
    """What `fit_candidate` was asked for."""

    candidate: Candidate
    train: Samples
    validation: Samples
    setup: Setup
    settings: Mapping[str, Any]
    checkpoint_dir: Path | None
    on_epoch: OnEpoch | None
    should_stop: ShouldStop | None


def fit_candidate(
    name: str,
    train: Samples,
    validation: Samples,
    setup: Setup,
    *,
    settings: Mapping[str, Any] = NO_SETTINGS,
    checkpoint_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    should_stop: ShouldStop | None = None,
) -> Classifier:
    """The candidate `name`, trained.

    validation: what is chosen is chosen on it; it may stand within `train`, too, for a model without epochs.
    settings: what differs from its preset: fields of its configuration and, for a network, of `TrainConfig`; `preset`
    is auto, small or paper (and best for mrlf). A fine-tuned network takes `weights`: torchvision's state dict, or
    "random" to learn from nothing. The last three arguments are those of `training.training.fit`, for networks alone.

    Raises:
        ValueError: there is no such candidate or setting, or the samples cannot be trained on.
    """
    if name not in CANDIDATES:
        raise ValueError(f"there is no candidate {name!r}; there are {', '.join(CANDIDATES)}")
    check_split("train", train, setup.num_classes)
    check_split("validation", validation, setup.num_classes)
    task = _Task(CANDIDATES[name], train, validation, setup, settings, checkpoint_dir, on_epoch, should_stop)
    if name == TUNED:
        _check_no_settings(task)
        return fit_tuned(train, validation, setup.num_classes)
    if not task.candidate.is_network:
        return _baseline(task).fit(train, setup.num_classes)
    return _network(task)


def _baseline(task: _Task) -> Baseline:
    """The classifiers that are made at one go."""
    name, setup, settings = task.candidate.name, task.setup, dict(task.settings)
    if name == "tagvisor":
        _preset(task, settings)  # the forest is of one size
        given = {"seed": setup.seed, "num_threads": setup.num_threads, **settings}
        return _replaced(name, given, ForestBaseline())[0]  # type: ignore[no-any-return]
    _check_no_settings(task)
    if name == "nearest_centre":
        return NearestCentreBaseline(setup.class_lat_C, setup.class_lng_C)
    return LogisticBaseline(has_characters=True) if name == "logistic_characters" else BASELINES[name]


def _check_no_settings(task: _Task) -> None:
    if task.settings:
        raise ValueError(
            f"{task.candidate.name} has no settings, but {', '.join(task.settings)} was given; leave it out"
        )


def _network(task: _Task) -> Classifier:
    """The classifiers that are trained epoch by epoch."""
    settings = dict(task.settings)
    preset = _preset(task, settings)
    initial_state = _initial_state(task.candidate, settings)
    configs = _preset_configs(task.candidate, preset, len(task.train))
    setup = {name: getattr(task.setup, name) for name in ("seed", "device", "max_epochs", "num_threads")}
    shared = {name: value for name, value in setup.items() if value is not None}
    network, training = _replaced(task.candidate.name, {**shared, **settings}, *configs)
    how: dict[str, Any] = {
        "num_classes": task.setup.num_classes,
        "train_config": training,
        "checkpoint_dir": task.checkpoint_dir,
        "on_epoch": task.on_epoch,
        "should_stop": task.should_stop,
    }
    if preset == "best":
        from models.best.ensemble import fit_best

        check_best(network.modalities)
        of_network = {field.name for field in dataclasses.fields(network)}
        chosen = network if of_network & set(settings) else None
        return fit_best(task.train, task.validation, network_config=chosen, **how)
    return fit(task.train, task.validation, model_config=network, initial_state=initial_state, **how)


def _preset(task: _Task, settings: dict[str, Any]) -> str:
    """Take the preset out of `settings`."""
    preset = settings.pop("preset", "auto")
    known = ("auto", "small", "paper", "best") if task.candidate.name == "mrlf" else ("auto", "small", "paper")
    if preset not in known:
        raise ValueError(f"{task.candidate.name} has the presets {', '.join(known)}, not {preset!r}")
    return str(preset)


def _preset_configs(candidate: Candidate, preset: str, num_train: int) -> tuple[TextConfig, TrainConfig]:
    if candidate.name == "mrlf":
        return sized(MrlfConfig, preset, num_train), sized(TrainConfig, preset, num_train)
    if candidate.needs_pixels:
        return FinetunedConfig(backbone=candidate.weights), FinetunedConfig.training()  # type: ignore[arg-type]
    kinds = {"deepgeo": DeepgeoConfig, "loctwi": LocTwiConfig}
    kind: Any = kinds.get(candidate.name, PictureHeadConfig)
    if is_small(preset, num_train):
        return kind.small(), kind.small_training()
    return kind.paper(), kind.paper_training()


def preset_fields(name: str, preset: str, num_train: int) -> list[dict[str, Any]]:
    """Every field of the configurations that a candidate begins from, for digests of its results; [] without any.

    num_train: training posts, by which the preset auto chooses.
    """
    configs: tuple[Any, ...] = ()
    if name == "tagvisor":
        configs = (ForestBaseline(),)
    elif CANDIDATES[name].is_network:
        configs = _preset_configs(CANDIDATES[name], preset, num_train)
    return [dataclasses.asdict(config) for config in configs]


def _initial_state(candidate: Candidate, settings: dict[str, Any]) -> dict[str, Tensor] | None:
    """Take the weights to begin with out of `settings`: None where they are drawn.

    Raises:
        ValueError: a fine-tuned network gets none and is not asked to begin from nothing.
    """
    if not candidate.needs_pixels:
        return None
    weights = settings.pop("weights", None)
    if isinstance(weights, str) and weights == "random":
        return None
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"{candidate.name} is trained further from weights: give settings['weights'] torchvision's state dict of "
            f"{candidate.weights}, or 'random' to learn from nothing"
        )
    return initial_weights(str(candidate.weights), weights)


def _replaced(name: str, given: Mapping[str, Any], *configs: Any) -> list[Any]:
    """The configurations with the given fields in their place; each field belongs to one of them."""
    fields = [{field.name for field in dataclasses.fields(config)} for config in configs]
    unknown = set(given) - set().union(*fields)
    if unknown:
        known = ", ".join(sorted(set().union(*fields)))
        raise ValueError(f"{name} has no setting {', '.join(sorted(unknown))}; it has {known}")
    return [
        dataclasses.replace(config, **{key: value for key, value in given.items() if key in names})
        for config, names in zip(configs, fields, strict=True)
    ]
