"""A finished run of `train_mrlf`: its manifest, predictions, epochs and model."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from models.settings.train_config import meant
from pipeline.errors import StageError
from pipeline.report.content import Epoch, Fact
from pipeline.report.wording import plain
from pipeline.store.files import Manifest
from pipeline.training.run_files import read_model

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.trained import TrainedModel

MAX_APART = 0.05
"""Largest difference between the run's probabilities and its stored model's; rounding on a GPU stays below it."""


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run's manifest, predictions and epochs."""

    manifest: Manifest
    predictions: pd.DataFrame
    epochs: list[Epoch]

    @classmethod
    def read(cls, manifest: Manifest) -> "TrainedRun":
        """The files of a run, verified."""
        manifest.verify()
        history = pq.read_table(manifest.folder / "history.parquet").to_pylist()
        names = Epoch.__dataclass_fields__
        return cls(
            manifest=manifest,
            predictions=pq.read_table(manifest.folder / "predictions.parquet").to_pandas(),
            epochs=[Epoch(**{name: row[name] for name in names}) for row in history],
        )

    @property
    def run(self) -> str:
        """The name of its folder."""
        return self.manifest.folder.name

    def preset(self, num_train_posts: int) -> str:
        """The preset of its settings, "auto" as what it stood for."""
        return meant(self.manifest.about["settings"]["preset"], num_train_posts)

    def model(self, samples: "Samples", proba: "np.ndarray[Any, Any]") -> "TrainedModel":
        """The trained model, once it is checked to give the probabilities that the run stored for these samples.

        Raises:
            StageError: it gives others, so its files are not of the run that was measured.
        """
        model = read_model(self.manifest)
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


def settings_of(model: "TrainedModel") -> list[Fact]:
    """Every setting of the network and its training, as they were in effect."""
    return [
        Fact(name=name, value=plain(str(value)))
        for config in (model.model_config, model.train_config)
        for name, value in sorted(dataclasses.asdict(config).items())
    ]
