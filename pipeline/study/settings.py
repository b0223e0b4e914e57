"""The settings of a study: what is repeated how often, and how large it is."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.cities import Settings
from pipeline.training.settings import DEVICE

FEWEST_SEEDS = 3
"""With fewer a study says that it is a trial."""


class StudySettings(Settings):
    """What a study trains; the rows themselves are fixed, see `pipeline.study.plan`."""

    PER_RUN: ClassVar[frozenset[str]] = frozenset({"num_processes", "device"})

    num_seeds: int = Field(
        FEWEST_SEEDS,
        ge=1,
        le=50,
        description="Number of seeds per row, each with its own split of the posts; in time there is one split.",
    )
    preset: Literal["auto", "small", "paper"] = Field(
        "auto", description="Preset of MRLF; auto takes small below 5,000 training posts."
    )
    max_epochs: int | None = Field(None, ge=1, description="Maximum number of epochs per network; by default 30.")
    hashtag_thresholds: list[int] | None = Field(
        None, description="Values of min_hashtag_count in Fig. 4; by default 1 and 0.5, 1 and 2 times the city's."
    )
    fine_tuned: Literal["auto", "never", "always"] = Field(
        "auto", description="Fine-tune image networks; auto: where there is a GPU."
    )
    num_resamples: int = Field(
        1000, ge=100, description="Number of bootstrap samples of users per confidence interval."
    )
    num_processes: int | None = Field(
        None,
        ge=1,
        description="Number of worker processes, one thread each; by default one per core up to 8, and 1 on a GPU.",
    )
    device: str = Field("auto", pattern=DEVICE, description="Device: auto, cpu, cuda or cuda:N.")
