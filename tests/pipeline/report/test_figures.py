"""Figures: valid PNGs whatever the names, places and numbers are."""

import io

import pytest
from PIL import Image

from pipeline.report.content import Epoch, PlaceResult
from pipeline.report.figures import (
    MAX_BARS,
    MAX_COUNTS_IN_MATRIX,
    class_histogram,
    confusion_matrix,
    drawable,
    drawn_mistakes,
    ink_on,
    message,
    mistakes,
    numbered,
    shades,
    training_curve,
)
from pipeline.report.maps import MapPoint, poi_map


def place(number: int, name: str, category: str = "Food") -> PlaceResult:
    return PlaceResult(
        number=number,
        label=number - 1,
        name=name,
        category=category,
        latitude=1.0,
        longitude=2.0,
        num_posts=5,
        num_test=2,
        num_right=1,
        mistaken_for=None,
        num_mistaken=0,
    )


def point(latitude: float, longitude: float, name: str = "Old Library", num_posts: int = 5) -> MapPoint:
    return MapPoint(
        number=1, name=name, latitude=latitude, longitude=longitude, num_posts=num_posts, num_right=num_posts // 2
    )


def size_of(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png), formats=("PNG",))
    image.load()
    return image.size


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([], id="none"),
        pytest.param([point(10, 20)], id="one"),
        pytest.param([point(10, 20), point(10, 20)], id="two at one spot"),
        pytest.param([point(10, 179.9), point(10.1, -179.9)], id="across the date line"),
        pytest.param([point(89.9, 20), point(89.8, -100)], id="near a pole"),
        pytest.param([point(10, 20, num_posts=0), point(11, 21, num_posts=0)], id="no posts"),
        pytest.param([point(10, 20, "$\\frac{$ 東京 <b>"), point(11, 21, "")], id="hostile names"),
    ],
)
def test_map(points):
    arrows = [(0, 1, 3)] if len(points) > 1 else []
    assert size_of(poi_map(points, arrows))[0] > 300


def test_a_city_across_the_date_line_is_drawn_as_near_as_it_is():
    near, across = [point(10, 20), point(10.1, 20.2)], [point(10, 179.9), point(10.1, -179.9)]
    (width, height), (other_width, other_height) = size_of(poi_map(near)), size_of(poi_map(across))
    assert abs(width / height - other_width / other_height) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, MAX_COUNTS_IN_MATRIX + 1])
def test_confusion_matrix(count):
    places = [place(number, f"Place $ {number}", f"Category {number % 3}") for number in range(1, count + 1)]
    confusion = [[row == column for column in range(count)] for row in range(count)]
    assert min(size_of(confusion_matrix(places, confusion))) > 200


@pytest.mark.slow
@pytest.mark.fault("T20")
def test_nothing_of_a_confusion_matrix_is_cut_off_at_its_border():
    places = [
        place(number, f"A long name of a place {number}", "A long name of a category") for number in range(1, 14)
    ]
    drawn = Image.open(io.BytesIO(confusion_matrix(places, [[1] * 13] * 13))).convert("L")
    width, height = drawn.size
    edges = [(0, 0, 2, height), (width - 2, 0, width, height), (0, 0, width, 2), (0, height - 2, width, height)]
    assert [drawn.crop(edge).getextrema() for edge in edges] == [(255, 255)] * 4


@pytest.mark.fault("T20")
def test_a_number_stands_out_from_its_cell_whatever_its_shade():
    from matplotlib.colors import to_rgb

    def light(color: object) -> float:
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for share in (step / 50 for step in range(51)):
        dark, bright = sorted((light(shades()(share)), light(ink_on(share))))
        assert (bright + 0.05) / (dark + 0.05) > 3, f"WCAG's contrast for large text, at {share}"


def test_mistakes_come_most_frequent_first_and_hits_never():
    confusion = [[5, 1, 0], [2, 0, 2], [0, 0, 3]]
    assert mistakes(confusion) == [(1, 0, 2), (1, 2, 2), (0, 1, 1)]
    assert drawn_mistakes(confusion) == [(1, 0, 2), (1, 2, 2)]
    assert drawn_mistakes([[1, 1], [0, 2]]) == [(0, 1, 1)]
    assert mistakes([[1, 0], [0, 2]]) == drawn_mistakes([[1, 0], [0, 2]]) == []


@pytest.mark.parametrize("num_epochs", [0, 1, 12])
def test_training_curve(num_epochs):
    epochs = [
        Epoch(epoch=epoch, train_loss=1.0, validation_loss=float("nan"), validation_accuracy=0.5, learning_rate=0.1)
        for epoch in range(1, num_epochs + 1)
    ]
    assert min(size_of(training_curve(epochs, num_epochs))) > 100


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, MAX_BARS + 2])
def test_class_histogram(count):
    assert min(size_of(class_histogram([(f"POI {n}", n) for n in range(count)], title="posts"))) > 100


def test_message():
    assert min(size_of(message("nothing yet"))) > 100


@pytest.mark.fault("T20")
def test_a_name_without_letters_in_the_font_is_left_to_its_number():
    assert [drawable("Café Größe"), drawable("香港大學")] == ["Café Größe", ""]
    assert [numbered(3, "Café"), numbered(3, "香港大學")] == ["\u200e3  Café", "\u200e3"]
    assert [drawable("🏖️ Sunset Beach 🏖️"), drawable("👨‍👩‍👧"), drawable("A & B ®")] == ["Sunset Beach", "", "A & B ®"]
    assert len(drawable("x" * 100)) == 28
