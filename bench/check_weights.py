"""Whether published weights give what their publishers' own code gives: masks, a hole filled by LaMa, features.

    python -m bench.check_weights                       those of the store; u2net and u2netp are fetched
    python -m bench.check_weights --file u2netp=FILE    a file instead

The official pictures are not part of the project; they lie in ../shared/data/photos (--photos, or $MRLF_SHARED_DATA).
Judged, mean absolute difference at most 0.01 of the full range, in fp32:
* every map of `u2net` and `u2netp`, made as the authors made theirs: resized without smoothing (scikit-image 0.14),
  the map stretched from 0 to 1. How far our stage's own resizing, which smooths, leads from that stands beside it,
  unjudged: docs/DECISIONS.md ("The stage smooths") says why it stays.
* the filled hole of `lama`, and that no pixel outside it changed.
* features of `efficientnet_lite0`, beside those that its package (efficientnet-lite-pytorch 0.1.0) made of the same
  pixels: `official_features.npz`, at most 0.0001. How far our stage's own resizing leads from that stands beside it.
No official map is at hand for u2net_human_seg: it is the same network, and its file is guarded by its digest alone.
Weights that a package index has (`pipeline.weights.packages`) fail where they cannot be had; LaMa's, which it does not
have, are skipped where they are not here.

Exit status: 0 all passed, 1 something failed, 77 nothing failed but something was skipped, with the reason printed.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from models.vision.architectures import ARCHITECTURES
from models.vision.backbones import ImageFeatures
from models.vision.portraits import INPUT_SIDE_PX, U2NetPortraits, resized
from models.vision.running import Runner, Running
from pipeline.store import Store
from pipeline.weights.fetching import WeightsUnavailableError
from pipeline.weights.packages import package_of
from pipeline.weights.weights_store import WeightsFile, WeightsStore

LIMIT = 0.01
FEATURES_LIMIT = 1e-4
"""of features, of their largest"""
FAILED, SKIPPED = 1, 77
EXACT = Running("torch", "cpu", "fp32")
Difference = tuple[str, float, str]
"""what was compared, the mean absolute difference, and what else is worth telling"""


def main(arguments: list[str] | None = None) -> int:
    """Check all; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("MRLF_SHARED_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    parser.add_argument("--photos", type=Path, default=shared / "photos")
    parser.add_argument(
        "--file", action="append", default=[], metavar="NAME=FILE", help="weights instead of the store's"
    )
    options = parser.parse_args(arguments)
    files = {name: Path(path) for name, _, path in (pair.partition("=") for pair in options.file)}
    if unknown := set(files) - set(CHECKS):
        parser.error(f"no check is called {', '.join(sorted(unknown))}: take {', '.join(CHECKS)}")
    weights_store = WeightsStore.of(Store.open())
    outcomes = [check(name, options.photos, weights_store, files.get(name)) for name in CHECKS]
    return FAILED if False in outcomes else SKIPPED if None in outcomes else 0


def check(name: str, photos: Path, weights_store: WeightsStore, file: Path | None) -> bool | None:
    """Whether these weights pass; None where something is missing for that. Either is printed."""
    folder, compare = CHECKS[name]
    if not (photos / folder).is_dir():
        print(f"{name}: SKIPPED, the official pictures are missing: there is no folder {photos / folder} (--photos)")
        return None
    try:
        found = weights_store.use_file(file, name) if file else _found(weights_store, name)
    except WeightsUnavailableError as error:
        print(f"{name}: FAILED, {error}")
        return False
    if found is None:
        print(
            f"{name}: SKIPPED, no weights in {weights_store.folder}. Run `mrlf weights fetch {name}`, "
            f"or name a file: --file {name}=FILE"
        )
        return None
    print(f"{name}: {found.source}, sha256 {found.weights_sha256[:12]}, {EXACT}")
    module = ARCHITECTURES[found.architecture].build(load_file(found.path))
    differences = []
    for about, difference, note in compare(module, photos / folder, name):
        print(f"  {about:<16} {difference:.4f} of at most {LIMIT}  {note}", flush=True)
        differences.append(difference)
    worst = max(differences, default=np.inf)  # no picture compared is no check passed
    is_good = bool(worst <= LIMIT)
    print(f"{name}: {'passed' if is_good else 'FAILED'}, at worst {worst:.4f} of at most {LIMIT}")
    return is_good


def _found(weights_store: WeightsStore, name: str) -> WeightsFile | None:
    """The weights of this name, in whichever published format they are here, else fetched where an index has them."""
    names = [entry.name for entry in weights_store.entries().values() if name in (entry.name, entry.same_as)]
    is_here = next((found for each in names if (found := weights_store.find(each))), None)
    if is_here or not any(map(package_of, weights_store.entry(name).addresses)):
        return is_here
    return weights_store.fetch(name)


def compare_maps(module: nn.Module, folder: Path, name: str) -> Iterator[Difference]:
    """Our map of each official picture against the published one."""
    portraits = U2NetPortraits(name, "", module, EXACT)
    for path in sorted((folder / "input").iterdir()):
        picture, official = _read(path, "RGB"), _read(folder / name / f"{path.stem}.png", "L")
        as_official, as_ours = portraits.probabilities([_unsmoothed(picture), picture])
        differences = [
            float((_published(probability_SS, official.shape) - torch.from_numpy(official)).abs().mean()) / 255
            for probability_SS in (as_official, as_ours)
        ]
        yield path.name, differences[0], f"(as the stage resizes: {differences[1]:.4f})"


def compare_fill(module: nn.Module, folder: Path, name: str) -> Iterator[Difference]:
    """Our fill of the official picture against the published one."""
    picture, mask = _read(folder / "image_1.png", "RGB"), _read(folder / "mask_1.png", "L") > 0
    official = _read(folder / "out_1.png", "RGB")
    pixels_13HW = torch.from_numpy(picture).permute(2, 0, 1)[None]
    predicted_13HW = Runner(module, EXACT)(pixels_13HW, torch.from_numpy(mask)[None, None].to(torch.uint8))
    predicted = predicted_13HW[0].permute(1, 2, 0).clamp(0, 255).numpy().astype(np.uint8)
    filled = np.where(mask[:, :, None], predicted, picture)
    difference = np.abs(filled.astype(np.float32) - official) / 255
    yield "the hole", float(difference[mask].mean()), f"({mask.mean():.1%} of the picture)"
    yield "around it", float(difference[~mask].mean()), ""


def compare_features(module: nn.Module, folder: Path, name: str) -> Iterator[Difference]:
    """Our features of each official picture against the published code's; scaled, so that 0.0001 becomes `LIMIT`."""
    stage = ImageFeatures(name, "", module, EXACT)
    with np.load(Path(__file__).parent / "official_features.npz") as official:
        for file, expected in official.items():
            with Image.open(folder / file) as image:
                picture = image.convert("RGB")
            found = Runner(module, EXACT)(_middle_by_pillow(picture))[0].numpy()
            exact = float(np.abs(found - expected).max() / expected.max())
            as_ours = np.corrcoef(stage([np.array(picture)])[0], expected)[0, 1]
            note = f"(exactly {exact:.1e}; as the stage resizes: correlation {as_ours:.4f})"
            yield file, exact / FEATURES_LIMIT * LIMIT, note


def _middle_by_pillow(picture: Image.Image) -> Tensor:
    """uint8 (1, 3, 224, 224): the shorter side resized to 256 by Pillow, then the middle."""
    ratio, side = 256 / min(picture.size), 224
    small = picture.resize((round(picture.width * ratio), round(picture.height * ratio)), Image.Resampling.BILINEAR)
    left, top = (small.width - side) // 2, (small.height - side) // 2
    return torch.from_numpy(np.array(small.crop((left, top, left + side, top + side)))).permute(2, 0, 1)[None]


def _read(path: Path, mode: str) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert(mode))


