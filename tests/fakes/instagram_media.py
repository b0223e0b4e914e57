"""A fake Instagram's posts in the shapes of its API, its pictures' addresses and their bytes.

The keys are those that the recorded media of 2022 have; see `test_instagram_server.py`.
"""

import hashlib
import io
import re
from functools import lru_cache
from typing import Any

from tests.fakes.instagram_world import FakePlace, World, mixed

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # pragma: allowlist secret
_OPENINGS = [
    "What a quiet morning",
    "We came here for the view",
    "A long walk ended here",
    "Back at my favourite place",
    "The light was perfect today",
    "Rainy day and still worth it",
    "First visit and not the last",
    "Coffee before work",
    "Sunset with old friends",
    "Nobody told me how pretty this is",
]
_MIDDLES = [
    "and the streets were almost empty",
    "while the boats came in",
    "with the best people I know",
    "so I stayed much longer than planned",
    "and the food was really good",
    "right after the rain had stopped",
    "before the crowds arrived",
    "and I took far too many pictures",
    "just around the corner from home",
]
_CLOSINGS = [
    "Would come again.",
    "So happy!",
    "Have you been here?",
    "That is all for today.",
    "Worth every step.",
    "",
]
_TAGS = [
    "travel",
    "morning",
    "sunset",
    "city",
    "weekend",
    "streetphotography",
    "coffee",
    "friends",
    "walk",
    "architecture",
    "summer",
    "view",
    "food",
    "holiday",
    "nature",
]
_LIKES = {"has_liked": False, "top_likers": [], "facepile_top_likers": [], "photo_of_you": False}
_FLAGS = {
    "filter_type": 0,
    "can_see_insights_as_brand": False,
    "is_unified_video": False,
    "can_viewer_reshare": True,
    "caption_is_edited": False,
    "like_and_view_counts_disabled": False,
    "commerciality_status": "not_commercial",
    "is_paid_partnership": False,
    "is_visual_reply_commenter_notice_enabled": True,
    "original_media_has_visual_reply_media": False,
    "comment_likes_enabled": False,
    "comment_threading_enabled": True,
    "has_more_comments": False,
    "max_num_visible_preview_comments": 2,
    "preview_comments": [],
    "comments": [],
    "can_view_more_preview_comments": False,
    "hide_view_all_comment_entrypoint": False,
    "is_organic_product_tagging_eligible": False,
    "can_viewer_save": True,
    "has_shared_to_fb": 0,
    "sharing_friction_info": {"should_have_sharing_friction": False, "bloks_app_url": None},
    "comment_inform_treatment": {
        "should_have_inform_treatment": False,
        "text": "",
        "url": None,
        "action_type": None,
    },
    "is_in_profile_grid": False,
    "profile_grid_control_enabled": False,
    "deleted_reason": 0,
    "integrity_review_decision": "pending",
    "music_metadata": None,
}


def media(world: World, pk: int) -> dict[str, Any]:
    """A post as the sections of a grid hold it: a media of the iPhone API."""
    place = world.place_of(pk)
    assert place is not None
    taken_at, owner, changes = world.taken_at(pk), world.owner_of(pk), dict(world.changes.get(pk, {}))
    flags = _is_videos(place, pk, changes.pop("is_videos", None))
    caption = changes.pop("caption", caption_of(place, pk))
    shown_pk = changes.pop("pictures_of", pk)
    for name in ("owner", "taken_at"):
        changes.pop(name, None)
    stated = {
        "taken_at": taken_at,
        "pk": pk,
        "id": f"{pk}_{owner}",
        "device_timestamp": taken_at * 1000 - 4096,
        "media_type": 8 if len(flags) > 1 else _type(flags[0]),
        "code": shortcode(pk),
        "client_cache_key": f"{pk}.2",
        **_FLAGS,
        **_LIKES,
        "organic_tracking_token": f"{mixed(pk, 9):x}",
        "like_count": mixed(pk, 3) % 400,
        "comment_count": mixed(pk, 4) % 20,
        "user": _user(owner, is_private=pk in world.private),
        "caption": _caption(pk, owner, taken_at, caption),
        "product_type": "carousel_container" if len(flags) > 1 else "feed",
        **_location(place),
        **_parts(world, pk, shown_pk, flags, owner),
        **changes,
    }
    return {
        name: value for name, value in stated.items() if value is not None or name in ("caption", "music_metadata")
    }


