"""Fetching a city's POIs: nothing is asked twice, waits are heard, and what a run cannot finish the next one does."""

import logging
from datetime import UTC, datetime

import pytest

from pipeline.collect.web.errors import HumanError
from pipeline.errors import IncompleteError, StageError
from tests.fakes.foursquare_server import CHURCH, KEY, MUSEUM, PARK, fake_place
from tests.fakes.http_server import Answer, FakeServer, changed

THROTTLED = Answer.json({"message": "slow down"}, 429)


def table(store):
    return sorted(store.tables.read("town", "pois").to_pylist(), key=lambda row: row["rank"])


def next_is(server, path="/places/search?cursor=same"):
    return changed(headers={"Link": f'<{server.url}{path}>; rel="next"'})


def test_the_most_popular_pois_are_found_page_by_page(build, server, store, clock):
    report = build(max_pois=70)
    assert report.counts == {
        "rows": 100,
        "pois": 70,
        "beyond_max_pois": 30,
        "dropped": 0,
        "unknown_categories": 1,
        "category_not_in_taxonomy": 70,
    }
    assert [row["poi_id"] for row in table(store)] == [f"{number:024x}" for number in range(70)]
    first = table(store)[0]
    assert (first["rank"], first["source"], first["popularity"]) == (1, "foursquare", None)
    assert first["retrieved_utc"] == clock.now()
    assert report.record.about["rank"] == "Foursquare's order POPULARITY"


def test_the_question_is_made_of_city_and_settings(build, server):
    build(max_pois=1, categories=[PARK, MUSEUM], sort="DISTANCE")
    (request,) = server.requests
    assert request.query == {
        "ll": "12.000000,-30.000000",
        "radius": "10000",
        "sort": "DISTANCE",
        "limit": "50",
        "fields": "fsq_place_id,name,latitude,longitude,categories,location,date_closed,unresolved_flags",
        "fsq_category_ids": f"{PARK},{MUSEUM}",
    }


def test_premium_fields_are_asked_for_by_setting_only(build, server, store):
    build(max_pois=1)
    build(max_pois=1, ask_premium=True)
    first, second = (request.query["fields"].split(",") for request in server.requests)
    assert not {"popularity", "rating"} & set(first)
    assert {"popularity", "rating"} <= set(second)
    assert table(store)[0]["popularity"] == 1.0


def test_a_circle_above_100_km_is_asked_for_as_100_km_and_reported(build, server, town):
    report = build(town.model_copy(update={"radius_km": 150.0}), max_pois=1)
    assert server.requests[0].query["radius"] == "100000"
    assert any("100 km" in note for note in report.record.notes)


def test_a_second_build_asks_nothing(build, server, monkeypatch):
    build()
    seen = server.num_searches
    assert build().is_reused
    monkeypatch.delenv("FOURSQUARE_API_KEY")
    report = build(include_sensitive=["religious"], sensitive_reason="churches are studied")
    assert (report.is_reused, server.num_searches) == (False, seen)


def test_more_pois_are_asked_for_behind_those_that_are_kept(build, server):
    build(max_pois=40)
    assert server.num_searches == 1
    build(max_pois=60)
    assert server.num_searches == 2
    assert build(max_pois=500).counts["pois"] == 120
    assert server.num_searches == 3
    build(max_pois=1000)
    assert server.num_searches == 3


def test_pages_are_read_until_there_are_enough_good_pois(build, server):
    server.places = [fake_place(number, CHURCH) for number in range(60)]
    server.places += [fake_place(number) for number in range(60, 120)]
    report = build(max_pois=45)
    assert (report.counts["pois"], report.counts["dropped/sensitive_category"]) == (45, 60)
    assert server.num_searches == 3


def test_what_one_run_may_spend_is_no_part_of_the_result(build, server):
    build(max_pois=1)
    assert build(max_pois=1, max_requests=7, max_wait_s=1).is_reused


