"""Why a model predicts what it does: modalities left out, and where attention lies."""
