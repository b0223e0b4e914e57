"""A demo post as Instagram gave it to Instaloader: the media of the iPhone API, or a GraphQL node of two eras.

Law: nothing here touches the network, and every address in a node is at example.invalid.
GraphQL nodes have no coordinates but their location's, and the newer of them not even those.
"""

import json
import re
from typing import Any

from pipeline.demo.locations import Location
from pipeline.demo.posts import DemoPost, Era, Kind, username

Node = dict[str, Any]

HOST = "https://example.invalid"
FIRST_MEDIA_ID = 1_000_000_000_000_000_000
FIRST_USER_ID = 900_000_000_000
SIDE = 1080  # what Instagram says of the picture; the file beside it is smaller, as a thumbnail is


def media_id(post: DemoPost) -> int:
    """A made-up media id, larger for later posts."""
    return FIRST_MEDIA_ID + post.number * 1000


def video_parts(post: DemoPost) -> tuple[bool, ...]:
    """For each of the post's media whether it is a video; every third carousel ends with one."""
    if Kind.CAROUSEL in post.kinds:
        return *(False for _ in post.pictures[1:]), post.number % 3 == 0
    return (Kind.VIDEO in post.kinds,)


def instaloader_post(context: Any, post: DemoPost) -> Any:
    """The `instaloader.Post` of a demo post, in the format of its era."""
    from instaloader import Post

    code = Post.mediaid_to_shortcode(media_id(post))
    if post.era is Era.IPHONE:
        return Post.from_iphone_struct(context, iphone_media(post, code))
    return Post(context, graphql_node(post, code))


def iphone_media(post: DemoPost, code: str) -> Node:
    """The media as the iPhone API returns it: the location's coordinates inside, the post's own beside."""
    number, videos = media_id(post), video_parts(post)
    taken = int(post.taken_utc.timestamp())
    media: Node = {
        "taken_at": taken,
        "pk": number,
        "id": f"{number}_{user_id(post.user)}",
        "code": code,
        "device_timestamp": taken * 1000,
        "media_type": 8 if len(videos) > 1 else 2 if videos[0] else 1,
        "filter_type": 0,
        "location": _iphone_location(post.location),
        "lat": post.latitude,
        "lng": post.longitude,
        "user": iphone_user(post.user),
        "caption": _iphone_caption(post),
        "caption_is_edited": False,
        "comment_count": 0,
        "like_count": post.number * 7 % 113,
        "has_liked": False,
        "photo_of_you": False,
        "original_width": SIDE,
        "original_height": SIDE,
        "product_type": "feed",
        "music_metadata": None,
    }
    if len(videos) > 1:
        parts = [_iphone_part(number, index, is_video) for index, is_video in enumerate(videos)]
        return {**media, "carousel_media_count": len(parts), "carousel_media": parts}
    return {**media, **_iphone_part(number, 0, videos[0], own=True)}


def graphql_node(post: DemoPost, code: str) -> Node:
    """The node as the web's GraphQL returned it, until about 2019 (OLD_GRAPHQL) or later."""
    number, videos = media_id(post), video_parts(post)
    edges = [{"node": {"text": post.caption}}] if post.caption else []
    node: Node = {
        **_graphql_part(number, 0, videos[0]),
        "__typename": "GraphSidecar" if len(videos) > 1 else "GraphVideo" if videos[0] else "GraphImage",
        "id": str(number),
        "shortcode": code,
        "taken_at_timestamp": int(post.taken_utc.timestamp()),
        "caption_is_edited": False,
        "comments_disabled": False,
        "is_ad": False,
        "edge_media_preview_like": {"count": post.number * 7 % 113, "edges": []},
        "edge_media_to_caption": {"edges": edges},
        "edge_media_to_comment": {"count": 0, "edges": [], "page_info": {"end_cursor": None, "has_next_page": False}},
        "edge_media_to_tagged_user": {"edges": []},
        "location": _graphql_location(post.location, is_old=post.era is Era.OLD_GRAPHQL),
        "owner": graphql_user(post.user),
        "viewer_has_liked": False,
    }
    if len(videos) > 1:
        children = [{"node": _graphql_part(number, index, is_video)} for index, is_video in enumerate(videos)]
        node["edge_sidecar_to_children"] = {"edges": children}
    return node