def test_the_key_is_in_no_file_and_no_log(build, server, store, caplog):
    server.fail(skip=1, change=next_is(server, f"/places/search?key={KEY}"))
    with caplog.at_level(logging.DEBUG):
        build(max_pois=500)
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in caplog.text


def test_progress_is_reported_in_plain_lines(build, server, caplog):
    server.places[3] = fake_place(3, CHURCH)
    server.fail(skip=1, answer=Answer.json({}, 429, headers={"Retry-After": "120"}))
    with caplog.at_level(logging.INFO, logger="mrlf"):
        build(max_pois=70)
    assert "town pois: page 2, 100 places, 99 kept" in caplog.messages
    assert "throttled: waiting 120 s, until 12:02 UTC" in caplog.messages


@pytest.mark.fault("P1")
@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key_ends_the_run_after_one_request(build, server, store, clock, status, caplog):
    server.fail(answer=Answer.json({"message": KEY}, status), times=None)
    with caplog.at_level(logging.DEBUG), pytest.raises(HumanError, match="FOURSQUARE_API_KEY") as caught:
        build()
    assert (server.num_searches, clock.slept, store.stage_record("town", "pois")) == (1, [], None)
    assert KEY not in str(caught.value) + caplog.text


@pytest.mark.fault("P2")
def test_throttling_is_waited_for_as_long_as_it_says_then_longer_and_longer(build, server, clock):
    server.fail(answer=Answer.json({}, 429, headers={"Retry-After": "2"}))
    server.fail(answer=Answer.json({}, 429, headers={"Retry-After": "Sun, 01 Mar 2026 12:00:32 GMT"}))
    server.fail(answer=THROTTLED, times=2)
    assert build(max_pois=10).counts["pois"] == 10
    assert clock.slept[:2] == [2, 30]
    assert 60 <= clock.slept[2] <= 120
    assert 120 <= clock.slept[3] <= 240


@pytest.mark.fault("P2")
def test_a_source_that_says_wait_0_for_ever_does_not_hold_the_run_for_ever(build, server, clock):
    server.fail(answer=Answer.json({}, 429, headers={"Retry-After": "0"}), times=None)
    with pytest.raises(IncompleteError):
        build()
    assert (clock.slept[:4], server.num_searches) == ([1, 2, 4, 8], 10)


@pytest.mark.fault("P2")
def test_a_wait_beyond_the_budget_is_deferred_and_the_next_run_goes_on(build, server, store, clock):
    server.fail(skip=1, answer=Answer.json({}, 429, headers={"Retry-After": "7200"}))
    with pytest.raises(IncompleteError, match=r"run it again after 2026-03-01 14:00 UTC") as caught:
        build(max_pois=70)
    assert caught.value.reason == "throttled"
    assert caught.value.not_before_utc == datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert (store.stage_record("town", "pois"), clock.slept) == (None, [])
    assert server.num_searches == 2
    with pytest.raises(IncompleteError):  # too early: nobody is asked
        build(max_pois=70)
    assert server.num_searches == 2
    clock.pass_by(7200)
    assert build(max_pois=70).counts["pois"] == 70
    assert [request.query.get("cursor") is None for request in server.requests] == [True, False, False]


@pytest.mark.fault("P2")
def test_a_short_rest_of_a_wait_is_sat_out_by_the_next_run(build, server, clock):
    server.fail(answer=Answer.json({}, 429, headers={"Retry-After": "1000"}))
    with pytest.raises(IncompleteError):
        build(max_pois=10)
    clock.pass_by(900)
    build(max_pois=10)
    assert clock.slept == [100]


@pytest.mark.fault("P2")
def test_back_off_without_a_word_ends_with_the_budget(build, server, clock):
    server.fail(answer=THROTTLED, times=None)
    with pytest.raises(IncompleteError) as caught:
        build(max_wait_s=900)
    assert (caught.value.reason, caught.value.not_before_utc) == ("throttled", None)
    assert 0 < sum(clock.slept) <= 900


