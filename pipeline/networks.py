"""What every stage with a network lets a person choose: whose weights, and where and how exactly it is computed."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.cities import Settings

WeightsWish = Literal["auto", "require", "builtin"]


class NetworkSettings(Settings):
    """Settings that the stages of the portrait, filling and feature networks share.

    `runtime`, `device` and the sizes of batches and commits say how the work is done and not what comes out; they make
    nothing stale. `precision` does: who asks for fp32 gets no row that bf16 made.
    """

    PER_RUN: ClassVar[frozenset[str]] = frozenset({"runtime", "device", "batch_size", "commit_every", "num_workers"})

    weights: WeightsWish = Field(
        "auto", description="Published weights if to be had (auto), or fail (require), or the built-in way (builtin)."
    )
    weights_file: Path | None = Field(None, description="A file of weights of this network to use instead.")
    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="What computes the network; auto takes the quickest that this machine has."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="bf16 where the processor has instructions for it (auto), or always the one named."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where: a GPU if there is one (auto).")
