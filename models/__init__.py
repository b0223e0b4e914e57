"""Networks, text encoding, training on arrays, metrics and baselines of the location models.

Nothing here knows of cities, tables or Dagster: arrays and plain records come in, arrays and folders of
safetensors and JSON go out. Imports torch, torchvision, numpy, scikit-learn, scipy and safetensors only.
"""
