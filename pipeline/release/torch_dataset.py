"""A release as a PyTorch `Dataset`, for networks of one's own.

    from torch.utils.data import DataLoader
    from pipeline.release.torch_dataset import ReleaseDataset

    train = ReleaseDataset("demo", "train")
    for batch in DataLoader(train, batch_size=32, shuffle=True, num_workers=4):
        batch["image"]  # uint8 (32, 3, 224, 224)

Reads  the release alone: posts.parquet and the shards of one split, through the manifest
Law: every post of the split once, in the order of its key, whatever the number of workers; what was not released is
not here. A shard is read where it lies: the places of its pictures are looked up once, when the data set is opened.
Covered: a shard or table that differs from its digest is refused when the data set is opened.
Shape letters: H, W height and width of a picture.
"""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.errors import StageError
from pipeline.picture_bytes import UnreadablePicture, decode_picture
from pipeline.release.read import latest_release
from pipeline.release.split import SPLITS
from pipeline.store import Store
from pipeline.store.files import Manifest, unseal

IMAGE_SIZE = 224
"""side in pixels of a picture where no transform is given: what the networks of torchvision were trained on"""


def middle_square(image: Tensor) -> Tensor:
    """The middle of a picture as uint8 (3, 224, 224): torchvision's recipe for its ImageNet networks, as VGG19's."""
    from models.vision.backbones import preprocess, resized_side

    image_hwc = image.permute(1, 2, 0).contiguous().numpy()
    return preprocess(image_hwc, IMAGE_SIZE, resized_side("vgg19", IMAGE_SIZE))


class ReleaseDataset(Dataset[dict[str, Any]]):
    """The posts of one split: `len()`, and a dictionary per post that the default collate of a `DataLoader` takes.

    image: what `transform` makes of the whole clean picture, uint8 (3, H, W), RGB; by default its middle square as
    uint8 (3, 224, 224). caption: text. hashtags: text, one space between two (a hashtag holds none; `.split()` gives
    the list). label: which of `classes`. key: the post.

    source: a city of the store at MRLF_DATA, whose latest release is read, or the folder of a release: a `Path`, or
    text with a "/" in it.
    split: train, validation or test. The object may be sent to other processes; no file is open in it then.

    Raises:
        StageError: there is no such city, release or split, or its labels are not those of its classes.
        IncompleteFolderError: a file of the release is missing or was changed.
    """

    def __init__(self, source: str | Path, split: str, *, transform: Callable[[Tensor], Any] = middle_square) -> None:
        if split not in SPLITS:
            raise StageError(f"a release has the splits {', '.join(SPLITS)}, not {split!r}")
        self.manifest = _manifest(source)
        self.split, self.transform = split, transform
        posts = pq.read_table(self.manifest.folder / "posts.parquet")
        posts = posts.filter(pc.equal(posts["split"], split)).sort_by("post_key")
        self.keys: list[str] = posts["post_key"].to_pylist()
        self.captions: list[str] = posts["caption"].to_pylist()
        self.hashtags = [" ".join(tags) for tags in posts["hashtags"].to_pylist()]
        self.labels: list[int] = posts["label"].to_pylist()
        self.classes = _class_names(self.manifest.folder)
        """the POIs' names, by label"""
        _check_labels(self.keys, self.labels, len(self.classes))
        self._shards = [name for name in sorted(self.manifest.files) if name.startswith(f"{split}-")]
        self._places = _places([self.manifest.folder / name for name in self._shards], self.keys)
        self._files: dict[int, io.BufferedReader] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The post at `index`.

        Raises:
            UnreadablePicture: its picture cannot be decoded; says whose.
        """
        try:
            picture = decode_picture(self.jpeg(index))
        except UnreadablePicture as error:
            raise UnreadablePicture(
                f"the picture of post {self.keys[index]} cannot be read ({error.reason})"
            ) from error
        image = torch.from_numpy(picture).permute(2, 0, 1)
        return {
            "image": self.transform(image),
            "caption": self.captions[index],
            "hashtags": self.hashtags[index],
            "label": self.labels[index],
            "key": self.keys[index],
        }

    def jpeg(self, index: int) -> bytes:
        """The picture's bytes as they were released."""
        shard, offset, num_bytes = (int(part) for part in self._places[index])
        if shard not in self._files:
            self._files[shard] = (self.manifest.folder / self._shards[shard]).open("rb")
        # pread moves no position, so workers that share the open file after a fork do not disturb each other
        return os.pread(self._files[shard].fileno(), num_bytes, offset)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}


def _manifest(source: str | Path) -> Manifest:
    """The manifest of a release, its files compared with it."""
    if isinstance(source, str) and os.sep not in source:
        return latest_release(Store.open(), source).manifest
    manifest = unseal(Path(source))
    if manifest is None or "posts.parquet" not in manifest.files:
        raise StageError(f"{source} is no folder of a release: name datasets/<city>/<version>, or a city by its key")
    manifest.verify()
    return manifest


def _class_names(folder: Path) -> list[str]:
    return [str(label["name"]) for label in json.loads((folder / "labels.json").read_text())]


def _check_labels(keys: list[str], labels: list[int], num_classes: int) -> None:
    """A label that names no class would be ignored by some losses and end others far from here."""
    wrong = [row for row, label in enumerate(labels) if not 0 <= label < num_classes]
    if wrong:
        raise StageError(
            f"{len(wrong)} posts have a label outside 0..{num_classes - 1}, the first is {labels[wrong[0]]} "
            f"(post {keys[wrong[0]]}): labels.json and posts.parquet are not of one release, build it again"
        )


def _places(shards: list[Path], keys: list[str]) -> np.ndarray:
    """Shard, offset and length of each key's picture: (N, 3) int64."""
    found = {}
    for number, path in enumerate(shards):
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                key, _, kind = member.name.partition(".")
                if kind == "jpg":
                    found[key] = (number, member.offset_data, member.size)
    missing = [key for key in keys if key not in found]
    if missing:
        raise StageError(f"{len(missing)} posts have no picture in the shards, the first is {missing[0]}: build again")
    return np.array([found[key] for key in keys], dtype=np.int64).reshape(-1, 3)
