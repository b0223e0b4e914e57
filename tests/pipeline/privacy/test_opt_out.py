"""The opt-out list: whoever is on it is covered in every city by any of their names, and cannot be read from it."""

import pytest

from pipeline.cities import City
from pipeline.errors import StageError
from pipeline.privacy.opt_out import OptOut, add_opt_outs
from pipeline.privacy.pseudonyms import load_pseudonyms
from pipeline.store.store import StageRecord

MEDIA_ID, SHORTCODE = "2014000000000000001", "BvzKlRRowAB"  # one and the same post
TOWN, PORT = (City(key=key, name=key, latitude=0, longitude=0, radius_km=1) for key in ("town", "port"))
ANNA = ("77001", "@anna")


@pytest.fixture(autouse=True)
def no_key_given(monkeypatch):
    """The key is the one in the store."""
    monkeypatch.delenv("MRLF_PSEUDONYM_KEY", raising=False)


def file_of(store):
    """The list."""
    return store.private / "opt_out.txt"


@pytest.mark.parametrize(
    "entry",
    [
        "77001",
        "@anna",
        "@Anna",
        " @anna\n",
        "＠anna",
        "anna",
        "https://www.instagram.com/anna/",
        "instagram.com/Anna?hl=en",
    ],
)
def test_an_account_is_covered_by_its_id_name_or_address(store, entry):
    add_opt_outs(store, [entry])
    assert OptOut.load(store).covers(ANNA, "1")
    assert not OptOut.load(store).covers(("77002", "@ann"), "77003")


@pytest.mark.parametrize(
    "entry",
    [
        MEDIA_ID,
        f"{MEDIA_ID}_77001",
        SHORTCODE,
        f"https://www.instagram.com/p/{SHORTCODE}/",
        f"{SHORTCODE}{'x' * 28}",
        f"https://www.instagram.com/reel/{SHORTCODE}/?igsh=1",
        f"instagram.com/anna/p/{SHORTCODE}/?img_index=2",
        f"https://instagr.am/p/{SHORTCODE}",
    ],
    ids=["media id", "media id with owner", "shortcode", "address", "private", "reel", "with account", "short"],
)
@pytest.mark.parametrize("media_id", [MEDIA_ID, f"{MEDIA_ID}_77001", SHORTCODE])
def test_a_post_is_covered_by_its_id_shortcode_or_address(store, entry, media_id):
    add_opt_outs(store, [entry])
    assert OptOut.load(store).covers(("1",), media_id)
    assert not OptOut.load(store).covers(("1",), "2014000000000000002")


@pytest.mark.fault("P23")
@pytest.mark.parametrize(
    "entry",
    ["\ufeff@anna", "@anna,", '"@anna"', "'anna';", "\u200e@anna\u200f", '"77001",', "77001.0", " 77001,,\r\n"],
)
def test_an_entry_may_be_a_line_of_a_table(store, entry):
    add_opt_outs(store, [entry])
    assert OptOut.load(store).covers(ANNA, "1")


def test_any_name_of_the_account_is_enough(store):
    add_opt_outs(store, ["@anna"])
    assert OptOut.load(store).covers(ANNA, "1")
    assert not OptOut.load(store).covers(("77001",), "1"), "a post that names the id alone cannot be known by the name"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "@",
        "@anna!",
        "@" + "a" * 31,
        "anna smith",
        "https://example.com/p/BvzKlRRowAB/",
        "https://instagram.com.example.com/anna",
        "https://www.instagram.com/",
        "https://[::1/p/x",
        "abc/",
    ],
)
def test_an_entry_that_is_none_is_reported_by_its_place_and_nothing_is_added(store, entry):
    with pytest.raises(StageError, match=r"entry 2 cannot be put on the opt-out list") as caught:
        add_opt_outs(store, ["@someone", entry])
    assert "anna" not in str(caught.value)
    assert not file_of(store).exists()


def test_the_file_is_the_owners_alone_and_holds_nothing_that_can_be_read(store):
    add_opt_outs(store, ["@anna", "77001", SHORTCODE])
    text = file_of(store).read_text()
    assert file_of(store).stat().st_mode & 0o777 == 0o600
    for secret in ("anna", "77001", SHORTCODE, MEDIA_ID, (store.private / "pseudonym.key").read_text().strip()):
        assert secret.lower() not in text.lower()