def node(world: World, pk: int) -> dict[str, Any]:
    """A post as the page of a place embeds it: ids as text, null for what it has not, no `full_name`."""
    stated = media(world, pk)
    kept = (
        "code",
        "taken_at",
        "media_type",
        "caption",
        "like_count",
        "comment_count",
        "has_liked",
        "user",
        "location",
        "image_versions2",
        "video_versions",
        "carousel_media",
        "carousel_media_count",
        "original_width",
        "original_height",
        "product_type",
        "like_and_view_counts_disabled",
        "commerciality_status",
    )
    shown = {"__typename": "XDTMediaDict", "pk": str(stated["pk"]), "id": stated["id"], "accessibility_caption": None}
    shown |= {name: stated.get(name) for name in kept}
    for part in shown["carousel_media"] or []:
        part |= {"pk": str(part["pk"]), "video_versions": part.get("video_versions")}
    user = {name: value for name, value in stated["user"].items() if name != "full_name"}
    return shown | {"user": user | {"pk": str(user["pk"]), "id": str(user["pk"]), "__typename": "XDTUserDict"}}


def shortcode(pk: int) -> str:
    """The code of a post in its web address."""
    code = ""
    while pk:
        pk, rest = divmod(pk, 64)
        code = _ALPHABET[rest] + code
    return code


def caption_of(place: FakePlace, pk: int) -> str:
    """Sentences with hashtags, every fifth with a mention, every twentieth with neither hashtag nor mention."""
    words = [_OPENINGS[mixed(pk, 11) % len(_OPENINGS)], _MIDDLES[mixed(pk, 12) % len(_MIDDLES)]]
    text = f"{' '.join(words)}. {_CLOSINGS[mixed(pk, 13) % len(_CLOSINGS)]}".strip()
    if mixed(pk, 14) % 20 == 0:
        return text
    tags = dict.fromkeys(_TAGS[mixed(pk, 15, n) % len(_TAGS)] for n in range(1 + mixed(pk, 16) % 4))
    own = re.sub(r"\W", "", place.name).lower()
    mention = f" with @friend.{mixed(pk, 17) % 1000}" if mixed(pk, 18) % 5 == 0 else ""
    return f"{text}{mention}\n#{own} " + " ".join(f"#{tag}" for tag in tags)


def picture(world: World, name: str) -> tuple[int, bytes]:
    """Status and bytes of a picture's file name: 404 where the post is gone, 403 where the address is old."""
    found = re.fullmatch(r"([0-9]+)_([0-9]+)_([0-9]+)x([0-9]+)_([0-9]+)_n\.(jpg|mp4)", name)
    pk, part, width, height, version = (int(value) for value in found.groups()[:5]) if found else (0,) * 5
    if found is None or world.place_of(pk) is None or pk in world.removed:
        return 404, b""
    if version != world.media_version.get(pk, 0):
        return 403, b"URL signature expired"
    if found.group(6) == "mp4":
        return 200, b"\0\0\0\x18ftypmp42" + bytes(100)
    shown_pk = world.changes.get(pk, {}).get("pictures_of", pk)
    return 200, _jpeg(shown_pk, part, (min(width, 2000), min(height, 2000)))


