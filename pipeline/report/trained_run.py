"""A finished run of `train_mrlf`: its manifest and epochs, the model that answers, and MRLF where another answers."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from models.settings.train_config import meant
from pipeline.errors import StageError
from pipeline.report.content import Epoch, Fact
from pipeline.report.wording import plain
from pipeline.store.files import Manifest
from pipeline.training.choice import AUTO, BEST, LINEAR
from pipeline.training.run_files import PREDICTIONS, answering_folder, answers_of, read_model

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.trained import TrainedModel

BESIDE_NETWORKS = "linear.json"
"""The file of a run in which the linear model alone was trained."""
MAX_APART = 0.05
"""Largest difference between the run's probabilities and its stored model's; rounding on a GPU stays below it."""


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run's manifest and epochs, and the predictions of the model that answers.

    beside: the predictions of MRLF where it was trained and another model answers.
    """

    manifest: Manifest
    predictions: pd.DataFrame
    epochs: list[Epoch]
    beside: pd.DataFrame | None = None

    @classmethod
    def read(cls, manifest: Manifest) -> "TrainedRun":
        """The files of a run, verified."""
        manifest.verify()
        history = pq.read_table(manifest.folder / "history.parquet").to_pylist()
        names = Epoch.__dataclass_fields__
        answering = answering_folder(manifest)
        return cls(
            manifest=manifest,
            predictions=_predictions(answering),
            epochs=[Epoch(**{name: row[name] for name in names}) for row in history],
            beside=None if answering == manifest.folder else _predictions(manifest.folder),
        )

    @property
    def run(self) -> str:
        """The name of its folder."""
        return self.manifest.folder.name

    @property
    def answers(self) -> str:
        """The model that answers: mrlf, best or linear."""
        return answers_of(self.manifest)

    @property
    def is_refit(self) -> bool:
        """Whether its models learnt from the validation posts too, after everything was chosen on them."""
        return bool(self.manifest.about["settings"].get("refit", False))

    def preset(self, num_train_posts: int) -> str:
        """The preset of its settings, "auto" as what it stood for; "best" or "linear" where that was trained."""
        if BESIDE_NETWORKS in self.manifest.files:
            return LINEAR
        settings = self.manifest.about["settings"]
        return BEST if settings.get("model") == BEST else meant(settings["preset"], num_train_posts)

    def reads_all(self) -> bool:
        """Whether the settings leave no kind of input out."""
        return not self.manifest.about["settings"].get("modalities")

    def says_who_answers(self) -> list[str]:
        """What a person must know of the model that answers, where the settings left it open."""
        choice = self.manifest.about.get("choice", {"asked": ""})
        if choice["asked"] != AUTO:
            return []
        return [f"{choice['why'][:1].upper()}{choice['why'][1:]}."]

    def model(self, samples: "Samples", proba: "np.ndarray[Any, Any]", folder: Path | None = None) -> "TrainedModel":
        """The model that answers, or the one in this folder, once it is checked to give the probabilities that the
        run stored for these samples.

        Raises:
            StageError: it gives others, so its files are not of the run that was measured.
        """
        model = read_model(self.manifest, folder or answering_folder(self.manifest))
        apart = float(np.abs(model.predict_proba(samples) - proba).max())
        if apart > MAX_APART:
            raise StageError(
                f"the model stored in run {self.run} gives other probabilities than the run stored (up to {apart:.3f} "
                "apart): train it again with the stage train_mrlf, then run evaluate_mrlf"
            )
        return model

    def weights_digests(self) -> str:
        """The digests of the files that hold the weights."""
        files = self.manifest.files
        return ", ".join(files[name]["sha256"] for name in sorted(files) if name.endswith(".safetensors"))


def _predictions(folder: Path) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(folder / PREDICTIONS).to_pandas()
    return table


def settings_of(model: "TrainedModel") -> list[Fact]:
    """Every setting of the network and its training, as they were in effect."""
    return [
        Fact(name=name, value=plain(str(value)))
        for config in model.configs
        for name, value in sorted(dataclasses.asdict(config).items())
    ]
