"""The page in Debian's Chromium, through Playwright: by mouse and keyboard, on a phone, without colour, without JS.

Needs /usr/bin/chromium (apt install chromium) and Playwright from the extra `dev`; without them it is skipped.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.predict.answer import Places
from pipeline.predict.predictor import Predictor
from tests.fakes.predictor import NAMES, caption, labels, picture, town_predictor
from tests.fakes.town_server import served

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
expect = playwright.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium without a window."""
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser, server) -> Iterator[object]:
    """The page on a desktop; what it asks for and complains of is kept, and must be nothing foreign and nothing."""
    with opened(browser, server, DESKTOP) as (shown, asked, complaints):
        yield shown
    assert all(address.startswith((server, f"blob:{server}")) for address in asked), asked
    assert not complaints


class opened:  # noqa: N801 (a context manager that reads like a function)
    """The page in a window of this size, the addresses it asks for, and its errors and warnings."""

    def __init__(self, browser, server: str, size: dict[str, int], **options: object) -> None:
        self.context = browser.new_context(viewport=size, **options)
        self.shown, self.server = self.context.new_page(), server
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def __enter__(self):
        self.shown.on("request", lambda request: self.asked.append(request.url))
        self.shown.on("console", lambda message: self.complaints.append(message.text))
        self.shown.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.shown.goto(self.server)
        return self.shown, self.asked, self.complaints

    def __exit__(self, *_: object) -> None:
        self.context.close()


def choose(page, photo: bytes) -> None:
    """Choose a photo."""
    page.set_input_files("#image", {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo})


def places_of(page) -> list[str]:
    """The names of the listed places."""
    page.wait_for_selector("ol.places li")
    return page.locator("ol.places .place").all_inner_texts()


def test_a_photo_and_a_caption_give_a_map_and_the_top_five(page):
    page.wait_for_selector("#map circle")
    assert page.locator("#map circle.poi").count() == len(NAMES)
    choose(page, picture(2, 50))
    page.wait_for_selector("#preview:not([hidden])")
    page.fill("#caption", caption(2, 50) + " #rare")
    page.click("#ask")
    result = places_of(page)
    assert result[0] == "Coral Pier" and len(result) == 5
    assert page.locator("#map circle.predicted").count() == 5
    assert page.locator("#map text.number").all_text_contents() == ["5", "4", "3", "2", "1"], "the first on top"
    assert page.locator("#map circle.predicted.one title").text_content() == "Coral Pier"
    assert "1 Coral Pier" in page.locator("#map-title").text_content()
    assert page.locator(".bar").count() == 5
    assert "km from the first" in page.locator("ol.places li").nth(1).inner_text()
    assert "#rare" in page.locator("#answer").inner_text()
    assert "must not be used" in page.locator(".notice").inner_text()


def test_words_are_shaded_by_what_is_lost_without_them_or_by_attention(page):
    page.fill("#caption", "quiet morning walking with elm and rain #town")
    page.click("#ask")
    places_of(page)
    shades = (
        "nodes => nodes.map(n => [n.textContent, getComputedStyle(n).backgroundColor, n.getAttribute('aria-label')])"
    )
    words = page.locator(".words span").evaluate_all(shades)
    assert [word for word, _, _ in words] == ["quiet", "morning", "walking", "with", "elm", "and", "rain", "#town"]
    darkest = min(words, key=lambda word: int(word[1].split("(")[1].split(",")[0]))
    assert darkest[0] == "elm" and "points" in darkest[2]
    page.check("#shade-attention")
    by_attention = page.locator(".words span").evaluate_all(shades)
    assert all("of the attention" in label for _, _, label in by_attention)
    assert [shade for _, shade, _ in by_attention] != [shade for _, shade, _ in words]


