"""What a person sees of a training: a bar on a terminal, lines in the log, TensorBoard's files, and MLflow where set.

The time that is left at most is measured over this process's own steps, so a run that goes on from a checkpoint shows
its own.
Writes <run>/tensorboard/ (`tensorboard --logdir <run>/tensorboard` shows it), and a run in MLflow's experiment "mrlf"
where MLFLOW_TRACKING_URI names a server (http or https; needs the extra `mlflow`).
Law: numbers and settings only; no caption, key, user or path of this machine. A server that does not answer costs
a few seconds and never the training: that is logged once, the epochs are sent once more at the end, and those that are
missing are counted.
MLflow's own reports to its makers are switched off.
"""

import importlib.util
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from tqdm import tqdm

if TYPE_CHECKING:
    from models.settings.train_config import Epoch


BETWEEN_LINES_S = 60.0
"""between two lines of the log inside an epoch"""
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, at most {remaining} left{postfix}"

log = logging.getLogger("mrlf")
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT = "mrlf"
FIGURES = ("train_loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds")
MLFLOW_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""by itself MLflow waits two minutes for an answer and asks seven times"""


class Progress:
    """Shows the steps and epochs that are done; `with` closes the bar."""

    def __init__(self, title: str, max_epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.title, self.max_epochs, self._clock = title, max_epochs, clock
        self._last_line = clock()
        self._begun: tuple[float, float] | None = None  # epochs that were over, and when
        self._bar = tqdm(total=float(max_epochs), desc=title, bar_format=BAR, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def step(self, epoch: int, step: int, num_steps: int) -> None:
        """A step of epoch `epoch` (counted from 1) is done."""
        done = epoch - 1 + step / num_steps
        self._move(done, begun=(done, self._clock()))
        if self._clock() - self._last_line >= BETWEEN_LINES_S and step < num_steps:
            share = f"{step / num_steps:.0%} of it"
            self._log(f"epoch {epoch} of at most {self.max_epochs}, {share}, {self._left(done)}")

    def epoch(self, epoch: "Epoch") -> None:
        """An epoch is done."""
        done = float(epoch.epoch)
        self._move(done, begun=(done - 1, self._clock() - epoch.seconds))
        self._bar.set_postfix(loss=f"{epoch.validation_loss:.3f}", accuracy=f"{epoch.validation_accuracy:.3f}")
        self._log(
            f"epoch {epoch.epoch} of at most {self.max_epochs}, loss {epoch.train_loss:.3f}, validation loss "
            f"{epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}, {epoch.seconds:.1f} s, "
            f"{self._left(done, epoch.seconds)}"
        )

    def _move(self, done: float, *, begun: tuple[float, float]) -> None:
        """Move the bar to `done` epochs; the first call says from where and when time is measured."""
        if self._begun is None:
            self._begun = begun
            self._bar.reset(total=self.max_epochs)
            self._bar.update(begun[0])
            self._bar.initial = begun[0]
        self._bar.update(done - self._bar.n)

    def _left(self, done: float, seconds_an_epoch: float = 0.0) -> str:
        """Words for the time left; `seconds_an_epoch` counts where only one step is done yet."""
        first, started = self._begun or (done, self._clock())
        if done > first:
            seconds_an_epoch = (self._clock() - started) / (done - first)
        return f"{in_words(seconds_an_epoch * (self.max_epochs - done))} left"

    def _log(self, line: str) -> None:
        self._last_line = self._clock()
        log.info("%s: %s", self.title, line)


def in_words(seconds: float) -> str:
    """A duration as a person says it: about 40 s, about 4 min, about 2.5 h."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