def test_adding_keeps_what_is_there_and_adding_twice_changes_nothing(store):
    first = add_opt_outs(store, ["@anna"])
    both = add_opt_outs(store, [MEDIA_ID, MEDIA_ID])
    assert (len(first), len(both)) == (1, 2)
    assert both.covers(ANNA, "1")
    before = file_of(store).read_bytes()
    assert add_opt_outs(store, ["@anna"]).fingerprint == both.fingerprint
    assert file_of(store).read_bytes() == before


def test_the_fingerprint_changes_with_the_list_and_not_with_the_order(store, tmp_path):
    nobody = OptOut.load(store).fingerprint
    one = add_opt_outs(store, ["@anna"]).fingerprint
    two = add_opt_outs(store, ["@ben"]).fingerprint
    assert len({nobody, one, two}) == 3
    file_of(store).unlink()
    assert add_opt_outs(store, ["@ben", "@anna"]).fingerprint == two


@pytest.mark.parametrize(
    ("entry", "post_is_covered", "user_is_covered"),
    [("77001", False, True), ("@anna", False, False), (MEDIA_ID, True, False), (SHORTCODE, True, False)],
)
def test_rows_that_are_there_already_are_found_by_the_keys_of_their_city(
    store, entry, post_is_covered, user_is_covered
):
    for city in (TOWN, PORT):
        store.write_stage_record(city.key, StageRecord(stage="posts", digest="", outputs={}, versions={}))
    add_opt_outs(store, [entry])
    opt_out, keys = OptOut.load(store), {city.key: load_pseudonyms(store, city) for city in (TOWN, PORT)}
    for city, ours in keys.items():
        post_key, user_key = ours.post_key(MEDIA_ID), ours.user_key("77001")
        assert opt_out.covers_row(city, post_key, "x") == post_is_covered
        assert opt_out.covers_row(city, "x", user_key) == user_is_covered
        assert not opt_out.covers_row(city, ours.post_key("1"), ours.user_key("2"))
    assert not opt_out.covers_row("port", keys["town"].post_key(MEDIA_ID), keys["town"].user_key("77001"))


def test_rows_of_an_account_without_an_id_are_found_by_its_name(store):
    store.write_stage_record("town", StageRecord(stage="posts", digest="", outputs={}, versions={}))
    add_opt_outs(store, ["@Anna"])
    assert OptOut.load(store).covers_row("town", "x", load_pseudonyms(store, TOWN).user_key("@anna"))
    assert not OptOut().covers_row("town", "x", "y")


def test_without_a_list_nobody_is_covered_and_no_key_is_made(store):
    assert not OptOut.load(store).covers(ANNA, MEDIA_ID)
    assert not (store.private / "pseudonym.key").exists()


def test_a_list_of_another_key_stops_the_work(store, monkeypatch):
    add_opt_outs(store, ["@anna"])
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "ab" * 32)
    with pytest.raises(StageError, match="another pseudonym key"):
        OptOut.load(store)
    with pytest.raises(StageError, match="another pseudonym key"):
        add_opt_outs(store, ["@ben"])


def test_a_list_whose_key_is_gone_stops_the_work_and_makes_no_new_key(store):
    add_opt_outs(store, ["@anna"])
    (store.private / "pseudonym.key").unlink()
    with pytest.raises(StageError, match="from your backup"):
        OptOut.load(store)
    assert not (store.private / "pseudonym.key").exists()


@pytest.mark.parametrize("line", ["@anna", "77001", "", "ab" * 15], ids=["a name", "an id", "empty", "a cut line"])
def test_a_line_that_is_no_hash_stops_the_work_without_being_repeated(store, line):
    add_opt_outs(store, ["@ben"])
    with file_of(store).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(StageError, match="line 3 is no hash") as caught:
        OptOut.load(store)
    assert not line or line not in str(caught.value)


@pytest.mark.parametrize("text", ["", "@anna\n", "\xff\n"])
def test_a_file_that_is_no_list_stops_the_work(store, text):
    file_of(store).write_bytes(text.encode("latin-1"))
    with pytest.raises(StageError):
        OptOut.load(store)


def test_the_repr_reports_no_key(store):
    add_opt_outs(store, ["@anna"])
    assert (store.private / "pseudonym.key").read_text().strip() not in repr(OptOut.load(store))


def test_an_address_for_sharing_is_refused_and_how_to_get_the_other_is_reported(store):
    with pytest.raises(StageError, match="open it in a browser"):
        add_opt_outs(store, ["https://www.instagram.com/share/p/BAAAAAAAA"])
