"""What the generator knows of its pictures: every drawn person, once, where it is in the file; and nothing else."""

import json

import numpy as np
import pytest

from pipeline.demo.posts import Kind
from pipeline.demo.truth import drawn_people
from pipeline.picture_bytes import decode_picture
from tests.pipeline.demo.demo_trees import plan, small, tree, write


class Everything:
    """Holds every digest."""

    def __contains__(self, digest: object) -> bool:
        return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small city, written once."""
    folder = tmp_path_factory.mktemp("cities") / "demo"
    write(folder, small())
    return folder


@pytest.mark.slow
@pytest.mark.fault("M14")
def test_every_drawn_person_is_known_and_no_file_changes(folder):
    before = tree(folder)
    people = list(drawn_people(folder, Everything()))
    assert tree(folder) == before
    portraits = {Kind.PORTRAIT_SIDE, Kind.PORTRAIT_FULL}
    assert len(people) == sum(bool(post.kinds & portraits) for post in plan(small()).posts)
    assert len({person.digest for person in people}) == len(people)
    for person in people:
        assert person.person.shape == person.face.shape == decode_picture(person.data).shape[:2]
        assert 0.1 < person.person.mean() < 0.9
        assert person.face.any() and not (person.face & ~person.person)[2:-2, 2:-2].any()


def test_the_face_is_where_skin_is(folder):
    for person in drawn_people(folder, Everything()):
        skin = decode_picture(person.data)[person.face].astype(int)
        assert np.median(skin[:, 0] - skin[:, 2]) > 10, "red over blue"


def test_only_the_pictures_that_are_asked_for_are_reported(folder):
    first = next(drawn_people(folder, Everything()))
    assert [person.digest for person in drawn_people(folder, {first.digest, "0" * 64})] == [first.digest]


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"generator_version": "0"})], ids=["none", "list", "old"])
def test_of_what_this_generator_did_not_write_nothing_is_reported(tmp_path, content):
    assert list(drawn_people(tmp_path, Everything())) == []
    (tmp_path / "demo.json").write_text(content)
    assert list(drawn_people(tmp_path, Everything())) == []