def test_everything_can_be_done_by_keyboard(page):
    page.wait_for_selector("#map circle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "image"
    outline = page.evaluate("getComputedStyle(document.getElementById('drop')).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "caption"
    page.keyboard.type("birch and rain #market")
    for expected in ("coarse", "ask"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == expected
    page.keyboard.press("Enter")
    assert places_of(page)[0] == "Birch Market"
    page.focus("#caption")
    page.keyboard.press("Control+a")
    page.keyboard.type("elm #theatre")
    page.keyboard.press("Control+Enter")
    expect(page.locator("ol.places .place").first).to_have_text("Elm Theatre")


@pytest.mark.fault("N15")
def test_a_dropped_photo_is_taken_and_can_be_removed(page):
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
            document.getElementById("drop").dispatchEvent(drop);
        }""",
        list(picture(4, 50)),
    )
    expect(page.locator("#preview")).to_have_js_property("naturalWidth", 48)
    page.click("#ask")
    assert places_of(page)[0] == "Elm Theatre"
    choose(page, picture(2, 50))
    assert page.locator("ol.places").count() == 0, "that answer was to another photo"
    page.click("#remove")
    assert page.locator("#preview").is_hidden() and page.locator("#remove").is_hidden()
    page.click("#clear")
    assert page.locator("ol.places").count() == 0 and page.locator("#map circle.predicted").count() == 0


@pytest.mark.fault("N15")
def test_what_is_wrong_is_said_where_one_looks(browser, server):
    with opened(browser, server, DESKTOP) as (page, _, complaints):
        page.click("#ask")
        assert "Give a photo or a caption" in page.locator("#error").inner_text()
        choose(page, b"no picture at all")
        page.click("#ask")
        expect(page.locator("#error")).to_contain_text("These bytes are no picture")
        assert page.locator("#preview").is_hidden() and page.locator("#unseen").inner_text().startswith(
            "photo.jpg cannot"
        )
        assert page.locator("#error").get_attribute("role") == "alert"
        page.fill("#caption", caption(0))
        page.click("#remove")
        page.click("#ask")
        assert places_of(page)[0] == "Amber Bridge"
        assert page.locator("#error").is_hidden()
        choose(page, b"\xff\xd8\xff" + b"0" * 11_000_000)
        page.click("#ask")
        assert "larger than 10 MB" in page.locator("#error").inner_text()
        assert page.locator("ol.places").count() == 0, "an older answer is none to this photo"
        assert all("422" in complaint for complaint in complaints), "Chromium notes the refusal, and nothing else"


def test_words_that_are_read_from_the_right_stand_so(page):
    page.fill("#caption", "\u0645\u0633\u0627\u0621 \u0647\u0627\u062f\u0626 amber")
    page.click("#ask")
    places_of(page)
    first, second = (page.locator(".words span").nth(number).bounding_box()["x"] for number in (0, 1))
    assert first > second


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, server):
    with opened(browser, server, PHONE, has_touch=True, is_mobile=True) as (page, _, complaints):
        page.fill("#caption", f"{caption(0)} with " + "averyveryverylongwordwithoutanyend" * 4 + " #town")
        page.tap("#ask")
        assert places_of(page)[0] == "Amber Bridge"
        width, scrolled = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
        assert scrolled <= width == 390
        box = page.locator("#map").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert not complaints


def test_without_colour_it_tells_as_much(page):
    """Every shade of what carries meaning is a grey or differs in lightness, and numbers stand beside the bars."""
    page.fill("#caption", "coral and amber with rain")
    page.click("#ask")
    places_of(page)
    lightness = """node => { const [r, g, b] = getComputedStyle(node)[PROPERTY].match(/\\d+/g).map(Number);
                   return 0.2126 * r + 0.7152 * g + 0.0722 * b; }"""
    first = page.locator("#map circle.predicted.one").evaluate(lightness.replace("PROPERTY", "'fill'"))
    others = page.locator("#map circle.predicted:not(.one)").first.evaluate(lightness.replace("PROPERTY", "'fill'"))
    assert others - first > 150
    full = page.locator(".bar > span").first.evaluate(lightness.replace("PROPERTY", "'backgroundColor'"))
    empty = page.locator(".bar").first.evaluate(lightness.replace("PROPERTY", "'backgroundColor'"))
    assert empty - full > 100
    assert all("%" in text for text in page.locator("ol.places .percent").all_inner_texts())


def test_without_javascript_it_says_so(browser, server):
    with opened(browser, server, DESKTOP, java_script_enabled=False) as (page, asked, _):
        assert "needs JavaScript" in page.locator("noscript").inner_text()
        assert asked == [f"{server}/"]


@pytest.mark.fault("D9")
def test_hostile_names_and_words_are_shown_as_text(browser, tmp_path):
    hostile = "<img src=x onerror=document.title='owned'>"
    town = town_predictor()
    named = [{**label, "name": hostile + label["name"], "category": "<script>1</script>"} for label in labels()]
    named[1]["category"] = ""
    facts = town.facts.model_copy(update={"city_name": hostile})
    predictor = Predictor(town.model, town.backbone, Places(named), facts, temperature=1.0, known=town.known)
    with served(predictor) as address, opened(browser, address, DESKTOP) as (page, asked, complaints):
        page.fill("#caption", f"amber {hostile} #town #<b>x")
        page.click("#ask")
        assert all(name.startswith(hostile) for name in places_of(page))
        assert all(len(name) <= 28 for name in page.locator("#map text.name").all_text_contents())
        details = page.locator("ol.places .detail").all_inner_texts()
        assert any(each[:1].isdigit() for each in details), "of an unknown category"
        assert page.locator("img").count() == 1, "the preview"
        assert page.title() != "owned"
        assert not complaints
        assert {address.rsplit("/", 1)[1] for address in asked} == {"", "models", "predict"}


def test_nothing_of_another_origin_could_be_loaded_or_run(browser, server):
    """The policy at work: what a planted element asks for is blocked by the browser, be it on this machine."""
    with opened(browser, server, DESKTOP) as (page, _, complaints):
        page.wait_for_selector("#map circle")
        page.evaluate("""() => {
            for (const [tag, name] of [["img", "src"], ["script", "src"], ["link", "href"], ["iframe", "src"]]) {
                const made = document.createElement(tag); if (tag === "link") made.rel = "stylesheet";
                made.setAttribute(name, "http://127.0.0.1:9/planted"); document.body.append(made);
            }
            const inline = document.createElement("script"); inline.textContent = "document.title = 'owned'";
            document.body.append(inline);
            fetch("http://127.0.0.1:9/planted").catch(() => {});
        }""")
        page.wait_for_timeout(300)
        assert page.title() != "owned"
        assert sum("Content Security Policy" in complaint for complaint in complaints) >= 5


@pytest.mark.fault("N15")
def test_an_answer_to_what_was_changed_meanwhile_is_not_shown(page):
    answers = []
    page.route("**/predict", lambda route: answers.append(route))
    page.fill("#caption", caption(0))
    page.click("#ask")
    expect(page.locator("#status")).to_have_text("Looking\u2026")
    page.wait_for_timeout(100)
    page.fill("#caption", caption(2))
    answers[0].continue_()
    expect(page.locator("#ask")).to_be_enabled()
    assert page.locator("ol.places").count() == 0


def test_a_coarse_choice_draws_no_map(page):
    page.wait_for_selector("#map circle")
    page.fill("#caption", "amber")
    page.check("#coarse")
    page.click("#ask")
    assert set(places_of(page)) == {"Landmarks", "other"}
    assert page.locator("#map").is_hidden()
    assert not [name for name in NAMES if name in page.locator("#result").inner_text()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pictures_of_it_can_be_taken_to_look_at(browser, server, size, tmp_path: Path):
    """For a person: `pytest --basetemp`, then look."""
    with opened(browser, server, size) as (page, _, _):
        choose(page, picture(2, 50))
        page.fill("#caption", caption(2, 50))
        page.click("#ask")
        places_of(page)
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert (tmp_path / "page.png").stat().st_size > 20_000
