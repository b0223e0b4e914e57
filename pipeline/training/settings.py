"""The settings of `train_mrlf`: a preset, and every field of the network's and the training's configuration.

The fields are those of `MrlfConfig` and `TrainConfig`, where each type and description stands; here each may be left
out. Nothing here loads torch.
"""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, create_model, model_validator

from models.mrlf.config import MrlfConfig
from models.settings.train_config import SMALL_BELOW_POSTS, Preset, TrainConfig, check_best, sized
from pipeline.cities import Settings

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"
LIMITS: dict[str, dict[str, Any]] = {
    "seed": {"le": 2**63 - 1},
    "num_threads": {"le": 1024},
    "device": {"pattern": DEVICE},
}
"""What is refused before anything is read, beside what the configurations refuse themselves."""
FIRST = ("modalities", "characters", "words")
"""What the network reads stands first."""


class PresetSettings(Settings):
    """A preset, and what differs from it; None means as the preset says."""

    model_config = ConfigDict(allow_inf_nan=False)

    preset: Preset = Field(
        "auto",
        description=f"Preset of the sizes; auto takes small below {SMALL_BELOW_POSTS} training posts, else paper; "
        "best is MRLF blended with a wide linear path.",
    )

    def configs(self, num_train_posts: int) -> tuple[MrlfConfig, TrainConfig]:
        """The preset with what differs from it.

        Raises:
            ValueError: a value is out of range.
        """
        network = sized(MrlfConfig, self.preset, num_train_posts)
        training = sized(TrainConfig, self.preset, num_train_posts)
        return (
            dataclasses.replace(network, **self.of_network()),
            dataclasses.replace(training, **self._given(TrainConfig)),
        )

    def of_network(self) -> dict[str, Any]:
        """What was given of the network's own settings."""
        return self._given(MrlfConfig)

    def _given(self, kind: type[MrlfConfig] | type[TrainConfig]) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(kind)}
        return {name: value for name, value in self.model_dump(exclude_none=True).items() if name in names}

    @model_validator(mode="after")
    def _best_reads_all(self) -> Self:
        modalities = self.of_network().get("modalities")
        if self.preset == "best" and modalities:
            check_best(modalities)
        return self


def _optional_fields() -> Iterator[tuple[str, Any]]:
    """Name, type and description of every field of both configurations, None where it is left out."""
    hints = get_type_hints(MrlfConfig, include_extras=True) | get_type_hints(TrainConfig, include_extras=True)
    for name in dict.fromkeys((*FIRST, *hints)):
        kind, description = get_args(hints[name])
        yield name, (_as_list(kind) | None, Field(None, description=description, **LIMITS.get(name, {})))


def _as_list(kind: Any) -> Any:
    """The type as JSON and Dagster's form have it: a list for a tuple."""
    return list[get_args(kind)[0]] if get_origin(kind) is tuple else kind  # type: ignore[misc]


if TYPE_CHECKING:
    TrainMrlfSettings: TypeAlias = PresetSettings
else:
    TrainMrlfSettings = create_model(
        "TrainMrlfSettings",
        __base__=PresetSettings,
        __doc__=PresetSettings.__doc__,
        __module__=__name__,
        **dict(_optional_fields()),
    )
