"""The page loads nothing and runs nothing, Markdown shows text as text, and a hub reads the model card."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from pipeline.report import render
from pipeline.report.content import DrawnPeople, Fact, Study
from pipeline.report.render import card_header
from pipeline.report.wording import percent
from pipeline.report.write import STUDY_PAGE

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"

CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
LOADING = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href")


class Page(HTMLParser):
    """What a page has: tags, and all attributes that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.alts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.loads += [value for name, value in attrs if name in LOADING]
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


@pytest.fixture
def page(reported) -> str:
    return reported.file("report.html").read_text()


@pytest.mark.fault("D10")
def test_page_loads_nothing_from_anywhere(page):
    loads = Page(page).loads
    assert loads
    assert all(value.startswith(("data:image/", "#")) for value in loads)
    assert not re.search(r"@import|url\(", page)


@pytest.mark.fault("D10")
def test_page_runs_nothing_and_says_so_to_the_browser(page):
    parsed = Page(page)
    assert not {"script", "iframe", "object", "embed", "link", "form", "base", "svg"} & set(parsed.tags)
    assert not any(name.startswith("on") for name, _ in parsed.attributes)
    assert ("content", CSP) in parsed.attributes


def test_every_picture_is_described_in_words(page):
    alts = Page(page).alts
    assert len(alts) > 10
    assert all(alts)


def test_headings_come_in_the_order_of_a_reader_in_a_hurry(page):
    headings = re.findall(r'<h2 id="(\w+)"', page)
    assert headings == [
        "models",
        "modalities",
        "mistakes",
        "calibration",
        "elsewhere",
        "leakage",
        "drift",
        "use",
        *("examples", "training", "dropped", "pictures", "data", "measured", "reconstructed", "versions"),
    ]
    assert page.index('class="headline"') < page.index("<h2")


HOSTILE = '</title><script src="https://evil.example/x.js">alert(1)</script> " onerror="x [x](javascript:alert(1)) |'


DRAWN = DrawnPeople(
    num_pictures=200, num_dropped=40, num_face_left=1, num_body_left=3, percent_face_left=0.5, percent_body_left=1.5
)


@pytest.fixture(scope="module")
def hostile_files(reported_record, drawn_figures) -> dict[str, bytes]:
    """The report of a city in which every name that comes from outside is hostile, with the figures of another."""
    places = [dataclasses.replace(place, name=HOSTILE, category=HOSTILE) for place in reported_record.places]
    categories = dataclasses.replace(
        reported_record.categories, names=[f"{HOSTILE} {name}" for name in reported_record.categories.names]
    )
    examples = [
        dataclasses.replace(example, caption=HOSTILE, hashtags=[HOSTILE], true_place=HOSTILE, predicted_place=HOSTILE)
        for example in reported_record.examples
    ]
    hostile = dataclasses.replace(
        reported_record,
        city_name=HOSTILE,
        places=places,
        categories=categories,
        examples=examples,
        remarks=[HOSTILE],
        settings=[Fact(name=HOSTILE, value=HOSTILE)],
        warnings=[HOSTILE],
        study=Study(page=STUDY_PAGE),
        drawn_people=DRAWN,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "_figures", drawn_figures)
        return render.render(hostile)


@pytest.mark.fault("D10")
def test_hostile_names_everywhere_leave_the_page_without_script_handler_or_address(hostile_files):
    parsed = Page(hostile_files["report.html"].decode())
    assert parsed.tags.count("title") == parsed.tags.count("main") == 1
    assert not {"script", "iframe", "object", "embed", "link", "form", "base", "svg"} & set(parsed.tags)
    assert not any(name.startswith("on") for name, _ in parsed.attributes)
    assert all(value.startswith(("data:image/", "#")) or value == STUDY_PAGE for value in parsed.loads)
    assert ("content", CSP) in parsed.attributes


@pytest.mark.fault("D10")
@pytest.mark.parametrize("name", ["report.md", "model_card.md"])
def test_hostile_names_everywhere_are_text_in_markdown(hostile_files, name):
    text = hostile_files[name].decode()
    body = text.split("\n---\n", 1)[-1]
    assert "<script" not in body
    assert not re.search(r"(?<!\\)\]\(javascript", body)
    assert "https://evil" not in body
    assert "evil.example" in body, "it is there, as text"


