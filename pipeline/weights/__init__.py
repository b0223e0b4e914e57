"""Weights of networks: where they are published, how they come here, and what a stage may take.

Law: no code of a file is run, nothing is used whose digest was not compared, and nothing falls back in silence.
"""

from pipeline.weights.weights_store import Builtin, Int8, WeightsFile, WeightsStore, choose_weights

__all__ = ["Builtin", "Int8", "WeightsFile", "WeightsStore", "choose_weights"]
