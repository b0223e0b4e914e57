"""What the generator knows of its own pictures: in which a person is drawn, and where.

Reads  <folder>/demo.json, the pictures of <folder>/archive that have a portrait
Law: it follows from what `demo.json` says, drawn again; nothing is stored of it, and the archive stays as it is. It
     is there to measure by, and no stage may decide by it what becomes of a picture.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.demo.archive import picture_path
from pipeline.demo.city import read_plan
from pipeline.demo.pictures import draw
from pipeline.store.digests import bytes_digest


@dataclass(frozen=True, kw_only=True)
class DrawnPerson:
    """A picture's file with its digest, and where in the upright picture the person is and the person's face."""

    digest: str
    data: bytes
    person: npt.NDArray[np.bool_]
    face: npt.NDArray[np.bool_]


def drawn_people(folder: Path, wanted: Container[str]) -> Iterator[DrawnPerson]:
    """Each picture of these digests in which a person is drawn, once; none where `folder` holds no such city."""
    found = read_plan(folder)
    if found is None:
        return
    settings, plan = found
    seen: set[str] = set()
    for post in plan.posts:
        for index, spec in enumerate(post.pictures):
            path = picture_path(folder / "archive", post, index)
            if spec.portrait == "none" or not path.is_file():
                continue
            data = path.read_bytes()
            digest = bytes_digest(data)
            if digest in wanted and digest not in seen:
                seen.add(digest)
                drawn = draw(spec, settings.image_side)
                yield DrawnPerson(digest=digest, data=data, person=drawn.mask, face=drawn.face)
