"""Words that sentences for a person share."""

import pytest

from pipeline.errors import plural


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "post", "0 posts"),
        (1, "post", "1 post"),
        (1500, "post", "1,500 posts"),
        (2, "day", "2 days"),
        (1, "entry", "1 entry"),
        (2, "entry", "2 entries"),
        (2, "keyed hash", "2 keyed hashes"),
        (2, "box", "2 boxes"),
        (2, "search", "2 searches"),
        (2, "epoch", "2 epochs"),
    ],
)
def test_a_number_stands_with_its_noun(number, noun, told):
    assert plural(number, noun) == told
