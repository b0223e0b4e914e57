"""The peer of `features`: what a plain torchvision script does with a folder of pictures, in fp32, 8 at a time.

Imports nothing of ours. Arguments: the folder, a state dict of vgg19's convolutions, where to leave the first vectors.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torchvision
from PIL import Image

BATCH_SIZE = 8


def main() -> None:
    """Answer every line of the input; every round begins with the first picture."""
    folder, state, vectors = map(Path, sys.argv[1:])
    weights = torchvision.models.VGG19_Weights.IMAGENET1K_V1
    network = torchvision.models.vgg19().features.eval()
    network.load_state_dict(torch.load(state, weights_only=True))
    paths = sorted(folder.iterdir())
    torch.save(features(network, weights.transforms(), paths), vectors)  # warm, and shown to be equal
    answer({"ready": f"torchvision {torchvision.__version__} on torch {torch.__version__}, fp32, batch {BATCH_SIZE}"})
    for line in sys.stdin:
        started = time.perf_counter()
        features(network, weights.transforms(), paths[: json.loads(line)["num"]])
        answer({"seconds": time.perf_counter() - started})


def features(network: torch.nn.Module, transforms: torch.nn.Module, paths: list[Path]) -> torch.Tensor:
    """The mean over the positions of the last map, for each picture."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH_SIZE):
            batch = [transforms(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH_SIZE]]
            found.append(network(torch.stack(batch)).mean(dim=(2, 3)))
    return torch.cat(found)


def answer(content: dict[str, object]) -> None:
    """One line of JSON."""
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
