"""The reasons of the ledger in plain words; `test_every_reason_of_the_code_is_explained` keeps the list whole."""

from pipeline.curate.rules import meaning_of_drop

MEANINGS = {
    # files of an archive
    "not_json": "the file is not JSON",
    "truncated_file": "the file is cut: its end is missing, or all of it",
    "file_too_large": "the file is larger than any post's metadata",
    "nested_too_deep": "the JSON is nested deeper than any post's metadata",
    "too_many_medias": "the file holds far more posts than any page of Instagram's",
    "unknown_media_type": "the post is neither a photo, a video nor a carousel of them",
    "not_a_regular_file": "a link or a device stands where a file should be",
    "not_readable": "the file may not be read",
    "not_instaloader": "JSON of another program",
    "not_a_post": "a file of Instaloader, but of a profile, a story or comments",
    "instaloader_v3": "written by Instaloader 3, whose files lack what is needed",
    "bad_media_id": "the post has no identity",
    "no_owner": "the post names no author, so it cannot be kept to one split",
    "duplicate_post": "the same post stands in another file of the archive",
    # places, times, media
    "no_place": "the post carries no location",
    "unmatched_place": "its location belongs to none of the POIs",
    "bad_time": "it carries no possible date",
    "video": "only a video, and no picture, belongs to the post",
    "image_missing": "its picture is not in the archive; it is waited for",
    "waiting": "something of the post was missing when the release was made",
    # posts collected live
    "private": "only followers may see the account",
    "opted_out": "its author wants to be left out",
    "gone": "it was deleted before its pictures were fetched",
    "media_gone": "its pictures are there no more",
    "media_expired": "the addresses of its pictures have lapsed; they are asked for again",
    "media_unreachable": "its pictures could not be fetched; they are asked for again",
    "not_fetched_yet": "the run ended before its pictures were fetched; the next one goes on",
    "refused_address": "its picture leads to a place from where none may be taken",
    "too_many_redirects": "the address of its picture leads on and on",
    "robots": "the picture's host asks machines to stay away",
    "encoded_body": "its picture came packed in a way that is not taken",
    # pictures
    "original_gone": "its picture is in the store no more",
    "not_an_image": "what should be its picture is something else, such as a web page",
    "unsupported_format": "its picture has a format that is not taken",
    "bad_header": "the header of its picture is damaged",
    "truncated": "its picture is cut",
    "too_many_bytes": "its picture file is larger than allowed",
    "too_many_pixels": "its picture has more pixels than allowed",
    "too_small": "its picture is too small to show a place",
    "face_left": "after people were filled twice, a face was still found in its pictures",
    "bad_mask": "the mask of its picture has another size than the picture",
    "too_narrow": "its picture is a strip, many times longer than wide",
    "mostly_person": "masks of people cover more of its pictures than allowed: too little of the place is left",
}


def meaning_of(reason: str) -> str:
    """What a reason of the ledger means; the reason in words where nobody wrote one down."""
    return MEANINGS.get(reason) or meaning_of_drop(reason) or reason.replace("_", " ")