@pytest.mark.fault("P2")
def test_a_spent_quota_is_not_waited_for(build, server, clock):
    server.fail(answer=Answer.json({"message": "quota exceeded"}, 429), times=None)
    with pytest.raises(IncompleteError, match="quota") as caught:
        build()
    assert (caught.value.reason, clock.slept, server.num_searches) == ("quota", [], 1)


@pytest.mark.fault("P2")
def test_a_quota_that_was_raised_is_used_at_once(build, server):
    server.fail(answer=Answer.json({"message": "out of credits"}, 429, headers={"Retry-After": "70000"}))
    with pytest.raises(IncompleteError, match=r"quota.*after 2026-03-02 07:26 UTC"):
        build(max_pois=1)
    assert build(max_pois=1).counts["pois"] == 1


@pytest.mark.fault("P2")
def test_the_requests_of_a_run_are_limited_and_the_next_run_goes_on(build, server):
    with pytest.raises(IncompleteError, match="max_requests") as caught:
        build(max_pois=500, max_requests=1)
    assert (caught.value.reason, server.num_searches) == ("max_requests", 1)
    assert build(max_pois=500, max_requests=2).counts["pois"] == 120
    assert server.num_searches == 3


@pytest.mark.fault("P3")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer.html("x", 500), id="500"),
        pytest.param(Answer.html("x", 502), id="502"),
        pytest.param(Answer.html("x", 503), id="503"),
        pytest.param(Answer(ending="reset"), id="reset"),
        pytest.param(Answer.json({"results": [], "x": "y"}, ending="cut"), id="half body"),
    ],
)
def test_a_passing_trouble_is_tried_five_times_then_deferred(build, server, clock, answer):
    server.fail(skip=1, answer=answer, times=9)
    with pytest.raises(IncompleteError, match="does not answer"):
        build(max_pois=70)
    assert server.num_searches == 1 + 5
    assert build(max_pois=70).counts["pois"] == 70  # four failures more, then page 2
    assert server.num_searches == 1 + 5 + 5
    assert len(clock.slept) == 8


@pytest.mark.fault("P3")
def test_tls_trouble_is_deferred_without_a_request_in_the_clear(build, server, clock, monkeypatch):
    monkeypatch.setenv("MRLF_FOURSQUARE_URL", server.url.replace("http:", "https:"))
    with pytest.raises(IncompleteError, match="tls"):
        build()
    assert (server.requests, len(clock.slept)) == ([], 4)


@pytest.mark.fault("P4")
def test_a_body_of_another_shape_ends_the_run_with_its_beginning_and_keeps_what_was_there(build, server):
    fault = server.fail(skip=1, answer=Answer.html("<p>maintenance</p>" + "x" * 900))
    with pytest.raises(StageError, match="maintenance") as caught:
        build(max_pois=70)
    assert len(str(caught.value)) < 600
    assert fault.num_used == 1
    build(max_pois=70)
    assert server.num_searches == 3


@pytest.mark.fault("P5")
def test_a_page_that_repeats_its_cursor_is_noticed_after_one_repeat(build, server, store):
    server.places = [fake_place(number) for number in range(30)]
    second = Answer.json({"results": [fake_place(number) for number in range(30, 60)]})
    server.fail(path="cursor=same", answer=next_is(server)(second), times=None)
    server.fail(change=next_is(server), times=None)
    report = build(max_pois=500)
    assert (report.counts["pois"], report.counts["deferred/cursor_loop"]) == (60, 1)
    assert server.num_searches == 2
    assert any("cursor_loop" in note for note in report.record.notes)
    assert build(max_pois=500).is_reused  # the last page was asked for once more, and goes round still
    assert server.num_searches == 3
    server.faults.clear()
    server.fail(path="cursor=same", answer=Answer.json({"results": [fake_place(99)]}))
    report = build(max_pois=500)
    assert report.counts["pois"] == 31
    assert "deferred/cursor_loop" not in report.counts


