"""A question: a picture and a caption that came from outside, brought into the form in which posts were learnt from.

Law: the caption takes the same steps as a collected one (cleaned, hashtags apart, only those the data set knows), the
picture that of a clean one (same limits, upright, RGB), so that a post of the data set asked about is the post itself.
What cannot be read is refused with a reason, before a pixel of it is decoded if the header shows it.
Covered: every caption that JSON can hold, every picture of `pipeline.picture_headers`. Not covered: people in the
picture are not painted over, as they were in training (see docs/DECISIONS.md); the language is not looked at.
"""

from collections.abc import Set
from dataclasses import dataclass

from pipeline.collect.archive.fields import MAX_CAPTION_CHARACTERS
from pipeline.images.decode import LIMITS, Picture, UnreadablePicture, decode_picture
from pipeline.text.captions import clean_caption
from pipeline.text.hashtags import hashtags, without_hashtags

WHY_UNREADABLE = {
    "not_an_image": "these bytes are no picture: send a JPEG, PNG or WebP file",
    "unsupported_format": "pictures of this format are not taken: send a JPEG, PNG or WebP file",
    "truncated": "the picture is cut off or damaged: send the whole file",
    "bad_header": "the picture's header is damaged or holds megabytes of metadata: save the picture anew",
    "too_many_pixels": f"the picture has more than {LIMITS.max_pixels:,} pixels: send a smaller copy",
    "too_small": f"a side of the picture is shorter than {LIMITS.min_side_px} pixels: send a larger one",
    "too_narrow": f"the picture is more than {LIMITS.max_aspect_ratio:g} times as long as wide: send the part that "
    "matters",
}


class RefusedQuestion(ValueError):  # noqa: N818 (an answer to a person, not an error of the program)
    """What was asked cannot be answered; `reason` is a word that programs can go by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Question:
    """A post to place: either of `picture` and text may be missing, not both.

    picture: R x R pixels, R being the side that the picture network wants before its middle is cut out.
    caption: without hashtags. hashtags: those the data set knows; unknown_hashtags: the others, which are not read.
    """

    picture: Picture | None
    caption: str
    hashtags: tuple[str, ...]
    unknown_hashtags: tuple[str, ...]


def read_question(
    picture: bytes | None, caption: object, *, known_hashtags: Set[str], resized_side_px: int
) -> Question:
    """The question that these bytes and this caption (None or any text) make.

    Raises:
        RefusedQuestion: `nothing_given`, `caption_too_long`, `caption_no_text`, or a key of `WHY_UNREADABLE`.
    """
    text, tags = _read_text(caption)
    if picture is None and not text and not tags:
        raise RefusedQuestion("nothing_given", "there is neither a picture nor a word to go by: give one of them")
    return Question(
        picture=None if picture is None else _read_picture(picture, resized_side_px),
        caption=text,
        hashtags=tuple(tag for tag in tags if tag in known_hashtags),
        unknown_hashtags=tuple(tag for tag in tags if tag not in known_hashtags),
    )


def _read_text(caption: object) -> tuple[str, list[str]]:
    if caption is not None and not isinstance(caption, str):
        raise RefusedQuestion("caption_no_text", f"the caption must be text, not {type(caption).__name__}")
    if len(caption or "") > MAX_CAPTION_CHARACTERS:
        raise RefusedQuestion(
            "caption_too_long",
            f"the caption has {len(caption or ''):,} characters: send at most {MAX_CAPTION_CHARACTERS:,}",
        )
    cleaned = clean_caption(caption)
    return without_hashtags(cleaned), hashtags(cleaned)


def _read_picture(data: bytes, resized_side_px: int) -> Picture:
    """The middle square, no larger than the network reads it: what waits for its turn is small."""
    from models.vision.backbones import preprocess

    try:
        picture = decode_picture(data, resized_side_px)
    except UnreadablePicture as unreadable:
        raise RefusedQuestion(unreadable.reason, WHY_UNREADABLE[unreadable.reason]) from None
    small: Picture = preprocess(picture, resized_side_px, resized_side_px).permute(1, 2, 0).numpy()
    return small
