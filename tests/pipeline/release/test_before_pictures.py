"""What no data set can be made of is told by curated_posts and refused before a picture is looked at."""

import datetime as dt
import re

import pytest

from pipeline.cities import City
from pipeline.errors import StageError
from pipeline.ledger import write_ledger
from pipeline.release.before_pictures import hindrance, refuse_hopeless, with_hindrance
from pipeline.stage import StageReport
from pipeline.stages import run_stage_of
from pipeline.store import Store
from tests.fakes.city import CITY, TAKEN, curated_post, poi, put_city


def fill(store: Store, *, users, days, num_pois=2) -> None:
    """Curated posts of these users on these days, in turn at each POI, with pictures that are nowhere."""
    posts = [
        curated_post(row, row % num_pois, user, ["0" * 64], taken_utc=TAKEN + dt.timedelta(days=day))
        for row, (user, day) in enumerate(zip(users, days, strict=True))
    ]
    put_city(store, [poi(number) for number in range(num_pois)], posts)


def city(**dataset) -> City:
    return CITY.model_copy(update={"stages": {"curated_posts": {"min_posts_per_poi": 2}, "dataset": dataset}})


@pytest.mark.fault("T15")
@pytest.mark.parametrize(
    ("users", "days", "split", "said"),
    [
        pytest.param([0] * 8, [0] * 8, "auto", r"1 user and 1 day .*3 users or .* 3 days", id="one of each"),
        pytest.param([0, 1] * 4, [0, 0, 1, 1] * 2, "auto", r"2 users and 2 days", id="two of each"),
        pytest.param([0] * 8, range(8), "user", r"posts of 3 users at least.*set split: auto", id="one by user"),
        pytest.param(range(8), [0] * 8, "time", r"posts of 3 days with .*set split: auto", id="one day in time"),
        pytest.param([0] * 8, [0] * 8, "time", r"posts of 3 days with .*: collect more$", id="nothing else helps"),
    ],
)
def test_what_cannot_be_split_is_refused_with_what_would_help(store, users, days, split, said):
    fill(store, users=users, days=days)
    with pytest.raises(StageError, match=said):
        refuse_hopeless(store, city(split=split))


@pytest.mark.fault("T15")
@pytest.mark.parametrize(("days", "is_refused"), [((0, 3, 1, 4, 2, 4), True), ((0, 2, 1, 3, 2, 4), False)])
def test_a_second_place_on_the_last_two_days_alone_is_refused(store, days, is_refused):
    fill(store, users=[0] * 6, days=days)
    assert (hindrance(store, city()) is not None) is is_refused


@pytest.mark.fault("T18")
@pytest.mark.parametrize(
    ("users", "num_pois", "split", "said"),
    [
        pytest.param(
            [0, 1, 2] * 4, 3, "user", r"3 users, each at one place alone.*one of them at two places", id="user"
        ),
        pytest.param([0, 1, 2] * 4, 3, "auto", "one of them at two places, or posts of 3 days", id="auto on one day"),
        pytest.param([0, 1, 2, 0] * 3, 3, "user", None, id="one user was at two places"),
        pytest.param([0, 1, 2, 3] * 4, 4, "user", None, id="four users of a place each"),
    ],
)
def test_three_users_of_one_place_each_are_refused_by_user(store, users, num_pois, split, said):
    fill(store, users=users, days=[0] * len(users), num_pois=num_pois)
    sentence = hindrance(store, city(split=split))
    assert sentence is None if said is None else re.search(said, sentence)


@pytest.mark.fault("T15")
@pytest.mark.parametrize(("users", "days"), [([0] * 8, range(8)), (range(8), [0] * 8)])
def test_what_may_be_split_is_let_through(store, users, days):
    fill(store, users=users, days=days)
    assert hindrance(store, city()) is None


def test_where_there_are_no_curated_posts_their_own_stage_speaks(store):
    assert hindrance(store, city()) is None


@pytest.mark.fault("T15")
@pytest.mark.parametrize(("num_dropped", "advises"), [(0, False), (5, True)])
def test_one_place_is_refused_and_the_floor_is_named_only_where_it_took_posts(store, num_dropped, advises):
    fill(store, users=range(8), days=range(8), num_pois=1)
    write_ledger(
        store, "demo", "curated_posts", {f"{number:032d}": "poi_below_floor" for number in range(num_dropped)}
    )
    sentence = hindrance(store, city())
    assert "nothing that a model could tell apart" in sentence
    assert ("lower min_posts_per_poi" in sentence) is advises


@pytest.mark.fault("T15")
def test_the_floor_of_the_data_set_counts(store):
    fill(store, users=range(9), days=range(9))
    assert hindrance(store, city(min_posts_per_poi=4)) is None
    assert "1 POI with at least 5 posts" in hindrance(store, city(min_posts_per_poi=5))


@pytest.mark.fault("T15")
def test_posts_of_places_below_the_floor_count_neither_as_users_nor_as_days(store):
    of_one = [curated_post(row, row % 2, 0, ["0" * 64], taken_utc=TAKEN) for row in range(10)]
    others = [curated_post(row, 2, row, ["0" * 64], taken_utc=TAKEN + dt.timedelta(days=row)) for row in range(10, 14)]
    put_city(store, [poi(number) for number in range(3)], [*of_one, *others])
    assert hindrance(store, city(min_posts_per_poi=4)) is None
    assert "the 10 curated posts of demo are of 1 user and 1 day" in hindrance(store, city(min_posts_per_poi=5))


@pytest.mark.fault("T15")
@pytest.mark.parametrize("stage", ["portrait_masks", "clean_images"])
def test_no_picture_is_looked_at_and_the_note_is_that_of_curated_posts(store, stage):
    """The pictures are missing from the store: a stage that looked for them would speak of that."""
    fill(store, users=[0] * 8, days=[0] * 8)
    record = store.stage_record("demo", "curated_posts")
    report = StageReport(stage="curated_posts", city="demo", digest="d", is_reused=True, record=record)
    (note,) = with_hindrance(store, city(), report).record.notes
    with pytest.raises(StageError) as refused:
        run_stage_of(store, city(), stage)
    assert str(refused.value) == note and store.stage_record("demo", stage) is None


@pytest.mark.fault("T15")
@pytest.mark.parametrize("stage", ["portrait_masks", "clean_images"])
def test_without_a_curated_post_no_network_is_fetched_and_the_reasons_are_told(store, monkeypatch, stage):
    """Until now the networks of both stages were fetched, for no picture, before `dataset` refused the city."""
    monkeypatch.setattr(
        "pipeline.weights.weights_store.WeightsStore.of", lambda _: pytest.fail("weights are looked for")
    )
    put_city(store, [poi(0)], [])
    write_ledger(store, "demo", "curated_posts", {f"{number:032d}": "no_hashtag" for number in range(3)})
    with pytest.raises(StageError, match=r"no post of demo is left .*curated_posts: no_hashtag \(3\)"):
        run_stage_of(store, city(), stage)
