"""Definitions for the test of the literal command: those of the product, with a training that takes no time."""

import os

from assets.definitions import defs  # noqa: F401
from assets.training import train_mrlf as training
from pipeline.stage import Outcome, run_stage
from pipeline.stages import STAGES, Stage


def _build(store, city, settings, **watch):
    return run_stage(store, city, "train_mrlf", code_version="1", settings=settings, inputs={}, work=Outcome)


real = STAGES["train_mrlf"]
STAGES["train_mrlf"] = Stage(name=real.name, room=real.room, settings=real.settings, build=_build)
training.released_cities = lambda store: os.environ["RELEASED"].split()
training._shown = lambda store, city: {}