@pytest.mark.fault("P5")
def test_empty_pages_with_more_behind_them_end_after_one_repeat(build, server):
    server.places = [fake_place(1)]
    numbers = iter(range(100))

    def more(answer):
        return next_is(server, f"/places/search?cursor=c{next(numbers)}")(answer)

    server.fail(path="cursor=", change=lambda answer: more(Answer.json({"results": []})), times=None)
    server.fail(change=more, times=None)
    report = build(max_pois=500)
    assert (report.counts["pois"], report.counts["deferred/cursor_loop"]) == (1, 1)
    assert server.num_searches == 3


@pytest.mark.fault("P5")
def test_pages_of_the_same_places_under_new_cursors_are_a_loop(build, server):
    server.places = [fake_place(1), fake_place(2)]
    numbers = iter(range(100))

    def again(answer):
        link = f"{server.url}/places/search?cursor=c{next(numbers)}"
        places = {"results": [fake_place(2), fake_place(1)]}
        return Answer.json(places, headers={"Link": f'<{link}>; rel="next"'})

    server.fail(change=again, times=None)
    assert build(max_pois=500).counts["deferred/cursor_loop"] == 1
    assert server.num_searches == 2


def test_a_stopped_fetch_that_cannot_be_mended_now_still_gives_what_it_has(build, server):
    server.places = [fake_place(1)]
    server.fail(path="cursor=same", answer=next_is(server)(Answer.json({"results": []})), times=None)
    server.fail(change=next_is(server), times=None)
    assert "deferred/cursor_loop" in build(max_pois=500).counts
    server.faults.clear()
    server.fail(answer=Answer.html("x", 500), times=None)
    assert build(max_pois=500).counts["pois"] == 1


def test_a_next_page_at_another_host_is_left_alone_and_reported(build, server):
    with FakeServer(lambda request: Answer.json({"results": []})) as other:
        server.fail(change=changed(headers={"Link": f'<{other.url}/places/search>; rel="next"'}))
        report = build(max_pois=500)
        assert (report.counts["pois"], report.counts["deferred/refused_link"]) == (50, 1)
        assert other.requests == []
    assert build(max_pois=500).counts["pois"] == 120


def test_a_cursor_that_is_forgotten_starts_the_fetch_anew(build, server):
    build(max_pois=40)
    server.fail(path="cursor=", answer=Answer.json({"message": "cursor expired"}, 400))
    assert build(max_pois=70).counts["pois"] == 70
    assert server.num_searches == 1 + 1 + 2


def test_a_question_that_is_refused_from_the_start_is_reported(build, server):
    server.fail(answer=Answer.json({"message": "no such category"}, 400), times=None)
    with pytest.raises(StageError, match="no such category"):
        build()
    assert server.num_searches == 1


@pytest.mark.parametrize("name", ["state.json", "page-0000.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b'{"links": 1, "digests": 2}', None])
def test_a_broken_kept_answer_is_reported_and_not_used(build, server, store, name, content):
    build(max_pois=40)
    (path,) = (store.root / "crawl" / "foursquare" / "town").rglob(name)
    if content is None and name == "page-0000.json":
        path.unlink()
    else:
        path.write_bytes(content or b"nonsense")
    with pytest.raises(StageError, match="remove the folder"):
        build(max_pois=50)


def test_a_killed_fetch_goes_on_at_the_page_where_it_stopped(build, server, clock, monkeypatch):
    from pipeline.collect.poi_sources import foursquare_answers as answers

    def killed(path, data):
        if path.name == "page-0001.json":
            raise KeyboardInterrupt
        write(path, data)

    write = answers.write_atomically
    monkeypatch.setattr(answers, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        build(max_pois=70)
    monkeypatch.setattr(answers, "write_atomically", write)
    assert build(max_pois=70).counts["pois"] == 70
    assert [request.query.get("cursor") is None for request in server.requests] == [True, False, False]
