"""A media as Instagram's API returns it: the allowed fields of its post, and the addresses of its photos.

Reads three shapes: the iPhone API's media (sections pages), the nodes of GraphQL pages, and the `xdt` nodes of 2026,
which look like the first. Each becomes Instaloader's own structure and goes through `pipeline.collect.archive.fields`,
so that a post is the same whether it comes from a file or from a page.
Law: only what is in `ApiPost` leaves here; a media gives a post or a reason, whatever its values are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from pipeline.collect.archive.fields import MAX_CAROUSEL, OfflineContext, PostFields, fields_of
from pipeline.collect.archive.json_files import UnreadableFile
from pipeline.privacy.authors import is_of_coauthors, named_accounts

if TYPE_CHECKING:
    from instaloader import InstaloaderContext, Post

PHOTO, VIDEO, CAROUSEL = 1, 2, 8
_GRAPHQL_KINDS = ("GraphImage", "GraphVideo", "GraphSidecar")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPost:
    """One post of a page of the API.

    pictures: addresses of its photos in carousel order, the largest of each; signed, so they lapse within days.
    """

    fields: PostFields
    pictures: tuple[str, ...]
    is_private: bool


def api_post(media: object, now: datetime) -> ApiPost:
    """The allowed fields and the photos of a media of the iPhone API, or of a GraphQL or `xdt` node.

    Raises:
        UnreadableFile: `not_a_post`, `unknown_media_type`, `bad_media_id` or `no_owner`.
    """
    if not isinstance(media, dict):
        raise UnreadableFile("not_a_post")
    if is_graphql(media):
        post, pictures = _graphql_post(media), _graphql_pictures(media)
    else:
        media = _iphone_media(media)
        post, pictures = _iphone_post(media), _iphone_pictures(media)
    fields = fields_of(post, now)
    return ApiPost(fields=fields, pictures=pictures, is_private=fields.is_private)


def is_graphql(media: Mapping[str, Any]) -> bool:
    """Whether this is a node of the older GraphQL pages and not a media of the iPhone API's shape."""
    return "shortcode" in media or _typename(media) in _GRAPHQL_KINDS


def _typename(node: Mapping[str, Any]) -> str:
    name = node.get("__typename")
    return name.removeprefix("XDT") if isinstance(name, str) else ""


def _graphql_post(node: dict[str, Any]) -> "Post":
    from instaloader import Post

    typename = _typename(node) or _graphql_kind(node)
    if typename and typename not in _GRAPHQL_KINDS:
        raise UnreadableFile("unknown_media_type")
    if "shortcode" not in node and "code" not in node:
        raise UnreadableFile("bad_media_id")
    typed = {**node, "__typename": typename} if typename else node
    return Post(cast("InstaloaderContext", OfflineContext()), typed)


def _graphql_kind(node: Mapping[str, Any]) -> str:
    """The kind of a node that does not name it; "" where nothing else does either."""
    if _children(node):
        return "GraphSidecar"
    is_video = node.get("is_video")
    return ("GraphVideo" if is_video else "GraphImage") if isinstance(is_video, bool) else ""


def _children(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The photos and videos of a GraphQL carousel; none where the page does not name them."""
    children = node.get("edge_sidecar_to_children")
    edges = children.get("edges") if isinstance(children, dict) else None
    nodes = [edge.get("node") for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
    return [child for child in nodes if isinstance(child, dict)][:MAX_CAROUSEL]


def _graphql_pictures(node: dict[str, Any]) -> tuple[str, ...]:
    shown = _children(node) or [node]
    photos = [part for part in shown if part.get("is_video") is not True and _typename(part) != "GraphVideo"]
    return _addresses(part.get("display_url") for part in photos)


def _iphone_media(media: dict[str, Any]) -> dict[str, Any]:
    """What is read of a media, with the keys that Instaloader wants to be there."""
    kind = _media_type(media)
    if kind not in (PHOTO, VIDEO, CAROUSEL):
        raise UnreadableFile("unknown_media_type")
    if not media.get("code"):
        raise UnreadableFile("bad_media_id")
    user, caption = media.get("user"), media.get("caption")
    node = {name: media.get(name) for name in ("code", "taken_at", "location", "lat", "lng", "owner")}
    node |= {
        "pk": media.get("id") if media.get("pk") is None else media["pk"],
        "media_type": kind,
        "caption": {"text": caption.get("text") if isinstance(caption, dict) else caption},
        "image_versions2": {"candidates": _candidates(media)},
        "has_liked": False,
        "like_count": 0,
        "user": _account(user if isinstance(user, dict) else media.get("owner")),
        **{name: named_accounts(value) for name, value in media.items() if is_of_coauthors(name)},
    }
    if kind == CAROUSEL and isinstance(media.get("carousel_media"), list):
        parts = [part for part in media["carousel_media"] if isinstance(part, dict)][:MAX_CAROUSEL]
        node["carousel_media"] = [_carousel_part(part) for part in parts]
    return node


def _account(raw: object) -> dict[str, Any]:
    """What is read of the account; the rest is what Instaloader wants to be there."""
    user = raw if isinstance(raw, dict) else {}
    read = {name: user.get(name) for name in ("pk", "id", "username", "is_private")}
    return {**read, "full_name": "", "profile_pic_url": ""}


def _carousel_part(part: dict[str, Any]) -> dict[str, Any]:
    """A photo or video of a carousel; what is neither is no photo, so it counts as a video."""
    kind = PHOTO if _media_type(part) == PHOTO else VIDEO
    return {"media_type": kind, "image_versions2": {"candidates": _candidates(part)}}


def _media_type(media: Mapping[str, Any]) -> int | None:
    """1, 2 or 8 as the API states it; where it does not, by what is there: parts, a video, a picture."""
    kind = media.get("media_type")
    if kind is not None:
        return int(kind) if isinstance(kind, str | int) and str(kind) in ("1", "2", "8") else None
    if media.get("carousel_media"):
        return CAROUSEL
    if media.get("video_versions") or media.get("is_video") is True:
        return VIDEO
    return PHOTO if _candidates(media)[0]["url"] else None


def _iphone_post(media: dict[str, Any]) -> "Post":
    from instaloader import Post

    return cast("Post", Post.from_iphone_struct(cast("InstaloaderContext", OfflineContext()), media))


def _iphone_pictures(media: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a carousel whose page names no parts: its cover."""
    shown = media.get("carousel_media") or [media]
    photos = [part for part in shown if part["media_type"] != VIDEO]
    return _addresses(part["image_versions2"]["candidates"][0]["url"] for part in photos)


def _candidates(media: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The largest version of a picture alone, the first of equal ones; an empty address where there is none."""
    versions = media.get("image_versions2")
    candidates = versions.get("candidates") if isinstance(versions, dict) else None
    whole = (
        [one for one in candidates if isinstance(one, dict) and _is_address(one.get("url"))]
        if isinstance(candidates, list)
        else []
    )
    others = [{"url": media[name]} for name in ("display_uri", "display_url") if _is_address(media.get(name))]
    return [max(whole, key=_num_pixels)] if whole else [*others, {"url": ""}][:1]


def _num_pixels(candidate: Mapping[str, Any]) -> int:
    sides = [candidate.get("width"), candidate.get("height")]
    whole = [side for side in sides if isinstance(side, int) and not isinstance(side, bool) and side > 0]
    return whole[0] * whole[1] if len(whole) == len(sides) else 0


def _is_address(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _addresses(urls: Iterable[Any]) -> tuple[str, ...]:
    return tuple(address for address in urls if _is_address(address))
