"""What every stage with a network lets a person choose: whose weights, and where and how exactly it is computed.

Beside it: the time in which no address is asked for weights, since nothing may be left to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from pipeline.cities import Settings

if TYPE_CHECKING:
    from models.settings.machine import Running

WeightsPolicy = Literal["auto", "require", "builtin"]
_unasked: ContextVar[set[str] | None] = ContextVar("unasked", default=None)


@contextmanager
def nobody_asked() -> Iterator[set[str]]:
    """Within, weights that are not here count as not to be had; the set of their names grows meanwhile."""
    names: set[str] = set()
    token = _unasked.set(names)
    try:
        yield names
    finally:
        _unasked.reset(token)


def is_left_unasked(name: str) -> bool:
    """Whether no address may be asked for these weights now; their name is noted."""
    names = _unasked.get()
    if names is not None:
        names.add(name)
    return names is not None


class NetworkSettings(Settings):
    """Settings that the stages of the portrait, filling and feature networks share.

    `runtime`, `device` and the sizes of batches and commits say how the work is done and not what comes out; they make
    nothing stale. `precision` does: who asks for fp32 gets no row that bf16 made.
    """

    PER_RUN: ClassVar[frozenset[str]] = frozenset({"runtime", "device", "batch_size", "commit_every", "num_workers"})

    weights: WeightsPolicy = Field(
        "auto",
        description="Use published weights if available (auto), or fail without them (require), or use the built-in "
        "methods (builtin).",
    )
    weights_file: Path | None = Field(None, description="Weights file of this network to use instead.")
    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="Inference runtime; auto takes the fastest one on this machine."
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto",
        description="Precision; auto: bf16 where the processor is quicker in it, else fp32. int8: a network made from "
        "pictures of the city, if it passes its gate.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Device; auto: a GPU if there is one.")

    def running(self) -> "Running":
        """Where and how exactly the network runs on this machine.

        Raises:
            ValueError: what was asked for is not to be had here.
        """
        from models.settings.machine import choose_running

        return choose_running(self.runtime, self.precision, self.device)

    def as_it_runs(self, *, has_int8: bool) -> Self:
        """These settings; where they ask for int8 and no such network passed its gate, those of `auto`."""
        if self.precision != "int8" or has_int8:
            return self
        return self.model_copy(update={"precision": "auto"})


class ImageStageSettings(NetworkSettings):
    """How the stages that find people and fill them do their work."""

    batch_size: int | None = Field(
        None,
        ge=1,
        description="Batch size in pictures; by default 4 on a CPU, on a GPU 32 for masks and 16 for filling.",
    )
    commit_every: int = Field(256, ge=1, description="Pictures between two commits: the most that a killed run loses.")
    num_workers: int = Field(2, ge=1, description="Built-in methods only: number of worker processes.")