@pytest.mark.fault("D10")
def test_a_browser_shows_hostile_names_and_asks_for_nothing(hostile_files, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium here")
    (tmp_path / "report.html").write_bytes(hostile_files["report.html"])
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page, asked, dialogs = browser.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        page.goto((tmp_path / "report.html").as_uri())
        shown = page.inner_text("h1")
        pictures = page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        sideways = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert "<script" in shown
    assert pictures and sideways
    assert dialogs == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []


def test_what_a_hurried_reader_asks_is_answered_before_the_first_table(page):
    head = page[: page.index("<table>")]
    for question in ("Which input matters most?", "Where does it err?", "Do posts name their place?", "be used for?"):
        assert question in head
    assert re.search(r"of \d+ posts", head)
    assert set(re.findall(r'href="#(\w+)"', head)) <= set(re.findall(r'id="(\w+)"', page))


def test_the_study_is_pointed_at_where_it_stands(reported, hostile_files):
    assert STUDY_PAGE not in reported.file("report.html").read_text()
    assert f'href="{STUDY_PAGE}"' in hostile_files["report.html"].decode()


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_what_ran_is_named_with_digest_and_runtime_and_the_gates_recall(reported, name):
    text = reported.file(name).read_text()
    assert "ab" * 32 in text, "the digest of the portrait network"
    assert "ef" * 32 in text, "the digest of the face gate"
    assert "torch fp32 on cpu" in text
    assert "The second search for faces" in text
    assert "8 of 16 faces" in text
    assert "crowds are not in it" in text
    assert re.search(r"turned 30 to 45°(</td><td class=\"n\">| \| )1(</td><td class=\"n\">| \| )8", text)


@pytest.mark.fault("M14")
@pytest.mark.parametrize("name", ["report.html", "report.md", "model_card.md"])
def test_how_many_drawn_people_are_left_is_stated_where_it_is_known(reported, hostile_files, name):
    shown = " ".join(hostile_files[name].decode().split())
    assert "a face is left in 1 (0.5 %) and a body in 3 (1.5 %)" in shown
    assert "a face is left in" not in reported.file(name).read_text(), "nobody knows who is in those pictures"
    content = json.loads(hostile_files["report.json"])
    assert content["examples"][0]["told_place"] == HOSTILE
    assert content["drawn_people"] == dataclasses.asdict(DRAWN)


HOSTILE_CITY = "a: b\n---\n# <script>alert(1)</script> \"x\" 'y' {{ 7*7 }} [x](javascript:alert(1))"


@pytest.fixture
def card(reported) -> ModelCard:
    return ModelCard(reported.file("model_card.md").read_text())


def test_a_hub_reads_the_results_of_the_report(card, reported):
    ours = json.loads(reported.file("report.json").read_text())["models"][0]
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results == {
        "accuracy": pytest.approx(ours["accuracy"]["value"], abs=1e-4),
        "f1": pytest.approx(ours["macro_f1"], abs=1e-4),
        "mean_error_km": pytest.approx(ours["mean_km"]["value"], abs=1e-4),
        "median_error_km": pytest.approx(ours["median_km"], abs=1e-4),
    }
    assert card.data.license == "unknown"
    assert "reconstruction" in card.data.tags
    assert percent(ours["accuracy"]["value"]).replace("\u202f", " ") in card.text


def test_sections_that_a_reader_of_cards_looks_for(card):
    headings = [line[3:] for line in card.text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Model details",
        "Uses",
        "Bias, risks and limitations",
        "How to get started",
        "Training",
        "Evaluation",
        "Versions and settings",
        "Citation",
    ]
    assert "a reconstruction" in card.text.splitlines()[2] + card.text.splitlines()[1] + card.text.splitlines()[0]
    assert "No figure of the paper is claimed" in card.text
    assert "must not be used to find, follow or check on a person" in card.text
    assert "All posts of this city are invented." in card.text


@pytest.mark.fault("D10")
def test_a_hostile_name_of_a_city_stays_a_value_of_the_header(reported_record):
    header = card_header(dataclasses.replace(reported_record, city_name=HOSTILE_CITY))
    start, middle, end = header.partition("model-index")[0][:4], header, header[-4:]
    assert (start, end) == ("---\n", "---\n")
    loaded = yaml.safe_load(middle[4:-4])
    assert loaded["model-index"][0]["results"][0]["dataset"]["name"] == f"posts of {HOSTILE_CITY} (invented)"
    assert set(loaded) == {"language", "license", "library_name", "tags", "metrics", "model-index"}


def test_the_card_names_the_preset_that_auto_stood_for(reported):
    assert "preset `small`" in reported.file("model_card.md").read_text()


@pytest.mark.fault("D10")
def test_hostile_names_of_places_are_text_in_the_card(reported):
    text = reported.file("model_card.md").read_text()
    assert "<script" not in text.lower()
    assert "[x](javascript" not in text
