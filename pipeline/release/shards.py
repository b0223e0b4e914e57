"""WebDataset shards: plain tars of `<post_key>.jpg` and `<post_key>.json`, equal bytes for equal samples.

Every sample has exactly these two files and every JSON key, no value is null and no list empty, floats have a decimal
point: readers that guess types from the first samples (`datasets.load_dataset`) then guess right.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One released post; `latitude` and `longitude` are its POI's, of its time only the day is released."""

    post_key: str
    user_key: str
    poi_id: str
    poi_name: str
    category: str
    label: int
    latitude: float
    longitude: float
    caption: str
    hashtags: list[str]
    clean_digest: str
    taken_day: str
    split: str

    def json(self) -> bytes:
        """The sample without its picture and split."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("split", "clean_digest")}
        return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


def write_shards(
    folder: Path, split: str, samples: Iterable[Sample], picture: Callable[[Sample], bytes], *, max_samples: int
) -> list[str]:
    """Write `<split>-000000.tar` … into `folder` and return their names; no sample, no shard."""
    from webdataset import TarWriter

    names = []
    for number, part in enumerate(_parts(list(samples), max_samples)):
        names.append(f"{split}-{number:06d}.tar")
        with TarWriter(str(folder / names[-1]), mtime=0, user="mrlf", group="mrlf", encoder=False) as shard:
            for sample in part:
                shard.write({"__key__": sample.post_key, "jpg": picture(sample), "json": sample.json()})
    return names


def _parts(samples: list[Sample], size: int) -> Iterator[list[Sample]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]
