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
        FEWEST_SEEDS, ge=1, le=50, description="Each row is trained so often, each time on another split of the posts."
    )
    preset: Literal["auto", "small", "paper"] = Field(
        "auto", description="MRLF's sizes; auto takes small below 5,000 training posts."
    )
    max_epochs: int | None = Field(
        None, ge=1, description="Epochs of each network at most, by default as its preset says."
    )
    hashtag_thresholds: list[int] | None = Field(
        None, description="Fig. 4: by default 1, half the city's min_hashtag_count, that, and twice that."
    )
    fine_tuned: Literal["auto", "never", "always"] = Field(
        "auto", description="Image networks trained on pixels: where a GPU is (auto), or never, or always."
    )
    num_resamples: int = Field(1000, ge=100, description="Bootstrap samples of users behind every interval.")
    num_processes: int | None = Field(
        None, ge=1, description="Cells computed side by side, one thread each; by default one for each core."
    )
    device: str = Field("auto", pattern=DEVICE, description="auto, cpu, cuda or cuda:N.")
