"""Settings of `portrait_masks`, and which network finds people: chosen once by the stage, loaded where it runs.

The choice is small and can be pickled: it travels to the workers, which load the network themselves. Before anything
is loaded the stage knows from it what will run, and so whether anything is to be done at all.
"""

from dataclasses import dataclass

from pydantic import Field

from pipeline.errors import StageError
from pipeline.images.builtin_portraits import BuiltinPortraits
from pipeline.images.stages import PortraitMasker
from pipeline.networks import ImageStageSettings
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.weights import WeightsStore
from pipeline.weights.choosing import Builtin, choose_weights
from pipeline.weights.weights_store import WeightsFile

ARCHITECTURES = frozenset({"u2net", "u2netp"})


class PortraitMasksSettings(ImageStageSettings):
    """How people are looked for."""

    network: str = Field(
        "u2net_human_seg", description="Whose weights: a name that `mrlf weights list` shows, of U²-Net or U²-Net-P."
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="A pixel that the network holds for a person with more than this is masked."
    )
    min_portrait_ratio: float = Field(
        0.001, ge=0, lt=1, description="Where the network sees people on a smaller share of a picture, it has none."
    )
    find_profiles: bool = Field(
        True, description="Built-in way: also look for faces from the side (half the time of the stage)."
    )
    find_bodies: bool = Field(True, description="Built-in way: also look for whole bodies.")
    dilation_ratio: float = Field(
        0.02, ge=0, le=0.5, description="The mask is widened by this share of the picture's longer side."
    )


@dataclass(frozen=True, kw_only=True)
class MaskerChoice:
    """What finds people: the weights of a network, or the built-in detectors (`file` is None) and why they do."""

    network: str
    weights_sha256: str
    file: WeightsFile | None = None
    why: str = ""


def choose_masker(store: Store, settings: PortraitMasksSettings) -> MaskerChoice:
    """The network that the settings name, or the built-in detectors where they ask for these or there is nothing else.

    Raises:
        StageError: the weights are not those of a network that finds people, are damaged, or are required and missing.
    """
    if settings.weights != "builtin":
        architecture = WeightsStore.of(store).entry(settings.network).architecture
        if architecture not in ARCHITECTURES:
            raise StageError(
                f"portrait_masks cannot use the weights {settings.network}, which are of {architecture}: take "
                f"those of {' or '.join(sorted(ARCHITECTURES))} (`mrlf weights list` shows them)"
            )
    chosen = choose_weights(WeightsStore.of(store), settings.network, settings.weights, settings.weights_file)
    if isinstance(chosen, Builtin):
        builtin = _builtin(settings)
        return MaskerChoice(network=builtin.network, weights_sha256=builtin.weights_sha256, why=chosen.why)
    return MaskerChoice(network=chosen.name, weights_sha256=chosen.weights_sha256, file=chosen)


def masks_recipe(settings: PortraitMasksSettings, choice: MaskerChoice, *made_by: str) -> str:
    """The digest of all that a mask depends on, `made_by` too; what only the other way uses is no part of it."""
    only_builtin, only_network = {"find_profiles", "find_bodies"}, {"threshold", "min_portrait_ratio", "precision"}
    fields = {"dilation_ratio", *(only_builtin if choice.file is None else only_network)}
    values = settings.model_dump(mode="json", include=fields)
    return json_digest([*made_by, values, choice.network, choice.weights_sha256])


def load_masker(choice: MaskerChoice, settings: PortraitMasksSettings) -> PortraitMasker:
    """The network itself, where the settings and this machine let it run best."""
    if choice.file is None:
        return _builtin(settings)
    from safetensors.torch import load_file

    from models.vision.architectures import ARCHITECTURES as BUILDERS
    from models.vision.portraits import U2NetPortraits

    module = BUILDERS[choice.file.architecture].build(load_file(choice.file.path))
    return U2NetPortraits(
        choice.network,
        choice.weights_sha256,
        module,
        settings.running(),
        threshold=settings.threshold,
        min_portrait_ratio=settings.min_portrait_ratio,
        batch_size=settings.batch_size,
    )


def _builtin(settings: PortraitMasksSettings) -> BuiltinPortraits:
    return BuiltinPortraits(find_profiles=settings.find_profiles, find_bodies=settings.find_bodies)