@lru_cache(maxsize=2000)
def _jpeg(pk: int, part: int, size: tuple[int, int]) -> bytes:
    """Smooth colours that no other picture has."""
    from PIL import Image

    seed = hashlib.shake_128(f"{pk}_{part}".encode()).digest(8 * 6 * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (8, 6), seed).resize(size, Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _is_videos(place: FakePlace, pk: int, stated: tuple[bool, ...] | None) -> tuple[bool, ...]:
    if stated is not None:
        return stated
    kind = mixed(pk, 21) % 1000 / 1000
    if kind < place.carousel:
        num_parts = 2 + mixed(pk, 22) % 4
        return tuple(mixed(pk, 23, n) % 12 == 0 for n in range(num_parts))
    return (kind < place.carousel + place.video,)


def _type(is_video: bool) -> int:
    return 2 if is_video else 1


def _user(owner: int, *, is_private: bool) -> dict[str, Any]:
    return {
        "pk": owner,
        "username": f"user.{owner}",
        "full_name": f"User {owner}",
        "is_private": is_private,
        "profile_pic_url": "https://example.invalid/p.jpg",
        "is_verified": False,
    }


def _caption(pk: int, owner: int, taken_at: int, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    return {
        "pk": str(pk - 10**18),
        "user_id": owner,
        "text": text,
        "type": 1,
        "created_at": taken_at + 1,
        "created_at_utc": taken_at + 1,
        "content_type": "comment",
        "status": "Active",
        "bit_flags": 0,
        "did_report_as_spam": False,
        "share_enabled": False,
        "is_covered": False,
        "media_id": pk,
        "private_reply_status": 0,
    }


def _location(place: FakePlace) -> dict[str, Any]:
    stated_id: int | str = int(place.location_id) if place.location_id.isdecimal() else place.location_id
    location = {
        "pk": stated_id,
        "short_name": place.name,
        "facebook_places_id": facebook_id(place),
        "external_source": "facebook_places",
        "name": place.name,
        "address": "",
        "city": place.city,
        "has_viewer_saved": False,
        "is_eligible_for_guides": True,
    }
    if not (place.coordinates_in_posts and place.has_coordinates):
        return {"location": location}
    point = {"lng": place.longitude, "lat": place.latitude}
    return {"location": location | point, **point}


def facebook_id(place: FakePlace) -> int | str:
    """The place's other id, a number as a rule."""
    return int(place.facebook_places_id) if place.facebook_places_id.isdecimal() else place.facebook_places_id


def _parts(world: World, pk: int, shown_pk: int, flags: tuple[bool, ...], owner: int) -> dict[str, Any]:
    if len(flags) == 1:
        return _part(world, pk, shown_pk, 0, flags[0]) | ({"view_count": mixed(pk, 5) % 900} if flags[0] else {})
    parts = [
        {
            "id": f"{pk * 10 + n}_{owner}",
            "media_type": _type(is_video),
            "pk": pk * 10 + n,
            "carousel_parent_id": f"{pk}_{owner}",
            "commerciality_status": "not_commercial",
            **_part(world, pk, shown_pk, n, is_video, is_child=True),
        }
        for n, is_video in enumerate(flags)
    ]
    return {"carousel_media_count": len(parts), "carousel_media": parts}


def _part(
    world: World, pk: int, shown_pk: int, part: int, is_video: bool, *, is_child: bool = False
) -> dict[str, Any]:
    width, height = world.picture_size
    sizes = ((width, height), (max(64, width // 2), max(48, height // 2)))
    stated: dict[str, Any] = {
        "image_versions2": {
            "candidates": [
                {"width": w, "height": h, "url": _address(world, pk, part, (w, h), "jpg")} for w, h in sizes
            ]
        },
        "original_width": width,
        "original_height": height,
    }
    if is_video:
        video = {"type": 101, "width": width, "height": height, "id": "0"}
        stated |= {
            "video_versions": [video | {"url": _address(world, pk, part, sizes[0], "mp4")}],
            "video_duration": 8.033,
            "is_dash_eligible": 1,
            "video_dash_manifest": "",
            "video_codec": "avc1.4D401F",
            "number_of_qualities": 2,
        }
    return stated | ({"has_audio": True} if is_video and not is_child else {})


def _address(world: World, pk: int, part: int, size: tuple[int, int], kind: str) -> str:
    version = world.media_version.get(pk, 0)
    signature = f"{mixed(pk, part, version):016x}"
    return f"{world.media_base}/media/{pk}_{part}_{size[0]}x{size[1]}_{version}_n.{kind}?_nc_ht=x&oh={signature}&oe=0"
