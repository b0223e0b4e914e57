"""The settings of `train_mrlf`: model, preset, and every field of the network's and the training's configuration.

`model` is what answers, `preset` the size of its networks.

The fields are those of `MrlfConfig` and `TrainConfig`, where each type and description stands; here each may be left
out. Nothing here loads torch.
"""

import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, create_model, field_validator, model_validator
from pydantic.config import JsonDict

from models.mrlf.config import MrlfConfig
from models.settings.train_config import SMALL_BELOW_POSTS, Preset, TrainConfig, check_best, sized
from pipeline.cities import DEFAULT_TEXT, City, Settings

DEVICE = r"^(auto|cpu|cuda(:\d+)?)$"
LIMITS: dict[str, dict[str, Any]] = {
    "seed": {"le": 2**63 - 1},
    "num_threads": {"le": 1024},
    "device": {"pattern": DEVICE},
}
"""What is refused before anything is read, beside what the configurations refuse themselves."""
FIRST = ("modalities", "characters", "words")
"""What the network reads stands first."""
UNSET = {"clip": "no clipping", "num_threads": "torch's own", "compile": "CUDA graphs on a GPU"}
"""What the configurations' own None means."""
OF_ANY_MODEL = frozenset({"modalities", "seed", "num_threads", "device"})
"""Fields of the configurations that a linear model heeds, or that say how a machine computes."""


class PresetSettings(Settings):
    """A model, a preset, and what differs from it; None means as the preset says.

    `abstain` is heeded where the model answers, so that another value trains nothing.
    """

    PER_RUN: ClassVar[frozenset[str]] = frozenset({"abstain"})
    model_config = ConfigDict(allow_inf_nan=False)

    model: Literal["auto", "mrlf", "best", "linear"] = Field(
        "auto",
        description="Model that answers: mrlf; best, an ensemble of MRLF and linear models; linear, a logistic "
        "regression without any network; auto trains mrlf and takes linear where it is better on the validation "
        "posts by more than chance.",
    )
    preset: Preset = Field(
        "auto",
        description=f"Preset of the sizes; auto takes small below {SMALL_BELOW_POSTS} training posts, else paper.",
    )

    refit: bool = Field(
        True,
        description="Train once more on training and validation posts together, once epochs and all else are chosen.",
    )

    abstain: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Maximum share of posts from known places to which the model may answer that it is none of them; "
        "0: only where nothing of a post is known.",
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

    def in_effect(self, city: City, num_train_posts: int | None) -> dict[str, Any]:
        """The settings with the preset's numbers; by preset where these differ and `auto` cannot choose yet."""
        counts = (0, SMALL_BELOW_POSTS) if num_train_posts is None else (num_train_posts, num_train_posts)
        small, paper = (dict(chain.from_iterable(vars(c).items() for c in self.configs(n))) for n in counts)
        numbers = {
            name: value if small[name] == value else {"small": small[name], "paper": value}
            for name, value in paper.items()
        }
        return super().in_effect(city, num_train_posts) | numbers

    def _given(self, kind: type[MrlfConfig] | type[TrainConfig]) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(kind)}
        return {name: value for name, value in self.model_dump(exclude_none=True).items() if name in names}

    @field_validator("preset", mode="before")
    @classmethod
    def _best_is_a_model(cls, preset: Any) -> Any:
        if preset == "best":
            raise ValueError("preset: best is written model: best; a preset is a size: auto, small or paper")
        return preset

    @model_validator(mode="after")
    def _model_heeds_what_is_given(self) -> Self:
        modalities = self.of_network().get("modalities")
        if self.model == "best" and modalities:
            check_best(modalities)
        unheeded = sorted({*self.of_network(), *self._given(TrainConfig)} - OF_ANY_MODEL)
        unheeded += ["preset"] if self.preset != "auto" else []
        if self.model == "linear" and unheeded:
            raise ValueError(
                f"model: linear trains no network, so {', '.join(unheeded)} would do nothing: leave that away, or "
                "choose model: auto, mrlf or best"
            )
        return self

    @model_validator(mode="after")
    def _fits_a_size(self) -> Self:
        """What no data set can be trained with is refused with the file of cities, not after all other stages."""
        try:
            self.configs(SMALL_BELOW_POSTS - 1)
        except ValueError:
            self.configs(SMALL_BELOW_POSTS)
        return self


def _optional_fields() -> Iterator[tuple[str, Any]]:
    """Name, type and description of every field of both configurations, None where it is left out."""
    hints = get_type_hints(MrlfConfig, include_extras=True) | get_type_hints(TrainConfig, include_extras=True)
    for name in dict.fromkeys((*FIRST, *hints)):
        kind, description = get_args(hints[name])
        shown: JsonDict = {DEFAULT_TEXT: _of_presets(name)}
        field = Field(None, description=description, json_schema_extra=shown, **LIMITS.get(name, {}))
        yield name, (_as_list(kind) | None, field)


def _of_presets(name: str) -> str:
    """What a field is where it is left out, as a person reads it."""
    kind = MrlfConfig if name in MrlfConfig.__dataclass_fields__ else TrainConfig
    paper, small = (_words(name, getattr(size, name)) for size in (kind.paper(), kind.small()))
    return paper if small == paper else f"{paper} (preset paper) or {small} (preset small)"


def _words(name: str, value: Any) -> str:
    return UNSET[name] if value is None else str(list(value) if isinstance(value, tuple) else value)


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