def _unsmoothed(picture_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at the network's size, each pixel from the four nearest only."""
    pixels_13HW = torch.from_numpy(picture_HW3).permute(2, 0, 1)[None].float()
    small = F.interpolate(pixels_13HW, size=(INPUT_SIDE_PX, INPUT_SIDE_PX), mode="bilinear", align_corners=False)
    return small.round().to(torch.uint8)[0].permute(1, 2, 0).numpy()


def _published(probability_SS: Tensor, size: tuple[int, ...]) -> Tensor:
    """A map as the official script writes it: stretched to the full range, in bytes, then enlarged."""
    low, high = probability_SS.min(), probability_SS.max()
    grey_SS = ((probability_SS - low) / (high - low) * 255).to(torch.uint8)
    return resized(grey_SS[None, None], (size[0], size[1]))[0, 0].float()


Compare = Callable[[nn.Module, Path, str], Iterator[Difference]]
CHECKS: dict[str, tuple[str, Compare]] = {
    "u2net": ("u2net", compare_maps),
    "u2netp": ("u2net", compare_maps),
    "big_lama": ("lama", compare_fill),
    "efficientnet_lite0": ("public_domain", compare_features),
}
"""by the name of the weights: the folder of official pictures, and what is done with them"""

if __name__ == "__main__":
    sys.exit(main())