def user_id(user: int) -> int:
    """The number of a user, who exists nowhere."""
    return FIRST_USER_ID + user


def iphone_user(user: int) -> Node:
    """A user as the iPhone API returns it."""
    return {
        "pk": user_id(user),
        "username": username(user),
        "full_name": f"Demo User {user:03d}",
        "is_private": False,
        "is_verified": False,
        "profile_pic_url": f"{HOST}/profile/{user}.jpg",
    }


def graphql_user(user: int) -> Node:
    """A user as GraphQL returns it."""
    return {
        "id": str(user_id(user)),
        "username": username(user),
        "full_name": f"Demo User {user:03d}",
        "is_private": False,
        "is_verified": False,
        "profile_pic_url": f"{HOST}/profile/{user}.jpg",
    }


def _iphone_location(location: Location) -> Node:
    return {
        "pk": location.location_id,
        "short_name": location.name,
        "name": location.name,
        "address": "",
        "city": "",
        "facebook_places_id": location.location_id * 10,
        "external_source": "facebook_places",
        "lat": location.latitude,
        "lng": location.longitude,
        "has_viewer_saved": False,
    }


def _iphone_caption(post: DemoPost) -> Node | None:
    if not post.caption:
        return None
    return {
        "pk": str(media_id(post) + 1),
        "user_id": user_id(post.user),
        "text": post.caption,
        "type": 1,
        "created_at": int(post.taken_utc.timestamp()),
        "content_type": "comment",
        "status": "Active",
        "media_id": media_id(post),
    }


def _iphone_part(number: int, index: int, is_video: bool, *, own: bool = False) -> Node:
    picture = {"width": SIDE, "height": SIDE, "url": f"{HOST}/media/{number}_{index}.jpg"}
    part: Node = {"image_versions2": {"candidates": [picture]}}
    if is_video:
        url = f"{HOST}/media/{number}_{index}.mp4"
        versions = [{"type": 101, "width": 720, "height": 720, "url": url, "id": "0"}]
        part |= {"video_versions": versions, "video_duration": 4.2, "view_count": 99, "has_audio": False}
    if own:
        return part
    identity = {"id": f"{number}{index}_0", "pk": number + index + 1, "carousel_parent_id": f"{number}_0"}
    return {**part, **identity, "media_type": 2 if is_video else 1, "original_width": SIDE, "original_height": SIDE}


def _graphql_part(number: int, index: int, is_video: bool) -> Node:
    url = f"{HOST}/media/{number}_{index}.jpg"
    part: Node = {
        "__typename": "GraphVideo" if is_video else "GraphImage",
        "id": str(number + index + 1),
        "shortcode": f"demo{index}",
        "dimensions": {"height": SIDE, "width": SIDE},
        "display_url": url,
        "display_resources": [{"src": url, "config_width": SIDE, "config_height": SIDE}],
        "is_video": is_video,
        "media_preview": None,
        "gating_info": None,
    }
    if is_video:
        part |= {"video_url": f"{HOST}/media/{number}_{index}.mp4", "video_view_count": 99, "video_duration": 4.2}
    return part


def _graphql_location(location: Location, *, is_old: bool) -> Node:
    slug = re.sub(r"[^a-z0-9]+", "-", location.name.lower()).strip("-")
    if is_old:
        return {
            "id": location.location_id,
            "has_public_page": True,
            "name": location.name,
            "slug": slug,
            "lat": location.latitude,
            "lng": location.longitude,
        }
    address = {"street_address": "", "zip_code": "", "city_name": location.name, "country_code": ""}
    return {
        "id": str(location.location_id),
        "has_public_page": True,
        "name": location.name,
        "slug": slug,
        "address_json": json.dumps(address),
    }
