"""The settings of a city for a person to read: in place of None the value that will be used, where there is one.

What a preset or another setting decides, the settings say themselves (`Settings.in_effect`); what the city and this
machine decide is here, where it decides no row.
"""

from collections.abc import Callable, Mapping
from typing import Any

from models.settings.train_config import TrainConfig
from pipeline.cities import City
from pipeline.collect.sources import archive_in_cities
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.images import clean_images, portrait_masks
from pipeline.release import dataset
from pipeline.stages import STAGES
from pipeline.store import Store
from pipeline.store.store import data_folder
from pipeline.study.plan import hashtag_thresholds
from pipeline.study.running import default_processes


def settings_in_effect(city: City) -> dict[str, dict[str, Any]]:
    """The settings of every stage of a city, by stage; those that go by the number of posts, by that of its data set.

    Raises:
        ValueError: a value is unknown or out of range.
    """
    folder = data_folder()
    record = Store(folder).stage_record(city.key, dataset.STAGE) if folder.is_dir() else None
    num_train_posts = record.counts["train"] if record is not None else None
    shown = {}
    for name, stage in STAGES.items():
        values = city.settings(name, stage.settings).in_effect(city, num_train_posts)
        decided = DECIDED[name](city, values) if name in DECIDED else {}
        shown[name] = {key: _filled(value, decided[key]) if key in decided else value for key, value in values.items()}
    return shown


def _filled(value: Any, decided: Any) -> Any:
    """A setting, also one that is told by preset, with what is decided in place of None."""
    if isinstance(value, Mapping):
        return {preset: _filled(one, decided) for preset, one in value.items()}
    return decided if value is None else value


def _archive(city: City, _: Mapping[str, Any]) -> dict[str, Any]:
    archive = archive_in_cities(city)
    return {"archive": None if archive is None else str(archive)}


def _pictures(at_once: Mapping[str, int]) -> Callable[[City, Mapping[str, Any]], dict[str, Any]]:
    def decided(city: City, values: Mapping[str, Any]) -> dict[str, Any]:
        is_of_cpu = values["weights"] == "builtin" or values["runtime"] == "openvino"
        return {"batch_size": at_once["cpu" if is_of_cpu else _device(values)]}

    return decided


def _training(city: City, values: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        "num_threads": torch.get_num_threads(),
        "compile": "CUDA graphs" if _device(values) == "cuda" else False,
    }


def _study(city: City, values: Mapping[str, Any]) -> dict[str, Any]:
    common = city.settings("curated_posts", CuratedPostsSettings).min_hashtag_count
    return {
        "max_epochs": TrainConfig.max_epochs,
        "hashtag_thresholds": hashtag_thresholds(None, common),
        "num_processes": default_processes(_device(values)),
    }


def _device(values: Mapping[str, Any]) -> str:
    """cpu or cuda."""
    from models.settings.machine import device_for

    return device_for(values["device"]).partition(":")[0]


DECIDED: Mapping[str, Callable[[City, Mapping[str, Any]], dict[str, Any]]] = {
    "places": _archive,
    "posts": _archive,
    "portrait_masks": _pictures(portrait_masks.AT_ONCE),
    "clean_images": _pictures(clean_images.AT_ONCE),
    "train_mrlf": _training,
    "study": _study,
}
"""What is used where a stage's settings are None, by stage."""
