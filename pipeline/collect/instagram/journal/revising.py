"""Posts that are met again: what becomes of a post that the journal knows when a page shows it once more.

Law: the row follows what the source shows: a caption that was edited, a place that moved, a post that is private now.
A post that was dropped or found gone is taken when nothing stands against it any more, unless its author is on the
opt-out list.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pipeline.collect.instagram.journal.records import NewPost

Revision = Literal["same", "taken", "changed", "gone", "moved_away"]
"""same: nothing to do · taken: as a new one, with its pictures · changed: its row follows, its pictures stay ·
gone: a tombstone · moved_away: dropped with the reason that it has now."""

OPTED_OUT = "opted_out"
LEAVES = frozenset({"private", OPTED_OUT})
"""Of a post that was taken: it is gone. What else a page can say against it, a bad answer can say too."""

MOVES = frozenset({"unmatched_place", "no_place", "video"})
"""It has moved away, or has no photo any more."""

OF_THE_PAGE = frozenset({"private", "bad_time", "image_missing", OPTED_OUT, *MOVES})
"""Reasons that the page alone decides: they are judged anew whenever the post is met."""


def revision(
    known: Mapping[str, Any], post: NewPost, *, is_whole_walk: bool, has_gone: Callable[[str], bool]
) -> Revision:
    """What a post comes to that the journal has as `known` and a page shows again.

    is_whole_walk: whether all posts of its place are passed. has_gone: whether the cause of a refusal has gone.
    """
    is_ours = known["state"] in ("waiting", "kept", "deferred")
    if post.state == "dropped":
        if post.reason == OPTED_OUT and known["state"] in ("known", "bare") and known["location_id"]:
            return "gone"  # an archive's, which does not name this author
        if is_ours and post.reason in LEAVES:
            return "gone"
        return "moved_away" if is_ours and post.reason in MOVES else "same"
    if is_ours:
        has_cause_gone = bool(known["cause"]) and has_gone(known["cause"])  # a part of it was refused
        return "taken" if has_cause_gone else _of_ours(known, post)
    if known["state"] == "bare":
        return "taken"
    if known["state"] == "gone":
        return "taken" if is_whole_walk and known["reason"] != OPTED_OUT else "same"
    if known["state"] != "dropped":
        return "same"
    is_judged_again = is_whole_walk or known["reason"] in OF_THE_PAGE or has_gone(known["cause"])
    return "taken" if is_judged_again else "same"


def _of_ours(known: Mapping[str, Any], post: NewPost) -> Revision:
    if known["fingerprint"] == post.fingerprint:
        return "same"
    has_other_pictures = known["fingerprint"].partition("/")[0] not in ("", post.fingerprint.partition("/")[0])
    return "taken" if has_other_pictures else "changed"
