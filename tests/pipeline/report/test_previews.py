"""Previews: small valid PNGs, of a full city and of an empty one, and never a word of a user."""

import io

import pytest
from PIL import Image

from pipeline.report import previews
from pipeline.report.contact_sheets import MAX_BYTES
from tests.pipeline.report.small_city import write_record

pytestmark = pytest.mark.slow

ALL = ("poi_map_png", "class_histogram_png", "training_curve_png")


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png), formats=("PNG",))
    image.load()
    return image


@pytest.mark.parametrize("name", ALL)
def test_preview_of_a_city_is_a_small_png(reported, name):
    png = getattr(previews, name)(reported.store, "demo")
    assert min(opened(png).size) >= 100
    assert len(png) < MAX_BYTES


@pytest.mark.parametrize("name", ALL)
def test_preview_of_an_empty_store_is_a_small_png_too(store, name):
    png = getattr(previews, name)(store, "demo")
    assert min(opened(png).size) >= 100
    assert len(png) < MAX_BYTES


def test_histogram_before_a_release_counts_curated_posts(own):
    before = previews.class_histogram_png(own.store, "demo")
    own.store.forget_stage_record("demo", "dataset")
    assert previews.class_histogram_png(own.store, "demo") != before


def test_curve_of_a_run_that_is_gone_says_so(own):
    write_record(own.store, "demo", "train_mrlf", {"run": "gone"}, [])
    assert opened(previews.training_curve_png(own.store, "demo"))


@pytest.mark.fault("D19")
def test_the_first_parts_of_a_report_hold_their_charts_and_show_no_caption(store):
    folder = store.report_folder("demo")
    folder.mkdir(parents=True)
    (folder / "report-accuracy.png").write_bytes(b"\x89PNG")
    (folder / "report.md").write_text(
        "# Demo\n\n## Compared\n\n![bars (95 %)](report-accuracy.png)\n\n[The study](study.html) says more.\n\n"
        "## Inputs\n\ntext\n\n## Where it errs\n\na place\n\n## Examples\n\na caption\n"
    )
    assert previews.report_summary(store, "demo") == (
        "# Demo\n\n## Compared\n\n![bars (95 %)](data:image/png;base64,iVBORw==)\n\nThe study says more.\n\n"
        f"## Inputs\n\ntext\n\n\nThe whole report: `{folder / 'report.html'}`\n"
    )