class TrainingLog:
    """Writes each finished epoch; `notes` is what a person should read afterwards."""

    def __init__(self, folder: Path, title: str, settings: Mapping[str, Any]) -> None:
        self._folder, self._title, self._settings = folder, title, settings
        self._writer: Any = None
        self._mlflow = MlflowLog(folder, title, settings) if os.environ.get(TRACKING_VARIABLE) else None

    @property
    def notes(self) -> list[str]:
        """What could not be sent, if anything."""
        return self._mlflow.notes if self._mlflow else []

    def epoch(self, epoch: "Epoch") -> None:
        """Write the figures of an epoch, so that they can be read at once."""
        writer = self._tensorboard(first_epoch=epoch.epoch)
        for name in FIGURES:
            writer.add_scalar(name, getattr(epoch, name), epoch.epoch)
        writer.flush()
        if self._mlflow:
            self._mlflow.epoch(epoch)

    def close(self, *, is_finished: bool) -> None:
        """Nothing follows."""
        if self._writer is not None:
            self._writer.close()
        if self._mlflow:
            self._mlflow.close(is_finished=is_finished)

    def _tensorboard(self, first_epoch: int) -> Any:
        """The writer; what an earlier process wrote of this epoch and later ones no longer counts."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder / "tensorboard"), purge_step=first_epoch)
            self._writer.add_text("settings", json.dumps(self._settings, indent=1, sort_keys=True), first_epoch)
        return self._writer


@contextmanager
def training_log(folder: Path, title: str, settings: Mapping[str, Any]) -> Iterator[TrainingLog]:
    """A log that is closed whatever happens; a training that ended in an error is no finished one."""
    opened = TrainingLog(folder, title, settings)
    is_finished = False
    try:
        yield opened
        is_finished = True
    finally:
        opened.close(is_finished=is_finished)


class MlflowLog:
    """One run on an MLflow server, found again when the training goes on."""

    def __init__(self, folder: Path, title: str, settings: Mapping[str, Any]) -> None:
        self._id_file, self._title, self._settings = folder / "mlflow_run_id", title, settings
        self._host = urlsplit(os.environ[TRACKING_VARIABLE]).hostname or "its address"
        self._client: Any = None
        self._run_id = ""
        self._waiting: list[Epoch] = []
        self._is_off = False
        self.notes: list[str] = []
        if importlib.util.find_spec("mlflow") is None:
            self._is_off = True
            self._note(
                f"{TRACKING_VARIABLE} is set, but the package mlflow is not installed, so nothing is sent to MLflow: "
                'pip install "mrlf-pipeline[mlflow]"'
            )

    def epoch(self, epoch: "Epoch") -> None:
        """Send an epoch, unless the server has failed before."""
        self._waiting.append(epoch)
        if not self._is_off:
            self._send()

    def close(self, *, is_finished: bool) -> None:
        """Try once more what could not be sent, and say that the run is over."""
        if importlib.util.find_spec("mlflow") is None or not (self._run_id or self._waiting):
            return
        if self._send(status="FINISHED" if is_finished else "KILLED"):
            self.notes.clear()
        else:
            lacks = f"{len(self._waiting)} epochs of this training" if self._waiting else "the end of this training"
            self.notes[:] = [f"MLflow at {self._host} lacks {lacks}"]

    def _send(self, status: str | None = None) -> bool:
        for name, value in MLFLOW_LIMITS.items():
            os.environ.setdefault(name, value)
        import requests
        from mlflow.exceptions import MlflowException

        try:
            self._open()
            self._client.log_batch(self._run_id, metrics=self._metrics())
            self._waiting.clear()
            if status:
                self._client.set_terminated(self._run_id, status=status)
        except (MlflowException, requests.RequestException, OSError) as error:
            if not self._is_off:  # its own words may hold the address with a password in it
                kind = f"{type(error).__name__} {getattr(error, 'error_code', '')}".strip()
                self._note(f"MLflow at {self._host} does not take the figures ({kind}): the training goes on without")
            self._is_off = True
            return False
        return True

    def _open(self) -> None:
        """Find the run that an earlier process began, or begin one."""
        if self._run_id:
            return
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=os.environ[TRACKING_VARIABLE])
        if self._id_file.is_file():
            run_id = self._id_file.read_text()
            self._client.update_run(run_id, status="RUNNING")
        else:
            found = self._client.get_experiment_by_name(EXPERIMENT)
            experiment_id = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
            run_id = self._client.create_run(experiment_id, run_name=self._title).info.run_id
            self._id_file.write_text(run_id)
        self._client.log_batch(run_id, params=[Param(name, str(value)) for name, value in self._settings.items()])
        self._run_id = run_id

    def _metrics(self) -> list[Any]:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        return [
            Metric(name, float(getattr(epoch, name)), now, epoch.epoch) for epoch in self._waiting for name in FIGURES
        ]

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)
        log.warning(sentence)
