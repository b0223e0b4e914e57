"""The tensors of a file that `torch.save` wrote, read with `weights_only`: no class or function of it is run."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

MAX_TOLD = 200
"""characters of torch's own message"""
FORBIDDEN = re.compile(r"GLOBAL (\S+)")
"""how torch names what a file would have called"""


def read_torch_file(path: Path) -> Mapping[str, object]:
    """The state dict in a .pth or .pt file.

    Raises:
        ValueError: it is damaged, holds something else than tensors, or names code to run; it is not read otherwise.
    """
    import torch

    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way, and all mean the same
        raise ValueError(
            f"{path.name} is not read as weights: {_what_is_wrong(error)}; nothing of it is run. Take the published "
            "file, or save its state dict as safetensors"
        ) from error
    if not isinstance(stored, Mapping):
        raise ValueError(f"{path.name} holds a {type(stored).__name__}, not a state dict (names with tensors)")
    return stored


def _what_is_wrong(error: Exception) -> str:
    """In our words: torch's own advise reading the file with all rights."""
    told = " ".join(str(error).split())
    if named := FORBIDDEN.search(told):
        return f"it names {named[1]}, which reading it would call"
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors, or is damaged"
    return f"it is damaged ({type(error).__name__}: {told[:MAX_TOLD]})"
