"""Weights of networks: where they are published, how they come here, and what a stage may take.

Law: no code of a file is run, nothing is used whose digest was not compared, and nothing falls back in silence.
"""

from pipeline.weights.choosing import Builtin, choose_weights
from pipeline.weights.shelf import Shelf, WeightsFile

__all__ = ["Builtin", "Shelf", "WeightsFile", "choose_weights"]
