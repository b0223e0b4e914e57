"""A small archive in Instaloader's own format: GraphQL and iPhone-API nodes as .json or .json.xz with pictures beside.

A good post by default; name what shall be different.
"""

import json
import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fakes.pictures import encoded, pixels

TAKEN_UTC = datetime(2021, 6, 1, 12, 30, tzinfo=UTC)
LOCATION = {"id": 212928653, "has_public_page": True, "name": "Old Lighthouse", "slug": "x", "lat": 12.0, "lng": -30.0}
OWNER = {"id": "77001", "username": "anna"}


def media_id(number: int) -> str:
    """The id of the post of this number."""
    return str(2_800_000_000_000_000_000 + number)


def graphql_node(number: int = 1, *, is_videos: tuple[bool, ...] = (False,), **changes: Any) -> dict[str, Any]:
    """A node of the GraphQL era; `changes` replace its fields, None takes a field out."""
    kind = "GraphSidecar" if len(is_videos) > 1 else "GraphVideo" if is_videos[0] else "GraphImage"
    children = [
        {"node": {"is_video": is_video, "display_url": f"https://x.invalid/{n}.jpg"}}
        for n, is_video in enumerate(is_videos)
    ]
    caption = changes.pop("caption", "a fine morning at the harbour #harbour #morning")
    node = {
        "__typename": kind,
        "id": media_id(number),
        "shortcode": f"Bvz{number:06d}",
        "is_video": kind == "GraphVideo",
        "taken_at_timestamp": int(TAKEN_UTC.timestamp()) + number,
        "edge_media_to_caption": {"edges": [] if caption is None else [{"node": {"text": caption}}]},
        "location": LOCATION,
        "owner": OWNER,
        "display_url": "https://x.invalid/a.jpg",
        **({"edge_sidecar_to_children": {"edges": children}} if len(is_videos) > 1 else {}),
        **changes,
    }
    return {name: value for name, value in node.items() if value is not None}


def iphone_node(number: int = 1, *, is_videos: tuple[bool, ...] = (False,), **changes: Any) -> dict[str, Any]:
    """A node as Instaloader makes it of the iPhone API's media; `changes` replace fields of the media."""
    from instaloader import InstaloaderContext, Post, get_json_structure

    caption = changes.pop("caption", "a fine morning at the harbour #harbour #morning")
    parts = [
        {
            "media_type": 2 if is_video else 1,
            "image_versions2": {"candidates": [{"url": f"https://x.invalid/{n}.jpg"}]},
        }
        for n, is_video in enumerate(is_videos)
    ]
    media = {
        "pk": int(media_id(number)),
        "id": f"{media_id(number)}_77001",
        "code": f"Cbb{number:06d}",
        "media_type": 8 if len(parts) > 1 else parts[0]["media_type"],
        "taken_at": int(TAKEN_UTC.timestamp()) + number,
        "caption": None if caption is None else {"text": caption, "pk": 1},
        "has_liked": False,
        "like_count": 3,
        "user": {"pk": 77001, "username": "anna", "full_name": "Anna", "is_private": False, "profile_pic_url": "x"},
        "location": {"pk": 212928653, "name": "Old Lighthouse", "lat": 12.0, "lng": -30.0, "short_name": "Old"},
        "lat": 12.001,
        "lng": -30.001,
        **(parts[0] if len(parts) == 1 else {"carousel_media": parts}),
        **changes,
    }
    media = {name: value for name, value in media.items() if value is not None or name == "caption"}
    return get_json_structure(Post.from_iphone_struct(InstaloaderContext(quiet=True), media))["node"]


def instaloader_json(node: object, node_type: str = "Post") -> dict[str, Any]:
    """What Instaloader writes to a file."""
    return {"instaloader": {"version": "4.16", "node_type": node_type}, "node": node}


class FakeArchive:
    """Writes files into a folder, which is made on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def post(
        self,
        number: int = 1,
        *,
        stem: str | None = None,
        node: dict[str, Any] | None = None,
        pictures: int = 1,
        suffix: str = ".json.xz",
        **changes: Any,
    ) -> Path:
        """A post's metadata with its first `pictures` photos, each of its own pixels; the path of the metadata."""
        node = graphql_node(number, **changes) if node is None else node
        stem = f"2021-06-01_{number:06d}" if stem is None else stem
        path = self.json(f"{stem}{suffix}", instaloader_json(node))
        is_carousel = node["__typename"] == "GraphSidecar"
        for index in range(pictures):
            name = f"{stem}_{index + 1}.jpg" if is_carousel else f"{stem}.jpg"
            self.file(name, encoded(pixels(number * 100 + index)))
        return path

    def json(self, name: str, content: object) -> Path:
        """Any JSON, packed where the name says so."""
        return self.bytes_of_json(name, json.dumps(content).encode())

    def bytes_of_json(self, name: str, data: bytes) -> Path:
        """Any bytes, packed where the name says so."""
        return self.file(name, lzma.compress(data, check=lzma.CHECK_NONE) if name.endswith(".xz") else data)

    def file(self, name: str, data: bytes) -> Path:
        """Any file; `name` may hold folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path
