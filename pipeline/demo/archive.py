"""The demo city's archive: the files that Instaloader would have left, one folder per location.

Writes <archive>/%<location id>/<date>_UTC.json[.xz], the pictures beside, captions as .txt; and what a real folder
has besides posts: a profile, comments, the state of an interrupted download.
Law: equal plans give equal bytes and equal times of files, with the same versions of the libraries that encode them.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.demo.nodes import graphql_user, instaloader_post, media_id, video_parts
from pipeline.demo.pictures import PictureSpec, encode
from pipeline.demo.posts import FIRST_DAY, DemoPlan, DemoPost, Era, Kind, username

CUT_SHARE = 0.6
HTML = b"<!DOCTYPE html>\n<html><head><title>Page not found</title></head><body><h1>Sorry</h1></body></html>\n"
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\0\0\0\x08free\0\0\0\x10mdat" + bytes(8)  # a video of no frames


def write_archive(archive: Path, plan: DemoPlan, image_side: int) -> Iterator[DemoPost]:
    """Write the files of each post and yield it when they are there; then the files that are no posts."""
    from instaloader import InstaloaderContext

    context = InstaloaderContext(quiet=True)
    for post in plan.posts:
        folder = archive / f"%{post.location.location_id}"
        folder.mkdir(parents=True, exist_ok=True)
        _write_post(folder, context, post, image_side)
        yield post
    _write_bystanders(archive, context, plan)
    context.close()  # type: ignore[no-untyped-call]
    for folder in sorted(path for path in [archive, *archive.rglob("*")] if path.is_dir()):
        _touch(folder, FIRST_DAY)


def stem(post: DemoPost) -> str:
    """Instaloader's default name of a post's files."""
    return post.taken_utc.strftime("%Y-%m-%d_%H-%M-%S_UTC")


def structure_path(archive: Path, post: DemoPost) -> Path:
    """The file that describes a post."""
    suffix = ".json" if post.era is Era.OLD_GRAPHQL else ".json.xz"
    return archive / f"%{post.location.location_id}" / f"{stem(post)}{suffix}"


def picture_path(archive: Path, post: DemoPost, index: int) -> Path:
    """The picture of a post's medium number `index`, which a post of an odd kind may lack."""
    name = f"{stem(post)}_{index + 1}" if len(post.pictures) > 1 else stem(post)
    return archive / f"%{post.location.location_id}" / f"{name}.jpg"


def _write_post(folder: Path, context: Any, post: DemoPost, image_side: int) -> None:
    from instaloader import save_structure_to_file

    path = structure_path(folder.parent, post)
    save_structure_to_file(instaloader_post(context, post), str(path))
    written = [path]
    if post.caption:
        written.append(folder / f"{stem(post)}.txt")
        written[-1].write_bytes(f"{post.caption}\n".encode())
    for index, (picture, is_video) in enumerate(zip(post.pictures, video_parts(post), strict=True)):
        target = picture_path(folder.parent, post, index)
        written += _write_media(target, post, picture, is_video=is_video, image_side=image_side)
    for file in written:
        _touch(file, post.taken_utc)


def _write_media(target: Path, post: DemoPost, picture: PictureSpec, *, is_video: bool, image_side: int) -> list[Path]:
    """The picture of one medium (a video's is its cover), sound or broken as the post's kind says."""
    if Kind.MISSING in post.kinds:
        return []
    content = HTML if Kind.HTML in post.kinds else encode(picture, image_side)
    if Kind.CUT in post.kinds:
        content = content[: int(len(content) * CUT_SHARE)]
    written = [target]
    target.write_bytes(content)
    if is_video:
        written.append(target.with_suffix(".mp4"))
        written[-1].write_bytes(MP4)
    return written


def _write_bystanders(archive: Path, context: Any, plan: DemoPlan) -> None:
    """What stands in a real folder and is no post."""
    from instaloader import FrozenNodeIterator, Profile, save_structure_to_file

    post = plan.posts[0]
    folder = archive / f"%{post.location.location_id}"
    profile = folder / f"{username(post.user)}_{graphql_user(post.user)['id']}.json.xz"
    save_structure_to_file(Profile(context, graphql_user(post.user)), str(profile))
    frozen = FrozenNodeIterator(
        query_hash=None,
        query_variables={},
        query_referer=None,
        context_username=None,
        total_index=12,
        best_before=FIRST_DAY.timestamp(),
        remaining_data=None,
        first_node=None,
        doc_id=None,
    )
    iterator = folder / "iterator_demo0000.json.xz"
    save_structure_to_file(frozen, str(iterator))
    comments = folder / f"{stem(post)}_comments.json"
    comment = {
        "id": media_id(post) + 900,
        "created_at": int(post.taken_utc.timestamp()),
        "text": "Lovely picture!",
        "owner": graphql_user(post.user),
        "likes_count": 1,
        "answers": [],
    }
    comments.write_text(json.dumps([comment], indent=4))
    note = folder / f"{stem(post)}_location.txt"
    note.write_bytes(f"{post.location.name}\n".encode())
    for file in (profile, iterator, comments, note):
        _touch(file, FIRST_DAY)


def _touch(path: Path, when: datetime) -> None:
    os.utime(path, (when.timestamp(), when.timestamp()))
