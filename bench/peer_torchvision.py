"""The peer of `features`: what a plain torchvision script does with a folder of pictures, in fp32, 8 at a time.

Of ours it imports the module of EfficientNet-Lite0 alone, equal to the published package's to the last bit.
Arguments: the folder, a state dict of the network without classifier, where to leave the first vectors, which network.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torchvision
from PIL import Image

BATCH_SIZE = 8


def main() -> None:
    """Answer every line of the input; every round begins with the first picture."""
    folder, state, vectors = map(Path, sys.argv[1:4])
    network, transforms = network_of(sys.argv[4], torch.load(state, weights_only=True))
    paths = sorted(folder.iterdir())
    torch.save(features(network, transforms, paths), vectors)  # warm, and shown to be equal
    answer({"ready": f"torchvision {torchvision.__version__} on torch {torch.__version__}, fp32, batch {BATCH_SIZE}"})
    for line in sys.stdin:
        started = time.perf_counter()
        features(network, transforms, paths[: json.loads(line)["num"]])
        answer({"seconds": time.perf_counter() - started})


def network_of(name: str, state: dict[str, torch.Tensor]) -> tuple[Callable[[torch.Tensor], torch.Tensor], Callable]:
    """Pixels to the last map, and a picture to pixels."""
    transforms = torchvision.models.VGG19_Weights.IMAGENET1K_V1.transforms
    if name == "vgg19":
        layers = torchvision.models.vgg19().features.eval()
        layers.load_state_dict(state)
        return layers, transforms()
    from models.vision.efficientnet_lite import EfficientNetLite0

    network = EfficientNetLite0().eval()
    missing, unknown = network.load_state_dict(state, strict=False)
    assert not unknown and all(key.startswith("fc.") or key.endswith("num_batches_tracked") for key in missing)
    return network.last_map, partial(
        transforms().__class__, crop_size=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3
    )()


def features(network: Callable[[torch.Tensor], torch.Tensor], transforms: Callable, paths: list[Path]) -> torch.Tensor:
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
