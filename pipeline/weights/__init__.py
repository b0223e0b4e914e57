"""Weights of networks: where they are published, how they come here, and what a stage may take.

Law: no code of a file is run, nothing is used whose digest was not compared, and nothing falls back in silence.
"""

from pipeline.weights.choosing import Builtin, choose_weights
from pipeline.weights.weights_store import WeightsFile, WeightsStore

__all__ = ["Builtin", "WeightsFile", "WeightsStore", "choose_weights"]
